"""One of many scheduler processes that race for the same slots; apart from the test so that a child imports little."""

from __future__ import annotations

import random
import time

import sqlalchemy as sa

from netsched.db import binding
from netsched.db.session import Database
from netsched.server.services.scheduling import SchedulingService, SchedulingSettings
from tests.db.placements import LOADED, SETTINGS

PAGE = 500  # smaller pages than usual: more rounds, more races


def race(url: str, start: float, limit: float) -> int:
    """Schedule until nothing is open; returns how many slots this process placed. Raises what a caller would see."""
    database = Database(url, pool_size=2)
    service = SchedulingService(database, LOADED, SchedulingSettings(SETTINGS, page=PAGE))
    placed = 0
    open_slots = sa.select(sa.func.count()).where(binding.binding.c.state == binding.UNBOUND)
    time.sleep(max(0.0, start - time.time()))
    while time.time() < start + limit:
        placed += service.run_once()
        with database.read() as connection:
            if not connection.execute(open_slots).scalar_one():
                break
        time.sleep(random.uniform(0, 0.05))
    database.dispose()
    return placed
