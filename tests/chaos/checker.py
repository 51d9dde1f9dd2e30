"""What must hold once all is calm again, and what must never have been.

The wanted state is what the API answers; against it stand the clients' book, the nodes' files and the tables. Every
check returns sentences about what is wrong; none means that it holds.
"""

from __future__ import annotations

import http.client
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netsched.agents.base.driver import Content
from netsched.model import kinds
from tests import needs
from tests.chaos.book import Book
from tests.chaos.history import History
from tests.chaos.machine import DirectoryMachine
from tests.chaos.stage import REPLICAS, Stage

Object = dict[str, Any]
PLURALS = ("networks", "subnets", "ports", "routers", "floatingips", "agents")
SECURITY = ("security_groups", "security_group_rules", "address_groups")  # nobody writes down what he does to these
KINDS = {kinds.DHCP_AGENT: "dhcp", kinds.L3_AGENT: "l3", kinds.L2_AGENT: "l2"}
ROUTER_PORTS = ("network:router_interface", "network:router_gateway")


@dataclass(frozen=True)
class World:
    """Everything that the API shows, by plural and id."""

    found: Mapping[str, Mapping[str, Object]]

    def of(self, plural: str, **equal: Any) -> list[Object]:
        return [one for one in self.found[plural].values() if all(one[name] == v for name, v in equal.items())]

    def scope(self, scope: str) -> Content:
        """What belongs to a scope."""
        type_, _, id_ = scope.partition("/")
        if type_ == "network":
            content = {
                "network": self.of("networks", id=id_),
                "subnet": self.of("subnets", network_id=id_),
                "port": self.of("ports", network_id=id_),
            }
        elif type_ == "security_group":
            content = {
                "security_group": self.of("security_groups", id=id_),
                "security_group_rule": self.of("security_group_rules", security_group_id=id_),
            }
        elif type_ == "security_group_members":
            there = self.found["ports"].values()
            content = {"security_group_member": [member(one) for one in there if id_ in one["security_groups"]]}
        elif type_ == "address_group":
            content = {"address_group": self.of("address_groups", id=id_)}
        else:
            ports = [one for one in self.of("ports", device_id=id_) if one["device_owner"] in ROUTER_PORTS]
            networks = {one["network_id"] for one in ports}
            content = {
                "router": self.of("routers", id=id_),
                "port": ports,
                "network": [one for one in self.found["networks"].values() if one["id"] in networks],
                "subnet": [one for one in self.found["subnets"].values() if one["network_id"] in networks],
                "floatingip": self.of("floatingips", router_id=id_),
            }
        return {kind: {one["id"]: one for one in some} for kind, some in content.items() if some}


def member(port: Object) -> Object:
    """A port as other members of security groups know it."""
    return {**port, "fixed_ips": [{"ip_address": ip["ip_address"]} for ip in port["fixed_ips"]]}


def look(port: int) -> World:
    """What the API of one server shows. Raises OSError."""
    found = {}
    for plural in (*PLURALS, *SECURITY):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", f"/v2.0/{plural.replace('_', '-')}")
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise OSError(f"{plural}: {answer.status} {text[:200]!r}")
        found[plural] = {one["id"]: one for one in json.loads(text)[plural]}
    return World(found)


