"""Who has it keeps it, when a plan would merely like to have it elsewhere: a move costs tenants a gap in service."""

from __future__ import annotations

from netsched.model.scheduling import AgentView
from netsched.scheduler.ask import Ask


def weigh(agent: AgentView, request: Ask) -> float:
    return 1.0 if agent.id == request.moving_from else 0.0
