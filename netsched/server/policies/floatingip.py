"""Floating IPs. Which address one gets is for administrators: the pools are everybody's."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, ADMIN_OR_MEMBER, ADMIN_OR_READER, rule

ALL, ONE = "/v2.0/floatingips", "/v2.0/floatingips/{id}"

RULES = [
    rule("create_floatingip", ADMIN_OR_MEMBER, "Create a floating IP", "POST", ALL),
    rule("create_floatingip:project_id", ADMIN, "Create a floating IP for another project", "POST", ALL),
    rule("create_floatingip:floating_ip_address", ADMIN, "Create a floating IP with a given address", "POST", ALL),
    rule("get_floatingip", ADMIN_OR_READER, "See a floating IP", "GET", ONE),
    rule("update_floatingip", ADMIN_OR_MEMBER, "Change a floating IP, or give it to a port", "PUT", ONE),
    rule("delete_floatingip", ADMIN_OR_MEMBER, "Delete a floating IP", "DELETE", ONE),
]
