"""Subnets: whoever owns the network decides which addresses are on it."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, ADMIN_OR_MEMBER, NETWORK_OWNER, READS, rule

ALL, ONE = "/v2.0/subnets", "/v2.0/subnets/{id}"

RULES = [
    rule("create_subnet", NETWORK_OWNER, "Create a subnet", "POST", ALL),
    rule("create_subnet:project_id", ADMIN, "Create a subnet for another project", "POST", ALL),
    rule("create_subnet:service_types", NETWORK_OWNER, "Create a subnet for certain kinds of ports", "POST", ALL),
    rule("get_subnet", READS, "See a subnet of one's own or of a shared network", "GET", ONE),
    rule("update_subnet", ADMIN_OR_MEMBER, "Change a subnet", "PUT", ONE),
    rule("update_subnet:service_types", ADMIN_OR_MEMBER, "Say for which kinds of ports a subnet is", "PUT", ONE),
    rule("delete_subnet", ADMIN_OR_MEMBER, "Delete a subnet", "DELETE", ONE),
]
