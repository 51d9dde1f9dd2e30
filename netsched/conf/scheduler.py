"""Placement."""

from oslo_config import cfg, types

GROUP = "scheduler"
OPTS = [
    cfg.StrOpt(
        "profile",
        default="least_loaded",
        choices=["least_loaded", "chance", "grizzly"],
        help="Named set of filters and weighers; grizzly is chance that never moves anything.",
    ),
    cfg.ListOpt("filters", help="Names of filters, instead of the profile's."),
    cfg.DictOpt(
        "weighers", help="Weigher names with their weights, instead of the profile's: load:1.0,zone_spread:2.0."
    ),
    cfg.IntOpt("dhcp_agents_per_network", default=1, min=1, help="Replicas of each network's DHCP service."),
    cfg.BoolOpt("move_from_dead", default=True, help="Move what a dead agent has to live ones."),
    cfg.BoolOpt("auto_schedule", default=True, help="Place what is not bound; off leaves everything to operators."),
    cfg.ListOpt(
        "left_to_operators",
        default=[],
        item_type=types.String(choices=["network", "router"]),
        help="Types of resources that only operators place.",
    ),
    cfg.FloatOpt("max_moves", default=500.0, min=1, help="Moves from dead agents per second and server, at most."),
    cfg.FloatOpt(
        "move_failing_after",
        default=60.0,
        min=0,
        help="Seconds for which an agent may fail to apply what it holds; then another one gets it. 0 never moves it.",
    ),
    cfg.IntOpt("alternates", default=2, min=0, help="Next best agents stored with each placement."),
    cfg.FloatOpt(
        "unbind_hold",
        default=60.0,
        min=0,
        help="Seconds for which a slot that an operator emptied is left alone.",
    ),
    # Names of the Grizzly release in the groups that they had there, read so that an old file still means what it said;
    # a hint is printed.
    cfg.IntOpt(
        "agent_down_time",
        help="Grizzly's name. Use [heartbeat] interval: agents are dead after 4 intervals.",
        deprecated_group="DEFAULT",
    ),
    cfg.FloatOpt("report_interval", help="Grizzly's name. Use [heartbeat] interval.", deprecated_group="AGENT"),
    cfg.StrOpt("network_scheduler_driver", help="Grizzly's name. Use [scheduler] profile.", deprecated_group="DEFAULT"),
    cfg.StrOpt("router_scheduler_driver", help="Grizzly's name. Use [scheduler] profile.", deprecated_group="DEFAULT"),
    cfg.BoolOpt(
        "network_auto_schedule", help="Grizzly's name. Use [scheduler] left_to_operators.", deprecated_group="DEFAULT"
    ),
    cfg.BoolOpt(
        "router_auto_schedule", help="Grizzly's name. Use [scheduler] left_to_operators.", deprecated_group="DEFAULT"
    ),
]
