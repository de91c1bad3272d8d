"""The heart of `omniroute demo`: many clients post a file at once, through crashes of the database."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from omniroute.app.demo_client import Connection, Reply, Unexpected
from omniroute.app.demo_network import Transfer, posting
from omniroute.infra.postgres import EmbeddedPostgres

CLIENTS = 64
LOOKED_BACK = 500
"""Rows before a crash that are sent again: a client that saves its place only now and then does the same."""
DOWN_S = 0.5


@dataclass(slots=True)
class Sheet:
    """How far the file is posted. Every row has one outcome, however often it was sent."""

    transfers: Sequence[Transfer]
    accepted: int = 0
    refused: int = 0
    replayed: int = 0
    retries: int = 0
    kills: int = 0
    wrong: list[str] = field(default_factory=list)
    _next: int = 0
    _again: deque[int] = field(default_factory=deque)
    _outcomes: dict[int, bytes] = field(default_factory=dict)
    _order: deque[int] = field(default_factory=lambda: deque(maxlen=LOOKED_BACK))

    @property
    def done(self) -> int:
        """Rows with an outcome."""
        return len(self._outcomes)

    def take(self) -> int | None:
        """The next row to send."""
        if self._again:
            return self._again.popleft()
        if self._next == len(self.transfers):
            return None
        self._next += 1
        return self._next - 1

    def look_back(self) -> None:
        """Send the latest rows again; the ledger must answer each as it did the first time."""
        self._again.extend(self._order)

    def record(self, row: int, reply: Reply) -> None:
        """Note what became of a row, and whatever is not as it must be."""
        transfer = self.transfers[row]
        self.retries += reply.tries - 1
        self.replayed += reply.replayed
        outcome = blake2b(reply.body, digest_size=16).digest()
        before = self._outcomes.setdefault(row, outcome)
        if before is not outcome:
            if before != outcome:
                self.wrong.append(f"{transfer.key} was answered differently when it was sent again")
            if not reply.replayed:
                self.wrong.append(f"{transfer.key} was done twice")
            return
        self._order.append(row)
        if reply.status == 201:
            self.accepted += 1
        elif reply.status == 422 and msgspec.json.decode(reply.body)["code"] == "ledger.insufficient_funds":
            self.refused += 1
        else:
            raise Unexpected(f"{transfer.key} was answered {reply.status}: {reply.body[:500].decode(errors='replace')}")
        if transfer.is_overspent != (reply.status == 422):
            self.wrong.append(f"{transfer.key} was answered {reply.status}")


async def post_all(
    sheet: Sheet, *, host: str, port: int, secret: str, path: str, advanced: Callable[[Sheet], None]
) -> None:
    """Post every row, many at once; each with the key of its row.

    Raises: NoAnswer, Unexpected.
    """

    async def client() -> None:
        async with Connection(host, port, secret) as connection:
            while (row := sheet.take()) is not None:
                transfer = sheet.transfers[row]
                reply = await connection.post(path, msgspec.json.encode(posting(transfer)), key=transfer.key)
                sheet.record(row, reply)
                advanced(sheet)

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())


async def crash(sheet: Sheet, server: EmbeddedPostgres, kills: int, *, said: Callable[[str], None]) -> None:
    """Kill the database with -9, all its processes, as the file proceeds (twice: at one and two thirds)."""
    total = len(sheet.transfers)
    for number in range(1, kills + 1):
        while sheet.done < total * number // (kills + 1):  # noqa: ASYNC110 - a glance is cheaper than an event a row
            await asyncio.sleep(0.01)
        pid, done = server.pid, sheet.done
        await server.kill()
        sheet.kills += 1
        await asyncio.sleep(DOWN_S)
        await server.start()
        sheet.look_back()
        said(f"database killed with -9 (process {pid}) after {done:,} transfers; it recovers, and we go on")
