"""The request as handlers see it: who asks, what the URL asks, what the body says.

Query string and body are parsed here and strictly, and only when a handler wants them. Pecan is told that there are
none, since it would parse both leniently before anybody is authenticated.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pecan
from webob import exc
from webob.multidict import MultiDict

from netsched import errors
from netsched.model.principal import Principal
from netsched.server.policies.enforcer import Rights
from netsched.wire import document

MAX_PARAMETERS = 1000
_REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_IF_MATCH = re.compile(r'"?revision_number=(-?[0-9]{1,18})"?')


@dataclass(frozen=True)
class Answer:
    """`body` is any JSON value; None with status 201 is sent as null, with 204 nothing is. Bytes go as they are."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class ApiRequest(pecan.Request):
    """Attributes set by hooks: `principal`, `rights`, `max_body`."""

    principal: Principal
    rights: Rights
    max_body: int

    GET = property(lambda self: MultiDict())
    params = GET
    json = property(lambda self: {})

    @property
    def request_id(self) -> str:
        """The caller's X-Openstack-Request-Id if it is one, else one of ours."""
        if "netsched.request_id" not in self.environ:
            given = self.headers.get("X-Openstack-Request-Id", "")
            self.environ["netsched.request_id"] = given if _REQUEST_ID.fullmatch(given) else f"req-{uuid.uuid4()}"
        return str(self.environ["netsched.request_id"])

    def parameters(self) -> list[tuple[str, str]]:
        """The query string's parameters in their order. Raises HTTPBadRequest."""
        text = self.environ.get("QUERY_STRING", "")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
        except UnicodeDecodeError:
            raise errors.HTTPBadRequest(reason="The query string is not UTF-8.") from None
        except ValueError:
            raise errors.HTTPBadRequest(reason="The query string has too many parameters.") from None
        return [(document.check_text(k, "the query string"), document.check_text(v, k)) for k, v in pairs]

    def document(self) -> dict[str, Any]:
        """The body as a JSON object. Raises HTTPBadRequest, and webob's 413 and 415."""
        if self.content_type not in ("", "application/json"):
            raise exc.HTTPUnsupportedMediaType("The body must be application/json.")
        if (self.content_length or 0) > self.max_body:
            raise exc.HTTPRequestEntityTooLarge(f"The body is larger than {self.max_body} bytes.")
        body = self.body_file.read(self.max_body + 1)
        if len(body) > self.max_body:
            raise exc.HTTPRequestEntityTooLarge(f"The body is larger than {self.max_body} bytes.")
        return document.parse(body)

    def if_match(self) -> int | None:
        """N of ``If-Match: revision_number=N``. Raises HTTPBadRequest."""
        given = self.headers.get("If-Match")
        if given is None:
            return None
        found = _IF_MATCH.fullmatch(given.strip())
        if found is None:
            raise errors.HTTPBadRequest(reason="Invalid input for If-Match. Reason: it is not revision_number=N.")
        return int(found[1])
