"""After any history: the kernel of every host, read back, is what REST says. Nothing missing, nothing left over.

The history: random changes of everything, while agents of every kind are killed and come back one by one, an L2 agent
is away for a while, and the server is stopped and started. What is expected is worked out here, from REST alone.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netsched import errors
from netsched.cmd.site import Site
from netsched.model.addressing import ROUTER_PORT_OWNERS
from tests.netns import filter_facts

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("end state")]
SEED, CHANGES = 20261121, 60
PAUSE = 0.3  # s between changes: three agents at a time are away for longer than it takes to be taken for dead
COMPUTE = ("cmp-1", "cmp-2")
DHCP, GATEWAY = "network:dhcp", "network:router_gateway"
Object = dict[str, Any]
Facts = set[tuple[Any, ...]]


def tap(port: Object) -> str:
    return f"tap{port['id'][:11]}"


class Wanted:
    """What REST says ought to be on each host, as facts: (host, what, ...)."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.address = {name: node.address for name, node in site.nodes.items()}
        lists = {kind: site.rest("GET", f"{kind}s")[f"{kind}s"] for kind in ("network", "subnet", "port", "router")}
        self.networks, self.subnets, self.routers = (
            {one["id"]: one for one in lists[kind]} for kind in ("network", "subnet", "router")
        )
        self.ports: list[Object] = lists["port"]
        self.groups: list[Object] = site.rest("GET", "security-groups")["security_groups"]
        self.floating: list[Object] = site.rest("GET", "floatingips")["floatingips"]
        self.holder = {id_: site.holder("router", id_) for id_ in self.routers}
        self.served = {id_: site.holder("network", id_) for id_ in self.networks}

    def on(self, host: str, network_id: str) -> list[Object]:
        return [p for p in self.ports if p["network_id"] == network_id and p["binding:host_id"] == host]

    def plugged(self, port: Object) -> bool:
        """Is there to be a wire? Machines have theirs; the agents make those of routers and DHCP as long as these are
        up."""
        up = port["admin_state_up"] and self.networks[port["network_id"]]["admin_state_up"]
        if port["device_owner"] in ROUTER_PORT_OWNERS:
            return bool(up and self.routers[port["device_id"]]["admin_state_up"])
        return bool(up)

    def facts(self) -> Facts:
        found: Facts = set()
        for host in self._site.nodes:
            found |= filter_facts.wanted(host, self.ports, self.groups)
            for network in self.networks.values():
                found |= self._bridge(host, network)
        for router in self.routers.values():
            found |= self._router(router)
        for network in self.networks.values():
            found |= self._dhcp(network)
        return found

    def _bridge(self, host: str, network: Object) -> Facts:
        """The bridge with its members; what each other host has behind the tunnel; what ports may send."""
        mine = self.on(host, network["id"])
        if not mine:
            return set()
        bridge = f"brq{network['id'][:11]}"
        found: Facts = {(host, "bridge", bridge)}
        found |= {(host, "member", bridge, tap(p)) for p in mine if self.plugged(p)}
        if network["provider:network_type"] == "flat":
            found.add((host, "member", bridge, "ext0"))
        else:
            vxlan = f"vxlan-{network['provider:segmentation_id']}"
            found.add((host, "member", bridge, vxlan))
            for other in self.address.keys() - {host}:
                for port in self.on(other, network["id"]):
                    found.add((host, "fdb", vxlan, port["mac_address"], self.address[other]))
                    found.add((host, "fdb", vxlan, port["mac_address"], "static"))
                    found.add((host, "fdb", vxlan, "00:00:00:00:00:00", self.address[other]))
        for port in mine:
            if port["device_owner"].startswith("network:"):
                continue
            found |= {(host, "guarded", tap(port)), (host, "mac", tap(port), port["mac_address"])}
            allowed = [*port["fixed_ips"], *port["allowed_address_pairs"]]
            found |= {(host, "source", tap(port), port["mac_address"], one["ip_address"]) for one in allowed}
        return found

    def _router(self, router: Object) -> Facts:
        host = self.holder[router["id"]]
        plugged = [
            port
            for port in self.ports
            if port["device_id"] == router["id"] and port["device_owner"] in ROUTER_PORT_OWNERS and self.plugged(port)
        ]
        if host is None or not plugged:
            return set()
        assert {port["binding:host_id"] for port in plugged} == {host}
        space = f"qrouter-{router['id']}"
        found: Facts = {(host, "namespace", space)}
        nets = {}
        for port in plugged:
            device = ("qg-" if port["device_owner"] == GATEWAY else "qr-") + port["id"][:11]
            for ip in port["fixed_ips"]:
                subnet = self.subnets[ip["subnet_id"]]
                nets[subnet["cidr"]] = device
                found.add((host, "address", space, device, f"{ip['ip_address']}/{subnet['cidr'].split('/')[1]}"))
                if port["device_owner"] == GATEWAY:
                    found.add((host, "route", space, "default", subnet["gateway_ip"]))
        for route in router["routes"]:
            if _on(route["nexthop"], nets):
                found.add((host, "route", space, route["destination"], route["nexthop"]))
        for one in self.floating:
            if self.in_force(one) and one["router_id"] == router["id"]:
                (device,) = (name for name in nets.values() if name.startswith("qg-"))
                outer, inner = one["floating_ip_address"], one["fixed_ip_address"]
                found.add((host, "address", space, device, f"{outer}/32"))
                found |= {(host, "fip_in", space, outer, inner), (host, "fip_out", space, inner, outer)}
        return found

    def in_force(self, floating: Object) -> bool:
        """Does it lead somewhere: is the router there, on the outside and on the subnet of the machine?"""
        if not floating["port_id"]:
            return False
        legs = [
            (port["network_id"], ip["subnet_id"])
            for port in self.ports
            if port["device_id"] == floating["router_id"] and self.plugged(port)
            for ip in port["fixed_ips"]
        ]
        fixed = ipaddress.ip_address(floating["fixed_ip_address"])
        inside = any(fixed in ipaddress.ip_network(self.subnets[subnet]["cidr"]) for _, subnet in legs)
        return inside and any(network == floating["floating_network_id"] for network, _ in legs)

    def _dhcp(self, network: Object) -> Facts:
        host = self.served[network["id"]]
        if host is None or not network["admin_state_up"]:
            return set()
        ports = [port for port in self.ports if port["network_id"] == network["id"]]
        space = f"qdhcp-{network['id']}"
        own = next(p for p in ports if p["device_owner"] == DHCP and p["binding:host_id"] == host)
        found: Facts = {(host, "namespace", space), (host, "address", space, f"ns-{own['id'][:11]}", _cidr(own, self))}
        found |= {
            (host, "reservation", network["id"], port["mac_address"], ip["ip_address"])
            for port in ports
            if port["device_owner"] != DHCP
            for ip in port["fixed_ips"]
        }
        return found

    def unsettled(self) -> list[str]:
        """What REST itself says of states, where it is not as it must become."""
        wrong = [
            f"port {p['id']} ({p['device_owner']}) is {p['status']}: {p['binding:vif_type']} {p['binding:vif_details']}"
            for p in self.ports
            if p["binding:host_id"] and p["status"] != ("ACTIVE" if self.plugged(p) else "DOWN")
        ]
        wrong += [
            f"floating IP {one['floating_ip_address']} is {one['status']}"
            for one in self.floating
            if one["status"] != ("ACTIVE" if self.in_force(one) else "DOWN")
        ]
        agents = self._site.rest("GET", "agents")["agents"]
        wrong += [f"{a['agent_type']} of {a['host']} is {a['state']}" for a in agents if a["state"] != "alive"]
        with_legs = {port["device_id"] for port in self.ports if port["device_owner"] in ROUTER_PORT_OWNERS}
        return wrong + [
            f"router {id_} is on {host}" for id_, host in self.holder.items() if (host is None) == (id_ in with_legs)
        ]


