"""`netsched topology`: where a network or a router is, host by host: agents, ports and routers with their states."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from typing import Any

from cliff import command

from netsched.cli import picture
from netsched.cli.client import Client, CommandFailed, connected
from netsched.cli.formats import with_examples

WIDTH = 100  # columns, on a terminal that says nothing of its width
_ROUTER_PORTS = ("network:router_interface", "network:router_gateway")
_FLOATING_PORT = "network:floatingip"  # only keeps the address; where it leads is told at the fixed port
_NETWORK = (
    "id",
    "name",
    "status",
    "admin_state_up",
    "mtu",
    "router:external",
    "provider:network_type",
    "provider:physical_network",
    "provider:segmentation_id",
)
_SUBNET = ("id", "name", "cidr", "gateway_ip", "enable_dhcp")
_AGENT = ("id", "agent_type", "host", "state", "admin_state_up")
_PORT = ("id", "name", "device_owner", "device_id", "mac_address", "status", "admin_state_up")
_FLOATING_IP = ("id", "floating_ip_address", "fixed_ip_address", "port_id", "status")


class Topology(command.Command):
    """Show where a network or a router is: hosts, agents, ports and routers, with their states.

    With -f mermaid the text of a flowchart, for https://mermaid.live or a page that draws such.

    examples:
      netsched topology blue
      netsched topology edge --router
      netsched topology blue -f json
      netsched topology blue -f mermaid > blue.mmd
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        parser.add_argument("object", metavar="NETWORK|ROUTER", help="Id or name of a network or a router.")
        which = parser.add_mutually_exclusive_group()
        for kind in ("network", "router"):
            text = f"It is a {kind}, where both have the name."
            which.add_argument(f"--{kind}", dest="kind", action="store_const", const=kind, help=text)
        parser.add_argument("-f", "--format", choices=tuple(_FORMATS), default="text", help="Text for people.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = connected(self)
        kind, found = _find(client, parsed_args.object, parsed_args.kind)
        survey = Survey(client)
        seen = survey.network(found) if kind == "network" else survey.router(found)
        self.app.stdout.write(f"{_FORMATS[parsed_args.format](seen)}\n")


def _text(seen: Mapping[str, Any]) -> str:
    return picture.tree(seen, shutil.get_terminal_size((WIDTH, 24)).columns)


def _json(seen: Mapping[str, Any]) -> str:
    return json.dumps(seen, indent=2)


def _yaml(seen: Mapping[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(json.loads(_json(seen)), sort_keys=False, default_flow_style=False)).rstrip()


_FORMATS = {"text": _text, "json": _json, "yaml": _yaml, "mermaid": picture.mermaid}


def _find(client: Client, name_or_id: str, kind: str | None) -> tuple[str, dict[str, Any]]:
    kinds = (kind,) if kind else ("network", "router")
    found = [(one, each) for one in kinds for each in client.matching(f"{one}s", name_or_id)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = "\n  ".join(f"{each['id']} {one}" for one, each in found)
        raise CommandFailed(f"Several have the name '{name_or_id}'. Use an id, --network or --router:\n  {ids}")
    raise CommandFailed(f"There is no {' or '.join(kinds)} with the id or name '{name_or_id}'.")


class Survey:
    """Asks the API. The answers are what `-f json` prints, and what picture.py draws.

    The number of requests grows with the routers and networks in the picture, not with ports or hosts.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._agents: dict[str, list[dict[str, Any]]] = {}  # by host
        for agent in sorted(client.list("/agents", "agents", fields=_AGENT), key=lambda one: one["agent_type"]):
            self._agents.setdefault(agent["host"], []).append(_only(agent, _AGENT))

    def network(self, network: Mapping[str, Any]) -> dict[str, Any]:
        """{"network": ..., "subnets": [...], "hosts": [...], "routers": [...]}"""
        ports = self._client.list("/ports", "ports", network_id=network["id"])
        routers = self._routers(ports)
        floating = [one for router in routers for one in router["floating_ips"]]
        return {**self._within(network, ports, floating), "routers": routers}

    def router(self, router: Mapping[str, Any]) -> dict[str, Any]:
        """{"router": ..., "networks": [...]}, each of these as in `network`, without routers."""
        ports = self._client.list("/ports", "ports", device_id=router["id"], device_owner=_ROUTER_PORTS[0])
        seen = self._router(router, ports)
        ids = sorted({port["network_id"] for port in ports})
        networks = self._client.list("/networks", "networks", id=ids) if ids else []
        return {"router": seen, "networks": [self._whole(network, seen["floating_ips"]) for network in networks]}

    def _whole(self, network: Mapping[str, Any], floating: list[dict[str, Any]]) -> dict[str, Any]:
        return self._within(network, self._client.list("/ports", "ports", network_id=network["id"]), floating)

    def _within(
        self, network: Mapping[str, Any], ports: list[dict[str, Any]], floating: list[dict[str, Any]]
    ) -> dict[str, Any]:
        subnets = self._client.list("/subnets", "subnets", network_id=network["id"])
        serving = self._client.list(f"/networks/{network['id']}/dhcp-agents", "agents")
        return {
            "network": _only(network, _NETWORK),
            "subnets": [_only(subnet, _SUBNET) for subnet in sorted(subnets, key=lambda one: one["cidr"])],
            "hosts": self._hosts(ports, {agent["id"]: agent["host"] for agent in serving}, floating),
        }

    def _hosts(
        self, ports: list[dict[str, Any]], serving: Mapping[str, str], floating: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Those with a port of the network or an agent that serves it, by name; ports that are nowhere come last."""
        there: dict[str, list[dict[str, Any]]] = {host: [] for host in serving.values()}
        for port in sorted(ports, key=lambda one: (one["device_owner"], one["name"], one["id"])):
            if port["device_owner"] != _FLOATING_PORT:
                there.setdefault(port.get("binding:host_id") or "", []).append(_port(port, floating))
        return [
            {
                "host": host or None,
                "agents": [{**one, "serves": one["id"] in serving} for one in self._agents.get(host, [])],
                "ports": there[host],
            }
            for host in sorted(there, key=lambda host: (not host, host))
        ]

    def _routers(self, ports: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those with an interface or their gateway among these ports."""
        of_router: dict[str, list[dict[str, Any]]] = {}
        for port in ports:
            if port["device_owner"] in _ROUTER_PORTS:
                of_router.setdefault(port["device_id"], []).append(port)
        if not of_router:
            return []
        found = self._client.list("/routers", "routers", id=sorted(of_router))
        return [self._router(router, of_router[router["id"]]) for router in sorted(found, key=_by_name)]

    def _router(self, router: Mapping[str, Any], ports: list[dict[str, Any]]) -> dict[str, Any]:
        gateway = router["external_gateway_info"]
        outside = self._client.list("/networks", "networks", id=gateway["network_id"]) if gateway else []
        fixed = gateway.get("external_fixed_ips", ()) if gateway else ()
        agents = self._client.list(f"/routers/{router['id']}/l3-agents", "agents")
        floating = self._client.list("/floatingips", "floatingips", router_id=router["id"])
        return {
            **_only(router, ("id", "name", "status", "admin_state_up")),
            "addresses": _addresses(ports),
            "agents": [_only(agent, _AGENT) for agent in agents],
            "external_network": _only(outside[0], _NETWORK) if outside else None,
            "external_addresses": [one["ip_address"] for one in fixed],
            "enable_snat": gateway.get("enable_snat") if gateway else None,
            "floating_ips": [_only(one, _FLOATING_IP) for one in floating],
        }


def _port(port: Mapping[str, Any], floating: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **_only(port, _PORT),
        "addresses": _addresses([port]),
        "vif_type": port.get("binding:vif_type"),
        "reason": (port.get("binding:vif_details") or {}).get("reason"),
        "floating_ips": [one for one in floating if one["port_id"] == port["id"]],
    }


def _addresses(ports: list[Any]) -> list[str]:
    return [fixed["ip_address"] for port in ports for fixed in port["fixed_ips"]]


def _only(found: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: found.get(name) for name in names}


def _by_name(one: Mapping[str, Any]) -> tuple[str, str]:
    return one["name"], one["id"]
