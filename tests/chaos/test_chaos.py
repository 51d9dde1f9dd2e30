"""The short form in CI: what `tools/chaos.sh --short --seed 4` does. See the package for what it asserts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.chaos.stage import ROOT

SEED = "4"


@pytest.mark.timeout(600)
def test_faults_under_load() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--short", "--seed", SEED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    verdict = [line for line in done.stdout.splitlines() if line.lstrip().startswith(("WRONG", "FAILED", "logs"))]
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *verdict])
