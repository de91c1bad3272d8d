"""A port for a server under test, which nobody else can have in between."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def port_of_ours() -> Iterator[int]:
    """A free port, bound until the end. Our HTTP server listens there all the same, because it shares its port with
    those of its own user who ask alike; to everybody else the port is taken."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        yield port
