"""Which connections end when something that was allowed ceases to be, and when that is found out."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from netsched.agents.kernel.flow import Flow
from netsched.agents.l2.audit import PATIENCE, Audit, Judge, View, judge
from netsched.agents.l2.filtering import Filtered, filtered_of
from netsched.agents.l2.group import Group, rule_of
from tests.fakes.clock import FakeClock
from tests.fakes.content import NETWORK, NetworkContent, uuid

WEB, OUT = uuid(1, 7), uuid(2, 7)
HTTP = rule_of({"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 80})
LEAVE = rule_of({"direction": "egress", "ethertype": "IPv4"})


def filtered(number: int, *groups: str, pairs: tuple[str, ...] = ()) -> Filtered:
    made = NetworkContent()
    made.subnet(1, "10.0.0.0/24")
    given = [{"ip_address": one} for one in pairs]
    port = made.port(number, f"10.0.0.{number}", security_groups=list(groups), allowed_address_pairs=given)
    found = filtered_of(port)
    assert found is not None
    return found


def flow(source: str, destination: str, port: int = 80) -> Flow:
    return Flow(ipaddress.ip_address(source), ipaddress.ip_address(destination), 6, port, port)


VIEW = View({WEB: Group(True, (HTTP,)), OUT: Group(True, (LEAVE,))}, {})
INWARD, OUTWARD = flow("192.0.2.1", "10.0.0.1"), flow("10.0.0.1", "192.0.2.1", 443)


def test_each_end_that_is_a_port_here_has_to_allow_it() -> None:
    gone = judge([filtered(1, WEB), filtered(2, OUT)], VIEW)
    assert not gone(INWARD) and gone(OUTWARD) and gone(flow("192.0.2.1", "10.0.0.1", 81))
    assert not gone(flow("10.0.0.2", "10.0.0.1")) and gone(flow("10.0.0.1", "10.0.0.2"))
    assert not gone(flow("192.0.2.1", "192.0.2.2", 81)), "nobody's here"
    both = judge([filtered(1, WEB, OUT)], VIEW)
    assert not both(INWARD) and not both(OUTWARD)
    assert judge([filtered(1)], VIEW)(INWARD), "in no group"
    stateless = View({WEB: Group(False, ())}, {})
    assert not judge([filtered(1, WEB)], stateless)(INWARD), "no packet of it passes by its state"


def test_addresses_that_a_port_may_have_besides_its_own() -> None:
    gone = judge([filtered(1, WEB), filtered(2, pairs=("10.0.0.1", "192.0.2.0/24"))], VIEW)
    assert not gone(flow("198.51.100.1", "10.0.0.1")), "one of two that have the address allows it"
    assert gone(flow("192.0.2.9", "198.51.100.1"))
    assert not judge([filtered(2, pairs=("0.0.0.0/0",))], VIEW)(flow("198.51.100.1", "198.51.100.2"))


class Cutter:
    def __init__(self) -> None:
        self.zones: list[int] = []

    def __call__(self, judges: Mapping[int, Judge]) -> int:
        self.zones += judges
        return len(judges)


def test_a_network_is_looked_at_when_its_groups_are_known_and_after_a_while_in_any_case() -> None:
    clock, cutter = FakeClock(), Cutter()
    audit = Audit(clock, cutter)
    ports = (filtered(1, WEB),)
    audit.network(NETWORK, 7, ports, narrowed=True)
    assert audit.run() == 0 and audit.networks_of(WEB) == [NETWORK] and audit.networks_of(OUT) == []
    audit.view.groups[WEB] = VIEW.groups[WEB]
    assert audit.run() == 1 and audit.run() == 0 and cutter.zones == [7]
    audit.network(NETWORK, 7, ports, narrowed=False)
    audit.narrowed(lambda id_: id_ == OUT)
    assert audit.run() == 0
    audit.narrowed(lambda id_: id_ == WEB)
    assert audit.run() == 1
    audit.network(uuid(9), 8, (filtered(2, OUT),), narrowed=False)  # new to this agent, not to the kernel
    assert audit.run() == 0
    clock.advance(PATIENCE)
    assert audit.run() == 1 and cutter.zones == [7, 7, 8]
    audit.narrowed(lambda id_: True)
    audit.forget(NETWORK)
    audit.forget(uuid(9))
    assert audit.run() == 0
