"""Many agents beat less often, and nobody is taken for dead because of that."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netsched.agents.base.heartbeat import Heart, Identity
from netsched.db import agent as agents
from netsched.db import schema
from netsched.db import server as server_table
from netsched.db.agent import agent_beat
from netsched.db.session import Database
from netsched.model.liveness import State
from netsched.server.services.pace import SLACK, STEP, Pace, stretched
from netsched.server.services.trust import Trust
from netsched.server.services.watch import WatchService
from tests.db.placements import World
from tests.fakes.clock import FakeClock
from tests.services.ground import Ground
from tests.statements import counted


@pytest.mark.parametrize(
    ("agents", "servers", "interval"),
    [(1, 1, 10.0), (3000, 1, 10.0), (3001, 1, 12.5), (10_000, 1, 38.15), (10_000, 4, 10.0), (10_000, 0, 38.15)],
)
def test_the_interval_grows_with_the_agents_of_each_server(agents: int, servers: int, interval: float) -> None:
    pace = Pace(configured=10.0, max_beats=300.0)
    pace.adapt(agents, servers, lease=40.0)
    assert pace.interval == pytest.approx(interval, abs=0.01)
    assert pace.lease == 4 * pace.interval
    assert agents / pace.interval <= 300 * max(servers, 1)


@given(st.floats(0.1, 100), st.lists(st.floats(0.0, 1e5), max_size=20))
def test_it_is_never_shorter_than_needed_nor_much_longer(configured: float, loads: list[float]) -> None:
    interval = configured
    for load in loads:
        interval = stretched(configured, load, interval)
        assert max(configured, load) * 0.999999 <= interval <= max(configured, STEP * SLACK * load) * 1.000001


@given(st.floats(1.0, 1000.0), st.lists(st.floats(0.96, 1.04), min_size=2, max_size=50))
def test_agents_that_come_and_go_do_not_make_it_swing(load: float, around: list[float]) -> None:
    interval, told = 10.0, []
    for factor in around:
        interval = stretched(10.0, load * factor, interval)
        told.append(interval)
    assert told == sorted(told), "it grew once at most, and did not go back"
    assert len(set(told)) <= 2


def test_the_longest_interval_somebody_goes_by_is_what_a_server_listens_for() -> None:
    pace = Pace(10.0, 300.0)
    pace.adapt(agents=10, servers=1, lease=160.0)
    assert (pace.interval, pace.longest) == (10.0, 40.0)


def test_a_server_counts_agents_and_servers_in_one_statement(database: Database) -> None:
    world = World(database)
    for number in range(40):
        world.agent(f"h{number}")
    for number, role in enumerate(("server", "workers", "api")):
        row = {"id": str(number), "host": "s", "role": role, "version": "1", "workers": []}
        database.write(lambda tx, row=row: server_table.beat(tx.connection, {**row, "started_at": tx.now}))
    told = sa.update(agent_beat).values(lease=120.0)
    database.write(lambda tx: tx.execute(told))
    pace = Pace(configured=10.0, max_beats=1.0)
    watch = WatchService(database, pace, Trust(FakeClock(), pace))
    with counted(database) as sent:
        watch.look()
    assert len(sent) == 2, sent  # the other: who is silent
    assert (
        pace.interval == 10.0 * STEP**4 and pace.longest == 30.0
    )  # 40 agents, 2 servers that hear them, 1 beat/s each
    world.database.write(lambda tx: tx.execute(sa.delete(server_table.server)))
    watch.look()
    assert pace.interval >= 40.0


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[int, str]]:
    """[(agents there are by then, what becomes of the beat)]; never are two lost one after the other."""
    beats = draw(
        st.lists(st.tuples(st.integers(1, 30_000), st.sampled_from(["ok", "ok", "unanswered", "lost"])), max_size=20)
    )
    return [
        (count, "ok" if fate == "lost" and beats[n - 1][1] == "lost" else fate) for n, (count, fate) in enumerate(beats)
    ]


@given(life=lives(), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_change_of_pace_makes_a_live_agent_suspect(life: list[tuple[int, str]], seed: int, stage: Stage) -> None:
    host = f"h{next(stage.numbers)}"
    heart = Heart(Identity("DHCP agent", host, "b", "a"), stage.clock, random.Random(seed), "boot")
    stage.ground.pace.adapt(1, 1, 0.0)
    for count, fate in [(1, "ok"), (1, "ok"), *life]:
        stage.clock.advance(max(0.0, heart.due() - stage.clock.monotonic()))
        assert stage.state(host) in (None, State.STARTING, State.ALIVE)
        stage.ground.pace.adapt(count, 1, 0.0)
        beat = heart.beat({})
        if fate == "lost":
            continue
        stage.ground.heartbeats.receive(beat)
        stage.ground.heartbeats.write_batch()
        if fate == "ok":
            heart.answered(stage.ground.cast.said[-1])


class Stage:
    """A server on a clock that stands still."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.database = Database(f"sqlite:///{directory}/netsched.sqlite", self.clock)
        schema.metadata().create_all(self.database.engines[0])
        self.ground = Ground(self.database)
        self.numbers = itertools.count()

    def state(self, host: str) -> State | None:
        with self.database.read() as connection:
            found = agents.list_(connection, agents.agent.c.host == host)
        return State(found[0]["state"]) if found else None


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)
