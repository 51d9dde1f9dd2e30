"""What networks are like by default."""

from oslo_config import cfg

GROUP = "network"
OPTS = [
    cfg.IntOpt(
        "underlay_mtu",
        default=1500,
        min=646,
        max=65535,
        help="MTU of what joins the hosts, the same on all: that of flat and VLAN networks; VXLAN networks get less.",
    ),
    cfg.IntOpt(
        "overlay_ip_version",
        default=4,
        choices=[4, 6],
        help="IP version of the addresses between which VXLAN runs: it takes 50 bytes of the MTU with 4, 70 with 6.",
    ),
    cfg.StrOpt("base_mac", default="fa:16:3e:00:00:00", help="First three bytes of generated MAC addresses."),
    cfg.StrOpt("dns_domain", default="openstacklocal", help="Domain in which ports' names are answered."),
]
