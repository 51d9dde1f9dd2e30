"""How many of what there are, for metrics: few statements, whatever the size of the deployment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa

from netsched.db import base, change
from netsched.db.agent import agent, agent_beat, judged
from netsched.db.brake import brake
from netsched.db.interest import interest


@dataclass(frozen=True)
class Gauges:
    """`agents` by (agent type, zone, state), `brakes` by (agent type, zone): is it on? Ages in seconds."""

    agents: dict[tuple[str, str, str], int]
    brakes: dict[tuple[str, str], bool]
    unstamped: int
    unsent: int
    oldest_unsent: float
    behind: int  # (agent, scope) pairs whose agent has not acknowledged what there is
    oldest_behind: float


def read(connection: sa.Connection) -> Gauges:
    """Four statements."""
    backlog = change.backlog(connection)
    brakes = connection.execute(sa.select(brake.c.agent_type, brake.c.zone, brake.c.engaged_at))
    owed = sa.select(sa.func.count(), sa.func.min(interest.c.behind_since), base.now())
    behind, since, now = connection.execute(owed.where(interest.c.behind_since.is_not(None))).one()
    return Gauges(
        agents=_agents(connection),
        brakes={(row.agent_type, row.zone): row.engaged_at is not None for row in brakes},
        unstamped=int(backlog["unstamped"]),
        unsent=int(backlog["unsent"]),
        oldest_unsent=backlog["oldest_unsent_age"],
        behind=behind,
        oldest_behind=max((now - since).total_seconds(), 0.0) if since else 0.0,
    )


def _agents(connection: sa.Connection) -> dict[tuple[str, str, str], int]:
    columns = (agent.c.agent_type, agent.c.zone, agent.c.created_at, agent.c.forced_down)
    beats = (agent_beat.c.sent_at, agent_beat.c.lease, base.now().label("now"))
    rows = connection.execute(sa.select(*columns, *beats).outerjoin_from(agent, agent_beat))
    return dict(Counter((row.agent_type, row.zone, judged(row).value) for row in rows))
