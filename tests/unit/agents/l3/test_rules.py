"""Rules as text, and what is listed compared with what is wanted. What they do is shown in tests/netns."""

from __future__ import annotations

from typing import Any

from netsched.agents.l3 import compute, rules
from netsched.agents.l3.compute import Nat
from tests.fakes.router_content import RouterContent, two_networks


def nat(router: RouterContent) -> Nat:
    found = compute.desired(router.id, router.content, "node1")
    assert found is not None
    return found.nat


def listing(of: Nat) -> list[dict[str, Any]]:
    """nft's JSON of these rules, without what nobody reads."""
    items: list[dict[str, Any]] = [{"table": {"family": "ip", "name": "netsched"}}]
    for name, elements in rules.maps(of).items():
        shown = {"elem": [[key, value] for key, value in elements.items()]} if elements else {}
        items.append({"map": {"name": name, **shown}})
    for name, (type_, hook, priority, comments) in rules.wanted(of).chains.items():
        items.append({"chain": {"name": name, "type": type_, "hook": hook, "prio": priority}})
        items += [{"rule": {"chain": name, "comment": comment}} for comment in comments]
    return items


def test_nothing_to_change_when_all_is_listed() -> None:
    router = two_networks()
    router.floating(1, "203.0.113.20", "10.0.0.5")
    assert rules.change(nat(router), rules.read(listing(nat(router)))) == ""


def test_everything_where_nothing_is() -> None:
    router = two_networks()
    text = rules.change(nat(router), rules.read([]))
    assert text.startswith("add table ip netsched\ndelete table ip netsched\ntable ip netsched {\n")
    assert f"ct zone set {compute.zone(router.id)}" in text


def test_a_floating_ip_is_one_element_of_each_map() -> None:
    router = two_networks()
    before = rules.read(listing(nat(router)))
    router.floating(1, "203.0.113.20", "10.0.0.5")
    assert rules.change(nat(router), before).splitlines() == [
        "add element ip netsched fip_in { 203.0.113.20 : 10.0.0.5 }",
        "add element ip netsched fip_out { 10.0.0.5 : 203.0.113.20 }",
    ]


def test_one_that_moves_is_deleted_and_added_in_one_transaction() -> None:
    router = two_networks()
    floating = router.floating(1, "203.0.113.20", "10.0.0.5")
    before = rules.read(listing(nat(router)))
    floating["fixed_ip_address"] = "10.0.0.6"
    assert rules.change(nat(router), before).splitlines() == [
        "delete element ip netsched fip_in { 203.0.113.20 }",
        "add element ip netsched fip_in { 203.0.113.20 : 10.0.0.6 }",
        "delete element ip netsched fip_out { 10.0.0.5 }",
        "add element ip netsched fip_out { 10.0.0.6 : 203.0.113.20 }",
    ]
    assert rules.changed_addresses(nat(router), before) == {"203.0.113.20"}


def test_a_rule_too_many_too_few_or_out_of_order_has_all_replaced() -> None:
    wanted = nat(two_networks())
    whole = rules.change(wanted, rules.read([]))
    items = listing(wanted)
    positions = [i for i, item in enumerate(items) if item.get("rule", {}).get("chain") == "outward"]
    assert len(positions) > 2
    swapped = list(items)
    swapped[positions[0]], swapped[positions[1]] = items[positions[1]], items[positions[0]]
    fewer = [item for i, item in enumerate(items) if i != positions[-1]]
    more = [*items, {"rule": {"chain": "outward"}}]
    other_hook = [{"chain": {**i["chain"], "prio": 5}} if i.get("chain") else i for i in items]
    for wrong in (swapped, fewer, more, other_hook):
        assert rules.change(wanted, rules.read(wrong)) == whole


def test_only_what_leaves_by_the_gateway_gets_its_address() -> None:
    with_gateway = [
        rule for rule in rules.chains(nat(two_networks()))[-1].rules if rule.endswith("snat to 203.0.113.10")
    ]
    assert len(with_gateway) == 1 and with_gateway[0].startswith('oifname "qg-')
    router = two_networks()
    router.router["external_gateway_info"]["enable_snat"] = False
    assert not any("203.0.113.10" in rule for rule in rules.chains(nat(router))[-1].rules)


