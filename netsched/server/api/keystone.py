"""Who asks, by tokens of OpenStack Identity: keystonemiddleware's auth_token in front of the API.

Everything but the open routes needs a token, also what no route is found for: a stranger learns nothing. What a client
itself says in X-Roles and the like is thrown away before any of it is read.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import Any

from keystoneauth1 import exceptions
from keystonemiddleware.auth_token import AuthProtocol
from webob import Request, Response, exc

from netsched.clock import Clock
from netsched.errors import Invalid
from netsched.server.api import errors
from netsched.server.api.hooks import Credentials, IsOpen, Wsgi
from netsched.server.api.request import ApiRequest

LOG = logging.getLogger(__name__)
MAX_TOKENS = 2000  # remembered at once, some 5 kB each
_TOKENS = "netsched.tokens"  # in the environment: where auth_token looks for what is remembered
_PROVED = "keystone.token_info"  # in the environment, where no header of a client can get


class Keystone:
    """The authenticator of ``auth_strategy = keystone``."""

    def __init__(self, conf: Any, clock: Clock) -> None:
        """`conf`: oslo.config's object, of which auth_token reads [keystone_authtoken]."""
        self._conf = conf
        self._tokens = Tokens(clock)

    def authenticate(self, request: ApiRequest) -> Credentials:
        headers = request.headers
        if _PROVED not in request.environ or headers.get("X-Identity-Status") != "Confirmed":
            raise exc.HTTPUnauthorized("The request you have made requires authentication.")
        roles = tuple(role.strip() for role in headers.get("X-Roles", "").split(",") if role.strip())
        return Credentials(headers.get("X-User-Id", ""), headers.get("X-Project-Id", ""), roles)

    def around(self, application: Wsgi, is_open: IsOpen) -> Wsgi:
        """Raises Invalid when the section cannot work, so that no server starts only to refuse everybody."""
        try:
            around: Wsgi = _AuthToken(application, self._conf, is_open, self._tokens)
        except exceptions.ClientException as error:
            raise Invalid(reason=f"[keystone_authtoken]: {error}") from None
        return around


class _AuthToken(AuthProtocol):
    """auth_token, but for open routes; and when Keystone cannot be asked, it says so as all else that is away does."""

    def __init__(self, application: Any, conf: Any, is_open: IsOpen, tokens: Tokens) -> None:
        own = {"oslo_config_config": conf, "delay_auth_decision": False, "cache": _TOKENS}
        super().__init__(application, own)
        if self._auth is None:
            raise exceptions.MissingAuthPlugin("auth_type is missing; it is `password` for a service user")
        conf.set_default("service_type", "network", "keystone_authtoken")  # of rules in application credentials
        self._is_open = is_open
        self._tokens = None if self._conf.get("memcached_servers") else tokens
        # Without it, auth_token would ask Keystone for it, in answers that Keystone is away.
        public = self._conf.get("www_authenticate_uri")
        self._www_authenticate_uri: str | None = public or getattr(self._auth, "auth_url", None)

    def process_request(self, request: Request) -> Response | None:
        if self._is_open(request.method, request.path_info):
            request.remove_auth_headers()
            return None
        if self._tokens is not None:
            request.environ[_TOKENS] = self._tokens
        try:
            super().process_request(request)
            return None
        except exc.HTTPServiceUnavailable:
            answer = _away()
        except exceptions.ClientException as error:  # such as a catalog without Keystone in it
            LOG.error("tokens cannot be validated: %s", error)
            answer = _away()
        except exc.HTTPUnauthorized as refusal:
            answer = refusal
        answer.headers["x-openstack-request-id"] = ApiRequest(request.environ).request_id
        return answer


class Tokens:
    """What auth_token remembers in one process, without memcached: the last tokens, each for token_cache_time.

    Its own memory is one per thread, without a bound, and says in the log that it is deprecated.
    """

    def __init__(self, clock: Clock, most: int = MAX_TOKENS) -> None:
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        with self._lock:
            until, value = self._held.get(key, (0.0, b""))
            return value if self._clock.monotonic() < until else None

    def set(self, key: str, value: bytes, time: float = 0) -> None:
        """`time`: for so many seconds."""
        with self._lock:
            self._held[key] = (self._clock.monotonic() + time, value)
            self._held.move_to_end(key)
            while len(self._held) > self._most:
                self._held.popitem(last=False)


def _away() -> Response:
    answer = errors.respond(503, "ServiceUnavailable", "The Keystone service is unavailable.", "identity.unavailable")
    answer.headers["Retry-After"] = str(errors.RETRY_AFTER)
    return answer
