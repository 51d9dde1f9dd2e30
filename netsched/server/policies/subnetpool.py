"""Subnet pools. Which are default pools or everybody's is for administrators."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, ADMIN_OR_MEMBER, ADMIN_OR_READER, rule

ALL, ONE = "/v2.0/subnetpools", "/v2.0/subnetpools/{id}"

RULES = [
    rule("create_subnetpool", ADMIN_OR_MEMBER, "Create a subnet pool", "POST", ALL),
    rule("create_subnetpool:project_id", ADMIN, "Create a subnet pool for another project", "POST", ALL),
    rule("create_subnetpool:shared", ADMIN, "Create a subnet pool that all projects may use", "POST", ALL),
    rule("create_subnetpool:is_default", ADMIN, "Create the default pool of an IP version", "POST", ALL),
    rule("get_subnetpool", f"{ADMIN_OR_READER} or rule:shared", "See a subnet pool", "GET", ONE),
    rule("update_subnetpool", ADMIN_OR_MEMBER, "Change a subnet pool", "PUT", ONE),
    rule("update_subnetpool:is_default", ADMIN, "Make a pool the default of its IP version, or not", "PUT", ONE),
    rule("delete_subnetpool", ADMIN_OR_MEMBER, "Delete a subnet pool", "DELETE", ONE),
    rule(
        "onboard_network_subnets",
        ADMIN_OR_MEMBER,
        "Take the subnets of a network into a subnet pool",
        "PUT",
        f"{ONE}/onboard_network_subnets",
    ),
    rule("add_prefixes", ADMIN_OR_MEMBER, "Add prefixes to a subnet pool", "PUT", f"{ONE}/add_prefixes"),
    rule("remove_prefixes", ADMIN_OR_MEMBER, "Take prefixes out of a subnet pool", "PUT", f"{ONE}/remove_prefixes"),
]
