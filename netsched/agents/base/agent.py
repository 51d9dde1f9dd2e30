"""One agent: what it hears moves its copies, what moved is applied, what is in force is reported.

It runs in two ways. `start` gives it threads of its own. Without, `tick` does all that is due and returns, so flow
tests run 50 agents on a fake clock in one thread, and a simulation runs thousands on a few.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from netsched import clock, errors
from netsched.agents.base import heartbeat
from netsched.agents.base.cache import Cache
from netsched.agents.base.driver import Driver, States
from netsched.agents.base.duty import Duty
from netsched.agents.base.heartbeat import Heart, Identity
from netsched.agents.base.lease import KEEP, Permit
from netsched.agents.base.loop import Loop, Wanted
from netsched.agents.base.patience import Patience
from netsched.agents.base.report import REMOVED
from netsched.agents.base.store import Saver, Store
from netsched.rpc.agent import BeatAnswer, Notice, PullRequest, ToServer

LOG = logging.getLogger(__name__)

BATCH = 50  # scopes per pull: bounds the size of an answer
PULL_RETRY = 30.0  # s after a bug
SURVEY_RETRY = 5.0  # s
NEVER = float("inf")
ASK_AGAIN = 6  # failures in a row (about 30 s), after which the agent asks whether the scope is still its own


@dataclass(frozen=True)
class AgentSettings:
    """Times in seconds. `supervision`: between checks of a scope in force, 0 for none. `prompt_ack`: beat soon after a
    scope came into force. `patience`: how long a started agent waits for the server's word before it rebuilds from its
    own copy; half of it for an answer that spares it the pulls. `spread`: after a restore of the database agents pull
    everything, each after a random part of this; None is one interval, which servers stretch with the number of agents.
    `on_lease_lost`: "keep" or "stop", see lease.py."""

    workers: int = 4
    supervision: float = 1.5
    prompt_ack: bool = True
    serve_when_admin_down: bool = True
    patience: float = 3.0
    spread: float | None = None
    on_lease_lost: str = KEEP
    seed: int | None = None
    boot_id: str | None = None  # None: the kernel's


class Agent:
    def __init__(
        self,
        identity: Identity,
        driver: Driver,
        server: ToServer,
        store: Store,
        clock_: clock.Clock,
        settings: AgentSettings | None = None,
    ) -> None:
        self.settings = settings or AgentSettings()
        self._driver = driver
        self._server = server
        self._clock = clock_
        self._rng = random.Random(self.settings.seed)
        self.identity = identity
        self.cache = Cache(clock_)
        own_boot = heartbeat.boot_id() if self.settings.boot_id is None else self.settings.boot_id
        self.heart = Heart(identity, clock_, self._rng, own_boot)
        self.loop = Loop(driver, self, clock_, self._rng, self.settings.supervision)
        self.saver = Saver(store, self.cache, clock_)
        self._survey_at = clock_.monotonic()
        self._surveyed = False
        self._settled = False
        self._patience = Patience(self._rng)
        self._permit = Permit(self.heart, clock_, self.settings.on_lease_lost, self.settings.patience)
        self._outage = False
        self._duties: list[Duty] = []
        incarnation, copies = store.load()
        self._incarnation_seen = incarnation
        self.cache.load(incarnation, copies, self.settings.patience / 2)
        self.heart.report.bring(incarnation, {scope: (copy.epoch, copy.position) for scope, copy in copies.items()})
        for scope in copies:
            self.loop.mark(scope, removal=False)
        self.loop.hold(NEVER if self._permit.stops else clock_.monotonic() + self.settings.patience)

    # Lives

    def start(self) -> None:
        """With threads: one beats, one pulls, one writes to disk, the rest apply."""
        name = f"{self.identity.binary}@{self.identity.host}"
        self._duties = [
            Duty(f"{name} beat", self.heart.due, self.beat, self._clock),
            Duty(f"{name} pull", self._pull_due, self.pull, self._clock),
            Duty(f"{name} save", self.saver.due, self.saver.save, self._clock),
        ]
        if self._permit.stops:
            self._duties.append(Duty(f"{name} lease", self._permit.due, self.look_at_lease, self._clock))
        for number in range(self.settings.workers):
            self._duties.append(Duty(f"{name} worker {number}", self.loop.due, self._work, self._clock))
        self._driver.watch(self._touched)
        for duty in self._duties:
            duty.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Leave everything on the machine as it is, and the copies on disk."""
        duties, self._duties = self._duties, []
        for duty in duties:
            duty.stop()
        deadline = self._clock.monotonic() + timeout
        for duty in duties:
            duty.join(max(0.0, deadline - self._clock.monotonic()))
        self.saver.save()
        self._driver.close()

    def due(self) -> float:
        """When (monotonic) `tick` will find something to do."""
        return min(self.heart.due(), self._pull_due(), self.loop.due(), self.saver.due(), self._permit.due())

    def tick(self) -> None:
        """Do all that is due, beats included."""
        self.look_at_lease()
        if self.heart.due() <= self._clock.monotonic():
            self.beat()
        self.step()

    def step(self) -> bool:
        """Do all that is due but beat: pulls, applies, checks, saving. True if there was anything."""
        busy = False
        while True:
            now = self._clock.monotonic()
            if self._pull_due() <= now:
                self.pull()
            elif not self.loop.run_one():
                break
            busy = True
        if self.saver.due() <= self._clock.monotonic():
            self.saver.save()
        return busy

    # What comes in

    def on_answer(self, answer: BeatAnswer) -> None:
        if not self.heart.answered(answer):
            return
        self._reached()
        spread = answer.interval if self.settings.spread is None else self.settings.spread
        self.cache.meet(answer.incarnation, self._rng.uniform(0, spread))
        self._look_at_incarnation()
        self.cache.suspect(answer.dropped)
        self.cache.lagging(answer.lagging)
        if self.heart.report.judged(answer.current):
            self.cache.confirm(answer.current)
        if self._permit.renew():
            self._serve_again()
        self._administer(answer.admin_state_up)
        self.on_notices(answer.notices)

    def on_notices(self, notices: Iterable[Notice]) -> None:
        self._moved(self.cache.notices(notices))
        self._wake()

    def move(self, address: str) -> None:
        """It is to be told at another address from now on."""
        self.identity = replace(self.identity, address=address)
        self.heart.change(self.identity)
        self._wake()

    # What goes out

    @property
    def lease(self) -> float:
        """Seconds, as the last answer said it; 0 before the first one."""
        return self.heart.lease

    def reaches_a_server(self) -> bool:
        """Is there one that answers a pull of nothing? Such an answer does not come by the agent's address."""
        me = self.identity
        nothing = PullRequest(agent_type=me.agent_type, host=me.host, incarnation=self.cache.incarnation, items=[])
        try:
            self._server.pull(nothing, self._patience.timeout)
        except errors.NetschedError:
            return False
        return True

    def beat_soon(self) -> None:
        self.heart.soon()
        self._wake()

    def beat(self) -> None:
        self._watch_lease()
        load = {"busy": round(self.loop.load(self.settings.workers), 2), "backlog": float(self.loop.backlog())}
        try:
            self._server.beat(self.heart.beat(load))
        except errors.NetschedError as error:
            self._lost(str(error))

    def pull(self) -> None:
        """One batch of what is due."""
        if not self._surveyed and not self._survey():
            return
        incarnation = self.cache.incarnation  # before the positions, which may become those of a newer one
        items = self.cache.take(BATCH, not self.heart.holds_lease())
        if items:
            me = self.identity
            self._pull(PullRequest(agent_type=me.agent_type, host=me.host, incarnation=incarnation, items=items))
        self._settle()
        self._wake()

    def _pull(self, request: PullRequest) -> None:
        asked = [item.scope for item in request.items]
        began = self._clock.monotonic()
        try:
            answer = self._server.pull(request, self._patience.timeout)
        except errors.NetschedError as error:
            self.cache.pull_failed(asked, self._patience.failed(self._clock.monotonic() - began))
            self._lost(str(error))
            return
        except BaseException:
            self.cache.pull_failed(asked, PULL_RETRY)
            raise
        self._patience.answered(self._clock.monotonic() - began)
        moved = self.cache.pulled(request, answer)
        self._look_at_incarnation()
        self._moved(moved)

    # Outcome, called by the loop

    def wanted(self, scope: str) -> Wanted:
        incarnation = self.cache.incarnation  # before the copy: see pull()
        copy = self.cache.get(scope)
        if copy is None:
            return Wanted(self.cache.released_epoch(scope), REMOVED, None, incarnation)
        return Wanted(copy.epoch, copy.position, copy.content if self._permit.serving else None, incarnation)

    def applied(self, scope: str, wanted: Wanted, states: States) -> None:
        mine = self.cache.get(scope)
        if mine is not None and (mine.epoch, mine.position) < (wanted.epoch, wanted.position):
            return  # positions of an incarnation that ended meanwhile
        if wanted.position == REMOVED:
            self.cache.forget_released(scope)
        requests = self.cache.finish_requests(scope, wanted.position)
        news = self.heart.report.applied(scope, wanted.epoch, wanted.position, wanted.incarnation)
        if news or requests:
            by = f" ({', '.join(requests)})" if requests else ""
            LOG.info("%s is %s%s", scope, "removed" if wanted.position == REMOVED else "in force", by)
        if wanted.content is not None:
            self.heart.report.states(scope, wanted.epoch, states, wanted.content)
        elif wanted.position != REMOVED:
            self.heart.report.down(scope, wanted.epoch)
        self._say()

    def found(self, scope: str, wanted: Wanted, states: States) -> None:
        if wanted.content is not None and self.cache.get(scope) is not None:
            self.heart.report.states(scope, wanted.epoch, states, wanted.content)
            self._say()

    def failed(self, scope: str, wanted: Wanted, message: str, failures: int) -> None:
        if self.heart.report.fault(scope, wanted.epoch, message):
            self.heart.soon()
        if failures % ASK_AGAIN == 0 and wanted.position != REMOVED:
            self.cache.suspect([scope])
        self._wake()

    def fine(self, scope: str, wanted: Wanted) -> None:
        if self.heart.report.fault(scope, wanted.epoch, None):
            LOG.info("%s works again", scope)
            self.heart.soon()
            self._wake()

    # Inside

    def _say(self) -> None:
        if self.settings.prompt_ack and self.heart.report.news():
            self.heart.soon()
            self._wake()

    def _moved(self, scopes: Iterable[str]) -> None:
        for scope in scopes:
            removal = self.cache.get(scope) is None
            self.loop.mark(scope, removal or not self._permit.serving)
            self.saver.later(scope, at_once=removal)

    def _touched(self, scope: str) -> None:
        self.loop.mark_again(scope)
        self._wake()

    def _work(self) -> None:
        self.loop.run_one()
        if self.loop.backlog():
            self._wake()  # what waited for a removal may be begun now

    def _wake(self) -> None:
        for duty in self._duties:
            duty.wake()

    def _pull_due(self) -> float:
        if not self._surveyed:
            return self._survey_at
        if self._can_settle():
            return self._clock.monotonic()
        return self.cache.due(not self.heart.holds_lease())

    def _survey(self) -> bool:
        """What did an earlier life leave here that is not in the copy? A pull decides about it: while no server
        answers it is left alone, since somebody may depend on it."""
        try:
            found = self._driver.actual()
        except errors.NetschedError as error:
            LOG.warning("cannot tell what is on this machine: %s", error)
            self._survey_at = self._clock.monotonic() + SURVEY_RETRY
            return False
        self._surveyed = True
        self.heart.report.found(found)
        self.cache.suspect(found - self.cache.scopes())
        if self._permit.lapsed:
            self._take_away()
        return True

    def _can_settle(self) -> bool:
        return not self._settled and self._permit.opened and not self._permit.lapsed and not self.cache.unsettled()

    def _settle(self) -> None:
        """The server has said what is left of what an earlier life held: no reason to wait any longer."""
        if self._can_settle():
            self._settled = True
            self.loop.hold(-NEVER)

    def _look_at_incarnation(self) -> None:
        """Whichever message told of it first."""
        incarnation = self.cache.incarnation
        if incarnation == self._incarnation_seen:
            return
        if self._incarnation_seen:
            LOG.warning("the server's database is another one now: everything is pulled anew")
        self.heart.report.meet(incarnation)
        self._incarnation_seen = incarnation
        self.saver.meet()

    def _administer(self, admin_state_up: bool) -> None:
        serving = admin_state_up or self.settings.serve_when_admin_down
        if not self._permit.admit(serving):
            return
        LOG.info("administratively %s: %s", "up" if admin_state_up else "down", "serving" if serving else "not serving")
        for scope in self.cache.scopes():
            self.loop.mark(scope, removal=not self._permit.serving)

    def look_at_lease(self) -> None:
        if self._permit.lapse():
            LOG.warning("no server has answered for the lease: what is held is taken away")
            self._take_away()
            self.loop.hold(-NEVER)
            self._wake()

    def _take_away(self) -> None:
        for scope in self.cache.scopes() | self.heart.report.leftovers():
            self.loop.mark(scope, removal=True)

    def _serve_again(self) -> None:
        """Of nothing is it known whether it is still ours: others may have got it meanwhile."""
        LOG.info("the lease is back: what the server says is still ours is served again")
        self.loop.hold(NEVER)
        self._settled = False
        held = self.cache.scopes()
        self.cache.suspect(held)
        for scope in held:
            self.loop.mark(scope, removal=False)

    def _lost(self, reason: str) -> None:
        if not self._outage:
            self._outage = True
            LOG.warning("no server: %s; what is held stays in force", reason)

    def _reached(self) -> None:
        if self._outage:
            self._outage = False
            LOG.info("the server answers again")

    def _watch_lease(self) -> None:
        if self.heart.was_answered() and not self.heart.holds_lease():
            self._lost("it has not answered for longer than the lease")
