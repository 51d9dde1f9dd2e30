"""The API for any WSGI server: ``netsched.wsgi:application``. Workers and messages run beside it in
``netsched-server --workers``. NETSCHED_CONFIG_FILE names the configuration, /etc/netsched/netsched.conf by default.
"""

from __future__ import annotations

import os

from netsched.cmd import start
from netsched.server import wiring

_files = [f"--config-file={path}" for path in os.environ.get("NETSCHED_CONFIG_FILE", "").split(":") if path]
application = wiring.build(start.configure("netsched-wsgi", __doc__ or "", _files), role="api").application
