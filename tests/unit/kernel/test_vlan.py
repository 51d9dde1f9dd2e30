"""VLAN networks on pyroute2's simulated kernel, since the kernel of a test machine may have no 8021q.

What the simulation lacks: aliases of links, hence the bridge is "made ready" each time; and deletion.
"""

from __future__ import annotations

import errno
import struct
from typing import Any

import pytest
from pyroute2 import IPRoute
from pyroute2.iproute.ipmock import IPEngine
from pyroute2.netlink import NLM_F_CREATE, NLMSG_ERROR
from pyroute2.netlink.rtnl import RTM_GETLINK

from netsched import errors
from netsched.agents.kernel.netlink import Netlink
from netsched.agents.kernel.tunnel import Forwarding, Vlan
from netsched.agents.l2 import wiring
from netsched.agents.l2.compute import L2Desired, Settings, Uplink
from tests.fakes.content import NETWORK, uuid

SETTINGS = Settings("me", interfaces={"physnet1": "eth0"})
BRIDGE, TAP = "brq11111111-11", "tap00000001-00"


class Engine(IPEngine):
    """As the kernel does, changes links by their names too, and says when there is none of that name."""

    def RTM_NEWLINK(self, req: Any) -> None:  # noqa: N802 (pyroute2's name)
        link = next((link for link in self.database["links"] if link.ifname == req.get("ifname")), None)
        if link is None or req["header"]["flags"] & NLM_F_CREATE:
            super().RTM_NEWLINK(req)
            return
        kind = link.kind
        link.update_from_msg(req)
        link.kind = kind  # which the simulation forgets
        self.nl_error(req["header"]["sequence_number"], 0)

    def RTM_GETLINK(self, msg_in: Any) -> None:  # noqa: N802 (pyroute2's name)
        name = msg_in.get("ifname")
        if name and all(link.ifname != name for link in self.database["links"]):
            tag = msg_in["header"]["sequence_number"]
            refused = struct.pack("IHHII16x", 32, RTM_GETLINK, 0, tag, 0)  # the request, without its content
            error = struct.pack("IHHIIi", 20 + len(refused), NLMSG_ERROR, 0, tag, 0, -errno.ENODEV)
            self.loopback_w.send(error + refused)
        else:
            super().RTM_GETLINK(msg_in)


@pytest.fixture
def kernel() -> Any:
    with IPRoute(use_socket=Engine()) as ip:
        yield ip


@pytest.fixture
def host(kernel: Any) -> Netlink:
    return Netlink(kernel)


def vlan_network(vlan_id: int = 100, interface: str = "eth0") -> L2Desired:
    return L2Desired(
        network_id=NETWORK,
        bridge=BRIDGE,
        mtu=1400,
        uplink=Uplink("vlan", f"{interface}.{vlan_id}", interface, vlan_id),
        taps=frozenset({TAP}),
        forwarding=Forwarding(),
        guards=(),
        filtered=(),
        ports={uuid(1, 2): TAP},
    )


def repair(host: Netlink, wanted: L2Desired) -> list[str]:
    done = []
    for difference in wiring.Survey(host, wanted, SETTINGS).differences():
        difference.make()
        done.append(difference.what)
    return done


def test_a_sub_interface_joins_the_bridge_with_its_tap(kernel: Any, host: Netlink) -> None:
    kernel.link("add", ifname=TAP, kind="veth", peer="other")
    assert repair(host, vlan_network()) == [
        f"{BRIDGE} made ready",
        "eth0.100 made",
        f"eth0.100 put into {BRIDGE}",
        f"{TAP} put into {BRIDGE}",
    ]
    links = host.links()
    bridge, vlan, tap = links[BRIDGE], links["eth0.100"], links[TAP]
    assert (vlan.kind, vlan.vlan) == ("vlan", Vlan(links["eth0"].index, 100))
    assert vlan.master == tap.master == bridge.index and vlan.up and tap.up and bridge.up
    assert {vlan.mtu, tap.mtu, bridge.mtu} == {1400}
    assert links["eth0"].master == 0  # untagged frames stay the host's
    assert repair(host, vlan_network()) == [f"{BRIDGE} made ready"]


def test_two_vlans_of_one_interface_are_two_links(host: Netlink) -> None:
    host.add_vlan("eth0.7", Vlan(host.index("eth0"), 7), "")
    host.add_vlan("eth0.8", Vlan(host.index("eth0"), 8), "")
    vlans = {name: link.vlan for name, link in host.links().items() if link.vlan}
    assert vlans == {"eth0.7": Vlan(2, 7), "eth0.8": Vlan(2, 8)}


def test_without_the_interface_it_says_so(host: Netlink) -> None:
    with pytest.raises(errors.Unavailable, match="there is no interface eth9"):
        repair(host, vlan_network(interface="eth9"))
