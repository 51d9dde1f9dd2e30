"""From where networks get their segments."""

from oslo_config import cfg

GROUP = "segment"
OPTS = [
    cfg.StrOpt(
        "tenant_network_type",
        default="vxlan",
        choices=["vxlan", "vlan"],
        help="What networks are for which nobody asked for a type.",
    ),
    cfg.ListOpt("vni_ranges", default=["1:200000"], help="VXLAN ids to choose from, FIRST:LAST,..."),
    cfg.ListOpt(
        "network_vlan_ranges",
        default=[],
        help="VLAN ids to choose from, PHYSICAL_NETWORK:FIRST:LAST,...; without FIRST and LAST only given ones.",
    ),
    cfg.ListOpt("flat_networks", default=["*"], help="Physical networks on which flat networks may be; * for any."),
]
