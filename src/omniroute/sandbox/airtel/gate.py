"""What Airtel's router checks before a payment is looked at: country, PIN, signature."""

import base64
import binascii
from functools import cache
from importlib.resources import files

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

PADDINGS = {
    "pkcs1v15": padding.PKCS1v15(),
    "oaep_sha1": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),  # noqa: S303 - as the rail has it.
    "oaep_sha256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
}


@cache
def _key() -> RSAPrivateKey:
    key = load_pem_private_key(files("omniroute.sandbox.airtel").joinpath("key.pem").read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


@cache
def public_key() -> str:
    """The key for PINs as the rail hands it out: base64 without anything around it."""
    return base64.b64encode(_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def open_secret(sealed: object, padding_name: str) -> str | None:
    """What was encrypted for the rail; None when it was not. PKCS #1 v1.5 gives noise for what was not made with it."""
    try:
        return _key().decrypt(base64.b64decode(str(sealed), validate=True), PADDINGS[padding_name]).decode()
    except (ValueError, binascii.Error):
        return None


def is_signed(body: bytes, signature: str, key: str) -> bool:
    """Whether the signature holds this very body, under the key that came with it."""
    both = open_secret(key, "pkcs1v15")
    try:
        secret, start = (base64.b64decode(part, validate=True) for part in (both or "").split(":"))
        decryptor = Cipher(algorithms.AES(secret), modes.CBC(start)).decryptor()
        padded = decryptor.update(base64.b64decode(signature, validate=True)) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize() == body
    except (ValueError, binascii.Error):
        return False
