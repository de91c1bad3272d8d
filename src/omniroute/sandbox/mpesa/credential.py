"""The initiator's password, as it comes: under the certificate, RSA with PKCS #1 v1.5."""

import base64
import binascii
from functools import cache
from importlib.resources import files

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_FOLDER = files("omniroute.sandbox.mpesa")
CERTIFICATE = _FOLDER.joinpath("certificate.pem").read_text()


@cache
def _key() -> RSAPrivateKey:
    key = load_pem_private_key(_FOLDER.joinpath("key.pem").read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def open_credential(credential: str) -> str | None:
    """The password in it; None when it was not made with our certificate."""
    try:
        return _key().decrypt(base64.b64decode(credential, validate=True), PKCS1v15()).decode()
    except (ValueError, binascii.Error):
        return None
