"""Which agent serves which network: seen from both sides, and changed by hand."""

from __future__ import annotations

import argparse
from typing import Any

from cliff import command, lister

from netsched.cli.agent import AGENT
from netsched.cli.client import Client, connected
from netsched.cli.formats import with_examples
from netsched.cli.network import NETWORK

DHCP = "DHCP agent"


class AgentNetworks(lister.Lister):
    """List the networks that an agent serves.

    examples:
      netsched agent networks node-1
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        _add_agent(parser)
        parser.add_argument("--long", action="store_true", help="More columns.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[list[Any]]]:
        client = connected(self)
        agent = _agent(client, parsed_args)
        return NETWORK.table(client.list(f"/agents/{agent['id']}/dhcp-networks", "networks"), parsed_args.long)


class NetworkAgents(lister.Lister):
    """List the agents that serve a network.

    examples:
      netsched network agents web
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        parser.add_argument("network", metavar="NETWORK", help="Id or name of the network.")
        parser.add_argument("--long", action="store_true", help="More columns.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[list[Any]]]:
        client = connected(self)
        network = client.find("networks", parsed_args.network)
        return AGENT.table(client.list(f"/networks/{network['id']}/dhcp-agents", "agents"), parsed_args.long)


class Bind(command.Command):
    """Let an agent serve a network, beside those that serve it already.

    examples:
      netsched agent bind node-1 --network web
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _binding_parser(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = connected(self)
        agent, network = _agent(client, parsed_args), client.find("networks", parsed_args.network)
        client.post(f"/agents/{agent['id']}/dhcp-networks", {"network_id": network["id"]})


class Unbind(command.Command):
    """Take a network off an agent, which does not get it back by itself.

    The emptied place is left to you for a while before the scheduler fills it elsewhere; `netsched explain network`
    shows until when.

    examples:
      netsched agent unbind node-1 --network web
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _binding_parser(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = connected(self)
        agent, network = _agent(client, parsed_args), client.find("networks", parsed_args.network)
        client.delete(f"/agents/{agent['id']}/dhcp-networks/{network['id']}")


def _binding_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    with_examples(parser)
    _add_agent(parser)
    parser.add_argument("--network", required=True, help="Id or name of the network.")
    return parser


def _add_agent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="AGENT", help="Id or host of the agent.")
    parser.add_argument("--type", default=DHCP, help=f"Type of the agent on that host [{DHCP}].")


def _agent(client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
    return client.find("agents", arguments.agent, "host", agent_type=arguments.type)
