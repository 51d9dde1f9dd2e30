"""What needs a place? Looks at the whole snapshot each time; nothing is remembered from one round to the next."""

from __future__ import annotations

from netsched.model.liveness import State
from netsched.model.scheduling import Request, SlotView, Snapshot, Unplaced
from netsched.scheduler.profile import Settings


def requests_for(snapshot: Snapshot, settings: Settings) -> tuple[tuple[Request, ...], tuple[Unplaced, ...]]:
    """The requests in the order to serve them, and the slots that wait although they are empty, with the reason.

    Moves come first (somebody is without service now), then by id, so that the order of rows in the snapshot does
    not matter. An agent with admin_state_up=false loses nothing by that.
    """
    dead = {agent.id for agent in snapshot.agents if agent.state is State.DEAD}
    moves: list[Request] = []
    places: list[Request] = []
    waiting: list[Unplaced] = []
    for slot in sorted(snapshot.slots, key=lambda slot: (slot.resource_type, slot.resource_id, slot.slot)):
        if slot.agent_id is not None:
            if settings.move_from_dead and slot.agent_id in dead and _automatic(slot, settings):
                moves.append(Request(slot, moving_from=slot.agent_id, alternates_wanted=settings.alternates))
            continue
        request = Request(slot, alternates_wanted=settings.alternates)
        reason = _wait(slot, snapshot, settings, places)
        if reason is None:
            places.append(request)
        else:
            waiting.append(Unplaced(request, {}, reason))
    return tuple(moves + places), tuple(waiting)


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
