"""What Daraja's gateway checks before anything reaches M-Pesa: token, fields, addresses."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from omniroute.sandbox.wire import WireCall, WireReply

TOKEN_LASTS = timedelta(seconds=3599)
REFUSED_WORDS = ("mpesa", "m-pesa", "safaricom", "exe", "cmd", "sql", "query")

_ADDRESS = re.compile(r"https?://[^\s/]+(/\S*)?")


class Refused(Exception):
    """The gateway said no."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.reply = error(status, code, message)
        super().__init__(message)


def error(status: int, code: str, message: str) -> WireReply:
    """An error in Daraja's form."""
    request_id = blake2b(f"{code}{message}".encode(), digest_size=8).hexdigest()
    return send({"requestId": f"{request_id}-1", "errorCode": code, "errorMessage": message}, status)


def send(body: Mapping[str, Any], status: int = 200) -> WireReply:
    """A JSON reply."""
    return WireReply(status, json.dumps(body).encode())


INTERNAL = error(500, "500.003.1001", "Internal Server Error")


class Tokens:
    """Access tokens, good for an hour."""

    def __init__(self, key: str, secret: str) -> None:
        self._login = f"{key}:{secret}"
        self._ends: dict[str, datetime] = {}

    def give(self, call: WireCall, now: datetime) -> WireReply:
        """Answer a log-in."""
        if call.query.get("grant_type") != "client_credentials":
            return error(400, "400.008.02", "Invalid grant type passed")
        if _basic(call.headers.get("authorization", "")) != self._login:
            return error(400, "400.008.01", "Invalid Authentication passed")
        token = blake2b(f"{len(self._ends)}:{now}".encode(), digest_size=14).hexdigest()
        self._ends[token] = now + TOKEN_LASTS
        return send({"access_token": token, "expires_in": str(int(TOKEN_LASTS.total_seconds()))})

    def check(self, call: WireCall, now: datetime) -> None:
        """Raises: Refused."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        ends_at = self._ends.get(token)
        if scheme.lower() != "bearer" or ends_at is None or ends_at <= now:
            raise Refused(401, "401.002.01", "Error Occurred - Invalid Access Token")


def _basic(header: str) -> str | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


class Fields:
    """The fields of a request. Every reader raises Refused with the name of the field, as the gateway does."""

    def __init__(self, call: WireCall) -> None:
        if "json" not in call.headers.get("content-type", ""):
            raise Refused(400, "400.002.05", "Invalid Request Payload")
        try:
            data = json.loads(call.body)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise Refused(400, "400.002.05", "Invalid Request Payload")
        self._data: dict[str, Any] = data

    def has(self, name: str) -> bool:
        """Whether the field is there and not empty."""
        return self._data.get(name) not in (None, "")

    def text(self, name: str, least: int = 1, most: int = 100) -> str:
        """A text of so many characters; a number counts as its digits."""
        value = self._data.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise invalid(name)
        return value

    def digits(self, name: str, least: int, most: int) -> str:
        """So many digits."""
        value = self.text(name, least, most)
        if not (value.isascii() and value.isdigit()):
            raise invalid(name)
        return value

    def one_of(self, name: str, *allowed: str) -> str:
        """One of these."""
        value = self.text(name)
        if value not in allowed:
            raise invalid(name)
        return value

    def shillings(self, name: str = "Amount") -> int:
        """Whole shillings, above zero."""
        value = int(self.digits(name, 1, 12))
        if value <= 0:
            raise invalid(name)
        return value

    def address(self, name: str) -> str:
        """An address of the caller's; with a word in it that the gateway refuses, none."""
        value = self.text(name, 1, 512)
        if not _ADDRESS.fullmatch(value) or any(word in value.lower() for word in REFUSED_WORDS):
            raise invalid(name)
        return value


def invalid(name: str) -> Refused:
    """The gateway's words for a field it does not take."""
    return Refused(400, "400.002.02", f"Bad Request - Invalid {name}")
