"""Ports on hosts: plugged or refused with a reason, and the L2 agents hold exactly the networks that are there."""

from __future__ import annotations

import contextlib
import functools
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from netsched import errors
from netsched.db import agent as agents
from netsched.db import base, dhcp_port, manual, port_binding, port_change, rebinding
from netsched.db.agent import agent
from netsched.db.group_presence import group_presence
from netsched.db.interest import interest
from netsched.db.port import port
from netsched.db.presence import presence
from netsched.db.session import Database
from netsched.model import kinds
from netsched.model.query import Query
from tests import needs
from tests.cloud import ADMIN, Cloud, Object
from tests.db.placements import OPERATOR, World
from tests.statements import counted

BRIDGE = {"connectivity": "l2", "port_filter": True, "tunnel_ip": None}


class Land(Cloud):
    """A cloud with L2 agents on some hosts."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.world = World(database)

    def l2(self, host: str, *reaches: str) -> str:
        return self.world.agent(host, kinds.L2_AGENT, reaches=reaches or ("vxlan",))

    def change(self, agent_id: str, **values: Any) -> None:
        self.database.write(lambda tx: tx.execute(sa.update(agent).where(agent.c.id == agent_id).values(values)))

    def announce(self, agent_id: str) -> None:
        """As a heartbeat with news of the agent does."""
        self.database.write(lambda tx: rebinding.mark(tx.connection, [agent_id]))
        rebinding.reconcile(self.database)

    def put(self, made: Object, **changes: Any) -> Object:
        return self.ports.update(ADMIN, made["id"], {key.replace("__", ":"): v for key, v in changes.items()}, None)

    def host(self, made: Object, host: str) -> Object:
        return self.put(made, **{"binding:host_id": host})

    def on(self, network_id: str, host: str) -> Object:
        return self.port(network_id, **{"binding:host_id": host})

    def group(self) -> str:
        return str(self.groups.create(ADMIN, [{}])[0]["id"])

    def name(self, group_id: str, named: str) -> None:
        """A rule of one group names the other."""
        nothing = ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_address_group_id")
        rule = {"security_group_id": group_id, "direction": "ingress", "ethertype": "IPv4", "remote_group_id": named}
        self.rules.create(ADMIN, [dict.fromkeys(nothing) | rule])

    def interests(self, network_id: str) -> dict[str, tuple[str, int]]:
        """host -> (state, epoch)"""
        hosts = {row["id"]: row["host"] for row in self.world.rows(agent)}
        found = self.world.interests(f"network/{network_id}")
        return {hosts[agent_id]: value for agent_id, value in found.items()}

    def here(self, network_id: str) -> dict[str, tuple[int, int]]:
        """host -> (ports, epoch)"""
        rows = self.world.rows(presence, presence.c.network_id == network_id)
        return {row["host"]: (row["ports"], row["epoch"]) for row in rows}

    def check(self) -> None:
        """What is counted is what is there, and held by exactly the agents on whose hosts something is."""
        plugged = port.c.binding_vif_type == "bridge"
        counts = sa.select(port.c.network_id, port.c.binding_host_id, sa.func.count()).where(plugged)
        there = {row[:2]: row[2] for row in self.rows(counts.group_by(port.c.network_id, port.c.binding_host_id))}
        rows = self.world.rows(presence)
        assert {(row["network_id"], row["host"]): row["ports"] for row in rows if row["ports"]} == there
        epochs = {(f"network/{row['network_id']}", row["host"]): row["epoch"] for row in rows}
        epochs |= {(row["scope"], row["host"]): row["epoch"] for row in self.world.rows(group_presence)}
        self._check_groups()
        hosts = {row["id"]: row["host"] for row in self.world.rows(agent, agent.c.agent_type == kinds.L2_AGENT)}
        held = self.world.rows(interest, interest.c.state == "held", interest.c.cause == "host")
        needed = needs.of_hosts(self.all_ports(), self.rules.list(ADMIN, Query()))
        assert {(row["scope"], hosts[row["agent_id"]]): row["epoch"] for row in held} == {
            (scope, host): epochs[scope, host] for host in hosts.values() for scope in needed.get(host, ())
        }

    def _check_groups(self) -> None:
        """A group is needed as often as ports there are in it."""
        uses = self.world.rows(group_presence, group_presence.c.host != "", group_presence.c.uses != 0)
        counted = {(row["scope"], row["host"]): row["uses"] for row in uses}
        plugged = [one for one in self.all_ports() if one["binding:vif_type"] == "bridge"]
        there = Counter(
            (f"security_group/{group_id}", one["binding:host_id"])
            for one in plugged
            for group_id in one["security_groups"]
        )
        assert {at: number for at, number in counted.items() if at[0].startswith("security_group/")} == there


@pytest.fixture
def land(database: Database) -> Land:
    return Land(database)


@pytest.fixture
def small(sqlite_database: Database) -> Land:
    """For rules in which the kind of database plays no part."""
    return Land(sqlite_database)


def test_a_port_on_a_host_is_plugged_and_its_l2_agent_holds_the_network(land: Land) -> None:
    agent_id = land.l2("h1")
    land.change(agent_id, configurations={"tunneling_ip": "172.30.0.1"})
    network_id = land.network()
    first = land.on(network_id, "h1")
    assert first["binding:vif_type"] == "bridge"
    assert first["binding:vif_details"] == {**BRIDGE, "tunnel_ip": "172.30.0.1"}
    assert first == land.read_port(first)
    assert land.interests(network_id) == {"h1": ("held", 1)}
    (row,) = land.world.rows(interest, interest.c.scope == f"network/{network_id}")
    assert row["cause"] == "host" and row["behind_since"] is not None
    land.on(network_id, "h1")
    assert land.here(network_id) == {"h1": (2, 1)} and land.interests(network_id) == {"h1": ("held", 1)}


def test_the_last_port_takes_the_network_along_and_the_next_one_brings_another_epoch(land: Land) -> None:
    land.l2("h1")
    network_id = land.network()
    ports = [land.on(network_id, "h1") for _ in range(2)]
    for made, state in zip(ports, ("held", "released"), strict=True):
        land.ports.delete(ADMIN, made["id"], None)
        assert land.interests(network_id) == {"h1": (state, 1)}
    land.on(network_id, "h1")
    assert land.interests(network_id) == {"h1": ("held", 2)}
    land.check()


def _dead(land: Land) -> None:
    land.world.silent(land.l2("h1"))


def _disabled(land: Land) -> None:
    land.change(land.l2("h1"), admin_state_up=False)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda land: None, "There is no Linux bridge agent on host h1."),
        (_dead, "The Linux bridge agent on host h1 is dead."),
        (_disabled, "The Linux bridge agent on host h1 is disabled."),
        (lambda land: land.l2("h1", "flat:physnet1"), "The Linux bridge agent on host h1 does not reach vxlan."),
        (lambda land: land.world.agent("h1"), "There is no Linux bridge agent on host h1."),
    ],
)
def test_what_cannot_be_plugged_is_refused_with_the_reason(small: Land, prepare: Any, words: str) -> None:
    prepare(small)
    network_id = small.network()
    for made in (small.on(network_id, "h1"), small.host(small.port(network_id), "h1")):
        assert (made["binding:vif_type"], made["binding:vif_details"]) == ("binding_failed", {"reason": words})
        assert made["binding:host_id"] == "h1" and made["status"] == "DOWN"
    assert small.here(network_id) == {} and small.interests(network_id) == {}


def test_a_vnic_type_that_no_bridge_has_a_place_for(small: Land) -> None:
    small.l2("h1")
    network_id = small.network()
    made = small.on(network_id, "h1")
    direct = small.put(made, **{"binding:vnic_type": "direct"})
    assert direct["binding:vif_type"] == "binding_failed" and "direct" in direct["binding:vif_details"]["reason"]
    assert small.interests(network_id) == {"h1": ("released", 1)}
    assert small.put(made, **{"binding:vnic_type": "normal"})["binding:vif_type"] == "bridge"
    assert small.interests(network_id) == {"h1": ("held", 2)}
    small.check()


def test_a_change_of_host_takes_from_one_and_gives_to_the_other(land: Land) -> None:
    land.l2("h1"), land.l2("h2")
    network_id = land.network()
    made = land.on(network_id, "h1")
    everything = {"wired": True, "status": "ACTIVE"}
    land.database.write(lambda tx: tx.execute(sa.update(port).values(everything)))
    moved = land.host(made, "h2")
    assert (moved["binding:host_id"], moved["binding:vif_type"], moved["status"]) == ("h2", "bridge", "DOWN")
    assert land.world.rows(port)[0]["wired"] is False
    assert land.interests(network_id) == {"h1": ("released", 1), "h2": ("held", 1)}
    assert land.changes()[-1] == (f"network/{network_id}", "port", made["id"], "update")
    away = land.host(made, "")
    assert (away["binding:vif_type"], away["binding:vif_details"]) == ("unbound", {})
    assert land.interests(network_id) == {"h1": ("released", 1), "h2": ("released", 1)}
    land.check()


def _wired(land: Land) -> None:
    """Their L2 agents have said so of all ports, and they wait for nothing else."""
    values = {"wired": True, "reserved": True, "status": "ACTIVE"}
    land.database.write(lambda tx: tx.execute(sa.update(port).values(values)))


def test_a_port_that_no_bridge_has_a_place_for_any_more_is_down(small: Land) -> None:
    small.l2("h1")
    made = small.on(small.network(), "h1")
    _wired(small)
    assert small.put(made, **{"binding:vnic_type": "direct"})["status"] == "DOWN"
    assert small.world.rows(port)[0]["wired"] is False


@pytest.mark.parametrize("away", ["dead", "disabled", "deleted"])
def test_a_port_stays_on_its_bridge_while_the_agent_of_the_host_is_away(small: Land, away: str) -> None:
    """What it has wired works on; a decision for the same host, whoever asks for it, must not take it away."""
    agent_id = small.l2("h1")
    small.change(agent_id, configurations={"tunneling_ip": "172.30.0.1"})
    network_id = small.network()
    made = small.on(network_id, "h1")
    _wired(small)
    if away == "dead":
        small.world.silent(agent_id)
    elif away == "disabled":
        small.change(agent_id, admin_state_up=False)
    else:
        small.database.write(lambda tx: manual.delete_agent(tx, agent_id, OPERATOR))
    before = small.changes()
    small.database.write(lambda tx: port_binding.move(tx, {made["id"]: "h1"}))
    assert small.changes() == before
    again = small.host(made, "h1")
    assert again["binding:vif_details"] == {**BRIDGE, "tunnel_ip": "172.30.0.1"} and again["status"] == "ACTIVE"
    assert small.here(network_id) == {"h1": (1, 1)}
    assert small.on(network_id, "h1")["binding:vif_type"] == "binding_failed"


def test_a_change_of_something_else_leaves_the_binding_alone(small: Land) -> None:
    agent_id = small.l2("h1")
    made = small.on(small.network(), "h1")
    small.world.silent(agent_id)
    assert small.put(made, name="new")["binding:vif_type"] == "bridge"


def test_moves_are_set_wise_and_told(land: Land) -> None:
    land.l2("h1"), land.l2("h2")

    def moved(count: int) -> int:
        network_ids = [land.network() for _ in range(count)]
        ports = [land.on(network_id, "h1") for network_id in network_ids]
        hosts = {made["id"]: "h2" for made in ports}
        with counted(land.database) as sent:
            assert land.database.write(lambda tx: port_binding.move(tx, {**hosts, "gone": "h2"})) == set(hosts)
        for made in ports:
            found = land.read_port(made)
            assert (found["binding:host_id"], found["binding:vif_type"], found["revision_number"]) == (
                "h2",
                "bridge",
                1,
            )
            assert land.interests(made["network_id"]) == {"h1": ("released", 1), "h2": ("held", 1)}
        assert {change[2] for change in land.changes() if change[3] == "update"} >= set(hosts)
        return len(sent)

    assert moved(1) == moved(40) <= 12
    land.check()
    before = land.changes()
    same = {made["id"]: "h2" for made in land.all_ports()}
    assert land.database.write(lambda tx: port_binding.move(tx, same)) == set(same)
    assert land.changes() == before  # nothing to tell


def test_binding_costs_a_few_statements_more(land: Land) -> None:
    land.l2("h1")
    network_id = land.network()
    land.subnet(network_id, "10.0.0.0/24")
    land.port(network_id)  # the first of its project, which makes its default group
    costs = []
    for host in ("", "h1", "h1"):
        with counted(land.database) as sent:
            made = land.on(network_id, host)
        costs.append(len(sent))
    plain, first, second = costs
    assert plain <= 12 and first <= plain + 6 and second <= plain + 5, costs
    with counted(land.database) as sent:
        land.ports.delete(ADMIN, made["id"], None)
    assert len(sent) <= 15, sent


def test_a_deleted_network_is_taken_off_the_hosts_of_its_dhcp_ports(land: Land) -> None:
    land.l2("h1")
    land.world.agent("h1")
    network_id = land.network()
    land.subnet(network_id, "10.0.0.0/24")
    land.world.round()
    assert land.interests(network_id)["h1"] in (("held", 1), ("released", 1))
    assert len(land.world.rows(interest, interest.c.state == "held")) == 2  # the DHCP agent and the L2 agent
    land.networks.delete(ADMIN, network_id, None)
    assert len(land.world.rows(interest, interest.c.state == "released")) == 2
    assert land.world.rows(presence) == []


def test_a_dhcp_port_that_moves_is_taken_off_the_old_host_though_its_agents_never_return(land: Land) -> None:
    for host in ("h1", "h2"):
        land.l2(host)
    old = land.world.agent("h1")
    network_id = land.network()
    land.subnet(network_id, "10.0.0.0/24")
    land.world.round()
    (dhcp,) = land.all_ports()
    assert (dhcp["binding:host_id"], dhcp["binding:vif_type"]) == ("h1", "bridge")
    land.world.agent("h2")
    land.world.silent(old)
    land.world.round()
    moved = land.read_port(dhcp)
    assert (moved["binding:host_id"], moved["binding:vif_type"]) == ("h2", "bridge")
    assert land.here(network_id) == {"h1": (0, 1), "h2": (1, 1)}
    held = {row["agent_id"] for row in land.world.rows(interest, interest.c.state == "held")}
    hosts = {row["id"]: (row["agent_type"], row["host"]) for row in land.world.rows(agent)}
    assert {hosts[agent_id] for agent_id in held} == {(kinds.DHCP_AGENT, "h2"), (kinds.L2_AGENT, "h2")}


# Rebinding


def test_an_agent_that_appears_gets_the_ports_that_waited_for_it(land: Land) -> None:
    network_id = land.network()
    waiting = [land.on(network_id, "h1") for _ in range(3)]
    elsewhere = land.on(network_id, "h2")
    land.announce(land.l2("h1"))
    assert {land.read_port(made)["binding:vif_type"] for made in waiting} == {"bridge"}
    assert land.read_port(waiting[0])["revision_number"] == 1
    assert land.read_port(elsewhere)["binding:vif_type"] == "binding_failed"
    assert land.interests(network_id) == {"h1": ("held", 1)} and land.here(network_id) == {"h1": (3, 1)}


def test_an_agent_is_looked_at_twice_and_then_no_more(land: Land) -> None:
    """A port written by a transaction that did not see the agent yet is found the second time."""
    agent_id = land.l2("h1")
    land.announce(agent_id)
    late = land.on(land.network(), "h2")
    values = {"binding_host_id": "h1"}
    land.database.write(lambda tx: tx.execute(sa.update(port).where(port.c.id == late["id"]).values(values)))
    assert rebinding.reconcile(land.database) == 0  # not yet
    land.change(agent_id, ports_due_at=base.now())
    assert rebinding.reconcile(land.database) == 1
    assert land.read_port(late)["binding:vif_type"] == "bridge"
    assert [row["ports_due_at"] for row in land.world.rows(agent)] == [None]
    with counted(land.database) as sent:
        rebinding.reconcile(land.database)
    assert len(sent) == 1


def test_what_fails_still_is_left_alone(small: Land) -> None:
    network_id = small.network()
    waiting = small.on(network_id, "h1")
    agent_id = small.l2("h1")
    small.world.silent(agent_id)
    small.announce(agent_id)
    small.world.beat(agent_id)
    small.change(agent_id, capabilities={"reaches": ["flat:physnet1"]})
    before = small.changes()
    small.announce(agent_id)
    failed = small.read_port(waiting)
    assert failed["binding:vif_details"]["reason"] == "The Linux bridge agent on host h1 does not reach vxlan."
    small.change(agent_id, capabilities={"reaches": ["vxlan"]})
    assert len(small.changes()) == len(before) + 1
    small.announce(agent_id)
    assert small.read_port(waiting)["binding:vif_type"] == "bridge"


def test_an_agent_that_was_deleted_and_came_again_holds_what_is_there(land: Land) -> None:
    agent_id = land.l2("h1")
    network_id = land.network()
    land.on(network_id, "h1")
    land.database.write(lambda tx: manual.delete_agent(tx, agent_id, OPERATOR))
    assert land.interests(network_id) == {}
    land.announce(land.l2("h1"))
    assert land.interests(network_id) == {"h1": ("held", 1)}
    land.check()


def test_an_agent_that_is_enabled_again_gets_what_waited_for_it(small: Land) -> None:
    agent_id = small.l2("h1")
    small.change(agent_id, admin_state_up=False)
    waiting = small.on(small.network(), "h1")
    small.database.write(lambda tx: agents.update(tx, agent_id, {"description": "rack 4"}))
    assert rebinding.reconcile(small.database) == 0
    small.database.write(lambda tx: agents.update(tx, agent_id, {"admin_state_up": True}))
    rebinding.reconcile(small.database)
    assert small.read_port(waiting)["binding:vif_type"] == "bridge"


def test_an_interest_in_what_is_not_there_is_released(small: Land) -> None:
    agent_id = small.l2("h1")
    network_id = small.network()
    made = small.on(network_id, "h1")
    gone = {"ports": 0}
    small.database.write(lambda tx: tx.execute(sa.update(presence).values(gone)))
    small.announce(agent_id)
    assert small.interests(network_id) == {"h1": ("released", 1)}
    assert made["binding:vif_type"] == "bridge"


def test_a_new_tunnel_address_is_told_with_every_port_of_the_host(land: Land) -> None:
    agent_id = land.l2("h1")
    land.l2("h2")
    network_id = land.network()
    there, other = land.on(network_id, "h1"), land.on(network_id, "h2")
    land.change(agent_id, configurations={"tunneling_ip": "172.30.0.9"})
    before = len(land.changes())
    land.announce(agent_id)
    assert land.read_port(there)["binding:vif_details"]["tunnel_ip"] == "172.30.0.9"
    assert land.changes()[before:] == [(f"network/{network_id}", "port", there["id"], "update")]
    assert land.read_port(other) == other
    land.announce(agent_id)
    assert len(land.changes()) == before + 1


def test_an_agent_that_reaches_less_than_before_loses_ports_with_the_reason(land: Land) -> None:
    agent_id = land.l2("h1", "vxlan", "flat:physnet1")
    land.l2("h2", "vxlan", "flat:physnet1")
    provider = {"provider:network_type": "flat", "provider:physical_network": "physnet1"}
    flat = land.network(**provider)
    vxlan = land.network()
    lost, kept, elsewhere = land.on(flat, "h1"), land.on(vxlan, "h1"), land.on(flat, "h2")
    _wired(land)
    land.change(agent_id, capabilities={"reaches": ["vxlan"]})
    land.announce(agent_id)
    failed = land.read_port(lost)
    assert failed["binding:vif_details"] == {
        "reason": "The Linux bridge agent on host h1 does not reach flat:physnet1."
    }
    assert (failed["binding:vif_type"], failed["status"]) == ("binding_failed", "DOWN")
    assert land.changes()[-1] == (f"network/{flat}", "port", lost["id"], "update")
    assert land.interests(flat) == {"h1": ("released", 1), "h2": ("held", 1)}
    assert {land.read_port(one)["status"] for one in (kept, elsewhere)} == {"ACTIVE"}
    land.check()
    land.change(agent_id, capabilities={"reaches": ["vxlan", "flat:physnet1"]})
    land.announce(agent_id)
    assert land.read_port(lost)["binding:vif_type"] == "bridge"
    assert land.interests(flat)["h1"] == ("held", 2)
    land.check()


@pytest.mark.parametrize("come", ["new", "put", "moved"])
def test_a_port_that_found_the_agent_dead_is_bound_though_no_beat_says_that_it_was(land: Land, come: str) -> None:
    """A beat that is being written while the port is: its server saw the agent alive before, and alive after."""
    agent_id, network_id = land.l2("h1"), land.network()
    made = land.on(network_id, "") if come != "new" else {}
    land.world.silent(agent_id)
    if come == "new":
        made = land.on(network_id, "h1")
    elif come == "put":
        land.host(made, "h1")
    else:
        land.database.write(lambda tx: port_binding.move(tx, {made["id"]: "h1"}))
    assert land.read_port(made)["binding:vif_type"] == "binding_failed"
    land.world.beat(agent_id)
    rebinding.reconcile(land.database)
    assert land.read_port(made)["binding:vif_type"] == "bridge"
    land.check()


# Races


def test_a_network_deleted_while_its_port_is_bound_is_held_by_nobody(land: Land) -> None:
    """Binding again what had failed asks nobody but the port; the network's deletion comes in between."""
    for host in ("h1", "h2", "h3", "h4", "h5"):
        network_id = land.network()
        port_id = dhcp_port.port_id(network_id, 0)
        dhcp = {"id": port_id, "network_id": network_id, "device_owner": "network:dhcp", "fixed_ips": []}
        dhcp["binding:host_id"] = host
        land.database.write(lambda tx, one=dhcp: port_change.insert_many(tx, [one]))
        land.l2(host)
        with ThreadPoolExecutor(2) as pool:
            bound = pool.submit(land.database.write, lambda tx, id=port_id: port_binding.retry(tx, [id]))
            land.networks.delete(ADMIN, network_id, None)
            bound.result()
        held = land.world.rows(interest, interest.c.state == "held")
        assert [row for row in held if row["scope"] == f"network/{network_id}"] == []


