"""A peer of an earlier version: fields that its messages did not have are lost on the way, in both directions.

recorded/<version>/schema.json says which fields those were; like the recorded messages, it is never edited.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from netsched import errors
from netsched.rpc import transport

RECORDED = Path(__file__).parent / "recorded"


class NarrowTransport:
    """What speaks through it to `inner` understands and says no more than `version` did. `lost`: what that cost."""

    def __init__(self, inner: transport.Transport, version: str = "1.0") -> None:
        self._inner = inner
        self._schema = json.loads((RECORDED / version / "schema.json").read_text())
        self.lost: set[str] = set()

    def cast(self, address: str, method: str, payload: transport.Message) -> None:
        self._inner.cast(address, method, self._payload(method, payload))

    def call(self, address: str, method: str, payload: transport.Message, timeout: float) -> transport.Message:
        return self._answer(method, self._inner.call(address, method, self._payload(method, payload), timeout))

    def serve(self, address: str, handler: transport.Handler) -> transport.Serving:
        def narrowed(method: str, payload: transport.Message) -> transport.Message | None:
            if method in self._schema["methods"]:
                answer = handler(method, self._payload(method, payload))
                return None if answer is None else self._answer(method, answer)
            if address == transport.SERVER:
                raise errors.UnknownCode(message=f"the server knows no method {method!r}")
            return None

        return self._inner.serve(address, narrowed)

    def close(self) -> None:
        self._inner.close()

    def _payload(self, method: str, payload: transport.Message) -> transport.Message:
        message = self._schema["methods"][method]
        if method == "answers":
            return {"answers": self._cut(message, payload["answers"])}
        if method == "notices":
            return {"notices": {to: self._cut(message, many) for to, many in payload["notices"].items()}}
        cut: transport.Message = self._cut(message, payload)
        return cut | {"version": self._schema["version"]} if method == "beat" else cut

    def _answer(self, method: str, answer: transport.Message) -> transport.Message:
        message = self._schema["answers"].get(method)
        return self._cut(message, answer) if message and answer else answer  # type: ignore[no-any-return]

    def _cut(self, name: str | None, value: Any) -> Any:
        """`value` as message `name` (None: data, left alone) with the fields of that version, each of them in turn."""
        if name is None or value is None:
            return value
        if isinstance(value, list):
            return [self._cut(name, one) for one in value]
        known = self._schema["messages"][name]
        self.lost |= {f"{name}.{field}" for field in value.keys() - known["fields"].keys()}
        missing = [field for field in known["required"] if field not in value]
        assert not missing, f"{self._schema['version']} would not understand {name} without {missing}"
        return {
            field: self._cut(known["fields"][field], one) for field, one in value.items() if field in known["fields"]
        }
