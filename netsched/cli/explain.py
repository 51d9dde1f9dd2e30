"""`netsched explain ...`"""

from __future__ import annotations

import argparse
import json
import shutil
from typing import ClassVar

from cliff import command

from netsched.cli import resource, story
from netsched.cli.client import connected
from netsched.cli.formats import with_examples
from netsched.cli.network import NETWORK
from netsched.cli.resource import Kind
from netsched.cli.router import ROUTER


class _Explain(command.Command):
    kind: ClassVar[Kind]
    unwanted: ClassVar[str]  # why it has no place at all

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        resource.add_reference(parser, self.kind)
        parser.add_argument("-f", "--format", choices=("text", "json", "yaml"), default="text", help="Text for people.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = connected(self)
        found = resource.find(client, self.kind, parsed_args)
        reasons = client.get(f"/{self.kind.collection}/{found['id']}/binding-reasons", "binding_reasons")
        if parsed_args.format == "json":
            text = json.dumps(reasons, indent=2)
        elif parsed_args.format == "yaml":
            import yaml

            text = yaml.safe_dump(reasons, sort_keys=False, default_flow_style=False).rstrip()
        else:
            width = shutil.get_terminal_size((120, 24)).columns
            name = f"{self.kind.words.capitalize()} {found['name']} ({found['id']})".replace("  (", " (")
            text = story.tell(name, reasons, width, self.unwanted)
        self.app.stdout.write(f"{text}\n")


class Network(_Explain):
    """Tell where a network is served and why.

    Candidates and scores, who was filtered out by what, alternates, and what operators did.

    examples:
      netsched explain network web
      netsched explain network web -f json
    """

    kind = NETWORK
    unwanted = "it has no subnet with DHCP"


class Router(_Explain):
    """Tell where a router is served and why.

    Candidates and scores, who was filtered out by what (agents that do not reach its external network, too),
    alternates, and what operators did.

    examples:
      netsched explain router edge
      netsched explain router edge -f json
    """

    kind = ROUTER
    unwanted = "it has neither a gateway nor an interface"
