"""Availability zones: everyone may name them as hints, so everyone may see them."""

from __future__ import annotations

from netsched.server.policies.base import ANYONE, rule

RULES = [rule("get_availability_zone", ANYONE, "See the availability zones", "GET", "/v2.0/availability_zones")]
