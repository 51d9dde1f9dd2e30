"""One agent against a small server and a machine in memory, without threads, on a fake clock."""

from __future__ import annotations

import logging

import pytest

from netsched import errors
from netsched.agents.base.agent import Agent, AgentSettings
from netsched.agents.base.heartbeat import Identity
from netsched.agents.base.store import MemoryStore
from netsched.model import checksum
from netsched.rpc.agent import PullAnswer, PullRequest, ToServer
from tests.fakes.driver import FakeDriver
from tests.unit.agents.base.world import ME, N1, N2, N3, OTHER, World


@pytest.fixture
def world() -> World:
    return World()


def test_a_bound_network_comes_into_force_and_is_acknowledged_soon(world: World) -> None:
    world.run(2)
    world.server.bind(N1, ME, tell="box")
    world.run(0.7)
    assert world.in_force() == {N1: {"dhcp-1"}}
    assert world.server.applied[ME] == {N1: (1, 1)}
    world.server.change(N1, "p", tell="box")
    world.run(0.7)
    assert world.in_force() == {N1: {"dhcp-1", "p"}}
    assert world.server.applied[ME] == {N1: (1, 2)}
    assert len(world.server.pulls) == 1  # the second change came as a delta


def test_an_idle_agent_only_beats(world: World) -> None:
    world.server.bind(N1, ME)
    world.run(10)
    pulls, beats = len(world.server.pulls), len(world.server.beats)
    world.run(100)
    assert len(world.server.pulls) == pulls
    assert 9 <= len(world.server.beats) - beats <= 11
    assert not world.server.beats[-1].applied and world.server.beats[-1].capabilities is None
    assert world.server.beats[-1].checksum == checksum.of([(N1, 1, 1)])


def test_a_lost_notice_is_found_by_the_next_beat(world: World) -> None:
    world.server.bind(N1, ME)
    world.run(2)
    world.server.change(N1, "lost")
    world.run(12)
    assert world.in_force() == {N1: {"dhcp-1", "lost"}}


def test_the_echo_is_the_time_of_sending_in_the_servers_time(world: World) -> None:
    world.run(0.6)
    first, second = world.server.beats[:2]
    assert first.echo is None and first.capabilities is not None
    assert second.echo is not None
    world.clock.step_wall(-86400)
    world.clock.suspend(30)
    world.agent.beat()
    sent = world.clock.boottime() + world.server.time_offset
    assert world.server.beats[-1].echo == pytest.approx(sent, abs=1e-6)


def test_a_pull_waits_longer_each_time_nobody_answers(world: World) -> None:
    class Hanging(ToServer):
        def __init__(self) -> None:
            super().__init__(world.transport)
            self.waited: list[float] = []
            self.takes = 100.0

        def pull(self, request: PullRequest, timeout: float = 10.0) -> PullAnswer:
            self.waited.append(timeout)
            if self.takes >= timeout:
                world.clock.advance(timeout)
                raise errors.Unavailable(reason=f"no answer within {timeout:g} s")
            world.clock.advance(self.takes)
            return super().pull(request)

    world.server.bind(N1, ME)
    world.agent._server = hanging = Hanging()
    world.run(600)
    assert hanging.waited[:5] == [10.0, 20.0, 40.0, 60.0, 60.0]
    hanging.takes = 12.0  # slow, but it answers: that is remembered
    world.run(100)
    assert world.in_force().keys() == {N1}
    world.server.change(N1, "p")
    world.run(30)
    assert hanging.waited[-1] == 24.0
    hanging.takes = 0.1
    for port in ("q", "r"):
        world.server.change(N1, port)
        world.run(30)
    assert hanging.waited[-1] == 10.0


def test_an_error_at_once_is_no_reason_to_wait_longer(world: World) -> None:
    world.server.bind(N1, ME)
    world.server.away = True
    world.run(60)
    assert world.agent._patience.timeout == 10.0


