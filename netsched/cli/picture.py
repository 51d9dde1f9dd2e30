"""Draws what topology.py has seen: as a tree for a terminal, or as the text of a Mermaid flowchart. Pure.

Names are tenants' text: they must neither break a line nor a drawing. What is not printable becomes "?"; in Mermaid all
but the harmless becomes a character's number (#34; is a quotation mark), and ids are our own.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = Mapping[str, Any]
SHOWN_PORTS = 20  # of one host
_OWNERS = {
    "network:dhcp": "DHCP",
    "network:router_interface": "router interface",
    "network:router_gateway": "router gateway",
}
_HARMLESS = frozenset(" ._-/,()")  # besides letters and digits


@dataclass
class _Branch:
    text: str
    below: list[_Branch] = field(default_factory=list)


# What is said of one thing, for both drawings


def _name(one: Record) -> str:
    return str(one.get("name") or one["id"])


def _state(one: Record) -> str:
    down = "" if one.get("admin_state_up", True) else ", disabled"
    return f"{one.get('status') or one.get('state')}{down}"


def _segment(network: Record) -> str:
    """``vxlan 77``, ``flat physnet1``, ``vlan physnet1 12``; "" for who may not know."""
    names = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")
    return " ".join(str(network[name]) for name in names if network.get(name) is not None)


def _network(network: Record) -> str:
    outside = "external" if network.get("router:external") else ""
    facts = ", ".join(filter(None, (_segment(network), f"mtu {network['mtu']}" if network.get("mtu") else "", outside)))
    return f"network {_name(network)}" + (f" ({facts})" if facts else "")


def _subnet(subnet: Record) -> str:
    gateway = f", gateway {subnet['gateway_ip']}" if subnet["gateway_ip"] else ""
    named = f"{subnet['name']} " if subnet["name"] else ""
    return f"subnet {named}{subnet['cidr']}{gateway}{', DHCP' if subnet['enable_dhcp'] else ''}"


def _agent(agent: Record) -> str:
    return f"{agent['agent_type']} {_state(agent)}{', serves it' if agent.get('serves') else ''}"


def _port(port: Record) -> str:
    owner = _OWNERS.get(port["device_owner"], port["device_owner"])
    named = f"{port['name']} " if port["name"] else "" if owner else f"{port['id']} "
    kind = f"({owner}) " if owner else ""
    addresses = f"{', '.join(port['addresses'])} " if port["addresses"] else ""
    floating = "".join(f", floating {one['floating_ip_address']} {_state(one)}" for one in port["floating_ips"])
    return f"port {named}{kind}{addresses}{_state(port)}{floating}"


def _router(router: Record) -> str:
    addresses = f" {', '.join(router['addresses'])}" if router["addresses"] else ""
    return f"router {_name(router)}{addresses} {_state(router)}"


def _outside(router: Record) -> str:
    how = "" if router["enable_snat"] is None else ", SNAT" if router["enable_snat"] else ", no SNAT"
    return f"{_network(router['external_network'])} as {', '.join(router['external_addresses']) or 'nothing yet'}{how}"


# The tree


def tree(seen: Record, width: int = 100) -> str:
    """`seen` as topology.Survey returns it. No line is longer than `width`, if that is at least 40."""
    top = _router_tree(seen) if "router" in seen else _network_tree(seen)
    return "\n".join(_lines(top, max(width, 40)))


def _network_tree(seen: Record) -> _Branch:
    below = [_Branch(_subnet(subnet)) for subnet in seen["subnets"]]
    below += [_host_tree(host) for host in seen["hosts"]]
    below += [_Branch(_router(router), _around(router)) for router in seen.get("routers", ())]
    return _Branch(f"{_network(seen['network'])} {_state(seen['network'])}", below)


def _router_tree(seen: Record) -> _Branch:
    router = seen["router"]
    return _Branch(_router(router), [*_around(router), *map(_network_tree, seen["networks"])])


def _around(router: Record) -> list[_Branch]:
    """Where a router is, and what it leads to."""
    places = [_Branch(f"on {agent['host']}: {_agent(agent)}") for agent in router["agents"]]
    places = places or [_Branch("on no host; `netsched explain router` tells why")]
    return places + ([_Branch(f"to {_outside(router)}")] if router["external_network"] else [])


def _host_tree(host: Record) -> _Branch:
    ports = [_port_tree(port) for port in host["ports"][:SHOWN_PORTS]]
    if len(host["ports"]) > SHOWN_PORTS:
        ports.append(_Branch(f"and {len(host['ports']) - SHOWN_PORTS} more ports (-f json shows all)"))
    name = "on no host" if host["host"] is None else f"host {host['host']}"
    return _Branch(name, [_Branch(_agent(agent)) for agent in host["agents"]] + ports)


def _port_tree(port: Record) -> _Branch:
    failed = port["vif_type"] == "binding_failed"
    return _Branch(_port(port), [_Branch(f"not bound: {port['reason']}")] if failed else [])


def _lines(branch: _Branch, width: int, first: str = "", rest: str = "") -> Iterator[str]:
    stem = "|  " if branch.below else "   "
    room = max(20, width - len(rest) - len(stem))
    for number, line in enumerate(textwrap.wrap(_printable(branch.text), room, break_on_hyphens=False)):
        yield f"{first}{line}" if not number else f"{rest}{stem}{line}"
    for below in branch.below:
        last = below is branch.below[-1]
        yield from _lines(below, width, f"{rest}{'`' if last else '|'}- ", f"{rest}{' ' if last else '|'}  ")


# Mermaid


def mermaid(seen: Record) -> str:
    """A flowchart: hosts are boxes with agents and ports in them, networks join ports, routers join networks."""
    return "\n".join(_Chart(seen).lines())


class _Chart:
    def __init__(self, seen: Record) -> None:
        self._seen = seen
        self._numbers = itertools.count()
        self._networks: dict[str, str] = {}  # network id -> node

    def lines(self) -> Iterator[str]:
        yield "flowchart LR"
        networks = self._seen.get("networks", [self._seen])
        for network in networks:
            yield from self._network(network["network"], [_subnet(subnet) for subnet in network["subnets"]])
            for host in network["hosts"]:
                yield from self._host(host, self._networks[network["network"]["id"]])
        if "router" in self._seen:
            yield from self._router(self._seen["router"], [network["network"]["id"] for network in networks])
        for router in self._seen.get("routers", ()):
            outside = router["external_network"] or {}
            here = self._seen["network"]["id"]
            yield from self._router(router, [] if outside.get("id") == here else [here])

    def _network(self, network: Record, facts: Sequence[str] = ()) -> Iterator[str]:
        if network["id"] not in self._networks:
            node = self._networks[network["id"]] = self._node()
            yield f"  {node}([{_label(_network(network), _state(network), *facts)}])"

    def _host(self, host: Record, network: str) -> Iterator[str]:
        yield f"  subgraph {self._node()}[{_label(host['host'] or 'on no host')}]"
        for agent in host["agents"]:
            yield f"    {self._node()}[/{_label(_agent(agent))}/]"
        ports = [(self._node(), port) for port in host["ports"]]
        for node, port in ports:
            reason = [f"not bound, {port['reason']}"] if port["vif_type"] == "binding_failed" else []
            yield f"    {node}[{_label(_port(port), *reason)}]"
        yield "  end"
        for node, _ in ports:
            yield f"  {network} --- {node}"

    def _router(self, router: Record, networks: Sequence[str]) -> Iterator[str]:
        node = self._node()
        places = [f"on {agent['host']}, {_agent(agent)}" for agent in router["agents"]] or ["on no host"]
        yield f"  {node}{{{{{_label(_router(router), *places)}}}}}"
        for network in networks:
            yield f"  {self._networks[network]} --- {node}"
        if router["external_network"]:
            yield from self._network(router["external_network"])
            outside = self._networks[router["external_network"]["id"]]
            yield f"  {node} --> |{_label(', '.join(router['external_addresses']) or 'no address')}| {outside}"

    def _node(self) -> str:
        return f"n{next(self._numbers)}"


def _label(*lines: str) -> str:
    return '"' + "<br/>".join(map(_escaped, lines)) + '"'


def _escaped(text: str) -> str:
    return "".join(c if c.isalnum() or c in _HARMLESS else f"#{ord(c)};" for c in _printable(text))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