def test_racing_takers_of_the_last_ports_release_the_network(land: Land) -> None:
    land.l2("h1")
    for _ in range(3):
        network_id = land.network()
        ports = [land.on(network_id, "h1") for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda made: land.ports.delete(ADMIN, made["id"], None), ports))
        assert land.interests(network_id) == {"h1": ("released", 1)}
    land.check()


def test_whatever_races_the_books_are_right(land: Land) -> None:
    hosts = ["h1", "h2", "h3"]
    for host in hosts:
        land.l2(host)
    networks = [land.network() for _ in range(3)]
    ports = [land.port(network_id) for network_id in networks for _ in range(4)]
    rng = random.Random(7)

    def move(chosen: list[Object], host: str) -> None:
        land.database.write(lambda tx: port_binding.move(tx, {made["id"]: host for made in chosen}))

    groups = [land.group() for _ in range(3)]

    def name(group: str, named: str) -> None:
        """A rule that names the other group comes, or goes."""
        same = {"security_group_id": (group,), "remote_group_id": (named,)}
        rules = land.rules.list(ADMIN, Query(filters=same))
        with contextlib.suppress(errors.SecurityGroupRuleNotFound, errors.SecurityGroupRuleExists):  # made just now
            land.rules.delete(ADMIN, rules[0]["id"], None) if rules else land.name(group, named)

    works: list[Any] = []
    for _ in range(90):
        host = rng.choice([*hosts, ""])
        one, some, chosen = rng.choice(ports), rng.sample(ports, 5), rng.sample(groups, rng.randrange(3))
        ways = [
            functools.partial(land.host, one, host),
            functools.partial(move, some, host),
            functools.partial(land.put, one, security_groups=chosen),
            functools.partial(name, *rng.sample(groups, 2)),
        ]
        works.append(rng.choice(ways))
    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
    land.check()


@pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)
def test_what_comes_while_an_agents_books_are_read_stays_its_own(database: Database, database_url: str) -> None:
    """Somebody binds a first port of a network to the host after its ports were looked at."""
    land = Land(database)
    agent_id, network_id = land.l2("h1"), land.network()
    other = Database(database_url)
    elsewhere: list[Object] = []

    def faster(conn: Any, cursor: Any, text: str, parameters: Any, context: Any, executemany: bool) -> None:
        if "FROM presence" in text and not elsewhere:
            elsewhere.append({})
            elsewhere.append(Land(other).on(network_id, "h1"))

    sa.event.listen(database.engines[0], "after_cursor_execute", faster)
    try:
        land.announce(agent_id)
    finally:
        sa.event.remove(database.engines[0], "after_cursor_execute", faster)
        other.dispose()
    held = land.rows(sa.select(interest.c.state).where(interest.c.scope == f"network/{network_id}"))
    assert [row.state for row in held] == ["held"] and len(elsewhere) == 2
