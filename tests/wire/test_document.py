"""Bodies that no layer below should ever see."""

from __future__ import annotations

import pytest

from netsched import errors
from netsched.wire import document

BAD = {
    "nothing": b"",
    "not json": b"{",
    "not an object": b"[]",
    "not utf-8": b'{"a": "\xff"}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "nan": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "beyond double": b'{"a": 1e999}',
    "beyond 64 bits": b'{"a": 9223372036854775808}',
    "thousands of digits": b'{"a": ' + b"9" * 5000 + b"}",
    "deep": b'{"a": ' + b"[" * 30 + b"]" * 30 + b"}",
    "very deep": b'{"a": ' + b"[" * 200_000,
    "deep objects": b'{"a": ' * 100_000,
    "lone surrogate": b'{"a": "\\ud800"}',
    "lone surrogate in a name": b'{"\\udfff": 1}',
    "nul": b'{"a": "x\\u0000y"}',
    "name twice": b'{"a": 1, "a": 2}',
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_refused(body: bytes) -> None:
    with pytest.raises(errors.HTTPBadRequest) as refused:
        document.parse(body)
    str(refused.value).encode("utf-8")  # can be sent


def test_accepted() -> None:
    assert document.parse(b'{"a": {"b": [1, -9223372036854775808, 1.5, "\\ud83d\\ude00", null]}}') == {
        "a": {"b": [1, -(2**63), 1.5, "😀", None]}
    }
