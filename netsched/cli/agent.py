"""`netsched agent ...`: who is there. Nobody creates an agent: it appears with its first heartbeat."""

from __future__ import annotations

import argparse
from typing import Any

from netsched.cli import options, resource
from netsched.cli.client import Client
from netsched.cli.resource import ABSENT, Kind

AGENT = Kind(
    "agent",
    "agents",
    columns={
        "id": "ID",
        "agent_type": "Agent type",
        "host": "Host",
        "availability_zone": "Zone",
        "alive": "Alive",
        "state": "State",
        "admin_state_up": "Admin",
    },
    more={
        "binary": "Binary",
        "version": "Version",
        "heartbeat_timestamp": "Last heartbeat",
        "started_at": "Started",
        "forced_down": "Forced down",
        "load": "Load",
        "description": "Description",
    },
    name_attribute="host",
    order=("agent_type", "host"),
    delivered=False,
)


class List(resource.List):
    """List agents: who is there, who is alive.

    Alive is :-) for an agent that is not dead; State tells starting, alive, suspect and dead apart.

    examples:
      netsched agent list
      netsched agent list --type 'DHCP agent' --long
      netsched agent list --dead -f value -c Host
    """

    kind = AGENT
    filters = ("agent_type", "host", "availability_zone", "alive", "admin_state_up")

    def add_filters(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--type", dest="agent_type", default=ABSENT, help="Only those of this type: 'DHCP agent'.")
        parser.add_argument("--host", default=ABSENT, help="Only those on this host.")
        parser.add_argument("--zone", dest="availability_zone", default=ABSENT, help="Only those in this zone.")
        options.add_switch(parser, "alive", ("--alive", "--dead"), "Only those alive, or dead.")
        options.add_switch(parser, "admin_state_up", ("--enable", "--disable"), "Only those enabled, or disabled.")


class Show(resource.Show):
    """Show one agent.

    examples:
      netsched agent show node-1
      netsched agent show node-1 --type 'DHCP agent' -f json
    """

    kind = AGENT


class Set(resource.Set):
    """Enable, disable or describe an agent; mark it down, or up again.

    A disabled one gets nothing new; what it serves stays where it is. One that is forced down is dead at once for the
    servers, whatever it says, and what it serves moves; until it is marked up it gets nothing. A node that is off has
    several agents: mark each.

    examples:
      netsched agent set node-1 --disable
      netsched agent set node-1 --enable --description 'new power supply'
      netsched agent set node-1 --type 'L3 agent' --force-down
      netsched agent set node-1 --type 'L3 agent' --up
    """

    kind = AGENT

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        options.add_common(parser)
        texts = ("It is dead, whatever it says: what it serves moves at once.", "No longer forced down.")
        options.add_switch(parser, "forced_down", ("--force-down", "--up"), texts)

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        return resource.given(arguments, "description", "admin_state_up", "forced_down")


class Delete(resource.Delete):
    """Delete agents.

    What they serve is placed elsewhere. One that still runs comes back with its next heartbeat, empty.

    examples:
      netsched agent delete node-1
    """

    kind = AGENT
