"""Ansible's modules for OpenStack (the collection openstack.cloud, unchanged): run twice, the second changes nothing.

``tools/setup.sh ansible``, which ``tools/test.sh --full`` runs, puts Ansible into an environment of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netsched.model import kinds
from netsched.rpc.agent import Capabilities
from tests.cli.deployment import Deployment, environment
from tests.cli.test_openstack_projects import get

pytestmark = pytest.mark.timeout(900)

PROGRAM = Path(__file__).parents[2] / ".cache/ansible/bin/ansible-playbook"
PLAYBOOK = Path(__file__).with_name("site.yaml")
TASKS = 11
COLLECTIONS = ("networks", "subnets", "ports", "routers", "floatingips", "security-groups", "security-group-rules")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Deployment]:
    started = Deployment(tmp_path)
    started.agent("node-1", kinds.L3_AGENT, capabilities=Capabilities(hosts=["router"], reaches=["flat:physnet1"]))
    yield started
    started.stop()


def play(site: Deployment, directory: Path) -> dict[str, bool]:
    """The tasks by their names, and whether each changed something."""
    variables = {
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_HOME": str(directory), "HOME": str(directory),
        "LC_ALL": "C.UTF-8", "XDG_CONFIG_HOME": str(directory),
    }  # fmt: skip
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    command = [str(PROGRAM), "-i", "localhost,", "-c", "local", "-e", f"endpoint={site.url}"]
    command += ["-e", f"ansible_python_interpreter={PROGRAM.with_name('python')}", str(PLAYBOOK)]
    done = subprocess.run(
        command, env={**environment(**variables), "PATH": path}, cwd=directory, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (played,) = json.loads(done.stdout)["plays"]
    return {one["task"]["name"]: one["hosts"]["localhost"]["changed"] for one in played["tasks"]}


def state(site: Deployment) -> dict[str, Any]:
    return {name: sorted(get(site, name), key=lambda one: str(one["id"])) for name in COLLECTIONS}


def test_a_playbook_run_twice_changes_nothing_the_second_time(site: Deployment, tmp_path: Path) -> None:
    first = play(site, tmp_path)
    assert len(first) == TASKS and all(first.values()), first
    made = state(site)
    assert {one["name"] for one in made["networks"]} == {"internet", "web"}
    assert {one["cidr"] for one in made["subnets"]} == {"203.0.113.0/24", "10.1.0.0/24", "2001:db8::/64"}
    (router,) = made["routers"]
    gateway = router["external_gateway_info"]
    assert [ip["ip_address"] for ip in gateway["external_fixed_ips"]] == ["203.0.113.99"]
    (vm,) = [one for one in made["ports"] if one["name"] == "vm"]
    assert "10.1.0.50" in [ip["ip_address"] for ip in vm["fixed_ips"]]
    groups = {one["name"]: one for one in made["security-groups"]}
    assert sorted(vm["security_groups"]) == sorted([groups["web"]["id"], groups["shell"]["id"]])
    # Of the first the playbook says all rules, of the second one more than those that every group begins with.
    assert [len(groups[name]["security_group_rules"]) for name in ("web", "shell")] == [2, 3]
    (address,) = made["floatingips"]
    assert (address["port_id"], address["router_id"]) == (vm["id"], router["id"])
    assert play(site, tmp_path) == dict.fromkeys(first, False)
    assert state(site) == made
