"""Requests, replies and the two ways in which there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from omniroute.infra.http.redaction import show_url
from omniroute.kit.refusal import Fault


class Sent(StrEnum):
    """Whether a byte of the request may have reached the other side."""

    NO = "no"  # Proven: no connection was made, or we refused before writing.
    MAYBE = "maybe"


class ExchangeFailed(Fault):
    """There is no whole reply. `sent` tells whether the other side may have got the request."""

    def __init__(self, detail: str, *, sent: Sent) -> None:
        self.sent = sent
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `operation` names it in metrics and logs. `safe`: asking twice changes nothing over there.

    Header names and body fields in `secrets` are redacted wherever the request is shown; so are Authorization,
    Cookie and everything that looks like a token. One try is over after `connect_timeout_s` + `read_timeout_s`,
    whatever trickles in; `deadline_s` bounds all tries and the waits between them.
    """

    method: str
    url: str
    operation: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    safe: bool = False
    submit: bool = False  # Moves money: stopped by an open breaker; queries never are.
    connect_timeout_s: int = 5
    read_timeout_s: int = 30
    secrets: frozenset[str] = frozenset()
    deadline_s: float | None = None
    response_bytes_max: int | None = None  # None: as the client's limits say.

    def __repr__(self) -> str:
        return f"<Request {self.operation}: {self.method} {show_url(self.url, self.secrets)}, {len(self.body)} bytes>"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<Reply {self.status}, {len(self.body)} bytes>"


class HttpClient(Protocol):
    """Exchanges one request for one reply."""

    async def exchange(self, request: Request) -> Reply:
        """The reply, whatever its status.

        Raises: ExchangeFailed with `sent`.
        """
        ...
