"""A whole tenant network across three hosts, with the real server, agents, kernel and daemons: what packets do."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netsched import errors
from netsched.agents.kernel.host import Host
from netsched.cmd.site import Site
from tests.netns.hosts import wait_for

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("tenant network")]
WORLD = "203.0.113.1"


class Cloud:
    """net-1 routes and serves addresses, cmp-1 and cmp-2 have the machines."""

    def __init__(self, site: Site, world: Host) -> None:
        self.site = site
        self.world = world
        self.where: dict[str, str] = {}  # machine -> host

    def machine(self, name: str, node: str, network: dict[str, Any], **attributes: Any) -> dict[str, Any]:
        port = self.site.create("port", network_id=network["id"], name=name, **attributes)
        self.site.plug(port["id"], node, name)
        self.where[name] = node
        return port

    def on(self, name: str, command: str) -> str:
        return self.site.inside(self.where[name], name, command)

    def ping(self, name: str, address: str, timeout: float = 30.0) -> None:
        wait_for(lambda: self.site.reaches(self.where[name], name, address), timeout)

    def silent(self, name: str, address: str, timeout: float = 15.0) -> None:
        wait_for(lambda: not self.site.reaches(self.where[name], name, address), timeout)

    def from_world(self, address: str) -> bool:
        with contextlib.suppress(errors.Unavailable):
            self.world.run("ping", "-c", "1", "-w", "2", address)
            return True
        return False


def address(port: dict[str, Any], version: int = 4) -> str:
    return next(ip["ip_address"] for ip in port["fixed_ips"] if (":" in ip["ip_address"]) == (version == 6))


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with tempfile.TemporaryDirectory(prefix="netsched-test-") as directory, contextlib.ExitStack() as closing:
        Path(directory).chmod(0o755)
        site = Site(Path(directory), closing)
        site.add_node("net-1", ("dhcp", "l3", "l2"), physical=("public",))
        site.add_node("cmp-1", ("l2",))
        site.add_node("cmp-2", ("l2",))
        world = site.outside("public", f"{WORLD}/24")
        site.wait_for_agents()
        yield Cloud(site, world)


@pytest.fixture(scope="module")
def public(cloud: Cloud) -> dict[str, Any]:
    create = cloud.site.create
    network = create(
        "network",
        name="public",
        router__external=True,
        provider__network_type="flat",
        provider__physical_network="public",
    )
    pool = [{"start": "203.0.113.100", "end": "203.0.113.199"}]
    create(
        "subnet",
        network_id=network["id"],
        ip_version=4,
        cidr="203.0.113.0/24",
        gateway_ip=WORLD,
        enable_dhcp=False,
        allocation_pools=pool,
    )
    return network


class Tenant:
    """Two networks with a machine on each host, and a router between them and the world."""

    def __init__(self, cloud: Cloud, public: dict[str, Any]) -> None:
        create = cloud.site.create
        self.router = create("router", name="edge", external_gateway_info={"network_id": public["id"]})
        self.networks = {}
        for name, cidr in (("blue", "10.0.0.0/24"), ("green", "10.0.1.0/24")):
            network = self.networks[name] = create("network", name=name)
            subnet = create("subnet", network_id=network["id"], ip_version=4, cidr=cidr)
            path = f"routers/{self.router['id']}/add_router_interface"
            cloud.site.rest("PUT", path, {"subnet_id": subnet["id"]})
        self.web1 = cloud.machine("web-1", "cmp-1", self.networks["blue"])
        self.web2 = cloud.machine("web-2", "cmp-2", self.networks["blue"])
        self.db1 = cloud.machine("db-1", "cmp-2", self.networks["green"])
        cloud.site.let_in("icmp")


@pytest.fixture(scope="module")
def tenant(cloud: Cloud, public: dict[str, Any]) -> Tenant:
    return Tenant(cloud, public)


def test_machines_on_two_hosts_reach_each_other(cloud: Cloud, tenant: Tenant) -> None:
    cloud.ping("web-1", address(tenant.web2))
    assert cloud.site.show("port", tenant.web1["id"])["status"] == "ACTIVE"


def test_the_router_joins_two_networks(cloud: Cloud, tenant: Tenant) -> None:
    cloud.ping("web-1", address(tenant.db1))
    with pytest.raises(errors.Unavailable):  # without it they are worlds apart
        cloud.on("web-1", f"ping -c 1 -w 1 -r {address(tenant.db1)}")


def test_machines_reach_the_world_by_the_routers_address(cloud: Cloud, tenant: Tenant) -> None:
    cloud.ping("web-2", WORLD)
    router = cloud.site.show("router", tenant.router["id"])
    gateway = router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"]
    known = cloud.world.run("ip", "neigh", "show")
    assert gateway in known and address(tenant.web2) not in known


def test_a_floating_ip_leads_in_and_out(cloud: Cloud, tenant: Tenant, public: dict[str, Any]) -> None:
    made = cloud.site.create("floatingip", floating_network_id=public["id"], port_id=tenant.web1["id"])
    floating = made["floating_ip_address"]
    wait_for(lambda: cloud.from_world(floating), 30)
    wait_for(lambda: cloud.site.show("floatingip", made["id"])["status"] == "ACTIVE", 15)
    with listening(cloud.world) as said:
        cloud.on("web-1", f"bash -c 'echo hello > /dev/tcp/{WORLD}/4444'")
        wait_for(lambda: "from" in said.read_text(), 10)
        assert f"from {floating}" in said.read_text()
    cloud.site.rest("DELETE", f"floatingips/{made['id']}")
    wait_for(lambda: not cloud.from_world(floating), 15)


@contextlib.contextmanager
def listening(host: Host) -> Iterator[Path]:
    """A server on port 4444 that writes down who connected."""
    code = (
        "import socket, sys\n"
        "server = socket.create_server(('0.0.0.0', 4444))\n"
        "print('ready', flush=True)\n"
        "print('from', server.accept()[1][0], flush=True)\n"
    )
    with tempfile.NamedTemporaryFile("wb", prefix="netsched-test-") as output:
        process = host.popen(["python3", "-c", code], stdout=output)
        said = Path(output.name)
        wait_for(lambda: "ready" in said.read_text(), 10)
        try:
            yield said
        finally:
            process.kill()
            process.wait()


def test_a_full_size_packet_passes_everywhere(cloud: Cloud, tenant: Tenant) -> None:
    """MTU 1450: 1422 bytes of ping with its headers, which must not be fragmented."""
    for target in (address(tenant.web2), address(tenant.db1)):
        cloud.ping("web-1", target)
        cloud.on("web-1", f"ping -M do -s 1422 -c 2 -w 10 {target}")
    with pytest.raises(errors.Unavailable):
        cloud.on("web-1", f"ping -M do -s 1423 -c 1 -w 2 {address(tenant.web2)}")
    script = cloud.site.directory / "env.sh"
    script.write_text("#!/bin/sh\nenv\n")
    script.chmod(0o755)
    assert "mtu=1450" in cloud.on("web-1", f"udhcpc -i eth0 -s {script} -f -n -q -t 3 -T 2 -O mtu")


def advertised_mtu(cloud: Cloud, name: str) -> int | None:
    """As the router answers when asked; it may keep silent for some seconds after it has spoken to all."""
    with contextlib.suppress(errors.Unavailable):
        said = re.search(r"MTU\s+:\s+(\d+) bytes", cloud.on(name, "rdisc6 -1 eth0"))
        return int(said[1]) if said else None
    return None


def test_an_ipv6_machine_makes_its_address_and_routes_by_advertisement(cloud: Cloud, tenant: Tenant) -> None:
    create, rest = cloud.site.create, cloud.site.rest
    machines = []
    for name, node, number in (("six-1", "cmp-1", 1), ("six-2", "cmp-2", 2)):
        network = create("network", name=f"six{number}")
        mode = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
        subnet = create("subnet", network_id=network["id"], ip_version=6, cidr=f"fd00:0:0:{number}::/64", **mode)
        rest("PUT", f"routers/{tenant.router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
        port = create("port", network_id=network["id"], name=name)
        cloud.site.vif(node, "plug", port["id"], "--namespace", name, "--address", "none", "--wait", "30")
        cloud.where[name] = node
        machines.append(port)
    for name, port in zip(("six-1", "six-2"), machines, strict=True):
        own = address(port, 6)
        wait_for(lambda n=name, a=own: a in cloud.on(n, "ip -6 addr show dev eth0"), 30)
        wait_for(lambda n=name: "default" in cloud.on(n, "ip -6 route"), 30)
        wait_for(lambda n=name: advertised_mtu(cloud, n) == 1450, 30)
    cloud.ping("six-1", address(machines[1], 6))
    cloud.on("six-1", f"ping -M do -s 1402 -c 2 -w 10 {address(machines[1], 6)}")


@pytest.mark.parametrize("what", ["port", "network"])
def test_admin_down_stops_traffic(cloud: Cloud, tenant: Tenant, what: str) -> None:
    cloud.ping("web-1", address(tenant.web2))
    id_ = tenant.web2["id"] if what == "port" else tenant.networks["blue"]["id"]
    cloud.site.rest("PUT", f"{what}s/{id_}", {what: {"admin_state_up": False}})
    cloud.silent("web-1", address(tenant.web2))
    wait_for(lambda: cloud.site.show("port", tenant.web2["id"])["status"] == "DOWN", 15)
    cloud.site.rest("PUT", f"{what}s/{id_}", {what: {"admin_state_up": True}})
    cloud.ping("web-1", address(tenant.web2))
    wait_for(lambda: cloud.site.show("port", tenant.web2["id"])["status"] == "ACTIVE", 15)


def test_a_deleted_port_leaves_no_entry_on_any_host(cloud: Cloud, tenant: Tenant) -> None:
    port = cloud.machine("short", "cmp-2", tenant.networks["blue"])
    cloud.ping("web-1", address(port))
    mac = port["mac_address"]

    def known() -> set[str]:
        return {node for node in ("net-1", "cmp-1") if mac in cloud.site.on(node, "bridge", "fdb", "show")}

    wait_for(lambda: known() == {"net-1", "cmp-1"}, 15)
    cloud.on("short", "ip link set eth0 down")  # a frame that comes after its entries have gone would be learned
    cloud.site.rest("DELETE", f"ports/{port['id']}")
    wait_for(lambda: not known(), 15)
    cloud.silent("web-1", address(port))


def test_a_moved_port_is_reached_at_its_new_host(cloud: Cloud, tenant: Tenant) -> None:
    """Under a running ping: the machine with that port comes up elsewhere, and no one waits for a table to age."""
    port = cloud.machine("mover", "cmp-2", tenant.networks["blue"])
    cloud.ping("web-1", address(port))
    cloud.site.plug(port["id"], "cmp-1", "mover")
    cloud.where["mover"] = "cmp-1"
    cloud.ping("web-1", address(port), 15)
    cloud.ping("web-2", address(port), 15)
    taps = cloud.site.on("cmp-2", "ip", "-o", "link", "show", "type", "veth")
    old = re.findall(rf"tap{port['id'][:11]}@\S+ .*", taps)
    assert not any("master brq" in line for line in old)
