"""The brake on mass failure: when much of a zone falls silent at once, the network is suspected, and nothing moves.

The agents of one kind in one zone that were alive two dead limits ago are the reference. When more than half of them
are silent (suspect or dead), and at least three, what they hold stays where it is. An agent is suspect before it is
dead, so when all fall silent together the brake is on before the first death. When they go one after the other, those
that died until then have moved: they were never more than half of the reference.

Latched: from then on the reference is those very agents (`population`). A zone that remains dark does not come to look
healthy because nobody remembers who was there. The brake ends when no more than half of them, or fewer than three, are
silent: they came back, or somebody deleted, disabled or forced them down. Moves then return gradually, and for as long
as the agents that came back are too young to be a reference themselves, the population still is one.

While the servers, their database or their broker are away, nobody is heard of, so when they are back nobody was alive
two dead limits ago. One sees that by agents that are back while nobody who speaks was heard of throughout. Then a
place's reference are those that were alive when the last of the silent ones was, back or not.

A release lets moves go on although the agents are silent. It is over with the condition, at the latest when two dead
limits have passed and nobody else has fallen silent: agents that never return must not leave the zone without a brake.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from netsched.model.liveness import Limits, State

SHARE = 0.5  # of the reference; more than that are silent
LEAST = 3  # silent agents; below, there is no brake
LOOK_BACK = 2.0  # dead limits
FIRST_MOVES = 5.0  # per second and server, when moves return

Place = tuple[str, str]  # (zone, agent type)


class Present(Protocol):
    """An agent as the brake sees it; model/scheduling.AgentView is one."""

    @property
    def id(self) -> str: ...
    @property
    def zone(self) -> str: ...
    @property
    def agent_type(self) -> str: ...
    @property
    def state(self) -> State: ...
    @property
    def admin_state_up(self) -> bool: ...
    @property
    def forced_down(self) -> bool: ...
    @property
    def present_since(self) -> datetime.datetime | None:
        """Heard of without a gap of two dead limits since then."""

    @property
    def created_at(self) -> datetime.datetime | None:
        """When it was first heard of."""

    @property
    def sent_at(self) -> datetime.datetime | None: ...
    @property
    def lease(self) -> float:
        """Seconds: its dead limit."""


@dataclass(frozen=True)
class Brake:
    """One place's brake, as stored and as judged. `engaged_at` None: it ended at `ended_at`, or was never on.

    `released`: who let moves go on although the agents are silent, {"user_id", "project_id", "request_id", "at"}.
    `lease`: the longest dead limit in the population, seconds; moves return within one.
    """

    zone: str
    agent_type: str
    engaged_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    silent: int = 0
    total: int = 0
    released: Mapping[str, str] | None = None
    population: tuple[str, ...] = ()  # agent ids, sorted
    lease: float = 40.0

    @property
    def place(self) -> Place:
        return self.zone, self.agent_type

    @property
    def holds(self) -> bool:
        return self.engaged_at is not None and self.released is None

    def state(self, now: datetime.datetime) -> str | None:
        """ "engaged", "released", "resuming", or None when there is nothing to say any more."""
        if self.engaged_at is not None:
            return "engaged" if self.released is None else "released"
        return "resuming" if self.released is None and self._since_end(now) < self.lease else None

    def rate(self, now: datetime.datetime, most: float) -> float | None:
        """Moves per second and server while they return: FIRST_MOVES, growing evenly to `most`. None: no limit."""
        if self.state(now) != "resuming":
            return None
        first = min(FIRST_MOVES, most)
        return first + (most - first) * self._since_end(now) / self.lease

    def reason(self) -> str:
        return (
            f"the brake of zone {self.zone} is on: {self.silent} of {self.total} agents ({self.agent_type}) silent, "
            f"so the network is suspected; netsched brake release --zone {self.zone} lets it move"
        )

    def _since_end(self, now: datetime.datetime) -> float:
        return float("inf") if self.ended_at is None else (now - self.ended_at).total_seconds()


def judge(stored: Iterable[Brake], agents: Iterable[Present], now: datetime.datetime) -> tuple[Brake, ...]:
    """What each place's brake is now: every one of `stored`, and those that are on without being stored yet.

    `agents` are all of the types concerned. Judging the outcome again changes nothing.
    """
    here: dict[Place, list[Present]] = {brake.place: [] for brake in stored}
    agents = list(agents)
    away = _were_away(agents, now)
    for agent in agents:
        if agent.admin_state_up and not agent.forced_down:
            here.setdefault((agent.zone, agent.agent_type), []).append(agent)
    before = {brake.place: brake for brake in stored}
    judged = (_judge(before.get(place, Brake(*place)), found, now, away) for place, found in sorted(here.items()))
    return tuple(brake for brake in judged if brake.place in before or brake.engaged_at is not None)


def engages(silent: int, total: int) -> bool:
    return silent >= LEAST and silent > SHARE * total


def held(brakes: Iterable[Brake]) -> dict[Place, Brake]:
    return {brake.place: brake for brake in brakes if brake.holds}


def _judge(before: Brake, here: Sequence[Present], now: datetime.datetime, away: bool) -> Brake:
    if before.engaged_at is not None:
        more = engages(*_count(_reference(before, here, now, away)))
        before = _judge_engaged(before, _of_population(before, here), more, now)
        if before.engaged_at is not None:
            return before
    references = [_reference(before, here, now, away)]
    if before.ended_at is not None and (now - before.ended_at).total_seconds() < LOOK_BACK * before.lease:
        references.append(_of_population(before, here))
    for reference in references:
        silent, total = _count(reference)
        if engages(silent, total):
            return Brake(
                before.zone,
                before.agent_type,
                engaged_at=now,
                silent=silent,
                total=total,
                population=tuple(sorted(agent.id for agent in reference)),
                lease=max(agent.lease for agent in reference),
            )
    return before


def _judge_engaged(before: Brake, latched: Sequence[Present], more: bool, now: datetime.datetime) -> Brake:
    """`more`: by today's reference it would engage just now, which a release covers as well."""
    silent, total = _count(latched)
    on = engages(silent, total)
    if before.released is not None:
        released_at = datetime.datetime.fromisoformat(before.released["at"])
        on = more or (on and (now - released_at).total_seconds() < LOOK_BACK * before.lease)
    if on:
        return replace(before, silent=silent, total=total)
    left = before.population if before.released is None else ()
    return replace(before, engaged_at=None, ended_at=now, silent=silent, total=total, population=left)


