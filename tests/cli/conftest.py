from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from netsched.conf import quotas
from tests.cli.deployment import Deployment


@pytest.fixture(autouse=True)
def no_clouds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The caller's variables and clouds.yaml are not the test's."""
    for name in ("OS_CLOUD", "OS_ENDPOINT", "OS_AUTH_TYPE", "OS_AUTH_URL", "OS_PROJECT_ID", "OS_USERNAME", "OS_ROLES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    started = Deployment(tmp_path, quotas=quotas.DEFAULTS)
    yield started
    started.stop()
