"""How PostgreSQL goes about what clients ask for when there are 100,000 ports: by indexes, never through a whole table.

Each request is made over the API in-process; every statement that it sent is then explained with the parameters that
it had. A sequential scan is no fault in a small table: those of the ports are what grows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from netsched.db.port import port
from netsched.db.session import Database
from tests.api.ground import Api
from tests.servers import PostgreSQL

pytestmark = pytest.mark.timeout(600)

NETWORKS = 1000
EACH = 100  # ports of a network
PROJECTS = 500  # two networks each
LARGE = 10_000  # rows, from which on a table is one to be searched by an index

# Everything that differs between ports; the rest is copied from one that the API made.
_DIFFERENT = {
    "id": "gen_random_uuid()::text",
    "network_id": "n.id",
    "project_id": "n.project_id",
    "name": "'vm-' || n.place || '-' || k",
    "mac_address": "'fa:16:3e:' || to_char(k, 'FM00') || ':' || to_char(n.place / 100, 'FM00') || ':' "
    "|| to_char(n.place % 100, 'FM00')",
    "device_id": "gen_random_uuid()::text",
    "device_owner": "'compute:nova'",
    "binding_host_id": "'host-' || (n.place % 500)",
}
_NETWORKS = "(SELECT id, project_id, row_number() OVER (ORDER BY id) - 1 AS place FROM network) n"
_PORTS = f"""INSERT INTO port ({{columns}}) SELECT {{values}}
    FROM {_NETWORKS}, generate_series(0, {EACH - 1}) k, port t WHERE t.id = :template"""
# Beyond the pools, so that the books of free addresses are right as they are.
_ADDRESSES = """INSERT INTO fixed_ip (port_id, subnet_id, ip_address, network_id)
    SELECT p.id, s.id, '10.0.2.' || row_number() OVER (PARTITION BY p.network_id), p.network_id
    FROM port p JOIN subnet s ON s.network_id = p.network_id WHERE p.id != :template"""
# Each port in one of a thousand groups, and said so in its row as well.
_GROUPED = """UPDATE port SET security_groups = '["' || g.id || '"]' FROM
    (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM security_group WHERE name = 'group') g,
    (SELECT id, (row_number() OVER (ORDER BY network_id) - 1) / 100 AS place FROM port WHERE id != :template) p
    WHERE port.id = p.id AND g.place = p.place"""
_MEMBERS = """INSERT INTO port_security_group (port_id, security_group_id)
    SELECT id, substr(security_groups, 3, 36) FROM port WHERE device_id != ''"""


class Site:
    """An API over a full database, and what it sends to it."""

    def __init__(self, database: Database) -> None:
        self.api = Api(database)
        self._database = database
        self._sent: list[tuple[str, Any]] = []
        _fill(self.api)
        with database.read() as connection:
            self.row = (
                connection.execute(
                    sa.text(
                        'SELECT p.*, substr(p.security_groups, 3, 36) AS "group", f.ip_address, f.subnet_id '
                        "FROM port p JOIN fixed_ip f ON f.port_id = p.id "
                        "WHERE p.device_id != '' ORDER BY p.id LIMIT 1 OFFSET 5000"
                    )
                )
                .mappings()
                .one()
            )
        for engine in database.engines:
            event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, conn: Any, cursor: Any, text: str, parameters: Any, context: Any, executemany: bool) -> None:
        if text.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            self._sent.append((text, parameters[0] if executemany else parameters))

    def scans(self, *requests: tuple[Any, ...], headers: dict[str, str] | None = None) -> list[str]:
        """Of the requests' statements those that walk through a large table, with their plans. None may fail."""
        self._sent = []
        for method, path, *rest in requests:
            answer = self.api.ask(method, f"/v2.0/{path}", rest[0] if rest else None, headers)
            assert answer.status_int < 300, answer.text
        sent, self._sent = self._sent, []
        assert sent
        found = []
        with self._database.engines[0].connect() as connection:
            large = set(
                connection.execute(sa.text(f"SELECT relname FROM pg_class WHERE reltuples > {LARGE}")).scalars()
            )
            assert {"port", "fixed_ip", "port_security_group"} <= large
            for text, parameters in sent:
                plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {text}", parameters).scalar_one()
                if any(node.get("Relation Name") in large for node in _sequential(plan[0]["Plan"])):
                    found.append(f"{text}\n{parameters}\n{json.dumps(plan, indent=1)}")
        return found


