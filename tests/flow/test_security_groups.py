"""Security groups end to end: which hosts hold groups, members and address groups, and who hears of a change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netsched.model import kinds
from netsched.model.query import Query
from netsched.server.services.address_group import AddressGroupService
from netsched.server.services.security_group import SecurityGroupService
from netsched.server.services.security_group_rule import SecurityGroupRuleService
from tests import needs
from tests.flow.test_bindings import put, told
from tests.flow.world import ADMIN, WAYS, World
from tests.size import choose

HOSTS = 5


class Grouped(World):
    """`agents` DHCP agents, and an L2 agent on each of c0, c1, ..."""

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, agents=1, **options)
        self.groups = SecurityGroupService(self.database)
        self.rules = SecurityGroupRuleService(self.database)
        self.address_groups = AddressGroupService(self.database)
        for number in range(HOSTS):
            self.add(f"c{number}", agent_type=kinds.L2_AGENT)
        self.run(3)

    def group(self, **more: Any) -> str:
        return str(self.groups.create(ADMIN, [{"project_id": "project-1", "name": "g", **more}])[0]["id"])

    def rule(self, group: str, **match: Any) -> str:
        body = dict.fromkeys(
            ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id",
             "remote_address_group_id")
        )  # fmt: skip
        body |= {"security_group_id": group, "direction": "ingress", "ethertype": "IPv4", **match}
        return str(self.rules.create(ADMIN, [body])[0]["id"])

    def addresses(self, *cidrs: str) -> str:
        return str(self.address_groups.create(ADMIN, [{"addresses": list(cidrs)}])[0]["id"])

    def member(self, group: str, host: str, network: str | None = None) -> str:
        """A port in the group, on a network of its own if none is given."""
        return self.port(network or self.network(), host, security_groups=[group])

    def needed(self) -> None:
        """Every L2 agent has in force what its host needs, no more and no less, and it is as the tables say."""
        self.run(8)
        self.converged()
        wanted = needs.of_hosts(self.ports.list(ADMIN, Query()), self.rules.list(ADMIN, Query()))
        for number in range(HOSTS):
            assert set(self.nodes[f"c{number}"].machine.scopes) == wanted.get(f"c{number}", set())

    def has(self, host: str, scope: str) -> Any:
        """What an agent has in force of a scope: {kind: {id: object}}."""
        return self.nodes[host].machine.scopes.get(scope)


@pytest.fixture
def world(tmp_path: Path) -> Grouped:
    return Grouped(tmp_path)


@pytest.mark.parametrize("way", choose(WAYS[::3], WAYS), ids=lambda way: f"{way.mode}-{way.payload}")
def test_hosts_hold_what_their_ports_refer_to(way: Any, tmp_path: Path) -> None:
    world = Grouped(tmp_path, delivery=way)
    web, database, listed = world.group(), world.group(), world.addresses("192.0.2.0/24")
    server, reader = world.member(web, "c0"), world.member(database, "c1")
    world.needed()
    assert world.has("c1", f"security_group_members/{web}") is None
    naming = world.rule(database, remote_group_id=web)
    world.rule(database, remote_address_group_id=listed)
    world.needed()
    known = world.has("c1", f"security_group_members/{web}")["security_group_member"][server]
    assert set(known) == {"id", "mac_address", "fixed_ips", "allowed_address_pairs"}
    assert known["fixed_ips"] == [{"ip_address": world.ports.get(ADMIN, server)["fixed_ips"][0]["ip_address"]}]
    assert naming in world.has("c1", f"security_group/{database}")["security_group_rule"]
    assert world.has("c1", f"address_group/{listed}")["address_group"][listed]["addresses"] == ["192.0.2.0/24"]
    world.address_groups.add_addresses(ADMIN, listed, ["198.51.100.7/32"])
    world.ports.update(ADMIN, reader, {"binding:host_id": "c2"}, None)
    world.needed()
    assert world.has("c1", f"security_group_members/{web}") is None
    assert len(world.has("c2", f"address_group/{listed}")["address_group"][listed]["addresses"]) == 2
    world.rules.delete(ADMIN, naming, None)
    world.needed()
    assert world.has("c2", f"security_group_members/{web}") is None
    world.ports.delete(ADMIN, reader, None)
    world.needed()


def test_a_members_address_reaches_the_hosts_whose_rules_name_its_group_and_no_others(world: Grouped) -> None:
    web, database, other = world.group(), world.group(), world.group()
    world.rule(database, remote_group_id=web)
    network = world.network()
    servers = [world.member(web, f"c{number}", network) for number in range(2)]
    world.member(web, "c2")  # in the group, on another network: its rules do not name it
    world.member(database, "c3")
    world.member(other, "c4")
    world.run(10)
    of_network = {"agent.c0": 1, "agent.c1": 1, "agent.h1": 1}
    pairs = [{"ip_address": "10.0.0.200"}]
    assert told(world, lambda: put(world, servers[0], allowed_address_pairs=pairs)) == of_network | {"agent.c3": 1}
    assert told(world, lambda: put(world, servers[0], name="new")) == of_network
    assert told(world, lambda: world.rule(web, protocol="tcp")) == {"agent.c0": 1, "agent.c1": 1, "agent.c2": 1}
    many = [{"network_id": network, "security_groups": [web], "project_id": "project-1"}] * 30
    assert told(world, lambda: world.ports.create(ADMIN, many)) == of_network | {"agent.c3": 1}
    assert told(world, lambda: world.ports.delete(ADMIN, servers[1], None)) == of_network | {"agent.c3": 1}
    world.needed()
    members = world.has("c3", f"security_group_members/{web}")["security_group_member"]
    assert len(members) == 32 and servers[1] not in members
    assert members[servers[0]]["allowed_address_pairs"][0]["ip_address"] == "10.0.0.200"


def test_an_address_group_and_a_rule_reach_the_hosts_concerned_only(world: Grouped) -> None:
    listed = world.addresses("192.0.2.1")
    naming, other = world.group(), world.group()
    world.rule(naming, remote_address_group_id=listed)
    world.member(naming, "c0")
    world.member(naming, "c1")
    world.member(other, "c2")
    world.run(10)
    concerned = {"agent.c0": 1, "agent.c1": 1}
    assert told(world, lambda: world.address_groups.add_addresses(ADMIN, listed, ["192.0.2.2/32"])) == concerned
    assert told(world, lambda: world.groups.update(ADMIN, naming, {"name": "new"}, None)) == concerned
    assert told(world, lambda: world.group()) == {}
    world.needed()


def test_an_agent_that_comes_after_the_ports_gets_what_its_host_needs(world: Grouped) -> None:
    group = world.group()
    world.rule(group, remote_group_id=group)
    world.port(world.network(), "late", security_groups=[group])
    late = world.add("late", agent_type=kinds.L2_AGENT)
    world.run(25)
    world.converged()
    needed = {f"security_group/{group}", f"security_group_members/{group}"}
    assert needed < set(late.machine.scopes)
    late.restart(reboot=True)
    world.run(25)
    world.converged()
    assert needed < set(late.machine.scopes)


def test_the_default_group_of_a_project_is_held_where_it_has_ports(world: Grouped) -> None:
    port = world.port(world.network(), "c0")
    mine = world.groups.list(ADMIN, Query(filters={"project_id": ("project-1",), "name": ("default",)}))
    default = mine[0]["id"]
    world.needed()
    assert port in world.has("c0", f"security_group_members/{default}")["security_group_member"]
    world.ports.update(ADMIN, port, {"port_security_enabled": False, "security_groups": []}, None)
    world.needed()
    assert world.has("c0", f"security_group/{default}") is None
