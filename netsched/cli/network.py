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
        "router:external": "External",
        "provider:network_type": "Type",
        "provider:physical_network": "Physical network",
        "provider:segmentation_id": "Segment",
        "availability_zones": "Zones",
        "availability_zone_hints": "Zone hints",
    },
)

_SWITCHES = ("shared", "router:external", "port_security_enabled")
_PROVIDER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")


class List(resource.List):
    """List networks.

    examples:
      netsched network list
      netsched network list --project 8f1d... --long
      netsched network list --name web -f value -c ID
      netsched network list --external
    """

    kind = NETWORK
    filters = ("name", "project_id", "shared", "admin_state_up", "router:external")

    def add_filters(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default=ABSENT, help="Only those with this name.")
        parser.add_argument("--project", dest="project_id", default=ABSENT, help="Only those of this project id.")
        options.add_switch(parser, "shared", ("--share", "--no-share"), "Only those shared, or not.")
        options.add_switch(parser, "admin_state_up", ("--enable", "--disable"), "Only those enabled, or disabled.")
        options.add_switch(parser, "router:external", ("--external", "--internal"), "Only those external, or not.")


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
      netsched network create internet --external --provider-network-type flat --provider-physical-network physnet1
      netsched network create floor-2 --provider-network-type vlan --provider-physical-network physnet1 \\
        --provider-segment 102
    """

    kind = NETWORK

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        options.add_common(parser)
        options.add_project(parser)
        _add_switches(parser)
        _add_provider(parser)
        options.add_zone_hints(parser)

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        names = ("description", "admin_state_up", "project_id", "availability_zone_hints")
        return resource.given(arguments, *names, *_SWITCHES, *_PROVIDER)


class Set(resource.Set):
    """Change a network.

    examples:
      netsched network set web --name www
      netsched network set web --disable
      netsched network set internet --external
    """

    kind = NETWORK

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default=ABSENT, help="New name.")
        options.add_common(parser)
        _add_switches(parser)

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return resource.given(arguments, "name", "description", "admin_state_up", *_SWITCHES)


class Delete(resource.Delete):
    """Delete networks.

    examples:
      netsched network delete web www
    """

    kind = NETWORK


def _add_switches(parser: argparse.ArgumentParser) -> None:
    options.add_switch(parser, "shared", ("--share", "--no-share"), "Whether all projects may use it.")
    options.add_switch(parser, "router:external", ("--external", "--internal"), "Whether routers may lead to it.")
    options.add_port_security(parser, "For ports that say nothing else: only their own addresses, or any.")


def _add_provider(parser: argparse.ArgumentParser) -> None:
    """Of what the network is made; for administrators."""
    kind, physical, segment = _PROVIDER
    parser.add_argument(
        "--provider-network-type", dest=kind, choices=("flat", "vlan", "vxlan"), default=ABSENT, help="How it travels."
    )
    parser.add_argument(
        "--provider-physical-network",
        dest=physical,
        metavar="NAME",
        default=ABSENT,
        help="The cable, as agents' mappings call it (flat, vlan).",
    )
    parser.add_argument(
        "--provider-segment",
        dest=segment,
        metavar="ID",
        type=int,
        default=ABSENT,
        help="VLAN or VXLAN id, instead of a free one.",
    )
