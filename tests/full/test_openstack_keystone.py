"""The stock `openstack` client as users of a real Keystone: what takes names of projects, and what roles may do.

Objects are looked at with tokens of their own, in plain requests.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from netsched.clock import SystemClock
from netsched.conf import quotas
from netsched.server.api.keystone import Keystone as Tokens
from tests.cli.deployment import Deployment
from tests.cli.test_openstack_client import ended, openstack
from tests.keystone import Keystone, User

pytestmark = pytest.mark.timeout(300)
JSON = ["-f", "json"]


class Site:
    """A server that believes tokens only, and users at prompts."""

    def __init__(self, deployment: Deployment, keystone: Keystone) -> None:
        self._deployment = deployment
        self.keystone = keystone
        self._region = keystone.offer(deployment.url)

    def run(self, user: User, *commands: list[str]) -> list[Any]:
        return openstack(self._deployment, *commands, **self.keystone.environment(user, self._region))

    def refused(self, user: User, command: list[str]) -> str:
        """What it said."""
        ((code, out, err),) = ended(self.keystone.environment(user, self._region), command)
        assert code != 0, out
        return err

    def get(self, user: User, path: str) -> Any:
        request = urllib.request.Request(f"{self._deployment.url}/v2.0/{path}")
        request.add_header("X-Auth-Token", self.keystone.token(user))
        with urllib.request.urlopen(request, timeout=30) as answer:
            (found,) = json.load(answer).values()
        return found


@pytest.fixture
def site(tmp_path: Path, keystone: Keystone) -> Iterator[Site]:
    file = tmp_path / "netsched.conf"
    options = [f"{name} = {value}" for name, value in keystone.service().items()]
    file.write_text("\n".join(["[keystone_authtoken]", *options, ""]))
    conf = cfg.ConfigOpts()
    conf([f"--config-file={file}"], project="netsched")
    started = Deployment(tmp_path, authenticator=Tokens(conf, SystemClock()), quotas=quotas.DEFAULTS)
    yield Site(started, keystone)
    started.stop()


def test_quotas(site: Site) -> None:
    admin, member, project = site.keystone.admin, site.keystone.member, site.keystone.member.project_id
    *_, shown = site.run(
        admin,
        ["quota", "set", "--networks", "2", "--ports", "3", "alice"],
        ["quota", "show", "--network", "--usage", "alice", *JSON],
    )
    limits = {one["Resource"]: (one["Limit"], one["In Use"]) for one in shown}
    assert (limits["networks"], limits["ports"], limits["routers"]) == ((2, 0), (3, 0), (100, 0))
    assert site.get(admin, f"quotas/{project}")["network"] == 2
    site.run(member, ["network", "create", "a"], ["network", "create", "b"])
    assert "Quota exceeded for resources: ['network']" in site.refused(member, ["network", "create", "c"])
    assert len(site.get(member, "networks")) == 2
    site.run(admin, ["quota", "delete", "--network", "alice"])
    assert site.get(admin, f"quotas/{project}")["network"] == 100
    site.run(admin, ["network", "delete", *[one["id"] for one in site.get(admin, "networks")]])


def test_a_grant_to_one_project(site: Site) -> None:
    member, other, reader = site.keystone.member, site.keystone.other, site.keystone.reader
    # Names of others' projects are for administrators: Keystone tells nobody else.
    grant = ["--type", "network", "--action", "access_as_shared", "--target-project", other.project_id]
    network, made = site.run(
        member,
        ["network", "create", "web", *JSON],
        ["network", "rbac", "create", *grant, "web", *JSON],
    )
    assert [one["id"] for one in site.get(other, "networks")] == [network["id"]]
    (listed,) = site.run(other, ["network", "list", "--share", *JSON])
    assert [one["Name"] for one in listed] == ["web"]
    site.run(other, ["port", "create", "guest", "--network", "web"])
    assert "depend on it" in site.refused(member, ["network", "rbac", "delete", made["id"]])
    site.run(other, ["port", "delete", "guest"])
    site.run(member, ["network", "rbac", "delete", made["id"]])
    assert site.get(other, "networks") == []
    assert "is disallowed by policy" in site.refused(reader, ["network", "set", "--name", "x", "web"])
    assert site.get(reader, f"networks/{network['id']}")["name"] == "web"
    site.run(member, ["network", "delete", "web"])
