"""Liveness of agents, as the server sees it and tells them."""

from oslo_config import cfg

GROUP = "heartbeat"
OPTS = [
    cfg.FloatOpt(
        "interval",
        default=10.0,
        min=0.1,
        help="Seconds between an agent's heartbeats. Suspect after 2.5 intervals, dead after 4.",
    ),
    cfg.FloatOpt(
        "max_beats",
        default=300.0,
        min=1,
        help="Heartbeats per second that a server process is to get at most. With more agents the interval grows, and "
        "the limits with it.",
    ),
    cfg.FloatOpt(
        "write_delay",
        default=0.8,
        min=0.05,
        help="Seconds for which heartbeats are gathered into one write; at most a tenth of interval.",
    ),
    cfg.BoolOpt("new_agents_enabled", default=True, help="Whether agents that appear get work without being enabled."),
]
