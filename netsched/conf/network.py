"""What networks are like by default."""

from oslo_config import cfg

GROUP = "network"
OPTS = [
    cfg.IntOpt(
        "mtu", default=1450, min=576, max=65535, help="MTU of tenant networks: the underlay's minus 50 for VXLAN."
    ),
    cfg.StrOpt("base_mac", default="fa:16:3e:00:00:00", help="First three bytes of generated MAC addresses."),
    cfg.StrOpt("dns_domain", default="openstacklocal", help="Domain in which ports' names are answered."),
]
