"""The demo is a test: it tells its story to the end, and leaves nothing behind, also when it is interrupted."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.timeout(180)
COMMAND = [sys.executable, "-m", "netsched.cmd.demo"]


def leftovers() -> set[str]:
    """Links and namespaces of this machine, and the demo's directories."""
    links = subprocess.run(["ip", "-o", "link", "show"], capture_output=True, text=True, check=True).stdout
    names = {line.split(":")[1].strip() for line in links.splitlines()}
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.splitlines()
    return names | set(spaces) | {str(path) for path in pathlib.Path("/tmp").glob("netsched-demo-*")}


def descendants_with(text: str) -> list[str]:
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if text in command and "pytest" not in command:
            found.append(command)
    return found


def test_the_story_is_told_to_the_end() -> None:
    before = leftovers()
    told = subprocess.run(COMMAND, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    for line in (
        "edge to the L3 agent on net-",
        "all three are ACTIVE",
        "across VXLAN from net-",
        "through the router",
        "by SNAT",
        "is killed with -9: blue's is on net-",
        "loses all its cables",
        "again, ",
        "renewed",
        "cleaned up within",
        "nothing was disturbed",
    ):
        assert line in told.stdout
    assert told.stderr == ""  # the log is in a file
    assert told.stdout.splitlines()[-1].startswith("The demo succeeded in ")
    assert leftovers() == before


def test_an_interrupted_demo_cleans_up() -> None:
    before = leftovers()
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "leased" in line:
                break
        time.sleep(0.5)
        demo.send_signal(signal.SIGINT)
        said = demo.stdout.read()
    assert demo.returncode == 130, said
    assert leftovers() == before
    assert descendants_with("netsched-demo-") == []
