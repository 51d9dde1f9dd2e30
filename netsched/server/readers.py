"""How what travels to agents is read from the tables, by type of scope and kind of object."""

from __future__ import annotations

from netsched.db import address_group, router_scope, security_group, security_group_member
from netsched.db import floatingip as floatingip_table
from netsched.db import network as network_table
from netsched.db import port as port_table
from netsched.db import router as router_table
from netsched.db import subnet as subnet_table
from netsched.server.services.reading import Borrowed, Owned, Reader


def readers() -> dict[tuple[str, str], Reader]:
    """How to read what travels to agents, by type of scope and kind of object."""
    of_network = ("status", "subnets", "availability_zones", "is_default", "revision_number", "updated_at")
    of_subnet = ("router:external",)  # the network's
    of_port = ("status",)
    of_router = ("status", "availability_zones")
    return {
        ("network", "network"): Owned(network_table.by_ids, network_table.in_networks, hidden=of_network),
        ("network", "subnet"): Owned(subnet_table.by_ids, subnet_table.in_networks, hidden=of_subnet),
        ("network", "port"): Owned(port_table.content_by_ids, port_table.in_networks, hidden=of_port),
        ("router", "router"): Owned(router_table.by_ids, router_table.in_routers, hidden=of_router),
        ("router", "network"): Borrowed(router_scope.networks_in, hidden=of_network),
        ("router", "subnet"): Borrowed(router_scope.subnets_in, hidden=of_subnet),
        ("router", "floatingip"): Owned(
            floatingip_table.by_ids, floatingip_table.in_routers, lambda one: (one["router_id"],), hidden=("status",)
        ),
        ("router", "port"): Owned(
            port_table.by_ids, router_scope.ports_in, lambda one: (port_table.router_of(one),), of_port
        ),
        ("security_group", "security_group"): Owned(security_group.by_ids, security_group.in_groups),
        ("security_group", "security_group_rule"): Owned(security_group.rules_by_ids, security_group.rules_of),
        ("security_group_members", "security_group_member"): Owned(
            security_group_member.by_ids,
            security_group_member.in_groups,
            security_group_member.groups_of,
            hidden=("security_groups",),
        ),
        ("address_group", "address_group"): Owned(address_group.by_ids, address_group.in_groups, hidden=("shared",)),
    }
