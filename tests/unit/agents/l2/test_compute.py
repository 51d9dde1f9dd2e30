"""From the content of a network's scope to what this host is to have of it."""

from __future__ import annotations

from typing import Any

import pytest

from netsched import errors
from netsched.agents.kernel.tunnel import BROADCAST, Forwarding
from netsched.agents.l2 import compute
from netsched.agents.l2.compute import Settings, Uplink
from tests.fakes.content import NETWORK, NetworkContent, uuid

SETTINGS = Settings("me", "172.30.0.1", interfaces={"physnet1": "eth1"})


def content(**provider: Any) -> NetworkContent:
    made = NetworkContent()
    made.subnet(1, "10.0.0.0/24")
    made.network.update(
        {
            "provider:network_type": "vxlan",
            "provider:segmentation_id": 7,
            "provider:physical_network": None,
            **provider,
        }
    )
    return made


def bound(made: NetworkContent, number: int, host: str, tunnel_ip: str | None = None, **attributes: Any) -> None:
    made.port(
        number,
        f"10.0.0.{number}",
        **{
            "binding:host_id": host,
            "binding:vif_type": "bridge",
            "binding:vif_details": {"connectivity": "l2", "port_filter": True, "tunnel_ip": tunnel_ip},
            **attributes,
        },
    )


def desired(made: NetworkContent, settings: Settings = SETTINGS) -> compute.L2Desired | None:
    return compute.desired(NETWORK, made.content, settings)


def some(made: NetworkContent, settings: Settings = SETTINGS) -> compute.L2Desired:
    found = desired(made, settings)
    assert found is not None
    return found


def test_ports_here_and_elsewhere() -> None:
    made = content()
    bound(made, 1, "me", "172.30.0.1")
    bound(made, 2, "there", "172.30.0.2")
    bound(made, 3, "there", "172.30.0.2")
    bound(made, 4, "far", "172.30.0.3")
    made.port(5, "10.0.0.5")  # on no host
    found = some(made)
    assert (found.bridge, found.mtu, found.problem) == ("brq11111111-11", 1450, None)
    assert found.uplink == Uplink("vxlan", "vxlan-7", id=7)
    assert found.taps == {"tap00000001-00"} and found.ports == {uuid(1, 2): "tap00000001-00"}
    assert found.forwarding == Forwarding(
        remote=frozenset(
            {
                ("fa:16:3e:00:00:02", "172.30.0.2"),
                ("fa:16:3e:00:00:03", "172.30.0.2"),
                ("fa:16:3e:00:00:04", "172.30.0.3"),
                (BROADCAST, "172.30.0.2"),
                (BROADCAST, "172.30.0.3"),
            }
        ),
        static=frozenset({"fa:16:3e:00:00:02", "fa:16:3e:00:00:03", "fa:16:3e:00:00:04"}),
    )


@pytest.mark.parametrize("tunnel_ip", [None, "172.30.0.1"])
def test_a_host_without_a_tunnel_or_with_ours_is_not_forwarded_to(tunnel_ip: str | None) -> None:
    made = content()
    bound(made, 1, "me")
    bound(made, 2, "there", tunnel_ip)
    assert some(made).forwarding == Forwarding()


def test_the_mac_of_a_group_is_nobodys_but_its_host_gets_what_is_for_all() -> None:
    made = content()
    bound(made, 1, "me")
    bound(made, 2, "there", "172.30.0.2", mac_address="11:22:33:44:55:66")
    assert some(made).forwarding == Forwarding(remote=frozenset({(BROADCAST, "172.30.0.2")}))


def test_nothing_without_a_network_or_a_port_of_this_host() -> None:
    made = content()
    assert desired(made) is None
    bound(made, 1, "there", "172.30.0.2")
    bound(made, 2, "me", **{"binding:vif_type": "binding_failed", "binding:vif_details": {"reason": "no"}})
    assert desired(made) is None
    bound(made, 3, "me")
    assert desired(made) is not None
    del made.content["network"][NETWORK]
    assert desired(made) is None


