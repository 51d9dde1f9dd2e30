"""The systemd units: the server has no privileges, the agent exactly those named, and both start what we install."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def service(unit: str) -> dict[str, str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((ROOT / "etc/systemd" / unit).read_text())
    return dict(parser["Service"])


@pytest.mark.parametrize(
    "unit",
    [
        "netsched-server.service",
        "netsched-dhcp-agent.service",
        "netsched-l2-agent.service",
        "netsched-l3-agent.service",
    ],
)
def test_unit_starts_a_program_of_ours(unit: str) -> None:
    setup = configparser.ConfigParser(strict=False, interpolation=None)
    setup.read(ROOT / "setup.cfg")
    programs = {line.split("=")[0].strip() for line in setup["options.entry_points"]["console_scripts"].splitlines()}
    assert Path(service(unit)["ExecStart"].split()[0]).name in programs
    assert service(unit)["NoNewPrivileges"] == "yes"


def test_server_has_no_capabilities() -> None:
    unit = service("netsched-server.service")
    assert (unit["User"], unit["CapabilityBoundingSet"], unit["AmbientCapabilities"]) == ("netsched", "", "")


def test_agent_has_what_it_needs_in_the_hosts_mount_namespace() -> None:
    unit = service("netsched-dhcp-agent.service")
    assert set(unit["CapabilityBoundingSet"].split()) == {
        "CAP_KILL",
        "CAP_NET_ADMIN",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SYS_ADMIN",
        "CAP_SYS_PTRACE",
    }
    assert unit["KillMode"] == "process"  # dnsmasq outlives its agent
    private = [key for key in unit if key.startswith(("Private", "Protect", "ReadWrite", "ReadOnly", "Inaccessible"))]
    assert not private, "these hide /run/netns from the host"


def test_l3_agent_has_what_the_dhcp_agent_has_but_low_ports() -> None:
    l3, dhcp = service("netsched-l3-agent.service"), service("netsched-dhcp-agent.service")
    assert set(l3["CapabilityBoundingSet"].split()) == set(dhcp["CapabilityBoundingSet"].split()) - {
        "CAP_NET_BIND_SERVICE"
    }
    assert l3["KillMode"] == "process"  # radvd outlives its agent
    assert not [key for key in l3 if key.startswith(("Private", "Protect", "ReadWrite", "ReadOnly", "Inaccessible"))]


def test_l2_agent_starts_nothing_and_enters_no_namespace_of_others() -> None:
    assert set(service("netsched-l2-agent.service")["CapabilityBoundingSet"].split()) == {
        "CAP_NET_ADMIN",
        "CAP_SYS_ADMIN",
    }
