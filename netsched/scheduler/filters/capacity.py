"""Never over capacity, counted with what this same plan has given to the agent already."""

from __future__ import annotations

from netsched.model.scheduling import AgentView, Rejection
from netsched.scheduler.ask import Ask


def reject(agent: AgentView, request: Ask) -> Rejection | None:
    for resource_class, amount in request.demand:
        limit = agent.capacity.get(resource_class)
        used = agent.used.get(resource_class, 0)
        if limit is not None and used + amount > limit:
            return Rejection("capacity", f"has {used} of {limit} {resource_class} in use, wanted are {amount}")
    return None
