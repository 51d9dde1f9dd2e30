"""What a configuration file says is what the server is built from."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from oslo_config import cfg

from netsched.server import wiring
from netsched.server.wiring import Settings


def settings(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "netsched.conf"
    file.write_text(text)
    conf = cfg.ConfigOpts()
    conf(["--config-file", str(file)], project="netsched")
    return wiring.settings_from(conf, "server")


def test_nothing_said_is_the_defaults(tmp_path: Path) -> None:
    said, default = settings(tmp_path, ""), Settings()
    for name in ("mtu", "base_mac", "replicas", "write_delay", "delivery", "retention", "api", "role"):
        assert getattr(said, name) == getattr(default, name), name
    assert said.scheduling.limits == default.scheduling.limits


def test_what_is_said_arrives(tmp_path: Path) -> None:
    said = settings(
        tmp_path,
        """
        [api]
        max_limit = 7
        max_body = 2048
        forwarded = true
        [network]
        mtu = 1400
        dns_domain = example.org
        [dhcp]
        lease_time = 600
        [scheduler]
        dhcp_agents_per_network = 2
        profile = chance
        move_from_dead = false
        unbind_hold = 5
        [heartbeat]
        interval = 2
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
    assert (said.mtu, said.heartbeat.agree_on["dns_domain"], said.replicas) == (1400, "example.org", 2)
    assert said.heartbeat.agree_on == {"mtu": 1400, "dns_domain": "example.org", "lease_time": 600}
    assert (said.heartbeat.interval, said.heartbeat.new_agents_enabled) == (2.0, False)
    assert (said.delivery.mode, said.delivery.payload) == ("beat", "id")
    assert "load" not in said.scheduling.profile.weighers  # that is chance
    assert not said.scheduling.profile.move_from_dead
    assert (said.scheduling.unbind_hold, said.scheduling.limits.dead_after) == (5.0, 8.0)
    kept = said.retention
    assert (kept.changes, kept.change_rows, kept.decisions, kept.dead_agents) == (101, 1002, 103, 14)


@pytest.mark.parametrize("groups", [("DEFAULT", "AGENT"), ("DEFAULT", "agent"), ("scheduler", "scheduler")])
def test_an_old_file_means_what_it_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, groups: tuple[str, str]
) -> None:
    text = f"""[{groups[0]}]
agent_down_time = 75
network_scheduler_driver = neutron.scheduler.dhcp_agent_scheduler.ChanceScheduler
network_auto_schedule = False
[{groups[1]}]
report_interval = 30.0
"""
    with caplog.at_level(logging.WARNING):
        said = settings(tmp_path, text)
    assert said.heartbeat.interval == 30.0
    assert "load" not in said.scheduling.profile.weighers
    assert not said.scheduling.profile.auto_schedule
    for ours in ("[heartbeat] interval=30", "[scheduler] profile=chance", "[scheduler] auto_schedule=false"):
        assert ours in caplog.text
