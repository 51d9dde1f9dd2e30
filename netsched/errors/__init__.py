"""The one exception tree: eight kinds, stable codes, no HTTP.

An error's class docstring is its message format; the keyword arguments fill it. ``code`` is API and never
changes or gets reused; the class name is what goes on the wire as the Networking API's error ``type``. A new
subclass is wanted only where a program must tell the cases apart; otherwise raise one that exists.

The kinds are in kinds.py; each group of resources has a file of its errors.
"""

from __future__ import annotations

from typing import Any

from netsched.errors.addressing import *  # noqa: F403
from netsched.errors.core import *  # noqa: F403 (this is the list of them)
from netsched.errors.kinds import *  # noqa: F403
from netsched.errors.kinds import NetschedError, UnknownCode
from netsched.errors.l3 import *  # noqa: F403
from netsched.errors.quota import *  # noqa: F403
from netsched.errors.security import *  # noqa: F403
from netsched.errors.sharing import *  # noqa: F403


def to_wire(error: NetschedError) -> dict[str, Any]:
    """The error as it travels between server and agents: {"code", "message", "facts"}."""
    return {"code": error.code, "message": str(error), "facts": {k: str(v) for k, v in error.facts.items()}}


def from_wire(data: dict[str, Any]) -> NetschedError:
    """The error that `to_wire` wrote; a code of a newer peer becomes `UnknownCode` with its message."""
    for cls in _subclasses(NetschedError):
        if cls.code == data["code"]:
            return cls(**data["facts"])
    return UnknownCode(message=data["message"])


def _subclasses(cls: type[NetschedError]) -> list[type[NetschedError]]:
    found = [cls]
    for sub in cls.__subclasses__():
        found.extend(_subclasses(sub))
    return found
