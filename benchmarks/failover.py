"""How fast what a dead agent had moves. A network node loses its power; ten others share its routers, or its networks.

Each node has an L2 agent besides, which must hear of the ports that come to it. The heartbeat interval is 1 s here, so
that an agent is dead after 4 s; with the default it is after 40 s. The clock is the database's, and starts when the
agent is dead by it. What is in force has been acknowledged, which takes a beat on top of what it took to tell.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from benchmarks import measure
from benchmarks.report import Result
from benchmarks.site import Deployment, Site
from netsched.db import base
from netsched.db.agent import agent, agent_beat
from netsched.db.binding import binding
from netsched.db.change import log
from netsched.db.interest import interest
from netsched.db.port import port

INTERVAL = 1.0
HEIRS = 10
BULK = 100  # objects in one request
LIMIT = 180.0  # s


@dataclass(frozen=True)
class Kind:
    agents: str  # as netsched-simulate calls them
    agent_type: str
    make: Callable[[Deployment, int], object]  # so many of them


def run(site: Site) -> Iterator[Result]:
    number = site.plan.choose(200, 1000)
    for name, kind in KINDS.items():
        yield _measure(site, name, kind, number)


def _measure(site: Site, name: str, kind: Kind, number: int) -> Result:
    kinds = (kind.agents, "l2")
    with site.deployment(interval=INTERVAL) as deployment:
        doomed = deployment.fleet(1, "doomed", ramp=0.0, kinds=kinds)
        site.say(f"making {number:,} {name}")
        kind.make(deployment, number)
        node = _Node(deployment, kind, "doomed-0", number)
        measure.wait("all are in force", lambda: node.held() == number and _in_force(deployment, "doomed-"), LIMIT)
        deployment.fleet(HEIRS, "heirs", ramp=1.0, kinds=kinds)
        site.say("their agent dies")
        doomed.kill()
        before = deployment.cpu()
        moments = {
            "first moved s": node.moment("the first moved", lambda: node.held() < number),
            "all moved s": node.moment("all moved", lambda: node.held() == 0),
            "ports moved s": node.moment("all ports moved", lambda: node.ports() == 0),
            "told s": node.moment("all changes are sent", lambda: _all_sent(deployment)),
            "in force s": node.moment("all are in force elsewhere", lambda: _in_force(deployment, "heirs-")),
        }
        used = deployment.cpu().since(before)
        most = node.most()
        dead = node.dead_at()
    times = {name: (moment - dead).total_seconds() for name, moment in moments.items()}
    return Result(
        "failover",
        f"{number:,} {name} of 1 agent to {HEIRS}",
        {
            **times,
            "moves /s": number / times["all moved s"],
            "most on one": most,
            "server CPU ms/move": used.server * 1000 / number,
            "database CPU ms/move": None if used.database is None else used.database * 1000 / number,
        },
    )


class _Node:
    """The host whose agent dies."""

    def __init__(self, deployment: Deployment, kind: Kind, host: str, number: int) -> None:
        self._deployment = deployment
        self._kind = kind
        self._host = host
        self._id = self._scalar(
            sa.select(agent.c.id).where(agent.c.agent_type == kind.agent_type, agent.c.host == host)
        )

    def held(self) -> int:
        """Routers, or networks, that its agent still has."""
        return int(self._scalar(sa.select(sa.func.count()).where(binding.c.agent_id == self._id)))

    def ports(self) -> int:
        """Ports that are still there."""
        return int(self._scalar(sa.select(sa.func.count()).where(port.c.binding_host_id == self._host)))

    def most(self) -> int:
        """What the agent with the most of them has got."""
        each = sa.select(sa.func.count(binding.c.agent_id).label("number")).group_by(binding.c.agent_id).subquery()
        return int(self._scalar(sa.select(sa.func.max(each.c.number))))

    def dead_at(self) -> datetime.datetime:
        """By the database's clock. To be asked when it is: some of its last beats may still be on their way."""
        with self._deployment.database.read() as connection:
            row = connection.execute(
                sa.select(agent_beat.c.sent_at, agent_beat.c.lease).where(agent_beat.c.agent_id == self._id)
            ).one()
        dead_at: datetime.datetime = row.sent_at + datetime.timedelta(seconds=row.lease)
        return dead_at

    def moment(self, what: str, condition: Callable[[], bool]) -> datetime.datetime:
        """When the condition began to hold, by the database's clock."""
        measure.wait(what, condition, LIMIT)
        now: datetime.datetime = self._scalar(sa.select(base.now()))
        return now

    def _scalar(self, statement: sa.Select[Any]) -> Any:
        return self._deployment.scalar(statement)


def _all_sent(deployment: Deployment) -> bool:
    return deployment.scalar(sa.select(log.c.id).where(log.c.sent.is_(sa.false())).limit(1)) is None


def _in_force(deployment: Deployment, prefix: str) -> bool:
    """None of these hosts' agents owes an acknowledgement: they have in force what there is."""
    owing = sa.select(interest.c.scope).join(agent, agent.c.id == interest.c.agent_id)
    mine = sa.and_(agent.c.host.startswith(prefix), interest.c.behind_since.is_not(None))
    return deployment.scalar(owing.where(mine).limit(1)) is None


def _make_networks(deployment: Deployment, number: int, dhcp: bool = True) -> list[str]:
    """The ids of their subnets, all different."""
    subnets: list[str] = []
    with contextlib.closing(deployment.client()) as client:
        for start in range(0, number, BULK):
            made = client("POST", "networks", {"networks": [{}] * min(BULK, number - start)})["networks"]
            wanted = [
                {
                    "network_id": network["id"],
                    "ip_version": 4,
                    "enable_dhcp": dhcp,
                    "cidr": f"10.{n // 256}.{n % 256}.0/24",
                }
                for n, network in enumerate(made, start)
            ]
            subnets += [one["id"] for one in client("POST", "subnets", {"subnets": wanted})["subnets"]]
    return subnets


def _make_routers(deployment: Deployment, number: int) -> None:
    """Each with a gateway, and an interface on a network of its own."""
    subnets = _make_networks(deployment, number, dhcp=False)
    with contextlib.closing(deployment.client()) as client:
        outside = client("POST", "networks", {"network": {"router:external": True}})["network"]["id"]
        pool = {"network_id": outside, "ip_version": 4, "enable_dhcp": False, "cidr": "172.16.0.0/16"}
        client("POST", "subnets", {"subnet": pool})
        routers = []
        for start in range(0, number, BULK):
            wanted = [{"external_gateway_info": {"network_id": outside}}] * min(BULK, number - start)
            routers += [one["id"] for one in client("POST", "routers", {"routers": wanted})["routers"]]
    calls = [
        measure.Call("PUT", f"routers/{router}/add_router_interface", {"subnet_id": subnet})
        for router, subnet in zip(routers, subnets, strict=True)
    ]
    measure.send(deployment.port, calls, clients=4, limit=600.0)


KINDS = {
    "routers": Kind("l3", "L3 agent", _make_routers),
    "networks": Kind("dhcp", "DHCP agent", _make_networks),
}
