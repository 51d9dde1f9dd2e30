"""/healthz, /readyz and who may read /metrics; how they answer when something is wrong, and when it hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from netsched import errors
from netsched.clock import SystemClock
from netsched.db import schema
from netsched.db.session import Database
from netsched.server.api.app import ApiSettings
from netsched.server.services.health import Found, HealthService, look
from netsched.server.workers.bounded import Bounded
from netsched.server.workers.driver import Driver, Worker
from tests.api.ground import TENANT, Api

OK = {"status": "ok", "reason": None}
NOBODY = {"X-Roles": ""}  # who has not even a project


def health(**changed: Any) -> HealthService:
    parts: dict[str, Callable[[], Any]] = {
        "look_": lambda: Found(schema.wanted(), 0.0),
        "broker": lambda: None,
        "stopping": lambda: False,
        "ended": list,
    }
    return HealthService(**{**parts, **changed})


def lost() -> Found:
    raise errors.Unavailable(reason="connection to secret.example refused")


def test_everybody_may_ask(tables: Database) -> None:
    api = Api(tables)
    assert api.ask("GET", "/healthz", headers=NOBODY).json["status"] == "alive"
    answer = api.ask("GET", "/readyz", headers=NOBODY)
    assert answer.json == {
        "status": "ready",
        "checks": {name: OK for name in ("server", "database", "schema", "broker", "relay")},
    }
    assert api.ask("GET", "/metrics", headers=NOBODY).status_int == 403
    opened = Api(tables, ApiSettings(open_metrics=True))
    for headers in (NOBODY, TENANT):
        answer = opened.ask("GET", "/metrics", headers=headers)
        assert answer.status_int == 200 and "netsched_build_info" in answer.text


@pytest.mark.parametrize(
    ("changed", "failed", "said"),
    [
        ({"look_": lost}, {"database", "schema", "relay"}, "cannot be reached"),
        ({"look_": lambda: Found(None, 0.0)}, {"schema"}, "netsched-manage db upgrade"),
        ({"look_": lambda: Found("0001", 0.0)}, {"schema"}, "it is 0001"),
        ({"look_": lambda: Found(schema.wanted(), 31.0)}, {"relay"}, "waited 31 s"),
        ({"broker": lambda: "it did not take the last message"}, {"broker"}, "last message"),
        ({"stopping": lambda: True}, {"server"}, "it is stopping"),
    ],
)
def test_not_ready(tables: Database, changed: dict[str, Any], failed: set[str], said: str) -> None:
    api = Api(tables, replace={"health": health(**changed)})
    answer = api.ask("GET", "/readyz", headers=NOBODY)
    assert answer.status_int == 503
    checks = answer.json["checks"]
    assert {name for name, check in checks.items() if check["status"] == "failed"} == failed
    assert any(said in (check["reason"] or "") for check in checks.values())
    assert "secret" not in answer.text
    assert api.ask("GET", "/healthz").status_int == 200


def test_a_newer_schema_will_do(tables: Database) -> None:
    """During an upgrade servers of both releases run on it."""
    api = Api(tables, replace={"health": health(look_=lambda: Found("9999", 0.0))})
    assert api.ask("GET", "/readyz").status_int == 200


def test_checks_left_out(tables: Database) -> None:
    """Writes succeed without a broker, so a load balancer may want to go on."""
    api = Api(tables, replace={"health": health(broker=lambda: "it is away")})
    assert api.ask("GET", "/readyz").status_int == 503
    answer = api.ask("GET", "/readyz?exclude=broker&exclude=relay")
    assert answer.status_int == 200 and set(answer.json["checks"]) == {"server", "database", "schema"}
    for wrong in ("exclude=server", "exclude=x", "include=broker"):
        assert api.ask("GET", f"/readyz?{wrong}").status_int == 400


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_has_ended(tables: Database) -> None:
    driver = Driver([Worker("relay", _end_of_thread, SystemClock(), 0.01)])
    api = Api(tables, replace={"health": health(ended=driver.ended)})
    assert api.ask("GET", "/healthz").status_int == 200
    driver.start()
    until(lambda: driver.ended() == ["relay"])
    answer = api.ask("GET", "/healthz")
    assert answer.status_int == 503 and answer.json["checks"]["workers"]["reason"] == "ended: relay"
    driver.stop()
    assert api.ask("GET", "/healthz").status_int == 200  # it was told to end


def _end_of_thread() -> None:
    raise SystemExit  # what no `except Exception` keeps, and what threading does not print


def test_looking(empty_database_url: str) -> None:
    """Against each real database, with and without a schema."""
    database = Database(empty_database_url)
    assert look(database) == Found(None, 0.0)
    schema.upgrade(database)
    assert look(database) == Found(schema.wanted(), 0.0)


def test_nobody_hangs_with_a_database_that_does() -> None:
    release, readers = threading.Event(), []

    def read() -> str:
        readers.append(1)
        release.wait(30)
        return "answer"

    bounded = Bounded(read, SystemClock(), keep=0.2, patience=0.5)
    began = time.monotonic()
    waits = []

    def ask() -> None:
        with pytest.raises(errors.Unavailable, match="no answer within"):
            bounded()
        waits.append(time.monotonic() - began)

    askers = [threading.Thread(target=ask) for _ in range(20)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(20)
    assert len(waits) == 20 and len(readers) == 1
    again = time.monotonic()
    with pytest.raises(errors.Unavailable):
        bounded()  # it is known to hang: no patience is left
    assert time.monotonic() - again < 0.4
    release.set()
    until(lambda: _value(bounded) == "answer")
    assert len(readers) == 1
    until(lambda: _value(bounded) == "answer" and len(readers) > 1)  # and after a while it is asked again


def test_what_fails_is_remembered_for_a_while_too() -> None:
    failures = []

    def read() -> str:
        failures.append(1)
        raise ValueError("a bug")

    bounded = Bounded(read, SystemClock(), keep=60.0)
    for _ in range(3):
        with pytest.raises(errors.Unavailable, match="server's log"):
            bounded()
    assert len(failures) == 1


def _value(bounded: Bounded[str]) -> str | None:
    try:
        return bounded()
    except errors.Unavailable:
        return None


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
