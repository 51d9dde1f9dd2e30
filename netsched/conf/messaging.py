"""How server and agents reach each other."""

from oslo_config import cfg

GROUP = "messaging"
OPTS = [
    cfg.StrOpt(
        "transport",
        secret=True,
        default="rabbit://guest:guest@127.0.0.1:5672/",
        help="rabbit://USER:PASSWORD@HOST:PORT/VHOST (several hosts by comma), or unix:///PATH for one machine. "
        "Broker details are oslo.messaging's own options, in [oslo_messaging_rabbit].",
    ),
]
