"""Content of a network's scope -> what ought to be: tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from netsched import errors
from netsched.agents.dhcp import compute
from netsched.agents.dhcp.compute import DhcpDesired, Settings
from tests.fakes.content import NETWORK, NetworkContent, option, uuid

SETTINGS = Settings(dns_domain="example.org", dns_servers=("192.0.2.53",), lease_time=600)


def ipv4(**attributes: Any) -> NetworkContent:
    content = NetworkContent(mtu=1400)
    content.subnet(1, "10.0.0.0/24", **attributes)
    content.dhcp_port(2, "node1", "10.0.0.2")
    content.port(5, "10.0.0.50")
    return content


def desired(content: NetworkContent, settings: Settings = SETTINGS) -> DhcpDesired:
    found = compute.desired(content.network_id, content.content, "node1", settings)
    assert found is not None
    return found


def options(content: NetworkContent, number: int = 1) -> dict[str, str]:
    """Options of a subnet: name -> value."""
    prefix = f"tag:subnet-{uuid(number, 1)},"
    lines = dict(desired(content).files)["opts"].splitlines()
    own = [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
    return {line.partition(",")[0]: line.partition(",")[2] for line in own}


def test_the_plug_follows_the_dhcp_port() -> None:
    plug = desired(ipv4()).plug
    assert plug.namespace == f"qdhcp-{NETWORK}"
    assert plug.bridge == "brq11111111-11"
    assert (plug.outside, plug.inside) == ("tap00000002-00", "ns-00000002-00")
    assert plug.mac == "fa:16:3e:00:00:02"
    assert plug.mtu == 1400
    assert plug.addresses == {"10.0.0.2/24"}
    assert plug.gateways == {"10.0.0.1"}
    assert len(plug.outside) <= 15 and len(plug.bridge) <= 15


def test_files() -> None:
    files = dict(desired(ipv4()).files)
    assert files["hosts"] == "fa:16:3e:00:00:05,host-10-0-0-50,10.0.0.50\n"
    assert files["addn_hosts"].splitlines() == [
        "10.0.0.2 host-10-0-0-2.example.org host-10-0-0-2",
        "10.0.0.50 host-10-0-0-50.example.org host-10-0-0-50",
    ]
    assert desired(ipv4()).reservations == {("fa:16:3e:00:00:05", "10.0.0.50")}


def test_arguments() -> None:
    arguments = desired(ipv4()).arguments
    assert f"--dhcp-range=set:subnet-{uuid(1, 1)},10.0.0.0,static,255.255.255.0,600s" in arguments
    assert "--domain=example.org" in arguments and "--local=/example.org/" in arguments
    assert "--server=192.0.2.53" in arguments
    assert "--dhcp-option-force=option:mtu,1400" in arguments
    assert "--dhcp-lease-max=256" in arguments
    assert "--enable-ra" not in arguments


def test_endless_leases() -> None:
    endless = desired(ipv4(), dataclasses.replace(SETTINGS, lease_time=-1))
    assert any(word.endswith(",infinite") for word in endless.arguments)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, {"option:dns-server": "10.0.0.2", "option:router": "10.0.0.1"}),
        ({"gateway_ip": None}, {"option:dns-server": "10.0.0.2", "option:router": ""}),
        ({"dns_nameservers": ["9.9.9.9", "8.8.8.8"]}, {"option:dns-server": "9.9.9.9,8.8.8.8"}),
        ({"dns_nameservers": ["0.0.0.0"]}, {"option:dns-server": ""}),
        (
            {"host_routes": [{"destination": "192.168.9.0/24", "nexthop": "10.0.0.9"}]},
            {
                "option:classless-static-route": "192.168.9.0/24,10.0.0.9,0.0.0.0/0,10.0.0.1",
                "option:router": "10.0.0.1",
            },
        ),
        (
            {"host_routes": [{"destination": "0.0.0.0/0", "nexthop": "10.0.0.9"}]},
            {"option:router": "10.0.0.9"},
        ),
        (
            {"gateway_ip": None, "host_routes": [{"destination": "192.168.9.0/24", "nexthop": "10.0.0.9"}]},
            {"option:classless-static-route": "192.168.9.0/24,10.0.0.9", "249": "192.168.9.0/24,10.0.0.9"},
        ),
    ],
)
def test_options_of_an_ipv4_subnet(attributes: dict[str, Any], expected: dict[str, str]) -> None:
    found = options(ipv4(**attributes))
    assert {name: found[name] for name in expected} == expected


def test_other_subnets_of_the_network_are_on_the_link() -> None:
    content = ipv4()
    content.subnet(2, "10.0.1.0/24", enable_dhcp=False)
    assert options(content)["option:classless-static-route"] == "10.0.1.0/24,0.0.0.0,0.0.0.0/0,10.0.0.1"


def test_replicas_are_resolvers_too_our_own_first() -> None:
    content = ipv4()
    content.dhcp_port(1, "node9", "10.0.0.9")
    assert options(content)["option:dns-server"] == "10.0.0.2,10.0.0.9"


@pytest.mark.parametrize(
    ("modes", "ranges", "advertises", "reserved"),
    [
        ((None, None), "static,64", False, True),
        (("dhcpv6-stateful", None), "static,64", False, True),
        (("dhcpv6-stateful", "dhcpv6-stateful"), "static,64", True, True),
        (("dhcpv6-stateless", None), "static,64", False, False),
        (("dhcpv6-stateless", "dhcpv6-stateless"), "ra-stateless,64", True, False),
        (("slaac", "slaac"), "ra-only,64", True, False),
        (("slaac", None), None, False, False),
    ],
)
def test_ipv6_modes(modes: tuple[str | None, str | None], ranges: str | None, advertises: bool, reserved: bool) -> None:
    content = NetworkContent()
    content.subnet(1, "fd00:1::/64", ipv6_address_mode=modes[0], ipv6_ra_mode=modes[1])
    content.dhcp_port(2, "node1", "fd00:1::2")
    content.port(5, "fd00:1::51")
    found = desired(content)
    expected = [f"--dhcp-range=set:subnet-{uuid(1, 1)},fd00:1::,{ranges},600s"] if ranges else []
    assert [word for word in found.arguments if word.startswith("--dhcp-range")] == expected
    assert any(word.startswith("--ra-param") and word.endswith(",0") for word in found.arguments) == advertises
    assert ("--enable-ra" in found.arguments) == (advertises and ranges == "static,64")
    hosts = "fa:16:3e:00:00:05,tag:dhcpv6,host-fd00-1--51,[fd00:1::51]\n"
    assert dict(found.files)["hosts"] == (hosts if reserved else "")
    assert options(content)["option6:dns-server"] == "[fd00:1::2]"


def test_tags_of_ports_never_stand_in_the_hosts_file() -> None:
    content = ipv4()
    content.port(5, "10.0.0.50", options=[option("ntp-server", "10.0.0.77"), option("23", "x", 6), option("150", "y")])
    found = desired(content)
    assert "set:" not in dict(found.files)["hosts"]
    assert f"--dhcp-mac=set:port-{uuid(5, 2)},fa:16:3e:00:00:05" in found.arguments
    own = [line for line in dict(found.files)["opts"].splitlines() if line.startswith("tag:port-")]
    assert [line.split(",", 1)[1] for line in own] == ["option:ntp-server,10.0.0.77", "option6:23,x", "150,y"]


def down(content: NetworkContent) -> None:
    content.network["admin_state_up"] = False


def no_network(content: NetworkContent) -> None:
    content.content["network"].clear()


def no_dhcp_port(content: NetworkContent) -> None:
    content.without_port(2)


def port_elsewhere(content: NetworkContent) -> None:
    content.dhcp_port(2, "node2", "10.0.0.2")


def no_dhcp_subnet(content: NetworkContent) -> None:
    content.subnet(1, "10.0.0.0/24", enable_dhcp=False)


def no_address(content: NetworkContent) -> None:
    content.dhcp_port(2, "node1")


@pytest.mark.parametrize("change", [down, no_network, no_dhcp_port, port_elsewhere, no_dhcp_subnet, no_address])
def test_nothing_to_serve_here(change: Any) -> None:
    content = ipv4()
    change(content)
    assert compute.desired(NETWORK, content.content, "node1", SETTINGS) is None


def test_a_prefix_that_dnsmasq_cannot_serve_does_not_stop_the_rest() -> None:
    content = ipv4()
    content.subnet(2, "fd00:1::/48")
    content.dhcp_port(2, "node1", "10.0.0.2", "fd00:1::2")
    found = desired(content)
    assert len(found.problems) == 1 and "fd00:1::/48" in found.problems[0]
    assert found.plug.addresses == {"10.0.0.2/24"}
    content.subnet(1, "10.0.0.0/24", enable_dhcp=False)
    with pytest.raises(errors.Invalid, match="fd00:1::/48"):
        desired(content)


def test_an_id_that_is_a_path_is_refused() -> None:
    with pytest.raises(errors.Invalid):
        compute.desired("../../etc", ipv4().content, "node1", SETTINGS)


def test_the_same_content_gives_the_same_value_in_any_order() -> None:
    content = ipv4()
    content.port(6, "10.0.0.60")
    other = ipv4()
    other.content["port"] = {}
    other.port(6, "10.0.0.60")
    other.port(5, "10.0.0.50")
    other.dhcp_port(2, "node1", "10.0.0.2")
    assert desired(content) == desired(other)


def ipv6(mode: str) -> NetworkContent:
    content = NetworkContent()
    content.subnet(1, "fd00:1::/64", ipv6_address_mode=mode, ipv6_ra_mode=mode)
    content.dhcp_port(2, "node1", "fd00:1::2")
    return content


@pytest.mark.parametrize("mode", ["slaac", "dhcpv6-stateless", "dhcpv6-stateful"])
def test_where_a_router_has_an_address_it_advertises_and_dhcp_does_not(mode: str) -> None:
    def advertises(content: NetworkContent) -> bool:
        said = " ".join(desired(content).arguments)
        return "--ra-param" in said and any(word in said for word in ("ra-only", "ra-stateless", "--enable-ra"))

    def serves(content: NetworkContent) -> bool:
        return any(word.startswith("--dhcp-range") for word in desired(content).arguments)

    alone = ipv6(mode)
    assert advertises(alone)
    with_router = ipv6(mode)
    with_router.port(9, "fd00:1::1", device_owner="network:router_interface", device_id="r")
    assert not advertises(with_router)
    assert serves(with_router) == (mode != "slaac"), "who wants DHCP still gets it"
    elsewhere = ipv6(mode)
    elsewhere.subnet(3, "fd00:3::/64")
    elsewhere.port(9, "fd00:3::1", device_owner="network:router_interface", device_id="r")
    assert advertises(elsewhere)
    down = ipv6(mode)
    down.port(9, "fd00:1::1", device_owner="network:router_interface", device_id="r", admin_state_up=False)
    assert advertises(down)
