"""What an agent could not apply is not given to it again, until it worked somewhere: a bad object visits each once."""

from __future__ import annotations

from netsched.model.scheduling import AgentView, Rejection
from netsched.scheduler.ask import Ask


def reject(agent: AgentView, request: Ask) -> Rejection | None:
    for agent_id, message in request.failed:
        if agent_id == agent.id:
            return Rejection("failed", f"failed to apply it: {message}")
    return None
