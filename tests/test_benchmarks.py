"""The benchmarks start, measure and report: those that need neither broker nor database server, in their quick form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.report import Result

ROOT = Path(__file__).parent.parent


def test_a_table_lines_up_and_begins_anew_with_other_columns() -> None:
    results = [
        Result("API", "get", {"p50 ms": 1.234, "calls": 10}),
        Result("API", "list", {"p50 ms": 123.4, "calls": 2}),
    ]
    text = report.table([*results, Result("beats", "10", {"p99 ms": None})])
    assert text.splitlines() == [
        "API   p50 ms  calls",
        "get     1.23     10",
        "list     123      2",
        "",
        "beats  p99 ms",
        "10          -",
    ]


@pytest.mark.full
def test_the_command_reports_what_it_found(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only=delivery", "--database=sqlite", f"--json={file}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert found["about"]["database"].startswith("sqlite")
    by_case = {one["case"]: one for one in found["results"]}
    told = by_case["port rename, push, full"]
    assert told["messages"] == 1 and told["pulls"] == 0  # whoever holds the network, and nobody else
    assert by_case["port rename, beat, full"]["messages"] == 0
    assert by_case["port rename, plain broadcast (computed)"]["messages"] == 20
    for l2_agents in (10, 100):  # as many as hold the network, however many there are
        told = by_case[f"{l2_agents} agents, 3 with the network"]
        assert (told["L2 agents told"], told["DHCP agents told"], told["ports ACTIVE"]) == (3, 1, 3)
