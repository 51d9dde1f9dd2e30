"""The server as an agent sees it: answers beats and pulls, sends notices. Content is one port per change."""

from __future__ import annotations

from dataclasses import dataclass, field

from netsched import errors
from netsched.model import checksum
from netsched.rpc.agent import (
    Beat,
    BeatAnswer,
    Copies,
    Lagging,
    Notice,
    PullAnswer,
    PulledScope,
    PullRequest,
    ToAgent,
    recipient,
    server_handler,
)
from netsched.rpc.direct import DirectTransport
from netsched.rpc.transport import SERVER
from tests.fakes.clock import FakeClock


@dataclass
class FakeScope:
    epoch: int
    position: int
    holder: str | None
    ports: list[str] = field(default_factory=list)


class FakeServer:
    """`beats` and `pulls` as received; `mute`: beats are recorded and not answered; `away`: pulls fail."""

    def __init__(self, transport: DirectTransport, clock: FakeClock) -> None:
        self.clock = clock
        self.transport = transport
        self.to_agent = ToAgent(transport)
        self.incarnation = "A"
        self.scopes: dict[str, FakeScope] = {}
        self.beats: list[Beat] = []
        self.pulls: list[PullRequest] = []
        self.applied: dict[str, dict[str, tuple[int, int]]] = {}
        self.admin_state_up = True
        self.mute = False
        self.away = False
        self.time_offset = 1_000_000.0  # the database's clock has nothing to do with the agents'
        transport.serve(SERVER, server_handler(self._on_beat, self._on_pull))

    def bind(self, scope: str, holder: str, tell: str | None = None) -> None:
        """To another holder; the old one is told by `tell` (its address), or not."""
        known = self.scopes.get(scope)
        old = known.holder if known else None
        fresh = FakeScope(known.epoch + 1 if known else 1, known.position if known else 0, holder)
        fresh.ports = known.ports if known else []
        self.scopes[scope] = fresh
        self.change(scope, f"dhcp-{fresh.epoch}", tell)
        if tell and old and known:
            self._send(tell, old, scope, known.epoch, released=True)

    def change(self, scope: str, port: str, tell: str | None = None) -> None:
        self.scopes[scope].position += 1
        self.scopes[scope].ports.append(port)
        holder = self.scopes[scope].holder
        if tell and holder:
            self._send(tell, holder, scope, self.scopes[scope].epoch, released=False)

    def _send(self, address: str, holder: str, scope: str, epoch: int, released: bool) -> None:
        state = self.scopes[scope]
        notice = Notice(
            scope=scope,
            epoch=epoch,
            incarnation=self.incarnation,
            previous=state.position - 1,
            position=state.position,
            released=released,
            upserts=None if released else {"port": [{"id": state.ports[-1]}]},
        )
        self.to_agent.notices(address, {holder: [notice]})

    def _on_beat(self, beat: Beat) -> None:
        self.beats.append(beat)
        if not self.mute:
            self.answer(beat)

    def answer(self, beat: Beat) -> None:
        me = recipient(beat.agent_type, beat.host)
        known = self.applied.setdefault(me, {})
        stored = Copies(count=len(known), checksum=checksum.of((s, *v) for s, v in known.items()))
        if beat.complete:
            known.clear()
        for one in beat.applied:
            known.pop(one.scope, None)
            if one.position >= 0:
                known[one.scope] = (one.epoch, one.position)
        right = (len(known), checksum.of((s, *v) for s, v in known.items())) == (beat.count, beat.checksum)
        mine = {s: x for s, x in self.scopes.items() if x.holder == me}
        lagging = [Lagging(scope=s, epoch=x.epoch, position=x.position) for s, x in mine.items()]
        answer = BeatAnswer(
            agent_type=beat.agent_type,
            host=beat.host,
            sequence=beat.sequence,
            time=self.clock.boottime() + self.time_offset,
            incarnation=self.incarnation,
            interval=10.0,
            lease=40.0,
            admin_state_up=self.admin_state_up,
            lagging=[x for x in lagging if known.get(x.scope) != (x.epoch, x.position)],
            dropped=[s for s in known if s not in mine],
            send_all=not right and not beat.restoring,
            current=beat.copies == stored and beat.incarnation == self.incarnation,
        )
        self.to_agent.answers(beat.address, [answer])

    def _on_pull(self, request: PullRequest) -> PullAnswer:
        if self.away:
            raise errors.Unavailable(reason="away because the test says so")
        self.pulls.append(request)
        me = recipient(request.agent_type, request.host)
        told = []
        for item in request.items:
            state = self.scopes.get(item.scope)
            if state is None or state.holder != me:
                told.append(PulledScope(scope=item.scope, held=False))
                continue
            ports = {"port": [{"id": p} for p in state.ports]}
            told.append(PulledScope(scope=item.scope, epoch=state.epoch, position=state.position, upserts=ports))
        return PullAnswer(incarnation=self.incarnation, scopes=told)
