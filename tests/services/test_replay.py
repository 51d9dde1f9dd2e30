"""What is stored of a decision is enough to make it again."""

from __future__ import annotations

import sqlalchemy as sa

from netsched.db import binding
from netsched.db.decision import decision, plan
from netsched.db.session import Database
from netsched.scheduler import engine, profile, replay
from netsched.server.services.scheduling import SchedulingService, SchedulingSettings
from tests.db.placements import DHCP, World


def test_a_thousand_stored_decisions_come_out_the_same(sqlite_database: Database) -> None:
    database = sqlite_database
    world = World(database, lease=3600)
    for number in range(12):
        world.agent(f"h{number}", zone=f"z{number % 3}", thing=200)
    settings = SchedulingSettings(profile.Settings())
    service = SchedulingService(database, profile.load(settings.profile), settings)
    for wave in range(8):

        def want(tx: object, wave: int = wave) -> None:
            for number in range(125):
                resource = f"{wave:02}-{number:03}"
                binding.want(tx, "thing", resource, DHCP, 1, {"thing": 1 + number % 2}, ())  # type: ignore[arg-type]

        database.write(want)
        service.run_once()
    with database.read() as connection:
        plans = {row.id: row.snapshot for row in connection.execute(sa.select(plan))}
        made = connection.execute(sa.select(decision).where(decision.c.action == "place")).all()
    assert len(made) == 1000
    again = {}
    for plan_id, record in plans.items():
        snapshot, used = replay.from_json(record)
        for assignment in engine.plan(snapshot, profile.load(used), used).assignments:
            again[plan_id, assignment.request.slot.resource_id] = assignment.agent_id
    assert all(again[row.plan_id, row.resource_id] == row.agent_id for row in made)
    assert len({row.agent_id for row in made}) == 12
