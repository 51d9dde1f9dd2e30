"""`netsched agent lag` and `netsched wait ...`: is it in force, and if not, who is late and why?"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from cliff import command, lister

from netsched.cli import resource
from netsched.cli.agent import AGENT
from netsched.cli.client import Client, CommandFailed, connected
from netsched.cli.floatingip import FLOATING_IP
from netsched.cli.formats import Age, with_examples
from netsched.cli.network import NETWORK
from netsched.cli.port import PORT
from netsched.cli.resource import Kind
from netsched.cli.router import ROUTER
from netsched.cli.subnet import SUBNET

SLICE = 20  # s that the server waits at most in one request: the connection has a limit of its own
TITLES = ["Host", "Agent type", "Scope", "Behind", "Reason"]


class Lag(lister.Lister):
    """Show what agents are behind with: what they have not yet in force, or not yet removed.

    Without an agent, all that are behind. An empty list is good news.

    examples:
      netsched agent lag
      netsched agent lag node-1 --type 'DHCP agent'
      netsched agent lag -f json
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        resource.add_reference(parser, AGENT, nargs="?")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[list[Any]]]:
        client = connected(self)
        return TITLES, [row for agent in _agents(client, parsed_args) for row in _lag(client, agent)]


def _agents(client: Client, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    if arguments.reference is None:
        late = client.list("/agents", "agents", agent_type=arguments.type, resources_synced=False)
    else:
        late = list(client.matching("agents", arguments.reference, "host", agent_type=arguments.type))
        if not late:
            resource.find(client, AGENT, arguments)  # says what to do
    return sorted(late, key=lambda one: (one["host"], one["agent_type"]))


def _lag(client: Client, agent: Mapping[str, Any]) -> Iterator[list[Any]]:
    for one in client.get(f"/agents/{agent['id']}/delivery", "delivery")["behind"]:
        yield [agent["host"], agent["agent_type"], one["scope"], Age(one["age"]), one["reason"]]


class _Wait(command.Command):
    kind: ClassVar[Kind]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        resource.add_reference(parser, self.kind)
        parser.add_argument(
            "--timeout", type=resource.seconds, default=60, metavar="S", help="Seconds to wait at most [60]."
        )
        return parser

    def scope(self, found: Mapping[str, Any]) -> tuple[Kind, str | None]:
        """The network or router with which the object travels to agents; None: with none."""
        return self.kind, found["id"]

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = connected(self)
        kind, id = self.scope(resource.find(client, self.kind, parsed_args))
        if id is None:
            return
        end = time.monotonic() + parsed_args.timeout
        while True:
            left = max(0, round(end - time.monotonic()))
            path = f"/{kind.collection}/{id}/delivery?wait=applied&timeout={min(left, SLICE)}"
            found = client.get(path, "delivery")
            late = "\n".join(f"  {_told(one)}" for one in found["late"])
            if found["applied"]:
                if late:
                    self.app.stderr.write(f"In force. Dead agents may still have what they lost:\n{late}\n")
                return
            if time.monotonic() >= end:
                raise CommandFailed(f"The {kind.words} is not in force after {parsed_args.timeout} s:\n{late}")


def _told(one: Mapping[str, Any]) -> str:
    who = f"{one['host']} ({one['agent_type']})" if one["host"] else one["scope"]
    return f"{who}: {one['reason']}" + (f" (since {one['since']})" if one["since"] else "")


class Network(_Wait):
    """Wait until a network is in force: on its DHCP agents and on all hosts with ports of it.

    Ends with 0 when it is, and with 1 and the late ones when it is not in time.

    examples:
      netsched wait network web
      netsched wait network web --timeout 10
    """

    kind = NETWORK


class Router(_Wait):
    """Wait until a router is in force on its L3 agent.

    Ends with 0 when it is, and with 1 and the late ones when it is not in time.

    examples:
      netsched wait router edge
    """

    kind = ROUTER


class Subnet(_Wait):
    """Wait until a subnet is in force, with all of its network.

    examples:
      netsched wait subnet web-v4
    """

    kind = SUBNET

    def scope(self, found: Mapping[str, Any]) -> tuple[Kind, str | None]:
        return NETWORK, found["network_id"]


class Port(_Wait):
    """Wait until a port is in force, with all of its network.

    examples:
      netsched wait port vm-1
    """

    kind = PORT

    def scope(self, found: Mapping[str, Any]) -> tuple[Kind, str | None]:
        return NETWORK, found["network_id"]


class FloatingIP(_Wait):
    """Wait until a floating IP is in force, with all of its router. One without a port is so at once.

    examples:
      netsched wait floating ip 203.0.113.9
    """

    kind = FLOATING_IP

    def scope(self, found: Mapping[str, Any]) -> tuple[Kind, str | None]:
        return ROUTER, found["router_id"]
