"""Each filter and weigher by a table."""

from __future__ import annotations

import configparser
import pathlib

import pytest

from netsched.model.liveness import State
from netsched.model.scheduling import AgentView
from netsched.scheduler import filters, profile, weighers
from netsched.scheduler.ask import Ask
from netsched.scheduler.weighers import load, stickiness, zone_spread
from tests.scheduler import worlds
from tests.scheduler.worlds import DHCP, agent

ASK = Ask(DHCP, demand=(("network", 1),))


@pytest.mark.parametrize(
    ("name", "one", "ask", "reason"),
    [
        ("agent_type", agent("a"), ASK, None),
        ("agent_type", agent("a", agent_type="L3 agent"), ASK, "is a L3 agent, not a DHCP agent"),
        ("alive", agent("a"), ASK, None),
        ("alive", agent("a", state=State.STARTING), ASK, "is starting: its heartbeats are not confirmed yet"),
        ("alive", agent("a", state=State.SUSPECT), ASK, "is suspect: its heartbeats are late"),
        ("alive", agent("a", state=State.DEAD), ASK, "is dead: no heartbeat"),
        ("alive", agent("a", state=State.DEAD, forced_down=True), ASK, "is marked down"),
        ("admin_up", agent("a"), ASK, None),
        ("admin_up", agent("a", admin_state_up=False), ASK, "is set to admin_state_up=false"),
        ("mode", agent("a"), ASK, None),
        ("mode", agent("a", mode="passive"), ASK, "is in mode passive"),
        ("zone_hints", agent("a"), ASK, None),
        ("zone_hints", agent("a"), Ask(DHCP, zone_hints=("z2", "z1")), None),
        ("zone_hints", agent("a"), Ask(DHCP, zone_hints=("z2", "z3")), "is in zone z1, wanted is z2 or z3"),
        ("capacity", agent("a", used={"network": 9}), ASK, None),
        ("capacity", agent("a", capacity={"network": 3}, used={"network": 2}), ASK, None),
        (
            "capacity",
            agent("a", capacity={"network": 3}, used={"network": 3}),
            ASK,
            "has 3 of 3 network in use, wanted are 1",
        ),
        ("capacity", agent("a", capacity={"network": 0}), ASK, "has 0 of 0 network in use, wanted are 1"),
        ("capacity", agent("a", capacity={"other": 0}), ASK, None),
        ("reach", agent("a"), ASK, None),
        ("reach", agent("a", reaches=("vxlan", "flat:physnet1")), Ask(DHCP, requires=("flat:physnet1",)), None),
        (
            "reach",
            agent("a", reaches=("vxlan",)),
            Ask(DHCP, requires=("flat:physnet1",)),
            "does not reach flat:physnet1 (reaches vxlan)",
        ),
        ("reach", agent("a"), Ask(DHCP, requires=("vxlan",)), "does not reach vxlan (reaches nothing)"),
        ("already_hosting", agent("a"), Ask(DHCP, holders=("b",), barred=("c",)), None),
        ("already_hosting", agent("a"), Ask(DHCP, holders=("b", "a")), "holds another replica"),
        ("already_hosting", agent("a"), Ask(DHCP, barred=("a",)), "an operator removed it from here"),
    ],
)
def test_filter(name: str, one: AgentView, ask: Ask, reason: str | None) -> None:
    rejection = worlds.FILTERS[name](one, ask)
    assert (rejection.reason if rejection else None) == reason
    assert rejection is None or rejection.filter == name


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"used": {"network": 1}}, {"used": {"network": 2}}),
        ({"capacity": {"network": 100}, "used": {"network": 2}}, {"capacity": {"network": 10}, "used": {"network": 1}}),
        ({"load": 0.1}, {"load": 0.9}),
        # a claim counts more than any report
        ({"used": {"network": 1}, "load": 1.0}, {"used": {"network": 2}, "load": 0.0}),
        ({}, {"capacity": {"network": 0}}),
        # several classes: the scarcest counts, and what is not asked for does not
        ({"capacity": {"other": 1}, "used": {"other": 1}}, {"used": {"network": 1}}),
    ],
)
def test_load_prefers_the_emptier(better: dict[str, object], worse: dict[str, object]) -> None:
    assert 0 <= load.weigh(agent("b", **worse), ASK) < load.weigh(agent("a", **better), ASK) <= 1


def test_load_is_defined_without_demand() -> None:
    assert load.weigh(agent("a", load=3.0), Ask(DHCP)) == pytest.approx(1.0, abs=1e-5)


def test_zone_spread_counts_replicas_in_the_zone() -> None:
    ask = Ask(DHCP, holders=("x", "y", "z"), holder_zones=("z1", "z1", "z2"))
    assert [zone_spread.weigh(agent("a", zone=zone), ask) for zone in ("z3", "z2", "z1")] == [1, 1 / 2, 1 / 3]


def test_stickiness_prefers_the_holder() -> None:
    ask = Ask(DHCP, moving_from="a")
    assert (stickiness.weigh(agent("a"), ask), stickiness.weigh(agent("b"), ask)) == (1, 0)


@pytest.mark.parametrize(
    ("group", "package", "function"), [(profile.FILTERS, filters, "reject"), (profile.WEIGHERS, weighers, "weigh")]
)
def test_every_file_has_its_entry_point(group: str, package: object, function: str) -> None:
    folder = pathlib.Path(package.__path__[0])  # type: ignore[attr-defined]
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    setup = configparser.ConfigParser()
    setup.read(pathlib.Path(__file__).parents[2] / "setup.cfg")
    lines = dict(line.split(" = ") for line in setup["options.entry_points"][group].strip().splitlines())
    assert lines == {name: f"{group}.{name}:{function}" for name in files}
