"""`netsched subnet ...`"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from netsched.cli import options, resource
from netsched.cli.client import Client
from netsched.cli.resource import ABSENT, Kind

SUBNET = Kind(
    "subnet",
    "subnets",
    columns={"id": "ID", "name": "Name", "network_id": "Network", "cidr": "Subnet"},
    more={
        "project_id": "Project",
        "enable_dhcp": "DHCP",
        "gateway_ip": "Gateway",
        "allocation_pools": "Allocation pools",
        "dns_nameservers": "Name servers",
        "host_routes": "Host routes",
        "ip_version": "IP version",
    },
)
_MODES = ("slaac", "dhcpv6-stateful", "dhcpv6-stateless")
_WRITABLE = (
    "description",
    "enable_dhcp",
    "gateway_ip",
    "allocation_pools",
    "dns_nameservers",
    "host_routes",
)

_POOL = options.pairs({"start": "start", "end": "end"}, ("start", "end"))
_ROUTE = options.pairs({"destination": "destination", "gateway": "nexthop"}, ("destination", "gateway"))
_LISTS: tuple[tuple[str, str, Callable[[str], Any], str], ...] = (
    ("--allocation-pool", "allocation_pools", _POOL, "start=IP,end=IP"),
    ("--dns-nameserver", "dns_nameservers", str, "IP"),
    ("--host-route", "host_routes", _ROUTE, "destination=CIDR,gateway=IP"),
)


class List(resource.List):
    """List subnets.

    examples:
      netsched subnet list --network web
      netsched subnet list --ip-version 6 --long
    """

    kind = SUBNET
    filters = ("name", "project_id", "network_id", "ip_version", "cidr", "enable_dhcp")

    def add_filters(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default=ABSENT, help="Only those with this name.")
        parser.add_argument("--network", dest="network_id", default=ABSENT, help="Only those of this network.")
        parser.add_argument("--project", dest="project_id", default=ABSENT, help="Only those of this project id.")
        parser.add_argument("--ip-version", type=int, choices=(4, 6), default=ABSENT, help="Only those of 4 or 6.")
        parser.add_argument("--subnet-range", dest="cidr", default=ABSENT, help="Only those with this CIDR.")
        options.add_switch(parser, "enable_dhcp", ("--dhcp", "--no-dhcp"), "Only those with DHCP, or without.")

    def resolve(self, client: Client, filters: dict[str, Any]) -> dict[str, Any]:
        if "network_id" in filters:
            filters["network_id"] = client.find("networks", filters["network_id"])["id"]
        return filters


class Show(resource.Show):
    """Show one subnet.

    examples:
      netsched subnet show web-v4
    """

    kind = SUBNET


class Create(resource.Create):
    """Create a subnet.

    examples:
      netsched subnet create web-v4 --network web --subnet-range 10.1.0.0/24
      netsched subnet create web-v4 --network web --subnet-range 10.1.0.0/24 --gateway none \\
        --allocation-pool start=10.1.0.10,end=10.1.0.99 --dns-nameserver 10.1.0.2
      netsched subnet create web-v6 --network web --subnet-range fd01::/64 --ipv6-address-mode dhcpv6-stateful \\
        --ipv6-ra-mode dhcpv6-stateful
    """

    kind = SUBNET

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--network", required=True, help="Id or name of the network.")
        parser.add_argument("--subnet-range", dest="cidr", required=True, metavar="CIDR", help="Its addresses.")
        parser.add_argument("--ipv6-ra-mode", choices=_MODES, default=ABSENT, help="Who announces, and what.")
        parser.add_argument("--ipv6-address-mode", choices=_MODES, default=ABSENT, help="How clients get addresses.")
        _add_writable(parser)
        options.add_project(parser)

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return {
            "network_id": client.find("networks", arguments.network)["id"],
            "cidr": arguments.cidr,
            "ip_version": 6 if ":" in arguments.cidr else 4,
            **resource.given(arguments, *_WRITABLE, "project_id", "ipv6_ra_mode", "ipv6_address_mode"),
        }


class Set(resource.Set):
    """Change a subnet.

    Lists that are given replace what is there.

    examples:
      netsched subnet set web-v4 --dns-nameserver 10.1.0.2 --dns-nameserver 10.1.0.3
      netsched subnet set web-v4 --no-dhcp
      netsched subnet set web-v4 --no-dns-nameservers --gateway none
    """

    kind = SUBNET

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default=ABSENT, help="New name.")
        _add_writable(parser)
        for option, attribute in (("--no-dns-nameservers", "dns_nameservers"), ("--no-host-routes", "host_routes")):
            parser.add_argument(
                option, dest=attribute, action="store_const", const=[], default=ABSENT, help="Remove all of them."
            )

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return resource.given(arguments, "name", *_WRITABLE)


class Delete(resource.Delete):
    """Delete subnets.

    examples:
      netsched subnet delete web-v4 web-v6
    """

    kind = SUBNET


def _add_writable(parser: argparse.ArgumentParser) -> None:
    options.add_common(parser, enable=False)
    options.add_switch(parser, "enable_dhcp", ("--dhcp", "--no-dhcp"), "Whether addresses are given by DHCP.")
    parser.add_argument(
        "--gateway", dest="gateway_ip", type=_gateway, default=ABSENT, metavar="IP", help="Address, or none."
    )
    for option, attribute, kind, metavar in _LISTS:
        text = "Can be repeated."
        parser.add_argument(
            option, dest=attribute, type=kind, action="append", default=ABSENT, metavar=metavar, help=text
        )


def _gateway(text: str) -> str | None:
    return None if text.lower() == "none" else text
