"""Use cases of routers, and what makes one wanted by L3 agents: a gateway or an interface.

Each change claims the router's row first, so that changes of one router come one after the other.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from netsched import errors
from netsched.db import binding, port_change, router
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model import kinds
from netsched.model import router as rules
from netsched.model.principal import Principal
from netsched.model.query import Query
from netsched.model.router import Route, State
from netsched.server.services import router_gateway, router_interface
from netsched.server.services.quota import Quotas
from netsched.server.services.router_interface import Interface

Object = dict[str, Any]
Objects = list[Object]


class RouterService:
    def __init__(self, database: Database, mac_base: str = port_change.MAC_BASE, quotas: Quotas | None = None) -> None:
        """`mac_base`: the MACs that are made up begin with its first three octets."""
        self._database = database
        self._quotas = quotas or Quotas()
        self._mac_base = ":".join(mac_base.split(":")[:3])
        self._gateways = router_gateway.Gateways(self._mac_base)

    def create(self, principal: Principal, bodies: Objects) -> Objects:
        """Raises what Gateways.change raises."""
        owned = [{"project_id": principal.project_id, **body, "id": str(uuid.uuid4())} for body in bodies]

        def work(tx: Transaction) -> Objects:
            self._quotas.claim(tx, "router", [body["project_id"] for body in owned])
            made = self._gateways.make(tx, principal, owned)
            created = router.insert_many(tx, owned, {id: gateway.port for id, gateway in made.items()})
            alike: dict[tuple[tuple[str, ...], str | None], list[str]] = defaultdict(list)
            for one in created:
                if one["id"] in made:
                    alike[tuple(one["availability_zone_hints"]), made[one["id"]].reach].append(one["id"])
            for (zone_hints, reach), ids in alike.items():
                _want(tx, ids, zone_hints, [reach] if reach else [])
            return created

        return self._database.write(work)

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return router.get(connection, id, principal.sees)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Raises RouterNotFound, RevisionNumberConstraintFailed, InvalidRoutes, and what Gateways.change raises."""

        def work(tx: Transaction) -> Object:
            router.claim(tx, id, if_match, changes)
            if "external_gateway_info" in changes or "routes" in changes:
                self._reconnect(tx, principal, router.state(tx, id, principal.sees), changes)
            return router.get(tx.connection, id, principal.sees)

        return self._database.write(work)

    def _reconnect(self, tx: Transaction, principal: Principal, state: State, changes: Object) -> None:
        """Change gateway and routes. What stays must agree with what is new."""
        if "external_gateway_info" in changes:
            self._gateways.change(tx, principal, state, changes["external_gateway_info"])
            state = router.state(tx, state.id)
            self._settle(tx, state)
        routes = changes.get("routes", state.routes)
        rules.check_routes(state, routes, self._most_routes(tx, state, routes))
        if "routes" in changes:
            router.write(tx, state.id, routes=routes)

    def _most_routes(self, tx: Transaction, state: State, routes: Sequence[Route]) -> int:
        """Asked only where there are to be more than there are."""
        if len(routes) <= len(state.routes):
            return len(routes)
        return self._quotas.limit(tx, "router_route", state.project_id, rules.MAX_ROUTES)

    @staticmethod
    def _settle(tx: Transaction, state: State) -> None:
        """After a change of gateway: have the router served by an agent that reaches it, or by none."""
        if not state.legs:
            binding.unwant(tx, "router", state.id)
            return
        _want(tx, state.id, state.zone_hints, state.requires)
        binding.leave_if_unreachable(tx, "router", state.id, state.requires)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Delete the router with its gateway.

        Raises RouterNotFound, RevisionNumberConstraintFailed, RouterInUse, RouterExternalGatewayInUseByFloatingIp.
        """

        def work(tx: Transaction) -> None:
            router.claim(tx, id, if_match, {})
            state = router.state(tx, id, principal.sees)
            if state.interfaces:
                ports = ", ".join(leg.port_id for leg in state.interfaces)
                raise errors.RouterInUse(id=id, reason=f"has ports still attached: {ports}")
            binding.forget(tx, "router", id)
            self._gateways.forget(tx, state)
            router.remove(tx, id)
            if state.gateway is not None:
                router_gateway.give_up(tx, id, state.gateway)

        self._database.write(work)

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return router.list_(connection, replace(query, visible_to=principal.sees))

    def add_interface(self, principal: Principal, id: str, port_id: str | None, subnet_id: str | None) -> Object:
        """By exactly one of the two. The answer's keys: id, project_id, port_id, network_id, subnet_id, subnet_ids.

        Raises RouterNotFound, and what add_by_port and add_by_subnet of router_interface.py raise.
        """

        def add(tx: Transaction, state: State) -> Interface:
            if port_id is not None:
                added = router_interface.add_by_port(tx, principal, state, port_id)
            else:
                added = router_interface.add_by_subnet(tx, principal, state, subnet_id or "", self._mac_base)
            _want(tx, id, state.zone_hints, state.requires)
            return added

        return self._claimed(principal, id, add).as_rest(id)

    def remove_interface(self, principal: Principal, id: str, port_id: str | None, subnet_id: str | None) -> Object:
        """By one of the two or both; answers as `add_interface`. Raises RouterNotFound, and what `remove` raises."""

        def take(tx: Transaction, state: State) -> Interface:
            removed = router_interface.remove(tx, state, port_id, subnet_id)
            if not router_interface.left(state, removed):
                binding.unwant(tx, "router", id)
            return removed

        return self._claimed(principal, id, take).as_rest(id)

    def add_routes(self, principal: Principal, id: str, routes: Sequence[Route]) -> Object:
        """The router with these routes too. Raises RouterNotFound, RoutesExhausted, InvalidRoutes."""
        return self._rerouted(principal, id, lambda before: rules.with_routes(before, routes))

    def remove_routes(self, principal: Principal, id: str, routes: Sequence[Route]) -> Object:
        """The router without these routes. Raises RouterNotFound."""
        return self._rerouted(principal, id, lambda before: rules.without_routes(before, routes))

    def _rerouted(self, principal: Principal, id: str, change: Callable[[Sequence[Route]], Sequence[Route]]) -> Object:
        def work(tx: Transaction, state: State) -> Object:
            routes = change(state.routes)
            rules.check_routes(state, routes, self._most_routes(tx, state, routes))
            router.write(tx, id, routes=routes)
            return router.get(tx.connection, id)

        return self._claimed(principal, id, work)

    def _claimed(self, principal: Principal, id: str, work: Callable[[Transaction, State], Any]) -> Any:
        """Run `work` on a router that nobody else changes meanwhile."""

        def claimed(tx: Transaction) -> Any:
            router.claim(tx, id, None, {})
            return work(tx, router.state(tx, id, principal.sees))

        return self._database.write(claimed)


def _want(tx: Transaction, ids: str | list[str], zone_hints: tuple[str, ...], requires: list[str]) -> None:
    binding.want(tx, "router", ids, kinds.L3_AGENT, 1, {"router": 1}, zone_hints, requires)