def test_what_is_in_force_is_said_until_a_beat_is_answered(world: World) -> None:
    world.run(2)
    world.server.mute = True
    world.server.bind(N1, ME, tell="box")
    world.run(25)
    assert [len(b.applied) for b in world.server.beats[-2:]] == [1, 1]
    world.server.answer(world.server.beats[-2])
    world.run(11)
    assert world.server.beats[-1].applied == []


def test_an_answer_to_an_earlier_life_proves_nothing(world: World) -> None:
    world.run(1)
    old = world.server.beats[-1]
    world.stop()
    world.start()
    world.server.mute = True
    world.run(0.7)
    world.server.answer(old)
    world.run(5)
    assert world.server.beats[-1].echo is None


def test_released_is_removed_and_acknowledged(world: World) -> None:
    world.server.bind(N1, ME)
    world.run(2)
    world.server.bind(N1, OTHER, tell="box")
    world.run(0.7)
    assert world.in_force() == {}
    assert world.server.applied[ME] == {}
    assert any(one.position == -1 and one.epoch == 1 for b in world.server.beats for one in b.applied)


def test_a_returning_agent_removes_what_it_lost_before_it_begins_anything_new(world: World) -> None:
    world.server.bind(N1, ME)
    world.server.bind(N2, ME)
    world.run(3)
    world.stop()
    world.server.bind(N1, OTHER)
    world.server.bind(N3, ME)
    world.start()
    world.server.change(N3, "p", tell="box")  # hears of the new one before anything else
    world.run(3)
    assert world.in_force().keys() == {N2, N3}
    assert world.driver.calls.index(("remove", N1)) < world.driver.calls.index(("apply", N3))
    assert world.driver.calls[0] == ("remove", N1)


def test_a_returning_agent_whose_process_lived_on(world: World) -> None:
    world.server.bind(N1, ME)
    world.run(3)
    world.server.mute = world.server.away = True
    world.run(60)  # beyond the lease
    world.server.bind(N1, OTHER)
    world.server.away = False
    world.server.bind(N2, ME, tell="box")
    world.run(1)
    assert world.in_force().keys() == {N1}, "nothing new without a lease"
    world.server.mute = False
    world.run(25)
    assert world.in_force().keys() == {N2}
    assert world.driver.calls.index(("remove", N1)) < world.driver.calls.index(("apply", N2))


def test_a_reboot_with_the_server_down_rebuilds_everything(world: World) -> None:
    world.server.bind(N1, ME)
    world.run(3)
    world.stop()
    world.machine.reboot()
    world.server.mute = world.server.away = True
    world.start()
    world.run(2)
    assert world.in_force() == {}  # it waits for the server's word ...
    world.run(2)
    assert world.in_force().keys() == {N1}  # ... but not for long


def test_a_reboot_with_the_server_up_rebuilds_only_what_is_still_its_own(world: World) -> None:
    world.server.bind(N1, ME)
    world.server.bind(N2, ME)
    world.run(3)
    world.stop()
    world.machine.reboot()
    world.server.bind(N1, OTHER)
    world.start()
    world.run(3)
    assert world.in_force().keys() == {N2}
    assert ("apply", N1) not in world.driver.calls


def test_leftovers_go_only_when_the_server_has_said_so(world: World) -> None:
    world.stop()
    world.machine.scopes[N1] = {"port": {}}
    world.server.mute = world.server.away = True
    world.start()
    world.run(60)
    assert world.in_force().keys() == {N1}
    assert not any(beat.complete for beat in world.server.beats), "it cannot speak for what it has not accounted for"
    world.server.mute = world.server.away = False
    world.run(60)
    assert world.in_force() == {}
    assert world.server.beats[-1].count == 0


