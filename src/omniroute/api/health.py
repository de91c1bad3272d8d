"""Is the process alive, can it work, what does it measure; and the documents about itself."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from prometheus_client import generate_latest
from psycopg_pool import AsyncConnectionPool

from omniroute.api.call import Call
from omniroute.api.operations import Access, Reply, operation
from omniroute.infra.postgres import DatabaseUnavailable, StatementTimeout, WriteConflict

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class HealthOut(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class ReadinessOut(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the process can do its work, and what it looked at."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, Literal["ok", "failed"]]


@operation(
    "GET",
    "/health",
    tag="Health",
    access=Access.OPEN,
    transaction=False,
    reply=HealthOut,
    example_reply={"status": "ok"},
)
async def get_health(call: Call) -> HealthOut:
    """Say that the process is alive.

    Looks at nothing else: a restart does not mend a database.
    """
    return HealthOut()


@operation(
    "GET", "/readiness", tag="Health", access=Access.OPEN, transaction=False, reply=ReadinessOut,
    statuses=(503,), example_reply={"status": "ready", "checks": {"database": "ok", "disk": "ok"}},
)  # fmt: skip
async def get_readiness(call: Call) -> Reply:
    """Say whether requests should be sent here.

    Looks at the database and at the free space of the data folder.
    """
    checks: dict[str, Callable[[Call], Awaitable[bool]]] = {"database": _database_answers, "disk": _disk_has_room}
    found = {name: await check(call) for name, check in checks.items()}
    ready = all(found.values())
    out = ReadinessOut(
        status="ready" if ready else "not_ready",
        checks={name: "ok" if good else "failed" for name, good in found.items()},
    )
    return Reply(out, status=200 if ready else 503)


async def _database_answers(call: Call) -> bool:
    try:
        async with asyncio.timeout(3), call.services.db.connection() as connection:
            await AsyncConnectionPool.check_connection(connection)
    except (DatabaseUnavailable, StatementTimeout, WriteConflict, TimeoutError):
        return False
    return True


async def _disk_has_room(call: Call) -> bool:
    folder = call.services.data_folder
    if folder is None:
        return True
    try:
        usage = await asyncio.to_thread(shutil.disk_usage, folder)
    except OSError:
        return False
    return usage.free >= call.services.limits.disk_free_bytes_min


@operation("GET", "/metrics", tag="Health", access=Access.OPEN, transaction=False, media_type="text/plain", reply=str)
async def get_metrics(call: Call) -> Reply:
    """Show the metrics of this process in the Prometheus text format."""
    return Reply(generate_latest(call.services.registry), content_type=METRICS_TYPE)
