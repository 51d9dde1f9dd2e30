"""What there is to read about addresses. How full networks are is for administrators, as the incumbent has it."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, READS, rule

RULES = [
    rule(
        "get_network_ip_availability", ADMIN, "See how many addresses are taken", "GET",
        "/v2.0/network-ip-availabilities/{id}",
    ),
    rule("get_floatingip_pool", READS, "See where floating IPs come from", "GET", "/v2.0/floatingip_pools"),
]  # fmt: skip