def _of_population(brake: Brake, here: Sequence[Present]) -> list[Present]:
    population = set(brake.population)
    return [agent for agent in here if agent.id in population]


def _were_away(agents: Iterable[Present], now: datetime.datetime) -> bool:
    """The servers, or what joins them with the agents, until less than two dead limits ago."""
    speaking = [agent for agent in agents if agent.state is State.ALIVE]
    return any(map(_is_back, speaking)) and not any(_was_alive(agent, now) for agent in speaking)


def _is_back(agent: Present) -> bool:
    """After a gap, and not new."""
    if agent.present_since is None or agent.created_at is None:
        return False
    return (agent.present_since - agent.created_at).total_seconds() > LOOK_BACK * agent.lease


def _reference(brake: Brake, here: Sequence[Present], now: datetime.datetime, away: bool) -> list[Present]:
    if away:
        silent = [agent.sent_at for agent in here if agent.sent_at is not None and agent.sent_at <= _then(agent, now)]
        last = max(silent, default=None)
        if last is not None and (brake.ended_at is None or last > brake.ended_at):  # else it has been judged already
            known = [agent for agent in here if agent.created_at is not None and agent.created_at <= last]
            return [agent for agent in known if _alive_at(agent, last)]
    return [agent for agent in here if _was_alive(agent, now)]


def _was_alive(agent: Present, now: datetime.datetime) -> bool:
    then = _then(agent, now)
    return agent.present_since is not None and agent.present_since <= then and _alive_at(agent, then)


def _then(agent: Present, now: datetime.datetime) -> datetime.datetime:
    """Two of its dead limits ago."""
    return now - datetime.timedelta(seconds=LOOK_BACK * agent.lease)


def _alive_at(agent: Present, time: datetime.datetime) -> bool:
    """Unless it was silent before that, and came back later."""
    suspect_after = datetime.timedelta(seconds=Limits.for_lease(agent.lease).suspect_after)
    return agent.sent_at is not None and time < agent.sent_at + suspect_after


def _count(reference: Sequence[Present]) -> tuple[int, int]:
    silent = sum(1 for agent in reference if agent.state in (State.SUSPECT, State.DEAD))
    return silent, len(reference)
