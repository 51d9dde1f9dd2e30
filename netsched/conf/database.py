"""Where the tables are."""

from oslo_config import cfg

GROUP = "database"
OPTS = [
    cfg.StrOpt(
        "connection",
        secret=True,
        default="sqlite:////var/lib/netsched/netsched.db",
        help="SQLAlchemy URL: sqlite:///PATH, postgresql+psycopg2://USER:PASSWORD@HOST/NAME or "
        "mysql+pymysql://USER:PASSWORD@HOST/NAME?charset=utf8mb4.",
    ),
    cfg.IntOpt("pool_size", default=20, min=1, help="Connections kept open, for reads and for writes each."),
    cfg.IntOpt("keep_changes", default=24 * 3600, min=60, help="Seconds for which the change log is kept."),
    cfg.IntOpt("keep_change_rows", default=1_000_000, min=1000, help="Rows of the change log kept at most."),
    cfg.IntOpt(
        "keep_decisions", default=30 * 24 * 3600, min=60, help="Seconds for which reasons of ended bindings stay."
    ),
    cfg.IntOpt(
        "keep_dead_agents",
        default=0,
        min=0,
        help="Seconds after which an agent that is dead and holds nothing is deleted; 0 never does.",
    ),
]
