"""RBAC policies. Which actions a type of object has, and whose the object is, is the service's business."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from netsched import errors
from netsched.wire import types
from netsched.wire.resource import READ_ONLY, Attr, Definition, Resource

TYPES = ("network", "subnetpool", "address_scope", "security_group", "address_group")


def _object_type(value: Any) -> str:
    normal = value.strip().lower() if isinstance(value, str) else value
    if normal not in TYPES:
        raise types.Unconvertible(f"{types.shown(value)} is not a valid RBAC object type")
    return str(normal)


def _target(value: Any) -> str:
    text = types.line(value)
    if not text.strip():
        raise ValueError(f"{types.shown(value)} is no project")
    return text


GIVEN = Attr(post=True, required=True)
ObjectType = Annotated[str, BeforeValidator(_object_type), WithJsonSchema({"type": "string", "enum": list(TYPES)})]
Target = Annotated[
    str, BeforeValidator(_target), WithJsonSchema({"type": "string", "maxLength": 255, "pattern": "^[!-~]+$"})
]


class RbacPolicy(Resource):
    """Grants another project, or with ``*`` all of them, an action on an object."""

    id: Annotated[types.Uuid, READ_ONLY]
    project_id: Annotated[types.Line, Attr(post=True)]
    tenant_id: Annotated[types.Line, Attr(post=True)]
    object_type: Annotated[ObjectType, GIVEN]
    object_id: Annotated[types.Uuid, GIVEN]
    action: Annotated[types.Line, GIVEN]
    target_tenant: Annotated[Target, Attr(post=True, put=True, required=True)]


RBAC_POLICY = Definition(RbacPolicy, "rbac_policy", "rbac_policies", errors.RbacPolicyNotFound)
