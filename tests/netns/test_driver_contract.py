"""What every driver promises the framework: the fake one of the tests, the one that does nothing, and real ones."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator

import pytest

from netsched.agents.base.driver import Content, Driver
from netsched.agents.base.noop import NoopDriver
from tests.fakes.content import NetworkContent
from tests.fakes.driver import FakeDriver, FakeMachine
from tests.netns.hosts import Node, node
from tests.netns.l2_hosts import SegmentContent, hosts

Start = Callable[[], Driver]  # a new life of the agent on the same machine


class RealDriver(Driver):
    """That of a process on a private host."""

    def __init__(self, host: Node) -> None:
        self._host = host

    def apply(self, scope: str, wanted: Content | None) -> None:
        self._host.apply(scope, wanted)

    def actual(self) -> set[str]:
        return set(self._host.actual())

    def check(self, scope: str, wanted: Content | None) -> bool:
        return self._host.check(scope, wanted)


@pytest.fixture(params=["fake", "noop", "dhcp", "l2"])
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    if request.param in ("dhcp", "l2"):
        with contextlib.ExitStack() as closing:
            host: Node
            if request.param == "dhcp":
                host = closing.enter_context(node("node1"))
            else:
                (host,) = closing.enter_context(hosts(1))

            def restarted() -> Driver:
                host.kill_driver()
                host.start_driver()
                return RealDriver(host)

            yield restarted
    else:
        machine = FakeMachine()
        yield NoopDriver if request.param == "noop" else lambda: FakeDriver(machine)


@pytest.fixture
def driver(start: Start) -> Driver:
    return start()


WIRED = {"binding:vif_type": "bridge", "binding:vif_details": {"tunnel_ip": "172.30.0.1"}}


def one_network(number: int = 1) -> NetworkContent:
    """One that every kind of agent on node1 has something to do for."""
    content = SegmentContent(number)
    content.subnet(1, "10.0.0.0/24")
    content.dhcp_port(number + 100, "node1", "10.0.0.2").update(WIRED)
    content.port(5, "10.0.0.50", **{"binding:host_id": "node2", **WIRED})
    return content


def changed(network: NetworkContent) -> NetworkContent:
    other = network.copy()
    other.port(9, "10.0.0.90", **{"binding:host_id": "node1", **WIRED})
    return other


def test_what_was_never_there_is_gone(driver: Driver) -> None:
    scope = one_network().scope
    assert driver.actual() == set() and driver.check(scope, None)
    for _ in range(2):
        driver.apply(scope, None)
        assert driver.actual() == set() and driver.check(scope, None)


def test_applied_is_in_force_and_applied_again_changes_nothing(driver: Driver) -> None:
    network = one_network()
    assert not driver.check(network.scope, network.content)
    for _ in range(2):
        driver.apply(network.scope, network.content)
        assert driver.actual() == {network.scope}
        assert driver.check(network.scope, network.content) and not driver.check(network.scope, None)


def test_a_change_is_in_force_and_what_was_wanted_is_not_touched(driver: Driver) -> None:
    network = one_network()
    driver.apply(network.scope, network.content)
    wanted = changed(network).content
    before = copy.deepcopy(wanted)
    driver.apply(network.scope, wanted)
    assert driver.check(network.scope, wanted) and wanted == before
    assert driver.actual() == {network.scope}


def test_removed_is_gone_and_removed_again_succeeds(driver: Driver) -> None:
    first, second = one_network(1), one_network(2)
    for network in (first, second):
        driver.apply(network.scope, network.content)
    for _ in range(2):
        driver.apply(first.scope, None)
        assert driver.actual() == {second.scope}
        assert driver.check(first.scope, None) and not driver.check(first.scope, first.content)
        assert driver.check(second.scope, second.content)


def test_the_next_life_can_take_over_or_take_away_whatever_it_finds(start: Start) -> None:
    first, second = one_network(1), one_network(2)
    before = start()
    for network in (first, second):
        before.apply(network.scope, network.content)
    after = start()
    assert after.actual() <= {first.scope, second.scope}
    after.apply(first.scope, first.content)
    assert first.scope in after.actual() and after.check(first.scope, first.content)
    after.apply(second.scope, None)
    assert after.actual() == {first.scope} and after.check(second.scope, None)
