"""What an agent's restart may cost: next to nothing as long as its copies are what it has acknowledged."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import restart

NETWORKS = 60  # the benchmark has 1,000; what a warm restart costs does not grow with them


@pytest.mark.timeout(300)
def test_a_restart_with_its_copies_costs_next_to_nothing(tmp_path: Path) -> None:
    costs = restart.measure(tmp_path, NETWORKS)
    lost, old, current = (costs[f"copies {name}"] for name in ("lost", "a little old", "current"))
    assert lost.pulls == 2 and lost.statements > 20, lost
    assert current.pulls == 0 and current.statements <= 1, current
    assert restart.ratio(lost, current, "bytes") >= restart.LEAST, (lost, current)
    assert old.pulls == 1 and old.statements <= 14, old
    assert old.bytes < lost.bytes / 10, (lost, old)
