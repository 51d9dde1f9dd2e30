"""What a configuration file says is what the server is built from."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from oslo_config import cfg

from netsched import errors
from netsched.model.provider import ProviderSettings
from netsched.server import configuration
from netsched.server.configuration import Settings


def settings(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "netsched.conf"
    file.write_text(text)
    conf = cfg.ConfigOpts()
    conf(["--config-file", str(file)], project="netsched")
    return configuration.settings_from(conf, "server")


def test_nothing_said_is_the_defaults(tmp_path: Path) -> None:
    said, default = settings(tmp_path, ""), Settings()
    for name in ("provider", "base_mac", "replicas", "write_delay", "delivery", "retention", "api", "role"):
        assert getattr(said, name) == getattr(default, name), name
    assert replace(said.heartbeat, agree_on={}) == default.heartbeat
    assert said.scheduling == default.scheduling


def test_what_is_said_arrives(tmp_path: Path) -> None:
    said = settings(
        tmp_path,
        """
        [api]
        max_limit = 7
        max_body = 2048
        forwarded = true
        [network]
        underlay_mtu = 1400
        overlay_ip_version = 6
        dns_domain = example.org
        [segment]
        tenant_network_type = vlan
        vni_ranges = 7:9,100:200,150:300
        network_vlan_ranges = physnet1:100:199,physnet1:200:299,physnet2
        flat_networks = physnet3,physnet4
        [linux_bridge]
        vxlan_port = 8472
        [dhcp]
        lease_time = 600
        [scheduler]
        dhcp_agents_per_network = 2
        profile = chance
        move_from_dead = false
        unbind_hold = 5
        max_moves = 50
        move_failing_after = 7
        [heartbeat]
        interval = 2
        max_beats = 30
        new_agents_enabled = false
        [delivery]
        mode = beat
        payload = id
        [database]
        keep_changes = 101
        keep_change_rows = 1002
        keep_decisions = 103
        keep_dead_agents = 14
        """.replace("\n        ", "\n"),
    )
    assert (said.api.max_limit, said.api.max_body, said.api.forwarded) == (7, 2048, True)
    assert said.provider == ProviderSettings(
        tenant_network_type="vlan",
        vni_ranges=((7, 9), (100, 300)),
        vlan_ranges={"physnet1": ((100, 299),), "physnet2": ()},
        flat_networks=("physnet3", "physnet4"),
        underlay_mtu=1400,
        overlay_ip_version=6,
    )
    assert said.replicas == 2
    agreed = {"mtu": 1400, "vxlan_port": 8472, "dns_domain": "example.org", "lease_time": 600}
    assert said.heartbeat.agree_on == agreed
    assert (said.heartbeat.interval, said.heartbeat.max_beats, said.heartbeat.new_agents_enabled) == (2.0, 30.0, False)
    assert said.write_delay == 0.2  # of which an interval holds ten
    assert (said.delivery.mode, said.delivery.payload) == ("beat", "id")
    assert "load" not in said.scheduling.profile.weighers  # that is chance
    assert not said.scheduling.profile.move_from_dead
    assert (said.scheduling.unbind_hold, said.scheduling.max_moves) == (5.0, 50.0)
    assert said.scheduling.profile.move_failing_after == 7.0
    kept = said.retention
    assert (kept.changes, kept.change_rows, kept.decisions, kept.dead_agents) == (101, 1002, 103, 14)


@pytest.mark.parametrize(
    "wrong",
    [
        "vni_ranges = 1", "vni_ranges = 0:5", "vni_ranges = 5:4", "vni_ranges = 1:16777216", "vni_ranges = 1:2:3",
        "network_vlan_ranges = physnet1:5", "network_vlan_ranges = physnet1:1:4095", "network_vlan_ranges = :1:5",
        "network_vlan_ranges = physnet1:", "vni_ranges = ١:٢",
    ],
)  # fmt: skip
def test_a_wrong_range_is_refused_by_its_option_and_value(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        settings(tmp_path, f"[segment]\n{wrong}\n")
    assert wrong in str(refused.value)


@pytest.mark.parametrize("groups", [("DEFAULT", "AGENT"), ("DEFAULT", "agent"), ("scheduler", "scheduler")])
def test_an_old_file_means_what_it_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, groups: tuple[str, str]
) -> None:
    text = f"""[{groups[0]}]
agent_down_time = 75
network_scheduler_driver = neutron.scheduler.dhcp_agent_scheduler.ChanceScheduler
network_auto_schedule = False
router_scheduler_driver = neutron.scheduler.l3_agent_scheduler.LeastRoutersScheduler
router_auto_schedule = False
[{groups[1]}]
report_interval = 30.0
"""
    with caplog.at_level(logging.WARNING):
        said = settings(tmp_path, text)
    assert said.heartbeat.interval == 30.0
    assert "load" not in said.scheduling.profile.weighers
    assert said.scheduling.profile.left_to_operators == ("network", "router")
    for ours in (
        "[heartbeat] interval=30",
        "[scheduler] profile=chance",
        "[scheduler] left_to_operators=network",
        "[scheduler] left_to_operators=router",
    ):
        assert ours in caplog.text


def test_an_old_file_may_be_of_routers_alone(tmp_path: Path) -> None:
    said = settings(
        tmp_path,
        """[DEFAULT]
router_scheduler_driver = quantum.scheduler.l3_agent_scheduler.ChanceScheduler
router_auto_schedule = False
network_auto_schedule = True
""",
    )
    assert "load" not in said.scheduling.profile.weighers
    assert said.scheduling.profile.left_to_operators == ("router",)


def test_what_is_left_to_operators_has_a_known_name(tmp_path: Path) -> None:
    assert settings(tmp_path, "[scheduler]\nleft_to_operators = router\n").scheduling.profile.left_to_operators == (
        "router",
    )
    with pytest.raises(ValueError, match="routers"):
        settings(tmp_path, "[scheduler]\nleft_to_operators = routers\n")
