"""The L3 agent."""

from oslo_config import cfg

GROUP = "l3"
OPTS = [
    cfg.StrOpt(
        "on_lease_lost",
        default="keep",
        choices=["keep", "stop"],
        help="When no server has answered for the lease: keep serving, or stop until one does. stop makes sure that "
        "nobody else serves the same at the same time; keep outlives an outage of the servers.",
    ),
]
