"""A Keystone in one process: what `keystone-manage` does in four, and then the server.

    python -m tests.keystone_process DIRECTORY PORT PASSWORD

Run apart from the tests, since Keystone keeps its configuration and its drivers in globals. Each keystone-manage costs
2 s of CPU, nearly all of it imports; a fork after them does the work of all in 1 s.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

CONFIG = """
[DEFAULT]
log_file = {directory}/keystone.log
[database]
connection = sqlite:///{directory}/keystone.sqlite
[fernet_tokens]
key_repository = {directory}/fernet
[fernet_receipts]
key_repository = {directory}/fernet
[credential]
key_repository = {directory}/credential
[identity]
# Passwords that nobody wants to guess.
password_hash_rounds = 4
[cache]
enabled = false
"""


def main(directory: Path, port: int, password: str) -> None:
    warnings.simplefilter("ignore")  # of what Keystone's libraries have deprecated
    file = directory / "keystone.conf"
    file.write_text(CONFIG.format(directory=directory))
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(file)
    import waitress
    from keystone.server import wsgi

    if not (directory / "keystone.sqlite").exists():
        _in_a_fork(file, f"http://127.0.0.1:{port}/v3", password)
    waitress.serve(wsgi.initialize_public_application(), listen=f"127.0.0.1:{port}", threads=4, _quiet=True)


def _in_a_fork(file: Path, url: str, password: str) -> None:
    """Set up where its globals do not stay."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _set_up(file, url, password)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit("Keystone was not set up; its log says more")


def _set_up(file: Path, url: str, password: str) -> None:
    """Tables, keys, and what `keystone-manage bootstrap` makes: the roles, an administrator, the catalog."""
    import keystone.conf
    import keystone.server
    from keystone.cmd.bootstrap import Bootstrapper
    from keystone.common import fernet_utils
    from keystone.common.sql import upgrades

    keystone.server.configure(config_files=[str(file)])
    upgrades.offline_sync_database_to_version()
    conf = keystone.conf.CONF
    for group, section in (("fernet_tokens", conf.fernet_tokens), ("credential", conf.credential)):
        keys = fernet_utils.FernetUtils(section.key_repository, 1, group)
        keys.create_key_directory()
        keys.initialize_key_repository()
    first = Bootstrapper()
    first.admin_username, first.admin_password, first.admin_role_name = "admin", password, "admin"
    first.project_name, first.service_name, first.region_id = "admin", "keystone", "RegionOne"
    first.public_url = first.internal_url = url
    first.bootstrap()


if __name__ == "__main__":
    given = sys.argv[1:]
    del sys.argv[1:]  # Keystone would take them for its own
    main(Path(given[0]), int(given[1]), given[2])
