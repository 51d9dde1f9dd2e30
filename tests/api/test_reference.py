"""What the server lists is what the incumbent has: names of extensions, and what each does to attributes.

`reference/` holds what Neutron 29.0.0 answers (GET /v2.0/extensions) and how its attributes may be used, by alias.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netsched.wire import extension
from netsched.wire.agent import AGENT
from netsched.wire.floatingip import FLOATINGIP
from netsched.wire.network import NETWORK
from netsched.wire.port import PORT
from netsched.wire.resource import Definition
from netsched.wire.router import ROUTER
from netsched.wire.security_group import SECURITY_GROUP, SECURITY_GROUP_RULE
from netsched.wire.subnet import SUBNET
from netsched.wire.subnetpool import SUBNETPOOL

REFERENCE = Path(__file__).with_name("reference")
OURS = ("netsched-scheduling",)
DEFINITIONS: dict[str, Definition] = {
    one.plural: one
    for one in (
        *(NETWORK, SUBNET, SUBNETPOOL, PORT, ROUTER, FLOATINGIP, AGENT),
        *(SECURITY_GROUP, SECURITY_GROUP_RULE),
    )
}
# On every resource with standard attributes, by the alias that brings it: (POST, PUT).
STANDARD = {
    "description": ("standard-attr-description", True, True),
    "created_at": ("standard-attr-timestamp", False, False),
    "updated_at": ("standard-attr-timestamp", False, False),
    "revision_number": ("standard-attr-revisions", False, False),
    "project_id": ("project-id", True, False),
}
# (POST, PUT) where it is not as in the table, and why.
OTHERWISE = {
    ("networks", "mtu"): (True, True),  # the table shows net-mtu alone; by net-mtu-writable it is both
    # Refused either way (400): a network keeps the segment that it was made with.
    ("networks", "provider:network_type"): (True, False),
    ("networks", "provider:physical_network"): (True, False),
    ("networks", "provider:segmentation_id"): (True, False),
    ("floatingips", "router_id"): (False, False),  # floating-ip-router-writable is not listed
    ("ports", "mac_address"): (True, True),
}


def rows(name: str) -> list[list[str]]:
    lines = (REFERENCE / name).read_text().splitlines()
    return [[cell.strip() for cell in line.split("|")] for line in lines if not line.startswith("#")]


def test_extensions_have_the_incumbents_names_and_dates() -> None:
    known = {alias: (name, updated) for alias, name, updated in rows("aliases.txt")}
    listed = {a: (e["name"], e["updated"]) for a, e in extension.EXTENSIONS.items() if a not in OURS}
    # This name goes on with the resources that have tags, and the incumbent has some more of those.
    assert listed.pop("standard-attr-tag")[0].startswith("Tag support for resources with standard attribute: port, ")
    assert listed == {alias: known[alias] for alias in listed}


def expected() -> list[Any]:
    found = []
    for collection, attribute, aliases, post, put in rows("attributes.txt"):
        if collection in DEFINITIONS and any(a == "core" or a in extension.EXTENSIONS for a in aliases.split(", ")):
            name = attribute.removesuffix(" (not visible)")
            usual = (post != "-", put != "-")
            if name == attribute or any(usual):  # neither shown nor taken: only the incumbent's own code knows it
                found.append((collection, name, *OTHERWISE.get((collection, name), usual)))
    for collection, definition in DEFINITIONS.items():
        for name, (alias, post, put) in STANDARD.items():
            if alias in extension.EXTENSIONS and definition is not AGENT:
                found.append((collection, name, post, put))
    return found


@pytest.mark.parametrize(("collection", "name", "post", "put"), expected())
def test_attribute_may_be_used_as_the_incumbents(collection: str, name: str, post: bool, put: bool) -> None:
    definition = DEFINITIONS[collection]
    assert name in definition.attributes
    attr = definition.attributes[name].attr
    assert (attr.post, attr.put) == (post, put)


def test_required_are_the_same() -> None:
    for collection, name, aliases, post, _ in rows("attributes.txt"):
        if collection in DEFINITIONS and "core" in aliases.split(", ") and name != "tenant_id":
            attribute = DEFINITIONS[collection].attributes.get(name)
            assert (attribute is not None and attribute.attr.required) == (post == "req"), (collection, name)
