"""How this host is joined to others: read by the L2 agent, which does it, and the L3 agent, which must know."""

from oslo_config import cfg

GROUP = "linux_bridge"
OPTS = [
    cfg.DictOpt(
        "physical_interface_mappings",
        default={},
        help="The interface of each physical network on this host, for flat and VLAN networks: physnet1:eth1,...",
    ),
    cfg.StrOpt("local_ip", help="This host's address on the underlay; VXLAN networks need it."),
    cfg.PortOpt("vxlan_port", default=4789, help="UDP port of VXLAN, the same on all hosts."),
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