def test_what_comes_to_a_subnet_with_another_gateway_gets_the_address_on_the_link() -> None:
    router = RouterContent()
    router.network(1)
    router.subnet(1, 1, "10.0.0.0/24")
    router.interface(1, 1, "10.0.0.254")
    outward = rules.chains(nat(router))[-1].rules
    assert any(r.startswith("ct status dnat oifname") and r.endswith("snat to 10.0.0.254") for r in outward)
    own = rules.chains(nat(two_networks()))[-1].rules
    assert not any(r.startswith("ct status dnat oifname") for r in own)


def scoped(router: RouterContent, *addresses: str) -> RouterContent:
    """The router, the networks of these ports of its in one address scope."""
    for port in router.content["port"].values():
        if port["fixed_ips"][0]["ip_address"] in addresses:
            router.content["network"][port["network_id"]]["ipv4_address_scope"] = "one"
    return router


def test_without_address_scopes_and_in_a_single_one_nothing_is_held_back() -> None:
    assert {chain.hook for chain in rules.chains(nat(two_networks()))} == {"prerouting", "output", "postrouting"}
    all_in_one = nat(scoped(two_networks(), "10.0.0.1", "10.0.1.1", "203.0.113.10"))
    assert all_in_one.apart == () and set(all_in_one.unchanged) == {"10.0.0.0/24", "10.0.1.0/24"}


def test_what_leaves_its_address_scope_untranslated_is_dropped() -> None:
    found = nat(scoped(two_networks(), "10.0.0.1", "203.0.113.10"))
    assert found.unchanged == ("10.0.0.0/24",)
    between = rules.chains(found)[-1]
    assert (between.hook, between.rules[:2]) == ("forward", ("ct status dnat accept", "ct status snat accept"))
    one, other = sorted(found.apart, key=len, reverse=True)
    (alone,) = other
    first, second = sorted(one)
    assert set(between.rules[2:]) == {
        f'iifname {{ "{first}", "{second}" }} oifname {{ "{alone}" }} drop',
        f'iifname {{ "{alone}" }} oifname {{ "{next(link for link in one if link != found.gateway)}" }} drop',
    }
    router = scoped(two_networks(), "10.0.0.1", "203.0.113.10")
    router.router["external_gateway_info"]["enable_snat"] = False
    router.floating(1, "203.0.113.20", "10.0.1.5")
    assert (
        f'iifname {{ "{alone}" }} oifname "{found.gateway}" ip saddr != {{ 10.0.1.5 }} drop'
        in rules.chains(nat(router))[-1].rules
    )


def test_ipv6_is_held_back_between_scopes_and_never_translated() -> None:
    router = two_networks()
    ids = [router.subnet(19, 1, "fd00:1::/64")["id"], router.subnet(29, 2, "fd00:2::/64")["id"]]
    one, two = (p for p in router.content["port"].values() if p["fixed_ips"][0]["ip_address"].startswith("10.0."))
    for port, subnet_id, address in ((one, ids[0], "fd00:1::1"), (two, ids[1], "fd00:2::1")):
        port["fixed_ips"].append({"subnet_id": subnet_id, "ip_address": address})
    assert rules.chains6(nat(router)) == []
    router.content["network"][two["network_id"]]["ipv6_address_scope"] = "six"
    (chain,) = rules.chains6(nat(router))
    first, second = f"qr-{one['id'][:11]}", f"qr-{two['id'][:11]}"
    assert (chain.hook, set(chain.rules)) == (
        "forward",
        {
            f'iifname {{ "{first}" }} oifname {{ "{second}" }} drop',
            f'iifname {{ "{second}" }} oifname {{ "{first}" }} drop',
        },
    )
    assert "table ip6 netsched {" in rules.change(nat(router), rules.read([]))
    assert rules.change(nat(router), rules.read(listing(nat(router)))) == ""
