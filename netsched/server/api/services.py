"""What the API needs from the services, and nothing else: handlers see these Protocols."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from netsched.model.permission import Permit
from netsched.model.principal import Principal
from netsched.model.query import Query

Object = dict[str, Any]


class Reads(Protocol):
    def list(self, principal: Principal, query: Query) -> list[Object]: ...

    def get(self, principal: Principal, id: str) -> Object: ...


class Lists(Protocol):
    def list(self, principal: Principal, query: Query) -> list[Object]: ...


class Updates(Reads, Protocol):
    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object: ...

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None: ...


class Crud(Updates, Protocol):
    def create(self, principal: Principal, bodies: list[Object]) -> list[Object]: ...


class CrudOnNetwork(Crud, Protocol):
    def create(self, principal: Principal, bodies: list[Object], permit: Permit = ...) -> list[Object]: ...


class Routers(Crud, Protocol):
    def add_interface(self, principal: Principal, id: str, port_id: str | None, subnet_id: str | None) -> Object: ...

    def remove_interface(self, principal: Principal, id: str, port_id: str | None, subnet_id: str | None) -> Object: ...

    def add_routes(self, principal: Principal, id: str, routes: list[Any]) -> Object: ...

    def remove_routes(self, principal: Principal, id: str, routes: list[Any]) -> Object: ...


class SubnetPools(Crud, Protocol):
    def add_prefixes(self, principal: Principal, id: str, prefixes: list[str]) -> list[str]: ...

    def remove_prefixes(self, principal: Principal, id: str, prefixes: list[str]) -> list[str]: ...

    def onboard(self, principal: Principal, id: str, network_id: str) -> list[Object]: ...


class AddressGroups(Crud, Protocol):
    def add_addresses(self, principal: Principal, id: str, addresses: list[str]) -> Object: ...

    def remove_addresses(self, principal: Principal, id: str, addresses: list[str]) -> Object: ...


class Scheduling(Protocol):
    def held(self, principal: Principal, resource_type: str, agent_id: str) -> list[Object]: ...

    def holders(self, principal: Principal, resource_type: str, resource_id: str) -> list[Object]: ...

    def bind(self, principal: Principal, agent_id: str, resource_type: str, resource_id: str) -> Any: ...

    def unbind(self, principal: Principal, agent_id: str, resource_type: str, resource_id: str) -> Any: ...

    def reasons(self, principal: Principal, resource_type: str, resource_id: str) -> Object: ...


class Status(Protocol):
    def servers(self, principal: Principal) -> list[Object]: ...

    def status(self, principal: Principal) -> Object: ...


class Brakes(Protocol):
    def list(self, principal: Principal) -> list[Object]: ...

    def release(self, principal: Principal, zone: str, released: bool) -> Any:
        """The zone's brakes, as in `list`."""


class Quotas(Protocol):
    @property
    def resources(self) -> tuple[str, ...]: ...

    def list(self) -> list[Object]: ...

    def get(self, project_id: str) -> dict[str, int]: ...

    def default(self) -> dict[str, int]: ...

    def details(self, project_id: str) -> dict[str, dict[str, int]]: ...

    def update(self, project_id: str, limits: Mapping[str, int], check: bool) -> dict[str, int]: ...

    def delete(self, project_id: str) -> None: ...


class Health(Protocol):
    def alive(self) -> Object: ...

    def ready(self, without: Collection[str] = ...) -> Object: ...


class Metrics(Protocol):
    def exposition(self) -> tuple[str, bytes]:
        """(content type, body)"""

    def now(self) -> float:
        """Seconds, for measuring how long something took."""

    def request(self, route: str, method: str, status: int, seconds: float) -> None: ...


class Outcome(Protocol):
    @property
    def applied(self) -> bool: ...

    def summary(self, principal: Principal) -> str: ...


class Delivery(Protocol):
    def place(self) -> contextlib.AbstractContextManager[None]: ...

    def until_applied(self, wanted: Collection[str], timeout: float) -> Outcome: ...

    def of_agent(self, principal: Principal, agent_id: str) -> Object: ...

    def of_resource(self, principal: Principal, resource_type: str, resource_id: str, timeout: float) -> Object: ...


@dataclass(frozen=True)
class Services:
    network: Crud
    subnet: CrudOnNetwork
    port: CrudOnNetwork
    router: Routers
    floatingip: Crud
    agent: Updates
    scheduling: Scheduling
    status: Status
    brakes: Brakes
    delivery: Delivery
    health: Health
    metrics: Metrics
    quotas: Quotas
    rbac_policy: Crud
    ip_availability: Reads
    floatingip_pool: Lists
    subnetpool: SubnetPools
    address_scope: Crud
    security_group: Crud
    security_group_rule: Crud
    default_security_group_rule: Crud
    address_group: AddressGroups
