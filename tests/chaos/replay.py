"""Sends messages again that the nodes recorded: what a broker's backlog, or a partition that heals, brings."""

from __future__ import annotations

import json
import random
import threading

from netsched import errors
from netsched.rpc import transport
from tests.chaos.stage import Stage
from tests.chaos.times import now

Message = tuple[str, str, transport.Message]  # address, method, payload
NOTICES, ANSWERS, BEATS = 25, 5, 5  # of one replay, from each node
OLD = 8.0  # s that have passed since it was recorded, at least


class Replayer:
    def __init__(self, stage: Stage, transport_: transport.Transport, seed: int) -> None:
        self._stage = stage
        self._transport = transport_
        self._rng = random.Random(f"{seed} replays of")
        self._lock = threading.Lock()

    def old(self) -> list[Message]:
        """Of all nodes and of every kind, in an order of their own; notices are the most of them."""
        found: list[Message] = []
        for node in self._stage.nodes:
            for method, most in (("notices", NOTICES), ("answers", ANSWERS), ("beat", BEATS)):
                said = self._until(node.name, method, now() - OLD)
                found += self._rng.sample(said, min(most, len(said)))
        self._rng.shuffle(found)
        return found

    def beats_of(self, node: str, before: float) -> list[Message]:
        """The newest that it sent."""
        return self._until(node, "beat", before)[-20:]

    def send(self, messages: list[Message]) -> int:
        """How many the broker took."""
        sent = 0
        with self._lock:
            for address, method, payload in messages:
                try:
                    self._transport.cast(address, method, payload)
                except errors.Unavailable:
                    break  # some other fault is under way
                sent += 1
        return sent

    def _until(self, node: str, method: str, when: float) -> list[Message]:
        lines: list[str] = []
        for name in (f"recording-{method}.old", f"recording-{method}"):
            path = self._stage.directory / node / name
            if path.exists():
                lines += path.read_text().splitlines()
        found: list[Message] = []
        for line in lines:
            at, _, rest = line.partition(" ")
            if rest.endswith("]") and float(at) <= when:
                address, payload = json.loads(rest)
                found.append((address, method, payload))
        return found
