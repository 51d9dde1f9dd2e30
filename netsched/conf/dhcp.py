"""The DHCP agent."""

from oslo_config import cfg

GROUP = "dhcp"
OPTS = [
    cfg.ListOpt("dnsmasq_dns_servers", default=[], help="Where dnsmasq forwards what it does not know."),
    cfg.IntOpt("lease_time", default=86400, min=60, help="Seconds for which an address is leased."),
]