def _cidr(port: Object, wanted: Wanted) -> str:
    (ip,) = port["fixed_ips"]
    return f"{ip['ip_address']}/{wanted.subnets[ip['subnet_id']]['cidr'].split('/')[1]}"


def _on(address: str, cidrs: dict[str, str]) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(cidr) for cidr in cidrs)


def actual(site: Site) -> Facts:
    """The same facts, from the kernel and the files of every host."""
    found: Facts = set()
    for host in site.nodes:
        found |= _links(site, host) | _guards(site, host) | _spaces(site, host)
        with contextlib.suppress(errors.Unavailable):  # no table at all
            found |= filter_facts.found(host, _json(site, host, *filter_facts.TABLE)["nftables"])
        for hosts in (site.directory / "agents" / host / "dhcp").glob("*/hosts"):
            for line in hosts.read_text().splitlines():
                mac, _, address = line.split(",")
                found.add((host, "reservation", hosts.parent.name, mac, address))
    return found


def _json(site: Site, host: str, *command: str) -> Any:
    return json.loads(site.nodes[host].host.run(*command) or "[]")


def _links(site: Site, host: str) -> Facts:
    found: Facts = set()
    for link in _json(site, host, "ip", "-j", "-d", "link", "show"):
        if link["ifname"].startswith("brq"):
            found.add((host, "bridge", link["ifname"]))
        elif link.get("master", "").startswith("brq"):
            found.add((host, "member", link["master"], link["ifname"]))
        elif link["ifname"].startswith("vxlan-"):
            found.add((host, "tunnel without a bridge", link["ifname"]))
    for entry in _json(site, host, "bridge", "-j", "fdb", "show"):
        if entry["ifname"].startswith("vxlan-"):
            # Neither the device's own address (permanent), nor what the bridge has learnt from a frame and forgets.
            where = entry.get("dst") or (entry["state"] if entry["state"] == "static" else None)
            found |= {(host, "fdb", entry["ifname"], entry["mac"], where)} if where else set()
    return found


