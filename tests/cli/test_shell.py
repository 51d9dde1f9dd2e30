"""What does not need a server that answers: help, completion, connection, errors, formats."""

from __future__ import annotations

import configparser
import fcntl
import importlib
import json
import os
import pty
import socket
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cliff.commandmanager import CommandManager

from netsched.cli import formats, shell
from tests.cli.deployment import environment, run

SETUP = Path(__file__).parents[2] / "setup.cfg"


def commands() -> dict[str, str]:
    """Command to class, by setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(SETUP)
    lines = setup["options.entry_points"]["netsched.cli"].strip().splitlines()
    return {name.replace("_", " "): target for name, target in (line.split(" = ") for line in lines)}


def test_the_help_names_all_commands_and_standalone() -> None:
    result = run("--help")
    assert result.code == 0 and "netsched standalone" in result.out
    for name in commands():
        assert f"  {name} " in result.out
    assert run().out == result.out


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_examples(name: str) -> None:
    result = run(*name.split(), "--help")
    assert "examples:\n  netsched" in result.out
    module, _, cls = commands()[name].partition(":")
    examples = getattr(importlib.import_module(module), cls).__doc__.partition("examples:")[2]
    first = examples.strip().splitlines()[0].split()
    assert first[0] == "netsched"
    factory, found, _ = CommandManager("netsched.cli").find_command(first[1:])
    assert found == name and factory.__name__ == cls


def test_completion_knows_the_commands() -> None:
    assert "networks" in run("complete").out and "--fixed-ip" in run("complete").out


def test_help_loads_no_slow_library() -> None:
    """What it may cost: under half a second, which these would be alone."""
    code = "import sys; from netsched.cli import shell; shell.main(['--help']); print(sorted(sys.modules))"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for slow in ("openstack", "keystoneauth1", "requests", "sqlalchemy", "pecan", "oslo_messaging", "pydantic"):
        assert f"'{slow}'" not in listed


def test_the_program_passes_standalone_on() -> None:
    program = [sys.executable, "-m", "netsched.cmd.netsched"]
    helped = subprocess.run([*program, "standalone", "--help"], capture_output=True, text=True, env=environment())
    assert helped.returncode == 0 and "--bind" in helped.stdout
    helped = subprocess.run([*program, "--help"], capture_output=True, text=True, env=environment())
    assert helped.returncode == 0 and "agent list" in helped.stdout
    late = run("--quiet", "standalone")
    assert late.code == 2 and "must be the first word" in late.err
    assert "usage: netsched standalone [options]" in run("--quiet", "standalone", "--agents", "2").err


def test_an_unknown_command_is_a_usage_error() -> None:
    result = run("agnt", "list")
    assert result.code == 2 and "agent list" in result.out


def test_no_server_says_where_and_how_to_start_one() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = run("--os-endpoint", url, "agent", "list")
    assert result.code == 3
    assert f"No server answers at {url}" in result.err and "netsched standalone" in result.err
    assert "Traceback" not in result.err


def test_a_cloud_that_is_not_configured() -> None:
    result = run("--os-cloud", "nowhere", "agent", "list")
    assert result.code == 3 and "nowhere" in result.err


@pytest.mark.parametrize("suffix", ["", "/", "/v2.0", "/v2.0/"])
def test_clouds_yaml_and_endpoints_with_and_without_the_version(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    cloud = {"auth_type": "none", "auth": {"endpoint": recorded.url + suffix}}
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"mine": cloud}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    recorded.answers["/v2.0/extensions"] = (200, {"extensions": [{"alias": "a", "name": "b", "description": "c"}]})
    for connection in (("--os-cloud", "mine"), ("--os-endpoint", recorded.url + suffix)):
        result = run(*connection, "extension", "list", "-f", "json")
        assert result.json == [{"Alias": "a", "Name": "b", "Description": "c"}]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, {"NeutronError": {"type": "X", "message": "It broke.", "detail": ""}}, "It broke.\nRequest req-1: see"),
        (503, {"NeutronError": {"type": "X", "message": "No database.", "detail": ""}}, "netsched status"),
        (401, {"error": {"code": 401, "title": "Unauthorized", "message": "Who are you?"}}, "Who are you?\nCheck"),
        (502, None, "HTTP 502 Bad Gateway"),
    ],
)
def test_errors_are_told_with_what_to_do(recorded: Recorded, status: int, body: object, said: str) -> None:
    recorded.answers["/v2.0/status"] = (status, body)
    result = run("--os-endpoint", recorded.url, "status")
    assert result.code == 1 and said in result.err


def test_tables_fit_a_terminal(recorded: Recorded) -> None:
    extension = {"alias": "a", "name": "b", "description": "c " * 90}
    recorded.answers["/v2.0/extensions"] = (200, {"extensions": [extension]})
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    command = [sys.executable, "-m", "netsched.cmd.netsched", "--os-endpoint", recorded.url, "extension", "list"]
    subprocess.run(command, stdin=its, stdout=its, env=environment(), check=True)
    os.close(its)
    lines = os.read(ours, 65536).decode().splitlines()
    os.close(ours)
    assert len(lines) > 4 and max(map(len, lines)) <= 60


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0, "0s"), (59.9, "59s"), (750, "12m"), (11100, "3h 5m"), (187200, "2d 4h")]
)
def test_age(seconds: float | None, text: str) -> None:
    assert formats.age(seconds) == text


class Recorded:
    """An HTTP server with fixed answers: path to (status, body); None is a body that is no JSON."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, object]] = {}
        self._server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answers = self.answers

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers[self.path]
                self.send_response(status)
                self.send_header("x-openstack-request-id", "req-1")
                self.end_headers()
                self.wfile.write(b"<html>" if body is None else json.dumps(body).encode())

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        return Handler


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    server = Recorded()
    yield server
    server.stop()


def test_the_version_is_the_package_s() -> None:
    assert shell._version() != "not installed"
