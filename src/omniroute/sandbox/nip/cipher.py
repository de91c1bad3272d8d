"""The rail's side of the two ciphers; written apart from the client's, so that each proves the other.

    plain   nothing is hidden
    hybrid  base64("NH1" + RSA-OAEP(AES key) + nonce + AES-256-GCM(RSA-PSS signature + message))

The signature covers the SHA-256 of the receiver's public key (DER) and the message. NIBSS's own cipher is not public.
"""

import base64
import binascii
import secrets
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MARK = b"NH1"
_SIGNING = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
_HIDING = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class Unopened(ValueError):
    """What came was not sealed for us by the participant."""


class Cipher(Protocol):
    """What a participant and the rail talk in."""

    def seal(self, message: bytes) -> str: ...

    def open(self, sealed: str) -> bytes:
        """Raises: Unopened."""
        ...


class Plain:
    """Nothing is hidden."""

    def seal(self, message: bytes) -> str:
        """The message as it is."""
        return message.decode()

    def open(self, sealed: str) -> bytes:
        """The message as it is."""
        return sealed.strip().encode()


@dataclass(frozen=True)
class Hybrid:
    """Signed by one side, hidden for the other."""

    ours: rsa.RSAPrivateKey
    theirs: rsa.RSAPublicKey

    @cached_property
    def _for_us(self) -> bytes:
        return sha256(_der(self.ours.public_key())).digest()

    @cached_property
    def _for_them(self) -> bytes:
        return sha256(_der(self.theirs)).digest()

    def seal(self, message: bytes) -> str:
        """Hidden for them."""
        inside = self.ours.sign(self._for_them + message, _SIGNING, hashes.SHA256()) + message
        key, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
        hidden = AESGCM(key).encrypt(nonce, inside, MARK)
        return base64.b64encode(MARK + self.theirs.encrypt(key, _HIDING) + nonce + hidden).decode()

    def open(self, sealed: str) -> bytes:
        """What they hid for us. Raises: Unopened."""
        try:
            data = base64.b64decode(sealed.strip(), validate=True)
            wrapped, rest = data[3 : 3 + self.ours.key_size // 8], data[3 + self.ours.key_size // 8 :]
            inside = AESGCM(self.ours.decrypt(wrapped, _HIDING)).decrypt(rest[:12], rest[12:], data[:3])
            length = self.theirs.key_size // 8
            self.theirs.verify(inside[:length], self._for_us + inside[length:], _SIGNING, hashes.SHA256())
        except (binascii.Error, ValueError, InvalidTag, InvalidSignature) as error:
            raise Unopened("not sealed for NIP by this participant") from error
        return inside[length:]


def new_key() -> rsa.RSAPrivateKey:
    """A key for one run of the sandbox."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(key: rsa.RSAPrivateKey) -> str:
    """A private key as a connection holds it."""
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, no_password).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    """Its public half."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def _der(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
