"""Agents, what they hold, and the state of the service: for administrators."""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, rule

ALL, ONE = "/v2.0/agents", "/v2.0/agents/{id}"
HELD, ROUTERS = f"{ONE}/dhcp-networks", f"{ONE}/l3-routers"
ROUTER = "/v2.0/routers/{id}"

RULES = [
    rule("create_agent", ADMIN, "Learn that agents cannot be created", "POST", ALL),
    rule("get_agent", ADMIN, "See an agent", "GET", ONE),
    rule("update_agent", ADMIN, "Change an agent", "PUT", ONE),
    rule("delete_agent", ADMIN, "Delete an agent", "DELETE", ONE),
    rule("get_agent-delivery", ADMIN, "See what an agent is behind with", "GET", f"{ONE}/delivery"),
    rule("get_dhcp-networks", ADMIN, "See the networks of a DHCP agent", "GET", HELD),
    rule("create_dhcp-network", ADMIN, "Bind a network to a DHCP agent", "POST", HELD),
    rule("delete_dhcp-network", ADMIN, "Remove a network from a DHCP agent", "DELETE", f"{HELD}/{{network_id}}"),
    rule("get_l3-routers", ADMIN, "See the routers of an L3 agent", "GET", ROUTERS),
    rule("create_l3-router", ADMIN, "Bind a router to an L3 agent", "POST", ROUTERS),
    rule("delete_l3-router", ADMIN, "Remove a router from an L3 agent", "DELETE", f"{ROUTERS}/{{router_id}}"),
    rule("get_l3-agents", ADMIN, "See the L3 agents of a router", "GET", f"{ROUTER}/l3-agents"),
    rule("get_router-binding-reasons", ADMIN, "See why a router is where it is", "GET", f"{ROUTER}/binding-reasons"),
    rule("get_server", ADMIN, "See the processes of the server", "GET", "/v2.0/servers"),
    rule("get_metrics", ADMIN, "Read the metrics, unless [api] open_metrics lets everybody", "GET", "/metrics"),
    rule("get_status", ADMIN, "See how the service is", "GET", "/v2.0/status"),
    rule("get_brake", ADMIN, "See which zones have their brake on", "GET", "/v2.0/brakes"),
    rule("update_brake", ADMIN, "Release the brake of a zone", "PUT", "/v2.0/brakes/{zone}"),
]
