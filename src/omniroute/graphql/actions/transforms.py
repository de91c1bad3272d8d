"""Transforms of actions: the request as its handler wants it, and the reply as the output type wants it.

    request_transform   method, url, query_params, body, request_headers
    response_transform  body

Their templates are in Kriti. They see `$body`, `$base_url`, `$query_params` and `$session_variables`; those of a reply
see its `$body` and `$response.status`, and what the request was made from in `$request`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from omniroute.graphql.encoding import encode
from omniroute.graphql.kriti import (
    KritiFailed,
    KritiUnreadable,
    Node,
    evaluate,
    read_template,
    read_text_template,
    scalar_text,
)
from omniroute.infra.http import Reply

T = TypeVar("T")

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_HOST = re.compile(r"https?://[^/?#{}@\s]+(?:[/?#]|$)")
_CONNECTION = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade"})
"""Headers that are about the connection, which is ours."""


class TransformUnreadable(Exception):
    """A transform this engine cannot do; the message says what of it."""


class TransformFailed(Exception):
    """A transform that gives nothing for this request."""


@dataclass(frozen=True, slots=True)
class Body:
    """What becomes of a body: JSON from a template, a form, or (neither) nothing."""

    template: Node | None = None
    form: Mapping[str, Node] | None = None


@dataclass(frozen=True, slots=True)
class RequestTransform:
    """What becomes of a request; None: it stays."""

    method: str | None = None
    url: Node | None = None
    query: Node | tuple[tuple[Node, Node | None], ...] | None = None
    body: Body | None = None
    add: Mapping[str, Node] = field(default_factory=dict)
    remove: frozenset[str] = frozenset()
    is_within: bool = False
    """Whether its address is made of that of the handler, and so may lead to no other host."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request that is about to be made."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"


# Reading.


class _Reader:
    """Reads one transform. What it does not ask for is not served."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self.asked = {"version", "template_engine"}
        if given.get("version") not in (None, 1, 2):
            raise TransformUnreadable("version is not served")
        if given.get("template_engine") not in (None, "Kriti"):
            raise TransformUnreadable("template_engine is not served")

    def take(self, key: str) -> Any:
        self.asked.add(key)
        return self.given.get(key)

    def end(self) -> None:
        for key in sorted(self.given.keys() - self.asked):
            raise TransformUnreadable(f"{key} is not served")


def _read(where: str, read: Callable[[str], Node], text: Any) -> Node:
    if not isinstance(text, str):
        raise TransformUnreadable(f"{where} must be text")
    try:
        return read(text)
    except KritiUnreadable as error:
        raise TransformUnreadable(f"{where} cannot be read: {error}") from None


def _body(given: Any) -> Body | None:
    if given is None or given == {}:
        return None
    if isinstance(given, str):
        return Body(_read("body", read_template, given))
    if not isinstance(given, Mapping):
        raise TransformUnreadable("body must be text or a mapping")
    match given.get("action"):
        case "remove":
            return Body()
        case "transform" | None:
            return Body(_read("body.template", read_template, given.get("template")))
        case "x_www_form_urlencoded":
            form = given.get("form_template")
            if not isinstance(form, Mapping):
                raise TransformUnreadable("body.form_template must be a mapping")
            return Body(form={str(name): _read("body", read_text_template, text) for name, text in form.items()})
    raise TransformUnreadable("body.action is not served")


def _query(given: Any) -> Any:
    if given is None or given == {}:
        return None
    if isinstance(given, str):
        return _read("query_params", read_text_template, given)
    if not isinstance(given, Mapping):
        raise TransformUnreadable("query_params must be text or a mapping")
    return tuple(
        (
            _read("query_params", read_text_template, str(name)),
            None if text is None else _read("query_params", read_text_template, text),
        )
        for name, text in given.items()
    )


def read_request_transform(given: Mapping[str, Any]) -> RequestTransform:
    """A transform of requests.

    Raises: TransformUnreadable.
    """
    reader = _Reader(given)
    method, url, headers = reader.take("method"), reader.take("url"), reader.take("request_headers") or {}
    if method is not None and str(method).upper() not in METHODS:
        raise TransformUnreadable(f"method {method} is not served")
    content_type, body = reader.take("content_type"), _body(reader.take("body"))
    if content_type not in (None, _JSON, _FORM) or (content_type == _FORM and (body is None or body.form is None)):
        raise TransformUnreadable(f"content_type {content_type} is not served")
    if not isinstance(headers, Mapping) or headers.keys() - {"add_headers", "remove_headers"}:
        raise TransformUnreadable("request_headers have add_headers and remove_headers")
    added = headers.get("add_headers") or {}
    if set(map(str.lower, added)) & _CONNECTION:
        raise TransformUnreadable("request_headers of the connection are not served")
    found = RequestTransform(
        None if method is None else str(method).upper(),
        None if not url else _read("url", read_text_template, url),
        _query(reader.take("query_params")),
        body,
        {name: _read("request_headers", read_text_template, text) for name, text in added.items()},
        frozenset(str(name).lower() for name in headers.get("remove_headers") or ()),
        bool(url) and _is_within(url),
    )
    reader.end()
    return found


def _is_within(url: Any) -> bool:
    """Whether an address begins with the handler's. Who calls an action never chooses the host."""
    if not isinstance(url, str) or _HOST.match(url):
        return False
    if not url.startswith("{{") or "$base_url" not in url.partition("}}")[0]:
        raise TransformUnreadable("url must begin with {{$base_url}} or name its host")
    return True


