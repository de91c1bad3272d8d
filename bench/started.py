"""Peers that are servers of their own: a module of this package, started as `python -m MODULE PORT ...`."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """A process that listens."""

    port: int
    pid: int


@asynccontextmanager
async def started(module: str, *arguments: str) -> AsyncIterator[Started]:
    """Start it, wait until it listens, and kill it in the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, str(port), *arguments)
    try:
        for _ in range(300):
            assert process.returncode is None, f"{module} did not start"
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.1)
        yield Started(port, process.pid)
    finally:
        process.kill()
        await process.wait()
