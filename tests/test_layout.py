"""Limits that keep the code readable, and names that say nothing: what a reviewer should not have to count."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "netsched").rglob("*.py"))
MAX_FILE, MAX_FUNCTION, MAX_PARAMETERS = 400, 60, 8  # lines, lines, without self
BANNED = {"utils", "util", "common", "helpers", "helper", "manager", "mixins", "misc"}
# Who may catch everything: the edges, where an error must not end the loop, and where it is logged with its stack.
CATCH_ALL = (
    "agents/base/",
    "agents/dhcp/",
    "agents/kernel/netns.py",  # carries it over to the caller's thread
    "agents/simulate.py",  # an agents' loop, of many agents
    "cmd/",
    "rpc/",
    "server/api/",
    "server/workers/",
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", FILES, ids=name)
def test_file_and_its_functions_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE, f"{name(path)} wants splitting"
    for function in functions(path):
        if "migrations/versions" in str(path):
            continue  # a list of tables is as long as there are columns
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= MAX_FUNCTION, f"{name(path)}:{function.lineno} {function.name} has {lines} lines"
        given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        parameters = [argument.arg for argument in given if argument.arg not in ("self", "cls")]
        assert len(parameters) <= MAX_PARAMETERS or function.name == "__init__", (
            f"{name(path)}:{function.lineno} {function.name} takes {len(parameters)} parameters"
        )


@pytest.mark.parametrize("path", FILES, ids=name)
def test_file_says_why_it_exists(path: Path) -> None:
    assert not path.read_text() or ast.get_docstring(ast.parse(path.read_text())), f"{name(path)} has no docstring"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_everything_is_caught_at_the_edges_only(path: Path) -> None:
    allowed = str(path.relative_to(ROOT / "netsched")).startswith(CATCH_ALL)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler) and not allowed:
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in ("everything", "Exception", "BaseException"), f"{name(path)}:{node.lineno}"


def test_names_say_something() -> None:
    assert not [name(path) for path in (ROOT / "netsched").rglob("*") if path.stem in BANNED]


def test_patching_is_explained() -> None:
    """mock.patch ties a test to how the code is written, so each use has a comment on its line or the one before."""
    for path in (ROOT / "tests").rglob("*.py"):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if path != Path(__file__) and "mock.patch" in line:
                assert "#" in line or lines[number - 1].lstrip().startswith("#"), f"{name(path)}:{number + 1}"


def test_tox_has_every_step() -> None:
    """tools/test.sh finds the folders of tests by itself; tox wants a list."""
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    named = {word.strip() for word in tox["tox"]["envlist"].replace("\n", ",").split(",") if word.strip()}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")} | {"unit"}
    assert named == {"lint", "types", "imports", "docs", "package"} | folders
