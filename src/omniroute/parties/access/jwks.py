"""Keys of outside identity providers: fetched with limits, checked, kept for a while.

The address comes from a tenant, so it is treated as hostile: https only, no redirects, no proxies from the environment,
a public address only (resolved once and connected to as resolved), a small answer in a short time.
"""

import asyncio
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from omniroute.parties.access.errors import MalformedAccess, ProviderUnreachable

FETCH_TIMEOUT_S = 3
ANSWER_BYTES_MAX = 256 * 1024
KEYS_MAX = 50
KEEP_S = 600
KEEP_UNREACHABLE_S = 86_400
REFETCH_AFTER_S = 60
RSA_BITS_MIN = 2048

ECDSA_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
EDDSA_ALGORITHMS = frozenset({"EdDSA", "Ed25519"})
ALGORITHMS = RSA_ALGORITHMS | EDDSA_ALGORITHMS | frozenset(ECDSA_CURVES)
"""Asymmetric signatures only: an HMAC would make the provider's public key a shared secret."""

PublicKey = RSAKey | ECKey | OKPKey


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and what its owner says it is for."""

    kid: str | None
    key: PublicKey
    algorithm: str | None

    def as_public(self) -> dict[str, object]:
        """The JWK with its public members only."""
        members: dict[str, object] = {**self.key.as_dict(private=False)}
        kept = {name: members[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in members}
        return kept | {name: v for name, v in (("kid", self.kid), ("alg", self.algorithm)) if v is not None}

    def fits(self, algorithm: str) -> bool:
        """Whether this key can verify that algorithm: same type, same curve, and what the owner declared."""
        if self.algorithm is not None and self.algorithm != algorithm:
            return False
        match self.key:
            case RSAKey():
                return algorithm in RSA_ALGORITHMS
            case ECKey():
                return ECDSA_CURVES.get(algorithm) == self.key.curve_name
            case OKPKey():
                return algorithm in EDDSA_ALGORITHMS and self.key.curve_name == "Ed25519"


def read_jwks(document: object) -> list[VerificationKey]:
    """The signature keys in a JWKS. Symmetric, private, weak and unreadable ones are left out.

    Raises: MalformedAccess when it is not a JWKS at all.
    """
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise MalformedAccess(field="jwks", expected=f'an object with "keys", a list of at most {KEYS_MAX} JWKs')
    return [key for item in listed if isinstance(item, dict) if (key := _read_key(item)) is not None]


def _read_key(item: dict[str, Any]) -> VerificationKey | None:
    if item.get("use", "sig") != "sig" or "d" in item or "k" in item:
        return None
    kinds: dict[str, type[PublicKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    kind = kinds.get(str(item.get("kty")))
    if kind is None:
        return None
    if kind is RSAKey and len(str(item.get("n"))) * 6 < RSA_BITS_MIN:  # Base 64: six bits a character.
        return None
    try:
        key = kind.import_key(item)
        if isinstance(key, RSAKey) and key.public_key.key_size < RSA_BITS_MIN:
            return None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    kid, algorithm = item.get("kid"), item.get("alg")
    return VerificationKey(
        kid if isinstance(kid, str) else None, key, algorithm if isinstance(algorithm, str) else None
    )


def check_jwks_uri(uri: str, *, loopback_allowed: bool = False) -> str:
    """An address we are ready to fetch keys from.

    Raises: MalformedAccess.
    """
    expected = "an https:// address without user, password or fragment"
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise MalformedAccess(field="jwks_uri", expected=expected) from error
    if len(uri) > 500 or not host or parts.fragment or parts.username is not None or parts.password is not None:
        raise MalformedAccess(field="jwks_uri", expected=expected)
    if parts.scheme == "http" and loopback_allowed and _is_loopback(host):
        return uri
    if parts.scheme != "https":
        raise MalformedAccess(field="jwks_uri", expected=expected)
    return uri


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def fetch_jwks(
    uri: str, *, loopback_allowed: bool = False, verify: ssl.SSLContext | bool = True
) -> list[VerificationKey]:
    """The keys at an address.

    Raises: ProviderUnreachable for anything but a JWKS within the limits.
    """
    try:
        check_jwks_uri(uri, loopback_allowed=loopback_allowed)
        async with asyncio.timeout(FETCH_TIMEOUT_S):
            return read_jwks(json.loads(await _get(uri, loopback_allowed, verify)))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, RecursionError, MalformedAccess) as error:
        raise ProviderUnreachable(retry_after_s=REFETCH_AFTER_S) from error


async def _get(uri: str, loopback_allowed: bool, verify: ssl.SSLContext | bool) -> bytes:
    parts = urlsplit(uri)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = await _resolve(host, port, loopback_allowed)
    literal = f"[{address}]" if ":" in address else address
    pinned = parts._replace(netloc=f"{literal}:{port}").geturl()
    # The name was resolved and judged once; connecting by name again could lead somewhere else.
    headers = {"Host": parts.netloc, "Accept": "application/json", "Accept-Encoding": "identity"}
    async with (
        httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, follow_redirects=False, trust_env=False, verify=verify) as client,
        client.stream("GET", pinned, headers=headers, extensions={"sni_hostname": host}) as answer,
    ):
        if answer.status_code != 200:
            raise ValueError(f"status {answer.status_code}")
        body = bytearray()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > ANSWER_BYTES_MAX:
                raise ValueError("the answer is too large")
        return bytes(body)


async def _resolve(host: str, port: int, loopback_allowed: bool) -> str:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        if not (address.is_global or (loopback_allowed and address.is_loopback)) or address.is_multicast:
            raise ValueError("the address is not a public one")
    if not addresses:
        raise ValueError("the name has no address")
    return min(addresses, key=lambda text: ":" in text)  # IPv4 first: every network has it.


@dataclass(slots=True)
class _Kept:
    keys: list[VerificationKey]
    fetched: float
    read: float
    failed: bool = False


class KeyCache:
    """Keys by address. A key that is not there causes one fetch a minute at most, whoever asks."""

    def __init__(self, *, loopback_allowed: bool = False, sources_max: int = 500) -> None:
        self.loopback_allowed = loopback_allowed
        self.sources_max = sources_max
        self.fetch_count = 0
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def keys(self, uri: str, *, needed: str | None) -> list[VerificationKey]:
        """The keys of an address, fetched again when they are old or the `needed` kid is not among them.

        Raises: ProviderUnreachable.
        """
        kept = self._kept.get(uri)
        if kept is not None and not self._is_due(kept, needed):
            return self._given(kept)
        lock = self._locks.setdefault(uri, asyncio.Lock())
        async with lock:
            kept = self._kept.get(uri)
            if kept is not None and not self._is_due(kept, needed):
                return self._given(kept)
            return await self._fetch(uri, kept)

    def _is_due(self, kept: _Kept, needed: str | None) -> bool:
        age = time.monotonic() - kept.fetched
        if kept.failed or (needed is not None and all(key.kid != needed for key in kept.keys)):
            return age >= REFETCH_AFTER_S
        return age >= KEEP_S

    @staticmethod
    def _given(kept: _Kept) -> list[VerificationKey]:
        if kept.failed and not kept.keys:
            raise ProviderUnreachable(retry_after_s=REFETCH_AFTER_S)
        return kept.keys

    async def _fetch(self, uri: str, before: _Kept | None) -> list[VerificationKey]:
        self.fetch_count += 1
        if len(self._kept) >= self.sources_max and uri not in self._kept:
            oldest = min(self._kept, key=lambda known: self._kept[known].fetched)
            del self._kept[oldest]
            self._locks.pop(oldest, None)
        try:
            keys = await fetch_jwks(uri, loopback_allowed=self.loopback_allowed)
        except ProviderUnreachable:
            # Keys already known stay good while the provider is away, up to a day.
            now = time.monotonic()
            usable = before is not None and now - before.read < KEEP_UNREACHABLE_S
            kept = before if before is not None and usable else _Kept([], now, now)
            self._kept[uri] = _Kept(kept.keys, now, kept.read, failed=True)
            return self._given(self._kept[uri])
        self._kept[uri] = _Kept(keys, time.monotonic(), time.monotonic())
        return keys
