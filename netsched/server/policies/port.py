"""Ports. Where a port is bound tells about hosts, so that is for administrators, to set and to see.

Which MAC and which address a port has is for whoever owns the network: on a shared one, another project could take the
address of a gateway or a server. The defaults are the incumbent's.
"""

from __future__ import annotations

from netsched.server.policies.base import ADMIN, ADMIN_OR_MEMBER, NETWORK_OWNER, READS, rule

ALL, ONE = "/v2.0/ports", "/v2.0/ports/{id}"

RULES = [
    rule("create_port", ADMIN_OR_MEMBER, "Create a port", "POST", ALL),
    rule("create_port:project_id", ADMIN, "Create a port for another project", "POST", ALL),
    rule("create_port:device_owner", ADMIN, "Create a port with an owner of the form network:*", "POST", ALL),
    rule("create_port:mac_address", NETWORK_OWNER, "Create a port with a given MAC address", "POST", ALL),
    rule("create_port:fixed_ips:ip_address", NETWORK_OWNER, "Create a port with given IP addresses", "POST", ALL),
    rule("create_port:binding:host_id", ADMIN, "Create a port on a given host", "POST", ALL),
    rule("create_port:binding:vnic_type", ADMIN_OR_MEMBER, "Create a port with a given VNIC type", "POST", ALL),
    rule("create_port:binding:profile", ADMIN, "Create a port with a binding profile", "POST", ALL),
    rule("create_port:allowed_address_pairs", NETWORK_OWNER, "Create a port with address pairs", "POST", ALL),
    rule("create_port:port_security_enabled", NETWORK_OWNER, "Say if a new port is secured", "POST", ALL),
    rule("get_port", READS, "See a port of one's own or on a network of one's own", "GET", ONE),
    rule("get_port:binding:host_id", ADMIN, "See the host of a port", "GET", ONE),
    rule("get_port:binding:profile", ADMIN, "See the binding profile of a port", "GET", ONE),
    rule("get_port:binding:vif_type", ADMIN, "See how a port is plugged", "GET", ONE),
    rule("get_port:binding:vif_details", ADMIN, "See details of how a port is plugged", "GET", ONE),
    rule("update_port", ADMIN_OR_MEMBER, "Change a port", "PUT", ONE),
    rule("update_port:device_owner", ADMIN, "Give a port an owner of the form network:*", "PUT", ONE),
    rule("update_port:mac_address", ADMIN, "Change the MAC address of a port", "PUT", ONE),
    rule("update_port:fixed_ips:ip_address", NETWORK_OWNER, "Give a port IP addresses of one's choice", "PUT", ONE),
    rule("update_port:binding:host_id", ADMIN, "Move a port to a host", "PUT", ONE),
    rule("update_port:binding:vnic_type", ADMIN_OR_MEMBER, "Change the VNIC type of a port", "PUT", ONE),
    rule("update_port:binding:profile", ADMIN, "Change the binding profile of a port", "PUT", ONE),
    rule("update_port:allowed_address_pairs", NETWORK_OWNER, "Change the address pairs of a port", "PUT", ONE),
    rule("update_port:port_security_enabled", NETWORK_OWNER, "Say if a port is secured", "PUT", ONE),
    rule("delete_port", f"{ADMIN_OR_MEMBER} or rule:network_member", "Delete a port", "DELETE", ONE),
]