class Checker:
    def __init__(self, stage: Stage, history: History, books: Sequence[Book]) -> None:
        self._stage = stage
        self._history = history
        self._books = books

    def wrong(self) -> list[str]:
        """What does not hold yet."""
        try:
            worlds = [look(port) for port in self._stage.api_ports]
        except (OSError, http.client.HTTPException) as error:
            return [f"answer: the API does not answer: {error}"]
        world = worlds[0]
        checks = {
            "lost": [*(fault for one in worlds for fault in self._written(one)), *self._barred()],
            "agents": self._agents(world),
            "placement": self._bindings(world),
            "in force": self._applied(world),
            "positions": self._positions(),
            "status": self._said(world),
        }
        return [f"{kind}: {problem}" for kind, problems in checks.items() for problem in problems]

    def _written(self, world: World) -> list[str]:
        """Every acknowledged write is there, and nothing that was deleted."""
        problems = []
        named: dict[tuple[str, str], Object] = {}
        for plural in PLURALS[:-1]:
            name = "description" if plural == "floatingips" else "name"
            named |= {(plural, one[name]): one for one in world.found[plural].values()}
        for book in self._books:
            for item in book.items:
                problems += [fault for fault in item.faults(named.get((item.plural, item.name)))]
        return problems

    @staticmethod
    def _agents(world: World) -> list[str]:
        states = [(one["agent_type"], one["host"], one["state"]) for one in world.found["agents"].values()]
        count = 3 * 10
        problems = [f"{kind} on {host} is {state}" for kind, host, state in states if state != "alive"]
        return problems + ([f"there are {len(states)} agents, not {count}"] if len(states) != count else [])

    def _bindings(self, world: World) -> list[str]:
        """Replicas right and on different agents, claims as what is held, no more than the capacity."""
        rows = self._history.rows(
            "SELECT resource_type, resource_id, agent_id, state, extra, reason FROM binding WHERE state <> 'idle'"
        )
        problems, placed = [], defaultdict(list)
        for type_, id_, agent_id, state, extra, reason in rows:
            if state != "bound" or agent_id is None:
                problems.append(f"{type_} {id_} has a slot that is {state}: {reason}")
            placed[type_, id_].append((agent_id, bool(extra)))
        for (type_, id_), slots in placed.items():
            if len({agent_id for agent_id, _ in slots}) != len(slots):
                problems.append(f"{type_} {id_} is on one agent twice: {slots}")
        served = {one["network_id"] for one in world.found["subnets"].values() if one["enable_dhcp"]}
        wanted = {("network", id_): REPLICAS for id_ in served} | {("router", id_): 1 for id_ in world.found["routers"]}
        for key in wanted.keys() | placed.keys():
            replicas = sum(1 for _, extra in placed[key] if not extra)
            if replicas != wanted.get(key, 0):
                problems.append(f"{key[0]} {key[1]} has {replicas} replicas, not {wanted.get(key, 0)}")
        return problems + self._claims(rows)

    def _claims(self, rows: Iterable[Any]) -> list[str]:
        held = Counter((agent_id, type_) for type_, _, agent_id, *_ in rows if agent_id)
        claims = self._history.rows("SELECT agent_id, resource_class, used, capacity FROM agent_claim")
        problems = [
            f"agent {agent_id} has {held[agent_id, name]} {name}s, {used} claimed, {capacity} offered"
            for agent_id, name, used, capacity in claims
            if used != held[agent_id, name] or used > capacity
        ]
        return problems + [f"agent {id_} exceeded its capacity: {u} > {c}" for id_, u, c in self._history.exceeded()]

    def _barred(self) -> list[str]:
        held = {
            (row.resource_id, row.agent_id)
            for row in self._history.rows("SELECT resource_id, agent_id FROM binding WHERE agent_id IS NOT NULL")
        }
        pairs = [pair for book in self._books for pair, surely in book.barred.items() if surely]
        return [f"{id_} was taken off agent {agent} and is there" for id_, agent in pairs if (id_, agent) in held]

    def _positions(self) -> list[str]:
        """Everything is sent, and every holder has acknowledged exactly what there is, under its epoch."""
        table = "change" if self._history.engine.dialect.name == "postgresql" else "`change`"
        unsent = self._history.rows(f"SELECT count(*) FROM {table} WHERE NOT sent")[0][0]
        problems = [f"{unsent} changes are not sent"] if unsent else []
        rows = self._history.rows(
            "SELECT i.agent_id, i.scope, i.state, i.epoch, i.behind_since, a.epoch AS applied_epoch, "
            "a.position AS applied, p.position AS stands FROM interest i "
            "LEFT JOIN applied a ON a.agent_id = i.agent_id AND a.scope = i.scope "
            "LEFT JOIN scope_position p ON p.scope = i.scope"
        )
        for row in rows:
            where = f"{row.scope} on agent {row.agent_id}"
            if row.state != "held":
                problems.append(f"{where} is {row.state} and not acknowledged")
            elif row.behind_since is not None or row.applied_epoch != row.epoch or row.applied != row.stands:
                applied, stands = (row.applied_epoch, row.applied), (row.epoch, row.stands)
                problems.append(f"{where} is applied at {applied}, and stands at {stands}")
        loose = self._history.rows(
            "SELECT a.agent_id, a.scope FROM applied a LEFT JOIN interest i "
            "ON a.agent_id = i.agent_id AND a.scope = i.scope WHERE i.scope IS NULL"
        )
        return problems + [f"{row.scope} is applied by agent {row.agent_id}, which does not hold it" for row in loose]

    def _applied(self, world: World) -> list[str]:
        """The files of each agent are what it holds, with the content that the API shows."""
        holds: dict[tuple[str, str], set[str]] = defaultdict(set)
        hosts = {id_: (KINDS[one["agent_type"]], one["host"]) for id_, one in world.found["agents"].items()}
        for row in self._history.rows(
            "SELECT agent_id, resource_type, resource_id FROM binding WHERE agent_id IS NOT NULL"
        ):
            holds[hosts[row.agent_id]].add(f"{row.resource_type}/{row.resource_id}")
        rules = world.found["security_group_rules"].values()
        for host, scopes in needs.of_hosts(world.found["ports"].values(), rules).items():
            holds["l2", host] |= scopes
        problems = []
        for node in self._stage.nodes:
            for kind in KINDS.values():
                machine = DirectoryMachine(self._stage.directory / node.name / kind)
                there, wanted = machine.scopes(), holds[kind, node.name]
                who = f"the {kind} agent on {node.name}"
                problems += [f"{who} has {scope}, which it does not hold" for scope in sorted(there - wanted)]
                problems += [f"{who} lacks {scope}" for scope in sorted(wanted - there)]
                for scope in sorted(wanted & there):
                    problems += [
                        f"{who}: {scope}: {it}" for it in differences(machine.content(scope), world.scope(scope))
                    ]
        return problems

    @staticmethod
    def _said(world: World) -> list[str]:
        """Ports on hosts are plugged and ACTIVE, those of networks and routers are where these are served."""
        problems = []
        for port in world.found["ports"].values():
            if not port["binding:host_id"]:
                continue
            state = (port["binding:vif_type"], port["status"])
            if state != ("bridge", "ACTIVE"):
                problems.append(f"port {port['id']} ({port['device_owner']}) on {port['binding:host_id']} is {state}")
        return problems


def differences(mine: Content | None, truth: Content) -> list[str]:
    """Between what an agent has in force and what the API shows. What agents are not told of is no difference."""
    problems = []
    for kind in sorted({*(mine or {}), *truth}):
        have, want = (mine or {}).get(kind, {}), truth.get(kind, {})
        problems += [f"{kind} {id_} is missing" for id_ in sorted(want.keys() - have.keys())]
        problems += [f"{kind} {id_} is not there any more" for id_ in sorted(have.keys() - want.keys())]
        for id_ in sorted(have.keys() & want.keys()):
            wrong = [name for name, value in have[id_].items() if name in want[id_] and want[id_][name] != value]
            if wrong:
                shown = ", ".join(f"{n} is {have[id_][n]!r}, not {want[id_][n]!r}" for n in sorted(wrong)[:3])
                problems.append(f"{kind} {id_}: {shown}")
    return problems
