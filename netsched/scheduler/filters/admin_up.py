"""admin_state_up=false on an agent means: nothing new. What it has is not touched by that."""

from __future__ import annotations

from netsched.model.scheduling import AgentView, Rejection
from netsched.scheduler.ask import Ask


def reject(agent: AgentView, request: Ask) -> Rejection | None:
    return None if agent.admin_state_up else Rejection("admin_up", "is set to admin_state_up=false")
