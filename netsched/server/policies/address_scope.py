"""Address scopes. Which are everybody's is for administrators."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, ADMIN_OR_MEMBER, ADMIN_OR_READER, rule

ALL, ONE = "/v2.0/address-scopes", "/v2.0/address-scopes/{id}"

RULES = [
    rule("create_address_scope", ADMIN_OR_MEMBER, "Create an address scope", "POST", ALL),
    rule("create_address_scope:project_id", ADMIN, "Create an address scope for another project", "POST", ALL),
    rule("create_address_scope:shared", ADMIN, "Create an address scope that all projects may use", "POST", ALL),
    rule("get_address_scope", f"{ADMIN_OR_READER} or rule:shared", "See an address scope", "GET", ONE),
    rule("update_address_scope", ADMIN_OR_MEMBER, "Change an address scope", "PUT", ONE),
    rule("update_address_scope:shared", ADMIN, "Let all projects use an address scope", "PUT", ONE),
    rule("delete_address_scope", ADMIN_OR_MEMBER, "Delete an address scope", "DELETE", ONE),
]
