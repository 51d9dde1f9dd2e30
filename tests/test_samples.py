"""The samples in etc/ are what the code would generate now."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("samples")
    done = subprocess.run([ROOT / "tools/samples.sh", directory], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.parametrize("name", ["netsched.conf.sample", "policy.yaml.sample"])
def test_sample_is_up_to_date(generated: Path, name: str) -> None:
    assert (generated / name).read_text() == (ROOT / "etc" / name).read_text(), "run tools/samples.sh and commit etc/"
