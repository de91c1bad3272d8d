"""Files of payments, and an organisation that sends them in."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from omniroute.infra.events import Meta
from omniroute.kit.clock import FixedClock
from omniroute.money import batches
from omniroute.money.batches import (
    LINES_MAX,
    Batch,
    BatchFormat,
    BatchWorker,
    Chunks,
    Defaults,
    Line,
    ReceiveBatch,
    Upload,
)
from omniroute.money.institutions import check_digit
from tests.money.payments.house import META, WALLET, House, today

CHECKER = Meta(actor="usr_checker", channel="test")
NG = Defaults(currency="NGN", source=WALLET, country="NG")


def account(number: int) -> str:
    """A Nigerian account number at bank 058 (000013) with the right check digit."""
    serial = f"{number:09d}"
    return serial + str(check_digit("058", serial))


def table(rows: int, *, amount: str = "50.00", first: int = 1) -> bytes:
    """A CSV file of so many payments."""
    lines = ["reference,amount,account_number,institution,payee_name"]
    lines += [f"R{n},{amount},{account(n)},000013,Payee {n}" for n in range(first, first + rows)]
    return "\n".join(lines).encode()


@dataclass
class Books:
    """The rules of one organisation, for the worker."""

    house: House

    async def get(self, tenant_id: UUID) -> Any:
        return self.house.rules


@dataclass
class Sender:
    """Sends files in for an organisation, and lets its worker work."""

    house: House
    worker: BatchWorker

    @property
    def clock(self) -> FixedClock:
        return self.house.clock

    async def send(
        self,
        content: bytes,
        format_: BatchFormat = BatchFormat.CSV,
        *,
        charset: str | None = None,
        lines_max: int = LINES_MAX,
        **options: Any,
    ) -> Batch:
        """A file, received."""
        command = replace(ReceiveBatch(defaults=options.pop("defaults", NG)), **options)
        upload = Upload(io.BytesIO(content), len(content), sha256(content).digest(), format_, charset)
        async with self.house.db.tx(self.house.tenant_id) as tx:
            return await batches.receive(
                tx,
                upload,
                command,
                actor="usr_maker",
                branches=None,
                now=self.clock.now(),
                meta=META,
                lines_max=lines_max,
            )

    async def checked(self, content: bytes, format_: BatchFormat = BatchFormat.CSV, **options: Any) -> Batch:
        """A file, received and checked."""
        batch = await self.send(content, format_, **options)
        while await self.worker.advance():
            pass
        return await self.stands(batch)

    async def started(self, content: bytes, format_: BatchFormat = BatchFormat.CSV, **options: Any) -> Batch:
        """A file, received, checked, submitted and approved; nothing initiated."""
        batch = await self.checked(content, format_, **options)
        await self.do("submit", batch, actor="usr_maker", on_invalid=None)
        await self.do("approve", batch, actor="usr_checker", comment=None)
        return await self.stands(batch)

    async def do(self, what: str, batch: Batch, **given: Any) -> Any:
        """One of the acts of people."""
        async with self.house.db.tx(self.house.tenant_id) as tx:
            return await getattr(batches, what)(tx, batch.batch_id, now=self.clock.now(), meta=META, **given)

    async def initiated(self, batch: Batch) -> Batch:
        """Let the worker make payments of every line."""
        while await self.worker.advance():
            pass
        return await self.stands(batch)

    async def finished(self, batch: Batch) -> Batch:
        """Let batch and payments run until nothing is under way."""
        for _ in range(20):
            while await self.worker.advance():
                pass
            await self.house.settle()
            self.clock.at += timedelta(seconds=5)
            batch = await self.stands(batch)
            if batch.settled:
                return batch
        raise AssertionError(f"the batch does not end: {batch}")

    async def stands(self, batch: Batch) -> Batch:
        """The batch as it stands, counted now."""
        async with self.house.db.tx(self.house.tenant_id) as tx:
            found = await batches.find_batch(tx, batch.batch_id, now=self.clock.now())
        return found

    async def lines(self, batch: Batch) -> list[Line]:
        async with self.house.db.tx(self.house.tenant_id) as tx:
            return [line async for line in batches.all_lines(tx, batch.batch_id)]

    async def rows(self, text: str, *parameters: object) -> Sequence[Any]:
        """Rows as they lie in the database."""
        async with self.house.db.tx(self.house.tenant_id) as tx:
            return await (await tx.connection.execute(text.encode(), list(parameters))).fetchall()

    async def moved(self) -> tuple[int, list[tuple[int, int]]]:
        """Payments there are, and balances: equal means that nothing moved."""
        (row,) = await self.rows("SELECT count(*) AS payments FROM payment")
        return row.payments, await self.house.balances(WALLET, "float:toy")


def sender(house: House, *, check: int = 1_000, initiate: int = 500) -> Sender:
    """A sender with a worker of its own."""
    worker = BatchWorker(
        house.worker, Books(house), clock=house.clock, business_day=today, chunks=Chunks(check, initiate)
    )
    return Sender(house, worker)
