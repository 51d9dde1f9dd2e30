"""Explain records, stored settings, and the old options."""

from __future__ import annotations

import json

import pytest

from netsched import errors
from netsched.model.liveness import State
from netsched.model.scheduling import Snapshot
from netsched.scheduler import explain, grizzly, profile, replay
from tests.scheduler.worlds import agent, plan, slot, snapshot


def test_a_record_tells_the_whole_story() -> None:
    world = snapshot([agent("a"), agent("b", used={"network": 1}), agent("c", state=State.DEAD)], [slot("n")])
    made = plan(world, weighers={"load": 1.0})
    assert explain.record(made.assignments[0], world.seed, explain.hosts(world)) == {
        "agent_id": "a",
        "host": "host-a",
        "moving_from": None,
        "reason": "the best of 2 candidates",
        "seed": "seed",
        "candidates": [
            {"agent_id": "a", "host": "host-a", "scores": {"load": 1.0}, "total": 1.0},
            {"agent_id": "b", "host": "host-b", "scores": {"load": 0.999001}, "total": 0.999001},
        ],
        "candidate_count": 2,
        "rejections": [{"agent_id": "c", "host": "host-c", "filter": "alive", "reason": "is dead: no heartbeat"}],
        "rejected_by": {"alive": 1},
        "alternates": ["b"],
        "from_alternates": False,
    }


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        (snapshot([agent("a")], [slot("n")]), "the only candidate"),
        (snapshot([agent("a"), agent("b")], [slot("n")]), "drawn by the seed among 2 equally good of 2 candidates"),
        (
            snapshot(
                [agent("a"), agent("b", used={"network": 1}), agent("d", state=State.DEAD)],
                [slot("n", agent_id="d", alternates=("b",))],
            ),
            "moved from host-d; the alternate stored with the last placement, still fit",
        ),
        (snapshot([agent("a", mode="passive")], [slot("n")]), "no agent can take it; rejected by mode: 1"),
    ],
)
def test_reasons(world: Snapshot, reason: str) -> None:
    made = plan(world)
    outcome = (*made.assignments, *made.unplaced)[0]
    assert explain.record(outcome, "s", explain.hosts(world))["reason"] == reason


def test_a_record_over_many_agents_is_short() -> None:
    agents = [agent(f"a{n:02}") for n in range(40)]
    agents += [agent(f"b{n:02}", agent_type="L2 agent") for n in range(40)] + [agent("z", state=State.DEAD)]
    world = snapshot(agents, [slot("n")])
    record = explain.record(plan(world).assignments[0], world.seed, explain.hosts(world))
    assert (len(record["candidates"]), record["candidate_count"]) == (20, 40)
    assert record["rejected_by"] == {"agent_type": 40, "alive": 1}
    assert len(record["rejections"]) == 20 and record["rejections"][0]["host"] == "host-z"


def test_a_newer_record_is_still_read() -> None:
    world = snapshot([agent("a")], [slot("n")])
    stored = replay.to_json(world, profile.Settings())
    for part in (stored["settings"], stored["snapshot"], *stored["snapshot"]["agents"], *stored["snapshot"]["slots"]):
        part["of_the_future"] = 1
    assert replay.from_json(stored) == (world, profile.Settings())


def test_what_was_recorded_before_routers_is_still_read() -> None:
    """Of what came later each part has a default; a plan that has it comes back with it."""
    world = snapshot([agent("a", reaches=("vxlan",))], [slot("n", requires=("vxlan",))])
    settings = profile.Settings(left_to_operators=("router",))
    stored = replay.to_json(world, settings)
    assert replay.from_json(json.loads(json.dumps(stored))) == (world, settings)
    del stored["settings"]["left_to_operators"]
    del stored["snapshot"]["agents"][0]["reaches"], stored["snapshot"]["slots"][0]["requires"]
    assert replay.from_json(stored) == (snapshot([agent("a")], [slot("n")]), profile.Settings())


def test_unknown_names_are_refused_with_what_there_is() -> None:
    with pytest.raises(errors.Invalid, match="no scheduler filter 'x'; installed are a"):
        profile.assemble(profile.Settings(filters=("x",)), {"a": lambda agent, ask: None}, {})
    with pytest.raises(errors.Invalid, match="no scheduler profile 'x'; there are least_loaded, chance, grizzly"):
        profile.configured("x")


def test_switches_only_turn_off() -> None:
    assert not profile.configured("grizzly", move_from_dead=True).move_from_dead
    assert not profile.configured("least_loaded", move_from_dead=False).move_from_dead
    assert profile.configured("chance", alternates=7).alternates == 7


def test_the_installed_profiles_load() -> None:
    for settings in profile.PROFILES.values():
        assert list(profile.load(settings).filters) == list(settings.filters)


def test_old_options_are_translated_with_hints() -> None:
    settings, hints = grizzly.translate(
        {
            "agent_down_time": "5",
            "report_interval": "4",
            "network_scheduler_driver": "quantum.scheduler.dhcp_agent_scheduler.ChanceScheduler",
            "network_auto_schedule": "True",
            "router_scheduler_driver": "quantum.scheduler.l3_agent_scheduler.LeastRoutersScheduler",
            "router_auto_schedule": "False",
            "of_somebody_else": "1",
        }
    )
    assert settings == {
        "heartbeat.interval": "4",
        "scheduler.profile": "chance",  # one for both; the networks' comes first
        "scheduler.left_to_operators": "router",
    }
    assert len(hints) == 7 and hints[-1] == "of_somebody_else=1: not known here, ignored"
    assert hints[0] == "agent_down_time=5: an agent is dead after 4 heartbeat intervals, use [heartbeat] interval=1.25"


@pytest.mark.parametrize(("name", "value"), [("agent_down_time", "soon"), ("network_scheduler_driver", "my.Own")])
def test_old_options_without_meaning_here_give_a_hint_only(name: str, value: str) -> None:
    settings, hints = grizzly.translate({name: value})
    assert settings == {} and "ignored" in hints[0]
