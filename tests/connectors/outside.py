"""What surrounds a connector in a test: a scripted HTTP client, tokens, credentials, and the rails' specifications."""

import copy
import json
import os
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from omniroute.infra.http import ExchangeFailed, Reply, Request, Sent
from omniroute.kit.clock import FixedClock
from omniroute.kit.money import Money
from omniroute.ports.rails import Callback, Context, Credentials, Party, PartyKind, Payout

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CALLBACKS = "https://callbacks.example.com/webhooks"
SPECS = Path(__file__).parents[3] / "shared" / "specs"

Script = Mapping[str, Reply | ExchangeFailed]
"""Replies by method and path: `{"GET /v1/balance": reply}`; a path may be given by its end."""


def spec(name: str) -> Path:
    """A file or folder of the outside specifications, which are not part of this repository."""
    path = SPECS / name
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} is missing")
        pytest.skip(f"{path} is not here")
    return path


class ScriptedHttp:
    """Answers by script and remembers what it was asked."""

    def __init__(self, script: Script) -> None:
        self.script = dict(script)
        self.requests: list[Request] = []

    async def exchange(self, request: Request) -> Reply:
        self.requests.append(request)
        asked = urlsplit(request.url)
        for name, reply in self.script.items():
            method, path = name.split(" ", 1)
            if method == request.method and asked.path.endswith(path):
                if isinstance(reply, ExchangeFailed):
                    raise reply
                return reply
        raise AssertionError(f"nobody expected {request.method} {request.url}")

    def sent(self, operation: str) -> list[Request]:
        return [request for request in self.requests if request.operation == operation]


class Tokens:
    """Keeps tokens until they are forgotten."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def get(self, name: str, fetch: Callable[[], Awaitable[tuple[str, datetime]]]) -> str:
        if name not in self.kept:
            self.kept[name], ends_at = await fetch()
            assert ends_at > NOW
        return self.kept[name]

    def forget(self, name: str) -> None:
        self.kept.pop(name, None)


def json_reply(status: int, data: object = None, **headers: str) -> Reply:
    return Reply(status, headers, b"" if data is None else json.dumps(data).encode())


def lost(sent: Sent = Sent.MAYBE) -> ExchangeFailed:
    return ExchangeFailed("the connection ended", sent=sent)


def make_context(
    http: Any, endpoint: str, public: Mapping[str, str], secret: Mapping[str, str], clock: FixedClock | None = None
) -> Context:
    credentials = Credentials(uuid.UUID(int=1), uuid.UUID(int=2), endpoint, public, secret)
    return Context(
        credentials, http, Tokens(), clock or FixedClock(NOW), lambda purpose, ref: f"{CALLBACKS}/{purpose}/{ref}"
    )


def make_payout(our_ref: str, amount: Money, payee: str, **changes: Any) -> Payout:
    fields: dict[str, Any] = {
        "our_ref": our_ref,
        "amount": amount,
        "payee": Party(PartyKind.MSISDN, payee),
        "narration": "February's wages <Kampala>",
        "purpose": "WORKER_PAYOUT",
        "payment_reference": "WAGES-2026-02/17",
        "created_at": NOW,
    }
    return Payout(**{**fields, **changes})


def make_callback(body: bytes, ref: str = "", *, authentic: bool = True, purpose: str = "payout") -> Callback:
    return Callback(body, {"content-type": "application/json"}, purpose, ref, authentic, NOW)


def mutations(sample: Any) -> Iterator[tuple[str, Any]]:
    """The sample with one thing wrong: each field gone, null, of another type or a stranger; and nothing like it."""
    for path in list(_paths(sample)):
        for label, value in _WRONG.items():
            yield f"{'.'.join(map(str, path))} {label}", _changed(sample, path, value)
    strangers: tuple[Any, ...] = (None, [], "text", 7, {})
    for other in strangers:
        yield f"all {other!r}", other


_GONE = object()
_WRONG = {
    "gone": _GONE, "null": None, "stranger": "STRANGER-7", "list": [1], "map": {}, "bool": True, "minus": -1,
    "huge": 10**40, "control": "a\u0000b\ud800",
}  # fmt: skip


def _paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from _paths(inner, (*at, key))


def _changed(sample: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(sample)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if value is _GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed
