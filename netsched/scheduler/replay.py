"""A stored plan can be made again: the snapshot and the settings as JSON and back, without loss."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from netsched.model.liveness import State
from netsched.model.scheduling import AgentView, SlotView, Snapshot
from netsched.scheduler.profile import Settings


def to_json(snapshot: Snapshot, settings: Settings) -> dict[str, Any]:
    """{"snapshot": ..., "settings": ...}: what `from_json` needs to make the same plan."""
    return {"snapshot": snapshot_to_json(snapshot), "settings": settings_to_json(settings)}


def from_json(record: Mapping[str, Any]) -> tuple[Snapshot, Settings]:
    return snapshot_from_json(record["snapshot"]), settings_from_json(record["settings"])


def snapshot_to_json(snapshot: Snapshot) -> dict[str, Any]:
    """{"now", "seed", "agents": [...], "slots": [...]}; fields at their default are left out."""
    return {
        "now": snapshot.now.isoformat(),
        "seed": snapshot.seed,
        "agents": [_fields(agent) for agent in snapshot.agents],
        "slots": [_fields(slot) for slot in snapshot.slots],
    }


def snapshot_from_json(record: Mapping[str, Any]) -> Snapshot:
    """What `snapshot_to_json` wrote; fields that a newer version added are ignored."""
    return Snapshot(
        now=datetime.datetime.fromisoformat(record["now"]),
        seed=record["seed"],
        agents=tuple(_agent(agent) for agent in record["agents"]),
        slots=tuple(_slot(slot) for slot in record["slots"]),
    )


def settings_to_json(settings: Settings) -> dict[str, Any]:
    return {name: _plain(value) for name, value in dataclasses.asdict(settings).items()}


def settings_from_json(record: Mapping[str, Any]) -> Settings:
    values = _known(Settings, record)
    lists = {name: tuple(values.get(name, ())) for name in ("filters", "left_to_operators")}
    return Settings(**{**values, **lists})


def _fields(value: AgentView | SlotView) -> dict[str, Any]:
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
    values = _known(AgentView, record)
    return AgentView(**{**values, "state": State(values["state"]), "reaches": tuple(values.get("reaches", ()))})


def _slot(record: Mapping[str, Any]) -> SlotView:
    values = _known(SlotView, record)
    for name in ("zone_hints", "requires", "siblings", "barred", "alternates"):
        values[name] = tuple(values.get(name, ()))
    # A record that has no holder has agent_id None, never an absent one; None is written since it has no default.
    if values.get("hold_until") is not None:
        values["hold_until"] = datetime.datetime.fromisoformat(values["hold_until"])
    return SlotView(**values)


def _known(cls: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(cls)}
    return {name: value for name, value in record.items() if name in names}
