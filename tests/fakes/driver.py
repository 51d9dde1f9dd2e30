"""A machine in memory, and the driver that works on it.

The machine outlives the driver, as a host outlives its agent: hand it to the next life. `reboot` empties it.
"""

from __future__ import annotations

import copy
import threading

from netsched import errors
from netsched.agents.base.driver import Content, Driver, States


class FakeMachine:
    """`scopes`: what is in force."""

    def __init__(self) -> None:
        self.scopes: dict[str, Content] = {}

    def reboot(self) -> None:
        self.scopes.clear()


class FakeDriver(Driver):
    """`calls`: ("apply", scope) and ("remove", scope) in order. `failing`: scopes whose apply raises; `lying`: scopes
    whose apply returns and does nothing; `buggy`: scopes whose apply raises what no driver should."""

    def __init__(self, machine: FakeMachine | None = None, wires: str | None = None) -> None:
        """`wires`: as an L2 agent it says that it has wired the ports of this host."""
        self._wires = wires
        self.machine = machine or FakeMachine()
        self.calls: list[tuple[str, str]] = []
        self.checks = 0
        self.failing: set[str] = set()
        self.lying: set[str] = set()
        self.buggy: set[str] = set()
        self.blind = False  # actual() fails
        self.said: dict[tuple[str, str], str] = {}  # what it says of objects that are in a scope it applied
        self._lock = threading.Lock()

    def apply(self, scope: str, wanted: Content | None) -> None:
        with self._lock:
            self.calls.append(("remove" if wanted is None else "apply", scope))
            if scope in self.failing:
                raise errors.Unavailable(reason=f"{scope} fails because the test says so")
            if scope in self.buggy:
                raise KeyError(scope)
            if scope in self.lying:
                return
            if wanted is None:
                self.machine.scopes.pop(scope, None)
            else:
                self.machine.scopes[scope] = copy.deepcopy(wanted)

    def actual(self) -> set[str]:
        if self.blind:
            raise errors.Unavailable(reason="blind because the test says so")
        with self._lock:
            return set(self.machine.scopes)

    def check(self, scope: str, wanted: Content | None) -> bool:
        with self._lock:
            self.checks += 1
            return self.machine.scopes.get(scope) == wanted

    def states(self, scope: str, wanted: Content) -> States:
        ports = wanted.get("port", {}).values() if self._wires else ()
        wired = {("port", port["id"]): "ACTIVE" for port in ports if port["binding:host_id"] == self._wires}
        floating = {
            ("floatingip", one["id"]): "ACTIVE" if one["port_id"] else "DOWN"
            for one in wanted.get("floatingip", {}).values()
        }
        return wired | floating | {key: status for key, status in self.said.items() if key[1] in wanted.get(key[0], {})}
