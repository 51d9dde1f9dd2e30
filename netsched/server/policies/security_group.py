"""Security groups and their rules. Which ones a project sees (its own, and those shared with it) the queries decide."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, ADMIN_OR_MEMBER, READS, rule

ALL, ONE = "/v2.0/security-groups", "/v2.0/security-groups/{id}"
RULES_ALL, RULES_ONE = "/v2.0/security-group-rules", "/v2.0/security-group-rules/{id}"
DEFAULTS_ALL, DEFAULTS_ONE = "/v2.0/default-security-group-rules", "/v2.0/default-security-group-rules/{id}"
_OF = "the rules that new security groups begin with"

RULES = [
    rule("create_security_group", ADMIN_OR_MEMBER, "Create a security group", "POST", ALL),
    rule("create_security_group:project_id", ADMIN, "Create a security group for another project", "POST", ALL),
    rule("get_security_group", READS, "See a security group of one's own, or a shared one", "GET", ONE),
    rule("update_security_group", ADMIN_OR_MEMBER, "Change a security group", "PUT", ONE),
    rule("delete_security_group", ADMIN_OR_MEMBER, "Delete a security group", "DELETE", ONE),
    rule("create_security_group_rule", ADMIN_OR_MEMBER, "Add a rule to a security group", "POST", RULES_ALL),
    rule("create_security_group_rule:project_id", ADMIN, "Add a rule for another project", "POST", RULES_ALL),
    rule("get_security_group_rule", READS, "See a rule of a security group that one sees", "GET", RULES_ONE),
    rule("update_security_group_rule", ADMIN_OR_MEMBER, "Describe a rule", "PUT", RULES_ONE),
    rule("delete_security_group_rule", ADMIN_OR_MEMBER, "Remove a rule", "DELETE", RULES_ONE),
    rule("create_default_security_group_rule", ADMIN, f"Add to {_OF}", "POST", DEFAULTS_ALL),
    rule("get_default_security_group_rule", READS, f"See {_OF}", "GET", DEFAULTS_ONE),
    rule("update_default_security_group_rule", ADMIN, f"Describe one of {_OF}", "PUT", DEFAULTS_ONE),
    rule("delete_default_security_group_rule", ADMIN, f"Remove one of {_OF}", "DELETE", DEFAULTS_ONE),
]