def _guards(site: Site, host: str) -> Facts:
    with contextlib.suppress(errors.Unavailable):
        found: Facts = set()
        for item in _json(site, host, "nft", "-j", "list", "table", "bridge", "netsched")["nftables"]:
            name = item.get("set", {}).get("name")
            for raw in item.get("set", {}).get("elem", ()):
                raw = raw["elem"]["val"] if isinstance(raw, dict) and "elem" in raw else raw
                words = raw["concat"] if isinstance(raw, dict) else [raw]
                if kind := {"guarded": "guarded", "macs": "mac", "ipv4": "source"}.get(name):
                    found.add((host, kind, *map(_plain, words)))
        return found
    return set()  # no table at all


def _plain(word: Any) -> str:
    return f"{word['prefix']['addr']}/{word['prefix']['len']}" if isinstance(word, dict) else str(word)


def _spaces(site: Site, host: str) -> Facts:
    found: Facts = set()
    for line in site.nodes[host].host.run("ip", "netns", "list").splitlines():
        space = line.split()[0]
        if not space.startswith(("qrouter-", "qdhcp-")):
            continue
        found.add((host, "namespace", space))
        for link in _json(site, host, "ip", "-n", space, "-j", "-4", "address", "show"):
            if link["ifname"] != "lo":
                addresses = {f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"]}
                found |= {(host, "address", space, link["ifname"], one) for one in addresses}
        if space.startswith("qrouter-"):
            found |= _routing(site, host, space)
    return found


def _routing(site: Site, host: str, space: str) -> Facts:
    found: Facts = set()
    for route in _json(site, host, "ip", "-n", space, "-j", "-4", "route", "show"):
        if "gateway" in route:
            found.add((host, "route", space, route["dst"], route["gateway"]))
    listed = _json(site, host, "ip", "netns", "exec", space, "nft", "-j", "list", "table", "ip", "netsched")
    for item in listed["nftables"]:
        for key, value in item.get("map", {}).get("elem", ()):
            found.add((host, item["map"]["name"], space, key, value))
    return found


class History:
    """Changes by REST, and machines with their wires as a compute service makes them."""

    def __init__(self, site: Site, rng: random.Random) -> None:
        self.site, self.rng = site, rng
        self.done = 0
        self.wires: dict[str, str] = {}  # port -> host
        kinds = {"router__external": True, "provider__network_type": "flat", "provider__physical_network": "public"}
        self.external = site.create("network", name="public", **kinds)["id"]
        outside = {"cidr": "203.0.113.0/24", "enable_dhcp": False}
        site.create("subnet", network_id=self.external, ip_version=4, **outside)
        self.networks = [site.create("network", name=f"n{number}")["id"] for number in range(3)]
        self.subnets = [
            site.create("subnet", network_id=id_, ip_version=4, cidr=f"10.0.{number}.0/24")["id"]
            for number, id_ in enumerate(self.networks)
        ]
        self.routers = [self._router() for _ in range(2)]
        for router, subnet in zip(self.routers, self.subnets, strict=False):
            self._interface(router, subnet, "add")
        self.floating: list[str] = []
        for network, host in zip(self.networks * 2, COMPUTE * 3, strict=True):
            self.machine(network, host)

    def one(self) -> None:
        """A change, if it is possible just then."""
        with contextlib.suppress(errors.Conflict, IndexError):
            self.rng.choice(self._deeds())()
            self.done += 1

    def last_word(self) -> None:
        """Something of everything is there in the end, whatever the history was: a machine with a floating IP."""
        network, subnet = self.networks[0], self.subnets[0]
        query = f"ports?device_owner=network:router_interface&network_id={network}"
        interfaces = self.site.rest("GET", query)["ports"]
        router = interfaces[0]["device_id"] if interfaces else self.routers[0]
        if not interfaces:
            self._interface(router, subnet, "add")
        changes = {"external_gateway_info": {"network_id": self.external}, "admin_state_up": True}
        self.site.rest("PUT", f"routers/{router}", {"router": changes})
        self.site.rest("PUT", f"networks/{network}", {"network": {"admin_state_up": True}})
        self.machine(network, COMPUTE[0])
        self._float(list(self.wires)[-1])
        route = {"destination": "192.168.99.0/24", "nexthop": "10.0.0.251"}
        self.site.rest("PUT", f"routers/{router}/add_extraroutes", {"router": {"routes": [route]}})

    def machine(self, network: str, host: str) -> None:
        port = self.site.create("port", network_id=network, device_owner="compute:nova", binding__host_id=host)
        self._wire(port["id"], host)

    def _deeds(self) -> list[Callable[[], Any]]:
        rng, rest = self.rng, self.site.rest
        at = rng.randrange(3)
        router = rng.choice(self.routers)
        port = rng.choice(list(self.wires)) if self.wires else ""
        info = rng.choice([None, {"network_id": self.external}, {"network_id": self.external}])
        up = rng.random() < 0.75
        route = {"destination": f"192.168.{rng.randrange(9)}.0/24", "nexthop": f"10.0.{at}.{rng.randrange(200, 250)}"}
        pair = {"ip_address": f"172.16.{rng.randrange(9)}.0/24"}
        ports: list[Callable[[], Any]] = [
            lambda: self.machine(self.networks[at], rng.choice(COMPUTE)),
            lambda: self.machine(self.networks[at], rng.choice(COMPUTE)),
            lambda: self._delete(port),
            lambda: self._move(port),
            lambda: self._move(port),
            lambda: rest("PUT", f"ports/{port}", {"port": {"allowed_address_pairs": [pair]}}),
            lambda: rest("PUT", f"ports/{port}", {"port": {"admin_state_up": up}}),
            lambda: rest("PUT", f"networks/{self.networks[at]}", {"network": {"admin_state_up": up}}),
        ]
        routers: list[Callable[[], Any]] = [
            lambda: self._interface(router, self.subnets[at], "add"),
            lambda: self._interface(router, self.subnets[at], "add"),
            lambda: self._interface(router, self.subnets[at], "remove"),
            lambda: rest("PUT", f"routers/{router}", {"router": {"external_gateway_info": info}}),
            lambda: rest("PUT", f"routers/{router}", {"router": {"admin_state_up": up}}),
            lambda: rest("PUT", f"routers/{router}/add_extraroutes", {"router": {"routes": [route]}}),
            lambda: self.routers.append(self._router()),
        ]
        floating: list[Callable[[], Any]] = [
            lambda: self._float(port),
            lambda: self._float(port),
            lambda: rest("PUT", f"floatingips/{rng.choice(self.floating)}", {"floatingip": {"port_id": port}}),
            lambda: rest("PUT", f"floatingips/{rng.choice(self.floating)}", {"floatingip": {"port_id": None}}),
            lambda: rest("DELETE", f"floatingips/{self.floating.pop()}"),
        ]
        return rng.choice([ports, routers, floating])

    def _router(self) -> str:
        return str(self.site.create("router", external_gateway_info={"network_id": self.external})["id"])

    def _interface(self, router: str, subnet: str, verb: str) -> None:
        self.site.rest("PUT", f"routers/{router}/{verb}_router_interface", {"subnet_id": subnet})

    def _float(self, port: str) -> None:
        made = self.site.create("floatingip", floating_network_id=self.external, port_id=port)
        self.floating.append(made["id"])

    def _move(self, port: str) -> None:
        there = next(host for host in COMPUTE if host != self.wires[port])
        self._unwire(port)
        self.site.rest("PUT", f"ports/{port}", {"port": {"binding:host_id": there}})
        self._wire(port, there)

    def _delete(self, port: str) -> None:
        self.site.rest("DELETE", f"ports/{port}")
        self._unwire(port)

    def _wire(self, port: str, host: str) -> None:
        outer, inner = f"tap{port[:11]}", f"vm-{port[:11]}"
        self.site.nodes[host].host.run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
        self.site.nodes[host].host.run("ip", "link", "set", inner, "up")
        self.wires[port] = host

    def _unwire(self, port: str) -> None:
        self.site.nodes[self.wires.pop(port)].host.run("ip", "link", "del", f"tap{port[:11]}")


@pytest.fixture
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="netsched-test-") as directory, contextlib.ExitStack() as closing:
        Path(directory).chmod(0o755)
        made = Site(Path(directory), closing)
        for name in ("net-1", "net-2"):
            made.add_node(name, ("dhcp", "l3", "l2"), physical=("public",))
        for name in COMPUTE:
            made.add_node(name, ("l2",))
        made.wait_for_agents(60)
        yield made


