"""The box of a subscriber: results go in when there are some, and are taken when the connection can send."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from omniroute.graphql.errors import RequestRefused


@dataclass(frozen=True, slots=True)
class Result:
    """What is sent: the answer as JSON text, or, at the end of a subscription that fails, its errors."""

    payload: str
    digest: bytes
    is_error: bool = False


def data(response: str, value: str | None) -> Result:
    """The answer with this value of the root field."""
    payload = f'{{"data":{{"{response}":{"null" if value is None else value}}}}}'
    return Result(payload, blake2b(payload.encode(), digest_size=16).digest())


def errors(error: RequestRefused) -> Result:
    """The end of a subscription."""
    return Result(json.dumps([error.shown()], ensure_ascii=False), b"", is_error=True)


class Box:
    """Holds the newest result only: who reads slowly misses what was overtaken, and costs no memory.

    `on_full` is called when there is something to take; `on_empty` when it was taken.
    """

    __slots__ = ("_given", "_on_empty", "_on_full", "_waiting", "is_open")

    def __init__(self, on_full: Callable[["Box"], None]) -> None:
        self.is_open = True
        self._on_full = on_full
        self._on_empty: Callable[[], None] | None = None
        self._waiting: Result | None = None
        self._given = b""

    @property
    def is_empty(self) -> bool:
        return self._waiting is None

    def tell_when_empty(self, told: Callable[[], None]) -> None:
        """Have a stream told that there is room for its next rows."""
        self._on_empty = told

    def put(self, result: Result) -> None:
        """Offer a result. One that says what was sent last, or what waits already, is none."""
        if not self.is_open:
            return
        if result.digest and result.digest == self._given:
            self._waiting = None  # What waits was overtaken by the state of before.
            return
        was_empty, self._waiting = self._waiting is None, result
        if was_empty:
            self._on_full(self)

    def take(self) -> Result | None:
        """The result to send, if it is still worth sending."""
        result, self._waiting = self._waiting, None
        if result is None or not self.is_open:
            return None
        self._given = result.digest
        if self._on_empty is not None:
            self._on_empty()
        return result

    def close(self) -> None:
        """Nothing more goes in or out."""
        self.is_open, self._waiting = False, None
