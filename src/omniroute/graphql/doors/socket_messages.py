"""Messages of the two sub-protocols, and the codes connections are closed with."""

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from omniroute.graphql.doors.requests import read_json
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.live.boxes import Result


class Code(IntEnum):
    """Why a connection is closed. The 44xx are those of graphql-transport-ws."""

    NORMAL = 1000
    GOING_AWAY = 1001
    TOO_LARGE = 1009
    RELOADED = 1012
    TRY_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    NOT_ACCEPTABLE = 4406
    INIT_TIMEOUT = 4408
    DUPLICATE = 4409
    TOO_MANY_INITS = 4429


REASON_BYTES_MAX = 123


class Closed(Exception):
    """The connection must be closed."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        # As many whole characters as a close frame has room for.
        self.reason = reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Dialect:
    """A sub-protocol: what its messages are called."""

    name: str
    begin: str
    end: str
    result: str
    is_legacy: bool

    def data(self, id_: str, payload: str) -> str:
        """A result of an operation; `payload` is JSON."""
        return f'{{"id":{json.dumps(id_)},"type":"{self.result}","payload":{payload}}}'

    def error(self, id_: str, errors: str) -> str:
        """The end of an operation that was refused or has failed; `errors` is a JSON list."""
        payload = f'{{"errors":{errors}}}' if self.is_legacy else errors
        return f'{{"id":{json.dumps(id_)},"type":"error","payload":{payload}}}'

    def complete(self, id_: str) -> str:
        """The end of an operation."""
        return f'{{"id":{json.dumps(id_)},"type":"complete"}}'

    def message(self, id_: str, result: Result) -> str:
        """A result of a subscription, or its end."""
        return self.error(id_, result.payload) if result.is_error else self.data(id_, result.payload)


TRANSPORT = Dialect("graphql-transport-ws", "subscribe", "complete", "next", is_legacy=False)
LEGACY = Dialect("graphql-ws", "start", "stop", "data", is_legacy=True)
DIALECTS = (TRANSPORT, LEGACY)

ACK = '{"type":"connection_ack"}'
PING = '{"type":"ping"}'
PONG = '{"type":"pong"}'
KEEP_ALIVE = '{"type":"ka"}'


def choose(offered: list[str]) -> Dialect | None:
    """The sub-protocol to speak, the current one before the older."""
    return next((one for one in DIALECTS if one.name in offered), None)


def connection_error(error: RequestRefused) -> str:
    """The older protocol's answer to credentials that are refused."""
    return json.dumps({"type": "connection_error", "payload": error.shown()})


def read_message(text: str) -> dict[str, Any]:
    """A message of the client.

    Raises: Closed.
    """
    try:
        value = read_json(text.encode())
    except RequestRefused as error:
        raise Closed(Code.BAD_REQUEST, "Invalid message: it is not JSON") from error
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise Closed(Code.BAD_REQUEST, "Invalid message: expected an object with a type")
    payload = value.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise Closed(Code.BAD_REQUEST, "Invalid message: the payload must be an object")
    return value
