"""Seals secrets of records: a data key for each, wrapped by a master key that we may not even be able to see.

    "OS" version algorithm | key id | wrapped data key | fingerprint of the binding | nonce | ciphertext and tag

Everything is authenticated: payload and wrapped key each carry version, algorithm and binding as associated data, the
wrapped key also the id of its master key. The wrapped key is not part of the payload's, so that a new master key means
new wrapping only, without opening the payload.
"""

import hashlib
import hmac
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from omniroute.infra.secrets.errors import SecretDamaged, SecretMisplaced
from omniroute.infra.secrets.model import Binding, KeyProvider, SecretFields, Wrapped

HEADER = b"OS\x01\x01"  # Version 1; algorithm 1: AES-256-GCM.
DATA_KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
PRINT_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Sealed:
    wrapped: Wrapped
    fingerprint: bytes
    nonce: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        key_id = self.wrapped.key_id.encode("ascii")
        head = struct.pack(">B", len(key_id)) + key_id + struct.pack(">H", len(self.wrapped.data)) + self.wrapped.data
        return HEADER + head + self.fingerprint + self.nonce + self.ciphertext


class Vault:
    """Seals and opens. Holds no key itself."""

    def __init__(self, keys: KeyProvider) -> None:
        self.keys = keys

    async def seal(self, binding: Binding, secret: bytes) -> bytes:
        """The secret, to be stored with the record it is bound to.

        Raises: KeysUnavailable, BadKeys.
        """
        data_key = AESGCM.generate_key(bit_length=8 * DATA_KEY_BYTES)
        wrapped = await self.keys.wrap(data_key, _context(binding, b"key"))
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = AESGCM(data_key).encrypt(nonce, secret, _context(binding, b"payload"))
        return _Sealed(wrapped, _fingerprint(binding), nonce, ciphertext).encode()

    async def open(self, binding: Binding, sealed: bytes) -> bytes:
        """The secret.

        Raises: SecretMisplaced, SecretDamaged, KeyMissing; KeysUnavailable, BadKeys.
        """
        parts = _parse(binding, sealed)
        data_key = await self.keys.unwrap(parts.wrapped, _context(binding, b"key"))
        try:
            return AESGCM(data_key).decrypt(parts.nonce, parts.ciphertext, _context(binding, b"payload"))
        except (InvalidTag, ValueError):
            raise SecretDamaged() from None

    async def seal_fields(self, binding: Binding, fields: Mapping[str, str]) -> bytes:
        """Named secrets as one. Raises: as `seal`."""
        return await self.seal(binding, json.dumps(dict(fields), separators=(",", ":")).encode())

    async def open_fields(self, binding: Binding, sealed: bytes) -> SecretFields:
        """What `seal_fields` sealed. Raises: as `open`."""
        opened = await self.open(binding, sealed)
        try:
            fields = json.loads(opened)
        except ValueError:
            raise SecretDamaged("the secret holds no named fields") from None
        if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
            raise SecretDamaged("the secret holds no named fields")
        return SecretFields(fields)

    async def rewrap(self, binding: Binding, sealed: bytes) -> bytes:
        """The same secret under the current master key; the payload is not opened. Unchanged if it already is.

        Raises: as `open`, for the key; a damaged payload stays damaged.
        """
        parts = _parse(binding, sealed)
        if parts.wrapped.key_id == await self.keys.current_key_id():
            return sealed
        data_key = await self.keys.unwrap(parts.wrapped, _context(binding, b"key"))
        wrapped = await self.keys.wrap(data_key, _context(binding, b"key"))
        return _Sealed(wrapped, parts.fingerprint, parts.nonce, parts.ciphertext).encode()

    async def reencrypt(self, binding: Binding, sealed: bytes) -> bytes:
        """The same secret under a new data key and the current master key: for when a data key may be known.

        Raises: as `open`.
        """
        return await self.seal(binding, await self.open(binding, sealed))

    async def aclose(self) -> None:
        """The process ends."""
        await self.keys.aclose()


def key_id_of(sealed: bytes) -> str:
    """The master key that a sealed secret needs.

    Raises: SecretDamaged.
    """
    return _split(sealed).wrapped.key_id


def _parse(binding: Binding, sealed: bytes) -> _Sealed:
    parts = _split(sealed)
    if not hmac.compare_digest(parts.fingerprint, _fingerprint(binding)):
        raise SecretMisplaced()
    return parts


def _split(sealed: bytes) -> _Sealed:
    rest = bytes(sealed)
    if not rest.startswith(HEADER):
        raise SecretDamaged("the sealed secret is not in a form we know")
    try:
        at = len(HEADER) + 1
        end = at + rest[at - 1]
        key_id = rest[at:end].decode("ascii")
        (size,) = struct.unpack(">H", rest[end : end + 2])
        at, end = end + 2, end + 2 + size
        wrapped = Wrapped(key_id, rest[at:end])
    except (IndexError, UnicodeDecodeError, struct.error):
        raise SecretDamaged() from None
    fingerprint = rest[end : end + PRINT_BYTES]
    nonce = rest[end + PRINT_BYTES : end + PRINT_BYTES + NONCE_BYTES]
    ciphertext = rest[end + PRINT_BYTES + NONCE_BYTES :]
    if len(ciphertext) < TAG_BYTES:
        raise SecretDamaged()
    return _Sealed(wrapped, fingerprint, nonce, ciphertext)


def _context(binding: Binding, purpose: bytes) -> bytes:
    return HEADER + purpose + b"\x00" + binding.encode()


def _fingerprint(binding: Binding) -> bytes:
    return hashlib.sha256(_context(binding, b"binding")).digest()[:PRINT_BYTES]
