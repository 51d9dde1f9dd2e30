"""The story of /binding-reasons, from recorded answers."""

from __future__ import annotations

from typing import Any

from netsched.cli import story


def slot(**changes: Any) -> dict[str, Any]:
    values = {"slot": 0, "state": "bound", "epoch": 2, "agent_id": "a1", "host": "h1", "since": "NOON"}
    return {**values, "hold_until": None, "reason": None, "error": None, "decision": None, **changes}


def decision(**changes: Any) -> dict[str, Any]:
    candidates = [{"agent_id": f"a{n}", "host": f"h{n}", "scores": {"load": 1 / n}, "total": 1 / n} for n in (1, 2)]
    values = {"action": "move", "at": "NOON", "reason": "moved from h9; the best of 2 candidates"}
    return {**values, "candidates": candidates, "rejections": [], "alternates": ["a2"], **changes}


def tell(*slots: dict[str, Any], history: tuple[dict[str, Any], ...] = (), width: int = 100) -> str:
    return story.tell("Network web", {"slots": list(slots), "history": list(history)}, width)


def test_a_bound_network() -> None:
    rejections = [{"agent_id": "a9", "host": "h9", "filter": "alive", "reason": "is dead: no heartbeat"}]
    assert (
        tell(slot(decision=decision(rejections=rejections)))
        == """Network web

Replica 0: on h1 since NOON (epoch 2)
  Why: moved NOON: moved from h9; the best of 2 candidates
  Alternates: h2
  Candidates, best first (* chosen):
      HOST   LOAD  TOTAL
    * h1    1.000  1.000
      h2    0.500  0.500
  Not candidates:
    HOST  FILTER  BECAUSE IT
    h9    alive   is dead: no heartbeat"""
    )


def test_many_agents_are_counted() -> None:
    rejections = [{"agent_id": "a9", "host": None, "filter": "alive", "reason": "is dead"}]
    text = tell(slot(decision=decision(candidate_count=90, rejections=rejections, rejected_by={"alive": 7})))
    assert "and 88 more" in text and "Not candidates, 1 of 7:" in text


def test_an_agent_that_cannot_apply_it() -> None:
    assert "  Error: no dnsmasq on this host" in tell(slot(error="no dnsmasq on this host"))


def test_a_network_that_was_never_wanted_or_no_longer() -> None:
    assert "not scheduled" in tell()
    assert "Replica 0: not wanted now (epoch 2)" in tell(slot(state="idle", agent_id=None, host=None))


def test_an_extra_place() -> None:
    assert "Extra place 3: on h1" in tell(slot(slot=3, extra=True))


def test_what_people_did_is_told_with_who_and_the_request() -> None:
    event = {"at": "NOON", "action": "unbind", "slot": 0, "agent_id": "a1", "host": "h1", "reason": "unbound by hand"}
    by = {"user_id": "carol", "project_id": "ops", "request_id": "req-1"}
    text = tell(slot(), history=({**event, **by},))
    assert text.endswith("  NOON: unbound by hand replica 0 on h1 by carol of project ops (req-1)")


def test_long_lines_are_folded() -> None:
    text = tell(slot(reason="word " * 60), width=50)
    assert max(map(len, text.splitlines())) <= 50


def test_a_long_history_is_cut() -> None:
    event = {"at": "NOON", "action": "place", "slot": 0, "agent_id": "a1", "host": "h1"}
    assert "and 5 more (-f json shows all)" in tell(slot(), history=(event,) * 25)
