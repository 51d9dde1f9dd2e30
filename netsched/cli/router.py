"""`netsched router ...`"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from netsched.cli import options, resource
from netsched.cli.client import Client, CommandFailed
from netsched.cli.resource import ABSENT, Kind

ROUTER = Kind(
    "router",
    "routers",
    columns={"id": "ID", "name": "Name", "external_gateway_info": "Gateway", "status": "Status"},
    more={
        "project_id": "Project",
        "admin_state_up": "State",
        "routes": "Routes",
        "availability_zones": "Zones",
        "availability_zone_hints": "Zone hints",
    },
)
_FIXED_IP = options.pairs({"subnet": "subnet_id", "ip-address": "ip_address"})
_ROUTE = options.pairs({"destination": "destination", "gateway": "nexthop"}, ("destination", "gateway"))


class List(resource.List):
    """List routers.

    examples:
      netsched router list
      netsched router list --project 8f1d... --long
    """

    kind = ROUTER
    filters = ("name", "project_id", "admin_state_up")

    def add_filters(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default=ABSENT, help="Only those with this name.")
        parser.add_argument("--project", dest="project_id", default=ABSENT, help="Only those of this project id.")
        options.add_switch(parser, "admin_state_up", ("--enable", "--disable"), "Only those enabled, or disabled.")


class Show(resource.Show):
    """Show one router.

    examples:
      netsched router show edge
      netsched router show edge -f json
    """

    kind = ROUTER


class Create(resource.Create):
    """Create a router.

    examples:
      netsched router create edge --external-gateway internet
      netsched router create edge --external-gateway internet --disable-snat --fixed-ip ip-address=203.0.113.9
    """

    kind = ROUTER

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        options.add_common(parser)
        options.add_project(parser)
        _add_gateway(parser)
        options.add_zone_hints(parser)

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        names = ("description", "admin_state_up", "project_id", "availability_zone_hints")
        return {**resource.given(arguments, *names), **_gateway(client, arguments, None)}


class Set(resource.Set):
    """Change a router.

    Routes that are given replace what is there; `netsched router add route` adds to it.

    examples:
      netsched router set edge --external-gateway internet
      netsched router set edge --disable-snat
      netsched router set edge --route destination=198.51.100.0/24,gateway=10.1.0.9
    """

    kind = ROUTER

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default=ABSENT, help="New name.")
        options.add_common(parser)
        _add_gateway(parser)
        _add_routes(parser)

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        body = resource.given(arguments, "name", "description", "admin_state_up", "routes")
        return {**body, **_gateway(client, arguments, _current_gateway)}


class Unset(resource.Set):
    """Take away a router's gateway or its routes.

    examples:
      netsched router unset edge --external-gateway
      netsched router unset edge --routes
    """

    kind = ROUTER
    verb = "unset"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--external-gateway",
            dest="external_gateway_info",
            action="store_const",
            const=None,
            default=ABSENT,
            help="Close its way to the external network.",
        )
        parser.add_argument(
            "--routes", action="store_const", const=[], default=ABSENT, help="All of them; `remove route` takes one."
        )

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return resource.given(arguments, "external_gateway_info", "routes")


class Delete(resource.Delete):
    """Delete routers. Their interfaces are removed first: `netsched router remove subnet`.

    examples:
      netsched router delete edge
    """

    kind = ROUTER


class _Action(resource.Set):
    """Does one thing to a router: a PUT to a path of its own."""

    kind = ROUTER
    path: str

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = resource.waiting(self, parsed_args)
        router = resource.find(client, ROUTER, parsed_args)
        client.put(f"/routers/{router['id']}/{self.path}", self.body(client, parsed_args))


class _Subnet(_Action):
    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("subnet", metavar="SUBNET", help="Id or name of the subnet.")

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return {"subnet_id": client.find("subnets", arguments.subnet)["id"]}


class _Port(_Action):
    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("port", metavar="PORT", help="Id or name of the port.")

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return {"port_id": client.find("ports", arguments.port)["id"]}


class _Routes(_Action):
    def add_options(self, parser: argparse.ArgumentParser) -> None:
        _add_routes(parser, required=True)

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return {"router": {"routes": arguments.routes}}


class AddSubnet(_Subnet):
    """Connect a subnet to a router, which takes the subnet's gateway address.

    examples:
      netsched router add subnet edge web-v4
    """

    path = "add_router_interface"


class RemoveSubnet(_Subnet):
    """Disconnect a subnet from a router.

    examples:
      netsched router remove subnet edge web-v4
    """

    path = "remove_router_interface"


class AddPort(_Port):
    """Make a port an interface of a router, with the addresses that the port has.

    examples:
      netsched router add port edge leg
    """

    path = "add_router_interface"


class RemovePort(_Port):
    """Take an interface off a router, which deletes its port.

    examples:
      netsched router remove port edge leg
    """

    path = "remove_router_interface"


class AddRoute(_Routes):
    """Add routes to those that a router has.

    examples:
      netsched router add route edge --route destination=198.51.100.0/24,gateway=10.1.0.9
    """

    path = "add_extraroutes"


class RemoveRoute(_Routes):
    """Take routes out of those that a router has.

    examples:
      netsched router remove route edge --route destination=198.51.100.0/24,gateway=10.1.0.9
    """

    path = "remove_extraroutes"


def _add_gateway(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--external-gateway", metavar="NETWORK", help="Id or name of the external network.")
    parser.add_argument(
        "--fixed-ip",
        dest="external_fixed_ips",
        type=_FIXED_IP,
        action="append",
        default=ABSENT,
        metavar="subnet=SUBNET,ip-address=IP",
        help="Its address there, either or both (for administrators; can be repeated).",
    )
    text = "Whether the router hides what is behind it (for administrators)."
    options.add_switch(parser, "enable_snat", ("--enable-snat", "--disable-snat"), text)


def _add_routes(parser: argparse.ArgumentParser, **changes: Any) -> None:
    parser.add_argument(
        "--route",
        dest="routes",
        type=_ROUTE,
        action="append",
        default=ABSENT,
        metavar="destination=CIDR,gateway=IP",
        help="Can be repeated.",
        **changes,
    )


def _gateway(client: Client, arguments: argparse.Namespace, current: Any) -> dict[str, Any]:
    """`external_gateway_info`, if something of it is given. `current` finds the network where that is not given."""
    info = resource.given(arguments, "external_fixed_ips", "enable_snat")
    for fixed in info.get("external_fixed_ips", ()):
        if "subnet_id" in fixed:
            fixed["subnet_id"] = client.find("subnets", fixed["subnet_id"])["id"]
    if arguments.external_gateway:
        info["network_id"] = client.find("networks", arguments.external_gateway)["id"]
    elif info:
        info["network_id"] = current(client, arguments) if current else None
    if info and info["network_id"] is None:
        raise CommandFailed("Name the external network as well: --external-gateway NETWORK.")
    return {"external_gateway_info": info} if info else {}


def _current_gateway(client: Client, arguments: argparse.Namespace) -> str | None:
    info: Mapping[str, Any] | None = resource.find(client, ROUTER, arguments)["external_gateway_info"]
    return str(info["network_id"]) if info else None
