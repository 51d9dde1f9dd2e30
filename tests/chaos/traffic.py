"""The clients: random writes through both servers, each client on objects of its own, all on the same agents.

What a client chooses follows from the seed and from the answers that it gets. It paces itself, so that the product and
not the machine is tested.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tests.chaos.book import Book, Item
from tests.chaos.times import now

TIMEOUT = 8.0  # s for an answer
SHUN = 10.0  # s for which a server that gave none is tried last
REACH = 30.0  # s in which some server lets us in
NETWORKS, PORTS, ROUTERS = 6, 6, 2  # of one client, at most
BARS = 3  # agents that one network is taken off for good, at most

Answer = dict[str, Any]


class Unanswered(Exception):
    """Nobody knows whether it happened."""


class Refused(Exception):
    """It did not happen; the message says why."""


class Api:
    """Both servers, of which a client takes any that lets it in."""

    def __init__(self, ports: Sequence[int], rng: random.Random, book: Book, closing: threading.Event) -> None:
        self._ports = ports
        self._rng = rng
        self._book = book
        self._closing = closing
        self._shaken = False  # the last write was not answered
        self._shunned: dict[int, float] = {}  # ports, until when

    def write(self, method: str, path: str, body: Answer | None = None) -> Answer:
        """Raises Unanswered, or Refused for 4xx."""
        if self._shaken:
            self.read("networks?limit=1&fields=id")  # else an outage would leave everything in doubt
            self._shaken = False
        try:
            status, answer = self._ask(method, path, body)
        except Unanswered:
            self._shaken = True
            raise
        if status < 300:
            self._book.acknowledged += 1
            return answer
        self._book.refused[f"{status} {method} {path.split('/')[0]}"] += 1
        raise Refused(f"{method} {path}: {status} {answer}")

    def read(self, path: str) -> Answer:
        """As often as it takes. Raises Unanswered when the run ends before."""
        while not self._closing.is_set():
            try:
                status, answer = self._ask("GET", path, None, counted=False)
            except Unanswered:
                self._closing.wait(0.5)
                continue
            if status < 300:
                return answer
            raise Refused(f"GET {path}: {status} {answer}")
        raise Unanswered

    def _ask(self, method: str, path: str, body: Answer | None, counted: bool = True) -> tuple[int, Answer]:
        try:
            status, text, headers = self._talk(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            self._book.unknown += counted
            raise Unanswered(str(error)) from error
        if status == 503:
            # What could not be done may have been done: a database can be lost in the middle of a commit.
            self._book.unavailable += 1
            self._book.unknown += counted
            if not headers.get("Retry-After"):
                self._book.errors.append(f"{method} {path}: 503 without Retry-After: {text[:200]!r}")
            raise Unanswered("503")
        if status >= 500:
            self._book.errors.append(f"{method} {path}: {status} {text[:300]!r}")
            raise Unanswered(str(status))
        return status, json.loads(text) if text else {}

    def _talk(self, method: str, path: str, body: Answer | None) -> tuple[int, bytes, Any]:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", "X-Project-Id": "chaos", "X-User-Id": "chaos"}
        connection = self._connect()
        try:
            connection.request(method, f"/v2.0/{path}", data, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        except OSError:
            self._shunned[connection.port] = now() + SHUN  # as a load balancer does
            raise
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        """Nothing has been sent yet, so another server may be tried."""
        began = now()
        while True:
            chosen = self._rng.sample(list(self._ports), len(self._ports))
            for port in sorted(chosen, key=lambda port: self._shunned.get(port, 0.0) > now()):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
                try:
                    connection.connect()
                except OSError:
                    continue
                return connection
            if now() - began > REACH or self._closing.wait(0.3):
                raise ConnectionRefusedError("no server lets us in")


class Client:
    """`external`: a network for routers' gateways. `period`: seconds between writes, on average."""

    def __init__(
        self, number: int, seed: int, ports: Sequence[int], hosts: Sequence[str], external: str, period: float
    ) -> None:
        self.book = Book()
        self._name = f"c{number}"
        self._rng = random.Random(f"{seed} client {number}")
        self._hosts = list(hosts)
        self._external = external
        self._period = period
        self._closing = threading.Event()
        self._api = Api(ports, self._rng, self.book, self._closing)
        self._made = 0
        self._ports: dict[str, list[Item]] = {}  # by network
        self._subnets: dict[str, Item] = {}
        self._attached: dict[str, Item] = {}  # router by network
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def setup(self, plural: str, body: Answer) -> str:
        """The id of an object that is nobody's; before there are faults."""
        return str(self._api.write("POST", plural, {plural.removesuffix("s"): body})[plural.removesuffix("s")]["id"])

    def stop(self) -> None:
        self._closing.set()

    def join(self) -> None:
        self._thread.join(TIMEOUT + 5)
        assert not self._thread.is_alive(), f"{self._name} hangs"
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        choices: list[tuple[int, Callable[[], None]]] = [
            (6, self._create_network),
            (24, self._create_port),
            (24, self._update_port),
            (14, self._delete_port),
            (5, self._update_network),
            (2, self._delete_network),
            (4, self._create_router),
            (4, self._update_router),
            (1, self._delete_router),
            (4, self._create_floating_ip),
            (3, self._delete_floating_ip),
            (5, self._rebind_network),
            (2, self._unbind_router),
            (3, self._look_at_doubts),
        ]
        weights = [weight for weight, _ in choices]
        try:
            while not self._closing.is_set():
                self._rng.choices(choices, weights)[0][1]()
        except BaseException as error:
            if not isinstance(error, Unanswered):
                self.failure = error

    # One write

    def _create(self, item: Item, **more: Any) -> bool:
        """True if it is known to be there."""
        body = {**item.fields, **more}
        try:
            answer = self._pace(lambda: self._api.write("POST", item.plural, {item.singular: body}))
        except Unanswered:
            item.doubt()
            return False
        except Refused:
            item.there = False
            return False
        item.id, item.there = answer[item.singular]["id"], True
        return True

    def _update(self, item: Item, **fields: Any) -> None:
        """Raises Refused."""
        try:
            self._pace(lambda: self._api.write("PUT", f"{item.plural}/{item.id}", {item.singular: fields}))
        except Unanswered:
            item.doubt()
            for name, value in fields.items():
                item.either.setdefault(name, []).append(value)
            return
        item.fields |= fields

    def _delete(self, item: Item) -> bool:
        """True if it is known to be gone. Raises Refused."""
        try:
            self._pace(lambda: self._api.write("DELETE", f"{item.plural}/{item.id}"))
        except Unanswered:
            item.there = None
            item.doubt()
            return False
        item.there, item.gone_at = False, now()
        return True

    def _act(self, item: Item, method: str, path: str, body: Answer) -> bool:
        """A write that changes no field of `item`, yet decides what may be done with it. Raises Refused."""
        try:
            self._pace(lambda: self._api.write(method, path, body))
        except Unanswered:
            item.doubt()
            return False
        return True

    def _pace(self, write: Callable[[], Answer]) -> Answer:
        self._closing.wait(self._period * self._rng.uniform(0.5, 1.5))
        if self._closing.is_set():
            raise Unanswered  # not sent; that the object is in doubt now harms nobody
        return write()

    # What there is

    def _mine(self, plural: str) -> list[Item]:
        return [item for item in self.book.items if item.plural == plural and item.alive]

    def _count(self, plural: str) -> int:
        """Also those that may be there."""
        return sum(1 for item in self.book.items if item.plural == plural and item.there is not False)

    def _any(self, items: Sequence[Item]) -> Item | None:
        return self._rng.choice(items) if items else None

    def _new(self, plural: str, **fields: Any) -> Item:
        self._made += 1
        return self.book.add(plural, f"{self._name}-{self._made}", **fields)

    # Networks and ports

    def _create_network(self) -> None:
        if self._count("networks") >= NETWORKS + 3 or len(self._mine("networks")) >= NETWORKS:
            return
        network = self._new("networks", admin_state_up=True, description="")
        network.fields["name"] = network.name
        self._ports[network.name] = []
        if not self._create(network):
            return
        number = self._made % 250
        cidr = f"10.{self._rng.randrange(1, 250)}.{number}.0/24"
        subnet = self._new("subnets", network_id=network.id, cidr=cidr, ip_version=4, enable_dhcp=True)
        subnet.fields["name"] = subnet.name
        self._subnets[network.name] = subnet
        self._create(subnet)

    def _update_network(self) -> None:
        network = self._any(self._mine("networks"))
        if network is not None:
            self._update(network, description=f"changed {self._rng.randrange(1000)}")

    def _delete_network(self) -> None:
        network = self._any(self._mine("networks"))
        if network is None or len(self._mine("networks")) < NETWORKS // 2 or self._router_of(network) is not None:
            return
        subnets = [self._subnets[network.name]] if network.name in self._subnets else []
        ports = [port for port in self._ports[network.name] if port.there is not False]
        if not all(one.known for one in (*ports, *subnets)) or not all(self._delete(port) for port in ports):
            return
        gone = self._delete(network)
        for subnet in subnets:  # goes with it
            subnet.there = False if gone else None
            if not gone:
                subnet.doubt()

    def _create_port(self) -> None:
        network = self._any([one for one in self._mine("networks") if self._has_subnet(one)])
        if network is None:
            return
        there = [port for port in self._ports[network.name] if port.there is not False]
        if len(there) >= PORTS:
            return
        port = self._new("ports", network_id=network.id, admin_state_up=True, device_id="")
        port.fields |= {"name": port.name, "binding:host_id": self._host()}
        self._ports[network.name].append(port)
        self._create(port)

    def _has_subnet(self, network: Item) -> bool:
        return network.name in self._subnets and self._subnets[network.name].alive

    def _host(self) -> str:
        return self._rng.choice([*self._hosts, ""])

    def _floating(self) -> set[str]:
        """Ids of ports that may have a floating IP."""
        floating = [one for one in self.book.items if one.plural == "floatingips" and one.there is not False]
        return {one.fields["port_id"] for one in floating}

    def _free_port(self) -> Item | None:
        used = self._floating()
        return self._any([port for port in self._mine("ports") if port.id not in used])

    def _update_port(self) -> None:
        port = self._free_port()
        if port is None:
            return
        kind = self._rng.randrange(3)
        if kind == 0:
            self._update(port, **{"binding:host_id": self._host()})
        elif kind == 1:
            self._update(port, admin_state_up=not port.fields["admin_state_up"])
        else:
            self._update(port, device_id=f"vm-{self._rng.randrange(1000)}")

    def _delete_port(self) -> None:
        port = self._free_port()
        if port is not None:
            self._delete(port)

    # Routers and floating IPs

    def _create_router(self) -> None:
        free = [one for one in self._mine("networks") if self._has_subnet(one) and self._router_of(one) is None]
        network = self._any(free)
        if network is None or self._count("routers") >= ROUTERS + 2 or len(self._mine("routers")) >= ROUTERS:
            return
        router = self._new("routers", admin_state_up=True, description="")
        router.fields["name"] = router.name
        # From here on the network is not deleted before the router is: whatever becomes of these requests.
        self._attached[network.name] = router
        if self._create(router, external_gateway_info={"network_id": self._external}):
            self._interface(router, network, "add")

    def _interface(self, router: Item, network: Item, verb: str) -> bool:
        body = {"subnet_id": self._subnets[network.name].id}
        return self._act(router, "PUT", f"routers/{router.id}/{verb}_router_interface", body)

    def _update_router(self) -> None:
        router = self._any(self._mine("routers"))
        if router is not None:
            self._update(router, description=f"changed {self._rng.randrange(1000)}")

    def _delete_router(self) -> None:
        router = self._any(self._mine("routers"))
        if router is None:
            return
        name = next(name for name, one in self._attached.items() if one is router)
        network = next(one for one in self.book.items if one.name == name)
        ports = {port.id for port in self._ports[network.name]}
        if ports & self._floating():
            return
        try:
            removed = self._interface(router, network, "remove")
        except Refused:  # it was never added, or has been removed: an unanswered request
            removed = True
        if removed:
            self._delete(router)

    def _create_floating_ip(self) -> None:
        network = self._any([one for one in self._mine("networks") if self._is_attached(one)])
        if network is None or self._count("floatingips") >= 6:
            return
        port = self._any([one for one in self._ports[network.name] if one.alive and one.id not in self._floating()])
        if port is None:
            return
        floating = self._new("floatingips", floating_network_id=self._external, port_id=port.id)
        floating.fields["description"] = floating.name  # it has no name
        self._create(floating)

    def _router_of(self, network: Item) -> Item | None:
        """Also one that may be gone."""
        router = self._attached.get(network.name)
        return router if router is not None and router.there is not False else None

    def _is_attached(self, network: Item) -> bool:
        router = self._router_of(network)
        return router is not None and router.alive

    def _delete_floating_ip(self) -> None:
        floating = self._any(self._mine("floatingips"))
        if floating is not None:
            self._delete(floating)

    # By hand

    def _rebind_network(self) -> None:
        network = self._any([one for one in self._mine("networks") if self._has_subnet(one)])
        if network is None:
            return
        agents = self._api.read("agents?agent_type=DHCP%20agent&fields=id&fields=alive")["agents"]
        held = {one["id"] for one in self._api.read(f"networks/{network.id}/dhcp-agents")["agents"]}
        if len(held) > 2 or self._rng.random() < 0.5:
            bars = [key for key in self.book.barred if key[0] == network.id]
            chosen = self._rng.choice(sorted(held)) if held else None
            if chosen is None or (len(bars) >= BARS and (network.id, chosen) not in self.book.barred):
                return
            self._by_hand("DELETE", f"agents/{chosen}/dhcp-networks/{network.id}", None, (str(network.id), chosen))
            return
        others = sorted(one["id"] for one in agents if one["alive"] and one["id"] not in held)
        if others:
            chosen = self._rng.choice(others)
            path = f"agents/{chosen}/dhcp-networks"
            self._by_hand("POST", path, {"network_id": network.id}, (str(network.id), chosen))

    def _unbind_router(self) -> None:
        router = self._any(self._mine("routers"))
        if router is None or len([key for key in self.book.barred if key[0] == router.id]) >= BARS:
            return
        held = [one["id"] for one in self._api.read(f"routers/{router.id}/l3-agents")["agents"]]
        if held:
            self._by_hand("DELETE", f"agents/{held[0]}/l3-routers/{router.id}", None, (str(router.id), held[0]))

    def _by_hand(self, method: str, path: str, body: Answer | None, pair: tuple[str, str]) -> None:
        """The scheduler may have been faster: then it is refused, and nothing is known of the pair."""
        try:
            self._pace(lambda: self._api.write(method, path, body))
        except (Unanswered, Refused):
            self.book.barred[pair] = False
            return
        self.book.barred[pair] = method == "DELETE"

    # Doubts

    def _look_at_doubts(self) -> None:
        """What nobody can be working on any more is as it is."""
        for item in self.book.items:
            if item.settled:
                key = "description" if item.plural == "floatingips" else "name"
                found = self._api.read(f"{item.plural}?{key}={item.name}")[item.plural]
                self.book.errors += item.faults(found[0] if found else None)
                item.there, item.unknown_since = bool(found), None
                if not found:
                    item.gone_at = now()
                else:
                    item.id = found[0]["id"]
                    item.fields |= {name: found[0][name] for name in item.fields if name in found[0]}
                item.either.clear()
