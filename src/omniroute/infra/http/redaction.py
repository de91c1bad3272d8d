"""Requests and replies as they may be shown: without what opens doors.

A field is secret by its name: those the caller names, and the usual suspects. What is found secret in one place is
taken out wherever else it stands. What cannot be read is not shown at all, only its size.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

REDACTED = "[redacted]"
TEXT_MAX = 4_096
VALUE_MIN = 4
"""A shorter secret is replaced in its own field only; elsewhere it would be found everywhere by chance."""

_SUSPECT = re.compile(
    r"passw|passwd|^pwd|pass(key|code|phrase)|secret|token|credential|authori[sz]ation|cookie|api_?key|subscription_?key"
    r"|private_?key|session_?key|(^|_)pin$|^(encrypted|initiator|user|agent|new|old)_?pin|^otp|^cvv|^cvc|signature$|^mac$"
)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-.\s]+")
_TAG = re.compile(r"<([\w.-]+:)?([\w.-]+)(?=[\s/>])")
_ATTRIBUTE = re.compile(r"([\w.:-]+)(\s*=\s*)(\"[^\"]*\"|'[^']*')")


def is_secret(name: str, secrets: frozenset[str] = frozenset()) -> bool:
    """A field of this name is not to be shown."""
    plain = name.lower()
    return any(plain == known.lower() for known in secrets) or bool(_SUSPECT.search(_WORDS.sub("_", name).lower()))


def show_url(url: str, secrets: frozenset[str] = frozenset()) -> str:
    """The address without login and without the values of secret parameters."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "[unreadable address]"
    host = parts.netloc.rpartition("@")[2]
    query = parts.query
    if query:
        query = urlencode(
            [
                (name, REDACTED if is_secret(name, secrets) else value)
                for name, value in parse_qsl(query, keep_blank_values=True)
            ],
            safe="[]",
        )
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def show_headers(headers: Mapping[str, str], secrets: frozenset[str] = frozenset()) -> dict[str, str]:
    """Headers, the secret ones without their value."""
    return {name: REDACTED if is_secret(name, secrets) else value for name, value in headers.items()}


def show_body(body: bytes, content_type: str, secrets: frozenset[str] = frozenset()) -> str:
    """The beginning of a body, secret fields taken out; of a form we cannot read only the size."""
    if not body:
        return ""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"[{len(body)} bytes]"
    kind = content_type.lower()
    start = text.lstrip()[:1]
    if "json" in kind or start in ("{", "["):
        shown = _json(text, secrets)
    elif "xml" in kind or start == "<":
        shown = _xml(text, secrets)
    elif "form-urlencoded" in kind:
        shown = urlencode(
            [(n, REDACTED if is_secret(n, secrets) else v) for n, v in parse_qsl(text, keep_blank_values=True)],
            safe="[]",
        )
    else:
        shown = None
    if shown is None:
        return f"[{len(body)} bytes]"
    return shown if len(shown) <= TEXT_MAX else f"{shown[:TEXT_MAX]}... [{len(body)} bytes]"


def find_secrets(headers: Mapping[str, str], url: str, body: bytes, secrets: frozenset[str]) -> frozenset[str]:
    """The secret values of a request, so that they can be found where the other side repeats them."""
    found = set()
    for name, value in headers.items():
        if is_secret(name, secrets):
            found |= {value, value.rpartition(" ")[2]}
    try:
        found |= {value for name, value in parse_qsl(urlsplit(url).query) if is_secret(name, secrets)}
        found.add(urlsplit(url).password or "")
        text = body.decode()
    except ValueError:
        text = ""
    if text.lstrip()[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            found.update(_secret_leaves(json.loads(text), secrets, inside=False))
    elif text.lstrip()[:1] == "<":
        for tag in _secret_tags(text, secrets):
            found.update(re.findall(rf"<{re.escape(tag)}\b[^>]*>([^<]*)<", text))
    else:
        found |= {value for name, value in parse_qsl(text) if is_secret(name, secrets)}
    return frozenset(value for value in found if len(value) >= VALUE_MIN)


def without(text: str, values: frozenset[str]) -> str:
    """The text with each of these values taken out, the longest first."""
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, REDACTED)
    return text


def _json(text: str, secrets: frozenset[str]) -> str | None:
    try:
        return json.dumps(_clean(json.loads(text, parse_float=str), secrets), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _clean(value: Any, secrets: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: REDACTED if is_secret(name, secrets) else _clean(item, secrets) for name, item in value.items()}
    if isinstance(value, list):
        return [_clean(item, secrets) for item in value]
    # A document in a text: some rails wrap one form in another.
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        return _json(value, secrets) or f"[{len(value)} characters]"
    if isinstance(value, str) and value.lstrip()[:1] == "<":
        return _xml(value, secrets)
    return value


def _secret_leaves(value: Any, secrets: frozenset[str], *, inside: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _secret_leaves(item, secrets, inside=inside or is_secret(name, secrets))
    elif isinstance(value, list):
        for item in value:
            yield from _secret_leaves(item, secrets, inside=inside)
    elif inside and value is not None and not isinstance(value, bool):
        yield str(value)


def _xml(text: str, secrets: frozenset[str]) -> str:
    for tag in _secret_tags(text, secrets):
        # A tag that is never closed hides all that follows.
        name = re.escape(tag)
        text = re.sub(
            rf"(<{name}(?=[\s/>]))(?:[^>]*/>|[^>]*>.*?(?:</{name}\s*>|\Z))",
            rf"\1>{REDACTED}</{tag}>",
            text,
            flags=re.DOTALL,
        )
    return _ATTRIBUTE.sub(
        lambda found: (
            f'{found[1]}{found[2]}"{REDACTED}"' if is_secret(found[1].rpartition(":")[2], secrets) else found[0]
        ),
        text,
    )


def _secret_tags(text: str, secrets: frozenset[str]) -> set[str]:
    return {(found[1] or "") + found[2] for found in _TAG.finditer(text) if is_secret(found[2], secrets)}
