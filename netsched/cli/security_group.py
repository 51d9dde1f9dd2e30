"""`netsched security group ...` and `netsched security group rule ...`"""

from __future__ import annotations

import argparse
from typing import Any

from netsched.cli import options, resource
from netsched.cli.client import Client, CommandFailed
from netsched.cli.resource import ABSENT, Kind

GROUP = Kind(
    "security_group",
    "security-groups",
    columns={"id": "ID", "name": "Name", "description": "Description", "project_id": "Project"},
    more={"stateful": "Stateful", "shared": "Shared"},
    delivered=False,
)
RULE = Kind(
    "security_group_rule",
    "security-group-rules",
    columns={
        "id": "ID",
        "direction": "Direction",
        "ethertype": "Version",
        "protocol": "Protocol",
        "port_range_min": "From port",
        "port_range_max": "To port",
        "remote_ip_prefix": "Remote",
        "remote_group_id": "Remote group",
    },
    more={"security_group_id": "Group", "remote_address_group_id": "Remote address group", "project_id": "Project"},
    name_attribute="id",
    order=("security_group_id", "direction", "ethertype", "protocol", "port_range_min"),
    delivered=False,
)


class List(resource.List):
    """List security groups. Each project has one called default, which its ports are in if they name none.

    examples:
      netsched security group list
      netsched security group list --project 2a1f...
    """

    kind = GROUP
    filters = ("name", "project_id")

    def add_filters(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default=ABSENT, help="Only those with this name.")
        parser.add_argument("--project", dest="project_id", default=ABSENT, help="Only those of this project id.")


class Show(resource.Show):
    """Show one security group with its rules.

    examples:
      netsched security group show web
    """

    kind = GROUP


class Create(resource.Create):
    """Create a security group. All may leave by it and nothing may come in until it gets rules.

    examples:
      netsched security group create web
      netsched security group create dns --stateless
    """

    kind = GROUP

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        options.add_common(parser, enable=False)
        text = ("Answers pass by themselves.", "Answers need rules too.")
        options.add_switch(parser, "stateful", ("--stateful", "--stateless"), text)
        options.add_project(parser)

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return resource.given(arguments, "description", "stateful", "project_id")


class Delete(resource.Delete):
    """Delete security groups that no port is in.

    examples:
      netsched security group delete web
    """

    kind = GROUP


class RuleList(resource.List):
    """List the rules of security groups.

    examples:
      netsched security group rule list --group default
      netsched security group rule list --group web --direction ingress
    """

    kind = RULE
    filters = ("security_group_id", "direction", "protocol", "project_id")

    def add_filters(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--group", dest="security_group_id", default=ABSENT, help="Only those of this group.")
        parser.add_argument("--direction", default=ABSENT, help="Only those in this direction: ingress, egress.")
        parser.add_argument("--protocol", default=ABSENT, help="Only those of this protocol.")
        parser.add_argument("--project", dest="project_id", default=ABSENT, help="Only those of this project id.")

    def resolve(self, client: Client, filters: dict[str, Any]) -> dict[str, Any]:
        return _with_ids(client, filters)


class RuleCreate(resource.Create):
    """Let something pass: into the ports of a group, or out of them with --egress.

    examples:
      netsched security group rule create default --protocol icmp
      netsched security group rule create web --protocol tcp --port 80
      netsched security group rule create web --protocol tcp --port 8000:8080 --remote-ip 192.0.2.0/24
      netsched security group rule create db --protocol tcp --port 5432 --remote-group web
      netsched security group rule create web --ipv6 --protocol icmp
    """

    kind = RULE
    has_name = False

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("security_group_id", metavar="GROUP", help="Id or name of the security group.")
        way = parser.add_mutually_exclusive_group()
        for direction, text in (("ingress", "Into the ports (that is what it does)."), ("egress", "Out of the ports.")):
            way.add_argument(
                f"--{direction}", dest="direction", action="store_const", const=direction, default="ingress", help=text
            )
        parser.add_argument("--protocol", default=ABSENT, help="Such as tcp, udp, icmp, or a number; any without it.")
        parser.add_argument("--port", metavar="PORT[:PORT]", help="Of the destination; all without it.")
        remote = parser.add_mutually_exclusive_group()
        text = "The other end's network; anywhere without it."
        remote.add_argument("--remote-ip", dest="remote_ip_prefix", metavar="CIDR", default=ABSENT, help=text)
        text = "The other end is a port in this group."
        remote.add_argument("--remote-group", dest="remote_group_id", metavar="GROUP", default=ABSENT, help=text)
        parser.add_argument(
            "--ipv6", dest="ethertype", action="store_const", const="IPv6", default="IPv4", help="For IPv6, not IPv4."
        )
        parser.add_argument("--description", default=ABSENT, help="Free text.")

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        names = ("security_group_id", "direction", "ethertype", "protocol", "remote_ip_prefix", "remote_group_id")
        body = _with_ids(client, resource.given(arguments, *names, "description"))
        if arguments.port is not None:
            first, _, last = arguments.port.partition(":")
            if not (first.isdigit() and (last or first).isdigit()):
                raise CommandFailed(f"'{arguments.port}' is neither a port nor a range such as 8000:8080.")
            body |= {"port_range_min": int(first), "port_range_max": int(last or first)}
        return body


class RuleDelete(resource.Delete):
    """Delete rules. Connections that no other rule lets pass end at once.

    examples:
      netsched security group rule delete 6f0c...
    """

    kind = RULE


def _with_ids(client: Client, given: dict[str, Any]) -> dict[str, Any]:
    """Names of groups replaced by their ids."""
    named = [name for name in ("security_group_id", "remote_group_id") if name in given]
    return {**given, **{name: client.find("security-groups", given[name])["id"] for name in named}}
