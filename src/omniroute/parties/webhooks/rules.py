"""What an endpoint may be, which events it wants, and when the next attempt is due. No I/O."""

import random
import re
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from omniroute.infra.http import PrivateAddress, check_public_url
from omniroute.parties.webhooks.errors import MalformedWebhook

SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Waits between attempts; one more attempt than waits, then it has failed."""

RETRY_AFTER_MAX = timedelta(hours=24)
FAILURES_BEFORE_CARE = 5
"""An endpoint that failed this often in a row is tried with one delivery at a time."""

Jitter = Callable[[timedelta], timedelta]
_TYPE = re.compile(r"\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?")


def spread(wait: timedelta) -> timedelta:
    """A wait, up to a tenth longer, so that what failed together does not come back together."""
    return wait + wait * random.randrange(1_000) // 10_000  # noqa: S311 - no secret


def next_wait(try_count: int, asked: timedelta | None, jitter: Jitter = spread) -> timedelta | None:
    """How long to wait after this many tries; None: that was the last. `asked` is the receiver's Retry-After."""
    if try_count > len(SCHEDULE):
        return None
    wait = jitter(SCHEDULE[try_count - 1])
    return wait if asked is None else max(wait, min(asked, RETRY_AFTER_MAX))


def read_retry_after(text: str | None, now: datetime) -> timedelta | None:
    """The pause a receiver asked for: seconds or a date; None when it asked for none we understand."""
    text = (text or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 9:
        return timedelta(seconds=int(text))
    try:
        return max(timedelta(), parsedate_to_datetime(text) - now)
    except (ValueError, TypeError, OverflowError):
        return None


def check_types(types: Sequence[str]) -> tuple[str, ...]:
    """Types of events an endpoint may choose, without repeats.

    Raises: MalformedWebhook.
    """
    chosen = tuple(dict.fromkeys(types))
    if not 1 <= len(chosen) <= 100 or not all(len(one) <= 100 and _TYPE.fullmatch(one) for one in chosen):
        raise MalformedWebhook(
            "event_types: 1 to 100 of `payment.confirmed`, `payment.*` or `*`",
            field="event_types",
            expected="types of events, beginnings with a star, or a star",
        )
    return chosen


def wants(types: Sequence[str], event_type: str) -> bool:
    """Whether an event of this type was chosen."""
    return any(event_type.startswith(one[:-1]) if one.endswith("*") else event_type == one for one in types)


def check_description(text: str) -> str:
    """A description as stored.

    Raises: MalformedWebhook.
    """
    if len(text) > 500 or not all(char.isprintable() or char in "\n\t" for char in text):
        raise MalformedWebhook(
            "description: up to 500 printable characters", field="description", expected="printable text"
        )
    return text


def check_address(url: str, *, loopback_allowed: bool) -> str:
    """Refuse an address that is none, or that is a private one in any spelling. Names are looked at when we connect.

    Raises: MalformedWebhook, PrivateAddress.
    """
    if not 1 <= len(url) <= 2_000:
        raise MalformedWebhook("url: 1 to 2,000 characters", field="url", expected="an https address")
    check_public_url(url, allow_loopback=loopback_allowed)
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.fragment or not host:
        raise MalformedWebhook("url: an address without fragment", field="url", expected="an https address")
    local = host == "localhost" or host.endswith(".localhost")
    if local and not loopback_allowed:
        raise PrivateAddress("the address is not a public one")
    literal = _literal(host)
    if literal is not None:
        shown = f"[{literal}]" if ":" in literal else literal
        check_public_url(f"{parts.scheme}://{shown}/", allow_loopback=loopback_allowed)
        local = literal == "::1" or literal.startswith("127.")
    if parts.scheme == "http" and not local:
        raise PrivateAddress("the address must start with https://")
    return url


def _literal(host: str) -> str | None:
    """The address that a host spells out: 2130706433 and 0x7f.1 are 127.0.0.1. None: it is a name. Asks nobody."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return str(found[0][4][0])
