"""One call of an action's handler: Hasura's payload, and the headers it goes with."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from graphql import GraphQLInputObjectType, GraphQLList, GraphQLNonNull, GraphQLScalarType

from omniroute.graphql.actions.transforms import (
    Outgoing,
    TransformFailed,
    answered,
    read_request_transform,
    read_response_transform,
    scope_of,
    transformed,
)
from omniroute.graphql.calling import Calls
from omniroute.graphql.encoding import Slot, encode
from omniroute.graphql.metadata.tree import Action
from omniroute.graphql.model.scalars import NUMBERS
from omniroute.infra.http import Reply
from omniroute.kit.ids import uuid7

IDEMPOTENCY = "idempotency-key"
_KEYS = UUID("5a1d3f0e-7a3c-4c8e-9d52-0f6d4b3e9a11")
_NOT_FORWARDED = frozenset(
    {
        "accept", "accept-datetime", "accept-encoding", "accept-language", "cache-control", "connection",
        "content-length", "content-md5", "content-type", "dnt", "expect", "host", "keep-alive", "origin",
        "proxy-authorization", "proxy-connection", "referer", "te", "trailer", "transfer-encoding", "upgrade",
        "user-agent",
    }
)  # fmt: skip
"""Headers of a request that say nothing to a handler, as Hasura leaves them out."""
HTTP_SERVER_FAULT = 500
_DIGITS_EXACT = 15
"""A number of more digits goes as text: many readers would lose some."""


class ReplyUnfit(Exception):
    """A reply that its transform cannot be made of; the handler has acted."""


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request that are passed on. Session variables among them are nobody's word."""
    found = {name.lower(): value for name, value in headers.items()}
    return {n: v for n, v in found.items() if n not in _NOT_FORWARDED and not n.startswith(("x-hasura-", "sec-"))}


def payload(action: Action, given: Mapping[str, Any] | Slot, session: Mapping[str, str], document: str) -> bytes:
    """The body that Hasura sends."""
    body = {
        "action": {"name": action.name},
        "input": given,
        "session_variables": dict(session),
        "request_query": document,
    }
    return encode(body).encode()


def sendable(value: Any, kind: Any) -> Any:
    """An argument as a handler wants it: numbers of PostgreSQL's types, which travel as text here, as numbers."""
    if isinstance(kind, GraphQLNonNull):
        return sendable(value, kind.of_type)
    if value is None:
        return None
    if isinstance(kind, GraphQLList):
        return (
            [sendable(item, kind.of_type) for item in value]
            if isinstance(value, list)
            else [sendable(value, kind.of_type)]
        )
    if isinstance(kind, GraphQLInputObjectType):
        return {name: sendable(item, kind.fields[name].type) for name, item in value.items()}
    if isinstance(kind, GraphQLScalarType) and kind.name in (NUMBERS | _NUMBER_SCALARS) and isinstance(value, str):
        return _number(value)
    return value


_NUMBER_SCALARS = frozenset({"bigint", "smallint"})


def _number(text: str) -> Any:
    try:
        made = Decimal(text)
    except ArithmeticError:
        return text
    if not made.is_finite() or len(made.as_tuple().digits) > _DIGITS_EXACT or abs(made.adjusted()) > _DIGITS_EXACT:
        return text
    return made


def key_of(asked: Mapping[str, str], *parts: object) -> str:
    """The idempotency key of a call: made of the caller's own key where there is one, else of its own."""
    given = next((value for name, value in asked.items() if name.lower() == IDEMPOTENCY), None)
    return str(uuid7() if given is None else uuid5(_KEYS, "\n".join(map(str, (*parts, given)))))


async def call_handler(
    calls: Calls, action: Action, body: bytes, *, passed: Mapping[str, str], key: str | None
) -> Reply:
    """Send once. Headers of the metadata win over those passed on; transforms see them all.

    Raises: ExchangeFailed, NotSet, TransformFailed when nothing was sent, ReplyUnfit.
    """
    headers = dict(passed) if action.forward_client_headers else {}
    if key is not None:
        headers[IDEMPOTENCY] = key
    ours = calls.headers(action.headers)
    named = {name.lower() for name in ours}
    headers = {name: value for name, value in headers.items() if name.lower() not in named} | ours
    asked = Outgoing(calls.address(action.handler), body, headers)
    sent = asked
    if action.request_transform:
        sent = transformed(read_request_transform(action.request_transform), asked)
    reply = await calls.send(
        sent.url, sent.body, operation="action", headers=sent.headers, timeout_s=action.timeout_s, method=sent.method
    )
    after = read_response_transform(action.response_transform) if action.response_transform else None
    if after is None or reply.status >= HTTP_SERVER_FAULT:
        return reply
    try:
        return answered(after, reply, scope_of(asked))
    except TransformFailed as failure:
        raise ReplyUnfit(str(failure)) from None
