"""What programs log: the request's id in every line of its work, and JSON where that is wanted."""

from __future__ import annotations

import json
import re
import urllib.request
import uuid
from pathlib import Path

import pytest

from tests.processes.deployment import Deployment

pytestmark = pytest.mark.timeout(180)


def started(directory: Path, more: str) -> Deployment:
    """A server and an agent on SQLite and a Unix socket."""
    (directory / "run").mkdir()
    url, transport = f"sqlite:///{directory}/netsched.db", f"unix://{directory}/run/netsched.sock"
    deployment = Deployment(directory, url, transport, more)
    try:
        deployment.start_server("server", "--debug")
        deployment.start_agent("node-1")
        deployment.wait("the agent is alive", lambda: deployment.alive() == ["node-1"])
    except BaseException:
        deployment.stop()
        raise
    return deployment


def agent_of(deployment: Deployment) -> str:
    return str(deployment.rest("GET", "agents")["agents"][0]["id"])


def bind(deployment: Deployment) -> str:
    """A request whose work is logged, with an id of the client's own. Returns the id."""
    network = deployment.rest("POST", "networks", {"network": {"name": "blue"}})["network"]["id"]
    request_id = f"req-{uuid.uuid4()}"
    request = urllib.request.Request(
        f"{deployment.url}/v2.0/agents/{agent_of(deployment)}/dhcp-networks",
        json.dumps({"network_id": network}).encode(),
        {"Content-Type": "application/json", "X-Openstack-Request-Id": request_id},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201
    return request_id


def test_lines_name_their_request(tmp_path: Path) -> None:
    deployment = started(tmp_path, "")
    try:
        request_id = bind(deployment)
        log = tmp_path / "server.log"
        said = re.compile(rf" INFO netsched\.server\.services\.\w+ \[{request_id}\] network \S+ bound to agent")
        deployment.wait("the line is there", lambda: said.search(log.read_text()))
        others = [line for line in log.read_text().splitlines() if " netsched.server.services.trust " in line]
        assert all("[-]" in line for line in others)
    finally:
        deployment.stop()


def test_json(tmp_path: Path) -> None:
    deployment = started(tmp_path, "[DEFAULT]\nuse_json = true\n")
    try:
        request_id = bind(deployment)

        def ours() -> list[str]:
            found = [one for one in lines(tmp_path / "server.log") if one["context"].get("request_id") == request_id]
            return [one["message"] for one in found]

        deployment.wait("the line is there", lambda: any("bound to agent" in message for message in ours()))
        assert lines(tmp_path / "node-1.log")
    finally:
        deployment.stop()


def lines(path: Path) -> list[dict[str, dict[str, str] | str]]:
    """All of them but what is printed for people before, and the last one, which may be half written."""
    whole = path.read_text().rpartition("\n")[0].splitlines()
    return [json.loads(line) for line in whole if not line.startswith("netsched-")]
