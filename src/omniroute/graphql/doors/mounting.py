"""Which door answers at which path."""

from collections.abc import Callable, Mapping

from omniroute.graphql.doors.asgi import App, Receive, Scope, Send, address_of
from omniroute.graphql.doors.http import HttpDoor
from omniroute.graphql.doors.page import page_routes

PATH = "/v1/graphql"
PAGE_PATH = "/v1/graphiql"


def mount(
    http: HttpDoor,
    socket: App | None = None,
    *,
    page: bool = True,
    address: Callable[[Scope], str] = address_of,
) -> Mapping[str, App]:
    """The doors by path. HTTP and WebSocket share one address, as with Hasura.

    `address` says where a request comes from, behind proxies too.
    """
    routes = {
        PATH: _placed(_shared(http.graphql, socket), address),
        f"{PATH}/explain": _shared(http.explain, None),
    }
    if page:
        routes |= {path: _shared(app, None) for path, app in page_routes(PAGE_PATH).items()}
    return routes


def _placed(app: App, address: Callable[[Scope], str]) -> App:
    async def placed(scope: Scope, receive: Receive, send: Send) -> None:
        scope["client"] = (address(scope), 0)
        await app(scope, receive, send)

    return placed


def _shared(http: App, socket: App | None) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await http(scope, receive, send)
        elif socket is not None:
            await socket(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    return app
