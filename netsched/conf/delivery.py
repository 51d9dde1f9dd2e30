"""How changes travel to agents."""

from oslo_config import cfg

GROUP = "delivery"
OPTS = [
    cfg.StrOpt(
        "mode",
        default="push",
        choices=["push", "beat"],
        help="push: a message as soon as a change is committed. beat: on the answer to the agent's next heartbeat.",
    ),
    cfg.StrOpt(
        "payload",
        default="full",
        choices=["full", "id"],
        help="full: the notice carries the objects. id: it says what changed, and the agent pulls.",
    ),
]
