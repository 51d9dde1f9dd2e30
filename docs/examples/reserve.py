"""Leave a tenth of each agent's room free for what dead agents had: only moves may use it."""

from __future__ import annotations

from netsched.model.scheduling import AgentView, Rejection
from netsched.scheduler.ask import Ask


def reject(agent: AgentView, request: Ask) -> Rejection | None:
    for resource_class, amount in request.demand:
        limit = agent.capacity.get(resource_class)
        if limit and not request.moving_from and agent.used.get(resource_class, 0) + amount > 0.9 * limit:
            return Rejection("reserve", f"keeps a tenth of its {limit} {resource_class} for moves")
    return None
