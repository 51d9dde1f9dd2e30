"""A server behind Keystone, as clients and operators meet it: tokens, the catalog, and policies of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keystone import Keystone, User
from tests.processes.deployment import Deployment

pytestmark = pytest.mark.timeout(180)
BIN = Path(sys.executable).parent
POLICY = '"update_network": "rule:context_is_admin"\n"no_such_rule": "role:admin"\n'


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, keystone: Keystone) -> Iterator[Deployment]:
    directory = tmp_path_factory.mktemp("keystone")
    (directory / "policy.yaml").write_text(POLICY)
    service = "".join(f"{name} = {value}\n" for name, value in keystone.service().items())
    more = f"[api]\nauth_strategy = keystone\npolicy_file = {directory}/policy.yaml\n[keystone_authtoken]\n{service}"
    deployment = Deployment(directory, f"sqlite:///{directory}/db.sqlite", f"unix://{directory}/socket", more)
    try:
        deployment.start("server", deployment.command("server"))
        deployment.wait("it answers who has no token", lambda: _open(f"{deployment.url}/readyz"))
        yield deployment
    finally:
        deployment.stop()


def _open(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(url, timeout=10).status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


class Shell:
    """A user at a prompt."""

    def __init__(self, keystone: Keystone, user: User, region: str) -> None:
        self._environment = {**os.environ, **keystone.environment(user, region)}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        words = [str(BIN / command[0]), *command[1:]]
        return subprocess.run(words, env=self._environment, capture_output=True, text=True, timeout=120, check=False)


def test_clients_find_the_server_in_the_catalog_and_may_what_their_roles_say(
    deployed: Deployment, keystone: Keystone
) -> None:
    region = keystone.offer(deployed.url)
    member, reader = (Shell(keystone, user, region) for user in (keystone.member, keystone.reader))
    made = member.run("openstack", "network", "create", "-f", "value", "-c", "project_id", "blue")
    assert made.stdout.split() == [keystone.member.project_id], made.stderr
    listed = reader.run("netsched", "network", "list", "-f", "value", "-c", "name")
    assert listed.stdout.split() == ["blue"], listed.stderr
    overridden = member.run("netsched", "network", "set", "--name", "green", "blue")
    assert overridden.returncode and "rule:update_network is disallowed by policy" in overridden.stderr


def test_the_rules_of_an_installation_are_there_for_oslo_policys_programs(deployed: Deployment) -> None:
    words = [str(BIN / "oslopolicy-validator"), f"--config-file={deployed.config}", "--namespace=netsched"]
    said = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 1 and "Unknown rule found in policy file: no_such_rule" in said.stdout
