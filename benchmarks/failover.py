"""How fast a dead agent's networks move. The agent loses its power; ten others share what it had.

The heartbeat interval is 1 s here, so that it is dead after 4 s; with the default it is after 40 s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import sqlalchemy as sa

from benchmarks import measure
from benchmarks.api import subnet
from benchmarks.report import Result
from benchmarks.site import Deployment, Site
from netsched.db.agent import agent
from netsched.db.binding import binding
from netsched.db.interest import HELD, applied, interest


def run(site: Site) -> Iterator[Result]:
    networks = site.plan.choose(200, 1000)
    with site.deployment(interval=1.0) as deployment:
        doomed = deployment.fleet(1, "doomed", ramp=0.0)
        site.say(f"making {networks:,} networks")
        _make(deployment, networks)
        measure.wait("all are in force", lambda: _in_force(deployment, "doomed-") == networks, limit=180)
        deployment.fleet(10, "heirs", ramp=1.0)
        site.say("one agent dies with all of them")
        client = deployment.client()
        id_ = client("GET", "agents?host=doomed-dhcp-0")["agents"][0]["id"]
        doomed.kill()
        killed = time.monotonic()
        measure.wait("the agent is dead", lambda: not client("GET", f"agents/{id_}")["agent"]["alive"], limit=30)
        dead = time.monotonic()
        before = deployment.cpu()
        measure.wait("the first moved", lambda: _held(deployment, id_) < networks)
        first = time.monotonic()
        measure.wait("all moved", lambda: _held(deployment, id_) == 0, limit=180)
        moved = time.monotonic()
        used = deployment.cpu().since(before)
        measure.wait("all are in force elsewhere", lambda: _in_force(deployment, "heirs-") == networks, limit=180)
        told = time.monotonic()
    yield Result(
        "failover",
        f"{networks:,} networks of 1 agent to 10",
        {
            "dead after s": dead - killed,
            "first moved s": first - dead,
            "all moved s": moved - dead,
            "moves /s": networks / (moved - dead),
            "in force s": told - dead,
            "server CPU ms/move": used.server * 1000 / networks,
            "database CPU ms/move": None if used.database is None else used.database * 1000 / networks,
        },
    )


def _make(deployment: Deployment, networks: int) -> None:
    client = deployment.client()
    for start in range(0, networks, 100):
        number = min(100, networks - start)
        made = client("POST", "networks", {"networks": [{}] * number})["networks"]
        client("POST", "subnets", {"subnets": [subnet(network["id"])["subnet"] for network in made]})
    client.close()


def _held(deployment: Deployment, agent_id: str) -> int:
    return int(deployment.scalar(sa.select(sa.func.count()).where(binding.c.agent_id == agent_id)))


def _in_force(deployment: Deployment, prefix: str) -> int:
    mine = sa.and_(interest.c.agent_id == agent.c.id, interest.c.state == HELD, agent.c.host.startswith(prefix))
    there = sa.and_(applied.c.agent_id == interest.c.agent_id, applied.c.scope == interest.c.scope)
    tables = agent.join(interest, mine).join(applied, there)
    return int(deployment.scalar(sa.select(sa.func.count()).select_from(tables)))
