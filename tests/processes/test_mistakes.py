"""Mistakes in configuration end a program with one sentence that says what to do, and without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MISTAKES = {
    "bad value": ("server", "[api]\nbind_port = many\n", "bind_port"),
    "bad file": ("server", "bind_port\n", "Failed to parse"),
    "no such database kind": ("manage", "[database]\nconnection = oracle://u:hidden@h/x\n", "postgresql+psycopg2://"),
    "no URL": ("manage", "[database]\nconnection = hidden\n", "postgresql+psycopg2://"),
    "no directory": ("manage", "[database]\nconnection = sqlite:////nonexistent/x.db\n", "unable to open"),
    "no PostgreSQL": ("manage", "[database]\nconnection = postgresql+psycopg2://u:hidden@127.0.0.1:1/x\n", "refused"),
    "no MariaDB": ("manage", "[database]\nconnection = mysql+pymysql://u:hidden@127.0.0.1:1/x\n", "refused"),
    "no policy": ("server", "[api]\nbind_port = 0\npolicy_file = /nonexistent\n", "policy_file = /nonexistent"),
    "a name to listen on": ("server", "[api]\nbind_host = a.b.example\n", "bind_host = 127.0.0.1"),
    "no transport": ("dhcp_agent", "[agent]\ndriver = noop\n[messaging]\ntransport = http://hidden\n", "rabbit://"),
    "no log": ("server", "[DEFAULT]\nlog_file = /nonexistent/x.log\n", "the log cannot be written"),
}


def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"netsched.cmd.{program}", *arguments]
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "env": {**os.environ, **environment}}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **given)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_explained(mistake: str, tmp_path: Path) -> None:
    program, text, expected = MISTAKES[mistake]
    config = tmp_path / "netsched.conf"
    database = f"[database]\nconnection = sqlite:///{tmp_path}/db.sqlite\n"
    config.write_text(text if "[database]" in text or program != "server" else f"{text}{database}")
    if mistake == "no policy":
        assert run("manage", f"--config-file={config}", "db", "upgrade").returncode == 0
    verb = ["db", "upgrade"] if program == "manage" else []
    said = run(program, f"--config-file={config}", *verb)
    assert said.returncode == 1
    assert "error: " in said.stderr and expected in said.stderr
    assert "Traceback" not in said.stderr and "hidden" not in said.stderr


@pytest.mark.parametrize(
    ("program", "missing"), [("dhcp_agent", "dnsmasq-base"), ("l3_agent", "nftables"), ("l2_agent", "nftables")]
)
def test_an_agent_names_the_package_that_its_host_lacks(program: str, missing: str, tmp_path: Path) -> None:
    config = tmp_path / "netsched.conf"
    config.write_text(f"[agent]\nstate_dir = {tmp_path}/state\n")
    said = run(program, f"--config-file={config}", PATH="/nonexistent")
    assert said.returncode == 1 and "apt-get install" in said.stderr and missing in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("program", ["dhcp_agent", "l3_agent", "l2_agent"])
def test_an_agent_without_a_place_for_its_copy_says_so(program: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = tmp_path / "netsched.conf"
    config.write_text(f"[agent]\ndriver = noop\nstate_dir = {tmp_path}/file/state\n")
    said = run(program, f"--config-file={config}")
    assert said.returncode == 1 and "Name another directory" in said.stderr and "Traceback" not in said.stderr


def test_a_second_agent_of_a_kind_on_a_host_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "netsched.conf"
    config.write_text(
        f"[agent]\ndriver = noop\nstate_dir = {tmp_path}\n[messaging]\ntransport = unix://{tmp_path}/no\n"
    )

    def begin(program: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", f"netsched.cmd.{program}", f"--config-file={config}"]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def is_up(agent: subprocess.Popen[str]) -> bool:
        assert agent.stderr is not None
        return any("agent@" in line for line in agent.stderr)

    for _ in range(2):  # the second time after a kill, which leaves the file
        first, of_another_kind = begin("l3_agent"), begin("l2_agent")
        try:
            assert is_up(first) and is_up(of_another_kind)
            said = run("l3_agent", f"--config-file={config}")
            assert said.returncode == 1 and "another agent of this kind runs on this host" in said.stderr
        finally:
            for agent in (first, of_another_kind):
                agent.kill()
                agent.communicate()


@pytest.mark.parametrize("program", ["server", "dhcp_agent", "l3_agent", "l2_agent"])
def test_debug_tells_no_password(program: str, tmp_path: Path) -> None:
    """The whole of what a program says that reaches neither its database nor its broker."""
    config = tmp_path / "netsched.conf"
    config.write_text(
        "[DEFAULT]\ndebug = true\n[database]\nconnection = postgresql+psycopg2://u:hidden@127.0.0.1:1/x\n"
        f"[messaging]\ntransport = rabbit://u:hidden@127.0.0.1:1/\n[agent]\ndriver = noop\nstate_dir = {tmp_path}\n"
    )
    command = ["timeout", "6", sys.executable, "-m", f"netsched.cmd.{program}", f"--config-file={config}"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert "refused" in said.stderr and " DEBUG " in said.stderr
    assert "hidden" not in said.stderr + said.stdout


@pytest.mark.parametrize("argument", ["--config-file=/nonexistent.conf", "--config-dir=/nonexistent.d"])
def test_what_is_not_there_is_named(argument: str) -> None:
    said = run("server", argument)
    assert said.returncode == 1
    assert said.stderr.startswith("error: ") and "/nonexistent" in said.stderr and "Traceback" not in said.stderr


@pytest.mark.parametrize("bind", ["nonsense", "127.0.0.1:many"])
def test_standalone_wants_an_address_and_a_port(bind: str, tmp_path: Path) -> None:
    said = run("standalone", f"--bind={bind}", "--driver=noop", f"--data={tmp_path}")
    assert said.returncode == 1 and "127.0.0.1:9696" in said.stderr


def test_standalone_has_one_set_of_bridges(tmp_path: Path) -> None:
    said = run("standalone", "--bind=127.0.0.1:0", "--driver=linux", "--agents=2", f"--data={tmp_path}")
    assert said.returncode == 1 and "--driver noop" in said.stderr and not list(tmp_path.iterdir())
