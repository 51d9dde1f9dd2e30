"""What must never have happened, by the history of the tables, the nodes' journals and the driver's own record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.book import Book
from tests.chaos.faults import Outage, Record
from tests.chaos.history import Change, moves
from tests.chaos.node import TICK
from tests.chaos.plan import COMMON, DEAD_AFTER, DEAFENING

BEAT = 1.3  # s that a beat is old at most when the next one is due
STALLED = 2.5  # s without a tick: the process did not run, whoever is to blame
RETURN = {"kill node": 15.0, "node's clock": 15.0, "stop node": 6.0, "silent zone": 6.0}  # s until it is heard of again
STARTING = {"kill node": 8.0, "node's clock": 8.0}  # s of that in which it is nobody's fault
LATE = 40.0  # s after its deletion; what comes into force then has come back

Entry = Mapping[str, Any]


@dataclass
class Moves:
    """`false`: sentences. `longest`: seconds from a node's silence to the last move off it, undisturbed by others."""

    count: int = 0
    false: list[str] = field(default_factory=list)
    longest: float = 0.0
    starved: int = 0  # moves off agents that nobody had touched, and that did not run all the same


class Past:
    """`hosts`: host of each agent id. `journals`: of each node, by its name."""

    def __init__(self, record: Record, hosts: Mapping[str, str], journals: Mapping[str, Sequence[Entry]]) -> None:
        self._record = record
        self._hosts = hosts
        self._journals = journals
        self._common = [one for one in record.outages if one.what in COMMON]
        self._nodes = [one for one in record.outages if one.what in RETURN]

    def moves(self, changes: Sequence[Change]) -> Moves:
        """Was everybody from whom something was moved really silent for so long?"""
        found = Moves()
        stalls = {name: list(gaps(journal)) for name, journal in self._journals.items()}
        for move in moves(changes):
            found.count += 1
            host = self._hosts[str(move.old)]
            outage = next((one for one in self._nodes if self._explains(one, host, move.at)), None)
            if outage is None:
                if any(began + DEAD_AFTER - BEAT < move.at < end + RETURN["stop node"] for began, end in stalls[host]):
                    found.starved += 1
                    continue
                found.false.append(self._told(move, host, "which was not away for so long"))
            elif outage.what == "silent zone" and self._braked(outage):
                found.false.append(self._told(move, host, "while its whole zone was silent"))
            elif not self._deaf(outage.began - 1.0, move.at):
                found.longest = max(found.longest, move.at - outage.began)
        return found

    def _explains(self, outage: Outage, host: str, at: float) -> bool:
        if host not in outage.victims or at > outage.end + RETURN[outage.what]:
            return False
        # A beat that got lost in another fault just before makes the silence longer than this one.
        silent_since = outage.began - (3.0 if self._disturbed(outage.began - 6.0, at) else BEAT)
        return at >= silent_since + DEAD_AFTER

    def _disturbed(self, began: float, end: float) -> bool:
        return any(one.began < end and one.end > began for one in self._common)

    def _deaf(self, began: float, end: float) -> bool:
        return any(one.what in DEAFENING and one.began < end and one.end > began for one in self._record.outages)

    def _braked(self, zone: Outage) -> bool:
        """Was everyone there alive two dead limits before? Else the rule counts fewer, and there may be no brake."""
        since = zone.began - 2 * DEAD_AFTER - 1.0
        others = [one for one in self._nodes if one is not zone and set(one.victims) & set(zone.victims)]
        away = any(one.began < zone.end and one.end + STARTING.get(one.what, 0.0) > since for one in others)
        return not away and not self._deaf(since, zone.began)

    def braked_zones(self) -> int:
        """Silences of a zone in which the rule leaves no doubt that nothing may move."""
        return sum(1 for one in self._nodes if one.what == "silent zone" and self._braked(one))

    def _told(self, move: Change, host: str, why: str) -> str:
        near = [
            f"{one.what} {'/'.join(one.victims)} {one.began - move.at:+.1f}..{one.end - move.at:+.1f} s"
            for one in self._record.outages
            if one.began < move.at + 1 and one.end > move.at - 20
        ]
        return f"false alarm: {move.resource_type} {move.resource_id} moved from {host}, {why}; then: {', '.join(near)}"

    def came_back(self, books: Iterable[Book]) -> list[str]:
        """What came into force on an agent again although its deletion was acknowledged."""
        gone = {
            item.id: item for book in books for item in book.items if item.there is False and item.gone_at and item.id
        }
        problems = []
        for node, journal in self._journals.items():
            removed: dict[tuple[str, str, str], float] = defaultdict(float)
            for entry in journal:
                if entry["what"] == "started":
                    removed.clear()  # its copy on disk may be a second behind, and holds until a server answers
                if entry["what"] != "applied":
                    continue
                for id_ in entry["gone"]:
                    removed[entry["agent"], entry["scope"], id_] = entry["at"]
                for id_ in entry["new"]:
                    item = gone.get(id_)
                    if item is None or item.gone_at is None:
                        continue
                    removed_at = removed[entry["agent"], entry["scope"], id_]
                    after, late = removed_at > item.gone_at, entry["at"] > item.gone_at + LATE
                    if entry["at"] > item.gone_at and (after or late):
                        told = f"{item.plural} {item.name} in {entry['scope']}"
                        since = f"deleted {entry['at'] - item.gone_at:.1f} s before"
                        problems.append(f"came back: on {node} ({entry['agent']}) {told}, {since}")
        return problems


def gaps(journal: Sequence[Entry]) -> Iterator[tuple[float, float]]:
    """When the node's process did not run, by its own ticks."""
    ticks = [entry["at"] for entry in journal if entry["what"] == "tick"]
    for before, after in zip(ticks, ticks[1:], strict=False):
        if after - before > STALLED + TICK:
            yield before, after


def epochs(changes: Sequence[Change]) -> list[str]:
    """An epoch only grows."""
    problems: list[str] = []
    newest: dict[tuple[str, str, int], int] = {}
    for one in changes:
        key = (one.resource_type, one.resource_id, one.slot)
        if one.epoch <= newest.get(key, -1):
            problems.append(f"{key}: a new holder under epoch {one.epoch} after {newest[key]}")
        newest[key] = one.epoch
    return problems
