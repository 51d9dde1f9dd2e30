"""IPv6: addresses by DHCP, by advertisement, and both; always with real clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.content import NETWORK, NetworkContent
from tests.netns.hosts import Client, Node, node, wait_for


@pytest.fixture
def node1() -> Iterator[Node]:
    with node("node1", lease_time=600) as made:
        yield made


def ipv6(address_mode: str | None, ra_mode: str | None) -> NetworkContent:
    content = NetworkContent(mtu=1400)
    content.subnet(1, "fd00:1::/64", ipv6_address_mode=address_mode, ipv6_ra_mode=ra_mode)
    content.dhcp_port(2, "node1", "fd00:1::2")
    content.port(5, "fd00:1::51")
    return content


def ready(client: Client) -> None:
    """Duplicate address detection of the client's link-local address takes a second or two."""
    wait_for(lambda: "tentative" not in client.run("ip -6 addr show eth0"), 5)


def test_a_reserved_address_by_dhcp(node1: Node) -> None:
    assert node1.want(ipv6("dhcpv6-stateful", None)) is None
    client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    ready(client)
    said = client.dhclient(6)
    assert "iaaddr fd00:1::51 {" in said
    assert "option dhcp6.name-servers fd00:1::2;" in said and 'dhcp6.domain-search "openstacklocal.";' in said


def test_another_client_gets_it_too(node1: Node) -> None:
    node1.want(ipv6("dhcpv6-stateful", None))
    client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    ready(client)
    assert "inet6 fd00:1::51/128" in client.dhcpcd(6)


def test_both_versions_on_one_network_and_names_for_both(node1: Node) -> None:
    content = ipv6("dhcpv6-stateful", None)
    content.subnet(2, "10.0.0.0/24")
    content.dhcp_port(2, "node1", "fd00:1::2", "10.0.0.2")
    content.port(5, "fd00:1::51", "10.0.0.51")
    node1.want(content)
    client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    ready(client)
    assert client.udhcpc()["ip"] == "10.0.0.51"
    assert "iaaddr fd00:1::51 {" in client.dhclient(6)
    assert client.resolve("host-fd00-1--51.openstacklocal", "10.0.0.2", "AAAA") == ["fd00:1::51"]
    # A changed reservation and SIGHUP, with leases of both kinds: dnsmasq lives and serves both.
    pid = node1.dnsmasq_pid(NETWORK)
    content.port(6, "fd00:1::61", "10.0.0.61")
    node1.want(content)
    assert client.udhcpc()["ip"] == "10.0.0.51"
    assert node1.dnsmasq_pid(NETWORK) == pid


def test_the_lease_of_a_deleted_port_is_released_for_the_next(node1: Node) -> None:
    content = ipv6("dhcpv6-stateful", None)
    node1.want(content)
    client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    ready(client)
    client.dhclient(6)
    assert "fd00:1::51" in node1.leases(NETWORK)
    content.without_port(5)
    content.port(6, "fd00:1::51")  # in the same step another port got its address
    node1.want(content)
    wait_for(lambda: "fd00:1::51" not in node1.leases(NETWORK), 2)
    other = node1.client("vm2", NETWORK, "fa:16:3e:00:00:06")
    ready(other)
    assert "iaaddr fd00:1::51 {" in other.dhclient(6)


@pytest.mark.parametrize("mode", ["slaac", "dhcpv6-stateless"])
def test_addresses_by_advertisement(node1: Node, mode: str) -> None:
    node1.want(ipv6(mode, mode))
    client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    wait_for(lambda: "fd00:1::f816:3eff:fe00:5/64" in client.run("ip -6 addr show eth0 scope global"), 8)
    routes = client.run("ip -6 route")
    assert "default" not in routes, "the DHCP namespace forwards nothing, so it must not be anyone's router"
    assert client.run("cat /proc/sys/net/ipv6/conf/eth0/mtu").strip() == "1400"


def test_stateful_with_advertisement_tells_clients_to_ask(node1: Node) -> None:
    node1.want(ipv6("dhcpv6-stateful", "dhcpv6-stateful"))
    client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    ready(client)
    assert "iaaddr fd00:1::51 {" in client.dhclient(6)
    wait_for(lambda: "fd00:1::/64" in client.run("ip -6 route"), 8)
    assert "fd00:1::f816:3eff:fe00:5" not in client.run("ip -6 addr"), "no address that is not the port's"
