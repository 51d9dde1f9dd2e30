"""Names of ports, networks and floating IPs as clients give and see them; and the MAC that is made up anew."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.ground import ADMIN, TENANT, Api


@pytest.fixture
def network(api: Api) -> str:
    made = api.make("network", {"dns_domain": "Example.org."}, TENANT)
    assert made["dns_domain"] == "example.org."
    for cidr, version in (("10.0.0.0/24", 4), ("fd00::/64", 6)):
        api.make("subnet", {"network_id": made["id"], "ip_version": version, "cidr": cidr}, TENANT)
    return str(made["id"])


def named(hostname: str, address: str) -> dict[str, str]:
    return {"ip_address": address, "hostname": hostname, "fqdn": f"{hostname}.openstacklocal."}


def test_a_port_is_called_as_it_was_named(api: Api, network: str) -> None:
    plain = api.make("port", {"network_id": network}, TENANT)
    assert plain["dns_name"] == ""
    addresses = [ip["ip_address"] for ip in plain["fixed_ips"]]
    names = [f"host-{address.replace('.', '-').replace(':', '-')}" for address in addresses]
    assert plain["dns_assignment"] == [named(*pair) for pair in zip(names, addresses, strict=True)]
    path = f"/v2.0/ports/{plain['id']}"
    for name, hostname in (("Web", "web"), ("a.b", "a.b"), ("db.openstacklocal.", "db")):
        changed = api.ask("PUT", path, {"port": {"dns_name": name}}, TENANT).json["port"]
        assert changed["dns_name"] == name.lower()
        assert changed["dns_assignment"] == [named(hostname, address) for address in addresses]
        assert api.ask("GET", path, headers=TENANT).json["port"] == changed
    listed = api.ask("GET", "/v2.0/ports?dns_name=db.openstacklocal.", headers=TENANT).json["ports"]
    assert listed == [changed]
    again = api.ask("PUT", path, {"port": {"dns_name": None}}, TENANT).json["port"]
    assert (again["dns_name"], again["dns_assignment"]) == ("", plain["dns_assignment"])


@pytest.mark.parametrize("name", ["-a", "a-", "a..b", "a_b", "a b", "x" * 64, ".", "a.1", "web.example.org.", 1])
def test_what_is_no_name_is_refused(api: Api, network: str, name: Any) -> None:
    for method, path, body in (("POST", "", {"network_id": network}), ("PUT", None, {})):
        if path is None:
            path = f"/{api.make('port', {'network_id': network}, TENANT)['id']}"
        answer = api.ask(method, f"/v2.0/ports{path}", {"port": {**body, "dns_name": name}}, TENANT)
        assert answer.status_int == 400, answer.text


def test_a_domain_ends_with_a_dot(api: Api, network: str) -> None:
    refused = api.ask("PUT", f"/v2.0/networks/{network}", {"network": {"dns_domain": "example.org"}}, TENANT)
    assert refused.status_int == 400
    assert "'example.org' is not a FQDN" in refused.json["NeutronError"]["message"]
    changed = api.ask("PUT", f"/v2.0/networks/{network}", {"network": {"dns_domain": ""}}, TENANT).json["network"]
    assert changed["dns_domain"] == ""


def test_a_floating_ip_keeps_what_it_was_named(api: Api) -> None:
    outside = api.make("network", {"router:external": True})["id"]
    api.make("subnet", {"network_id": outside, "ip_version": 4, "cidr": "203.0.113.0/24"})
    body = {"floating_network_id": outside, "dns_name": "www", "dns_domain": "example.org."}
    made = api.make("floatingip", body, TENANT)
    assert (made["dns_name"], made["dns_domain"]) == ("www", "example.org.")
    assert api.ask("GET", f"/v2.0/floatingips/{made['id']}", headers=TENANT).json["floatingip"] == made
    full = api.ask("POST", "/v2.0/floatingips", {"floatingip": {**body, "dns_name": "www.example.org."}}, TENANT)
    assert full.status_int == 400 and "should be a relative domain name" in full.json["NeutronError"]["message"]


def test_a_mac_of_null_is_one_that_is_made_up(api: Api, network: str) -> None:
    port = api.make("port", {"network_id": network, "mac_address": None}, TENANT)
    assert port["mac_address"].startswith("fa:16:3e:")
    path = f"/v2.0/ports/{port['id']}"
    changed = api.ask("PUT", path, {"port": {"mac_address": None}}, ADMIN).json["port"]
    assert changed["mac_address"].startswith("fa:16:3e:") and changed["mac_address"] != port["mac_address"]
    assert api.ask("GET", path, headers=ADMIN).json["port"]["mac_address"] == changed["mac_address"]
    assert api.ask("PUT", path, {"port": {"mac_address": None}}, TENANT).status_int == 403


def test_the_addresses_of_a_routers_port_stay(api: Api, network: str) -> None:
    router = api.make("router", {}, TENANT)["id"]
    subnet = api.ask("GET", f"/v2.0/subnets?network_id={network}&ip_version=4", headers=TENANT).json["subnets"][0]["id"]
    added = api.ask("PUT", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet}, TENANT).json
    other = {"port": {"fixed_ips": [{"subnet_id": subnet, "ip_address": "10.0.0.99"}]}}
    refused = api.ask("PUT", f"/v2.0/ports/{added['port_id']}", other, TENANT)
    assert (refused.status_int, refused.json["NeutronError"]["type"]) == (409, "ServicePortInUse")
