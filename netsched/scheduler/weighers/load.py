"""The emptiest agent first: claims relative to capacity, the reported load only between equals.

A report says how busy an agent was some seconds ago; a claim says what has been given to it up to this moment. Were the
report more than a tie-break, everything placed between two heartbeats would go to the same agent.
"""

from __future__ import annotations

from netsched.model.scheduling import AgentView
from netsched.scheduler.ask import Ask

# An agent without a limit is judged as one of about this size, so that it levels with agents that have one.
NOMINAL_CAPACITY = 1000
# Less than one claim on any agent of up to a million places counts.
TIE_BREAK = 1e-6


def weigh(agent: AgentView, request: Ask) -> float:
    empty = min((_empty(agent, resource_class) for resource_class, _ in request.demand), default=1.0)
    idle = 1.0 - min(max(agent.load, 0.0), 1.0)
    return empty * (1.0 - TIE_BREAK) + idle * TIE_BREAK


def _empty(agent: AgentView, resource_class: str) -> float:
    used = agent.used.get(resource_class, 0)
    limit = agent.capacity.get(resource_class)
    if limit is None:
        return NOMINAL_CAPACITY / (NOMINAL_CAPACITY + used)
    return max(0.0, 1.0 - used / limit) if limit > 0 else 0.0
