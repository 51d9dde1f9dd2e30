"""What needs a physical network or tunnels goes where these end: a router to the network of its gateway."""

from __future__ import annotations

from netsched.model import segment
from netsched.model.scheduling import AgentView, Rejection
from netsched.scheduler.ask import Ask


def reject(agent: AgentView, request: Ask) -> Rejection | None:
    missing = segment.missing(request.requires, agent.reaches)
    if not missing:
        return None
    has = ", ".join(agent.reaches) or "nothing"
    return Rejection("reach", f"does not reach {', '.join(missing)} (reaches {has})")
