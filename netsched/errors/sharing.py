"""Errors of grants to other projects."""

from __future__ import annotations

from netsched.errors.core import InvalidInput
from netsched.errors.kinds import Conflict, Invalid, NotFound


class RbacPolicyNotFound(NotFound):
    """RBAC policy of type unknown with ID {id} not found"""

    code = "rbac_policy.not_found"


class RbacPolicyInUse(Conflict):
    """RBAC policy on object {object_id} cannot be removed because other objects depend on it.
    Details: {details}"""

    code = "rbac_policy.in_use"


class DuplicateRbacPolicy(Conflict):
    """An RBAC policy already exists with those values."""

    code = "rbac_policy.duplicate"


class RbacPolicyInitError(Invalid):
    """Invalid input for operation: Failed to create RBAC policy on object {object_id} because {reason}."""

    code = "rbac_policy.init"

    @property
    def type(self) -> str:
        return "InvalidInput"  # as clients know it


class InvalidActionForType(InvalidInput):
    """Invalid action '{action}' for object type '{object_type}'. Valid actions: {valid_actions}"""

    code = "rbac_policy.action"
