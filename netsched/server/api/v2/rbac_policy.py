"""RBAC policies: whom one may give them to depends on the new target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netsched.server.api.collection import Collection
from netsched.server.api.request import ApiRequest
from netsched.server.api.services import Object


class RbacPolicies(Collection):
    def _check_update(self, request: ApiRequest, given: Any, changes: Object, current: Mapping[str, Any]) -> None:
        super()._check_update(request, given, changes, {**current, **changes})
