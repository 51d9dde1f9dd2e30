"""What an agent works on here: a directory, one file per scope in force. It outlives the agent, as a machine does.

The driver really writes and reads back, so that a restart finds what was left and the checker compares content. Every
change is told to a journal, so that what came back for a moment only is seen as well.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

from netsched.agents.base.driver import Content, Driver, States
from tests.chaos.times import now

Ids = set[tuple[str, str]]


class Journal:
    """Lines of JSON, appended by one process of an agent's node and read by the checker: {"at": wall clock, ...}."""

    def __init__(self, path: pathlib.Path) -> None:
        self._file = path.open("a", buffering=1)

    def note(self, what: str, **facts: Any) -> None:
        # One write per line, which a kill cannot tear: the kernel has it or not.
        line = json.dumps({"at": now(), "what": what, **facts})
        self._file.write(line + "\n")


def read(path: pathlib.Path) -> list[dict[str, Any]]:
    """A journal's entries; [] if there is none."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


class DirectoryMachine:
    """`directory` of one agent."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def write(self, scope: str, content: Content) -> None:
        path = self._path(scope)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps({"scope": scope, "content": content}))
        os.replace(temporary, path)

    def remove(self, scope: str) -> None:
        self._path(scope).unlink(missing_ok=True)

    def content(self, scope: str) -> Content | None:
        try:
            found: Content = json.loads(self._path(scope).read_text())["content"]
        except FileNotFoundError:
            return None
        return found

    def scopes(self) -> set[str]:
        return {path.stem.replace("+", "/", 1) for path in self._directory.glob("*.json")}

    def _path(self, scope: str) -> pathlib.Path:
        return self._directory / f"{scope.replace('/', '+', 1)}.json"


class FileDriver(Driver):
    """Touches nothing but its directory; thread-safe because no two threads work on one scope at once."""

    def __init__(
        self, machine: DirectoryMachine, journal: Journal, agent: str, states: Callable[[Content], States]
    ) -> None:
        """`states`: what an agent of this kind says of the objects in a scope once they are in force."""
        self._machine = machine
        self._journal = journal
        self._agent = agent
        self._states = states

    def apply(self, scope: str, wanted: Content | None) -> None:
        before = objects(self._machine.content(scope))
        after = objects(wanted)
        if wanted is None:
            self._machine.remove(scope)
        else:
            self._machine.write(scope, wanted)
        new, gone = sorted(id_ for _, id_ in after - before), sorted(id_ for _, id_ in before - after)
        if new or gone:
            self._journal.note("applied", agent=self._agent, scope=scope, new=new, gone=gone)

    def actual(self) -> set[str]:
        return self._machine.scopes()

    def check(self, scope: str, wanted: Content | None) -> bool:
        return self._machine.content(scope) == wanted

    def states(self, scope: str, wanted: Content) -> States:
        return self._states(wanted)


def objects(content: Content | None) -> Ids:
    return {(kind, id_) for kind, found in (content or {}).items() for id_ in found}
