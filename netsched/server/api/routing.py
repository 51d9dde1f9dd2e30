"""From method and path to a handler: a table, looked up by Pecan's `_route`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pecan
from webob import exc

from netsched import trace
from netsched.server.api.openapi import Operation
from netsched.server.api.request import Answer, ApiRequest

Handler = Callable[..., Answer]
TEMPLATE = "netsched.template"  # in the environment: the path of the route that was found, such as /v2.0/ports/{id}


@dataclass(frozen=True)
class Route:
    """`handler` is called with the request and the path's ids; `operation` describes it in OpenAPI."""

    method: str
    path: str
    handler: Handler
    operation: Operation
    open: bool = False  # answered without asking who it is


class Endpoint:
    """What Pecan calls for a route."""

    def __init__(self, route: Route) -> None:
        self.route = route

    @pecan.expose(content_type="application/json")
    def serve(self, req: ApiRequest, resp: Any, *ids: str) -> Any:
        with trace.begin(req.request_id):
            answer = self.route.handler(req, *ids)
        resp.status = answer.status
        resp.headers.update(answer.headers)
        if isinstance(answer.body, bytes):
            resp.body = answer.body
        elif answer.status != 204:
            resp.body = json.dumps(answer.body, separators=(",", ":")).encode()
        resp.headers["Content-Type"] = answer.content_type
        return resp


@dataclass
class _Node:
    fixed: dict[str, _Node] = field(default_factory=dict)
    any: _Node | None = None
    endpoints: dict[str, Endpoint] = field(default_factory=dict)


class Router:
    """The root controller. A trailing slash and a `.json` at the end of a path are ignored, as by the incumbent."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.path.strip("/").split("/"):
                if segment.startswith("{"):
                    node.any = node.any or _Node()
                    node = node.any
                else:
                    node = node.fixed.setdefault(segment, _Node())
            node.endpoints[route.method] = Endpoint(route)

    @pecan.expose()
    def _route(self, segments: list[str], request: ApiRequest) -> tuple[Any, list[str]]:
        """Pecan's hook for dispatch: the exposed method and its arguments. Raises 404, and 405 with what is allowed."""
        found = self._find(list(segments) or [""])
        if found is None:
            raise exc.HTTPNotFound()
        endpoints, ids = found
        request.environ[TEMPLATE] = next(iter(endpoints.values())).route.path
        endpoint = endpoints.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            allowed = sorted([*endpoints, "HEAD"] if "GET" in endpoints else endpoints)
            reason = f"The method {request.method[:20]} is not allowed here."
            raise exc.HTTPMethodNotAllowed(reason, headers={"Allow": ", ".join(allowed)})
        return endpoint.serve, ids

    def is_open(self, method: str, path: str) -> bool:
        """Whether it is a route that is answered without asking who it is."""
        found = self._find(path.split("/")[1:])
        endpoint = found[0].get("GET" if method == "HEAD" else method) if found else None
        return endpoint is not None and endpoint.route.open

    def _find(self, segments: Sequence[str]) -> tuple[dict[str, Endpoint], list[str]] | None:
        node, ids = self._root, []
        if len(segments) > 1 and segments[-1] == "":
            segments = segments[:-1]
        for position, segment in enumerate(segments, start=1):
            if position == len(segments) and segment not in node.fixed:
                segment = segment.removesuffix(".json")
            if segment in node.fixed:
                node = node.fixed[segment]
            elif node.any is not None and segment:
                node = node.any
                ids.append(segment)
            else:
                return None
        return (node.endpoints, ids) if node.endpoints else None
