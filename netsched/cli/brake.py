"""`netsched brake ...`: zones in which nothing moves, since most of their agents fell silent at once."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from cliff import lister

from netsched.cli import resource
from netsched.cli.client import connected
from netsched.cli.formats import with_examples

TITLES = {
    "zone": "Zone",
    "agent_type": "Agent type",
    "state": "State",
    "silent": "Silent",
    "total": "Of",
    "since": "Since",
    "released_by": "Released by",
}


class List(lister.Lister):
    """List the brakes that are on.

    engaged: most agents of the zone are silent, so nothing moves there. released: somebody lets it move all the same.
    resuming: the agents are back, and what is left to move does so gradually. No line: nothing is held anywhere.

    examples:
      netsched brake list
      netsched brake list -f json
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return with_examples(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[list[Any]]]:
        return _table(connected(self).list("/brakes", "brakes"))


class Release(lister.Lister):
    """Let moves go on in a zone although its agents are silent.

    For when the agents are really gone, and not only out of reach: what they held moves to others. For all kinds of
    agents of the zone, until they are back.

    examples:
      netsched brake release --zone z1
      netsched brake release --zone z1 --undo
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        parser.add_argument("--zone", required=True, help="The zone: see netsched brake list.")
        parser.add_argument("--undo", action="store_true", help="Take the release back: hold what has not moved yet.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[list[Any]]]:
        path = f"/brakes/{quote(parsed_args.zone, safe='')}"
        answer = connected(self).put(path, {"brake": {"released": not parsed_args.undo}})
        return _table(answer["brakes"])


def _table(brakes: list[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    return list(TITLES.values()), [[resource.shown(name, one.get(name)) for name in TITLES] for one in brakes]
