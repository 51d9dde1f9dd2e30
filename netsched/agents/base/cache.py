"""Copies of what the server wants, kept current by notices and pulls. Pure but for the Clock; see invariant 2.

A notice is a delta with a predecessor. Where it fits it is applied; where it is old it is dropped; anywhere else the
scope is pulled, after `gap_wait` if a notice that was overtaken may still close the gap. What a pull says is the last
word on who holds a scope, so doubts (a copy from before a restart, things found on the machine, scopes that an answer
calls dropped) are pulled too: they are *suspects*, and nothing new is pulled before they are settled. That is how a
returning agent removes what it lost before it applies anything new. Copies from before a restart are spared the pull
when the server has acknowledged exactly them: `confirm`.

A notice fits if previous <= mine < position: its objects were read when it was sent, so a delta from further back
holds everything that one from my position would.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from netsched import clock
from netsched.agents.base.driver import Content, Object
from netsched.rpc.agent import Lagging, Notice, PullAnswer, PulledScope, PullItem, PullRequest

KEPT = 100  # notices kept for one scope; beyond that a pull is cheaper
TINY = 20  # scopes that only ask what changed, for each one that asks for everything: their answers are mostly empty
REQUESTS = 10  # ids of requests remembered for one scope


@dataclass(frozen=True)
class Copy:
    """Wanted state of one scope. Never changed in place: workers and the store read it without a lock."""

    epoch: int
    position: int
    content: Content


@dataclass
class _Scope:
    """What goes on around one copy. `pull_at` None: no pull is wanted; `gap`: one is, unless the gap closes first.

    `loaded`: one is only because the copy is from before a restart."""

    pull_at: float | None = None
    gap: bool = False
    pulling: bool = False
    suspect: bool = False
    loaded: bool = False
    kept: list[Notice] = field(default_factory=list)


class Cache:
    """Thread-safe. Methods that change copies return the scopes that moved: the caller applies those.

    `released` remembers the epoch under which a scope was taken away, until it is held again.
    """

    def __init__(self, clock_: clock.Clock, gap_wait: float = 0.5) -> None:
        self._clock = clock_
        self._gap_wait = gap_wait
        self._lock = threading.Lock()
        self._copies: dict[str, Copy] = {}
        self._open: dict[str, _Scope] = {}
        self._released: dict[str, int] = {}
        self._requests: dict[str, dict[str, int]] = {}  # {scope: {id: position from which its change is there}}
        self.incarnation = ""

    def load(self, incarnation: str, copies: Mapping[str, Copy], delay: float = 0.0) -> None:
        """Start from what the disk held. It is suspect until a pull, or `confirm` within `delay`, says better."""
        with self._lock:
            self.incarnation = incarnation
            self._copies.update(copies)
            for scope in copies:
                state = self._want(scope, delay)
                state.suspect = state.loaded = True

    def get(self, scope: str) -> Copy | None:
        with self._lock:
            return self._copies.get(scope)

    def scopes(self) -> set[str]:
        with self._lock:
            return set(self._copies)

    def released_epoch(self, scope: str) -> int:
        """The epoch to acknowledge a removal under; 0 if the server named none."""
        with self._lock:
            return self._released.get(scope, 0)

    def forget_released(self, scope: str) -> None:
        with self._lock:
            self._released.pop(scope, None)

    def finish_requests(self, scope: str, position: int) -> list[str]:
        """The API requests, by id, whose changes are in force at this position; each is named once. For the log."""
        with self._lock:
            noted = self._requests.pop(scope, {})
            if position < 0:  # removed, by whatever was asked last
                return list(noted)
            if left := {id_: at for id_, at in noted.items() if at > position}:
                self._requests[scope] = left
            return [id_ for id_ in noted if id_ not in left]

    # What the server says

    def notices(self, notices: Iterable[Notice]) -> set[str]:
        with self._lock:
            return {n.scope for n in notices if self._notice(n)}

    def lagging(self, lagging: Iterable[Lagging]) -> None:
        """Pull what really lags: a copy that is current and only not yet in force needs no pull."""
        with self._lock:
            for item in lagging:
                mine = self._copies.get(item.scope)
                if mine is None or (mine.epoch, mine.position) < (item.epoch, item.position):
                    self._want(item.scope, 0.0)

    def suspect(self, scopes: Iterable[str], delay: float = 0.0) -> None:
        """Let a pull decide whether these are still mine, before anything else is pulled."""
        with self._lock:
            for scope in scopes:
                self._want(scope, delay).suspect = True

    def confirm(self, current: bool) -> None:
        """What the server thinks of the copies that were loaded: all current, those excepted of which it has said
        something else since; or let pulls decide, now."""
        with self._lock:
            for scope, state in list(self._open.items()):
                if not state.loaded or state.pulling:
                    continue
                if current and scope in self._copies:
                    state.suspect, state.loaded, state.pull_at = False, False, None
                    self._close(scope)
                else:
                    self._want(scope, 0.0)

    def meet(self, incarnation: str, delay: float = 0.0) -> bool:
        """The server's incarnation. Another one than before: every position is worthless, pull all; True."""
        with self._lock:
            return self._meet(incarnation, delay)

    # Pulls

    def unsettled(self) -> bool:
        """Are there suspects?"""
        with self._lock:
            return any(state.suspect for state in self._open.values())

    def due(self, only_suspects: bool) -> float:
        """When (monotonic) `take` will have something; inf if nothing is wanted."""
        with self._lock:
            return min((at for _, at in self._candidates(only_suspects)), default=float("inf"))

    def take(self, limit: int, only_suspects: bool) -> list[PullItem]:
        """Up to `limit` scopes to pull whole now, and TINY times as many of which only the changes are wanted; each
        ends in `pulled` or `pull_failed`."""
        now = self._clock.monotonic()
        with self._lock:
            whole: list[PullItem] = []
            changes: list[PullItem] = []
            for scope in [scope for scope, due in self._candidates(only_suspects) if due <= now]:
                mine = self._copies.get(scope)
                at = {"position": mine.position, "epoch": mine.epoch} if mine else {}
                item = PullItem(scope=scope, **at)
                batch, most = (changes, TINY * limit) if item.position else (whole, limit)
                if len(batch) < most:
                    batch.append(item)
                    state = self._open[scope]
                    state.pulling, state.pull_at, state.gap = True, None, False
            return whole + changes

    def pulled(self, request: PullRequest, answer: PullAnswer) -> set[str]:
        """Take in an answer, then the notices that arrived meanwhile. Scopes of which it says nothing are asked for
        again: at once if it says anything, since then the server has only bounded its size."""
        moved: set[str] = set()
        asked = [item.scope for item in request.items]
        told = {scope.scope: scope for scope in answer.scopes}
        with self._lock:
            if request.incarnation == self.incarnation:
                self._meet(answer.incarnation, 0.0, but=set(asked))
            elif answer.incarnation != self.incarnation:
                told = {}  # a new incarnation was met while this was under way: not to be believed
            for name in asked:
                state = self._open[name]
                state.pulling = False
                if name not in told:
                    self._want(name, 0.0 if told else self._gap_wait)
                    continue
                state.suspect = False
                if self._pulled(told[name]):
                    moved.add(name)
                if self._replay(name):
                    moved.add(name)
                self._close(name)
        return moved

    def pull_failed(self, asked: Iterable[str], delay: float) -> None:
        with self._lock:
            for scope in asked:
                self._open[scope].pulling = False
                self._want(scope, delay)

    # With the lock held

    def _candidates(self, only_suspects: bool) -> list[tuple[str, float]]:
        suspects = {scope for scope, state in self._open.items() if state.suspect}
        pool = suspects if suspects or only_suspects else self._open
        states = ((scope, self._open[scope]) for scope in pool)
        return [(scope, s.pull_at) for scope, s in states if s.pull_at is not None and not s.pulling]

    def _want(self, scope: str, delay: float, gap: bool = False) -> _Scope:
        state = self._open.setdefault(scope, _Scope())
        state.gap = gap and (state.pull_at is None or state.gap)
        state.loaded = False
        at = self._clock.monotonic() + delay
        state.pull_at = at if state.pull_at is None else min(state.pull_at, at)
        return state

    def _close(self, scope: str) -> None:
        state = self._open.get(scope)
        if state is not None and state.pull_at is None and not state.pulling and not state.kept:
            del self._open[scope]

    def _meet(self, incarnation: str, delay: float, but: set[str] | None = None) -> bool:
        if incarnation == self.incarnation:
            return False
        first, self.incarnation = not self.incarnation, incarnation
        if first:
            return False
        self._requests.clear()  # their positions mean nothing any more
        for state in self._open.values():
            state.kept = [n for n in state.kept if n.incarnation == incarnation]
        for scope, copy in self._copies.items():
            # The content stays in force: the data plane outlives the database too.
            self._copies[scope] = replace(copy, epoch=0, position=0)
            if but is None or scope not in but:
                self._want(scope, delay).suspect = True
        return True

    def _notice(self, notice: Notice) -> bool:
        scope, state = notice.scope, self._open.get(notice.scope)
        if state is not None and state.pulling:
            self._keep(notice)
            return False
        if notice.incarnation != self.incarnation:
            self._want(scope, 0.0)  # which of us is behind the times, the answer will tell
            return False
        mine = self._copies.get(scope)
        epoch = mine.epoch if mine else 0
        if notice.epoch < epoch:
            return False
        if notice.released or mine is None or notice.position > mine.position:
            self._note_requests(scope, notice.requests, notice.position)
        if notice.released:
            self._drop(scope, notice.epoch)
            return True
        if mine is None or notice.epoch > epoch:
            self._want(scope, 0.0)
            return False
        if notice.position <= mine.position:
            return False
        if notice.upserts is None:
            self._want(scope, 0.0)
            return False
        if notice.previous > mine.position:
            self._keep(notice)
            self._want(scope, self._gap_wait, gap=True)
            return False
        content = _patched(mine.content, notice.upserts, notice.removals)
        self._copies[scope] = Copy(epoch, notice.position, content)
        if state is not None and state.kept:
            self._replay(scope)
            self._close(scope)
        return True

    def _keep(self, notice: Notice) -> None:
        kept = self._open.setdefault(notice.scope, _Scope()).kept
        kept.append(notice)
        if len(kept) > KEPT:
            kept.clear()
            self._want(notice.scope, 0.0)

    def _replay(self, scope: str) -> bool:
        """Try the kept notices again, in order; if all found their place, no gap is left and no pull wanted for it."""
        state = self._open[scope]
        kept, state.kept = sorted(state.kept, key=lambda n: (n.epoch, n.previous)), []
        if state.gap:
            state.pull_at, state.gap = None, False
        moved = False
        for notice in kept:
            moved = self._notice(notice) or moved
        return moved

    def _pulled(self, told: PulledScope) -> bool:
        mine = self._copies.get(told.scope)
        self._note_requests(told.scope, told.requests, told.position)
        if not told.held:
            self._drop(told.scope, told.epoch)
            return True
        base: Content = {} if told.full or mine is None else mine.content
        content = _patched(base, told.upserts, told.removals)
        fresh = Copy(told.epoch, told.position, content)
        self._copies[told.scope] = fresh
        self._released.pop(told.scope, None)
        return fresh != mine

    def _note_requests(self, scope: str, requests: Iterable[str], position: int) -> None:
        noted = {**self._requests.get(scope, {}), **dict.fromkeys(requests, position)}
        if noted:
            self._requests[scope] = dict(list(noted.items())[-REQUESTS:])

    def _drop(self, scope: str, epoch: int) -> None:
        mine = self._copies.pop(scope, None)
        self._released[scope] = max(epoch, mine.epoch if mine else 0)


def _patched(content: Content, upserts: Mapping[str, list[Object]], removals: Mapping[str, list[str]]) -> Content:
    """A new content: upserts, then removals. Kinds that do not change are shared with the old one."""
    patched = dict(content)
    for kind, objects in upserts.items():
        patched[kind] = {**patched.get(kind, {}), **{obj["id"]: obj for obj in objects}}
    for kind, ids in removals.items():
        gone = set(ids)
        patched[kind] = {id_: obj for id_, obj in patched.get(kind, {}).items() if id_ not in gone}
    return patched
