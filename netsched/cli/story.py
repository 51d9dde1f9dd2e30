"""Tells the answer of /binding-reasons as a story: where is it, why there, why not elsewhere, who did what. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
SHOWN_CANDIDATES = 20
SHOWN_HISTORY = 20
_DONE = {
    "place": "placed",
    "move": "moved",
    "unplaced": "found no place",
    "bind": "bound by hand",
    "unbind": "unbound by hand",
    "leave": "taken off its agent",
    "agent-update": "agent changed",
    "agent-enable": "agent enabled",
    "agent-disable": "agent disabled",
    "agent-force-down": "agent marked down",
    "agent-force-up": "agent marked up",
    "agent-delete": "agent deleted",
}


def tell(name: str, reasons: Record, width: int = 100, unwanted: str = "nothing wants it") -> str:
    """`reasons` is {"slots": [...], "history": [...]}; attributes that an older server lacks are left out.

    `unwanted`: why there may be no slot at all.
    """
    slots, history = reasons.get("slots") or [], reasons.get("history") or []
    lines = [name]
    if not slots:
        lines.append(f"  is not scheduled: {unwanted}.")
    for slot in slots:
        lines += ["", *_slot(slot, _hosts(slot, history), width)]
    if history:
        lines += ["", "History, newest first", *_history(history, _hosts({}, history), width)]
    return "\n".join(lines)


def _hosts(slot: Record, history: Sequence[Record]) -> dict[str, str]:
    """Agent id to host, from whatever names both."""
    decision = slot.get("decision") or {}
    named = [*history, *decision.get("rejections", ()), *decision.get("candidates", ()), slot]
    return {one["agent_id"]: one["host"] for one in named if one.get("agent_id") and one.get("host")}


def _slot(slot: Record, hosts: Mapping[str, str], width: int) -> Iterator[str]:
    decision = slot.get("decision") or {}
    yield _headline(slot)
    for label, text in _facts(slot, decision, hosts):
        yield from _paragraph(label, text, width)
    candidates = decision.get("candidates") or []
    if candidates:
        yield "  Candidates, best first (* chosen):"
        yield from (f"    {line}" for line in _scores(candidates, decision, _chosen(slot, decision)))
    rejections = decision.get("rejections") or []
    if rejections:
        counts = decision.get("rejected_by") or {}
        total = sum(counts.values()) or len(rejections)
        more = f", {len(rejections)} of {total}" if total > len(rejections) else ""
        yield f"  Not candidates{more}:"
        rows = [[_host(one, hosts), one.get("filter"), one.get("reason")] for one in rejections]
        yield from (f"    {line}" for line in _table(["HOST", "FILTER", "BECAUSE IT"], rows))


def _headline(slot: Record) -> str:
    kind = "Extra place" if slot.get("extra") else "Replica"
    where = {
        "bound": f"on {slot.get('host') or slot.get('agent_id')} since {slot.get('since')}",
        "unbound": "nowhere",
        "idle": "not wanted now",
    }.get(str(slot.get("state")), str(slot.get("state")))
    return f"{kind} {slot.get('slot')}: {where} (epoch {slot.get('epoch')})"


def _facts(slot: Record, decision: Record, hosts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    unbound = slot.get("state") == "unbound"
    held = unbound and slot.get("hold_until")
    if held:
        yield "Held", f"for the operator until {held}; the scheduler fills it after that"
    elif slot.get("reason"):
        yield "Reason" if unbound else "Note", slot["reason"]
    if decision:
        done = _DONE.get(decision.get("action", ""), decision.get("action"))
        because = f": {decision['reason']}" if decision.get("reason") and decision["reason"] != done else ""
        yield "Last decision" if unbound else "Why", f"{done} {decision.get('at')}{because}"
    if decision.get("alternates"):
        yield "Alternates", ", ".join(hosts.get(one, one) for one in decision["alternates"])
    if slot.get("error"):
        since = f"since {slot['error_since']}: " if slot.get("error_since") else ""
        yield "Error", f"{since}{slot['error']}"
    for one in slot.get("failed_on") or ():
        yield "Failed before", f"on {_host(one, hosts)}: {one.get('message')}"


def _chosen(slot: Record, decision: Record) -> str | None:
    return slot.get("agent_id") if decision.get("action") in ("place", "move") else None


def _scores(candidates: Sequence[Record], decision: Record, chosen: str | None) -> list[str]:
    weighers = list(candidates[0].get("scores") or {})
    rows = []
    for one in candidates[:SHOWN_CANDIDATES]:
        mark = "*" if one["agent_id"] == chosen else " "
        scores = [f"{one['scores'].get(name, 0):.3f}" for name in weighers]
        rows.append([f"{mark} {one.get('host') or one['agent_id']}", *scores, f"{one['total']:.3f}"])
    lines = _table(["  HOST", *(name.upper() for name in weighers), "TOTAL"], rows)
    left = decision.get("candidate_count", len(candidates)) - len(rows)
    return [*lines, f"  and {left} more"] if left > 0 else lines


def _history(history: Sequence[Record], hosts: Mapping[str, str], width: int) -> Iterator[str]:
    for event in history[:SHOWN_HISTORY]:
        done = _DONE.get(event.get("action", ""), event.get("action"))
        place = "" if event.get("slot") is None else f" replica {event['slot']}"
        agent = event.get("host") or hosts.get(event.get("agent_id") or "", event.get("agent_id"))
        by = _who(event)
        because = "" if event.get("reason") in (None, done) else f": {event['reason']}"
        where = f" {'to' if event.get('action') == 'move' else 'on'} {agent}" if agent else ""
        text = f"{done}{place}{where}{by}{because}"
        yield from _paragraph(str(event.get("at")), text, width)
    if len(history) > SHOWN_HISTORY:
        yield f"  and {len(history) - SHOWN_HISTORY} more (-f json shows all)"


def _who(event: Record) -> str:
    """Only what a person did has a request."""
    if not event.get("request_id"):
        return ""
    user = event.get("user_id") or "a user without a name"
    project = f" of project {event['project_id']}" if event.get("project_id") else ""
    return f" by {user}{project} ({event['request_id']})"


def _host(one: Record, hosts: Mapping[str, str]) -> str:
    return str(one.get("host") or hosts.get(one["agent_id"], one["agent_id"]))


def _paragraph(label: str, text: str, width: int) -> list[str]:
    wrapper = textwrap.TextWrapper(max(width, 40), "  ", "      ", break_long_words=False)
    return wrapper.wrap(f"{label}: {text}")


def _table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Plain columns: a frame would only cost width. Numbers to the right."""
    cells = [list(titles), *([str(cell or "") for cell in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(titles))]
    numeric = [all(row[n].replace(".", "", 1).isdigit() for row in cells[1:]) for n in range(len(titles))]
    return [
        "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True)).rstrip()
        for row in cells
    ]
