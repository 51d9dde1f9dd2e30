"""The brake on mass failure: when much of a zone falls silent at once, the network is suspected, and nothing moves.

A zone's agents of one kind that were there two dead limits ago are the reference. While more than half of them are
silent, and at least three, whatever they hold stays. Once engaged, the reference stays that of the moment of engaging:
a zone that remains dark does not come to look healthy because nobody remembers who was there.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from netsched.model.liveness import Limits, State

SHARE = 0.5  # of the reference; more than that are silent
LEAST = 3  # silent agents; below, there is no brake
LOOK_BACK = 2.0  # dead limits

Place = tuple[str, str]  # (zone, agent type)


@dataclass(frozen=True)
class Present:
    """An agent as the brake sees it. `since`: it has been heard of without a gap of two dead limits since then."""

    zone: str
    agent_type: str
    state: State
    since: datetime.datetime | None
    sent_at: datetime.datetime | None
    counts: bool = True  # enabled, and not forced down


@dataclass(frozen=True)
class Brake:
    """As stored. `engaged_at` None: it ended (`ended_at`), and moves come back gradually.

    `released`: who let the moves go on although the agents are silent, {"user_id", "project_id", "request_id", "at"}.
    """

    zone: str
    agent_type: str
    engaged_at: datetime.datetime | None
    ended_at: datetime.datetime | None
    silent: int
    total: int
    released: dict[str, str] | None = None

    @property
    def holds(self) -> bool:
        return self.engaged_at is not None and self.released is None


def count(agents: Iterable[Present], place: Place, limits: Limits, at: datetime.datetime) -> tuple[int, int]:
    """(silent, total) of those agents of the place that were alive two dead limits before `at`."""
    then = at - datetime.timedelta(seconds=LOOK_BACK * limits.dead_after)
    seen_after = then - datetime.timedelta(seconds=limits.suspect_after)
    reference = [
        agent
        for agent in agents
        if (agent.zone, agent.agent_type) == place
        and agent.counts
        and agent.since is not None
        and agent.since <= then
        and agent.sent_at is not None
        and agent.sent_at > seen_after
    ]
    silent = sum(1 for agent in reference if agent.state in (State.SUSPECT, State.DEAD))
    return silent, len(reference)


def engages(silent: int, total: int) -> bool:
    return silent >= LEAST and silent > SHARE * total
