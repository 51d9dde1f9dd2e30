"""Replicas in distinct zones where possible: the fewer of them a zone has, the better it is."""

from __future__ import annotations

from netsched.model.scheduling import AgentView
from netsched.scheduler.ask import Ask


def weigh(agent: AgentView, request: Ask) -> float:
    return 1.0 / (1 + request.holder_zones.count(agent.zone))
