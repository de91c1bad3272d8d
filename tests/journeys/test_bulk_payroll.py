"""A payroll file: checked line by line, approved by somebody else, paid, and answered with a file."""

import io
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from omniroute.infra.postgres import Database, Tx
from omniroute.kit.refusal import Refusal
from omniroute.money import batches
from omniroute.money.batches import BatchFormat, BatchWorker, Defaults, ReceiveBatch, Upload
from omniroute.sandbox.faults import FaultPlan
from tests.journeys.payouts import PayoutStory, account
from tests.money.payments.house import META, START
from tests.money.payments.rails import stage

PAYEES = ("221234101", "221234102", "221234103", "221234906", "221234105")
BAD = "2212341060"


def _file() -> bytes:
    """Five wages and one with a check digit that cannot be; the fourth payee's bank says no."""
    lines = ["reference,amount,account_number,institution,payee_name"]
    for place, serial in enumerate(PAYEES, 1):
        payee = account(serial)
        lines.append(f"WAGE-{place},{60_000 + 2_500 * place}.00,{payee.identifier},{payee.institution},{payee.name}")
    lines.append(f"WAGE-6,75000.00,{BAD},000013,OKAFOR NGOZI")
    return "\n".join(lines).encode()


class Payroll:
    """A batch and what is done to it, each act in a transaction of its own."""

    def __init__(self, shop: PayoutStory) -> None:
        self.shop = shop
        self.batch: Any = None
        self.worker = BatchWorker(
            shop.one.worker, shop.rules, clock=shop.one.clock, business_day=lambda tenant_id: START.date()
        )

    async def receive(self, tx: Tx, content: bytes) -> None:
        upload = Upload(io.BytesIO(content), len(content), sha256(content).digest(), BatchFormat.CSV)
        command = ReceiveBatch("PAYROLL-9", "Wages, week 9", defaults=Defaults(currency="NGN", source="wallet:NGN"))
        self.batch = await batches.receive(tx, upload, command, actor="usr_amina", branches=None, now=START, meta=META)

    async def do(self, what: str, **given: Any) -> Any:
        async with self.shop.db.tx(self.shop.tenant_id) as tx:
            now = self.shop.one.clock.now()
            return await getattr(batches, what)(tx, self.batch.batch_id, now=now, meta=META, **given)

    async def work(self) -> None:
        while await self.worker.advance():
            pass

    async def stands(self) -> batches.Batch:
        async with self.shop.db.tx(self.shop.tenant_id) as tx:
            self.batch = await batches.find_batch(tx, self.batch.batch_id, now=self.shop.one.clock.now())
        stood: batches.Batch = self.batch
        return stood

    async def file(self, made: Any, *columns: str) -> str:
        """A file that is handed out; the columns that are the same at each run."""
        async with self.shop.db.tx(self.shop.tenant_id) as tx:
            text = b"".join([part async for part in made(tx, self.batch)]).decode()
        rows = [row.split(",") for row in text.splitlines()]
        places = [rows[0].index(column) for column in columns]
        return "```csv\n" + "\n".join(",".join(row[place] for place in places) for row in rows) + "\n```"


async def test_bulk_payroll(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    async with stage(app_db, worker_db, owner_db, FaultPlan()) as one:
        shop = PayoutStory(one, "bulk-payroll", "Recipe: a payroll file with approval", "nip", approvals=1)
        pay = Payroll(shop)
        content = _file()
        shop.say(
            "Amina sends in a file (`POST /v1/ORG/payment-batches`). `omniroute pay` reads the same files, and makes "
            "of their lines payments that are approved one by one, where the rules ask for it."
        )
        shop._page.append(f"```csv\n{content.decode()}\n```")
        async with app_db.tx(shop.tenant_id) as tx:
            await pay.receive(tx, content)
        await pay.work()
        shop.heading("Checked before anything moves")
        shop.say(
            "Each line is checked as a single payment would be. The report names the line, the field and the rule."
        )
        columns = ("line", "reference", "amount", "outcome", "code", "field")
        shop._page.append(await pay.file(batches.report_csv, *columns))
        with pytest.raises(Refusal) as refused:
            await pay.do("submit", actor="usr_amina", on_invalid=None)
        shop.say(f"A file with a bad line is refused as a whole (`{refused.value.code}`), unless she says to skip it.")
        assert refused.value.code == "batches.invalid_lines"
        await shop.accounts()
        shop.heading("Approved by somebody else")
        await pay.do("submit", actor="usr_amina", on_invalid=batches.OnInvalid.SKIP_LINES)
        with pytest.raises(Refusal) as refused:
            await pay.do("approve", actor="usr_amina", comment=None)
        shop.say(
            f"""Amina submits it without the bad line. Her own approval is refused (`{refused.value.code}`); Bola's
            counts, and the worker makes payments of the lines, a chunk in a transaction, each with its hold."""
        )
        await pay.do("approve", actor="usr_bola", comment="as agreed on Monday")
        await pay.work()
        await shop.accounts()
        shop.heading("Paid, line by line")
        shop.say("What one bank refuses does not hold up the others. The batch is over when nothing is under way.")
        await shop.work()
        await shop.one.settle(timedelta(minutes=1))
        await pay.work()
        stood = await pay.stands()
        shop.say(
            f"The batch is **{stood.state.value}**: {stood.successful_count} lines are paid, {stood.failed_count} are "
            f"not, {stood.invalid_count} of them skipped."
        )
        assert (stood.successful_count, stood.failed_count, stood.invalid_count) == (4, 2, 1)
        columns = ("line", "reference", "amount", "payee", "status", "reason")
        shop._page.append(await pay.file(batches.result_csv, *columns))
        await shop.accounts()
        moved = sum(movement.amount_minor for movement in one.world.movements)
        assert await one.float_posted("nip") == moved
        shop.finish()
