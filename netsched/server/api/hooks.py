"""Around every request: an id, a principal, and headers for and from proxies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pecan import hooks
from webob import exc

from netsched import errors
from netsched.model.principal import Principal
from netsched.server.api.request import ApiRequest
from netsched.server.policies.enforcer import Policy, Rights

_HEADER = re.compile(r"[\x20-\x7e]{0,255}")


@dataclass(frozen=True)
class Credentials:
    user_id: str
    project_id: str
    roles: tuple[str, ...]


Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
IsOpen = Callable[[str, str], bool]  # of method and path: it is answered without asking who it is


class Authenticator(Protocol):
    def around(self, application: Wsgi, is_open: IsOpen) -> Wsgi:
        """The application with whatever must see requests before it."""

    def authenticate(self, request: ApiRequest) -> Credentials:
        """Who sent this. Raises Forbidden, or webob's 401."""


class NoAuth:
    """Believes the headers, as the incumbent's noauth does; without X-Roles everyone is an administrator."""

    def around(self, application: Wsgi, is_open: IsOpen) -> Wsgi:
        return application

    def authenticate(self, request: ApiRequest) -> Credentials:
        headers = request.headers
        project = self._read(headers, "X-Project-Id") or self._read(headers, "X-Tenant-Id")
        roles = self._read(headers, "X-Roles") if "X-Roles" in headers else "admin"
        names = tuple(role.strip() for role in roles.split(",") if role.strip())
        return Credentials(self._read(headers, "X-User-Id"), project, names)

    @staticmethod
    def _read(headers: Mapping[str, str], name: str) -> str:
        value = headers.get(name, "").strip()
        if not _HEADER.fullmatch(value):
            raise errors.HTTPBadRequest(
                reason=f"Invalid input for {name}. Reason: not ASCII of at most 255 characters."
            )
        return value


class RequestHook(hooks.PecanHook):
    """First of all: the path, the limits, and after the answer the request's id."""

    priority = 10

    def __init__(self, max_body: int, forwarded: bool) -> None:
        self._max_body = max_body
        self._forwarded = forwarded

    def on_route(self, state: Any) -> None:
        request = state.request
        request.max_body = self._max_body
        request.pecan["content_type"] = "application/json"  # the only one there is, whatever Accept says
        if "\x00" in request.path_info:
            raise exc.HTTPNotFound()
        if self._forwarded:
            self._believe_proxy(request)

    def after(self, state: Any) -> None:
        state.response.headers["x-openstack-request-id"] = state.request.request_id

    @staticmethod
    def _believe_proxy(request: ApiRequest) -> None:
        request.scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
        request.host = request.headers.get("X-Forwarded-Host", request.host)
        request.script_name = request.headers.get("X-Forwarded-Prefix", request.script_name).rstrip("/")


class PrincipalHook(hooks.PecanHook):
    """Who asks, before any handler runs."""

    priority = 20

    def __init__(self, authenticator: Authenticator, policy: Policy) -> None:
        self._authenticator = authenticator
        self._policy = policy

    def before(self, state: Any) -> None:
        request = state.request
        if state.controller.__self__.route.open:
            return
        who = self._authenticator.authenticate(request)
        is_admin = self._policy.is_admin(who.roles)
        if not is_admin and not who.project_id:
            # Objects that an administrator made without naming a project would be this caller's own.
            raise errors.PolicyNotAuthorized(reason="A request without the role admin must name a project.")
        request.principal = Principal(who.user_id, who.project_id, who.roles, is_admin, request.request_id)
        request.rights = Rights(self._policy, request.principal)
