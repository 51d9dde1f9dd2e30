"""Requests to the Networking API, and errors that a person at a terminal can act on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlencode

if TYPE_CHECKING:
    from cliff.command import Command
    from keystoneauth1.adapter import Adapter

EXIT_REFUSED = 1  # the API refused, or there is no such object
EXIT_USAGE = 2  # argparse's own
EXIT_UNREACHABLE = 3  # no server, or no way to authenticate to it

_NEXT = {
    401: "Check the credentials: OS_* variables, --os-cloud, or --os-endpoint for a server without authentication.",
    403: "This needs another role or project: see --os-project-id, --os-roles and the server's policy.yaml.",
    412: "Somebody else changed it meanwhile. Look at it again and repeat the command.",
    503: "The server cannot do it at the moment. `netsched status` tells how it is.",
}


class CommandFailed(Exception):
    """Printed as it is; the process ends with `exit_code`."""

    def __init__(self, message: str, exit_code: int = EXIT_REFUSED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Client:
    """`adapter` is bound to the endpoint, with or without /v2.0 at its end, and to the credentials."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.wait: int | None = None  # s that a change waits until it is in force; None: not at all
        self.late: list[str] = []  # who was late with the changes that waited, by the server's words

    def list(self, path: str, key: str, **filters: Any) -> list[dict[str, Any]]:
        """All objects of a collection; a filter that is None is left out, a sequence means any of."""
        given = {name: value for name, value in filters.items() if value is not None}
        query = urlencode({name: _on_the_wire(value) for name, value in given.items()}, doseq=True)
        found: list[dict[str, Any]] = self._send("GET", f"{path}?{query}" if query else path)[key]
        return found

    def get(self, path: str, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self._send("GET", path)[key]
        return found

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._send("POST", path, body)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._send("PUT", path, body)

    def delete(self, path: str) -> None:
        self._send("DELETE", path)

    def find(self, collection: str, name_or_id: str, by: str = "name", **filters: Any) -> dict[str, Any]:
        """The one object with that id, or with that value of the attribute `by`. Fails if there is none or several."""
        found = self.matching(collection, name_or_id, by, **filters)
        if len(found) == 1:
            return found[0]
        if found:
            ids = "\n  ".join(f"{one['id']} {one.get('agent_type', '')}".rstrip() for one in found)
            narrower = ", or --type" if by == "host" and not filters.get("agent_type") else ""
            raise CommandFailed(f"Several {collection} have the {by} '{name_or_id}'. Use an id{narrower}:\n  {ids}")
        called, attribute = words(collection), by.rpartition("_")[2]
        narrowed = {name.replace("_", " "): value for name, value in filters.items() if value is not None}
        among = "".join(f" and the {name} '{value}'" for name, value in narrowed.items())
        raise CommandFailed(
            f"There is no {called} with the id or {attribute} '{name_or_id}'{among}. See: netsched {called} list"
        )

    def matching(self, collection: str, name_or_id: str, by: str = "name", **filters: Any) -> Sequence[dict[str, Any]]:
        """The object with that id or, if there is none, those with that value of the attribute `by`."""
        # A server may refuse to look for an id that cannot be one.
        for attribute in ("id", by) if _is_uuid(name_or_id) else (by,):
            if found := self.list(f"/{collection}", key(collection), **{**filters, attribute: name_or_id}):
                return found
        return []

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        from keystoneauth1 import exceptions

        if self.wait is not None and method != "GET":
            path = f"{path}?wait=applied&timeout={self.wait}"
        try:
            response = self._adapter.request(
                path if path == "/" else f"{self._prefix()}{path}",
                method,
                json=body,
                raise_exc=False,
                headers={"Accept": "application/json"},
            )
        except exceptions.ConnectionError as error:
            raise CommandFailed(self._unreachable(error), EXIT_UNREACHABLE) from error
        except exceptions.ClientException as error:
            raise CommandFailed(f"{error}\n{_NEXT[401]}", EXIT_UNREACHABLE) from error
        if response.status_code >= 400:
            raise CommandFailed(_refusal(response))
        if response.headers.get("X-Netsched-Applied") == "false":
            self.late.append(response.headers.get("X-Netsched-Late", "it is not known who is late"))
        return response.json() if response.content else None

    def _prefix(self) -> str:
        return "" if self._endpoint().endswith("/v2.0") else "/v2.0"

    def _endpoint(self) -> str:
        return (self._adapter.get_endpoint() or "").rstrip("/")

    def _unreachable(self, error: Exception) -> str:
        return (
            f"No server answers at {self._endpoint()} ({type(error).__name__}).\n"
            "Start one with `netsched standalone` or `netsched-server --config-file FILE`, "
            "or name another with --os-endpoint URL or OS_ENDPOINT."
        )


def words(collection: str) -> str:
    """What one object of a collection is called in commands: ``network``, ``floating ip``."""
    return {"floatingips": "floating ip"}.get(collection, collection.rstrip("s").replace("-", " "))


def key(collection: str) -> str:
    """What a collection, ``security-groups``, is called inside of bodies."""
    return collection.replace("-", "_")


class Connected(Protocol):
    """What a command needs of the shell in which it runs."""

    @property
    def client(self) -> Client: ...


def connected(command: Command) -> Client:
    """The client of the shell in which a command runs."""
    return cast(Connected, command.app).client


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _on_the_wire(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_on_the_wire(one) for one in value]
    return value


def _refusal(response: Any) -> str:
    """The API's message, the request's id when the server is to blame, and what to do next."""
    message = f"HTTP {response.status_code} {response.reason}"
    try:
        body = response.json()
    except ValueError:
        body = {}
    for error in body.values() if isinstance(body, dict) else ():
        message = error.get("message", message) if isinstance(error, dict) else str(error)
    lines = [message]
    if response.status_code >= 500:
        lines.append(f"Request {response.headers.get('x-openstack-request-id', 'without id')}: see the server's log.")
    if response.status_code in _NEXT:
        lines.append(_NEXT[response.status_code])
    return "\n".join(lines)
