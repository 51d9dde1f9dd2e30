"""pull(0) plus deltas equals pull(n), under every order, loss, repetition, move and restore."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from netsched.agents.base.cache import Cache, Copy
from netsched.rpc.agent import Lagging, Notice, PullAnswer, PulledScope, PullRequest
from tests.fakes.clock import FakeClock

SCOPE = "network/n"
IDS = ("a", "b", "c")


class ModelServer:
    """One scope: objects with versions, a log, positions, a holder. Does what invariant 2 says a server does."""

    def __init__(self) -> None:
        self.version = 0
        self.objects: dict[str, dict[str, Any]] = {}
        self.waiting: list[str] = []  # ids changed and committed, not stamped
        self.log: list[tuple[int, str, int]] = []  # (position, id, version that the change made)
        self.position = 0
        self.epoch = 1
        self.held = True
        self.incarnation = "A"
        self.versions: dict[str, int] = {}
        self.floor = 0

    def change(self, id_: str, delete: bool) -> None:
        self.version += 1
        if delete:
            self.objects.pop(id_, None)
        else:
            self.objects[id_] = {"id": id_, "version": self.version}
        self.versions[id_] = self.version
        self.waiting.append(id_)

    def stamp(self) -> tuple[int, int] | None:
        if not self.waiting:
            return None
        previous, self.position = self.position, self.position + 1
        self.log += [(self.position, id_, self.versions[id_]) for id_ in self.waiting]
        self.waiting = []
        return previous, self.position

    def changed(self, after: int, upto: int) -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[str]]]:
        ids = sorted({id_ for position, id_, _ in self.log if after < position <= upto})
        here = [self.objects[i] for i in ids if i in self.objects]
        return {"port": here}, {"port": [i for i in ids if i not in self.objects]}

    def notice(self, previous: int, position: int, full: bool) -> Notice:
        upserts, removals = self.changed(previous, position)
        return Notice(
            scope=SCOPE,
            epoch=self.epoch,
            incarnation=self.incarnation,
            previous=previous,
            position=position,
            released=not self.held,
            upserts=upserts if full and self.held else None,
            removals=removals if full and self.held else {},
        )

    def answer_content(self, request: PullRequest, held: bool, epoch: int, position: int) -> PullAnswer:
        """The second half of a pull; what it was told about is what the first half read."""
        if not held:
            return PullAnswer(incarnation=self.incarnation, scopes=[PulledScope(scope=SCOPE, held=False)])
        start = request.items[0].position
        known = request.incarnation == self.incarnation and 0 < start <= position and start >= self.floor
        upserts, removals = self.changed(start, position) if known else ({"port": list(self.objects.values())}, {})
        told = PulledScope(
            scope=SCOPE, epoch=epoch, position=position, full=not known, upserts=upserts, removals=removals
        )
        return PullAnswer(incarnation=self.incarnation, scopes=[told])


class Conversation:
    """Server, network and cache; every method is a step that may come at any time, `n` is the choice in it."""

    def __init__(self) -> None:
        self.server = ModelServer()
        self.clock = FakeClock()
        self.cache = Cache(self.clock)
        self.cache.meet("A")
        self.stamped: list[tuple[int, int]] = []
        self.network: list[Notice] = []
        self.request: PullRequest | None = None
        self.read: tuple[str, bool, int, int] | None = None
        self.answer: PullAnswer | None = None
        self.change(0)
        self.stamp(0)
        self.settle()

    def change(self, n: int) -> None:
        self.server.change(IDS[n % len(IDS)], delete=n % 5 == 0)

    def stamp(self, n: int) -> None:
        stamped = self.server.stamp()
        if stamped:
            self.stamped.append(stamped)

    def tell(self, n: int) -> None:
        """The usual case: a change, its stamp, its notice."""
        self.change(n)
        self.stamp(n)
        self.network.append(self.server.notice(*self.stamped[-1], full=n % 7 != 6 or n < 8))

    def send(self, n: int) -> None:
        """Any stamped change, also again, also several in one: a second relay may do so after a crash."""
        if self.stamped:
            late = self.stamped[-4:]
            first, last = sorted((late[n % len(late)], late[n // 4 % len(late)]))
            self.network.append(self.server.notice(first[0], last[1], full=n % 7 != 6 or n < 8))

    def deliver(self, n: int) -> None:
        if self.network:
            self.cache.notices([self.network.pop(n % len(self.network))])

    def deliver_first(self, n: int) -> None:
        self.deliver(0)

    def double(self, n: int) -> None:
        if self.network:
            self.cache.notices([self.network[n % len(self.network)]])

    def lose(self, n: int) -> None:
        if self.network:
            self.network.pop(n % len(self.network))

    def wait(self, n: int) -> None:
        self.clock.advance(0.6)

    def lagging(self, n: int) -> None:
        if self.server.held:
            self.cache.lagging([Lagging(scope=SCOPE, epoch=self.server.epoch, position=self.server.position)])
        else:
            self.cache.suspect([SCOPE])

    def pull(self, n: int) -> None:
        """Each call is one step further: ask, the server reads positions, it reads content, the answer arrives."""
        if self.request is None:
            items = self.cache.take(10, only_suspects=False)
            if items:
                self.request = PullRequest(agent_type="t", host="h", incarnation=self.cache.incarnation, items=items)
        elif self.answer is not None:
            self.cache.pulled(self.request, self.answer)
            self.answer = self.request = None
        elif self.read is None:
            self.read = (self.server.incarnation, self.server.held, self.server.epoch, self.server.position)
        else:
            (incarnation, *first), self.read = self.read, None
            if incarnation == self.server.incarnation:
                self.answer = self.server.answer_content(self.request, *first)  # type: ignore[arg-type]
            else:
                self._fail_pull()  # the transaction ended with the old database

    def pull_is_lost(self, n: int) -> None:
        if self.request:
            self._fail_pull()

    def _fail_pull(self) -> None:
        assert self.request is not None
        self.cache.pull_failed([item.scope for item in self.request.items], 0.5)
        self.request = self.read = self.answer = None

    def move(self, n: int) -> None:
        """To another holder, or back to this one."""
        self.server.held = not self.server.held
        self.server.epoch += 1
        self.tell(1)

    def prune(self, n: int) -> None:
        self.server.floor = self.server.position

    def restore(self, n: int) -> None:
        """From a dump: an older state, positions begin anew, relays of the old one are gone."""
        server = self.server
        server.incarnation += "B"
        server.log, server.waiting, server.position, server.floor = [], [], 0, 0
        server.objects = dict(list(server.objects.items())[:1])
        server.epoch = max(1, server.epoch - 2)
        for id_ in IDS:
            server.version += 1
            server.versions[id_] = server.version
        self.stamped = []
        if n % 2:
            self.cache.meet(server.incarnation)

    def check(self) -> None:
        """Content is at least as new as its position."""
        copy = self.cache.get(SCOPE)
        if copy is None or self.cache.incarnation != self.server.incarnation or copy.epoch == 0:
            return
        ports = copy.content.get("port", {})
        for position, id_, version in self.server.log:
            if position <= copy.position and version == self.server.versions[id_]:
                if id_ in self.server.objects:
                    assert ports[id_]["version"] >= version, "lost"
                else:
                    assert id_ not in ports, "resurrected"

    def settle(self) -> None:
        """Whatever happened, once things calm down the copy is what the server has."""
        if self.request:
            self._fail_pull()
        self.stamp(0)
        self.cache.meet(self.server.incarnation)
        for _ in range(4):
            self.lagging(0)
            self.clock.advance(1.0)
            for _ in range(4):
                self.pull(0)
        copy = self.cache.get(SCOPE)
        if not self.server.held:
            assert copy is None
            return
        assert copy is not None
        content = {"port": copy.content.get("port", {})}
        expected = Copy(self.server.epoch, self.server.position, {"port": self.server.objects})
        assert Copy(copy.epoch, copy.position, content) == expected


OFTEN = ("tell", "tell", "tell", "deliver", "deliver_first", "deliver_first", "deliver_first", "pull", "pull", "pull")
SOMETIMES = ("change", "stamp", "send", "send", "double", "lose", "wait", "wait", "lagging", "pull_is_lost")
SELDOM = ("move", "prune", "restore")
STEPS = OFTEN * 2 + SOMETIMES + SELDOM


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 1000)), min_size=10, max_size=60))
def test_a_copy_is_what_the_server_has(steps: list[tuple[str, int]]) -> None:
    conversation = Conversation()
    for name, n in steps:
        getattr(conversation, name)(n)
        conversation.check()
    conversation.settle()


@settings(max_examples=200, deadline=None)
@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_notices_in_any_order_without_loss_need_no_pull(order: list[int], doubled: set[int]) -> None:
    conversation = Conversation()
    for n in range(8):
        conversation.tell(n)
    sent = [conversation.network[n] for n in order]
    for n, notice in zip(order, sent, strict=True):
        conversation.cache.notices([notice, notice] if n in doubled else [notice])
    copy = conversation.cache.get(SCOPE)
    assert copy is not None and copy.position == conversation.server.position
    assert conversation.cache.due(only_suspects=False) == float("inf")
