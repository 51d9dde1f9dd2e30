"""What is derived from a definition: bodies, defaults, errors that name the field, answers."""

from __future__ import annotations

from typing import Any

import pytest

from netsched import errors
from netsched.wire.agent import AGENT
from netsched.wire.network import NETWORK
from netsched.wire.port import PORT
from netsched.wire.resource import Definition
from netsched.wire.subnet import SUBNET

ID = "c0ffee00-0000-4000-8000-000000000000"
SUBNET_BODY = {"network_id": ID, "ip_version": "4", "cidr": "192.0.2.0/24"}


def test_post_fills_defaults_and_leaves_the_rest_absent() -> None:
    assert NETWORK.parse_post({"name": "n"}) == {
        "name": "n",
        "description": "",
        "admin_state_up": True,
        "shared": False,
        "availability_zone_hints": [],
        "router:external": False,
        "is_default": False,
        "port_security_enabled": True,
        "provider:network_type": None,
        "provider:physical_network": None,
        "provider:segmentation_id": None,
        "dns_domain": "",
        "tags": [],
    }
    made = SUBNET.parse_post(SUBNET_BODY)
    assert made["ip_version"] == 4
    assert "gateway_ip" not in made
    assert "allocation_pools" not in made


def test_null_is_not_absence() -> None:
    assert SUBNET.parse_post({**SUBNET_BODY, "gateway_ip": None})["gateway_ip"] is None


def test_defaults_are_not_shared() -> None:
    NETWORK.parse_post({})["availability_zone_hints"].append("x")
    assert NETWORK.parse_post({})["availability_zone_hints"] == []


def test_put_holds_what_was_given() -> None:
    assert PORT.parse_put({"admin_state_up": "false", "binding:host_id": "h"}) == {
        "admin_state_up": False,
        "binding:host_id": "h",
    }
    assert PORT.parse_put({}) == {}


BAD_POSTS: list[tuple[Definition, Any, str, str]] = [
    (NETWORK, {"x": 1}, "HTTPBadRequest", "Unrecognized attribute(s) 'x'"),
    (NETWORK, {"id": ID}, "HTTPBadRequest", "Attribute 'id' not allowed in POST"),
    (NETWORK, [], "HTTPBadRequest", "Unable to find 'network' in request body"),
    (NETWORK, {"name": 1}, "HTTPBadRequest", "Invalid input for name. Reason: 1 is not a valid string."),
    (
        NETWORK,
        {"availability_zone_hints": ["a", "b\n"]},
        "HTTPBadRequest",
        "Invalid input for availability_zone_hints[1].",
    ),
    (
        SUBNET,
        {"cidr": "192.0.2.0/24", "ip_version": 4},
        "HTTPBadRequest",
        "Failed to parse request. Required attribute 'network_id' not specified",
    ),
    (SUBNET, {**SUBNET_BODY, "cidr": "192.0.2.0"}, "HTTPBadRequest", "Invalid input for cidr."),
    (
        SUBNET,
        {**SUBNET_BODY, "dns_nameservers": ["8.8.8.8\nx"]},
        "HTTPBadRequest",
        "Invalid input for dns_nameservers[0].",
    ),
    (
        SUBNET,
        {**SUBNET_BODY, "dns_nameservers": ["::1", "0::1"]},
        "HTTPBadRequest",
        "Invalid input for dns_nameservers.",
    ),
    (
        SUBNET,
        {**SUBNET_BODY, "host_routes": [{"destination": "192.0.2.0/24", "nexthop": "x"}]},
        "HTTPBadRequest",
        "Invalid input for host_routes[0].nexthop.",
    ),
    (
        SUBNET,
        {**SUBNET_BODY, "allocation_pools": [{"start": "192.0.2.2"}]},
        "HTTPBadRequest",
        "allocation_pools[0].end",
    ),
    (
        SUBNET,
        {**SUBNET_BODY, "allocation_pools": [{"start": "192.0.2.2", "end": "192.0.2.9", "x": 1}]},
        "HTTPBadRequest",
        "Unrecognized attribute(s) 'allocation_pools[0].x'",
    ),
    (PORT, {"network_id": ID, "fixed_ips": [{}]}, "HTTPBadRequest", "Invalid input for fixed_ips[0]."),
    (PORT, {"network_id": ID, "fixed_ips": None}, "HTTPBadRequest", "Invalid input for fixed_ips."),
    (PORT, {"network_id": ID, "mac_address": "00:00:00:00:00:00"}, "HTTPBadRequest", "Invalid input for mac_address."),
    (PORT, {"network_id": ID, "binding:host_id": "a b"}, "HTTPBadRequest", "Invalid input for binding:host_id."),
]


