"""Address scopes: within one, no address means two things. They have no standard attributes, as with the incumbent."""

from __future__ import annotations

from typing import Annotated

from netsched import errors
from netsched.wire import types
from netsched.wire.resource import READ_ONLY, Attr, Definition, Resource


class AddressScope(Resource):
    """Subnet pools whose addresses are routed among each other without translation."""

    id: Annotated[types.Uuid, READ_ONLY]
    name: Annotated[types.Line, Attr(post=True, put=True)] = ""
    project_id: Annotated[types.Line, Attr(post=True)]
    tenant_id: Annotated[types.Line, Attr(post=True)]
    ip_version: Annotated[types.IpVersion, Attr(post=True, required=True)]
    shared: Annotated[types.Boolean, Attr(post=True, put=True, sort=False)] = False


ADDRESS_SCOPE = Definition(AddressScope, "address_scope", "address_scopes", errors.AddressScopeNotFound)
