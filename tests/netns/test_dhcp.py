"""Addresses and what goes with them, from a real dnsmasq to real clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netsched import errors
from tests.fakes.content import NETWORK, NetworkContent, option
from tests.netns.hosts import Node, node, wait_for


@pytest.fixture
def node1() -> Iterator[Node]:
    with node("node1", lease_time=600) as made:
        yield made


def ipv4() -> NetworkContent:
    content = NetworkContent(mtu=1400)
    content.subnet(1, "10.0.0.0/24", host_routes=[{"destination": "192.168.9.0/24", "nexthop": "10.0.0.9"}])
    content.dhcp_port(2, "node1", "10.0.0.2")
    content.port(5, "10.0.0.50")
    return content


def test_udhcpc_gets_the_reserved_address_and_all_that_belongs_to_it(node1: Node) -> None:
    assert node1.want(ipv4()) is None
    lease = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05").udhcpc()
    assert lease["ip"] == "10.0.0.50" and lease["mask"] == "24"
    assert lease["router"] == "10.0.0.1"
    assert lease["dns"] == "10.0.0.2", "the DHCP port answers names when the subnet names no servers"
    assert lease["mtu"] == "1400"
    assert lease["domain"] == "openstacklocal" and lease["hostname"] == "host-10-0-0-50"
    assert lease["lease"] == "600"
    assert lease["staticroutes"] == "192.168.9.0/24 10.0.0.9 0.0.0.0/0 10.0.0.1"


def test_dhclient_and_dhcpcd_get_it_too(node1: Node) -> None:
    node1.want(ipv4())
    client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    said = client.dhclient()
    assert "fixed-address 10.0.0.50;" in said and "option routers 10.0.0.1;" in said
    assert "inet 10.0.0.50/24" in client.dhcpcd(), "another client on the same port: its other client id is no obstacle"


def test_a_machine_without_a_port_gets_nothing(node1: Node) -> None:
    node1.want(ipv4())
    with pytest.raises(errors.Unavailable, match="no lease"):
        node1.client("vm1", NETWORK, "fa:16:3e:00:00:77").udhcpc()


def test_options_of_subnet_and_port(node1: Node) -> None:
    content = ipv4()
    content.subnet(1, "10.0.0.0/24", gateway_ip=None, dns_nameservers=["9.9.9.9", "8.8.8.8"])
    content.port(5, "10.0.0.50", options=[option("ntp-server", "10.0.0.77"), option("bootfile-name", "boot me.0")])
    content.port(6, "10.0.0.60")
    node1.want(content)
    lease = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05").udhcpc("bootfile")
    assert lease["dns"] == "9.9.9.9 8.8.8.8"
    assert "router" not in lease and "staticroutes" not in lease
    assert lease["ntpsrv"] == "10.0.0.77" and lease["bootfile"] == "boot me.0"
    other = node1.client("vm2", NETWORK, "fa:16:3e:00:00:06").udhcpc()
    assert other["ip"] == "10.0.0.60" and "ntpsrv" not in other


def test_names_are_answered_and_the_rest_is_forwarded() -> None:
    with node("node1", dns_servers=["10.0.0.50"]) as node1:
        content = ipv4()
        node1.want(content)
        client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
        client.udhcpc()
        assert client.resolve("host-10-0-0-50.openstacklocal", "10.0.0.2") == ["10.0.0.50"]
        assert client.resolve("host-10-0-0-50", "10.0.0.2") == ["10.0.0.50"]
        assert client.resolve("50.0.0.10.in-addr.arpa", "10.0.0.2", "PTR") == ["host-10-0-0-50.openstacklocal."]
        assert client.resolve("host-10-0-0-9.openstacklocal", "10.0.0.2") == []
        upstream = "dnsmasq --conf-file=/dev/null --no-hosts --no-resolv --host-record=elsewhere.example,192.0.2.1"
        client.run(f"{upstream} --pid-file --listen-address=10.0.0.50 --bind-interfaces")
        assert client.resolve("elsewhere.example", "10.0.0.2") == ["192.0.2.1"]


def test_a_port_is_known_by_its_own_name_to_itself_and_to_others(node1: Node) -> None:
    content = ipv4()
    content.network["dns_domain"] = "example.org."
    content.port(5, "10.0.0.50", dns_name="web")
    node1.want(content)
    pid = node1.dnsmasq_pid(NETWORK)
    client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    assert client.udhcpc()["hostname"] == "web"
    for name in ("web", "web.openstacklocal", "web.example.org"):
        assert client.resolve(name, "10.0.0.2") == ["10.0.0.50"]
    assert client.resolve("50.0.0.10.in-addr.arpa", "10.0.0.2", "PTR") == ["web.openstacklocal."]
    assert client.resolve("host-10-0-0-50", "10.0.0.2") == []
    content.port(5, "10.0.0.50", dns_name="db.openstacklocal.")
    node1.want(content)
    assert client.resolve("db", "10.0.0.2") == ["10.0.0.50"] and client.resolve("web", "10.0.0.2") == []
    content.port(6, "10.0.0.60", dns_name="db")
    node1.want(content)
    assert sorted(client.resolve("db", "10.0.0.2")) == ["10.0.0.50", "10.0.0.60"]
    assert node1.client("vm2", NETWORK, "fa:16:3e:00:00:06").udhcpc()["ip"] == "10.0.0.60"
    content.port(5, "10.0.0.50", dns_name="no name\naddress=/#/192.0.2.1")
    node1.want(content)
    assert client.resolve("host-10-0-0-50", "10.0.0.2") == ["10.0.0.50"]
    assert node1.dnsmasq_pid(NETWORK) == pid


def test_a_change_is_served_at_the_next_request_by_the_same_process(node1: Node) -> None:
    content = ipv4()
    node1.want(content)
    pid = node1.dnsmasq_pid(NETWORK)
    client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    assert client.udhcpc()["ip"] == "10.0.0.50"
    content.port(5, "10.0.0.51")
    content.port(6, "10.0.0.50")
    node1.want(content)
    assert client.udhcpc()["ip"] == "10.0.0.51"
    assert node1.client("vm2", NETWORK, "fa:16:3e:00:00:06").udhcpc()["ip"] == "10.0.0.50"
    assert client.resolve("host-10-0-0-51", "10.0.0.2") == ["10.0.0.51"]
    assert node1.dnsmasq_pid(NETWORK) == pid


def test_the_lease_of_a_deleted_port_is_released(node1: Node) -> None:
    content = ipv4()
    content.port(6, "10.0.0.60")
    node1.want(content)
    node1.client("vm1", NETWORK, "fa:16:3e:00:00:05").udhcpc()
    node1.client("vm2", NETWORK, "fa:16:3e:00:00:06").dhclient()
    assert "10.0.0.50" in node1.leases(NETWORK) and "10.0.0.60" in node1.leases(NETWORK)
    content.without_port(6)
    node1.want(content)
    # dnsmasq empties its file before it writes it anew, so one look proves nothing.
    wait_for(lambda: "10.0.0.50" in node1.leases(NETWORK) and "10.0.0.60" not in node1.leases(NETWORK), 2)


def test_a_changed_port_option_reaches_the_client_and_keeps_leases(node1: Node) -> None:
    content = ipv4()
    node1.want(content)
    client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    client.udhcpc()
    content.port(5, "10.0.0.50", options=[option("ntp-server", "10.0.0.77")])
    node1.want(content)
    assert "10.0.0.50" in node1.leases(NETWORK)
    assert client.udhcpc()["ntpsrv"] == "10.0.0.77"
    content.port(5, "10.0.0.50", options=[option("ntp-server", "10.0.0.78")])
    node1.want(content)
    assert client.udhcpc()["ntpsrv"] == "10.0.0.78"


def test_subnets_and_mtu_change_under_running_clients(node1: Node) -> None:
    content = ipv4()
    node1.want(content)
    content.network["mtu"] = 1300
    content.subnet(2, "10.0.1.0/24")
    content.dhcp_port(2, "node1", "10.0.0.2", "10.0.1.2")
    content.port(6, "10.0.1.60")
    assert node1.want(content) is None
    lease = node1.client("vm2", NETWORK, "fa:16:3e:00:00:06").udhcpc()
    assert lease["ip"] == "10.0.1.60" and lease["mtu"] == "1300" and lease["router"] == "10.0.1.1"
    assert lease["staticroutes"] == "10.0.0.0/24 0.0.0.0 0.0.0.0/0 10.0.1.1"
    inside = node1.run("ip", "-n", f"qdhcp-{NETWORK}", "addr")
    assert "10.0.0.2/24" in inside and "10.0.1.2/24" in inside and "mtu 1300" in inside


def test_hostile_text_harms_nobody_else(node1: Node) -> None:
    """What slipped past the API reaches no file; what dnsmasq refuses by itself stops nothing."""
    content = ipv4()
    hostile = [
        option("ntp-server", "10.0.0.77\ntag:!x,option:ntp-server,6.6.6.6"),
        option("ntp-server\noption:ntp-server,6.6.6.6", "x"),
        option("bootfile-name", "a" * 995 + "\noption:ntp-server,6.6.6.6"),
        option("bootfile-name", "a" * 1024 + "option:ntp-server,6.6.6.6"),
        option("no-such-option", "value"),
        option("ntp-server", "not an address"),
        option("mtu", "99999999999"),
        option("classless-static-route", "rubbish,,,"),
        option("router", "tag:other,6.6.6.6"),
    ]
    content.port(6, "10.0.0.60", options=hostile)
    assert node1.want(content) is None
    lease = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05").udhcpc()
    assert lease["ip"] == "10.0.0.50" and lease["router"] == "10.0.0.1" and "ntpsrv" not in lease
    content.port(6, "10.0.0.60", options=[*hostile, option("bootfile-name", "x")])
    assert node1.want(content) is None
    assert node1.client("vm2", NETWORK, "fa:16:3e:00:00:06").udhcpc()["ip"] == "10.0.0.60"