def test_an_outage_touches_nothing_and_is_said_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.server.bind(N1, ME)
    world.run(3)
    caplog.set_level(logging.INFO)
    world.server.mute = world.server.away = True
    calls = len(world.driver.calls)
    world.run(300)
    assert world.in_force().keys() == {N1} and len(world.driver.calls) == calls
    assert len([r for r in caplog.records if "no server" in r.message]) == 1
    world.server.mute = False
    world.run(12)
    assert any("answers again" in r.message for r in caplog.records)


def test_a_restored_database_is_pulled_anew_and_nothing_stops_meanwhile(world: World) -> None:
    world.server.bind(N1, ME)
    world.server.bind(N2, ME)
    world.run(3)
    world.server.incarnation = "B"
    world.server.applied.clear()
    world.server.scopes[N1].position = 0
    world.server.scopes[N1].ports = ["restored"]
    del world.server.scopes[N2]
    world.run(40)
    assert world.in_force() == {N1: {"restored"}}
    assert world.server.applied[ME] == {N1: (1, 0)}
    assert ("remove", N1) not in world.driver.calls


def test_a_fault_is_reported_until_it_is_over(world: World) -> None:
    world.driver.failing = {N1}
    world.server.bind(N1, ME)
    world.run(3)
    assert [f.message is not None for b in world.server.beats for f in b.faults] == [True]
    world.run(120)
    assert len(world.driver.calls) < 15, "it backs off"
    assert world.server.beats[-1].faults == []
    world.driver.failing = set()
    world.run(62)
    assert [f.message for b in world.server.beats for f in b.faults][-1] is None
    assert world.server.applied[ME] == {N1: (1, 1)}


def test_what_failed_from_the_start_can_still_be_taken_away(world: World) -> None:
    world.driver.failing = {N1}
    world.server.bind(N1, ME)
    world.run(3)
    world.server.bind(N1, OTHER)  # and the notice is lost
    world.driver.failing = set()
    world.run(60)
    assert world.in_force() == {} and world.agent.cache.scopes() == set()


def test_what_only_seems_applied_is_not_acknowledged(world: World) -> None:
    world.driver.lying = {N1}
    world.server.bind(N1, ME)
    world.run(30)
    assert world.server.applied[ME] == {N1: (1, 0)}  # held, nothing in force
    assert any(f.message for b in world.server.beats for f in b.faults)


def test_administratively_down_keeps_serving_by_default(world: World) -> None:
    world.server.bind(N1, ME)
    world.server.admin_state_up = False
    world.run(15)
    assert world.in_force().keys() == {N1}


def test_administratively_down_may_stop_services(world: World) -> None:
    world.stop()
    world.settings = {"serve_when_admin_down": False}
    world.start()
    world.server.bind(N1, ME)
    world.run(3)
    world.server.admin_state_up = False
    world.run(12)
    assert world.in_force() == {} and world.agent.cache.scopes() == {N1}
    pulls = len(world.server.pulls)
    world.run(30)
    assert len(world.server.pulls) == pulls
    world.server.admin_state_up = True
    world.run(12)
    assert world.in_force().keys() == {N1}


def test_a_machine_that_cannot_be_surveyed_is_asked_again(world: World) -> None:
    world.stop()
    world.start()
    world.driver.blind = True
    world.server.bind(N1, ME)
    world.run(4)
    world.driver.blind = False
    world.run(10)
    assert world.in_force().keys() == {N1}


def test_many_agents_share_one_address(world: World) -> None:
    agents = []
    for n in range(50):
        identity = Identity("toy", f"many{n}", "toy-agent", "box")
        settings = AgentSettings(seed=n, boot_id="boot")
        agent = Agent(identity, FakeDriver(), ToServer(world.transport), MemoryStore(), world.clock, settings)
        world.process.add(agent)
        agents.append(agent)
        world.server.bind(f"network/{n}", f"toy@many{n}")
    for _ in range(60):
        for agent in agents:
            agent.tick()
        world.clock.advance(0.05)
    assert [agent.cache.scopes() for agent in agents] == [{f"network/{n}"} for n in range(50)]
