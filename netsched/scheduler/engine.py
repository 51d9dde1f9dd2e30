"""Turns a Snapshot into a Plan: filters, weighers, best one; each choice is seen by the next.

Cost: an agent is judged once per distinct Ask, and again only when this plan has given something to it. A round of
1,000 equal requests over 200 agents is 1,200 judgements, not 200,000.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping

from netsched.model.scheduling import (
    FAILING,
    AgentView,
    Assignment,
    Candidate,
    Plan,
    Rejection,
    Request,
    SlotView,
    Snapshot,
    Unplaced,
)
from netsched.scheduler import reconcile
from netsched.scheduler.ask import Ask
from netsched.scheduler.profile import Profile, Settings


def plan(snapshot: Snapshot, profile: Profile, settings: Settings) -> Plan:
    """The same input gives the same plan; the order of agents and slots in the snapshot does not matter."""
    requests, waiting = reconcile.requests_for(snapshot, settings)
    return place(snapshot, profile, requests, waiting)


def place(
    snapshot: Snapshot, profile: Profile, requests: tuple[Request, ...], waiting: tuple[Unplaced, ...] = ()
) -> Plan:
    """Serves the requests in their order. `waiting` is passed on into the plan."""
    proposal = _Proposal(snapshot, profile, requests)
    assignments, unplaced = [], list(waiting)
    for request in requests:
        outcome = proposal.serve(request)
        if isinstance(outcome, Assignment):
            assignments.append(outcome)
        else:
            unplaced.append(outcome)
    return Plan(tuple(assignments), tuple(unplaced))


class _Board:
    """The judgement over all agents for one Ask. Kept up to date by `judge`."""

    def __init__(self, profile: Profile, ask: Ask) -> None:
        self._profile = profile
        self._ask = ask
        self.candidates: dict[str, Candidate] = {}
        self.rejections: dict[str, Rejection] = {}
        self.seen = 0  # how much of _Proposal.touched has been taken into account

    def judge(self, agent: AgentView) -> None:
        rejection = self._rejection(agent)
        if rejection is not None:
            self.candidates.pop(agent.id, None)
            self.rejections[agent.id] = rejection
            return
        scores = {name: round(weigh(agent, self._ask), 9) for name, (weigh, _) in self._profile.weighers.items()}
        total = sum(scores[name] * weight for name, (_, weight) in self._profile.weighers.items())
        self.candidates[agent.id] = Candidate(agent.id, agent.host, scores, round(total, 9))

    def _rejection(self, agent: AgentView) -> Rejection | None:
        for reject in self._profile.filters.values():
            rejection = reject(agent, self._ask)
            if rejection is not None:
                return rejection
        return None


class _Proposal:
    """The agents as they would be after what this plan has placed so far."""

    def __init__(self, snapshot: Snapshot, profile: Profile, requests: tuple[Request, ...]) -> None:
        self._profile = profile
        self._seed = snapshot.seed
        self._agents = {agent.id: agent for agent in sorted(snapshot.agents, key=lambda agent: agent.id)}
        self._boards: dict[Ask, _Board] = {}
        self._touched: list[str] = []
        self._given: dict[tuple[str, str], list[str]] = {}
        self._losing = {(_object(r.slot), r.moving_from) for r in requests if r.moving_from is not None}

    def serve(self, request: Request) -> Assignment | Unplaced:
        ask = self._ask(request)
        board = self._board(ask)
        if not board.candidates:
            rejections = dict(board.rejections)
            return Unplaced(request, rejections, no_candidate(rejections))
        ranked = self._rank(request.slot, board.candidates)
        chosen = self._stored_alternate(request, ask, board.candidates) or ranked[0].agent_id
        assignment = Assignment(
            request=request,
            agent_id=chosen,
            candidates=tuple(ranked),
            rejections=dict(board.rejections),
            alternates=self._alternates(request, chosen, ranked),
        )
        self._give(chosen, request.slot)
        return assignment

    def _ask(self, request: Request) -> Ask:
        slot = request.slot
        holders = sorted({*slot.siblings, *self._given.get(_object(slot), ())})
        staying = [h for h in holders if h in self._agents and (_object(slot), h) not in self._losing]
        return Ask(
            agent_type=slot.agent_type,
            demand=tuple(sorted(slot.demand.items())),
            zone_hints=slot.zone_hints,
            requires=slot.requires,
            holders=tuple(holders),
            holder_zones=tuple(self._agents[h].zone for h in staying),
            barred=tuple(sorted(slot.barred)),
            moving_from=request.moving_from,
            failed=_failed(request),
        )

    def _board(self, ask: Ask) -> _Board:
        board = self._boards.get(ask)
        if board is None:
            board = self._boards[ask] = _Board(self._profile, ask)
            stale = list(self._agents)
        else:
            stale = list(dict.fromkeys(self._touched[board.seen :]))
        for agent_id in stale:
            board.judge(self._agents[agent_id])
        board.seen = len(self._touched)
        return board

    def _rank(self, slot: SlotView, candidates: Mapping[str, Candidate]) -> list[Candidate]:
        """Best first; equals in an order that only the seed and the object decide (rendezvous hashing)."""
        base = hashlib.blake2b(f"{self._seed}/{slot.resource_type}/{slot.resource_id}/{slot.slot}/".encode())

        def key(candidate: Candidate) -> tuple[float, bytes]:
            digest = base.copy()
            digest.update(candidate.agent_id.encode())
            return -candidate.total, digest.digest()

        return sorted(candidates.values(), key=key)

    def _stored_alternate(self, request: Request, ask: Ask, candidates: Mapping[str, Candidate]) -> str | None:
        """The plan already made, unless it would put two replicas in a zone while another zone is free."""
        stored = [agent_id for agent_id in request.slot.alternates if agent_id in candidates]
        if request.moving_from is None or not stored:
            return None
        crowd = {agent_id: ask.holder_zones.count(self._agents[agent_id].zone) for agent_id in candidates}
        least = min(crowd.values())
        return next((agent_id for agent_id in stored if crowd[agent_id] == least), None)

    def _alternates(self, request: Request, chosen: str, ranked: list[Candidate]) -> tuple[str, ...]:
        zone = self._agents[chosen].zone
        others = [candidate.agent_id for candidate in ranked if candidate.agent_id != chosen]
        others.sort(key=lambda agent_id: self._agents[agent_id].zone != zone)  # stable: the weighed order within
        return tuple(others[: request.alternates_wanted])

    def _give(self, agent_id: str, slot: SlotView) -> None:
        agent = self._agents[agent_id]
        used = Counter(agent.used)
        used.update(slot.demand)
        self._agents[agent_id] = dataclasses.replace(agent, used=dict(used))
        self._touched.append(agent_id)
        self._given.setdefault(_object(slot), []).append(agent_id)


def _failed(request: Request) -> tuple[tuple[str, str], ...]:
    """Agents that are no candidates since they could not apply it. One that is dead now gets all the others to try."""
    slot = request.slot
    if request.cause != FAILING or slot.agent_id is None:
        return ()
    return tuple(sorted({**slot.failed_on, slot.agent_id: slot.error or ""}.items()))


def no_candidate(rejections: Mapping[str, Rejection]) -> str:
    """One sentence for people: "no agent can take it: 2 alive, 1 capacity" with the counts by filter."""
    if not rejections:
        return "no agent has reported yet"
    counts = Counter(rejection.filter for rejection in rejections.values())
    return "no agent can take it; rejected by " + ", ".join(f"{name}: {n}" for name, n in sorted(counts.items()))


def _object(slot: SlotView) -> tuple[str, str]:
    return slot.resource_type, slot.resource_id
