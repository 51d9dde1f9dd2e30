"""Networks and where they are served."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, ADMIN_OR_MEMBER, ADMIN_OR_READER, rule

ALL, ONE = "/v2.0/networks", "/v2.0/networks/{id}"

RULES = [
    rule("create_network", ADMIN_OR_MEMBER, "Create a network", "POST", ALL),
    rule("create_network:project_id", ADMIN, "Create a network for another project", "POST", ALL),
    rule("create_network:shared", ADMIN, "Create a network that is shared with all projects", "POST", ALL),
    rule("create_network:router:external", ADMIN, "Create an external network", "POST", ALL),
    rule("create_network:is_default", ADMIN, "Create the default external network", "POST", ALL),
    rule("create_network:provider:network_type", ADMIN, "Choose the type of a network", "POST", ALL),
    rule("create_network:provider:physical_network", ADMIN, "Choose a network's physical network", "POST", ALL),
    rule("create_network:provider:segmentation_id", ADMIN, "Choose a network's VXLAN or VLAN id", "POST", ALL),
    rule("get_network", f"{ADMIN_OR_READER} or rule:shared or rule:external", "See a network", "GET", ONE),
    rule("get_network:provider:network_type", ADMIN, "See the type of a network", "GET", ONE),
    rule("get_network:provider:physical_network", ADMIN, "See the physical network of a network", "GET", ONE),
    rule("get_network:provider:segmentation_id", ADMIN, "See the VXLAN or VLAN id of a network", "GET", ONE),
    rule("update_network", ADMIN_OR_MEMBER, "Change a network", "PUT", ONE),
    rule("update_network:shared", ADMIN, "Share a network with all projects, or no longer", "PUT", ONE),
    rule("update_network:router:external", ADMIN, "Make a network external, or no longer", "PUT", ONE),
    rule("update_network:is_default", ADMIN, "Make an external network the default one, or not", "PUT", ONE),
    rule("delete_network", ADMIN_OR_MEMBER, "Delete a network", "DELETE", ONE),
    rule("get_dhcp-agents", ADMIN, "See the DHCP agents of a network", "GET", f"{ONE}/dhcp-agents"),
    rule("get_network-delivery", ADMIN, "See whether a network's state is in force", "GET", f"{ONE}/delivery"),
    rule("get_binding-reasons", ADMIN, "See why a network is where it is", "GET", f"{ONE}/binding-reasons"),
]
