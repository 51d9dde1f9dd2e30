"""The DHCP agent."""

from oslo_config import cfg

GROUP = "dhcp"
OPTS = [
    cfg.ListOpt("dnsmasq_dns_servers", default=[], help="Where dnsmasq forwards what it does not know."),
    cfg.IntOpt("lease_time", default=86400, min=60, help="Seconds for which an address is leased."),
    cfg.StrOpt(
        "on_lease_lost",
        default="keep",
        choices=[
            ("keep", "go on serving, so that an outage of the servers harms nobody; cut off alone, two answer"),
            ("stop", "take it all down until a server answers, so that nobody else serves the same at the same time"),
        ],
        help="What to do once no server has answered for the lease, four heartbeat intervals.",
    ),
]
