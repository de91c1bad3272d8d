"""Fetching keys over TLS: connected to by address, judged by name."""

import asyncio
import ipaddress
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey

from omniroute.kit.clock import SystemClock
from omniroute.parties.access.jwks import check_jwks_uri, fetch_jwks
from tests.parties.makers import refuses

KEYS = {"keys": [ECKey.generate_key("P-256", {"kid": "one"}).as_dict(private=False)]}


def certificate(folder: Path, name: str) -> Path:
    """A key and a certificate for one name, signed by itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    try:
        named: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        named = x509.DNSName(name)
    now: datetime = SystemClock().now().astimezone(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([named]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize(("name", "is_right"), [("localhost", True), ("login.acme.example", False)])
async def test_the_certificate_must_be_of_the_name_asked(tmp_path: Path, name: str, is_right: bool) -> None:
    file = certificate(tmp_path, name)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(file)
    hosts: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        hosts.append(next(line for line in request.split(b"\r\n") if line.lower().startswith(b"host:")))
        body = json.dumps(KEYS).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
    async with server:
        port = server.sockets[0].getsockname()[1]
        trusting = ssl.create_default_context(cafile=str(file))
        uri = f"https://localhost:{port}/jwks"
        if is_right:
            (key,) = await fetch_jwks(uri, loopback_allowed=True, verify=trusting)
            assert key.kid == "one"
            assert hosts == [b"Host: localhost:%d" % port]
        else:
            with refuses("access.provider_unreachable"):
                await fetch_jwks(uri, loopback_allowed=True, verify=trusting)
        with refuses("access.provider_unreachable"):  # Nobody vouches for this certificate.
            await fetch_jwks(uri, loopback_allowed=True)
    assert len(hosts) == int(is_right)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "login.acme.example/jwks",
        "ftp://login.acme.example/jwks",
        "http://localhost/jwks",
        "https://",
        "https://user@login.acme.example/jwks",
        "https://login.acme.example/jwks#part",
        "https://login.acme.example:99999/jwks",
        "https://[::1/jwks",
        "https://login.acme.example/" + "x" * 500,
    ],
)
def test_addresses_we_do_not_fetch_from(uri: str) -> None:
    with refuses("access.malformed"):
        check_jwks_uri(uri)
