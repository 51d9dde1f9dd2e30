"""Networks, subnets and ports by command."""

from __future__ import annotations

import pytest

from tests.cli.deployment import Deployment


@pytest.fixture
def web(deployment: Deployment) -> Deployment:
    """With a network `web` and its subnet `web-v4`."""
    assert deployment.run("network", "create", "web").code == 0
    created = deployment.run("subnet", "create", "web-v4", "--network", "web", "--subnet-range", "10.1.0.0/24")
    assert created.code == 0, created.err
    return deployment


def test_network_from_creation_to_deletion(deployment: Deployment) -> None:
    made = deployment.run(
        *("network", "create", "web", "--description", "shop", "--share", "--project", "p1", "-f", "json"),
        *("--availability-zone-hint", "z1", "--availability-zone-hint", "z2"),
    ).json
    assert (made["name"], made["shared"], made["project_id"]) == ("web", True, "p1")
    assert made["availability_zone_hints"] == ["z1", "z2"]
    assert deployment.run("network", "set", "web", "--name", "www", "--disable").code == 0
    shown = deployment.run("network", "show", made["id"], "-f", "json").json
    assert (shown["name"], shown["admin_state_up"]) == ("www", False)
    assert deployment.run("network", "list", "--long", "-f", "json").json[0]["State"] is False
    assert deployment.run("network", "list", "--enable", "-f", "json").json == []
    assert deployment.run("network", "delete", "www").code == 0
    assert deployment.run("network", "list", "-f", "json").json == []


def test_subnet_with_all_its_options(web: Deployment) -> None:
    made = web.run(
        *("subnet", "create", "more", "--network", "web", "--subnet-range", "10.2.0.0/24", "--gateway", "none"),
        *("--allocation-pool", "start=10.2.0.10,end=10.2.0.19", "--dns-nameserver", "10.2.0.2", "--no-dhcp"),
        *("--host-route", "destination=10.9.0.0/16,gateway=10.2.0.3", "-f", "json"),
    ).json
    assert made["gateway_ip"] is None and made["enable_dhcp"] is False
    assert made["allocation_pools"] == [{"start": "10.2.0.10", "end": "10.2.0.19"}]
    assert made["host_routes"] == [{"destination": "10.9.0.0/16", "nexthop": "10.2.0.3"}]
    assert web.run("subnet", "set", "more", "--dhcp", "--no-dns-nameservers", "--no-host-routes").code == 0
    shown = web.run("subnet", "show", "more", "-f", "json").json
    assert (shown["enable_dhcp"], shown["dns_nameservers"], shown["host_routes"]) == (True, [], [])
    assert len(web.run("subnet", "list", "--network", "web", "-f", "json").json) == 2
    assert web.run("subnet", "delete", "more").code == 0


def test_subnet_of_version_6(web: Deployment) -> None:
    made = web.run(
        *("subnet", "create", "web-v6", "--network", "web", "--subnet-range", "fd01::/64", "-f", "json"),
        *("--ipv6-ra-mode", "slaac", "--ipv6-address-mode", "slaac"),
    ).json
    assert (made["ip_version"], made["ipv6_address_mode"]) == (6, "slaac")
    assert [one["Name"] for one in web.run("subnet", "list", "--ip-version", "6", "-f", "json").json] == ["web-v6"]


def test_port_with_all_its_options(web: Deployment) -> None:
    made = web.run(
        *("port", "create", "vm-1", "--network", "web", "--fixed-ip", "subnet=web-v4,ip-address=10.1.0.50"),
        *("--extra-dhcp-option", "name=ntp-server,value=10.1.0.3,10.1.0.4", "--mac-address", "fa:16:3e:11:22:33"),
        *("--device", "vm", "--device-owner", "compute:nova", "--host", "node-7", "--disable", "-f", "json"),
    ).json
    subnet = web.run("subnet", "show", "web-v4", "-f", "value", "-c", "id").out.strip()
    assert made["fixed_ips"] == [{"subnet_id": subnet, "ip_address": "10.1.0.50"}]
    assert made["extra_dhcp_opts"][0]["opt_value"] == "10.1.0.3,10.1.0.4"
    assert (made["binding:host_id"], made["admin_state_up"]) == ("node-7", False)
    assert web.run("port", "set", "vm-1", "--no-fixed-ip", "--name", "vm-2", "--enable").code == 0
    assert web.run("port", "show", "vm-2", "-f", "json").json["fixed_ips"] == []
    listed = web.run("port", "list", "--network", "web", "--host", "node-7", "-f", "json").json
    assert [one["Name"] for one in listed] == ["vm-2"]
    web.run("port", "set", "vm-2", "--fixed-ip", "ip-address=10.1.0.51")
    assert " 10.1.0.51 " in web.run("port", "list").out
    listed = web.run("port", "list", "--network", "web", "-f", "json").json
    assert listed[0]["Fixed IP addresses"] == [{"subnet_id": subnet, "ip_address": "10.1.0.51"}]
    assert web.run("port", "delete", "vm-2").code == 0


