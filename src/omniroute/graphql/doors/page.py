"""GraphiQL, served from this package: nothing of it is fetched from elsewhere.

The scripts are those of npm (`assets/LICENSES.txt`), compressed; the style has its embedded fonts taken out.
"""

import gzip
from functools import cache
from importlib.resources import files

from omniroute.graphql.doors.asgi import App, Receive, Reply, Scope, Send, headers_of, send_reply

_SCRIPT = "text/javascript; charset=utf-8"
ASSETS = {
    "react.js": _SCRIPT,
    "react-dom.js": _SCRIPT,
    "graphiql.js": _SCRIPT,
    "start.js": _SCRIPT,
    "graphiql.css": "text/css; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
}
# GraphiQL's editor sets styles of its own; scripts are only ours.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>OmniRoute GraphQL</title>'
    b'<meta name="viewport" content="width=device-width, initial-scale=1">'
    b'<link rel="stylesheet" href="graphiql/graphiql.css"><link rel="stylesheet" href="graphiql/page.css">'
    + b"".join(b'<script src="graphiql/%s" defer></script>' % name.encode() for name in ASSETS if name.endswith(".js"))
    + b'</head><body><div id="graphiql">Loading...</div></body></html>'
)


def page_routes(path: str) -> dict[str, App]:
    """The page at this path, and its parts below it."""
    routes = {path: _answering("", "text/html; charset=utf-8", (("content-security-policy", POLICY),))}
    for name, kind in ASSETS.items():
        routes[f"{path}/{name}"] = _answering(name, kind, (("cache-control", "public, max-age=3600"),))
    return routes


def _answering(name: str, kind: str, headers: tuple[tuple[str, str], ...]) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await send_reply(send, Reply(405, b"", kind, (("allow", "GET"),)))
        elif "gzip" in headers_of(scope).get("accept-encoding", ""):
            packed = (*headers, ("content-encoding", "gzip"), ("vary", "accept-encoding"))
            await send_reply(send, Reply(200, _packed(name), kind, packed))
        else:
            await send_reply(send, Reply(200, gzip.decompress(_packed(name)), kind, headers))

    return app


@cache
def _packed(name: str) -> bytes:
    if not name:
        return gzip.compress(PAGE, mtime=0)
    folder = files("omniroute.graphql") / "doors" / "assets"
    packed = folder / f"{name}.gz"
    return packed.read_bytes() if packed.is_file() else gzip.compress((folder / name).read_bytes(), mtime=0)
