"""A stored plan can be made again: the snapshot and the settings as JSON and back, without loss."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from netsched.model.brake import Brake
from netsched.model.liveness import State
from netsched.model.scheduling import AgentView, SlotView, Snapshot
from netsched.scheduler.profile import Settings


def to_json(snapshot: Snapshot, settings: Settings) -> dict[str, Any]:
    """{"snapshot": ..., "settings": ...}: what `from_json` needs to make the same plan."""
    return {"snapshot": snapshot_to_json(snapshot), "settings": settings_to_json(settings)}


def from_json(record: Mapping[str, Any]) -> tuple[Snapshot, Settings]:
    return snapshot_from_json(record["snapshot"]), settings_from_json(record["settings"])


def snapshot_to_json(snapshot: Snapshot) -> dict[str, Any]:
    """{"now", "seed", "agents": [...], "slots": [...], "brakes": [...], ...}; fields at their default are left out."""
    return {
        **_fields(snapshot),
        "agents": [_fields(agent) for agent in snapshot.agents],
        "slots": [_fields(slot) for slot in snapshot.slots],
        "brakes": [_fields(brake) for brake in snapshot.brakes],
    }


def snapshot_from_json(record: Mapping[str, Any]) -> Snapshot:
    """What `snapshot_to_json` wrote; fields that a newer version added are ignored."""
    values = _known(Snapshot, record)
    parts = {
        "agents": tuple(_agent(agent) for agent in record["agents"]),
        "slots": tuple(_slot(slot) for slot in record["slots"]),
        "brakes": tuple(_brake(brake) for brake in record.get("brakes", ())),
    }
    return Snapshot(**{**_with_times(values, "now"), **parts})


def settings_to_json(settings: Settings) -> dict[str, Any]:
    return {name: _plain(value) for name, value in dataclasses.asdict(settings).items()}


def settings_from_json(record: Mapping[str, Any]) -> Settings:
    values = _known(Settings, record)
    lists = {name: tuple(values.get(name, ())) for name in ("filters", "left_to_operators")}
    return Settings(**{**values, **lists})


def _fields(value: AgentView | SlotView | Brake | Snapshot) -> dict[str, Any]:
    return {
        field.name: _plain(getattr(value, field.name))
        for field in dataclasses.fields(value)
        if getattr(value, field.name) != _default(field)
    }


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _plain(value: Any) -> Any:
    if isinstance(value, State):
        return value.value
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _agent(record: Mapping[str, Any]) -> AgentView:
    values = _with_times(_known(AgentView, record), "created_at", "sent_at", "present_since")
    return AgentView(**{**values, "state": State(values["state"]), "reaches": tuple(values.get("reaches", ()))})


def _slot(record: Mapping[str, Any]) -> SlotView:
    values = _with_times(_known(SlotView, record), "hold_until", "error_since")
    for name in ("zone_hints", "requires", "siblings", "barred", "alternates"):
        values[name] = tuple(values.get(name, ()))
    # A record that has no holder has agent_id None, never an absent one; None is written since it has no default.
    return SlotView(**values)


def _brake(record: Mapping[str, Any]) -> Brake:
    values = _with_times(_known(Brake, record), "engaged_at", "ended_at")
    return Brake(**{**values, "population": tuple(values.get("population", ()))})


def _with_times(values: dict[str, Any], *names: str) -> dict[str, Any]:
    given = [name for name in names if values.get(name) is not None]
    return {**values, **{name: datetime.datetime.fromisoformat(values[name]) for name in given}}


def _known(cls: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(cls)}
    return {name: value for name, value in record.items() if name in names}
