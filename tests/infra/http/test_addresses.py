"""Addresses that strangers choose lead to the public network only, and cannot change their mind."""

import socket
from typing import Any

import pytest

from omniroute.infra.http import ExchangeFailed, PrivateAddress, Sent, check_public_url, public_only, refuse_private
from tests.infra.http.peer import client, replies, serve, submit

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.9",
    "[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[fd12::1]", "[ff02::1]", "[fec0::1]", "[::ffff:10.0.0.1]",
    "[::ffff:127.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "[2001:db8::1]", "[2001:0:1::]",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
async def test_private_addresses_are_refused(host: str) -> None:
    with pytest.raises(PrivateAddress):
        check_public_url(f"https://{host}/hook")
    with pytest.raises(PrivateAddress):
        await refuse_private(f"https://{host}/hook")


@pytest.mark.parametrize(
    "url",
    ["http://8.8.8.8/", "ftp://8.8.8.8/", "https://", "https://user:pw@8.8.8.8/", "https://8.8.8.8:99999/",
     "https://8.8.8.8/a b", "https://ex\u00e4mple.com/", "//8.8.8.8/", "https://8.8.8.8/\n", "javascript:alert(1)"],
)  # fmt: skip
def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(PrivateAddress):
        check_public_url(url)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"])
async def test_other_spellings_of_this_machine_are_refused(host: str) -> None:
    with pytest.raises((PrivateAddress, OSError)):
        await refuse_private(f"https://{host}/hook")


async def test_public_addresses_pass() -> None:
    assert await refuse_private("https://8.8.8.8/hook") == ("8.8.8.8",)
    assert await refuse_private("https://[2606:4700::1111]:8443/hook") == ("2606:4700::1111",)


async def test_loopback_may_be_allowed_and_nothing_else() -> None:
    assert await refuse_private("http://127.0.0.1:1234/hook", allow_loopback=True) == ("127.0.0.1",)
    for url in ("http://8.8.8.8/", "https://10.0.0.1/", "http://169.254.169.254/"):
        with pytest.raises(PrivateAddress):
            await refuse_private(url, allow_loopback=True)


async def test_one_private_address_among_public_ones_refuses_all(monkeypatch: pytest.MonkeyPatch) -> None:
    answers("8.8.8.8", "10.0.0.1", monkeypatch=monkeypatch)
    with pytest.raises(PrivateAddress):
        await refuse_private("https://hooks.example/")


async def test_the_connection_is_made_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(replies) as peer:
        url = peer.url.replace("127.0.0.1", "hooks.example")
        names = answers("127.0.0.1", monkeypatch=monkeypatch)
        async with client(resolve=public_only(allow_loopback=True)) as http:
            assert (await http.exchange(submit(url))).status == 200
            assert names == ["hooks.example"]  # Asked once: what was checked is what is used.
            assert b"Host: hooks.example" in peer.received


async def test_a_name_that_leads_inside_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(replies) as peer:
        url = peer.url.replace("127.0.0.1", "hooks.example")
        answers("127.0.0.1", monkeypatch=monkeypatch)
        async with client(resolve=public_only()) as http:
            with pytest.raises(ExchangeFailed, match="public") as failure:
                await http.exchange(submit(url))
            assert failure.value.sent is Sent.NO
        assert peer.connections == 0


def answers(*addresses: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names lead to these addresses; what is asked is noted."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def lookup(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host in addresses:
            return real(host, port, *more, **options)
        asked.append(str(host))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked
