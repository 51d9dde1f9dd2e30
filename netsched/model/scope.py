"""What an agent holds: a scope is a resource together with the objects that make no sense without it.

On the wire and in tables a scope is one string, ``network/3f2c...``: one column, one IN list, one dictionary key.
"""

from __future__ import annotations

# Kinds of object that belong to a scope, in the order in which an agent can use them (dependencies first).
MEMBERS: dict[str, tuple[str, ...]] = {
    "network": ("network", "subnet", "port"),
    # A router's networks and subnets are those on which it has a port, the external one too.
    "router": ("router", "network", "subnet", "port", "floatingip"),
    "security_group": ("security_group", "security_group_rule"),
    # What rules name is a scope of its own: who has ports in a group knows members of others, and seldom of that one.
    "security_group_members": ("security_group_member",),
    "address_group": ("address_group",),
}


def key(scope_type: str, scope_id: str) -> str:
    """``key("network", "3f2c")`` is ``"network/3f2c"``."""
    return f"{scope_type}/{scope_id}"


def split(scope: str) -> tuple[str, str]:
    """The type and the id of a scope's key."""
    scope_type, _, scope_id = scope.partition("/")
    return scope_type, scope_id


def members(scope_type: str) -> tuple[str, ...]:
    """Kinds in a scope of this type. A type that the server has never heard of holds objects of its own kind only."""
    return MEMBERS.get(scope_type, (scope_type,))
