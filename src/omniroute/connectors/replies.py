"""How mobile money rails write things down: JSON, amounts in decimals, numbers that should be text.

Reading never raises: what is not as it should be is `None`, and a connector takes that for unknown. No binary fraction
exists on the way: a JSON number with a decimal point stays the text it was sent as.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from omniroute.infra.http import ExchangeFailed, Reply, Request, Sent
from omniroute.kit.currency import EXPONENTS
from omniroute.kit.money import Money, decimal_text
from omniroute.kit.refusal import Fault
from omniroute.ports.rails import Context, NotSent, RailAnswerUnreadable

_AMOUNT = re.compile(r"(-?)([0-9]{1,16})(?:\.([0-9]{1,12}))?")
_WHOLE = re.compile(r"([0-9]+)\.0+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_MESSAGE_MAX = 200


def read_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in a body; None when it holds anything else."""
    data = _read(body)
    return data if isinstance(data, dict) else None


def read_list(body: bytes) -> list[dict[str, Any]] | None:
    """The JSON objects in a body that is a list of nothing else; else None."""
    data = _read(body)
    return data if isinstance(data, list) and all(isinstance(item, dict) for item in data) else None


def _read(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None


def part(data: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """The object inside an object, by the names on the way; empty when there is none."""
    found: Any = data
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def text(value: object) -> str | None:
    """Text, also where a rail sends a number; None for nothing, truth values and whole structures."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    return _UNPRINTABLE.sub("", value).strip() or None


def message(value: object) -> str | None:
    """A rail's words for people, cut to what a person reads."""
    found = text(value)
    return found[:_MESSAGE_MAX] if found else None


def identifier(value: object) -> str | None:
    """A number that names somebody: some rails send `4609274685.0`, some a plus in front."""
    found = text(value)
    whole = _WHOLE.fullmatch(found) if found else None
    return whole[1] if whole else found.removeprefix("+") if found else None


def amount(value: object, currency: object) -> Money | None:
    """Money from decimals as a rail writes them; None when it is not an exact amount of that currency."""
    code = text(currency)
    written = _AMOUNT.fullmatch(text(value) or "")
    if written is None or code is None or code not in EXPONENTS:
        return None
    fraction = (written[3] or "").rstrip("0")
    if len(fraction) > EXPONENTS[code]:
        return None
    minor = int(written[2] + fraction.ljust(EXPONENTS[code], "0"))
    return Money(-minor if written[1] else minor, code) if minor < 2**63 else None


def amount_text(money: Money) -> str:
    """Decimals of the currency, no more and no fewer: `500`, `500.25`, `0.125`."""
    return decimal_text(money.amount_minor, EXPONENTS[money.currency])


def instant(value: object) -> datetime | None:
    """An instant in UTC; None when it is not one, or has no zone."""
    try:
        found = datetime.fromisoformat(text(value) or "")
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else None


def masked(number: str | None) -> str | None:
    """A payee's number as evidence shows it: its last three digits."""
    return f"...{number[-3:]}" if number else None


def plain(words: str, length_max: int) -> str:
    """Words with nothing in them that a rail stumbles over: letters, digits, blanks and `.,-` of ASCII."""
    return " ".join(re.sub(r"[^A-Za-z0-9 .,-]+", " ", words).split())[:length_max].strip()


def read_token(reply: Reply, now: datetime, life: timedelta) -> tuple[str, datetime]:
    """An access token and when it ends; after `life` when it does not say. Raises: RailAnswerUnreadable."""
    data = read_object(reply.body) or {}
    token, seconds = text(data.get("access_token")), identifier(data.get("expires_in"))
    if reply.status != 200 or token is None:
        raise RailAnswerUnreadable(f"the rail gave no access token (HTTP {reply.status})")
    if seconds is not None and seconds.isdecimal() and len(seconds) < 8:
        life = timedelta(seconds=int(seconds))
    return token, now + life


async def token_for_order(context: Context, name: str, fetch: Callable[[], Awaitable[tuple[str, datetime]]]) -> str:
    """The access token an order needs. Raises: NotSent, as the order was not sent yet."""
    try:
        return await context.tokens.get(name, fetch)
    except Fault as fault:
        raise NotSent(f"no access token: {fault}") from fault


async def send_order(context: Context, request: Request) -> Reply:
    """Send an order once. Raises: NotSent when no byte of it left; ExchangeFailed when nobody knows."""
    try:
        return await context.http.exchange(request)
    except ExchangeFailed as failed:
        if failed.sent is Sent.NO:
            raise NotSent(str(failed)) from failed
        raise
