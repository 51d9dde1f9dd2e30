"""Networks and where they are served."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, ADMIN_OR_OWNER, ANYONE, rule

ALL, ONE = "/v2.0/networks", "/v2.0/networks/{id}"

RULES = [
    rule("create_network", ANYONE, "Create a network", "POST", ALL),
    rule("create_network:project_id", ADMIN, "Create a network for another project", "POST", ALL),
    rule("create_network:shared", ADMIN, "Create a network that is shared with all projects", "POST", ALL),
    rule("get_network", f"{ADMIN_OR_OWNER} or rule:shared", "See a network", "GET", ONE),
    rule("update_network", ADMIN_OR_OWNER, "Change a network", "PUT", ONE),
    rule("update_network:shared", ADMIN, "Share a network with all projects, or no longer", "PUT", ONE),
    rule("delete_network", ADMIN_OR_OWNER, "Delete a network", "DELETE", ONE),
    rule("get_dhcp-agents", ADMIN, "See the DHCP agents of a network", "GET", f"{ONE}/dhcp-agents"),
    rule("get_binding-reasons", ADMIN, "See why a network is where it is", "GET", f"{ONE}/binding-reasons"),
]
