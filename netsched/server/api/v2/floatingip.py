"""How one gets from a subnet of an external network to a floating IP; the five verbs need nothing of their own."""

from __future__ import annotations

FROM_SUBNET = {
    "floatingip": {
        "operationId": "create_floatingip",
        "requestBody": {"floatingip": {"floating_network_id": "$response.body#/subnet/network_id"}},
    }
}
