"""The programs as people start them: what they refuse, what they say, what survives their end."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from netsched.cmd.standalone import TRY
from netsched.db import schema
from netsched.db.session import Database
from tests.processes.deployment import children_of, free_port

pytestmark = pytest.mark.timeout(120)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"netsched.cmd.{program}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


def config(directory: Path, **groups: dict[str, object]) -> str:
    groups.setdefault("database", {"connection": f"sqlite:///{directory}/db.sqlite"})
    groups.setdefault("messaging", {"transport": f"unix://{directory}/socket"})
    lines = []
    for group, options in groups.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in options.items())]
    file = directory / "netsched.conf"
    file.write_text("\n".join(lines) + "\n")
    return f"--config-file={file}"


@pytest.fixture
def with_schema(tmp_path: Path) -> Path:
    schema.upgrade(Database(f"sqlite:///{tmp_path}/db.sqlite"))
    return tmp_path


def test_without_authentication_a_server_stays_on_loopback(with_schema: Path) -> None:
    said = run("server", config(with_schema, api={"bind_host": "0.0.0.0", "bind_port": free_port()}))
    assert said.returncode == 1
    assert "--insecure-noauth" in said.stderr and "Traceback" not in said.stderr


def test_a_server_refuses_an_old_schema_and_says_what_to_run(tmp_path: Path) -> None:
    said = run("server", config(tmp_path, api={"bind_port": free_port()}))
    assert said.returncode == 1
    assert "netsched-manage db upgrade" in said.stderr and "Traceback" not in said.stderr


def test_a_port_in_use_is_named(with_schema: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = run("server", config(with_schema, api={"bind_port": port}))
    assert said.returncode == 1 and str(port) in said.stderr and "Traceback" not in said.stderr


def test_an_unknown_transport_is_named_without_its_password(with_schema: Path) -> None:
    said = run("server", config(with_schema, messaging={"transport": "carrier://me:sesame@pigeon"}))
    assert said.returncode == 1 and "rabbit://" in said.stderr
    assert "sesame" not in said.stderr and "Traceback" not in said.stderr


def test_a_zone_that_the_api_cannot_name_is_refused_with_file_and_value(tmp_path: Path) -> None:
    said = run("l3_agent", config(tmp_path, agent={"driver": "noop", "zone": "rack/7"}))
    assert said.returncode == 1 and "rack/7" in said.stderr and "LocationInfo" not in said.stderr
    assert str(tmp_path) in said.stderr and "Traceback" not in said.stderr


def test_the_database_command_tells_each_step(tmp_path: Path) -> None:
    where = config(tmp_path)
    assert "none" in run("manage", where, "db", "current").stdout
    assert "none -> " in run("manage", where, "db", "upgrade").stdout
    assert "as wanted" in run("manage", where, "db", "upgrade").stdout
    assert "initial tables" in run("manage", where, "db", "history").stdout
    assert run("manage", where, "db", "purge").stdout.startswith("deleted: ")
    assert "incarnation" in run("manage", where, "db", "new-incarnation").stdout


def test_options_of_grizzly_are_understood_and_hinted_at(with_schema: Path) -> None:
    groups = {
        "scheduler": {"agent_down_time": 20},
        "messaging": {"transport": "x://"},
        "api": {"bind_port": free_port()},
    }
    said = run("server", config(with_schema, **groups))
    assert "[heartbeat] interval=5" in said.stderr + said.stdout


class Standalone:
    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self.url = f"http://127.0.0.1:{free_port()}/v2.0"
        self._command = [sys.executable, "-m", "netsched.cmd.netsched", "standalone", f"--data={self.data}"]
        self._command += ["--bind", self.url.split("/")[2], "--driver=noop", "--agents=2"]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait(lambda: sum(agent["state"] == "alive" for agent in self.get("agents")) == 6)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def get(self, collection: str) -> list[dict[str, object]]:
        try:
            with urllib.request.urlopen(f"{self.url}/{collection}", timeout=10) as answer:
                return list(json.load(answer)[collection])
        except OSError:
            return []

    @staticmethod
    def wait(condition: object, timeout: float = 40.0) -> None:
        began = time.monotonic()
        while not condition():  # type: ignore[operator]
            assert time.monotonic() - began < timeout
            time.sleep(0.1)


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[Standalone]:
    deployment = Standalone(tmp_path)
    deployment.start()
    yield deployment
    if deployment.process is not None and deployment.process.poll() is None:
        deployment.stop()


def test_standalone_keeps_its_data_over_restarts_and_its_agents_running(standalone: Standalone) -> None:
    body = json.dumps({"network": {"name": "kept"}}).encode()
    request = urllib.request.Request(f"{standalone.url}/networks", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()
    private = sorted((standalone.data).glob("netsched.*"))  # the socket, the database and its journal
    assert len(private) >= 2 and {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert standalone.process is not None
    agents = children_of(standalone.process.pid)
    assert len(agents) == 6
    os.kill(agents[0], signal.SIGKILL)
    pid = standalone.process.pid
    standalone.wait(lambda: len(set(children_of(pid)) - {agents[0]}) == 6)
    assert standalone.stop() == 0
    assert all(not Path(f"/proc/{agent}").exists() for agent in agents)
    standalone.start()
    assert [network["name"] for network in standalone.get("networks")] == ["kept"]


def test_what_standalone_suggests_to_try_works(standalone: Standalone) -> None:
    commands = [line.removeprefix("  try:").split() for line in TRY.splitlines()]
    assert len(commands) > 8 and all(command[0] == "netsched" for command in commands)
    environment = {**os.environ, "OS_ENDPOINT": standalone.url, "OS_AUTH_TYPE": "none"}
    said = ""
    for command in commands:
        program = [sys.executable, "-m", "netsched.cmd.netsched", *command[1:]]
        done = subprocess.run(program, capture_output=True, text=True, env=environment, timeout=60, check=False)
        assert done.returncode == 0, (command, done.stderr)
        said += done.stdout
    assert "router edge" in said and "network world" in said and "port web-1" in said
