"""`netsched explain ...`"""

from __future__ import annotations

import argparse
import json
import shutil

from cliff import command

from netsched.cli import story
from netsched.cli.client import connected
from netsched.cli.formats import with_examples


class Network(command.Command):
    """Tell where a network is served and why.

    Candidates and scores, who was filtered out by what, alternates, and what operators did.

    examples:
      netsched explain network web
      netsched explain network web -f json
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        parser.add_argument("network", metavar="NETWORK", help="Id or name of the network.")
        parser.add_argument("-f", "--format", choices=("text", "json", "yaml"), default="text", help="Text for people.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = connected(self)
        network = client.find("networks", parsed_args.network)
        reasons = client.get(f"/networks/{network['id']}/binding-reasons", "binding_reasons")
        if parsed_args.format == "json":
            text = json.dumps(reasons, indent=2)
        elif parsed_args.format == "yaml":
            import yaml

            text = yaml.safe_dump(reasons, sort_keys=False, default_flow_style=False).rstrip()
        else:
            width = shutil.get_terminal_size((120, 24)).columns
            text = story.tell(f"Network {network['name']} ({network['id']})".replace(" ()", ""), reasons, width)
        self.app.stdout.write(f"{text}\n")
