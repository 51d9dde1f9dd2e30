"""Quotas: a project reads its own, administrators read and set all."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, ADMIN_OR_READER, rule

ONE = "/v2.0/quotas/{id}"

RULES = [
    rule("get_quota", ADMIN_OR_READER, "See limits and use of a project; all projects' for administrators", "GET", ONE),
    rule("update_quota", ADMIN, "Change the limits of a project", "PUT", ONE),
    rule("delete_quota", ADMIN, "Reset the limits of a project", "DELETE", ONE),
]
