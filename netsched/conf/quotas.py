"""How many objects of each kind a project may have unless it is given limits of its own."""

from oslo_config import cfg

GROUP = "quotas"
DEFAULTS = {
    "network": 100,
    "subnet": 100,
    "port": 500,
    "router": 100,
    "floatingip": 500,
    "subnetpool": -1,
    "security_group": 150,
    "security_group_rule": 1000,
    "rbac_policy": 10,
    "router_route": 30,
}
_ONE = {
    "router_route": "Routes of each router of a project; -1 for no limit.",
}
OPTS = [
    cfg.IntOpt(
        f"quota_{name}",
        default=default,
        min=-1,
        help=_ONE.get(name, f"Objects of the kind {name} that a project may have; -1 for no limit."),
    )
    for name, default in DEFAULTS.items()
]
