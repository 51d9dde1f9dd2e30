"""The DHCP agent."""

from oslo_config import cfg

GROUP = "dhcp"
OPTS = [
    cfg.ListOpt("dnsmasq_dns_servers", default=[], help="Where dnsmasq forwards what it does not know."),
    cfg.IntOpt("lease_time", default=86400, min=60, help="Seconds for which an address is leased."),
    cfg.StrOpt(
        "on_lease_lost",
        default="keep",
        choices=["keep", "stop"],
        help="When no server has answered for the lease: keep serving, or stop until one does. stop makes sure that "
        "nobody else serves the same at the same time; keep outlives an outage of the servers.",
    ),
]
