"""What needs a place? Looks at the whole snapshot each time; nothing is remembered from one round to the next."""

from __future__ import annotations

import datetime

from netsched.model import brake
from netsched.model.liveness import State
from netsched.model.scheduling import DEAD, FAILING, AgentView, Request, SlotView, Snapshot, Unplaced
from netsched.scheduler.profile import Settings


def requests_for(snapshot: Snapshot, settings: Settings) -> tuple[tuple[Request, ...], tuple[Unplaced, ...]]:
    """The requests in the order to serve them, and the slots that wait, with the reason.

    Moves come first (somebody is without service now), of these what no living agent holds, then what somebody holds
    who fails; then by id, so that the order of rows in the snapshot does not matter. An agent with admin_state_up=false
    loses nothing by that.
    """
    moves, waiting = _moves(snapshot, settings)
    places: list[Request] = []
    for slot in sorted(snapshot.slots, key=_key):
        if slot.agent_id is not None:
            continue
        request = Request(slot, alternates_wanted=settings.alternates)
        reason = _wait(slot, snapshot, settings, places)
        if reason is None:
            places.append(request)
        else:
            waiting.append(Unplaced(request, {}, reason))
    return tuple(moves + places), tuple(waiting)


def _moves(snapshot: Snapshot, settings: Settings) -> tuple[list[Request], list[Unplaced]]:
    """Those to be made now, and those that wait for their turn or for a brake."""
    agents = {agent.id: agent for agent in snapshot.agents}
    wanted = [
        Request(slot, slot.agent_id, settings.alternates, cause)
        for slot in snapshot.slots
        if slot.agent_id in agents
        and _automatic(slot, settings)
        and (cause := _cause(slot, agents[slot.agent_id], snapshot, settings))
    ]
    living = {agent.id for agent in snapshot.agents if agent.state is not State.DEAD}
    wanted.sort(
        key=lambda one: (
            not living.isdisjoint(one.slot.siblings),
            one.cause == FAILING,
            one.slot.resource_id < snapshot.seed,  # servers that begin at different places seldom plan the same moves
            _key(one.slot),
        )
    )
    turns = _Turns(snapshot)
    moves, waiting = [], []
    for request in wanted:
        reason = turns.wait(agents[request.slot.agent_id or ""])
        if reason is None:
            moves.append(request)
        else:
            waiting.append(Unplaced(request, {}, reason, for_now=True))
    return moves, waiting


def _cause(slot: SlotView, agent: AgentView, snapshot: Snapshot, settings: Settings) -> str | None:
    if agent.state is State.DEAD:
        return DEAD if settings.move_from_dead and (snapshot.trusted or agent.forced_down) else None
    if not settings.move_failing_after or slot.error is None or slot.error_since is None:
        return None
    lasted = snapshot.now - slot.error_since
    return FAILING if lasted >= datetime.timedelta(seconds=settings.move_failing_after) else None


class _Turns:
    """Whose move is it? Brakes hold what is in their place, but for agents that somebody has forced down."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._held = brake.held(brake.judge(snapshot.brakes, snapshot.agents, snapshot.now))
        self._left = snapshot.moves
        self._left_from = dict(snapshot.moves_from)

    def wait(self, agent: AgentView) -> str | None:
        """Why a move from this agent waits; None: it may be made, and is counted."""
        place = f"{agent.zone}/{agent.agent_type}"
        if not agent.forced_down:
            holding = self._held.get((agent.zone, agent.agent_type))
            if holding is not None:
                return holding.reason()
            if self._left_from.get(place) == 0:
                return f"moves from zone {agent.zone} return gradually after its brake"
        if self._left == 0:
            return "waits for its turn: there is a limit of moves per second"
        if self._left is not None:
            self._left -= 1
        if place in self._left_from and not agent.forced_down:
            self._left_from[place] -= 1
        return None


def _wait(slot: SlotView, snapshot: Snapshot, settings: Settings, places: list[Request]) -> str | None:
    if slot.hold_until is not None and slot.hold_until > snapshot.now:
        return f"held for the operator until {slot.hold_until.isoformat(timespec='seconds')}Z"
    if not _automatic(slot, settings):
        return "left to the operator: automatic scheduling is off"
    if not settings.only_unhosted:
        return None
    # Sorted by id: another slot of the same object can only be the last one.
    same = places and _object(places[-1].slot) == _object(slot)
    if slot.siblings or same:
        return "hosted by another agent already, and this profile places only what is not hosted"
    return None


def _automatic(slot: SlotView, settings: Settings) -> bool:
    return settings.auto_schedule and slot.resource_type not in settings.left_to_operators


def _object(slot: SlotView) -> tuple[str, str]:
    return slot.resource_type, slot.resource_id


def _key(slot: SlotView) -> tuple[str, str, int]:
    return slot.resource_type, slot.resource_id, slot.slot
