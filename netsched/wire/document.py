"""From the bytes of a body to plain JSON values that every layer below can hold.

What is refused here would otherwise fail later and worse: a database cannot store a lone surrogate, a NUL or a number
beyond 64 bits, and a deep tree exhausts the stack of whoever walks it.
"""

from __future__ import annotations

import json
import math
from typing import Any

from netsched import errors

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MIN_INT, MAX_INT = -(2**63), 2**63 - 1


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises HTTPBadRequest."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise _bad("the body is not UTF-8") from None
    except RecursionError:
        raise _bad("the body is nested too deeply") from None
    except ValueError as error:
        raise _bad(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _bad("the body is not a JSON object")
    _check(value, "body", 0)
    return value


def check_text(text: str, where: str) -> str:
    """Refuse what a database or UTF-8 cannot carry."""
    if "\x00" in text:
        raise _bad(f"{where} contains a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise _bad(f"{where} contains half of a surrogate pair")
    return text


def _check(value: Any, where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _bad("the body is nested too deeply")
    if isinstance(value, str):
        check_text(value, where)
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key, f"a name in {where}")
            _check(item, key if depth < 2 else where, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, where, depth + 1)
    elif isinstance(value, int) and not MIN_INT <= value <= MAX_INT:
        raise _bad(f"{where} contains a number beyond 64 bits")
    elif isinstance(value, float) and not math.isfinite(value):
        raise _bad(f"{where} contains a number that is not finite")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _bad(reason: str) -> errors.HTTPBadRequest:
    # Never quotes the body: a lone surrogate could not be sent back.
    return errors.HTTPBadRequest(reason=f"Failed to parse request: {reason}.")
