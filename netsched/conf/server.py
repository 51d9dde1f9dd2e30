"""The server process itself."""

from oslo_config import cfg

GROUP = "server"
OPTS = [
    cfg.StrOpt(
        "concurrency",
        default="threading",
        choices=["threading", "eventlet"],
        help="How a process does several things at once; see docs/performance for the figures behind the default.",
    ),
    cfg.IntOpt("processes", default=1, min=1, help="API processes; one per core is a good number."),
    cfg.IntOpt("threads", default=16, min=1, help="Requests served at once by a process."),
    cfg.StrOpt("host", help="Name under which this server shows in `netsched server list`; the host's own by default."),
]
