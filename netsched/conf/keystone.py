"""[keystone_authtoken]: how the server reaches Keystone. The options are keystonemiddleware's and keystoneauth's own.

Not in opts.py: only a server with ``[api] auth_strategy = keystone`` reads them, and registers them where it does
(server/api/keystone.py). Here they are for the sample file, of which keystonemiddleware writes all but the service's
user.
"""

from __future__ import annotations

from typing import Any

from keystoneauth1 import loading

GROUP = "keystone_authtoken"


def list_opts() -> list[tuple[str, list[Any]]]:
    """Entry point of oslo.config.opts: what ``auth_type = password`` takes."""
    return [(GROUP, loading.get_auth_plugin_conf_options("password"))]
