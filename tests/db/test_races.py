"""Scheduler processes race for all slots: nobody over capacity, no replica twice, no error, nothing lost.

Sixteen of them race for 5,000 slots in the full run. Most of what they cost is their start, so elsewhere there are six.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import time
from collections import Counter

import pytest

from netsched.db.binding import binding
from netsched.db.decision import decision
from netsched.db.session import Database
from tests.db import racer
from tests.db.placements import World
from tests.size import choose

PROCESSES = choose(6, 16)
NETWORKS = choose(1000, 2500)
REPLICAS = 2
AGENTS = 20
CAPACITY = NETWORKS * REPLICAS // AGENTS + 5  # tight: least loaded is what keeps it from being full
LIMIT = 240.0  # s; sixteen take 20 on two idle cores


@pytest.mark.timeout(400)
@pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)
def test_schedulers_race_for_all_slots(database: Database, database_url: str) -> None:
    world = World(database, lease=3600)
    for number in range(AGENTS):
        world.agent(f"h{number:02}", network=CAPACITY)
    for _ in range(NETWORKS // 500):
        world.networks(500, replicas=REPLICAS)
    start = time.time() + 3
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        runs = [pool.submit(racer.race, database_url, start, LIMIT) for _ in range(PROCESSES)]
        placed = [run.result() for run in runs]
    print(f"{database.dialect}: {time.time() - start:.1f} s, placed by each: {placed}")
    check(world, placed)


def check(world: World, placed: list[int]) -> None:
    slots = world.rows(binding)
    assert len(slots) == NETWORKS * REPLICAS
    assert Counter(slot["state"] for slot in slots) == {"bound": NETWORKS * REPLICAS}
    assert len({(slot["resource_id"], slot["agent_id"]) for slot in slots}) == len(slots)
    assert sum(placed) == len(slots)  # each by exactly one
    assert len([placements for placements in placed if placements]) > 1  # there was a race
    made = Counter((row["resource_id"], row["slot"]) for row in world.rows(decision) if row["action"] == "place")
    assert set(made.values()) == {1}
    world.check_claims()
