"""Security groups: what can be done with one that has just been made."""

from __future__ import annotations

_ID = "$response.body#/security_group/id"
FROM_SECURITY_GROUP = {
    "rule": {
        "operationId": "create_security_group_rule",
        "requestBody": {"security_group_rule": {"security_group_id": _ID, "direction": "ingress"}},
    }
}
