"""Address groups. Which ones a project sees (its own, and those shared with it) the queries decide."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, ADMIN_OR_MEMBER, READS, rule

ALL, ONE = "/v2.0/address-groups", "/v2.0/address-groups/{id}"

RULES = [
    rule("create_address_group", ADMIN_OR_MEMBER, "Create an address group", "POST", ALL),
    rule("create_address_group:project_id", ADMIN, "Create an address group for another project", "POST", ALL),
    rule("create_address_group:shared", ADMIN, "Create an address group that all projects may use", "POST", ALL),
    rule("get_address_group", READS, "See an address group of one's own, or a shared one", "GET", ONE),
    rule("update_address_group", ADMIN_OR_MEMBER, "Change an address group", "PUT", ONE),
    rule("delete_address_group", ADMIN_OR_MEMBER, "Delete an address group", "DELETE", ONE),
    rule("add_addresses", ADMIN_OR_MEMBER, "Add addresses to an address group", "PUT", f"{ONE}/add_addresses"),
    rule(
        "remove_addresses", ADMIN_OR_MEMBER, "Remove addresses from an address group", "PUT", f"{ONE}/remove_addresses"
    ),
]