@pytest.mark.parametrize(("definition", "body", "kind", "message"), BAD_POSTS)
def test_refused_post_names_the_field(definition: Definition, body: Any, kind: str, message: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        definition.parse_post(body)
    assert refused.value.type == kind
    assert message in str(refused.value)


def test_refused_put_names_the_attribute() -> None:
    with pytest.raises(errors.HTTPBadRequest, match="Cannot update read-only attribute host"):
        AGENT.parse_put({"host": "x"})


OPTION = {"opt_name": "bootfile-name", "opt_value": "pxelinux.0"}
BAD_OPTIONS = [
    {**OPTION, "opt_name": "bootfile-name,x"},
    {**OPTION, "opt_name": "bootfile name"},
    {**OPTION, "opt_name": ""},
    {**OPTION, "opt_name": "a\nb"},
    {**OPTION, "opt_value": "x\ndhcp-script=/bin/sh"},
    {**OPTION, "opt_value": "x\ry"},
    {**OPTION, "opt_value": "x\x00y"},
    {**OPTION, "opt_value": "é"},
    {**OPTION, "opt_value": 1},
    {**OPTION, "opt_value": "x" * 256},
    {**OPTION, "ip_version": 5},
    {"opt_name": "a"},
    {**OPTION, "tag": "x"},
]


@pytest.mark.parametrize("option", BAD_OPTIONS)
def test_dhcp_options_cannot_leave_their_line(option: dict[str, Any]) -> None:
    with pytest.raises(errors.Invalid, match="extra_dhcp_opts"):
        PORT.parse_post({"network_id": ID, "extra_dhcp_opts": [option]})


def test_dhcp_options_get_their_ip_version_and_are_distinct() -> None:
    assert PORT.parse_post({"network_id": ID, "extra_dhcp_opts": [OPTION]})["extra_dhcp_opts"] == [
        {**OPTION, "ip_version": 4}
    ]
    assert PORT.parse_post({"network_id": ID, "extra_dhcp_opts": None})["extra_dhcp_opts"] == []
    with pytest.raises(errors.Invalid, match="given twice"):
        PORT.parse_post({"network_id": ID, "extra_dhcp_opts": [OPTION, OPTION]})


def test_show_keeps_the_definition_order_and_hides() -> None:
    object_ = {"status": "ACTIVE", "id": ID, "name": "n", "subnet_changes": 3}
    assert list(NETWORK.show(object_, (), ())) == ["id", "name", "status"]
    assert NETWORK.show(object_, ("name", "nonsense"), ()) == {"name": "n"}
    assert NETWORK.show(object_, (), ("status",)) == {"id": ID, "name": "n"}


def test_filters_are_typed_and_lenient_where_clients_guess() -> None:
    assert NETWORK.filter_value("shared", "True") is True
    assert NETWORK.filter_value("mtu", "1450") == 1450
    assert NETWORK.filter_value("id", "a-name") == "a-name"
    assert PORT.filter_value("mac_address", "FA:16:3E:00:00:01") == "fa:16:3e:00:00:01"
    assert PORT.filter_value("fixed_ips", "ip_address=192.0.2.1") == "ip_address=192.0.2.1"
    with pytest.raises(errors.InvalidAttribute, match="shared"):
        NETWORK.filter_value("shared", "perhaps")


def test_guarded_values() -> None:
    shared = NETWORK.attributes["shared"]
    assert not shared.is_guarded(False, on_post=True)
    assert shared.is_guarded(True, on_post=True)
    assert shared.is_guarded(False, on_post=False)
    owner = PORT.attributes["device_owner"]
    assert owner.is_guarded("network:dhcp", on_post=True)
    assert not owner.is_guarded("compute:nova", on_post=False)
