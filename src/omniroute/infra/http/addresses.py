"""Which addresses a stranger may make us call.

A tenant chooses where its webhooks go. Without a check that would be a way into the network we stand in. The check is
made on the addresses a name leads to, and the connection is made to exactly these: a name that leads elsewhere a
moment later gains nothing.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from omniroute.kit.refusal import Kind, Refusal

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]

_CLOSED = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2002::/16",
        "fec0::/10",
    )
)


class PrivateAddress(Refusal):
    """The address is not a public one: it leads into a private network, to this machine, or is none for https.

    Give an https address that everybody can reach.
    """

    code = "http.private_address"
    kind = Kind.INVALID


def check_public_url(url: str, *, allow_loopback: bool = False) -> None:
    """Refuse an address that is wrong by itself, without asking for what its name leads to.

    Raises: PrivateAddress.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise PrivateAddress("the address cannot be read") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise PrivateAddress("the address cannot be read")
    if parts.scheme != "https" and not (allow_loopback and parts.scheme == "http"):
        raise PrivateAddress("the address must start with https://")
    if not host or parts.username is not None or parts.password is not None:
        raise PrivateAddress("the address must name a host, and no login")
    try:
        literal = ip_address(host)
    except ValueError:
        return
    _check(literal, allow_loopback)


async def refuse_private(url: str, *, allow_loopback: bool = False) -> tuple[str, ...]:
    """The addresses behind a URL, all of them public. Connect to one of these, never to the name.

    Raises: PrivateAddress; OSError when the name leads nowhere.
    """
    check_public_url(url, allow_loopback=allow_loopback)
    parts = urlsplit(url)
    assert parts.hostname is not None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = await public_addresses(parts.hostname, port, allow_loopback=allow_loopback)
    if parts.scheme == "http" and not all(_plain(ip_address(address)).is_loopback for address in addresses):
        raise PrivateAddress("the address must start with https://")
    return addresses


async def public_addresses(host: str, port: int, *, allow_loopback: bool = False) -> tuple[str, ...]:
    """Where a name leads; one private address among them is enough to refuse all.

    Raises: PrivateAddress; OSError when the name leads nowhere.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise PrivateAddress("the name leads nowhere")
    for address in addresses:
        if "%" in address:
            raise PrivateAddress("the address is not a public one")
        _check(ip_address(address), allow_loopback)
    return addresses


def public_only(*, allow_loopback: bool = False) -> Resolve:
    """For `RailHttp(resolve=...)`: every connection is made to an address that was checked just before."""

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return await public_addresses(host, port, allow_loopback=allow_loopback)

    return resolve


def _check(address: IPv4Address | IPv6Address, allow_loopback: bool) -> None:
    plain = _plain(address)
    if allow_loopback and plain.is_loopback:
        return
    closed = any(plain.version == network.version and plain in network for network in _CLOSED)
    if closed or not plain.is_global or plain.is_multicast or plain.is_reserved or plain.is_unspecified:
        raise PrivateAddress("the address is not a public one")


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv6 one."""
    return getattr(address, "ipv4_mapped", None) or address