def _sequential(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if plan["Node Type"] == "Seq Scan":
        yield plan
    for part in plan.get("Plans", ()):
        yield from _sequential(part)


def _fill(api: Api) -> None:
    for start in range(0, NETWORKS, 100):
        networks = [{"project_id": f"project-{(start + n) % PROJECTS}"} for n in range(100)]
        made = api.ask("POST", "/v2.0/networks", {"networks": networks}).json["networks"]
        pools = [{"start": "10.0.0.2", "end": "10.0.0.200"}]
        subnet = {"ip_version": 4, "cidr": "10.0.0.0/16", "allocation_pools": pools}
        subnets = [{**subnet, "network_id": one["id"], "project_id": one["project_id"]} for one in made]
        assert api.ask("POST", "/v2.0/subnets", {"subnets": subnets}).status_int == 201
        groups = [{"name": "group", "project_id": one["project_id"]} for one in made]
        assert api.ask("POST", "/v2.0/security-groups", {"security_groups": groups}).status_int == 201
    template = api.make("port", {"network_id": made[0]["id"], "name": "template"})["id"]
    values = {column.name: _DIFFERENT.get(column.name, f"t.{column.name}") for column in port.c}
    with api.database.engines[0].begin() as connection:
        ports = _PORTS.format(columns=", ".join(values), values=", ".join(values.values()))
        connection.execute(sa.text(ports), {"template": template})
        for statement in (_ADDRESSES, _GROUPED):
            connection.execute(sa.text(statement), {"template": template})
        connection.execute(sa.text(_MEMBERS))
    with api.database.engines[0].connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE"))


@pytest.fixture(scope="module")
def site(postgresql: PostgreSQL, postgresql_template: str) -> Iterator[Site]:
    url = postgresql.url(like=postgresql_template)
    database = Database(url)
    yield Site(database)
    database.dispose()
    postgresql.drop(url)


NAMED = {"security_group": {"description": "changed"}}
FILTERS = (
    "id={id}", "network_id={network_id}", "device_id={device_id}", "device_id={device_id}&device_owner=compute:nova",
    "mac_address={mac_address}", "fixed_ips=ip_address={ip_address}&network_id={network_id}",
    "fixed_ips=subnet_id={subnet_id}", "fixed_ips=ip_address={ip_address}&fixed_ips=subnet_id={subnet_id}",
    "security_groups={group}", "security_groups={group}&network_id={network_id}",
    "name={name}", "binding:host_id={binding_host_id}", "project_id={project_id}", "tenant_id={project_id}&limit=20",
    "network_id={network_id}&fields=id&fields=fixed_ips", "limit=50", "limit=50&marker={id}",
    "limit=50&marker={id}&page_reverse=True", "limit=50&sort_key=id&sort_dir=desc",
    "network_id={network_id}&status=DOWN&sort_key=name&sort_dir=asc&limit=10",
    "project_id={project_id}&sort_key=created_at&sort_dir=desc&limit=10",
)  # fmt: skip


@pytest.mark.parametrize("asked", FILTERS)
def test_lists_of_an_administrator(site: Site, asked: str) -> None:
    assert site.scans(("GET", f"ports?{asked.format(**site.row)}")) == []


@pytest.mark.parametrize("asked", ["", *FILTERS])
def test_lists_of_a_project(site: Site, asked: str) -> None:
    headers = {"X-Project-Id": site.row["project_id"], "X-Roles": "member"}
    if "host_id" not in asked:
        assert site.scans(("GET", f"ports?{asked.format(**site.row)}"), headers=headers) == []


def test_one_by_its_id(site: Site) -> None:
    headers = {"X-Project-Id": site.row["project_id"], "X-Roles": "member"}
    for plural, id in (("ports", "id"), ("networks", "network_id"), ("subnets", "subnet_id")):
        assert site.scans(("GET", f"{plural}/{site.row[id]}")) == []
        assert site.scans(("GET", f"{plural}/{site.row[id]}"), headers=headers) == []


def test_creating_changing_and_deleting(site: Site) -> None:
    body: dict[str, Any]
    for body in ({}, {"fixed_ips": [{"ip_address": "10.0.0.77"}]}, {"mac_address": "fa:16:3e:ff:ff:01"}):
        made = site.api.make("port", {"network_id": site.row["network_id"]})["id"]
        create = ("POST", "ports", {"port": {"network_id": site.row["network_id"], **body}})
        change = ("PUT", f"ports/{made}", {"port": {"name": "x", "fixed_ips": [{"ip_address": "10.0.0.78"}]}})
        assert site.scans(create, change, ("DELETE", f"ports/{made}")) == []
    many = {"ports": [{"network_id": site.row["network_id"]}] * 20}
    assert site.scans(("POST", "ports", many)) == []


def test_security_groups(site: Site) -> None:
    """Members of a group are looked for when a rule or an address changes."""
    group, other = site.row["group"], site.api.ask("GET", "/v2.0/security-groups?name=default").json["security_groups"]
    rule = {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "remote_group_id": group}
    assert site.scans(("POST", "security-group-rules", {"security_group_rule": rule})) == []
    assert site.scans(("GET", f"security-groups/{group}"), ("PUT", f"security-groups/{group}", NAMED)) == []
    made = site.api.make("port", {"network_id": site.row["network_id"], "security_groups": [group]})["id"]
    moved = {"port": {"fixed_ips": [{"ip_address": "10.0.0.79"}], "security_groups": [other[0]["id"]]}}
    assert site.scans(("PUT", f"ports/{made}", moved), ("DELETE", f"ports/{made}")) == []


def test_what_stands_on_ports(site: Site) -> None:
    """Networks, subnets and routers ask who uses them before they go."""
    api, own = site.api, {"project_id": site.row["project_id"]}
    network = api.make("network", own)["id"]
    subnet = api.make("subnet", {"network_id": network, "ip_version": 4, "cidr": "10.5.0.0/24", **own})["id"]
    outside = api.make("network", {"router:external": True})["id"]
    api.make("subnet", {"network_id": outside, "ip_version": 4, "cidr": "203.0.113.0/24"})
    router = api.make("router", {"external_gateway_info": {"network_id": outside}, **own})["id"]
    vm = api.make("port", {"network_id": network, **own})["id"]
    interface = {"subnet_id": subnet}
    assert site.scans(("PUT", f"routers/{router}/add_router_interface", interface)) == []
    floating = {"floating_network_id": outside, "port_id": vm}
    assert site.scans(("POST", "floatingips", {"floatingip": floating})) == []
    address = api.ask("GET", f"/v2.0/floatingips?port_id={vm}").json["floatingips"][0]["id"]
    assert site.scans(("GET", f"floatingips?port_id={vm}"), ("DELETE", f"floatingips/{address}")) == []
    assert site.scans(("PUT", f"routers/{router}/remove_router_interface", interface)) == []
    assert site.scans(("DELETE", f"routers/{router}"), ("DELETE", f"ports/{vm}")) == []
    assert site.scans(("DELETE", f"subnets/{subnet}"), ("DELETE", f"networks/{network}")) == []
