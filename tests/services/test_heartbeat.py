"""Beats are recorded in batches, judged by their echo, and answered with what the agent owes."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from netsched.db import beat as beat_table
from netsched.db import change, interest
from netsched.db.agent import agent, agent_beat, agent_claim
from netsched.db.interest import applied
from netsched.db.session import Database
from netsched.model import checksum
from netsched.rpc import agent as rpc
from netsched.rpc import outcome
from netsched.server.services import trust
from netsched.server.services.heartbeat import QUEUE_LIMIT, agent_id
from tests.cloud import Cloud, Object
from tests.fakes.clock import FakeClock
from tests.services.ground import Ground
from tests.statements import counted


@pytest.fixture
def ground(database: Database) -> Ground:
    return Ground(database)


def rows(database: Database, table: sa.Table) -> list[sa.Row]:
    with database.read() as connection:
        return list(connection.execute(sa.select(table)).all())


def test_a_new_agent_appears_by_its_first_beat(ground: Ground) -> None:
    capabilities = rpc.Capabilities(hosts=["network"], resources={"network": 40})
    answer = ground.beat("h1", capabilities=capabilities, configurations={"a": 1}, settings={"mtu": 1500})
    (row,) = rows(ground.database, agent)
    assert (row.agent_type, row.host, row.configurations) == ("DHCP agent", "h1", {"a": 1})
    assert row.settings_mismatch == {"mtu": [1450, 1500]}
    (claim,) = rows(ground.database, agent_claim)
    assert (claim.resource_class, claim.capacity, claim.used) == ("network", 40, 0)
    assert answer.incarnation == "incarnation-1" and not answer.introduce


def test_an_unknown_agent_that_does_not_say_what_it_can_do_is_asked(ground: Ground) -> None:
    assert ground.beat("h1").introduce


def test_a_beat_without_echo_only_opens_the_conversation(ground: Ground) -> None:
    ground.beat("h1")
    assert rows(ground.database, agent_beat)[0].sent_at is None


def test_a_beat_is_judged_by_when_it_was_sent_not_by_when_it_arrived(ground: Ground) -> None:
    now = ground.beat("h1").time
    ground.beat("h1", echo=now - 300)
    judged = rows(ground.database, agent_beat)[0].sent_at
    assert (datetime.datetime.fromtimestamp(now, datetime.UTC).replace(tzinfo=None) - judged).total_seconds() > 299


def test_an_old_beat_does_not_take_a_newer_one_back_and_none_comes_from_the_future(ground: Ground) -> None:
    now = ground.beat("h1").time
    ground.beat("h1", echo=now + 3600)
    newest = rows(ground.database, agent_beat)[0]
    assert newest.sent_at <= newest.received_at
    ground.beat("h1", echo=now - 300)
    assert rows(ground.database, agent_beat)[0].sent_at == newest.sent_at


def test_of_several_beats_in_a_batch_the_one_sent_last_counts(ground: Ground) -> None:
    now = ground.beat("h1").time
    for echo in (now - 5, now - 200):
        ground.heartbeats.receive(rpc.Beat(agent_type="DHCP agent", host="h1", binary="b", address="a", echo=echo))
    ground.beat("h1")
    row = rows(ground.database, agent_beat)[0]
    assert (row.received_at - row.sent_at).total_seconds() < 100


@pytest.mark.parametrize("echo", [-1e300, 1e300])
def test_impossible_times_spoil_no_batch(ground: Ground, echo: float) -> None:
    ground.heartbeats.receive(rpc.Beat(agent_type="DHCP agent", host="mad", binary="b", address="a", echo=echo))
    ground.beat("h1")
    assert len(rows(ground.database, agent_beat)) == 2
    with pytest.raises(ValueError):
        rpc.Beat(agent_type="DHCP agent", host="mad", binary="b", address="a", echo=float("nan"))


SCOPE = {"scope": "network/1", "epoch": 1}


@pytest.mark.parametrize(
    "said",
    [
        {"applied": [{**SCOPE, "position": 2**63}]},
        {"applied": [{**SCOPE, "epoch": -5, "position": 1}]},
        {"applied": [{**SCOPE, "scope": "network/" + "1" * 100, "position": 1}]},
        {"sequence": 2**64},
        {"zone": "z" * 101},
        {"boot_id": "a\0b"},
        {"boot_id": "a\ud800b"},
        {"version": "1." + "0" * 20},
        {"capabilities": {"resources": {"network": 2**70}}},
        {"faults": [{**SCOPE, "epoch": 2**70}]},
        {"states": [{**SCOPE, "kind": "port", "id": "1", "revision": 1, "status": "S" * 17}]},
    ],
)
def test_what_fits_no_column_is_refused_before_it_is_with_others(ground: Ground, said: dict[str, Any]) -> None:
    beat = {"agent_type": "DHCP agent", "host": "mad", "binary": "b", "address": "a"}
    handler = rpc.server_handler(ground.heartbeats.receive, ground.delivery.pull)
    assert "error" not in outcome.run_guarded(handler, "server", "beat", beat)
    assert "error" in outcome.run_guarded(handler, "server", "beat", {**beat, **said})
    ground.beat("h1")
    assert len(rows(ground.database, agent_beat)) == 2


def test_a_fault_is_told_without_what_no_database_can_hold() -> None:
    assert rpc.Fault(scope="network/1", epoch=1, message="bad\0 output").message == "bad output"


def test_the_lease_covers_the_longest_interval_the_agent_may_go_by(ground: Ground) -> None:
    def lease(**said: float) -> float:
        answer = ground.beat("h1", **said)
        assert (answer.interval, answer.lease) == (ground.pace.interval, 4 * ground.pace.interval)
        return round(float(rows(ground.database, agent_beat)[0].lease), 2)

    assert lease() == 40.0
    ground.pace.adapt(agents=10_000, servers=1, lease=40.0)
    stretched = ground.pace.interval
    assert lease(interval=10.0) == round(4 * stretched, 2) > 120.0
    ground.pace.adapt(agents=1, servers=1, lease=40.0)
    assert lease(interval=stretched) == round(4 * stretched, 2), (
        "its answer may have got lost: it still goes by the longer one"
    )
    assert lease(interval=10.0) == 40.0
    assert lease(interval=1e9) == 4 * 50 * 10.0


def test_what_a_slow_server_stores_late_changes_nothing_that_the_agent_is_judged_by(ground: Ground) -> None:
    now = ground.beat("h1").time
    ground.beat("h1", echo=now - 20)
    ground.pace.adapt(agents=10_000, servers=1, lease=40.0)
    ground.beat("h1", echo=now)
    (newer,) = rows(ground.database, agent_beat)
    older = {**newer._mapping, "sent_at": newer.sent_at - datetime.timedelta(seconds=10), "lease": 40.0}
    ground.database.write(lambda tx: beat_table.store(tx.connection, [{**older, "present_since": None}]))
    (stored,) = rows(ground.database, agent_beat)
    for name in ("sent_at", "lease", "present_since"):
        assert getattr(stored, name) == getattr(newer, name)


def test_an_agent_appears_at_the_databases_time_whatever_the_servers_clock_says(database_url: str) -> None:
    clock = FakeClock(datetime.datetime(2001, 1, 1))
    ground = Ground(Database(database_url, clock))
    ground.beat("h1")
    (row,) = rows(ground.database, agent)
    (heard,) = rows(ground.database, agent_beat)
    assert abs((heard.received_at - row.created_at).total_seconds()) < 60
    ground.database.dispose()


def test_a_batch_that_fails_ends_trust(ground: Ground) -> None:
    ground.beat("h1")
    for part in (trust.WORK, trust.DATABASE):
        ground.trust.proved(part)
    assert ground.trust.lacks(trust.WORK) is None
    with ground.database.engines[0].begin() as connection:
        agent_beat.drop(connection)
    with pytest.raises(Exception, match="database|agent_beat"):
        ground.beat("h1")
    assert ground.trust.lacks(trust.WORK) is not None
    with ground.database.engines[0].begin() as connection:
        agent_beat.create(connection)


def test_beats_that_find_the_queue_full_end_trust(ground: Ground) -> None:
    ground.heartbeats.write_batch()
    assert ground.trust.lacks(trust.WORK) is None
    one = rpc.Beat(agent_type="DHCP agent", host="h1", binary="b", address="a")
    for _ in range(QUEUE_LIMIT + 1):
        ground.heartbeats.receive(one)
    assert ground.trust.lacks(trust.WORK) is not None
    ground.heartbeats.write_batch()
    assert ground.trust.lacks(trust.WORK) is not None, "there is more in the queue than one batch"
    while ground.heartbeats.write_batch():
        pass
    assert ground.trust.lacks(trust.WORK) is None


def test_an_l2_agent_that_is_forced_down_has_no_news(ports: Ports) -> None:
    down = sa.update(agent).where(agent.c.host == "h1").values(forced_down={"user_id": "anna"}, ports_due_at=None)
    ports.database.write(lambda tx: tx.execute(down))
    ports.ground.beat("h1", echo=0.0, **L2)
    ports.ground.beat("h1", echo=ports.ground.cast.said[-1].time, **L2)
    assert [row.ports_due_at for row in rows(ports.database, agent) if row.host == "h1"] == [None]


def test_the_operators_settings_outlive_an_introduction(ground: Ground) -> None:
    ground.beat("h1")
    with_admin_down = sa.update(agent).values(admin_state_up=False, description="rack 4")
    ground.database.write(lambda tx: tx.execute(with_admin_down))
    answer = ground.beat("h1", zone="elsewhere")
    (row,) = rows(ground.database, agent)
    assert (row.zone, row.admin_state_up, row.description) == ("elsewhere", False, "rack 4")
    assert answer.admin_state_up is False


def test_what_is_acknowledged_is_owed_no_more(ground: Ground) -> None:
    ground.beat("h1")
    ground.grant("h1", "n1")
    ground.change_port("p1", "n1", "create")
    ground.delivery.relay()
    assert rows(ground.database, interest.interest)[0].behind_since is not None
    ground.applied("h1", ("network/n1", 1, 1))
    assert rows(ground.database, interest.interest)[0].behind_since is None


@pytest.mark.parametrize(("epoch", "position"), [(1, 0), (0, 1)])
def test_an_acknowledgement_of_less_does_not_settle_it(ground: Ground, epoch: int, position: int) -> None:
    ground.beat("h1")
    ground.grant("h1", "n1")
    ground.change_port("p1", "n1", "create")
    ground.delivery.relay()
    ground.applied("h1", ("network/n1", epoch, position))
    assert rows(ground.database, interest.interest)[0].behind_since is not None


def test_what_lags_for_longer_than_a_message_travels_is_named(ground: Ground) -> None:
    ground.beat("h1")
    ground.grant("h1", "n1", epoch=3)
    assert ground.beat("h1").lagging == []
    long_ago = datetime.datetime(2020, 1, 1)
    ground.database.write(lambda tx: tx.execute(sa.update(interest.interest).values(behind_since=long_ago)))
    assert [(item.scope, item.epoch) for item in ground.beat("h1").lagging] == [("network/n1", 3)]


def test_a_released_holder_hears_until_it_has_acknowledged_the_removal(ground: Ground) -> None:
    ground.beat("h1")
    ground.grant("h1", "n1")
    ground.applied("h1", ("network/n1", 1, 0))
    ground.grant("h1", "n1", state=interest.RELEASED)
    assert ground.beat("h1", **_honest(("network/n1", 1, 0))).dropped == ["network/n1"]
    answer = ground.applied("h1", ("network/n1", 1, -1))
    assert not answer.send_all and answer.dropped == []
    assert rows(ground.database, interest.interest) == [] and rows(ground.database, applied) == []


def test_something_that_nobody_gave_it_is_to_be_dropped(ground: Ground) -> None:
    ground.beat("h1")
    assert ground.applied("h1", ("network/stray", 1, 5)).dropped == ["network/stray"]


def test_a_wrong_checksum_asks_for_the_whole_list_and_the_list_is_believed(ground: Ground) -> None:
    ground.beat("h1")
    for network in ("n1", "n2"):
        ground.grant("h1", network)
    ground.applied("h1", ("network/n1", 1, 0), ("network/n2", 1, 0))
    # The agent's host was reinstalled: it has nothing, and does not know that it ever had.
    assert ground.beat("h1").send_all
    answer = ground.applied("h1", complete=True)
    assert not answer.send_all
    assert rows(ground.database, applied) == []
    assert all(row.behind_since is not None for row in rows(ground.database, interest.interest))


def test_an_idle_batch_costs_four_statements_whatever_its_size(ground: Ground) -> None:
    beats = [
        rpc.Beat(agent_type="DHCP agent", host=f"h{n}", binary="b", address="shared", capabilities=rpc.Capabilities())
        for n in range(100)
    ]
    for beat in beats:
        ground.heartbeats.receive(beat)
    ground.heartbeats.write_batch()
    assert len(ground.cast.said) == 100
    for beat in beats:
        ground.heartbeats.receive(beat.model_copy(update={"capabilities": None, "echo": ground.cast.said[0].time}))
    with counted(ground.database) as statements:
        ground.heartbeats.write_batch()
    assert len(statements) <= 4, statements
    assert len(rows(ground.database, agent_beat)) == 100


def test_registered_interests_follow_what_the_agent_says(ground: Ground) -> None:
    def register(*interests: rpc.Interest) -> None:
        ground.beat("h1", capabilities=rpc.Capabilities(interests=list(interests)))

    register(rpc.Interest(type="port", network="n1", operations=["create"]), rpc.Interest(type="firewall", id="f1"))
    assert {row.scope: row.filter for row in rows(ground.database, interest.interest)} == {
        "network/n1": {"port": {"operations": ["create"], "ids": []}},
        "firewall/f1": {"firewall": {"operations": [], "ids": ["f1"]}},
    }
    register(rpc.Interest(type="firewall", id="f1"))
    assert [row.scope for row in rows(ground.database, interest.interest)] == ["firewall/f1"]


def test_faults_cost_the_same_however_many_there_are(ground: Ground) -> None:
    ground.beat("h1")

    def cost(count: int) -> int:
        faults = [rpc.Fault(scope=f"network/n{n}", epoch=1, message=f"number {n} fails") for n in range(count)]
        faults.append(rpc.Fault(scope="network/well", epoch=1))
        with counted(ground.database) as statements:
            ground.beat("h1", faults=faults)
        return len(statements)

    assert cost(1) == cost(40)
    assert "fails" in str(rows(ground.database, agent_beat)[0].last_error)
    ground.beat("h1", faults=[rpc.Fault(scope="network/n1", epoch=1)])
    assert rows(ground.database, agent_beat)[0].last_error is None


L2 = {"agent_type": "Linux bridge agent"}


class Ports(Cloud):
    """Ports for real, on h1 and h2 with an L2 agent each, and a DHCP agent on h9."""

    def __init__(self, database: Database) -> None:
        self.ground = Ground(database)
        super().__init__(database)
        for host in ("h1", "h2"):
            self.ground.beat(host, capabilities=rpc.Capabilities(reaches=["vxlan"]), **L2)
        self.network_id = self.network()

    def on(self, host: str) -> Object:
        return self.port(self.network_id, **{"binding:host_id": host})

    def say(self, host: str, *states: rpc.State, **fields: Any) -> None:
        self.ground.beat(host, states=list(states), **{**L2, **fields})

    def state(self, made: Object, **fields: Any) -> rpc.State:
        said = {"scope": f"network/{self.network_id}", "epoch": 1, "kind": "port", "id": made["id"], "revision": 0}
        return rpc.State(**{**said, "status": "ACTIVE", **fields})


@pytest.fixture
def ports(database: Database) -> Ports:
    return Ports(database)


def test_a_port_that_its_host_has_wired_is_active(ports: Ports) -> None:
    made = ports.on("h1")
    ports.say("h1", ports.state(made))
    assert ports.read_port(made)["status"] == "ACTIVE"
    ports.say("h1", ports.state(made, status="DOWN"))
    assert ports.read_port(made)["status"] == "DOWN"


@pytest.mark.parametrize(
    ("host", "fields", "sender"),
    [
        ("h1", {"epoch": 2}, L2),
        ("h1", {"epoch": 0}, L2),
        ("h1", {"scope": "network/other"}, L2),
        ("h1", {"kind": "firewall"}, L2),
        ("h1", {"revision": 4}, L2),
        ("h2", {}, L2),
        ("h1", {}, {"agent_type": "DHCP agent"}),
    ],
)
def test_what_somebody_says_who_does_not_hold_it_is_dropped(ports: Ports, host: str, fields: Any, sender: Any) -> None:
    made = ports.on("h1")
    ports.on("h2")  # so h2 holds the network as well
    ports.say(host, ports.state(made, **fields), **sender)
    assert ports.read_port(made)["status"] == "DOWN"


def test_a_released_holder_says_nothing_that_counts(ports: Ports) -> None:
    made = ports.on("h1")
    ports.database.write(lambda tx: tx.execute(sa.update(interest.interest).values(state=interest.RELEASED)))
    ports.say("h1", ports.state(made))
    assert ports.read_port(made)["status"] == "DOWN"


def test_a_reservation_counts_from_the_dhcp_agent_that_holds_the_network(ports: Ports) -> None:
    ports.subnet(ports.network_id, "10.0.0.0/24")
    made = ports.on("h1")
    ports.say("h1", ports.state(made))
    for host in ("h8", "h9"):
        ports.ground.beat(host)
    ports.ground.grant("h9", ports.network_id)
    ports.database.write(change.stamp)
    position = 1
    for host, epoch in (("h8", 1), ("h9", 0)):
        ports.ground.applied(host, (f"network/{ports.network_id}", epoch, position))
        assert ports.read_port(made)["status"] == "DOWN"
    ports.ground.applied("h9", (f"network/{ports.network_id}", 1, position))
    assert ports.read_port(made)["status"] == "ACTIVE"


def test_states_cost_two_statements_however_many(ports: Ports) -> None:
    made = [ports.on("h1") for _ in range(20)]

    def cost(*states: rpc.State) -> int:
        with counted(ports.database) as sent:
            ports.say("h1", *states)
        return len(sent)

    assert cost(*map(ports.state, made)) == cost(ports.state(made[0])) == cost() + 2


def test_an_l2_agents_news_are_marked_and_an_ordinary_beat_is_not(ports: Ports) -> None:
    def due(work: Callable[[], Any]) -> list[str]:
        ports.database.write(lambda tx: tx.execute(sa.update(agent).values(ports_due_at=None)))
        work()
        return sorted(row.host for row in rows(ports.database, agent) if row.ports_due_at is not None)

    now = ports.ground.beat("h1", **L2).time
    beat = partial(ports.ground.beat, "h1", **L2)
    due(lambda: beat(echo=now))
    assert due(lambda: beat(echo=now)) == []
    assert due(lambda: beat(echo=now, capabilities=rpc.Capabilities(reaches=["vxlan"]))) == []  # as before
    assert due(lambda: beat(echo=now, capabilities=rpc.Capabilities(reaches=["vxlan", "flat:x"]))) == ["h1"]
    assert due(lambda: beat(echo=now, configurations={"tunneling_ip": "172.30.0.1"})) == ["h1"]
    assert due(lambda: ports.ground.beat("h3", **L2)) == ["h3"]
    assert due(lambda: ports.ground.beat("h3")) == []  # a DHCP agent plugs nothing
    long_ago = datetime.datetime(2020, 1, 1)
    ports.database.write(lambda tx: tx.execute(sa.update(agent_beat).values(sent_at=long_ago)))
    assert due(lambda: beat(echo=now)) == ["h1"]


def test_an_agents_id_follows_from_what_it_is() -> None:
    assert agent_id("DHCP agent", "h1") == agent_id("DHCP agent", "h1") != agent_id("L3 agent", "h1")


def _honest(*in_force: tuple[str, int, int]) -> dict[str, int]:
    return {"count": len(in_force), "checksum": checksum.of(in_force)}
