"""Which agent serves which network or router: seen from both sides, and changed by hand."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, ClassVar

from cliff import command, lister

from netsched.cli import resource
from netsched.cli.agent import AGENT
from netsched.cli.client import Client, connected
from netsched.cli.formats import with_examples
from netsched.cli.network import NETWORK
from netsched.cli.resource import Kind
from netsched.cli.router import ROUTER


@dataclass(frozen=True)
class Service:
    """One kind of resource and the agents that serve it. `held` and `holders` are the last segments of their paths."""

    kind: Kind
    agent_type: str
    held: str
    holders: str


DHCP = Service(NETWORK, "DHCP agent", "dhcp-networks", "dhcp-agents")
L3 = Service(ROUTER, "L3 agent", "l3-routers", "l3-agents")


class _Held(lister.Lister):
    """What an agent serves."""

    service: ClassVar[Service]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        _add_agent(parser, self.service.agent_type)
        parser.add_argument("--long", action="store_true", help="More columns.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[list[Any]]]:
        client, kind = connected(self), self.service.kind
        agent = _agent(client, parsed_args, self.service)
        return kind.table(client.list(f"/agents/{agent['id']}/{self.service.held}", kind.collection), parsed_args.long)


class _Holders(lister.Lister):
    """Who serves a resource."""

    service: ClassVar[Service]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        resource.add_reference(parser, self.service.kind)
        parser.add_argument("--long", action="store_true", help="More columns.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[list[Any]]]:
        client, kind = connected(self), self.service.kind
        found = resource.find(client, kind, parsed_args)
        path = f"/{kind.collection}/{found['id']}/{self.service.holders}"
        return AGENT.table(client.list(path, "agents"), parsed_args.long)


class AgentNetworks(_Held):
    """List the networks that a DHCP agent serves.

    examples:
      netsched agent networks node-1
    """

    service = DHCP


class AgentRouters(_Held):
    """List the routers that an L3 agent serves.

    examples:
      netsched agent routers node-1
    """

    service = L3


class NetworkAgents(_Holders):
    """List the DHCP agents that serve a network.

    examples:
      netsched network agents web
    """

    service = DHCP


class RouterAgents(_Holders):
    """List the L3 agents that serve a router.

    examples:
      netsched router agents edge
    """

    service = L3


class _ByHand(command.Command):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        _add_agent(parser, "the one that serves it")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--network", help="Id or name of the network.")
        which.add_argument("--router", help="Id or name of the router.")
        return parser

    def chosen(self, client: Client, arguments: argparse.Namespace) -> tuple[str, Service, str]:
        """The path of what the agent serves of that kind, the kind, and the id of what is meant."""
        service, name = (L3, arguments.router) if arguments.router is not None else (DHCP, arguments.network)
        agent = _agent(client, arguments, service)
        found = client.find(service.kind.collection, name)
        return f"/agents/{agent['id']}/{service.held}", service, found["id"]


class Bind(_ByHand):
    """Let an agent serve a network or a router.

    A network may have several agents, and gets this one beside those that it has. A router has one: where it is on
    another agent, unbind it there first.

    examples:
      netsched agent bind node-1 --network web
      netsched agent bind node-1 --router edge
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = connected(self)
        path, service, id = self.chosen(client, parsed_args)
        client.post(path, {f"{service.kind.singular}_id": id})


class Unbind(_ByHand):
    """Take a network or a router off an agent, which does not get it back by itself.

    The emptied place is left to you for a while before the scheduler fills it elsewhere; `netsched explain network` or
    `netsched explain router` shows until when.

    examples:
      netsched agent unbind node-1 --network web
      netsched agent unbind node-1 --router edge
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = connected(self)
        path, _, id = self.chosen(client, parsed_args)
        client.delete(f"{path}/{id}")


def _add_agent(parser: argparse.ArgumentParser, agent_type: str) -> None:
    parser.add_argument("agent", metavar="AGENT", help="Id or host of the agent.")
    parser.add_argument("--type", help=f"Type of the agent on that host [{agent_type}].")


def _agent(client: Client, arguments: argparse.Namespace, service: Service) -> dict[str, Any]:
    return client.find("agents", arguments.agent, "host", agent_type=arguments.type or service.agent_type)
