"""An agent takes only objects of its own kind."""

from __future__ import annotations

from netsched.model.scheduling import AgentView, Rejection
from netsched.scheduler.ask import Ask


def reject(agent: AgentView, request: Ask) -> Rejection | None:
    if agent.agent_type == request.agent_type:
        return None
    return Rejection("agent_type", f"is a {agent.agent_type}, not a {request.agent_type}")
