"""No secret in any line, any exception, any repr."""

import io
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from omniroute.infra.http import ExchangeFailed, Reply, Request, is_secret, show_body, show_headers, show_url
from omniroute.infra.telemetry import start_logging
from tests.infra.http.peer import Caller, ask, client, serve

SECRET = "hunter2-s3cr3t"
NAMES = [
    "password", "Password", "InitiatorPassword", "SecurityCredential", "client_secret", "clientSecret", "access_token",
    "refreshToken", "pin", "PIN", "encrypted_pin", "initiatorPin", "Authorization", "Cookie", "Set-Cookie", "X-Api-Key",
    "Ocp-Apim-Subscription-Key", "apiKey", "passkey", "x-signature", "otp", "private_key", "consumer_secret",
]  # fmt: skip
SHOWN = ["amount", "PartyA", "shipping", "spinning", "our_ref", "Content-Type", "ResponseCode", "opinion"]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged, ours and that of libraries, at the chattiest level."""
    out = io.StringIO()
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    start_logging("debug", "json", stream=out)
    yield out
    structlog.reset_defaults()
    root.setLevel(before[0])
    root.handlers[:] = before[1]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", SHOWN)
def test_names_that_are_none(name: str) -> None:
    assert not is_secret(name)
    assert is_secret(name, frozenset({name.upper()}))


FORMS: dict[str, tuple[Callable[[str], str], str]] = {
    "json": (lambda name: json.dumps({"a": 1, "b": [{name: SECRET, "amount": 1.50}]}), "application/json"),
    "json object": (lambda name: json.dumps({name: {"deep": [SECRET]}}), "application/json"),
    "json in json": (lambda name: json.dumps({"payload": json.dumps({name: SECRET})}), "application/json"),
    "xml in json": (lambda name: json.dumps({"payload": f"<r><{name}>{SECRET}</{name}></r>"}), "application/json"),
    "half json": (lambda name: json.dumps({name: SECRET, "a": 1})[:-2], "application/json"),
    "form": (lambda name: urlencode({"a": "1", name: SECRET}), "application/x-www-form-urlencoded"),
    "xml": (lambda name: f"<r><{name}>{SECRET}</{name}></r>", "text/xml"),
    "xml with namespace": (lambda name: f'<r xmlns:n="u"><n:{name} a="1">{SECRET}</n:{name}></r>', "text/xml"),
    "xml with cdata": (lambda name: f"<r><{name}><![CDATA[{SECRET}]]></{name}></r>", "text/xml"),
    "xml with children": (lambda name: f"<r><{name}><x>{SECRET}</x></{name}></r>", "text/xml"),
    "xml cut off": (lambda name: f"<r><{name}>{SECRET}", "text/xml"),
    "xml attribute": (lambda name: f'<r {name}="{SECRET}" ok="1"/>', "text/xml"),
    "plain": (lambda name: f"{name}: {SECRET}", "text/plain"),
    "no type": (lambda name: f"{name}: {SECRET}", ""),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["SecurityCredential", "pin", "client_secret", "OddName"])
def test_bodies_are_shown_without_secrets(form: str, name: str) -> None:
    make, kind = FORMS[form]
    shown = show_body(make(name).encode(), kind, frozenset({"oddname"}))
    assert SECRET not in shown
    assert len(shown) > 5


def test_the_rest_is_shown() -> None:
    shown = show_body(b'{"amount": 12345678901234567890.10, "pin": "1234"}', "application/json")
    assert shown == '{"amount": "12345678901234567890.10", "pin": "[redacted]"}'
    assert show_body(b"\xff\xfe", "application/json") == "[2 bytes]"
    assert show_body(b"x" * 9, "text/plain") == "[9 bytes]"
    assert show_headers({"authorization": "Basic x", "accept": "*/*"}) == {
        "authorization": "[redacted]",
        "accept": "*/*",
    }
    assert show_url("https://u:pw@h/p?a=1&access_token=x&b=#f") == "https://h/p?a=1&access_token=[redacted]&b="
    assert show_url("http://[") == "[unreadable address]"


@given(
    st.binary(max_size=300), st.sampled_from(["application/json", "text/xml", "", "application/x-www-form-urlencoded"])
)
def test_any_body_can_be_shown(body: bytes, kind: str) -> None:
    assert isinstance(show_body(body, kind), str)


def test_requests_and_replies_show_nothing() -> None:
    request = Request("POST", f"https://h/?token={SECRET}", "pay", {"Authorization": SECRET}, SECRET.encode())
    assert SECRET not in f"{request!r} {request}"
    assert SECRET not in repr(Reply(200, {"set-cookie": SECRET}, SECRET.encode()))


@pytest.mark.parametrize("form", ["json", "form", "xml"])
@pytest.mark.parametrize("echo", [True, False])
async def test_no_secret_in_any_line(form: str, echo: bool, lines: io.StringIO) -> None:
    """The rail repeats our secret in its answer, or in bytes that are not HTTP at all."""
    make, kind = FORMS[form]

    async def rail(caller: Caller) -> None:
        while await caller.request():
            if echo:
                body = json.dumps({"message": f"{SECRET} is wrong", "access_token": SECRET, "code": "00"}).encode()
                head = f"HTTP/1.1 200 OK\r\nX-Echo: {SECRET}\r\nSet-Cookie: a={SECRET}\r\nContent-Length: {len(body)}"
                await caller.say(head.encode() + b"\r\n\r\n" + body)
            else:
                await caller.say(f"{SECRET} is not HTTP\r\n\r\n".encode())
                return

    async with serve(rail) as peer, client() as http:
        request = Request(
            "POST",
            f"{peer.url}?apikey={SECRET}",
            "pay",
            {"Authorization": f"Bearer {SECRET}", "X-Odd": SECRET, "Content-Type": kind},
            make("SecurityCredential").encode(),
            secrets=frozenset({"x-odd"}),
        )
        outcome = await ask(http, request)
        if isinstance(outcome, ExchangeFailed):
            assert SECRET not in "".join(traceback.format_exception(outcome))
    logged = lines.getvalue()
    assert '"operation":"pay"' in logged
    assert SECRET not in logged
    if echo:
        assert "is wrong" in logged
