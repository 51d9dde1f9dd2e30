"""Names of ports: which one an address has, and in which domain. Pure.

A port's own name is relative to the operator's domain, in which every address of a network has a name; without one of
its own, an address is named after itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def host_name(address: str) -> str:
    """``host-10-0-0-5`` for 10.0.0.5, ``host-fd00--5`` for fd00::5: the incumbent's convention."""
    return "host-" + address.replace(".", "-").replace(":", "-")


def relative(name: str, domain: str) -> str | None:
    """A name as it is below the domain (``web``); None for a full one (``web.example.org.``) of another domain."""
    if not name.endswith("."):
        return name
    full, above = name.removesuffix("."), f".{domain.removesuffix('.')}"
    below = full.removesuffix(above)
    return below if domain and below and below != full else None


def assignment(port: Mapping[str, Any], domain: str) -> list[dict[str, str]]:
    """A port's dns_assignment: how each of its addresses is called."""
    own = relative(port["dns_name"], domain)
    names = [(ip["ip_address"], own or host_name(ip["ip_address"])) for ip in port["fixed_ips"]]
    above = f".{domain.removesuffix('.')}." if domain else "."
    return [{"ip_address": address, "hostname": name, "fqdn": name + above} for address, name in names]
