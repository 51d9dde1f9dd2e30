"""Routers. How a router looks from outside (its addresses there, and whether it hides its inside) is for
administrators, as by the incumbent's defaults."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, ADMIN_OR_MEMBER, ADMIN_OR_READER, rule

ALL, ONE = "/v2.0/routers", "/v2.0/routers/{id}"
_SNAT, _ADDRESSES = "external_gateway_info:enable_snat", "external_gateway_info:external_fixed_ips"

RULES = [
    rule("create_router", ADMIN_OR_MEMBER, "Create a router", "POST", ALL),
    rule("create_router:project_id", ADMIN, "Create a router for another project", "POST", ALL),
    rule(f"create_router:{_SNAT}", ADMIN, "Create a router and say whether it does SNAT", "POST", ALL),
    rule(f"create_router:{_ADDRESSES}", ADMIN, "Create a router with given external addresses", "POST", ALL),
    rule("get_router", ADMIN_OR_READER, "See a router", "GET", ONE),
    rule("update_router", ADMIN_OR_MEMBER, "Change a router", "PUT", ONE),
    rule(f"update_router:{_SNAT}", ADMIN, "Say whether a router does SNAT", "PUT", ONE),
    rule(f"update_router:{_ADDRESSES}", ADMIN, "Give a router external addresses of one's choice", "PUT", ONE),
    rule("delete_router", ADMIN_OR_MEMBER, "Delete a router", "DELETE", ONE),
    rule("add_router_interface", ADMIN_OR_MEMBER, "Add an interface to a router", "PUT", f"{ONE}/add_router_interface"),
    rule(
        "remove_router_interface",
        ADMIN_OR_MEMBER,
        "Remove an interface from a router",
        "PUT",
        f"{ONE}/remove_router_interface",
    ),
    rule("get_router-delivery", ADMIN, "See whether a router's state is in force", "GET", f"{ONE}/delivery"),
    rule("add_extraroutes", ADMIN_OR_MEMBER, "Add routes to a router", "PUT", f"{ONE}/add_extraroutes"),
    rule("remove_extraroutes", ADMIN_OR_MEMBER, "Remove routes from a router", "PUT", f"{ONE}/remove_extraroutes"),
]
