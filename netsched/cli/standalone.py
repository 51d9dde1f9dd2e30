"""`netsched standalone` as the list of commands shows it. cmd/netsched.py runs it, before this layer is loaded."""

from __future__ import annotations

import argparse

from cliff import command

from netsched.cli.client import EXIT_USAGE, CommandFailed
from netsched.cli.formats import with_examples

FIRST = "netsched standalone"


class Standalone(command.Command):
    """Start a small deployment here: server, SQLite, and a DHCP, an L3 and an L2 agent.

    `netsched standalone --help` lists its options, which are those of a server.

    examples:
      netsched standalone
      netsched standalone --data /tmp/try --bind 127.0.0.1:9697 --driver noop --agents 3
      netsched standalone --physical physnet1:eth1
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        parser.usage = f"{FIRST} [options]"
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        raise CommandFailed(f"`standalone` must be the first word: {FIRST}", EXIT_USAGE)
