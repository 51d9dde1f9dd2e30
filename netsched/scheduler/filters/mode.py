"""Some agents take nothing by themselves: passive ones serve only what an operator gives to them."""

from __future__ import annotations

from netsched.model.scheduling import AgentView, Rejection
from netsched.scheduler.ask import Ask


def reject(agent: AgentView, request: Ask) -> Rejection | None:
    return None if agent.mode == "active" else Rejection("mode", f"is in mode {agent.mode}")