@pytest.mark.parametrize("where", ["port", "network"])
def test_what_is_administratively_down_is_not_wired_but_still_spoken_of(where: str) -> None:
    made = content()
    bound(made, 1, "me")
    bound(made, 2, "me")
    (made.network if where == "network" else made.content["port"][uuid(1, 2)])["admin_state_up"] = False
    found = some(made)
    assert found.taps == (set() if where == "network" else {"tap00000002-00"})
    assert set(found.ports) == {uuid(1, 2), uuid(2, 2)}
    assert {guard.tap for guard in found.guards} == {"tap00000001-00", "tap00000002-00"}


@pytest.mark.parametrize(
    ("provider", "uplink"),
    [
        ({"network_type": "flat", "segmentation_id": None}, Uplink("flat", "eth1", "eth1")),
        ({"network_type": "vlan", "segmentation_id": 100}, Uplink("vlan", "eth1.100", "eth1", 100)),
    ],
)
def test_physical_networks(provider: dict[str, Any], uplink: Uplink) -> None:
    made = content(**{f"provider:{name}": value for name, value in provider.items()})
    made.network["provider:physical_network"] = "physnet1"
    bound(made, 1, "me")
    bound(made, 2, "there", "172.30.0.2")
    found = some(made)
    assert found.uplink == uplink and found.forwarding == Forwarding() and found.problem is None
    made.network["provider:physical_network"] = "physnet2"
    found = some(made)
    assert found.uplink is None and found.problem == "this host has no interface in physical network physnet2"
    assert found.taps


def test_problems_without_a_tunnel_or_a_segment() -> None:
    made = content()
    bound(made, 1, "me")
    assert some(made, Settings("me")).problem == "this host has no local_ip for VXLAN"
    made.network["provider:network_type"] = None
    assert some(made).problem == "it has no segment"


@pytest.mark.parametrize("bad", ["x", "../../etc/x1", "0000000 0000", '00000000"000'])
def test_an_id_that_could_be_no_links_name_is_refused(bad: str) -> None:
    made = content()
    bound(made, 1, "me")
    port = made.content["port"].pop(uuid(1, 2))
    made.content["port"][bad] = {**port, "id": bad}
    with pytest.raises(errors.Invalid):
        desired(made)


def test_names_of_vlan_links_fit_and_differ() -> None:
    assert compute.vlan_link("eth1", 4094) == "eth1.4094"
    names = {compute.vlan_link(f"enp129s0f{number}np0", 4094) for number in range(4)}
    assert len(names) == 4 and all(len(name) == 15 and name.endswith(".4094") for name in names)


def test_who_is_filtered_by_which_groups() -> None:
    made = content()
    groups = [uuid(2, 7), uuid(1, 7)]
    pairs = [{"ip_address": "10.0.0.0/28", "mac_address": "fa:16:3e:00:00:77"}]
    bound(made, 1, "me", security_groups=groups, allowed_address_pairs=pairs)
    bound(made, 2, "me", security_groups=[])  # nothing passes
    bound(made, 3, "me")  # as a server without security groups says it
    bound(made, 4, "me", security_groups=groups, port_security_enabled=False)
    bound(made, 5, "me", security_groups=groups, device_owner="network:dhcp")
    bound(made, 6, "there", security_groups=groups)
    first, second = some(made).filtered
    assert (first.tap, first.groups) == ("tap00000001-00", tuple(sorted(groups)))
    assert first.macs == {"fa:16:3e:00:00:01", "fa:16:3e:00:00:77"}
    assert {str(network) for network in first.addresses} == {"10.0.0.0/28"}
    assert (second.tap, second.groups) == ("tap00000002-00", ())
    bound(made, 1, "me", security_groups=["x; flush ruleset"])
    with pytest.raises(errors.Invalid):
        desired(made)