def differences(site: Site) -> list[str]:
    wanted = Wanted(site)
    expected, there = wanted.facts(), actual(site)
    lines = [f"missing: {fact}" for fact in sorted(expected - there, key=str)]
    lines += [f"left over: {fact}" for fact in sorted(there - expected, key=str)]
    return lines + wanted.unsettled()


def test_whatever_happened_the_kernel_is_what_rest_says(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    rng = random.Random(SEED)
    history = History(site, rng)
    agents = [(name, kind) for name, node in site.nodes.items() for kind in node.agents if (name, kind) != AWAY]
    rng.shuffle(agents)
    dead: list[tuple[str, str]] = []
    for number in range(CHANGES):
        history.one()
        time.sleep(PAUSE)
        if number % 6 == 2 and agents:
            dead.append(agents.pop())
            site.kill(*dead[-1])
        if number % 6 == 5 and len(dead) > 2 or number > 50 and dead:
            site.restart(*dead.pop(0))
        if number == 10:
            site.kill(*AWAY)
        if number == CHANGES // 2:
            site.deployment.stop_server()
            time.sleep(1)
            site.deployment.start_server()
        if number == 50:
            site.restart(*AWAY)
    history.last_word()
    assert history.done > CHANGES // 2 and not agents and not dead
    changed = time.monotonic() - began
    until = time.monotonic() + 90
    while left := differences(site):
        assert time.monotonic() < until, "\n".join(left)
        time.sleep(0.5)
    facts = Wanted(site).facts()
    with capsys.disabled():
        took = time.monotonic() - began - changed
        print(f"\n{history.done} changes in {changed:.0f} s; {len(facts)} facts as REST says {took:.1f} s later")
    kinds = {fact[1] for fact in facts}
    assert kinds >= {"member", "fdb", "source", "namespace", "route", "fip_in", "reservation"}, "the history was poor"


AWAY = ("cmp-2", "l2")  # who is missed for a long time
