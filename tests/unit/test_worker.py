"""What a server's background worker says of what goes wrong."""

from __future__ import annotations

import pytest

from netsched import errors
from netsched.server.workers.driver import Worker
from tests.fakes.clock import FakeClock


def test_an_outage_is_said_once_and_a_bug_each_time_with_its_stack(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[Exception | None] = [errors.Unavailable(reason="no database")] * 3
    failures += [KeyError("bug"), KeyError("bug"), None, errors.Unavailable(reason="no database")]

    def work() -> None:
        if (error := failures.pop(0)) is not None:
            raise error

    worker = Worker("relay", work, FakeClock())
    while failures:
        worker.run()
    said = [(record.levelname, record.exc_info is not None) for record in caplog.records]
    assert said == [("WARNING", False), ("ERROR", True), ("ERROR", True), ("WARNING", False)]
    assert worker.status()["failures"] == 6
