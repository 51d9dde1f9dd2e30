"""How the agent introduces itself, and the one that does nothing."""

from __future__ import annotations

import dataclasses
import pathlib

from netsched.agents.l2 import main
from tests.fakes.content import NetworkContent, uuid

SETTINGS = main.L2AgentSettings(
    host="me",
    state_dir=pathlib.Path("/nonexistent"),
    driver="noop",
    local_ip="172.30.0.1",
    interfaces={"physnet1": "eth1"},
)


def test_it_says_what_it_reaches_and_where_its_tunnels_end() -> None:
    me = main.identity(SETTINGS)
    assert me.agent_type == "Linux bridge agent" and me.address == "l2_agent.me"
    assert me.capabilities.reaches == ["vxlan", "flat:physnet1", "vlan:physnet1"]
    assert me.capabilities.hosts == []  # it is given nothing by the scheduler
    assert me.configurations["tunneling_ip"] == "172.30.0.1"
    assert me.settings == {"mtu": 1500, "vxlan_port": 4789}


def test_an_address_of_ipv6_is_written_as_the_kernel_writes_it() -> None:
    settings = dataclasses.replace(SETTINGS, local_ip="FD00:0::1")
    assert main.identity(settings).configurations["tunneling_ip"] == settings.wiring.local_ip == "fd00::1"


def test_it_reports_what_was_found_out_and_why() -> None:
    able = main.Abilities(("flat:physnet1",), {"vxlan": "no such address"})
    me = main.identity(SETTINGS, "shared", able)
    assert me.address == "shared" and me.capabilities.reaches == ["flat:physnet1"]
    assert me.configurations["problems"] == {"vxlan": "no such address"}
    assert me.configurations["tunnel_types"] == []


def test_the_noop_driver_calls_ports_of_this_host_active() -> None:
    content = NetworkContent()
    content.subnet(1, "10.0.0.0/24")
    for number, host, vif_type in ((1, "me", "bridge"), (2, "me", "binding_failed"), (3, "there", "bridge")):
        content.port(number, **{"binding:host_id": host, "binding:vif_type": vif_type})
    states = main.noop_states("me")(content.content)
    assert states == {("port", uuid(1, 2)): "ACTIVE"}
