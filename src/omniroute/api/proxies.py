"""Whose request this is when proxies stand before us: the last address that no trusted proxy vouches for.

Every proxy appends the address it was called from. What stands left of the first untrusted address was written by
that address and may be a lie; so the list is read from its end, and only when the peer itself is trusted. One header is
believed, the one that the proxies write: the other one passes through them as the client sent it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

from omniroute.kit.networks import Network

ForwardedHeader = Literal["x-forwarded-for", "forwarded"]

# Unquoted values may hold colons and brackets here, because many proxies write addresses so.
_PAIR = re.compile(r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([^\s",;=\\]+|"(?:[^"\\]|\\.)*")""", re.ASCII)
_ELEMENT = re.compile(rf"[ \t]*(?:{_PAIR.pattern}[ \t]*(?:;[ \t]*|(?=,|$)))*(?:,|$)", re.ASCII)
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\w+)?|([^:\[\]]+)(?::\w+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies in front of us. Without networks nobody is believed, and the peer is the client."""

    networks: tuple[Network, ...] = ()
    header: ForwardedHeader = "x-forwarded-for"

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address of the client: the peer's, or that of the last hop that is no trusted proxy.

        A hop that hides (`unknown`, `_name`) or makes no sense ends the search: then it is the proxy that wrote it.
        """
        if not self.networks:
            return peer
        name = self.header.encode()
        lines = tuple(value for key, value in headers if key == name)
        return _client(self, peer, lines) if lines else peer

    def trusts(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether this is one of the proxies."""
        return any(address in network for network in self.networks)


@lru_cache(maxsize=4_096)
def _client(proxies: Proxies, peer: str, lines: tuple[bytes, ...]) -> str:
    at = read_address(peer)
    if at is None or not proxies.trusts(at):
        return peer
    for line in reversed(lines):
        text = line.decode("latin-1")
        hops = read_forwarded(text) if proxies.header == "forwarded" else text.split(",")
        for hop in reversed(hops or [""]):
            address = read_address(hop)
            if address is None:
                return str(at)
            at = address
            if not proxies.trusts(at):
                return str(at)
    return str(at)


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in a hop, with or without a port; None for anything else. IPv4 inside IPv6 is IPv4."""
    text = text.strip()
    found = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address(text if found is None else found[1] or found[2])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or (None if address.scope_id else address)
    return address


def read_forwarded(text: str) -> list[str] | None:
    """The `for` of each element of a `Forwarded` line (RFC 7239), empty where it has none; None when it is malformed.

    A stray quotation mark must not swallow what a proxy appended, so nothing of a malformed line counts.
    """
    hops: list[str] = []
    at = 0
    while at < len(text):
        element = _ELEMENT.match(text, at)
        if element is None:
            return None
        pairs = [(found[1].lower(), found[2]) for found in _PAIR.finditer(element[0])]
        named = [value for name, value in pairs if name == "for"]
        if len(named) > 1:
            return None
        hops.append(_unquoted(named[0]) if named else "")
        at = element.end()
    return hops


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
