"""A process on a private host that runs a real driver under the framework's real loop, steered by JSON lines.

Its own driver is the DHCP agent's; others call `serve`.

Not a whole agent: no server. What is wanted comes over stdin, so that a test decides it and can kill -9 the rest.
"""

from __future__ import annotations

import json
import logging
import pathlib
import random
import sys
import threading
import time
from typing import Any

from netsched.agents.base.driver import Driver, States
from netsched.agents.base.loop import Loop, Wanted
from netsched.agents.dhcp.compute import Settings
from netsched.agents.dhcp.driver import DhcpDriver
from netsched.clock import SystemClock


class Answers:
    """The loop's Outcome."""

    def __init__(self) -> None:
        self.contents: dict[str, Any] = {}
        self.faults: list[str] = []
        self.states: dict[str, States] = {}
        self.settled = threading.Event()
        self.error: str | None = None

    def wanted(self, scope: str) -> Wanted:
        return Wanted(1, 1, self.contents.get(scope))

    def applied(self, scope: str, wanted: Wanted, states: States) -> None:
        self.states[scope] = states
        self.error = None
        self.settled.set()

    def found(self, scope: str, wanted: Wanted, states: States) -> None:
        self.states[scope] = states

    def failed(self, scope: str, wanted: Wanted, message: str, failures: int) -> None:
        self.faults.append(message)
        self.error = message
        self.settled.set()

    def fine(self, scope: str, wanted: Wanted) -> None:
        pass


def main(host: str, state_dir: str, settings: str) -> None:
    options = json.loads(settings)
    options["dns_servers"] = tuple(options.get("dns_servers", ()))
    serve(DhcpDriver(host, pathlib.Path(state_dir), Settings(**options), SystemClock()))


def serve(driver: Driver) -> None:
    """Until standard input ends."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    answers = Answers()
    loop = Loop(driver, answers, SystemClock(), random.Random(1))
    driver.watch(loop.mark_again)

    def work() -> None:
        while True:
            if not loop.run_one():
                time.sleep(0.02)

    threading.Thread(target=work, daemon=True).start()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        if command == "want":
            scope, content = arguments
            answers.contents[scope] = content
            answers.settled.clear()
            loop.mark(scope, content is None)
            answer: Any = "timeout" if not answers.settled.wait(20) else answers.error
        elif command == "states":
            said = answers.states.get(arguments[0], {})
            answer = {f"{kind}/{id_}": status for (kind, id_), status in said.items()}
        elif command == "actual":
            answer = sorted(driver.actual())
        elif command == "apply":  # by itself, without the loop
            answer = driver.apply(*arguments)
        elif command == "check":
            answer = driver.check(*arguments)
        else:
            answer = answers.faults
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
