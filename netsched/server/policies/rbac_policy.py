"""RBAC policies: everybody may share what is his, with all projects only administrators."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, ADMIN_OR_MEMBER, ADMIN_OR_READER, rule

ALL, ONE = "/v2.0/rbac-policies", "/v2.0/rbac-policies/{id}"
WITH_SOME = f"{ADMIN} or not '*':%(target_tenant)s"

RULES = [
    rule("create_rbac_policy", ADMIN_OR_MEMBER, "Share an object with another project", "POST", ALL),
    rule("create_rbac_policy:project_id", ADMIN, "Create an RBAC policy for another project", "POST", ALL),
    rule("create_rbac_policy:target_tenant", WITH_SOME, "Share an object with all projects (*)", "POST", ALL),
    rule("get_rbac_policy", ADMIN_OR_READER, "See an RBAC policy", "GET", ONE),
    rule("update_rbac_policy", ADMIN_OR_MEMBER, "Change an RBAC policy", "PUT", ONE),
    rule("update_rbac_policy:target_tenant", WITH_SOME, "Give an RBAC policy to all projects (*)", "PUT", ONE),
    rule("delete_rbac_policy", ADMIN_OR_MEMBER, "Delete an RBAC policy", "DELETE", ONE),
]
