"""With threads and real time: an agent of its own, and a simulation."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from netsched import errors
from netsched.agents.base.agent import Agent, AgentSettings
from netsched.agents.base.hearing import Hearing
from netsched.agents.base.heartbeat import Identity
from netsched.agents.base.process import AgentProcess
from netsched.agents.base.store import MemoryStore
from netsched.agents.simulate import Simulation, SimulationSettings
from netsched.clock import SystemClock
from netsched.model import kinds
from netsched.rpc.agent import ToServer
from netsched.rpc.direct import DirectServing, DirectTransport
from netsched.rpc.transport import Handler, Message
from tests.fakes.driver import FakeDriver
from tests.fakes.server import FakeServer
from tests.unit.agents.base.world import ME, World


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


class NoBrokerAtFirst(DirectTransport):
    refusals = 1

    def serve(self, address: str, handler: Handler) -> DirectServing:
        if address == "box" and self.refusals:
            self.refusals -= 1
            raise errors.Unavailable(reason="no broker yet")
        return super().serve(address, handler)


class Watching(FakeDriver):
    """`changed`: whom it calls, between `watch` and `close`."""

    changed: Callable[[str], None] | None = None

    def watch(self, changed: Callable[[str], None]) -> None:
        assert not self.calls
        self.changed = changed

    def close(self) -> None:
        self.changed = None


def test_an_agent_with_threads_applies_within_a_second_and_stops() -> None:
    clock, transport = SystemClock(), NoBrokerAtFirst()
    server = FakeServer(transport, clock)  # type: ignore[arg-type]
    driver = Watching()
    settings = AgentSettings(supervision=0.2)
    agent = Agent(Identity("toy", "h1", "toy", "box"), driver, ToServer(transport), MemoryStore(), clock, settings)
    process = AgentProcess(transport, "box", [agent])
    process.start()
    try:
        for n in range(20):
            server.bind(f"network/{n}", "toy@h1")
        until(lambda: len(server.applied.get("toy@h1", {})) == 20)
        began = time.monotonic()
        server.change("network/7", "p", tell="box")
        until(lambda: server.applied["toy@h1"]["network/7"] == (1, 2))
        assert time.monotonic() - began < 1.5
        assert driver.changed is not None
        applies = len(driver.calls)
        driver.changed("network/9")
        until(lambda: driver.calls[applies:] == [("apply", "network/9")])
        driver.machine.scopes.pop("network/3")
        until(lambda: "network/3" in driver.machine.scopes)
    finally:
        began = time.monotonic()
        process.stop()
    assert time.monotonic() - began < 3
    assert driver.changed is None
    beats = len(server.beats)
    time.sleep(0.3)
    assert len(server.beats) == beats and len(driver.machine.scopes) == 20


def test_a_simulation_of_many_agents() -> None:
    clock, transport = SystemClock(), DirectTransport()
    server = FakeServer(transport, clock)  # type: ignore[arg-type]
    simulation = Simulation(transport, clock, SimulationSettings("sim", {"dhcp": 100}, zones=("a", "b"), ramp=0.3))
    simulation.start()
    try:
        until(lambda: simulation.counts.answered >= 200)
        server.bind("network/1", "DHCP agent@sim-42", tell="sim")
        until(lambda: server.applied["DHCP agent@sim-42"] == {"network/1": (1, 1)})
    finally:
        simulation.stop()
    assert simulation.held() == 1
    assert {beat.zone for beat in server.beats} == {"a", "b"}
    assert {beat.address for beat in server.beats} == {"sim"}
    assert simulation.counts.failed == 0 and max(simulation.counts.answer_times) < 5


def test_simulated_hosts_have_agents_of_several_kinds() -> None:
    clock, transport = SystemClock(), DirectTransport()
    server = FakeServer(transport, clock)  # type: ignore[arg-type]
    counts = {"dhcp": 1, "l3": 2, "l2": 3}
    settings = SimulationSettings("sim", counts, zones=("a", "b"), physical={"physnet1": "eth1"}, ramp=0.1)
    simulation = Simulation(transport, clock, settings)
    simulation.start()
    try:
        until(lambda: len({(beat.agent_type, beat.host) for beat in server.beats}) == 6)
    finally:
        simulation.stop()
    first = {(beat.agent_type, beat.host): beat for beat in reversed(server.beats)}
    assert {host for agent_type, host in first if agent_type == kinds.L2_AGENT} == {"sim-0", "sim-1", "sim-2"}
    assert {host for agent_type, host in first if agent_type == kinds.L3_AGENT} == {"sim-0", "sim-1"}
    assert {beat.zone for (_, host), beat in first.items() if host == "sim-1"} == {"b"}
    reach = {"vxlan", "flat:physnet1", "vlan:physnet1"}
    for beat in first.values():
        assert beat.capabilities is not None
        assert set(beat.capabilities.reaches) == (set() if beat.agent_type == kinds.DHCP_AGENT else reach)
    tunnels = [beat.configurations["tunneling_ip"] for beat in first.values() if beat.agent_type == kinds.L2_AGENT]
    assert len(set(tunnels)) == 3


def test_a_kind_that_does_not_exist() -> None:
    with pytest.raises(errors.Invalid):
        Simulation(DirectTransport(), SystemClock(), SimulationSettings("sim", {"toaster": 1}))


class Deaf(DirectTransport):
    """Takes what is sent to `box` and hands none of it out, as a queue does that has lost its leader."""

    def cast(self, address: str, method: str, payload: Message) -> None:
        if address != "box":
            super().cast(address, method, payload)


def test_who_hears_nothing_although_servers_answer_listens_elsewhere() -> None:
    world = World(Deaf())
    world.server.bind("network/1", ME)
    world.run(30)
    assert world.server.beats and not world.agent.heart.was_answered()
    assert world.process.listen_elsewhere()
    world.run(30)
    assert world.agent.heart.was_answered()
    assert world.server.beats[-1].address == world.process.address != "box"
    assert world.server.applied[ME] == {"network/1": (1, 1)}


def test_silence_alone_is_no_reason_to_move() -> None:
    world = World()
    clock, hearing = world.clock, Hearing(world.clock)
    assert hearing.due(4.0) == clock.monotonic() + 15 and hearing.due(40.0) == clock.monotonic() + 80
    hearing.asked(deaf=True)
    assert hearing.due(40.0) == clock.monotonic() + 160
    hearing.heard()
    assert hearing.due(40.0) == clock.monotonic() + 80
    world.server.away = True
    assert not world.process.listen_elsewhere() and world.process.address == "box"
