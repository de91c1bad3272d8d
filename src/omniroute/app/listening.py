"""Ports of ours: one process has it to itself from the choice to the end of listening."""

import asyncio
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from omniroute.app.settings import Settings
from omniroute.infra.telemetry import logger

log = logger("omniroute.processes")

PATIENCE_S = 30
FILES_BESIDE = 512
"""Open files that are no connections of clients: those to the database and to rails, logs, libraries."""
_STEP_S = 0.02


@contextmanager
def reserved(settings: Settings, started: Callable[[str], None]) -> Iterator[tuple[Settings, Callable[[str], None]]]:
    """Settings with a port that is ours, a free one for port 0: rails are told where to call back before we listen.

    The HTTP server shares its port with whoever asks alike, so that two systems would answer in turns. Hence we look
    whether somebody has it, and keep it bound until `started` is called: then the server listens on it.

    Raises: ConnectionError when somebody has it, or we may not.
    """
    host = settings.http_host
    with _bound(host, settings.http_port) as first:
        port: int = first.getsockname()[1]
    with _bound(host, port, share=True) as held:

        def listens(url: str) -> None:
            held.close()
            started(url)

        yield replace(settings, http_port=port), listens


def _bound(host: str, port: int, *, share: bool = False) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        # The second lets old connections of ours linger, and is blind to a port that is bound and not yet listened on
        # if its holder sets it too.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if share else socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise ConnectionError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return bound


async def until_listening(host: str, port: int, serving: asyncio.Task[None]) -> None:
    """Until the server answers there.

    Raises: ConnectionError when it cannot listen there.
    """
    for _ in range(int(PATIENCE_S / _STEP_S)):
        if serving.done():
            serving.result()
            break
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(_STEP_S)
            continue
        writer.close()
        return
    raise ConnectionError(f"cannot listen on {host}:{port}")


def room_for(connections: int) -> int:
    """How many of these connections of clients may be open at a time: each is an open file of this process.

    The limit of open files is raised to that, as far as the system allows; where that is not far enough, it is said.
    """
    wanted = connections + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed == wanted:
        return connections
    fitting = max(16, allowed - FILES_BESIDE)
    log.warning("the limit of open files holds fewer connections than wanted", limit=hard, connections=fitting)
    return fitting