def test_a_port_gets_an_address_and_a_mac_by_itself(web: Deployment) -> None:
    made = web.run("port", "create", "vm-1", "--network", "web", "-f", "json").json
    assert len(made["mac_address"].split(":")) == 6 and len(made["fixed_ips"]) == 1


def test_delete_goes_on_after_a_failure_and_fails(deployment: Deployment) -> None:
    deployment.run("network", "create", "a")
    deployment.run("network", "create", "b")
    result = deployment.run("network", "delete", "a", "nonsense", "b")
    assert result.code == 1
    assert result.err == "There is no network with the id or name 'nonsense'. See: netsched network list\n"
    assert deployment.run("network", "list", "-f", "json").json == []


def test_a_name_that_several_have_is_refused_with_their_ids(deployment: Deployment) -> None:
    ids = {deployment.run("network", "create", "twin", "-f", "json").json["id"] for _ in range(2)}
    result = deployment.run("network", "show", "twin")
    assert result.code == 1 and result.err.startswith("Several networks have the name 'twin'. Use an id:")
    assert all(one in result.err for one in ids)


def test_what_the_api_refuses_is_told_in_its_words(web: Deployment) -> None:
    result = web.run("subnet", "create", "again", "--network", "web", "--subnet-range", "10.1.0.0/25")
    assert result.code == 1 and "overlap" in result.err
    web.run("port", "create", "vm", "--network", "web", "--device-owner", "compute:nova")
    result = web.run("network", "delete", "web")
    assert result.code == 1 and "ports still in use" in result.err


def test_set_without_a_change_says_so(web: Deployment) -> None:
    result = web.run("network", "set", "web")
    assert (result.code, result.err) == (1, "Nothing to change was given. See: netsched network set --help\n")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--fixed-ip", "10.1.0.1"),
        ("--fixed-ip", "ip=10.1.0.1"),
        ("--extra-dhcp-option", "name=ntp-server"),
    ],
)
def test_malformed_options_are_a_usage_error(deployment: Deployment, option: str, value: str) -> None:
    result = deployment.run("port", "create", "vm", "--network", "web", option, value)
    assert result.code == 2 and "=..." in result.err


def test_another_project_sees_only_its_own(web: Deployment) -> None:
    tenant = ("--os-project-id", "p2", "--os-roles", "member", "--os-username", "bob")
    assert web.run(*tenant, "network", "list", "-f", "json").json == []
    refused = web.run(*tenant, "status")
    assert refused.code == 1 and "--os-roles" in refused.err


def test_security_groups_and_their_rules(web: Deployment) -> None:
    run = web.run
    made = run("security", "group", "create", "shop", "--stateless", "--description", "front", "-f", "json").json
    assert (made["name"], made["stateful"], made["description"]) == ("shop", False, "front")
    assert run("port", "create", "vm", "--network", "web").code == 0  # makes the default group
    for options in (
        ("default", "--protocol", "icmp"),
        ("shop", "--protocol", "tcp", "--port", "8000:8080", "--remote-group", "default"),
        ("shop", "--egress", "--ipv6", "--protocol", "udp", "--port", "53", "--remote-ip", "fd00::/64"),
    ):
        created = run("security", "group", "rule", "create", *options)
        assert created.code == 0, created.err
    assert run("security", "group", "rule", "create", "shop", "--port", "http").code != 0
    (one,) = run(*("security", "group", "rule", "list", "--group", "shop", "--protocol", "tcp", "-f", "json")).json
    assert (one["Direction"], one["From port"], one["To port"]) == ("ingress", 8000, 8080)
    assert run("port", "set", "vm", "--security-group", "shop").code == 0
    assert run("port", "show", "vm", "-f", "json").json["security_groups"] == [made["id"]]
    assert run("security", "group", "delete", "shop").code != 0  # in use
    assert run("port", "set", "vm", "--no-security-group").code == 0
    assert run("security", "group", "rule", "delete", one["ID"]).code == 0
    rules = run("security", "group", "show", "shop", "-f", "json").json["security_group_rules"]
    assert one["ID"] not in str(rules) and "fd00::/64" in str(rules)
    assert run("security", "group", "delete", "shop").code == 0
    assert [group["Name"] for group in run("security", "group", "list", "-f", "json").json] == ["default"]
