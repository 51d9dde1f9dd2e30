"""The API for any WSGI server: ``netsched.wsgi:application``. Workers and messages run beside it in
``netsched-server --workers``. NETSCHED_CONFIG_FILE names the configuration, /etc/netsched/netsched.conf by default.

To be loaded after the fork: this process has database connections, and a thread that says it lives.
"""

from __future__ import annotations

import os
import sys

from netsched import errors
from netsched.cmd import start
from netsched.server import wiring


def _server() -> wiring.Server:
    files = [f"--config-file={path}" for path in os.environ.get("NETSCHED_CONFIG_FILE", "").split(":") if path]
    try:
        server = wiring.build(start.configure("netsched-wsgi", __doc__ or "", files), role="api")
        server.start()
    except errors.NetschedError as error:
        sys.exit(start.die(str(error)))
    return server


application = _server().application
