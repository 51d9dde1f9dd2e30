"""The record that is stored with a decision: what `netsched explain` tells, compact JSON.

Enough to tell the story; a replay needs the snapshot of the plan (see replay.py), stored once for all its decisions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from netsched.model.scheduling import FAILING, Assignment, Candidate, Rejection, Snapshot, Unplaced

# With more agents than ALL_UP_TO only the best TOP candidates and TOP examples of the rejected are kept, with counts.
ALL_UP_TO = 50
TOP = 20


def hosts(snapshot: Snapshot) -> dict[str, str]:
    """Agent id to host, for `record`; built once a plan."""
    return {agent.id: agent.host for agent in snapshot.agents}


def record(outcome: Assignment | Unplaced, seed: str, hosts: Mapping[str, str]) -> dict[str, Any]:
    """The JSON record of one outcome.

    {"agent_id", "host", "moving_from", "cause" (of moves), "reason", "seed",
     "candidates": [{"agent_id", "host", "scores": {weigher: 0..1}, "total"}], "candidate_count",
     "rejections": [{"agent_id", "host", "filter", "reason"}], "rejected_by": {filter: count},
     "alternates": [agent id], "from_alternates": bool}; agent_id is None when there is no place.
    """
    placed = isinstance(outcome, Assignment)
    candidates = outcome.candidates if isinstance(outcome, Assignment) else ()
    kept = None if len(candidates) + len(outcome.rejections) <= ALL_UP_TO else TOP
    request = outcome.request
    agent_id = outcome.agent_id if isinstance(outcome, Assignment) else None
    cause = {} if request.cause is None else {"cause": request.cause}
    return {
        **cause,
        "agent_id": agent_id,
        "host": hosts.get(agent_id) if agent_id else None,
        "moving_from": request.moving_from,
        "reason": _why(outcome, hosts) if isinstance(outcome, Assignment) else outcome.reason,
        "seed": seed,
        "candidates": [_candidate(candidate) for candidate in candidates[:kept]],
        "candidate_count": len(candidates),
        "rejections": _rejections(outcome.rejections, hosts, kept),
        "rejected_by": dict(sorted(Counter(r.filter for r in outcome.rejections.values()).items())),
        "alternates": list(outcome.alternates) if isinstance(outcome, Assignment) else [],
        "from_alternates": placed and agent_id in request.slot.alternates and request.moving_from is not None,
    }


def _why(outcome: Assignment, hosts: Mapping[str, str]) -> str:
    request, best = outcome.request, outcome.candidates[0]
    moved = ""
    if request.moving_from is not None:
        because = f", which failed to apply it ({request.slot.error})" if request.cause == FAILING else ""
        moved = f"moved from {hosts.get(request.moving_from, request.moving_from)}{because}; "
    if outcome.agent_id != best.agent_id:
        return f"{moved}the alternate stored with the last placement, still fit"
    if len(outcome.candidates) == 1:
        return f"{moved}the only candidate"
    if outcome.candidates[1].total == best.total:
        equals = sum(1 for candidate in outcome.candidates if candidate.total == best.total)
        return f"{moved}drawn by the seed among {equals} equally good of {len(outcome.candidates)} candidates"
    return f"{moved}the best of {len(outcome.candidates)} candidates"


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "agent_id": candidate.agent_id,
        "host": candidate.host,
        "scores": dict(candidate.scores),
        "total": candidate.total,
    }


def _rejections(
    rejections: Mapping[str, Rejection], hosts: Mapping[str, str], kept: int | None
) -> list[dict[str, Any]]:
    """With a limit, those of the agent's own kind come first: that 900 L2 agents are no DHCP agents helps nobody."""
    order = sorted(rejections.items(), key=lambda item: (item[1].filter == "agent_type", item[0]))
    return [
        {"agent_id": agent_id, "host": hosts.get(agent_id), "filter": r.filter, "reason": r.reason}
        for agent_id, r in order[:kept]
    ]
