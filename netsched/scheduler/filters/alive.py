"""Only an agent that proved itself alive gets something new; a suspect one keeps what it has."""

from __future__ import annotations

from netsched.model.liveness import State
from netsched.model.scheduling import AgentView, Rejection
from netsched.scheduler.ask import Ask

_WHY = {
    State.STARTING: "is starting: its heartbeats are not confirmed yet",
    State.SUSPECT: "is suspect: its heartbeats are late",
    State.DEAD: "is dead: no heartbeat",
}


def reject(agent: AgentView, request: Ask) -> Rejection | None:
    if agent.state is State.ALIVE:
        return None
    return Rejection("alive", "is marked down" if agent.forced_down else _WHY[agent.state])
