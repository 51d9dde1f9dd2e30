"""`netsched network ...`"""

from __future__ import annotations

import argparse
from typing import Any

from netsched.cli import options, resource
from netsched.cli.client import Client
from netsched.cli.resource import ABSENT, Kind

NETWORK = Kind(
    "network",
    "networks",
    columns={"id": "ID", "name": "Name", "subnets": "Subnets", "status": "Status"},
    more={
        "project_id": "Project",
        "admin_state_up": "State",
        "shared": "Shared",
        "mtu": "MTU",
        "availability_zones": "Zones",
        "availability_zone_hints": "Zone hints",
    },
)


class List(resource.List):
    """List networks.

    examples:
      netsched network list
      netsched network list --project 8f1d... --long
      netsched network list --name web -f value -c ID
    """

    kind = NETWORK
    filters = ("name", "project_id", "shared", "admin_state_up")

    def add_filters(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default=ABSENT, help="Only those with this name.")
        parser.add_argument("--project", dest="project_id", default=ABSENT, help="Only those of this project id.")
        options.add_switch(parser, "shared", ("--share", "--no-share"), "Only those shared, or not.")
        options.add_switch(parser, "admin_state_up", ("--enable", "--disable"), "Only those enabled, or disabled.")


class Show(resource.Show):
    """Show one network.

    examples:
      netsched network show web
      netsched network show web -f value -c id
    """

    kind = NETWORK


class Create(resource.Create):
    """Create a network.

    examples:
      netsched network create web
      netsched network create web --availability-zone-hint rack-1 --share
    """

    kind = NETWORK

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        options.add_common(parser)
        options.add_project(parser)
        options.add_switch(parser, "shared", ("--share", "--no-share"), "Whether all projects may use it.")
        parser.add_argument(
            "--availability-zone-hint",
            dest="availability_zone_hints",
            action="append",
            default=ABSENT,
            metavar="ZONE",
            help="Zone in which it may be served (can be repeated).",
        )

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        names = ("description", "admin_state_up", "project_id", "shared", "availability_zone_hints")
        return resource.given(arguments, *names)


class Set(resource.Set):
    """Change a network.

    examples:
      netsched network set web --name www
      netsched network set web --disable
    """

    kind = NETWORK

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default=ABSENT, help="New name.")
        options.add_common(parser)
        options.add_switch(parser, "shared", ("--share", "--no-share"), "Whether all projects may use it.")

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return resource.given(arguments, "name", "description", "admin_state_up", "shared")


class Delete(resource.Delete):
    """Delete networks.

    examples:
      netsched network delete web www
    """

    kind = NETWORK
