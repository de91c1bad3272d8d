"""Puts the door together: operations become routes, the framework finds them, the front dresses every answer."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse

from omniroute.api import registry
from omniroute.api.call import Services
from omniroute.api.errors import MalformedRequest, RouteNotFound
from omniroute.api.front import ROUTE, App, Front, Scope, answer
from omniroute.api.hot import HotRoutes
from omniroute.api.operations import Operation
from omniroute.api.problems import Answer, method_not_allowed, problem
from omniroute.api.selection import NotServedHere, module_of
from omniroute.api.spools import SpoolResponse


def create_app(services: Services, *, access_log: bool = True, beside: Mapping[str, App] | None = None) -> Front:
    """The ASGI application of the REST door, and of doors `beside` it, each at a path.

    It opens nothing and closes nothing: the wiring owns the services.
    """
    operations = registry.operations()
    served = [op for op in operations if services.selection.serves(op)]
    framework = Litestar(
        route_handlers=[
            HTTPRouteHandler("/", http_method="GET", name="bare", status_code=303)(_bare),
            *[_route(services, op) if op in served else _elsewhere(op) for op in operations],
        ],
        openapi_config=None,
        logging_config=None,
        exception_handlers={Exception: _Exceptions(operations)},
        request_max_body_size=None,  # The door counts for itself, per operation.
    )
    app = cast("App", framework)
    return Front(app, services, HotRoutes(served), beside or {}, access_log=access_log)


async def _bare(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Who comes to the bare address is shown the documentation. No operation: no client has a use for it."""
    request.scope[ROUTE] = "/"  # type: ignore[literal-required]
    return _asgi(Answer(303, (("location", "/docs"),), b""))


def _route(services: Services, op: Operation) -> HTTPRouteHandler:
    async def handle(request: Request[Any, Any, Any]) -> ASGIResponse:
        path = {name: str(value) for name, value in request.path_params.items()}
        scope = cast("Scope", request.scope)
        return _asgi(await answer(services, op, scope, request.receive, path))

    return _handler(op, handle)


def _elsewhere(op: Operation) -> HTTPRouteHandler:
    """Who comes to the wrong process is told so, whoever they are."""

    async def handle(request: Request[Any, Any, Any]) -> ASGIResponse:
        request.scope[ROUTE] = op.path  # type: ignore[literal-required]
        return _asgi(problem(NotServedHere(module=module_of(op))))

    return _handler(op, handle)


def _handler(op: Operation, handle: Callable[[Request[Any, Any, Any]], Awaitable[ASGIResponse]]) -> HTTPRouteHandler:
    path = re.sub(r"{(\w+)}", r"{\1:str}", op.path)
    return HTTPRouteHandler(path, http_method=op.method, name=op.name, status_code=op.status)(handle)


def _asgi(reply: Answer) -> ASGIResponse:
    if reply.file is not None:
        return SpoolResponse(reply.file, status_code=reply.status, headers=dict(reply.headers))
    return ASGIResponse(body=reply.body, status_code=reply.status, headers=dict(reply.headers))


class _Exceptions:
    """The framework's own errors, through the one table of problems."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._paths = [(re.compile(re.sub(r"{\w+}", "[^/]+", op.path)), op.method) for op in operations]
        self._paths.append((re.compile("/"), "GET"))

    def __call__(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        if isinstance(error, NotFoundException):
            reply = problem(RouteNotFound())
        elif isinstance(error, MethodNotAllowedException):
            path = request.scope["path"].rstrip("/") or "/"
            allowed = sorted({method for pattern, method in self._paths if pattern.fullmatch(path)})
            reply = method_not_allowed([*allowed, "OPTIONS"])
        elif isinstance(error, HTTPException) and error.status_code < 500:
            reply = problem(MalformedRequest())
        else:
            raise error
        headers = dict(reply.headers)
        return Response(reply.body, status_code=reply.status, media_type=headers.pop("content-type"), headers=headers)
