"""availability_zone_hints of an object are where it may be, not where it would rather be."""

from __future__ import annotations

from netsched.model.scheduling import AgentView, Rejection
from netsched.scheduler.ask import Ask


def reject(agent: AgentView, request: Ask) -> Rejection | None:
    if not request.zone_hints or agent.zone in request.zone_hints:
        return None
    return Rejection("zone_hints", f"is in zone {agent.zone}, wanted is {' or '.join(request.zone_hints)}")
