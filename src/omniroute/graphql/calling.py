"""Calls over HTTP to what the metadata names: handlers of actions, receivers of triggers.

Addresses and headers come from the metadata, with values of the environment in them. A call is made once: whether the
other side acted on a call without an answer is not known here.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from omniroute.infra.http import ExchangeFailed, HttpClient, PrivateAddress, Reply, Request, Sent, check_public_url

ANSWER_BYTES_MAX = 8_388_608
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_PORTS = {"http": 80, "https": 443}


class NotSet(Exception):
    """A variable the metadata names has no value; its name is the message."""


class Calls:
    """Makes calls. `own` connects to our own address (`base_url`) alone, `outside` to everything else.

    `private_allowed`: addresses that are not public may be called, and over http. `outside` must agree with it.
    """

    def __init__(
        self,
        own: HttpClient,
        outside: HttpClient,
        *,
        base_url: str,
        variables: Mapping[str, str],
        private_allowed: bool = False,
    ) -> None:
        self._own, self._outside = own, outside
        self._base_url = base_url.rstrip("/")
        self._variables = variables
        self._private_allowed = private_allowed

    def value(self, name: str) -> str:
        """A variable. Raises: NotSet."""
        if name not in self._variables:
            raise NotSet(name)
        return self._variables[name]

    def address(self, template: str) -> str:
        """An address with its variables filled in; one that begins with a slash is ours. Raises: NotSet."""
        filled = _VARIABLE.sub(lambda found: self.value(found[1]), template.strip())
        return self._base_url + filled if filled.startswith("/") else filled

    def headers(self, listed: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Headers as the metadata lists them: with a value, or with a variable's. Raises: NotSet."""
        found: dict[str, str] = {}
        for one in listed:
            text = self.value(str(one["value_from_env"])) if "value_from_env" in one else str(one.get("value", ""))
            found[str(one["name"])] = _VARIABLE.sub(lambda found: self.value(found[1]), text)
        return found

    def missing(self, address: str, listed: Iterable[Mapping[str, Any]]) -> str | None:
        """The first variable without a value that a call needs."""
        try:
            self.address(address)
            self.headers(listed)
        except NotSet as missing:
            return str(missing)
        return None

    async def send(
        self,
        url: str,
        body: bytes,
        *,
        operation: str,
        headers: Mapping[str, str],
        timeout_s: int,
        method: str = "POST",
    ) -> Reply:
        """Send a body once, of JSON unless the headers say otherwise; the reply, whatever its status.

        Raises: ExchangeFailed.
        """
        named = {name.lower() for name in headers}
        whole = {} if "content-type" in named or not body else {"Content-Type": "application/json"}
        request = Request(
            method,
            url,
            operation,
            {**whole, **headers},
            body,
            connect_timeout_s=min(10, timeout_s),
            read_timeout_s=timeout_s,
            secrets=frozenset(headers),  # Any of them may be a credential.
            deadline_s=timeout_s,
            response_bytes_max=ANSWER_BYTES_MAX,
        )
        if _origin(url) == _origin(self._base_url):
            return await self._own.exchange(request)
        if not self._private_allowed:
            try:
                check_public_url(url)
            except PrivateAddress as refusal:
                raise ExchangeFailed(refusal.detail, sent=Sent.NO) from None
        try:
            return await self._outside.exchange(request)
        except PrivateAddress as refusal:
            raise ExchangeFailed(refusal.detail, sent=Sent.NO) from None


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port; None: it is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if parts.hostname is None or parts.username is not None or parts.password is not None:
        return None
    return parts.scheme, parts.hostname, port
