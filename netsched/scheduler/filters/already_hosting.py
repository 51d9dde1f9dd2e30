"""Replicas are on distinct agents, and what an operator removed from an agent stays away from it."""

from __future__ import annotations

from netsched.model.scheduling import AgentView, Rejection
from netsched.scheduler.ask import Ask


def reject(agent: AgentView, request: Ask) -> Rejection | None:
    if agent.id in request.barred:
        return Rejection("already_hosting", "an operator removed it from here")
    if agent.id in request.holders:
        return Rejection("already_hosting", "holds another replica")
    return None
