"""Clients that write all the time and note what was acknowledged, and for how long nobody acknowledged anything."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

GONE = None  # instead of a name: the network is deleted
MOST = 40  # networks of one writer


@dataclass
class Ledger:
    """`possible`: by network, the names that it may have: the last one that was acknowledged, and those of later
    requests of which nobody knows what became. `acknowledged`: when (monotonic), in order."""

    possible: dict[str, set[str | None]] = field(default_factory=dict)
    acknowledged: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)  # by answer


class Writer(threading.Thread):
    """Creates, renames and deletes networks of its own, one request after the other, through any of the servers."""

    def __init__(self, urls: list[str], seed: int) -> None:
        super().__init__(daemon=True)
        self.ledger = Ledger()
        self._urls = urls
        self._random = random.Random(seed)
        self._number = 0
        self._seed = seed
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._write()
            except urllib.error.HTTPError as error:
                self._note(f"{error.code}")
                error.close()
            except (OSError, http.client.HTTPException) as error:
                self._note(type(error).__name__)
            time.sleep(0.02)

    def stop(self) -> Ledger:
        self._stopping.set()
        self.join(90)
        assert not self.is_alive()
        return self.ledger

    def _write(self) -> None:
        # What may be gone already is left alone: a 404 would say nothing.
        mine = [one for one, names in self.ledger.possible.items() if GONE not in names]
        deed = self._random.random()
        if not mine or (deed < 0.3 and len(mine) < MOST):
            network = self._send("POST", "networks", {"network": {"name": self._next_name()}})["network"]
            self._acknowledge(network["id"], network["name"])
            subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}
            self._send("POST", "subnets", {"subnet": subnet})
            self.ledger.acknowledged.append(time.monotonic())
            return
        chosen = self._random.choice(mine)
        if deed < 0.9:
            name = self._next_name()
            self.ledger.possible[chosen].add(name)
            self._send("PUT", f"networks/{chosen}", {"network": {"name": name}})
            self._acknowledge(chosen, name)
        else:
            self.ledger.possible[chosen].add(GONE)
            self._send("DELETE", f"networks/{chosen}", None)
            self._acknowledge(chosen, GONE)

    def _next_name(self) -> str:
        self._number += 1
        return f"writer-{self._seed}-{self._number}"

    def _acknowledge(self, network: str, name: str | None) -> None:
        self.ledger.possible[network] = {name}
        self.ledger.acknowledged.append(time.monotonic())

    def _note(self, answer: str) -> None:
        self.ledger.refused[answer] = self.ledger.refused.get(answer, 0) + 1

    def _send(self, method: str, path: str, body: Any) -> Any:
        url = f"{self._random.choice(self._urls)}/v2.0/{path}"
        request = urllib.request.Request(url, method=method, headers={"Content-Type": "application/json"})
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def longest_stall(ledgers: list[Ledger], since: float, until: float) -> float:
    """Seconds in which no writer at all had a request acknowledged, at the most."""
    moments = sorted(moment for one in ledgers for moment in one.acknowledged if since <= moment <= until)
    edges = [since, *moments, until]
    return max(after - before for before, after in zip(edges, edges[1:], strict=False))
