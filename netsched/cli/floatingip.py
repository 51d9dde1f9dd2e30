"""`netsched floating ip ...`"""

from __future__ import annotations

import argparse
from typing import Any

from netsched.cli import options, resource
from netsched.cli.client import Client
from netsched.cli.resource import ABSENT, Kind

FLOATING_IP = Kind(
    "floatingip",
    "floatingips",
    columns={
        "id": "ID",
        "floating_ip_address": "Floating IP",
        "fixed_ip_address": "Fixed IP",
        "status": "Status",
    },
    more={
        "port_id": "Port",
        "router_id": "Router",
        "floating_network_id": "Floating network",
        "project_id": "Project",
        "description": "Description",
    },
    name_attribute="floating_ip_address",
    order=("floating_ip_address",),
)
_COLLECTIONS = {"floating_network_id": "networks", "port_id": "ports", "router_id": "routers", "subnet_id": "subnets"}


class List(resource.List):
    """List floating IPs.

    examples:
      netsched floating ip list
      netsched floating ip list --router edge --long
      netsched floating ip list --port vm-1 -f value -c 'Floating IP'
    """

    kind = FLOATING_IP
    filters = (
        "floating_network_id",
        "port_id",
        "router_id",
        "floating_ip_address",
        "fixed_ip_address",
        "status",
        "project_id",
    )

    def add_filters(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--network", dest="floating_network_id", default=ABSENT, help="Only those of this network.")
        parser.add_argument("--port", dest="port_id", default=ABSENT, help="Only those of this port.")
        parser.add_argument("--router", dest="router_id", default=ABSENT, help="Only those that this router carries.")
        parser.add_argument("--floating-ip-address", default=ABSENT, metavar="IP", help="Only the one with this.")
        parser.add_argument("--fixed-ip-address", default=ABSENT, metavar="IP", help="Only those that lead to this.")
        parser.add_argument("--status", default=ABSENT, help="Only those in this status: ACTIVE, DOWN.")
        parser.add_argument("--project", dest="project_id", default=ABSENT, help="Only those of this project id.")

    def resolve(self, client: Client, filters: dict[str, Any]) -> dict[str, Any]:
        return _with_ids(client, filters)


class Show(resource.Show):
    """Show one floating IP.

    examples:
      netsched floating ip show 203.0.113.7
    """

    kind = FLOATING_IP


class Create(resource.Create):
    """Take a floating IP from an external network, and give it to a port.

    examples:
      netsched floating ip create internet
      netsched floating ip create internet --port vm-1
      netsched floating ip create internet --port vm-1 --fixed-ip-address 10.1.0.50
    """

    kind = FLOATING_IP
    has_name = False

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("floating_network_id", metavar="NETWORK", help="Id or name of the external network.")
        _add_port(parser)
        parser.add_argument("--subnet", dest="subnet_id", default=ABSENT, help="Where its address is to come from.")
        text = "Its address, instead of any that is free (for administrators)."
        parser.add_argument("--floating-ip-address", default=ABSENT, metavar="IP", help=text)
        options.add_common(parser, enable=False)
        options.add_project(parser)

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        names = ("port_id", "fixed_ip_address", "subnet_id", "floating_ip_address", "description", "project_id")
        return _with_ids(client, resource.given(arguments, "floating_network_id", *names))


class Set(resource.Set):
    """Give a floating IP to a port, or describe it.

    examples:
      netsched floating ip set 203.0.113.7 --port vm-1
      netsched floating ip set 203.0.113.7 --port vm-1 --fixed-ip-address 10.1.0.50
    """

    kind = FLOATING_IP

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        _add_port(parser)
        options.add_common(parser, enable=False)

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return _with_ids(client, resource.given(arguments, "port_id", "fixed_ip_address", "description"))


class Unset(resource.Set):
    """Take a floating IP off its port.

    examples:
      netsched floating ip unset 203.0.113.7 --port
    """

    kind = FLOATING_IP
    verb = "unset"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--port", dest="port_id", action="store_const", const=None, default=ABSENT, help="Leave its port."
        )

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return resource.given(arguments, "port_id")


class Delete(resource.Delete):
    """Delete floating IPs, which gives their addresses back.

    examples:
      netsched floating ip delete 203.0.113.7
    """

    kind = FLOATING_IP


def _add_port(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", dest="port_id", default=ABSENT, help="Id or name of the port that it leads to.")
    text = "Which of the port's addresses, where it has several."
    parser.add_argument("--fixed-ip-address", default=ABSENT, metavar="IP", help=text)


def _with_ids(client: Client, given: dict[str, Any]) -> dict[str, Any]:
    """Names of networks, ports, routers and subnets replaced by their ids."""
    named = {name: collection for name, collection in _COLLECTIONS.items() if name in given}
    return {**given, **{name: client.find(collection, given[name])["id"] for name, collection in named.items()}}
