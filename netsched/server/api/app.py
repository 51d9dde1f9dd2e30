"""The WSGI application, from services and plain settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pecan

from netsched.server.api.errors import ErrorHook
from netsched.server.api.hooks import Authenticator, PrincipalHook, RequestHook
from netsched.server.api.measured import Measured
from netsched.server.api.request import ApiRequest
from netsched.server.api.routing import Router
from netsched.server.api.services import Services
from netsched.server.api.v2 import root
from netsched.server.policies.enforcer import Policy
from netsched.wire import document

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True)
class ApiSettings:
    """`max_limit`: objects per page at most, 0 for no limit. `max_body`: bytes.

    `forwarded`: believe X-Forwarded-Proto, -Host and -Prefix in links, which only a proxy in front makes safe.
    `open_metrics`: /metrics for everybody.
    """

    max_limit: int = 0
    max_body: int = document.MAX_BYTES
    forwarded: bool = False
    open_metrics: bool = False


def make_app(
    services: Services, settings: ApiSettings, policy: Policy, authenticator: Authenticator, release: str = "unknown"
) -> Application:
    """`release` is the version that OpenAPI names.

    A WSGI callable that keeps no state of its own, so any number of threads may call it."""
    routes = root.routes(services, settings.max_limit, release, settings.open_metrics)
    hooks = [
        RequestHook(settings.max_body, settings.forwarded),
        PrincipalHook(authenticator, policy),
        ErrorHook(),
    ]
    router = Router(routes)
    application: Application = pecan.Pecan(
        router,
        hooks=hooks,
        request_cls=ApiRequest,
        use_context_locals=False,  # handlers are given the request, and no thread-local knows it
        force_canonical=False,
        guess_content_type_from_ext=False,
    )
    return Measured(authenticator.around(application, router.is_open), services.metrics)
