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
    cfg.FloatOpt(
        "stop_delay",
        default=0.0,
        min=0.0,
        help="Seconds after SIGTERM in which the server still takes connections while /readyz says 503, so that "
        "a load balancer takes it out before anybody is refused; two of its periods are a good value.",
    ),
    cfg.FloatOpt(
        "stop_within", default=30.0, min=0.0, help="Seconds after that for requests under way; then they are cut off."
    ),
    cfg.StrOpt("host", help="Name under which this server shows in `netsched server list`; the host's own by default."),
]
