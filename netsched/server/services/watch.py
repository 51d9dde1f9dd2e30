"""Looks at the agents every few seconds: sets the pace, and says in the log who died, came back or is new.

Nothing is decided here. Every server says what it sees itself, once; what it cannot know (see trust.py), it does
not say.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from netsched.db import watch
from netsched.db.session import Database
from netsched.db.watch import Seen
from netsched.model.liveness import State
from netsched.server.services import pace as paces
from netsched.server.services.pace import Pace
from netsched.server.services.trust import Trust

LOG = logging.getLogger(__name__)
ONE_BY_ONE = 5  # agents of a zone that the same happens to at once; more share a line
NAMED = 10  # in such a line

SAYS = {
    State.SUSPECT: ("has not been heard of for a while: it gets nothing new", "have not been heard of for a while"),
    State.DEAD: ("is dead", "are dead"),
    State.ALIVE: ("is heard of again", "are heard of again"),
    State.STARTING: ("is new", "are new"),
}


class WatchService:
    def __init__(self, database: Database, pace: Pace, trust: Trust) -> None:
        self._database = database
        self._pace = pace
        self._trust = trust
        self._known: dict[str, Seen] | None = None  # those that were suspect or dead at the look before
        self._new: set[str] | None = None
        self._doubt: str | None = None

    def look(self) -> None:
        """Two statements; one more when agents have come back."""
        with self._database.read() as connection:
            census = watch.census(connection, paces.LATELY)
            self._pace.adapt(census.agents, census.servers, census.lease)
            seen = watch.unusual(connection)
            silent = {one.id: one for one in seen if one.state in (State.SUSPECT, State.DEAD)}
            left = (self._known or {}).keys() - silent.keys()
            back = watch.by_ids(connection, left) if left else []
        self._welcome([one for one in seen if one.new])
        if self._believes():
            if self._known is not None:
                _tell(self._known, silent, back)
            self._known = silent

    def _welcome(self, new: list[Seen]) -> None:
        if self._new is not None:
            _say(State.STARTING, [one for one in new if one.id not in self._new])
        self._new = {one.id for one in new}

    def _believes(self) -> bool:
        """Asked after the look, since a stop in it makes everybody look dead. Says when the answer is another one."""
        why = self._trust.why()
        if (why is None) != (self._doubt is None):
            if why is None:
                LOG.info("believes again that silent agents are dead")
            else:
                LOG.warning("does not believe that silent agents are dead: %s", why)
        self._doubt = why
        return why is None


def _tell(before: Mapping[str, Seen], silent: Mapping[str, Seen], back: Iterable[Seen]) -> None:
    fallen = [one for one in silent.values() if one.id not in before or before[one.id].state is not one.state]
    for state in (State.DEAD, State.SUSPECT):
        _say(state, [one for one in fallen if one.state is state])
    _say(State.ALIVE, back)


def _say(state: State, agents: Iterable[Seen]) -> None:
    zones: dict[str, list[Seen]] = {}
    for one in agents:
        zones.setdefault(one.zone, []).append(one)
    level = logging.WARNING if state in (State.DEAD, State.SUSPECT) else logging.INFO
    one_is, many_are = SAYS[state]
    for zone, there in sorted(zones.items()):
        if len(there) <= ONE_BY_ONE:
            for one in there:
                why = f" (marked down by {one.by})" if one.by and state is State.DEAD else ""
                LOG.log(level, "%s on %s in zone %s %s%s", one.agent_type, one.host, zone, one_is, why)
        else:
            names = ", ".join(f"{one.agent_type} on {one.host}" for one in there[:NAMED])
            more = f" and {len(there) - NAMED} more" if len(there) > NAMED else ""
            LOG.log(level, "%d agents of zone %s %s: %s%s", len(there), zone, many_are, names, more)
