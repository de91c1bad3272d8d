"""What mobile money rails of the sandbox share: wallets and their holders, log-ins, JSON and amounts in decimals."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from omniroute.kit.currency import EXPONENTS
from omniroute.kit.money import decimal_text
from omniroute.sandbox.wire import WireReply

UNKNOWN_DIGITS = "000"
"""A wallet whose number ends so does not exist."""

_AMOUNT = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?")
_FIRST = (
    "Abena", "Akello", "Amara", "Ayo", "Baraka", "Chipo", "Dembe", "Esi", "Faith", "Grace", "Hawa", "Imani", "Jabali",
    "Kato", "Kofi", "Lindiwe", "Mercy", "Mutinta", "Nakato", "Neema", "Okello", "Patience", "Rehema", "Sefu", "Tendai",
)  # fmt: skip
_LAST = (
    "Achieng", "Asante", "Banda", "Boateng", "Byaruhanga", "Chanda", "Diallo", "Habimana", "Kamau", "Kariuki", "Koffi",
    "Lubega", "Mensah", "Moyo", "Mukasa", "Mwangi", "Namukasa", "Nkurunziza", "Ouattara", "Owusu", "Phiri", "Traore",
    "Uwase", "Wanjiru", "Zulu",
)  # fmt: skip


def holder(number: str) -> tuple[str, str]:
    """First and last name of who has this number; the same every time."""
    drawn = int.from_bytes(blake2b(number.encode(), digest_size=8).digest())
    return _FIRST[drawn % len(_FIRST)], _LAST[drawn // len(_FIRST) % len(_LAST)]


def is_wallet(number: str) -> bool:
    """Whether anybody has this number."""
    return not number.endswith(UNKNOWN_DIGITS)


def read_json(body: bytes) -> dict[str, Any] | None:
    """The JSON object in a body, numbers with a decimal point as text; None for anything else."""
    try:
        data = json.loads(body, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def send(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> WireReply:
    """A JSON reply."""
    return WireReply(status, json.dumps(data).encode(), headers=headers or {})


def minor_of(written: object, currency: str) -> int | None:
    """Minor units of an amount in decimals; None when it is not one of that currency, or nothing."""
    if isinstance(written, int) and not isinstance(written, bool):
        written = str(written)
    found = _AMOUNT.fullmatch(written) if isinstance(written, str) else None
    if found is None or currency not in EXPONENTS:
        return None
    fraction = (found[2] or "").rstrip("0")
    if len(fraction) > EXPONENTS[currency]:
        return None
    return int(found[1] + fraction.ljust(EXPONENTS[currency], "0")) or None


def decimals(minor: int, currency: str) -> str:
    """An amount in decimals."""
    return decimal_text(minor, EXPONENTS[currency])


def basic(header: str) -> tuple[str, str] | None:
    """Name and password of a Basic log-in."""
    scheme, _, value = header.partition(" ")
    try:
        name, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if scheme.lower() == "basic" and colon else None


class Tokens:
    """Access tokens of users, each good for `lasts`."""

    def __init__(self, lasts: timedelta) -> None:
        self.lasts = lasts
        self._given: dict[str, tuple[str, datetime]] = {}

    def give(self, user: str, now: datetime) -> str:
        """A new token."""
        token = blake2b(f"{user}:{len(self._given)}:{now}".encode(), digest_size=24).hexdigest()
        self._given[token] = (user, now + self.lasts)
        return token

    def user_of(self, header: str, now: datetime) -> str | None:
        """Whose token a Bearer header carries; None when it is none of ours, or has ended."""
        scheme, _, token = header.partition(" ")
        user, ends_at = self._given.get(token, ("", now))
        return user if scheme.lower() == "bearer" and now < ends_at else None

    def revoke_all(self) -> None:
        """End every token, as a rail does without notice."""
        self._given.clear()
