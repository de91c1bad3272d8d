"""Airtel's encryption: the PIN of every order, and the signed message where an application asks for it."""

import base64
import os
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from omniroute.ports.rails import NotSent

PADDINGS = {
    "pkcs1v15": padding.PKCS1v15(),
    "oaep_sha1": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),  # noqa: S303 - what the rail reads.
    "oaep_sha256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
}
"""Its countries do not agree on one."""


@lru_cache(maxsize=256)
def load_public_key(key: str) -> RSAPublicKey:
    """The key as Airtel hands it out: PEM, or its base64 alone. Raises: ValueError."""
    try:
        if "-----BEGIN" in key:
            loaded = serialization.load_pem_public_key(key.encode())
        else:
            loaded = serialization.load_der_public_key(base64.b64decode("".join(key.split()), validate=True))
    except UnsupportedAlgorithm as error:
        raise ValueError("the public key is of a kind we do not know") from error
    if not isinstance(loaded, RSAPublicKey):
        raise ValueError("the public key is not an RSA key")
    return loaded


def encrypt_pin(pin: str, public_key: str, padding_name: str) -> str:
    """The PIN for one order, in base64. Raises: NotSent when the connection's key or padding is no good."""
    try:
        return base64.b64encode(load_public_key(public_key).encrypt(pin.encode(), PADDINGS[padding_name])).decode()
    except (ValueError, KeyError) as error:
        raise NotSent("the PIN cannot be encrypted: check the public key and the padding of the connection") from error


def sign_message(body: bytes, public_key: str) -> dict[str, str]:
    """The two headers of a signed message: the body under a fresh AES key, and that key under the rail's.

    Raises: NotSent.
    """
    key, start = os.urandom(32), os.urandom(16)
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(start)).encryptor()
    sealed = encryptor.update(padder.update(body) + padder.finalize()) + encryptor.finalize()
    both = f"{base64.b64encode(key).decode()}:{base64.b64encode(start).decode()}"
    return {
        "x-signature": base64.b64encode(sealed).decode(),
        "x-key": encrypt_pin(both, public_key, "pkcs1v15"),
    }
