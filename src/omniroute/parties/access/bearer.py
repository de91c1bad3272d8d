"""Opaque bearer secrets: `sk_live_<lookup>_<secret>`, made, taken apart and compared.

The lookup half finds the row and is no secret. The secret half is 40 random characters of 62 (238 bits), so SHA-256
is the right hash: there is no guessing to slow down, and it is checked on every request that misses the cache.
"""

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass, field
from typing import Literal

from omniroute.parties.access.model import Secret

LOOKUP_LENGTH = 12
SECRET_LENGTH = 40

_ALPHABET = string.ascii_letters + string.digits
_FORM = re.compile(r"(sk_live|sk_test|cs|ses|inv)_([A-Za-z0-9]{12})_([A-Za-z0-9]{32,64})", re.ASCII)

Form = Literal["sk_live", "sk_test", "cs", "ses", "inv"]
"""API key (live, test), client secret, session, invitation."""


@dataclass(frozen=True, slots=True)
class Minted:
    """A new secret: what is stored, and the text that is shown once."""

    lookup: str
    secret_hash: bytes = field(repr=False)
    secret: Secret


@dataclass(frozen=True, slots=True)
class Presented:
    """A secret as a caller sent it, already hashed; the text itself is not kept."""

    form: str
    lookup: str
    secret_hash: bytes = field(repr=False)

    def matches(self, stored: bytes) -> bool:
        """Whether it is the stored one; the time taken tells nothing about how much of it was right."""
        return hmac.compare_digest(self.secret_hash, bytes(stored))


def mint(form: Form) -> Minted:
    """A new random secret of this form."""
    lookup = "".join(secrets.choice(_ALPHABET) for _ in range(LOOKUP_LENGTH))
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_LENGTH))
    return Minted(lookup, hash_secret(secret), Secret(f"{form}_{lookup}_{secret}"))


def read(text: str) -> Presented | None:
    """The parts of a presented secret, or None when it is of no form of ours."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    return Presented(match[1], match[2], hash_secret(match[3]))


def hash_secret(secret: str) -> bytes:
    """SHA-256 of the secret half."""
    return hashlib.sha256(secret.encode()).digest()
