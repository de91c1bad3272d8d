"""An address, taken apart for a connection and a request line."""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection leads."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Target:
    """What a request needs of its address."""

    origin: Origin
    path: bytes
    host_header: bytes


@lru_cache(1024)
def split_url(url: str) -> Target:
    """Take an address apart.

    Raises: ValueError without the address in it.
    """
    if not url.isprintable() or " " in url:
        raise ValueError("the address cannot be read")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        path = (parts.path or "/").encode("ascii") + (b"?" + parts.query.encode("ascii") if parts.query else b"")
        name = host.encode("idna").decode() if host and ":" not in host else host
    except ValueError:
        raise ValueError("the address cannot be read") from None
    if parts.scheme not in ("http", "https") or not name:
        raise ValueError("the address is not one of http or https")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the address has a login in it")
    standard = 443 if parts.scheme == "https" else 80
    shown = f"[{name}]" if ":" in name else name
    if port not in (None, standard):
        shown += f":{port}"
    return Target(Origin(parts.scheme, name, standard if port is None else port), path, shown.encode("ascii"))
