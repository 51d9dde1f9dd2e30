"""What a benchmark found, and how it is printed: one table, and JSON with the same figures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Figure = float | int | str | None


@dataclass(frozen=True)
class Result:
    """One line of the table: figures by column. The unit is in the column's name; None where nothing was measured."""

    benchmark: str
    case: str
    figures: Mapping[str, Figure] = field(default_factory=dict)


def table(results: Iterable[Result]) -> str:
    """All results, aligned; a heading where another benchmark or other columns begin."""
    sections: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        sections.setdefault((result.benchmark, *result.figures), []).append(result)
    return "\n\n".join(_section(list(heading), found) for heading, found in sections.items())


def _section(heading: list[str], results: list[Result]) -> str:
    lines = [heading] + [[r.case, *(_text(figure) for figure in r.figures.values())] for r in results]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )


def _text(figure: Figure) -> str:
    if figure is None:
        return "-"
    if not isinstance(figure, float):
        return str(figure)
    return f"{figure:.0f}" if abs(figure) >= 100 else f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"


def as_json(results: Iterable[Result], about: Mapping[str, Any]) -> dict[str, Any]:
    found = [{"benchmark": r.benchmark, "case": r.case, **r.figures} for r in results]
    return {"about": dict(about), "results": found}


def load() -> str:
    """The machine's load averages, which say how much to believe of a wall clock."""
    return " ".join(f"{average:.1f}" for average in os.getloadavg())
