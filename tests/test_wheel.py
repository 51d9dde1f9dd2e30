"""A wheel built from a clean clone and installed in an empty environment, away from the tree, runs all programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAMS = [
    ["netsched-server", "--help"],
    ["netsched-dhcp-agent", "--help"],
    ["netsched-agent-cleanup", "--help"],
    ["netsched-simulate", "--help"],
    ["netsched-manage", "--help"],
    ["netsched", "--help"],
]


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Output of a command that must succeed, run where the source tree cannot be found by accident."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV_", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of an environment that holds the wheel and what it requires."""
    place = tmp_path_factory.mktemp("wheel")
    # Git refuses a tree that belongs to another user, as it does under sudo.
    (place / "gitconfig").write_text("[safe]\n\tdirectory = *\n")
    run("git", "clone", "-q", ROOT, "tree", cwd=place, env={"GIT_CONFIG_GLOBAL": str(place / "gitconfig")})
    # First a source distribution, then the wheel from that: both must be whole.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", place / "dist", "tree", cwd=place)
    (wheel,) = (place / "dist").glob("*.whl")
    assert len(list((place / "dist").glob("*.tar.gz"))) == 1
    run(sys.executable, "-m", "venv", "env", cwd=place)
    pip: list[str | Path] = [place / "env/bin/python", "-m", "pip", "install", "-q", "--no-input"]
    run(*pip, "-c", ROOT / "constraints.txt", wheel, cwd=place)
    return place / "env/bin"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", PROGRAMS, ids=lambda command: command[0])
def test_program_says_how_to_use_it(installed: Path, tmp_path: Path, command: list[str]) -> None:
    assert "usage" in run(installed / command[0], *command[1:], cwd=tmp_path).lower()


def test_migrations_run_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    config = tmp_path / "netsched.conf"
    config.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/netsched.db\n")
    manage: list[str | Path] = [installed / "netsched-manage", "--config-file", config, "db"]
    assert "schema" in run(*manage, "upgrade", cwd=tmp_path)
    assert "as wanted" in run(*manage, "upgrade", cwd=tmp_path)
    assert run(*manage, "history", cwd=tmp_path)


def test_nothing_but_netsched_is_installed(installed: Path, tmp_path: Path) -> None:
    code = "import importlib.metadata as m; print(*m.packages_distributions().get('tests', []), m.version('netsched'))"
    assert run(installed / "python", "-c", code, cwd=tmp_path).strip() == "0.1.0"
