"""Whatever is done through the API: the log leads every copy of every scope from one whole content to the next.

The property on which delivery rests: an agent that starts with pull(0) and takes what the log says since has what
pull(n) gives. For routers it is hard, since their networks, subnets and ports come and go without being changed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netsched import errors
from netsched.db import base
from netsched.db.session import Database
from netsched.model import scope as scopes
from netsched.model.query import Query
from netsched.server.readers import readers
from netsched.server.services.address_group import AddressGroupService
from netsched.server.services.floatingip import FloatingIPService
from netsched.server.services.network import NetworkService
from netsched.server.services.port import PortService
from netsched.server.services.router import RouterService
from netsched.server.services.security_group import SecurityGroupService
from netsched.server.services.security_group_rule import SecurityGroupRuleService
from netsched.server.services.subnet import SubnetService
from tests.cloud import ADMIN, SLAAC, TENANT
from tests.land import Land
from tests.size import choose

Content = dict[tuple[str, str], dict[str, Any]]  # (kind, id) -> object
FREE = "203.0.113.2"


# Ids as they were made, whatever their values are: so the same picks tell the same story.
_IN_ORDER = {
    NetworkService: sa.text("SELECT id FROM network ORDER BY rowid"),
    SubnetService: sa.text("SELECT id FROM subnet ORDER BY rowid"),
    PortService: sa.text("SELECT id FROM port ORDER BY rowid"),
    SecurityGroupService: sa.text("SELECT id FROM security_group ORDER BY rowid"),
    SecurityGroupRuleService: sa.text("SELECT id FROM security_group_rule ORDER BY rowid"),
    AddressGroupService: sa.text("SELECT id FROM address_group ORDER BY rowid"),
    RouterService: sa.text("SELECT id FROM router ORDER BY rowid"),
    FloatingIPService: sa.text("SELECT id FROM floatingip ORDER BY rowid"),
}


class Story:
    """Two external networks, two subnets inside, two routers; then anything. `pick` decides which object is meant."""

    def __init__(self, database: Database) -> None:
        self.land = Land(database)
        for cidr in ("203.0.113.0/28", "198.51.100.0/28"):
            self.land.external(cidr)
        inside = [self.land.inside(f"10.0.{n}.0/28") for n in range(2)]
        self.land.routers.create(TENANT, [{}, {}])
        self.land.ports.create(TENANT, [{"network_id": one["network_id"]} for one in inside])
        self.readers = readers()
        self.seen = len(self.land.changes())
        self.copies = self.wholes()

    # What agents would have

    def scopes(self) -> set[str]:
        """Of all that there is, and of what has been."""
        there = {scopes.key("network", one["id"]) for one in self.land.networks.list(ADMIN, Query())}
        there |= {scopes.key("router", one["id"]) for one in self.land.routers.list(ADMIN, Query())}
        for (id_,) in self.land.rows(_IN_ORDER[SecurityGroupService]):  # to list them would make the default one
            there |= {scopes.key(type_, id_) for type_ in ("security_group", "security_group_members")}
        there |= {scopes.key("address_group", one["id"]) for one in self.land.address_groups.list(ADMIN, Query())}
        return there | set(getattr(self, "copies", {}))

    def wholes(self) -> dict[str, Content]:
        """What is in each scope. One read per type and kind, as many as there may be."""
        found: dict[str, Content] = {scope: {} for scope in self.scopes()}
        by_type: dict[str, list[str]] = {}
        for type_, id_ in map(scopes.split, found):
            by_type.setdefault(type_, []).append(id_)
        with self.land.database.read() as connection:
            for type_, ids in by_type.items():
                for kind in scopes.members(type_):
                    for id_, some in self.readers[type_, kind].whole(connection, ids).items():
                        found[scopes.key(type_, id_)] |= {(kind, one["id"]): one for one in some}
        return found

    def follow(self) -> None:
        """Bring the copies up to date by what has been logged since, as notices do."""
        changes = self.land.changes()
        new, self.seen = changes[self.seen :], len(changes)
        for scope, kind, object_id in dict.fromkeys(row[:3] for row in new):
            type_, id_ = scopes.split(scope)
            with self.land.database.read() as connection:
                found = self.readers[type_, kind].some(connection, {id_: [object_id]})[id_]
            copy = self.copies.setdefault(scope, {})
            copy.pop((kind, object_id), None)
            copy.update({(kind, one_id): one for one_id, one in found.items()})

    # What is done

    def _some(self, service: Any, pick: int, **filters: str) -> dict[str, Any]:
        found = service.list(ADMIN, Query(filters={name.replace("__", ":"): (v,) for name, v in filters.items()}))
        if not found:
            raise errors.BadRequest(resource="test", reason="there is none")
        order = {id_: number for number, (id_,) in enumerate(self.land.rows(_IN_ORDER[type(service)]))}
        chosen: dict[str, Any] = sorted(found, key=lambda one: order[one["id"]])[pick % len(found)]
        return chosen

    def network(self, pick: int, **filters: str) -> str:
        return str(self._some(self.land.networks, pick, **filters)["id"])

    def subnet(self, pick: int) -> dict[str, Any]:
        return self._some(self.land.subnets, pick)

    def port(self, pick: int, **filters: str) -> dict[str, Any]:
        return self._some(self.land.ports, pick, **filters)

    def router(self, pick: int) -> str:
        return str(self._some(self.land.routers, pick)["id"])

    def floating(self, pick: int) -> str:
        return str(self._some(self.land.floatingips, pick)["id"])

    def outside(self, pick: int) -> dict[str, Any]:
        return {"network_id": self.network(pick, router__external=True)}  # type: ignore[arg-type]

    def detach(self, interface: dict[str, Any]) -> None:
        self.land.routers.remove_interface(ADMIN, interface["device_id"], interface["id"], None)

    def group(self, pick: int) -> str:
        return str(self._some(self.land.groups, pick)["id"])

    def rule(self, pick: int, **match: Any) -> dict[str, Any]:
        nothing = ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")
        rule = {"security_group_id": self.group(pick), "direction": "ingress", "ethertype": "IPv4"}
        return dict.fromkeys((*nothing, "remote_address_group_id")) | rule | match

    def addresses(self, pick: int) -> str:
        return str(self._some(self.land.address_groups, pick)["id"])

    def deeds_of_groups(self, pick: int) -> list[Callable[[], Any]]:
        land, other = self.land, pick // 7
        ports, groups, rules, addresses = land.ports, land.groups, land.rules, land.address_groups

        def into() -> dict[str, Any]:
            return {"security_groups": [self.group(other), self.group(other + 1)] if pick % 3 else []}

        def paired() -> dict[str, Any]:
            return {"allowed_address_pairs": [{"ip_address": f"10.9.0.{pick % 250}"}] if pick % 2 else []}

        return [
            lambda: groups.create(TENANT, [{"name": f"g{pick}"}]),
            lambda: groups.update(ADMIN, self.group(pick), {"description": f"d{pick}"}, None),
            lambda: groups.delete(ADMIN, self.group(pick), None),
            lambda: rules.create(ADMIN, [self.rule(pick, protocol=str(other % 256))]),
            lambda: rules.create(ADMIN, [self.rule(pick, remote_group_id=self.group(other))]),
            lambda: rules.create(ADMIN, [self.rule(pick, remote_address_group_id=self.addresses(other))]),
            lambda: rules.delete(ADMIN, self._some(rules, pick)["id"], None),
            lambda: addresses.create(TENANT, [{"addresses": ["192.0.2.1/32"]}]),
            lambda: addresses.add_addresses(ADMIN, self.addresses(pick), [f"198.51.100.{other % 250}/32"]),
            lambda: addresses.delete(ADMIN, self.addresses(pick), None),
            lambda: ports.update(ADMIN, self.port(pick)["id"], into(), None),
            lambda: ports.update(ADMIN, self.port(pick)["id"], paired(), None),
            lambda: ports.create(TENANT, [{"network_id": self.network(pick), **into()}]),
        ]

    def deeds(self, pick: int) -> list[Callable[[], Any]]:
        land, other = self.land, pick // 7
        routers, ports, floating = land.routers, land.ports, land.floatingips
        mode = SLAAC if pick % 2 else {}
        interface = {"device_owner": "network:router_interface"}
        free = {"external_fixed_ips": [{"ip_address": FREE}]}
        route = {"destination": "192.0.2.0/24", "nexthop": "10.0.0.9"}

        def moved() -> dict[str, Any]:
            return {"fixed_ips": [{"subnet_id": self.subnet(other)["id"]}]}

        def taken() -> dict[str, Any]:
            return {"device_id": self.router(other), **interface}

        def reaching() -> dict[str, Any]:
            return {"port_id": self.port(other, device_owner="")["id"]}

        def led(**more: Any) -> dict[str, Any]:
            return {"external_gateway_info": {**self.outside(other), **more}}

        return [
            lambda: land.network(TENANT, admin_state_up=bool(pick % 2)),
            lambda: land.networks.update(ADMIN, self.network(pick), {"admin_state_up": bool(other % 2)}, None),
            lambda: land.networks.update(ADMIN, self.network(pick), {"router:external": bool(other % 2)}, None),
            lambda: land.networks.delete(ADMIN, self.network(pick), None),
            lambda: land.subnet(self.network(pick), f"10.1.{pick % 256}.0/29", ADMIN),
            lambda: land.subnet(self.network(pick), f"fd00:0:0:{pick % 4096}::/64", ADMIN, **mode),
            lambda: land.subnets.update(ADMIN, self.subnet(pick)["id"], {"name": f"s{pick}"}, None),
            lambda: land.subnets.update(ADMIN, self.subnet(pick)["id"], {"enable_dhcp": bool(other % 2)}, None),
            lambda: land.subnets.delete(ADMIN, self.subnet(pick)["id"], None),
            lambda: land.port(self.network(pick), TENANT),
            lambda: ports.update(ADMIN, self.port(pick)["id"], {"name": f"p{pick}"}, None),
            lambda: ports.update(ADMIN, self.port(pick)["id"], moved(), None),
            lambda: ports.update(ADMIN, self.port(pick)["id"], taken(), None),
            lambda: ports.update(ADMIN, self.port(pick)["id"], {"device_id": "", "device_owner": ""}, None),
            lambda: ports.delete(ADMIN, self.port(pick)["id"], None),
            lambda: routers.create(TENANT, [{"external_gateway_info": self.outside(pick)}, {}]),
            lambda: routers.update(ADMIN, self.router(pick), {"admin_state_up": bool(other % 2)}, None),
            lambda: routers.update(ADMIN, self.router(pick), led(), None),
            lambda: routers.update(ADMIN, self.router(pick), led(**free), None),
            lambda: routers.update(ADMIN, self.router(pick), {"external_gateway_info": None}, None),
            lambda: routers.delete(ADMIN, self.router(pick), None),
            lambda: routers.add_interface(ADMIN, self.router(pick), None, self.subnet(other)["id"]),
            lambda: routers.add_interface(ADMIN, self.router(pick), self.port(other)["id"], None),
            lambda: routers.remove_interface(ADMIN, self.router(pick), None, self.subnet(other)["id"]),
            lambda: self.detach(self.port(pick, **interface)),
            lambda: routers.add_routes(ADMIN, self.router(pick), [route]),
            lambda: floating.create(TENANT, [{"floating_network_id": self.outside(pick)["network_id"]}]),
            lambda: floating.update(
                ADMIN, self.floating(pick), {"port_id": self.port(other, device_owner="")["id"]}, None
            ),
            lambda: floating.update(ADMIN, self.floating(pick), {"port_id": None}, None),
            lambda: floating.update(ADMIN, self.floating(pick), {"description": f"d{pick}"}, None),
            lambda: floating.delete(ADMIN, self.floating(pick), None),
            *self.deeds_of_groups(pick),
        ]


DEEDS = 44
steps = st.lists(st.tuples(st.integers(0, DEEDS - 1), st.integers(0, 999)), min_size=5, max_size=40)
# Begin as most stories do, so that there is something to change: interfaces, gateways, a floating IP in use.
BEGINNING = [(21, 14), (21, 21), (17, 0), (17, 1), (26, 0), (26, 1), (27, 0)]


@settings(max_examples=choose(15, 60), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(steps)
def test_the_log_leads_every_copy_to_what_is(story: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{Path(directory)}/netsched.sqlite")
        base.metadata.create_all(database.engines[0])
        told = Story(database)
        for deed, pick in BEGINNING + story:
            try:
                told.deeds(pick)[deed]()
            except errors.NetschedError:
                continue
            told.follow()
            for scope, whole in told.wholes().items():
                assert told.copies.get(scope, {}) == whole, (scope, deed, pick)
        database.dispose()
