"""Which faults, when: follows from the seed alone.

Three tracks run beside each other, so that faults overlap: what all depend on (servers, broker, database), nodes, and
replays of old messages. Within a track one fault follows the other with pauses in which things may recover.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DEAD_AFTER = 4.0  # s, with heartbeats every second
LONGER = (DEAD_AFTER + 3, DEAD_AFTER + 5)  # s for which something is stopped so that it is taken for dead

# Kinds of fault with the seconds for which they last. What starts again takes a while beyond that.
COMMON = {
    "kill server": (1, 3),
    "kill broker": (0, 1),
    "kill database": (1, 3),
    "stop server": LONGER,
    "stop broker": LONGER,
    "stop database": LONGER,
    "drop broker connections": (0, 0),
    "slow database": (5, 8),
    "server's clock": (8, 12),
}
# Those in which servers hear nobody.
DEAFENING = ("kill broker", "kill database", "stop broker", "stop database", "drop broker connections", "slow database")
ON_NODES = {
    "kill node": (8, 10),
    "stop node": LONGER,
    "node's clock": (8, 12),
    "silent zone": LONGER,
}
FINISH = 10.0  # s before the end in which no fault begins
REPLAY = "stale messages"
KINDS = (*COMMON, *ON_NODES, REPLAY)


@dataclass(frozen=True)
class Fault:
    """`pause`: seconds before it, after the one before. `target`: number of the server, node or zone it hits."""

    kind: str
    pause: float
    lasts: float
    target: int


def track(
    rng: random.Random, kinds: dict[str, tuple[float, float]], pauses: tuple[float, float], targets: dict[str, int]
) -> Iterator[Fault]:
    """Rounds in which each kind comes once, in an order of their own; without end. `targets`: how many there are."""
    while True:
        for kind in rng.sample(sorted(kinds), len(kinds)):
            count = next((number for word, number in targets.items() if word in kind), 1)
            lasts = round(rng.uniform(*kinds[kind]), 2)
            yield Fault(kind, round(rng.uniform(*pauses), 2), lasts, rng.randrange(count))


def tracks(seed: int, nodes: int, zones: Sequence[object]) -> dict[str, Iterator[Fault]]:
    """By name. Each is consumed until the run's time is over, but not before its first round is."""
    targets = {"server": 2, "node": nodes, "zone": len(zones)}
    return {
        "common": track(random.Random(f"{seed} common"), COMMON, (1.5, 4.0), targets),
        "nodes": track(random.Random(f"{seed} nodes"), ON_NODES, (5.0, 9.0), targets),
        "replays": track(random.Random(f"{seed} replays"), {REPLAY: (0, 0)}, (18.0, 28.0), targets),
    }


def first_round(track_name: str) -> int:
    """How many faults of a track must be in every run."""
    return {"common": len(COMMON), "nodes": len(ON_NODES), "replays": 2}[track_name]


def words(seed: int, nodes: int, zones: Sequence[object]) -> list[str]:
    """The first round of each track, for people."""
    lines = []
    for name, faults in tracks(seed, nodes, zones).items():
        told = []
        for _ in range(first_round(name)):
            fault = next(faults)
            told.append(f"{fault.kind} {fault.target} ({fault.lasts:g} s)")
        lines.append(f"{name}: " + ", ".join(told))
    return lines
