"""How values look: for people in tables, untouched for programs in every other format."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from cliff.columns import FormattableColumn


class Alive(FormattableColumn[Any]):
    """The field's own smiley; true and false for programs."""

    def human_readable(self) -> str:
        return ":-)" if self._value else "XXX"


class UpDown(FormattableColumn[Any]):
    def human_readable(self) -> str:
        return "UP" if self._value else "DOWN"


class Structure(FormattableColumn[Any]):
    """Lists and dictionaries: one entry a line, nested ones in one line; what is not there is empty, not None."""

    def human_readable(self) -> str:
        if self._value is None:
            return ""
        if isinstance(self._value, Mapping):
            return "\n".join(f"{key}={inline(value)}" for key, value in self._value.items())
        if isinstance(self._value, list):
            return "\n".join(inline(value) for value in self._value)
        return str(self._value)


class Addresses(FormattableColumn[Any]):
    """fixed_ips where space is scarce."""

    def human_readable(self) -> str:
        return ", ".join(one["ip_address"] for one in self._value or ())


class Gateway(FormattableColumn[Any]):
    """external_gateway_info where space is scarce: its addresses."""

    def human_readable(self) -> str:
        return ", ".join(one["ip_address"] for one in (self._value or {}).get("external_fixed_ips", ()))


def inline(value: Any) -> str:
    """A nested value in one line: ``subnet_id=..., ip_address=...``."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={inline(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(inline(one) for one in value)
    return "" if value is None else str(value)


def age(seconds: float | None) -> str:
    """``59s``, ``12m``, ``3h 5m``, ``2d 4h``; two units are enough to know what to do."""
    if seconds is None:
        return ""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= size or (unit == "s" and not parts):
            parts.append(f"{left // size}{unit}")
            left %= size
    return " ".join(parts[:2]) if parts[0][-1] in "dh" else parts[0]


class Age(FormattableColumn[Any]):
    """Seconds, as `age` for people."""

    def human_readable(self) -> str:
        return age(self._value)


def with_examples(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Keeps the line breaks of a command's docstring, which ends with its examples."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser
