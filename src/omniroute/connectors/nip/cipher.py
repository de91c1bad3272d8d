"""How the body of a SOAP message is hidden and signed.

The cipher that NIBSS uses in production is not public: it is given to a participant with its keys, some get it as a
security module with an address of its own. What stands here is a place for it, and two that work without it:

    PlainCipher    nothing is hidden; for the sandbox and for development
    HybridCipher   AES-256-GCM under an RSA key, signed inside; our own format, for the sandbox and for private gateways

Whoever has the one of NIBSS writes a third class and names it in `cipher_of`.
"""

import base64
import binascii
from functools import lru_cache
from hashlib import sha256
from os import urandom
from typing import Protocol

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from omniroute.ports.rails import Credentials, NotSent

KEY_BITS_MIN = 2048
VERSION = b"NH1"
NONCE_BYTES = 12
AES_KEY_BYTES = 32

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


class CipherBroken(ValueError):
    """What came is not what the other side sealed for us: damaged, forged, or meant for somebody else."""


class Cipher(Protocol):
    """Turns a message into what travels, and back. Made of the keys of one connection.

    `signs`: what `open` gives is proven to be the other side's.
    """

    signs: bool

    def seal(self, message: bytes) -> str:
        """The text that travels in the envelope."""
        ...

    def open(self, sealed: str) -> bytes:
        """The message. Raises: CipherBroken."""
        ...


class PlainCipher:
    """Nothing is hidden and nothing is signed."""

    signs = False

    def seal(self, message: bytes) -> str:
        """The message itself."""
        return message.decode()

    def open(self, sealed: str) -> bytes:
        """The text itself."""
        return sealed.strip().encode()


class HybridCipher:
    """Signed with our key, then hidden for the other side's.

    base64 of: `NH1`, the wrapped AES key (RSA-OAEP, as long as the RSA key), 12 bytes of nonce, AES-GCM of (signature,
    message). The signature (RSA-PSS, SHA-256) covers the receiver's key and the message, so that nobody can pass a
    message of ours on to somebody else as if it were for them.
    """

    signs = True

    def __init__(self, own: rsa.RSAPrivateKey, peer: rsa.RSAPublicKey) -> None:
        self._own = own
        self._peer = peer
        self._own_mark = _fingerprint(own.public_key())
        self._peer_mark = _fingerprint(peer)

    def seal(self, message: bytes) -> str:
        """Sign, then hide; no two results are the same."""
        signature = self._own.sign(self._peer_mark + message, _PSS, hashes.SHA256())
        key, nonce = urandom(AES_KEY_BYTES), urandom(NONCE_BYTES)
        wrapped = self._peer.encrypt(key, _OAEP)
        hidden = AESGCM(key).encrypt(nonce, signature + message, VERSION)
        return base64.b64encode(VERSION + wrapped + nonce + hidden).decode()

    def open(self, sealed: str) -> bytes:
        """Reveal, then check the signature. Raises: CipherBroken."""
        try:
            data = base64.b64decode("".join(sealed.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise CipherBroken("not base64") from error
        key_at, nonce_at = len(VERSION), len(VERSION) + self._own.key_size // 8
        hidden_at = nonce_at + NONCE_BYTES
        if data[:key_at] != VERSION:
            raise CipherBroken("another format")
        try:
            key = self._own.decrypt(data[key_at:nonce_at], _OAEP)
            revealed = AESGCM(key).decrypt(data[nonce_at:hidden_at], data[hidden_at:], VERSION)
            signature_bytes = self._peer.key_size // 8
            signature, message = revealed[:signature_bytes], revealed[signature_bytes:]
            self._peer.verify(signature, self._own_mark + message, _PSS, hashes.SHA256())
        except (ValueError, InvalidTag, InvalidSignature) as error:
            raise CipherBroken("not sealed for us by the other side") from error
        return message


def cipher_of(credentials: Credentials) -> Cipher:
    """The cipher that the connection names.

    `public["cipher"]`: `plain`, or `hybrid` with `public["peer_public_key"]` and `secret["private_key"]` (PEM).

    Raises: NotSent when the name is unknown or a key cannot be read.
    """
    match credentials.public.get("cipher"):
        case "plain":
            return PlainCipher()
        case "hybrid":
            return _hybrid(credentials.secret.get("private_key", ""), credentials.public.get("peer_public_key", ""))
    raise NotSent("the connection names no cipher that is known here; nothing was sent")


@lru_cache(maxsize=32)  # Reading an RSA key costs more than using it.
def _hybrid(private_key: str, peer_public_key: str) -> HybridCipher:
    try:
        own = serialization.load_pem_private_key(private_key.encode(), password=None)
        peer = serialization.load_pem_public_key(peer_public_key.encode())
    except (ValueError, TypeError) as error:
        raise NotSent("a key of the connection cannot be read; nothing was sent") from error
    if not isinstance(own, rsa.RSAPrivateKey) or not isinstance(peer, rsa.RSAPublicKey):
        raise NotSent("the keys of the connection are not RSA keys; nothing was sent")
    if min(own.key_size, peer.key_size) < KEY_BITS_MIN:
        raise NotSent(f"a key of the connection is shorter than {KEY_BITS_MIN} bits; nothing was sent")
    return HybridCipher(own, peer)


def _fingerprint(key: rsa.RSAPublicKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_bytes(serialization.Encoding.DER, form)).digest()
