"""Fill one agent after the other: the fullest that still has room is the best place."""

from __future__ import annotations

from netsched.model.scheduling import AgentView
from netsched.scheduler.ask import Ask


def weigh(agent: AgentView, request: Ask) -> float:
    fullest = 0.0
    for resource_class, _ in request.demand:
        limit = agent.capacity.get(resource_class)
        if limit:
            fullest = max(fullest, agent.used.get(resource_class, 0) / limit)
    return min(fullest, 1.0)
