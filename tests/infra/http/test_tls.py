"""Certificates of both sides, against a real TLS server."""

import asyncio
import ssl

import pytest

from omniroute.infra.http import BadTls, ExchangeFailed, Sent, Tls, tls_context
from tests.infra.http.certificates import Authority
from tests.infra.http.peer import client, replies, serve, submit


async def test_a_private_ca_and_a_client_certificate() -> None:
    authority = Authority()
    certificate, key = authority.issue("omniroute")
    tls = Tls(authority.pem, certificate, key)
    async with serve(replies, tls=authority.server(wants_client=True)) as peer, client(tls=tls) as http:
        for _ in range(3):
            assert (await http.exchange(submit(peer.url))).status == 200
        assert (peer.connections, peer.requests) == (1, 3)


@pytest.mark.parametrize("ca", ["public", "another"])
async def test_a_server_of_another_ca_gets_nothing(ca: str) -> None:
    tls = Tls() if ca == "public" else Tls(Authority("Other CA").pem)
    async with serve(replies, tls=Authority().server()) as peer, client(tls=tls) as http:
        with pytest.raises(ExchangeFailed, match="certificate") as failure:
            await http.exchange(submit(peer.url))
        assert failure.value.sent is Sent.NO
        assert not peer.received


async def test_a_server_of_another_name_gets_nothing_unless_the_name_is_expected() -> None:
    authority = Authority()
    async with serve(replies, tls=authority.server("bank.example")) as peer:
        async with client(tls=Tls(authority.pem)) as http:
            with pytest.raises(ExchangeFailed, match="certificate") as failure:
                await http.exchange(submit(peer.url))
            assert failure.value.sent is Sent.NO
            assert not peer.received
        async with client(tls=Tls(authority.pem, server_name="bank.example")) as http:
            assert (await http.exchange(submit(peer.url))).status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_that_is_missing_moves_nothing(version: ssl.TLSVersion) -> None:
    authority = Authority()
    context = authority.server(wants_client=True)
    context.minimum_version = context.maximum_version = version
    async with serve(replies, tls=context) as peer, client(tls=Tls(authority.pem)) as http:
        with pytest.raises(ExchangeFailed) as failure:
            await http.exchange(submit(peer.url))
        await asyncio.sleep(0.02)
        assert not peer.received
        if version is ssl.TLSVersion.TLSv1_2:
            assert failure.value.sent is Sent.NO


def test_the_least_is_tls_1_2() -> None:
    assert tls_context(Tls()).minimum_version is ssl.TLSVersion.TLSv1_2


async def test_plain_http_where_tls_is_expected_is_no() -> None:
    async with serve(replies) as peer, client() as http:
        with pytest.raises(ExchangeFailed) as failure:
            await http.exchange(submit(peer.url.replace("http:", "https:"), deadline_s=2))
        assert failure.value.sent is Sent.NO
        assert peer.requests == 0


def test_contexts_are_made_once() -> None:
    authority = Authority()
    assert tls_context(Tls(authority.pem)) is tls_context(Tls(authority.pem))
    assert tls_context(Tls(authority.pem)) is not tls_context(Tls(Authority().pem))


async def test_damaged_certificates_are_refused_without_showing_the_key() -> None:
    authority = Authority()
    certificate, key = authority.issue("omniroute")
    _, other = authority.issue("somebody else")
    locked_certificate, locked = authority.issue("locked", password=b"pw")
    bad = [
        Tls(b"not a certificate"),
        Tls("\u20ac".encode()),
        Tls(authority.pem, certificate, b"no key"),
        Tls(authority.pem, certificate, None),
        Tls(authority.pem, certificate, other),
        Tls(authority.pem, locked_certificate, locked),
    ]
    for tls in bad:
        with pytest.raises(BadTls) as error:
            tls_context(tls)
        assert "BEGIN" not in str(error.value)
        async with client(tls=tls) as http:
            with pytest.raises(ExchangeFailed, match="damaged") as failure:
                await http.exchange(submit("https://127.0.0.1:9/pay"))
            assert failure.value.sent is Sent.NO
    assert key.decode() not in repr(Tls(authority.pem, certificate, key))
