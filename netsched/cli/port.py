"""`netsched port ...`"""

from __future__ import annotations

import argparse
from typing import Any

from netsched.cli import options, resource
from netsched.cli.client import Client
from netsched.cli.resource import ABSENT, Kind

PORT = Kind(
    "port",
    "ports",
    columns={
        "id": "ID",
        "name": "Name",
        "mac_address": "MAC address",
        "fixed_ips": "Fixed IP addresses",
        "status": "Status",
    },
    more={
        "network_id": "Network",
        "device_owner": "Device owner",
        "device_id": "Device",
        "binding:host_id": "Host",
        "admin_state_up": "State",
        "project_id": "Project",
    },
)
_FIXED_IP = options.pairs({"subnet": "subnet_id", "ip-address": "ip_address"})
_ADDRESS_PAIR = options.pairs({"ip-address": "ip_address", "mac-address": "mac_address"}, ("ip-address",))
_DHCP_OPTION = options.pairs({"name": "opt_name", "value": "opt_value", "ip-version": "ip_version"}, ("name", "value"))
_WRITABLE = (
    "description",
    "admin_state_up",
    "mac_address",
    "device_id",
    "device_owner",
    "binding:host_id",
    "binding:vnic_type",
    "port_security_enabled",
    "allowed_address_pairs",
)


class List(resource.List):
    """List ports.

    examples:
      netsched port list --network web
      netsched port list --device-owner network:dhcp --long
      netsched port list --host compute-7
    """

    kind = PORT
    filters = (
        "name",
        "project_id",
        "network_id",
        "device_id",
        "device_owner",
        "mac_address",
        "status",
        "binding:host_id",
    )

    def add_filters(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default=ABSENT, help="Only those with this name.")
        parser.add_argument("--network", dest="network_id", default=ABSENT, help="Only those of this network.")
        parser.add_argument("--project", dest="project_id", default=ABSENT, help="Only those of this project id.")
        parser.add_argument("--device", dest="device_id", default=ABSENT, help="Only those of this device.")
        parser.add_argument("--device-owner", default=ABSENT, help="Only those of this kind of owner.")
        parser.add_argument("--mac-address", default=ABSENT, help="Only those with this MAC address.")
        parser.add_argument("--host", dest="binding:host_id", metavar="HOST", default=ABSENT, help="Only those there.")
        parser.add_argument("--status", default=ABSENT, help="Only those in this status: ACTIVE, DOWN.")

    def resolve(self, client: Client, filters: dict[str, Any]) -> dict[str, Any]:
        if "network_id" in filters:
            filters["network_id"] = client.find("networks", filters["network_id"])["id"]
        return filters


class Show(resource.Show):
    """Show one port. Its binding:vif_type tells how it is plugged on its host; if that failed, binding:vif_details why.

    examples:
      netsched port show vm-1
      netsched port show vm-1 -f value -c binding:vif_details
    """

    kind = PORT


class Create(resource.Create):
    """Create a port.

    Without --fixed-ip it gets an address of each IP version that its network has.

    examples:
      netsched port create vm-1 --network web
      netsched port create vm-1 --network web --fixed-ip subnet=web-v4,ip-address=10.1.0.50
      netsched port create vm-1 --network web --extra-dhcp-option name=ntp-server,value=10.1.0.3
      netsched port create vm-1 --network web --host compute-7 --allowed-address ip-address=10.1.0.200
    """

    kind = PORT

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--network", required=True, help="Id or name of the network.")
        _add_writable(parser)
        options.add_project(parser)

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return {
            "network_id": client.find("networks", arguments.network)["id"],
            **resource.given(arguments, "project_id"),
            **_body(client, arguments),
        }


class Set(resource.Set):
    """Change a port.

    Addresses that are given replace what is there; a DHCP option replaces the one of its name.

    examples:
      netsched port set vm-1 --name vm-2
      netsched port set vm-1 --host compute-7 --device 3d1e...
      netsched port set vm-1 --fixed-ip ip-address=10.1.0.51
      netsched port set vm-1 --no-fixed-ip
      netsched port set vm-1 --host ''  (nowhere)
      netsched port set vm-1 --security-group web --security-group default
    """

    kind = PORT

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default=ABSENT, help="New name.")
        _add_writable(parser)
        parser.add_argument(
            "--no-fixed-ip",
            dest="fixed_ips",
            action="store_const",
            const=[],
            default=ABSENT,
            help="Remove all addresses.",
        )
        parser.add_argument(
            "--no-allowed-address",
            dest="allowed_address_pairs",
            action="store_const",
            const=[],
            default=ABSENT,
            help="Remove all allowed addresses.",
        )
        parser.add_argument(
            "--no-security-group",
            dest="security_groups",
            action="store_const",
            const=[],
            default=ABSENT,
            help="Leave all security groups: nothing passes then.",
        )

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return {**resource.given(arguments, "name"), **_body(client, arguments)}


class Delete(resource.Delete):
    """Delete ports.

    examples:
      netsched port delete vm-1 vm-2
    """

    kind = PORT


def _add_writable(parser: argparse.ArgumentParser) -> None:
    options.add_common(parser)
    parser.add_argument(
        "--fixed-ip",
        dest="fixed_ips",
        type=_FIXED_IP,
        action="append",
        default=ABSENT,
        metavar="subnet=SUBNET,ip-address=IP",
        help="Either or both; can be repeated.",
    )
    parser.add_argument(
        "--extra-dhcp-option",
        dest="extra_dhcp_opts",
        type=_DHCP_OPTION,
        action="append",
        default=ABSENT,
        metavar="name=NAME,value=VALUE[,ip-version=4]",
        help="Sent to this port's DHCP client only; can be repeated.",
    )
    parser.add_argument(
        "--allowed-address",
        dest="allowed_address_pairs",
        type=_ADDRESS_PAIR,
        action="append",
        default=ABSENT,
        metavar="ip-address=IP[,mac-address=MAC]",
        help="What it may send from besides its own; can be repeated.",
    )
    parser.add_argument(
        "--security-group",
        dest="security_groups",
        action="append",
        default=ABSENT,
        metavar="GROUP",
        help="Id or name of a security group that lets traffic pass, instead of those it has; can be repeated.",
    )
    options.add_port_security(parser, "Only its own and the allowed addresses, or any.")
    parser.add_argument("--mac-address", default=ABSENT, help="MAC address instead of a generated one.")
    parser.add_argument("--device", dest="device_id", default=ABSENT, help="Id of what uses the port.")
    parser.add_argument("--device-owner", default=ABSENT, help="Kind of what uses the port: compute:nova.")
    parser.add_argument("--host", dest="binding:host_id", metavar="HOST", default=ABSENT, help="Where it is plugged.")
    parser.add_argument("--vnic-type", dest="binding:vnic_type", metavar="TYPE", default=ABSENT, help="Such as normal.")


def _body(client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
    body = resource.given(arguments, *_WRITABLE, "fixed_ips", "extra_dhcp_opts", "security_groups")
    if "security_groups" in body:
        body["security_groups"] = [client.find("security-groups", one)["id"] for one in body["security_groups"]]
    for fixed in body.get("fixed_ips", ()):
        if "subnet_id" in fixed:
            fixed["subnet_id"] = client.find("subnets", fixed["subnet_id"])["id"]
    for option in body.get("extra_dhcp_opts", ()):
        option["ip_version"] = int(option.get("ip_version", 4))
    return body
