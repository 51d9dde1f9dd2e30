"""Committed means delivered: stamped once, sent at least once, to those who hold an interest and to nobody else."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from netsched import errors
from netsched.db import change, interest
from netsched.db.agent import agent
from netsched.db.session import Database
from netsched.rpc import agent as rpc
from tests.services.ground import Ground


@pytest.fixture
def ground(database: Database) -> Ground:
    ground = Ground(database)
    for host in ("h1", "h2", "h3"):
        ground.beat(host)
    ground.grant("h1", "n1")
    ground.grant("h2", "n2")
    ground.cast.messages = 0
    return ground


def pull(ground: Ground, host: str, *items: rpc.PullItem, incarnation: str = "incarnation-1") -> rpc.PullAnswer:
    return ground.delivery.pull(
        rpc.PullRequest(agent_type="DHCP agent", host=host, incarnation=incarnation, items=list(items))
    )


def test_only_the_holder_is_told(ground: Ground) -> None:
    ground.change_port("p1", "n1", "create")
    assert ground.delivery.relay() == 1
    ((to, notice),) = ground.cast.told
    assert to == "DHCP agent@h1"
    assert (notice.scope, notice.epoch, notice.previous, notice.position) == ("network/n1", 1, 0, 1)
    assert notice.upserts == {"port": [{"id": "p1", "network_id": "n1", "name": "create"}]}
    assert ground.cast.messages == 1


def test_nothing_to_do_sends_nothing(ground: Ground) -> None:
    assert ground.delivery.relay() == 0 and ground.cast.messages == 0


def test_each_notice_names_its_predecessor(ground: Ground) -> None:
    for port in ("p1", "p2"):
        ground.change_port(port, "n1", "create")
        ground.change_port(port, "n2", "create")
        ground.delivery.relay()
    chain = [(n.previous, n.position) for _, n in ground.cast.told if n.scope == "network/n1"]
    assert chain == [(0, 1), (1, 2)]


def test_a_row_that_is_gone_is_a_removal(ground: Ground) -> None:
    ground.change_port("p1", "n1", "create")
    ground.change_port("p1", "n1", "delete")
    ground.delivery.relay()
    notice = ground.cast.told[0][1]
    assert notice.upserts == {} and notice.removals == {"port": ["p1"]}


def test_content_is_read_when_it_is_sent(ground: Ground) -> None:
    ground.change_port("p1", "n1", "create")
    ground.ports["p1"]["name"] = "renamed since"
    ground.delivery.relay()
    assert ground.cast.told[0][1].upserts["port"][0]["name"] == "renamed since"


def test_who_holds_a_scope_newly_is_told_to_pull(ground: Ground) -> None:
    """A delta is of no use to it; nobody reads one for its sake. With somebody else who has the scope, there is one."""
    ground.change_port("p1", "n1", "create")
    ground.delivery.relay()
    ground.grant("h1", "n1", state=interest.RELEASED)
    ground.grant("h3", "n1")
    ground.change_port("p2", "n1", "create")
    ground.delivery.relay()
    told = {to: notice for to, notice in ground.cast.told[1:]}
    assert set(told) == {"DHCP agent@h1", "DHCP agent@h3"} and told["DHCP agent@h1"].released
    assert told["DHCP agent@h3"].upserts is None
    ground.change_port("p2", "n1")
    ground.delivery.relay()
    (notice,) = [n for to, n in ground.cast.told if to == "DHCP agent@h3"][1:]
    assert notice.upserts is not None and [port["id"] for port in notice.upserts["port"]] == ["p2"]


def test_what_the_broker_did_not_take_is_sent_again(ground: Ground) -> None:
    ground.cast.away = errors.Unavailable(reason="no broker")
    ground.change_port("p1", "n1", "create")
    ground.delivery.relay()
    ground.cast.away = None
    assert ground.delivery.relay() == 0  # it may be under way: another relay could be sending it
    age(ground.database)
    assert ground.delivery.relay() == 1
    assert [n.position for _, n in ground.cast.told] == [1]
    assert ground.delivery.relay() == 0


def test_a_backlog_leaves_nothing_out(ground: Ground) -> None:
    """Several stampings of one scope in one go: none of them may be told with the content of another one alone."""
    ground.cast.away = errors.Unavailable(reason="no broker")
    for port, operation in (("p1", "create"), ("p2", "create"), ("p1", "delete"), ("p3", "create")):
        ground.change_port(port, "n1", operation)
        ground.delivery.relay()
    ground.cast.away = None
    age(ground.database)
    ground.delivery.relay()
    told = [notice for _, notice in ground.cast.told]
    assert [(n.previous, n.position) for n in told] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    upserts = {port["id"] for n in told for port in (n.upserts or {}).get("port", [])}
    assert upserts == {"p2", "p3"} and {id_ for n in told for id_ in n.removals.get("port", [])} == {"p1"}


def test_only_whole_stampings_are_sent_again(ground: Ground) -> None:
    """What is left of one by a limit, or by an age in the middle of it, would be told as if it were all of it."""
    for _ in range(2):
        for port, network in (("p1", "n1"), ("p2", "n2"), ("p3", "n1")):
            ground.change_port(port, network)
        ground.database.write(change.stamp)
    age(ground.database)
    with ground.database.read() as connection:
        counts = [[len(s.entries) for s in change.unsent(connection, 2.0, limit)] for limit in (3, 4, 5, 6, 100)]
    assert counts == [[2, 1], [2, 1], [2, 1], [2, 1], [2, 1, 2, 1]]
    ground.database.write(lambda tx: tx.execute(sa.update(change.log).where(_newest()).values(stamped_at=tx.now)))
    with ground.database.read() as connection:
        assert [len(s.entries) for s in change.unsent(connection, 2.0)] == [2, 1, 2, 1]


def _newest() -> sa.ColumnElement[bool]:
    return sa.and_(change.log.c.position == 2, change.log.c.object_id == "p3")


def test_a_relay_that_died_between_stamp_and_send_is_replaced(ground: Ground) -> None:
    ground.change_port("p1", "n1", "create")
    ground.database.write(change.stamp)
    age(ground.database)
    ground.delivery.relay()
    assert [(n.previous, n.position) for _, n in ground.cast.told] == [(0, 1)]


def test_a_released_holder_is_told_so_and_gets_no_content(ground: Ground) -> None:
    ground.grant("h1", "n1", epoch=1, state=interest.RELEASED)
    ground.change_port("p1", "n1", "create")
    ground.delivery.relay()
    notice = ground.cast.told[0][1]
    assert notice.released and notice.upserts is None


@pytest.mark.parametrize("payload", ["id", "full"])
def test_the_payload_is_a_choice(database: Database, payload: str) -> None:
    ground = Ground(database, payload=payload)
    ground.beat("h1")
    ground.grant("h1", "n1")
    ground.change_port("p1", "n1", "create")
    ground.delivery.relay()
    assert (ground.cast.told[0][1].upserts is None) == (payload == "id")


def test_by_beat_nothing_is_pushed_and_the_next_answer_names_it(database: Database) -> None:
    ground = Ground(database, mode="beat")
    ground.beat("h1")
    ground.grant("h1", "n1")
    ground.change_port("p1", "n1", "create")
    ground.delivery.relay()
    assert ground.cast.told == []
    assert [(item.scope, item.position) for item in ground.beat("h1").lagging] == [("network/n1", 1)]


@pytest.mark.parametrize("payload", ["id", "full"])
def test_by_beat_the_answer_carries_what_changed_since_the_agents_position(database: Database, payload: str) -> None:
    ground = Ground(database, mode="beat", payload=payload)
    ground.beat("h1")
    ground.grant("h1", "n1")
    for port in ("p1", "p2", "p3"):
        ground.change_port(port, "n1", "create")
        ground.delivery.relay()
    answer = ground.applied("h1", ("network/n1", 1, 1))
    if payload == "id":
        assert answer.notices == [] and [item.position for item in answer.lagging] == [3]
        return
    (notice,) = answer.notices
    assert (notice.previous, notice.position) == (1, 3) and answer.lagging == []
    assert notice.upserts is not None and [port["id"] for port in notice.upserts["port"]] == ["p2", "p3"]


def test_a_registered_interest_hears_of_its_kinds_and_operations_only(ground: Ground) -> None:
    wanted = rpc.Interest(type="port", network="n1", operations=["create"])
    ground.beat("h3", capabilities=rpc.Capabilities(interests=[wanted]))
    ground.change_port("p1", "n1", "update")
    ground.delivery.relay()
    ground.change_port("p2", "n1", "create")
    ground.networks["n1"] = {"id": "n1", "network_id": "n1"}
    ground.database.write(lambda tx: tx.log("network", "n1", "update", "network/n1"))
    ground.delivery.relay()
    told = [n for to, n in ground.cast.told if to == "DHCP agent@h3"]
    assert [n.position for n in told] == [2]
    assert set(told[0].upserts) == {"port"}


# Pulls


def test_a_pull_answers_with_what_changed_since(ground: Ground) -> None:
    for port in ("p1", "p2", "p3"):
        ground.change_port(port, "n1", "create")
        ground.delivery.relay()
    (scope,) = pull(ground, "h1", rpc.PullItem(scope="network/n1", position=1)).scopes
    assert (scope.full, scope.position) == (False, 3)
    assert [port["id"] for port in scope.upserts["port"]] == ["p2", "p3"]


@pytest.mark.parametrize(
    ("position", "incarnation"), [(0, "incarnation-1"), (1, "an older life"), (7, "incarnation-1")]
)
def test_a_position_that_means_nothing_gets_the_whole_scope(ground: Ground, position: int, incarnation: str) -> None:
    ground.change_port("p1", "n1", "create")
    ground.delivery.relay()
    item = rpc.PullItem(scope="network/n1", position=position)
    (scope,) = pull(ground, "h1", item, incarnation=incarnation).scopes
    assert scope.full and scope.position == 1


def test_below_the_prune_floor_the_whole_scope_is_sent(ground: Ground) -> None:
    for port in ("p1", "p2"):
        ground.change_port(port, "n1", "create")
        ground.delivery.relay()
    while ground.database.write(lambda tx: change.prune(tx, keep_seconds=0, keep_rows=0)):
        pass
    ground.change_port("p3", "n1", "create")
    ground.delivery.relay()
    (scope,) = pull(ground, "h1", rpc.PullItem(scope="network/n1", position=1)).scopes
    assert scope.full and len(scope.upserts["port"]) == 3
    (scope,) = pull(ground, "h1", rpc.PullItem(scope="network/n1", position=2)).scopes
    assert not scope.full and [port["id"] for port in scope.upserts["port"]] == ["p3"]


def test_nobody_is_answered_about_what_it_does_not_hold(ground: Ground) -> None:
    ground.change_port("p1", "n1", "create")
    ground.delivery.relay()
    (scope,) = pull(ground, "h2", rpc.PullItem(scope="network/n1")).scopes
    assert not scope.held and scope.upserts == {}
    (scope,) = pull(ground, "a stranger", rpc.PullItem(scope="network/n1")).scopes
    assert not scope.held


def test_many_relays_stamp_every_change_once(database: Database) -> None:
    ground = Ground(database)
    ground.beat("h1")
    for network in range(8):
        ground.grant("h1", f"n{network}")

    def work(network: int) -> None:
        for port in range(10):
            ground.change_port(f"{network}-{port}", f"n{network}", "create")
            ground.delivery.relay()

    threads = [threading.Thread(target=work, args=(network,)) for network in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ground.delivery.relay()
    for network in range(8):
        told = sorted((n.previous, n.position) for _, n in ground.cast.told if n.scope == f"network/n{network}")
        assert told[0][0] == 0
        assert [before for before, _ in told[1:]] == [after for _, after in told[:-1]]
    with database.read() as connection:
        assert change.backlog(connection)["unsent"] == 0
        assert len(connection.execute(sa.select(change.log.c.id)).all()) == 80
        assert len(connection.execute(sa.select(agent.c.id)).all()) == 1


def age(database: Database) -> None:
    """Make everything that was stamped look old enough to be sent again."""
    early = sa.update(change.log).values(stamped_at=sa.text("'2020-01-01 00:00:00.000000'"))
    database.write(lambda tx: tx.execute(early))