def read_response_transform(given: Mapping[str, Any]) -> Body | None:
    """A transform of replies, which is about their bodies alone. None: they stay.

    Raises: TransformUnreadable.
    """
    reader = _Reader(given)
    found = _body(reader.take("body"))
    reader.end()
    return found


# Doing.


def transformed(transform: RequestTransform, asked: Outgoing) -> Outgoing:
    """The request that is made in its place.

    Raises: TransformFailed.
    """
    scope = scope_of(asked)
    try:
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in transform.remove}
        body, kind = asked.body, None
        if transform.body is not None:
            body, kind = _made(transform.body, scope)
        if kind is not None:
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            headers["Content-Type"] = kind
        added = {name: scalar_text(evaluate(one, scope)) for name, one in transform.add.items()}
        named = {name.lower() for name in added}
        headers = {name: value for name, value in headers.items() if name.lower() not in named} | added
        url = _address(transform, asked.url, scope)
    except KritiFailed as error:
        raise TransformFailed(str(error)) from None
    if any(not value.isprintable() for value in headers.values()):
        raise TransformFailed("a header is not legal")
    return replace(asked, method=transform.method or asked.method, url=url, body=body, headers=headers)


def scope_of(asked: Outgoing) -> dict[str, Any]:
    """What the templates of a request see."""
    body = _parsed(asked.body)
    session = body.get("session_variables") if isinstance(body, dict) else None
    query = [[name, value] for name, value in parse_qsl(urlsplit(asked.url).query, keep_blank_values=True)]
    return {"$body": body, "$base_url": asked.url, "$session_variables": session or {}, "$query_params": query}


def answered(transform: Body, reply: Reply, asked: Mapping[str, Any]) -> Reply:
    """A reply with the body that takes its place. `asked`: the scope of the request.

    Raises: TransformFailed.
    """
    scope = {
        "$body": _parsed(reply.body),
        "$request": {name.removeprefix("$"): value for name, value in asked.items()},
        "$response": {"status": reply.status},
        "$session_variables": asked["$session_variables"],
    }
    try:
        if transform.template is None and transform.form is None:
            return replace(reply, body=b"null")
        body, kind = _made(transform, scope)
        return replace(reply, body=encode(body.decode()).encode() if kind == _FORM else body)
    except KritiFailed as error:
        raise TransformFailed(str(error)) from None


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=Decimal) if body else None
    except (ValueError, RecursionError):
        return None


def _made(body: Body, scope: Mapping[str, Any]) -> tuple[bytes, str | None]:
    """A body and its type; no type where there is no body."""
    if body.template is not None:
        return encode(evaluate(body.template, scope)).encode(), _JSON
    if body.form is None:
        return b"", None
    pairs = [(name, scalar_text(evaluate(one, scope))) for name, one in body.form.items()]
    kept = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs if value != "null"]
    return "&".join(kept).encode(), _FORM


def _address(transform: RequestTransform, base: str, scope: Mapping[str, Any]) -> str:
    url = base if transform.url is None else scalar_text(evaluate(transform.url, scope))
    if not url.isprintable() or not url.isascii() or " " in url:
        raise TransformFailed("the address cannot be read")
    try:
        parts, ours = urlsplit(url), urlsplit(base)
    except ValueError:
        raise TransformFailed("the address cannot be read") from None
    if transform.is_within and (parts.scheme, parts.netloc) != (ours.scheme, ours.netloc):
        raise TransformFailed("the address leads to another host")
    query = parts.query
    if isinstance(transform.query, tuple):
        found = [_parameter(name, value, scope) for name, value in transform.query]
        query = urlencode([one for one in found if "null" not in one])
    elif transform.query is not None:
        given = scalar_text(evaluate(transform.query, scope))
        query = urlencode(parse_qsl(given.removeprefix("?"), keep_blank_values=True))
    return urlunsplit(parts._replace(query=query))


def _parameter(name: Node, value: Node | None, scope: Mapping[str, Any]) -> tuple[str, str]:
    return _shown(evaluate(name, scope)), "" if value is None else _shown(evaluate(value, scope))


def _shown(value: Any) -> str:
    """Null stands for a parameter that is left away."""
    return "null" if value is None else scalar_text(value)
