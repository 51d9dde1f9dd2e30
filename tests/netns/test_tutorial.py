"""The tutorial works as written: its commands are taken from the page and run, with only the directory another one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(180)
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tutorial.rst").read_text()


def commands() -> list[str]:
    blocks = re.findall(r"code-block:: console\n\n((?:   .*\n|\n)+)", PAGE)
    return [line.removeprefix("   $ ") for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where nobody may pass, which pytest's own are not for: dnsmasq and radvd read their files as nobody."""
    with tempfile.TemporaryDirectory(prefix="netsched-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_every_command_of_the_tutorial_succeeds(directory: Path) -> None:
    (start,) = re.findall(r"^    (netsched-lab .*)$", PAGE, re.M)
    found = commands()
    assert len(found) > 15
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    lab = subprocess.Popen(
        start.replace("/tmp/lab", str(directory)).split(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
    )  # fmt: skip
    try:
        assert lab.stdout is not None
        said = lab.stdout.readline()
        assert said.startswith("The lab is up: node-1, node-2"), said + lab.stdout.read()
        script = "set -eux -o pipefail\n" + "\n".join(found).replace("/tmp/lab", str(directory))
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, timeout=150, env=environment, cwd=ROOT, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for word in ("3 packets transmitted, 3 received", "edge", "web-1", "203.0.113."):
            assert word in done.stdout
    finally:
        lab.send_signal(signal.SIGINT)
        assert lab.wait(30) == 0
