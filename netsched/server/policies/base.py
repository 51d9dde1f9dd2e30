"""The words of which the other rules are made."""

from __future__ import annotations

from oslo_policy import policy

ADMIN = "rule:context_is_admin"
ADMIN_OR_MEMBER = "rule:admin_or_member"
ADMIN_OR_READER = "rule:admin_or_reader"
NETWORK_OWNER = f"{ADMIN} or rule:network_member"
READS = f"{ADMIN} or rule:reads"  # what the queries show, which is decided there
ANYONE = ""

RULES = [
    policy.RuleDefault("context_is_admin", "role:admin", "Sees and changes everything, in all projects."),
    # Keystone gives members the role reader as well; where headers are believed, nobody does.
    policy.RuleDefault("reads", "role:reader or role:member", "Reads what is its project's."),
    policy.RuleDefault("owner", "project_id:%(project_id)s", "Belongs to the project of the object."),
    # For policy files of the incumbent's, which name these.
    policy.RuleDefault("admin_only", "rule:context_is_admin", "Administrators."),
    policy.RuleDefault("regular_user", "", "Everybody who has a token."),
    policy.RuleDefault("admin_or_owner", "rule:context_is_admin or rule:owner", "Whatever role an owner has."),
    policy.RuleDefault(
        "admin_or_member",
        "rule:context_is_admin or (role:member and rule:owner)",
        "Who writes: members of its project.",
    ),
    policy.RuleDefault(
        "admin_or_reader", "rule:context_is_admin or (rule:reads and rule:owner)", "Who reads: all of the project."
    ),
    policy.RuleDefault("shared", "True:%(shared)s", "The object is shared with all projects."),
    policy.RuleDefault("external", "True:%(router:external)s", "The network is external."),
    policy.RuleDefault("network_owner", "project_id:%(network:project_id)s", "Owns the network of the object."),
    policy.RuleDefault("network_member", "role:member and rule:network_owner", "A member of the network's project."),
]


def rule(name: str, check: str, description: str, method: str, path: str) -> policy.DocumentedRuleDefault:
    """A rule of one operation, as the sample file shows it."""
    return policy.DocumentedRuleDefault(name, check, description, [{"method": method, "path": path}])
