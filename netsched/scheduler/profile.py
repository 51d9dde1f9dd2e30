"""Which filters and weighers decide: names and weights come as plain values, the code by entry points."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netsched import errors
from netsched.scheduler.ask import Filter, Weigher

FILTERS = "netsched.scheduler.filters"
WEIGHERS = "netsched.scheduler.weighers"

# The cheap and telling ones first: the first that rejects is the reason people read.
ALL_FILTERS = (
    *("agent_type", "alive", "admin_up", "mode"),
    *("already_hosting", "failed", "zone_hints", "reach", "capacity"),
)

# Zone spread outweighs load by so much that a full agent in a free zone beats an empty one beside a replica.
SPREAD = 10.0


@dataclass(frozen=True)
class Settings:
    """How to schedule. Plain values; they are stored with a plan, since a replay needs them.

    `only_unhosted` leaves alone what at least one agent holds, even when more replicas are wanted. `auto_schedule`
    off leaves everything to operators: nothing is placed, nothing moves; `left_to_operators` does so for these types of
    resources. `move_failing_after`: seconds for which an agent may fail to apply what it holds, before it moves; 0: it
    never does.
    """

    filters: tuple[str, ...] = ALL_FILTERS
    weighers: Mapping[str, float] = field(
        default_factory=lambda: {"load": 1.0, "zone_spread": SPREAD, "stickiness": 0.1}
    )
    auto_schedule: bool = True
    left_to_operators: tuple[str, ...] = ()
    move_from_dead: bool = True
    move_failing_after: float = 60.0
    only_unhosted: bool = False
    alternates: int = 2


@dataclass(frozen=True)
class Profile:
    """The loaded code for `Settings.filters` and `Settings.weighers`, in their order."""

    filters: Mapping[str, Filter]
    weighers: Mapping[str, tuple[Weigher, float]]


PROFILES: Mapping[str, Settings] = {
    "least_loaded": Settings(),
    # Random among the active: no weigher looks at use, so everybody ties and the seed decides.
    "chance": Settings(weighers={"zone_spread": SPREAD}),
    # The first release of agent scheduling in the incumbent: random, nothing moves, what is hosted is left alone.
    "grizzly": Settings(weighers={}, move_from_dead=False, move_failing_after=0.0, only_unhosted=True, alternates=0),
}


def configured(
    name: str,
    filters: tuple[str, ...] | None = None,
    weighers: Mapping[str, float] | None = None,
    auto_schedule: bool = True,
    move_from_dead: bool = True,
    alternates: int | None = None,
    move_failing_after: float | None = None,
) -> Settings:
    """A profile's settings with the operator's changes; None keeps the profile's. Raises Invalid for an unknown name.

    The switches can only turn something off: a profile that never moves anything does not start to.
    """
    if name not in PROFILES:
        raise errors.Invalid(reason=f"no scheduler profile '{name}'; there are {', '.join(PROFILES)}")
    base = PROFILES[name]
    patience = base.move_failing_after if move_failing_after is None else move_failing_after
    return Settings(
        filters=base.filters if filters is None else filters,
        weighers=base.weighers if weighers is None else weighers,
        auto_schedule=base.auto_schedule and auto_schedule,
        move_from_dead=base.move_from_dead and move_from_dead,
        move_failing_after=patience if base.move_failing_after else 0.0,
        only_unhosted=base.only_unhosted,
        alternates=base.alternates if alternates is None else alternates,
    )


def load(settings: Settings) -> Profile:
    """Loads by entry points. Raises Invalid for a name that no installed package offers."""
    return assemble(settings, _offered(FILTERS), _offered(WEIGHERS))


def assemble(settings: Settings, filters: Mapping[str, Filter], weighers: Mapping[str, Weigher]) -> Profile:
    """A profile from code at hand. Raises Invalid for a name that is not among it."""
    return Profile(
        filters={name: _pick("filter", name, filters) for name in settings.filters},
        weighers={name: (_pick("weigher", name, weighers), weight) for name, weight in settings.weighers.items()},
    )


@functools.cache
def _offered(group: str) -> Mapping[str, Any]:
    """Looked for once per process: it reads the metadata of all installed packages, some 60 ms."""
    return {point.name: point.load() for point in importlib.metadata.entry_points(group=group)}


def _pick(kind: str, name: str, offered: Mapping[str, Any]) -> Any:
    if name not in offered:
        raise errors.Invalid(reason=f"no scheduler {kind} '{name}'; installed are {', '.join(sorted(offered))}")
    return offered[name]
