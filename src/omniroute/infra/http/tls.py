"""Who the other side must prove to be, and how we prove who we are."""

import os
import ssl
import tempfile
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

CONTEXTS_MAX = 256


@dataclass(frozen=True, slots=True)
class Tls:
    """Private CA (instead of the public ones), and a client certificate with its key; all PEM, or None."""

    ca_pem: bytes | None = None
    certificate_pem: bytes | None = None
    key_pem: bytes | None = field(default=None, repr=False)
    server_name: str | None = None  # Name to find in the certificate, where it is not the one in the address.


class BadTls(ValueError):
    """A certificate or key of the connection is damaged, or they do not belong together."""


_contexts: OrderedDict[Tls, ssl.SSLContext] = OrderedDict()


def tls_context(tls: Tls) -> ssl.SSLContext:
    """The context for these certificates; made once, as it takes milliseconds.

    Raises: BadTls.
    """
    found = _contexts.get(tls)
    if found is not None:
        _contexts.move_to_end(tls)
        return found
    context = _build(tls)
    _contexts[tls] = context
    while len(_contexts) > CONTEXTS_MAX:
        _contexts.popitem(last=False)
    return context


def _build(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=tls.ca_pem.decode("ascii") if tls.ca_pem else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if tls.certificate_pem is not None:
            _load_certificate(context, tls.certificate_pem + b"\n" + (tls.key_pem or b""))
    except (ssl.SSLError, ValueError, OSError):
        # OpenSSL's text says where in the file, and the file is a secret.
        raise BadTls("a certificate or key is damaged, or they do not belong together") from None
    return context


def _load_certificate(context: ssl.SSLContext, pem: bytes) -> None:
    # OpenSSL reads keys from files only; where there is memory that looks like a file, the key never meets a disk.
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("certificate", os.MFD_CLOEXEC)
        try:
            os.write(handle, pem)
            context.load_cert_chain(f"/proc/self/fd/{handle}", password=_no_password)
        finally:
            os.close(handle)
        return
    handle, name = tempfile.mkstemp()
    try:
        os.write(handle, pem)
        os.close(handle)
        context.load_cert_chain(name, password=_no_password)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


def _no_password() -> str:
    """Without this OpenSSL would ask the terminal for the password of a locked key."""
    return ""
