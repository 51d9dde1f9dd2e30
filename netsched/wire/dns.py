"""Names and domains of DNS as clients give them. The sentences are the incumbent's."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from netsched.wire import types

_LABEL = re.compile(r"[a-z0-9-]{1,63}")
_PATTERN = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


def _text(value: Any) -> str:
    """In lower case, since DNS tells no difference. Null is no name."""
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{types.shown(value)} is not a valid string")
    text = (value or "").lower()
    wrong = _wrong(text)
    if wrong:
        raise ValueError(f"{types.shown(value)} not a valid PQDN or FQDN. Reason: {wrong}")
    return text


def _wrong(text: str) -> str | None:
    trimmed = text.removesuffix(".")
    labels = trimmed.split(".")
    if not text:
        return None
    if len(trimmed) > types.LONG:
        return f"it exceeds the {types.LONG} character FQDN limit"
    for label in labels:
        if not label:
            return "Encountered an empty component"
        if label.startswith("-") or label.endswith("-"):
            return f"Name '{label[:80]}' must not start or end with a hyphen"
        if not _LABEL.fullmatch(label):
            return "Names must be 1-63 characters long, each of which can only be alphanumeric or a hyphen"
    if len(labels) > 1 and labels[-1].isdigit():
        return f"TLD '{labels[-1]}' must not be all numeric"
    return None


def _relative(value: Any) -> str:
    text = _text(value)
    if text.endswith("."):
        raise ValueError(f"{types.shown(value)} is a FQDN. It should be a relative domain name")
    return text


def _domain(value: Any) -> str:
    text = _text(value)
    if text and not text.endswith("."):
        raise ValueError(f"{types.shown(value)} is not a FQDN")
    return text


def _schema(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "maxLength": types.LONG, "pattern": f"^({pattern})?$"})


_BELOW = f"({_PATTERN}\\.)*[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?"  # its last part is not all numeric
# Of a port; a full one, with a dot at its end, must be of the operator's domain.
Name = Annotated[str, BeforeValidator(_text), _schema(rf"{_BELOW}\.?")]
# Of a floating IP.
RelativeName = Annotated[str, BeforeValidator(_relative), _schema(_BELOW)]
Domain = Annotated[str, BeforeValidator(_domain), _schema(rf"{_BELOW}\.")]
