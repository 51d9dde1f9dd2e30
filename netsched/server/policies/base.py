"""The words of which the other rules are made."""

from __future__ import annotations

from oslo_policy import policy

ADMIN = "rule:context_is_admin"
ADMIN_OR_OWNER = "rule:admin_or_owner"
ANYONE = ""

RULES = [
    policy.RuleDefault("context_is_admin", "role:admin", "Sees and changes everything, in all projects."),
    policy.RuleDefault("owner", "project_id:%(project_id)s", "Belongs to the project of the object."),
    policy.RuleDefault("admin_or_owner", "rule:context_is_admin or rule:owner", "Administrators and owners."),
    policy.RuleDefault("shared", "True:%(shared)s", "The object is shared with all projects."),
    policy.RuleDefault("external", "True:%(router:external)s", "The network is external."),
    policy.RuleDefault("network_owner", "project_id:%(network:project_id)s", "Owns the network of the object."),
]


def rule(name: str, check: str, description: str, method: str, path: str) -> policy.DocumentedRuleDefault:
    """A rule of one operation, as the sample file shows it."""
    return policy.DocumentedRuleDefault(name, check, description, [{"method": method, "path": path}])
