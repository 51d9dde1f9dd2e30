"""What the next beat has to say: scopes in force that changed since the last answered beat, and faults.

A change is stamped with the sequence of the first beat that can carry it, so an answer to any beat from there on
acknowledges it, whatever became of the others.

What is said of single objects (their states) is spread over beats, so that no beat grows with the ports of a host.
They wait in a queue whose first ones every beat carries until it is answered; an object whose state has changed goes
to the end.

An agent that has just started is *restoring*: it has brought copies of which it is not yet known whether they are in
force. Until each of them is in force, has failed or was dropped, its beats say so, and their sums prove nothing. If the
server finds that it has acknowledged exactly those copies, they are the basis of what counts as changed, and an agent
that finds everything as it was has nothing to say.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from netsched.agents.base.driver import Content, States
from netsched.model import checksum
from netsched.rpc.agent import Applied, Copies, Fault, State

REMOVED = -1  # position of a scope that is gone
NOT_IN_FORCE = 0  # position of a scope that is held and of which nothing is in force yet
DOWN = "DOWN"  # status, in the API, of an object that was in force and is not any more
STATES_PER_BEAT = 1000  # about 200 kB


@dataclass(frozen=True)
class Said:
    """The part of a beat that this module fills."""

    applied: list[Applied]
    complete: bool
    count: int
    checksum: int
    faults: list[Fault]
    states: list[State]
    more: bool  # states that found no room
    incarnation: str  # of the database, by which all positions are meant
    restoring: bool
    copies: Copies | None


class Report:
    """Thread-safe. `leftovers`: scopes that an earlier life left on the machine and nobody has accounted for; as long
    as there are some, no beat claims to be the whole truth (None: not yet looked)."""

    def __init__(self, first_sequence: int) -> None:
        self._lock = threading.Lock()
        self._next = first_sequence
        self._applied: dict[str, tuple[int, int]] = {}
        self._checksum = 0
        self._unsaid: dict[str, tuple[int, Applied]] = {}
        self._faults: dict[str, Fault] = {}
        self._unsaid_faults: dict[str, tuple[int, Fault]] = {}
        self._states: dict[str, dict[tuple[str, str], State]] = {}  # by scope
        # (scope, kind, id) -> first beat that carried it, None if none has; in the order in which they are said
        self._unsaid_states: dict[tuple[str, str, str], int | None] = {}
        self._complete_since: int | None = first_sequence
        self._leftovers: set[str] | None = None
        self._on_machine: set[str] = set()
        self._brought: dict[str, tuple[int, int]] = {}  # not yet accounted for
        self._copies: Copies | None = None  # as long as the server has not said what it thinks of them
        self._incarnation = ""

    def bring(self, incarnation: str, copies: Mapping[str, tuple[int, int]]) -> None:
        """Begin with {scope: (epoch, position)} of an earlier life."""
        with self._lock:
            self._incarnation = incarnation
            self._brought = dict(copies)
            if copies:
                self._complete_since = None
                self._copies = Copies(count=len(copies), checksum=checksum.of((s, *at) for s, at in copies.items()))

    def judged(self, current: bool) -> bool:
        """The server has answered. `current`: the copies brought are what it has as acknowledged, so what is not in
        force any more is a change. True if this was the first answer to them."""
        with self._lock:
            if self._copies is None:
                return False
            self._copies = None
            if current:
                for scope, at in self._brought.items():
                    if scope not in self._applied:
                        self._put(scope, *at)
                if self._leftovers is not None:
                    self._compare_with_machine()
            return True

    def applied(self, scope: str, epoch: int, position: int, incarnation: str = "") -> bool:
        """`scope` is in force at this position, read back from the machine; REMOVED: nothing is left of it.

        True if that began or ended something. What was meant by another incarnation than ours is not news."""
        with self._lock:
            if incarnation and self._incarnation and incarnation != self._incarnation:
                return False
            self._brought.pop(scope, None)
            before = self._take_out(scope)
            if position == REMOVED:
                self._state(scope, {})
            else:
                self._put(scope, epoch, position)
            if before != (epoch, position):
                self._unsaid[scope] = (self._next, Applied(scope=scope, epoch=epoch, position=position))
            left_over = self._leftovers is not None and scope in self._leftovers
            if self._leftovers is not None:
                self._leftovers.discard(scope)
            if position == REMOVED:
                return before is not None or left_over
            return before is None or before[1] == NOT_IN_FORCE

    def fault(self, scope: str, epoch: int, message: str | None) -> bool:
        """Applying failed, or works again (None); True if that is news. A scope with a fault counts as held, so that
        the server can take it away again."""
        with self._lock:
            if scope in self._brought and message is not None:
                del self._brought[scope]
                if scope in self._applied:
                    self._not_in_force(scope)
            known = self._faults.get(scope)
            if (known.message if known else None) == message:
                return False
            fault = Fault(scope=scope, epoch=epoch, message=message)
            self._unsaid_faults[scope] = (self._next, fault)
            if message is None:
                del self._faults[scope]
                return True
            self._faults[scope] = fault
            held = scope in self._applied
        if not held:
            self.applied(scope, epoch, NOT_IN_FORCE)
        return True

    def states(self, scope: str, epoch: int, states: States, content: Content) -> None:
        """What the driver says of the objects in a scope that is in force with this content."""
        said = {
            (kind, id_): State(
                scope=scope,
                epoch=epoch,
                kind=kind,
                id=id_,
                revision=content.get(kind, {}).get(id_, {}).get("revision_number", 0),
                status=status,
            )
            for (kind, id_), status in states.items()
        }
        with self._lock:
            self._state(scope, said)

    def down(self, scope: str, epoch: int) -> None:
        """The scope is held, and on purpose nothing of it is in force."""
        with self._lock:
            before = self._states.get(scope, {})
            ended = {"epoch": epoch, "status": DOWN}
            self._state(scope, {key: state.model_copy(update=ended) for key, state in before.items()})

    def news(self) -> bool:
        """Is there anything that no answered beat has said?"""
        with self._lock:
            return bool(self._unsaid or self._unsaid_faults or self._unsaid_states)

    def found(self, on_machine: set[str]) -> None:
        """Scopes of which an earlier life has left something."""
        with self._lock:
            self._on_machine = on_machine
            self._leftovers = on_machine - set(self._applied)
            self._compare_with_machine()

    def leftovers(self) -> set[str]:
        with self._lock:
            return set(self._leftovers or ())

    def send_all(self) -> None:
        """The next beats carry the whole set until one is answered."""
        with self._lock:
            self._complete_since = self._next
            for scope, said in self._states.items():
                for key in said:
                    self._unsaid_states.setdefault((scope, *key), None)

    def meet(self, incarnation: str) -> None:
        """The database's incarnation. Another one than before: what is in force has no position there yet, nor a state,
        and every fault is news again."""
        with self._lock:
            first, self._incarnation = not self._incarnation, incarnation
            if first:
                return
            self._brought.clear()
            self._copies = None
            self._faults.clear()
            self._unsaid_faults.clear()
            for scope in self._applied:
                self._applied[scope] = (0, NOT_IN_FORCE)
            self._checksum = checksum.of((scope, 0, NOT_IN_FORCE) for scope in self._applied)
            self._unsaid.clear()
            self._states.clear()
            self._unsaid_states.clear()
            self._complete_since = self._next

    def take(self, sequence: int) -> Said:
        """For beat `sequence`; all is carried again by the next ones until an answer comes."""
        with self._lock:
            self._next = sequence + 1
            known = self._leftovers is not None and not self._leftovers and not self._brought
            complete = self._complete_since is not None and known
            if complete:
                entries = [Applied(scope=s, epoch=e, position=p) for s, (e, p) in self._applied.items()]
                entries += [one for _, one in self._unsaid.values() if one.position == REMOVED]
            else:
                entries = [one for _, one in self._unsaid.values()]
            faults = [fault for _, fault in self._unsaid_faults.values()]
            states, more = self._take_states(sequence)
            return Said(
                entries,
                complete,
                len(self._applied),
                self._checksum,
                faults,
                states,
                more,
                self._incarnation,
                bool(self._brought),
                self._copies,
            )

    def answered(self, sequence: int, complete: bool) -> None:
        """Beat `sequence`, which was or was not `complete`, is in the database."""
        with self._lock:
            self._unsaid = {s: one for s, one in self._unsaid.items() if one[0] > sequence}
            self._unsaid_faults = {s: one for s, one in self._unsaid_faults.items() if one[0] > sequence}
            self._unsaid_states = {
                key: since for key, since in self._unsaid_states.items() if since is None or since > sequence
            }
            if complete and self._complete_since is not None and self._complete_since <= sequence:
                self._complete_since = None

    # With the lock held

    def _put(self, scope: str, epoch: int, position: int) -> None:
        self._applied[scope] = (epoch, position)
        self._checksum ^= checksum.element(scope, epoch, position)

    def _take_out(self, scope: str) -> tuple[int, int] | None:
        before = self._applied.pop(scope, None)
        if before is not None:
            self._checksum ^= checksum.element(scope, *before)
        return before

    def _not_in_force(self, scope: str) -> None:
        epoch, _ = self._take_out(scope) or (0, 0)
        self._put(scope, epoch, NOT_IN_FORCE)
        self._unsaid[scope] = (self._next, Applied(scope=scope, epoch=epoch, position=NOT_IN_FORCE))

    def _compare_with_machine(self) -> None:
        """After a reboot nothing is left of what counts as in force: that is a change, and it is said."""
        for scope in self._brought.keys() & self._applied.keys():
            if scope not in self._on_machine:
                self._not_in_force(scope)
        self._leftovers = (self._leftovers or set()) - set(self._applied)

    def _state(self, scope: str, said: dict[tuple[str, str], State]) -> None:
        before = self._states.pop(scope, {})
        for key in before.keys() - said.keys():
            self._unsaid_states.pop((scope, *key), None)
        for key, state in said.items():
            if before.get(key) != state:
                self._unsaid_states.pop((scope, *key), None)
                self._unsaid_states[(scope, *key)] = None
        if said:
            self._states[scope] = said

    def _take_states(self, sequence: int) -> tuple[list[State], bool]:
        """Those for this beat; are there more?"""
        taken = list(itertools.islice(self._unsaid_states, STATES_PER_BEAT))
        for key in taken:
            if self._unsaid_states[key] is None:
                self._unsaid_states[key] = sequence
        states = [self._states[scope][kind, id_] for scope, kind, id_ in taken]
        return states, len(self._unsaid_states) > len(taken)
