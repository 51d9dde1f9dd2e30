"""How many moves there may be now: [scheduler] max_moves per second and server, fewer where a brake has just ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netsched.clock import Clock
from netsched.model.bucket import Bucket
from netsched.model.scheduling import Request, Snapshot

GULP = 0.25  # of a second's moves: fewer are not worth a look at all that waits


class Turns:
    """One second's moves may be made at once. What is over waits for a later round: every commit of a move nudges the
    scheduler, and its period is a second, in which all of the next moves have come together."""

    def __init__(self, max_moves: float, clock: Clock) -> None:
        self._max = max_moves
        self._clock = clock
        self._all = Bucket(max_moves, clock.monotonic())
        self._returning: dict[str, Bucket] = {}  # by "zone/agent type"

    def worth_it(self) -> bool:
        return self._all.fill(self._max, self._clock.monotonic()) >= max(1, int(GULP * self._max))

    def limit(self, found: Snapshot) -> Snapshot:
        """The snapshot with as many moves as there may be. Its brakes are as judged by it."""
        now = self._clock.monotonic()
        rates = {f"{one.zone}/{one.agent_type}": one.rate(found.now, self._max) for one in found.brakes}
        returning = {place: rate for place, rate in rates.items() if rate is not None}
        known = self._returning
        self._returning = {
            place: known.get(place) or Bucket(rate, now, full=False) for place, rate in returning.items()
        }
        moves_from = {place: max(self._returning[place].fill(rate, now), 0) for place, rate in returning.items()}
        return replace(found, moves=max(self._all.fill(self._max, now), 0), moves_from=moves_from)

    def take(self, found: Snapshot, moves: Iterable[Request]) -> None:
        """These have been made."""
        agents = {agent.id: agent for agent in found.agents}
        for request in moves:
            self._all.take(1)
            agent = agents[request.moving_from or ""]
            bucket = self._returning.get(f"{agent.zone}/{agent.agent_type}")
            if bucket is not None and not agent.forced_down:
                bucket.take(1)
