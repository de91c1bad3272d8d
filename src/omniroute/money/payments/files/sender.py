"""The worker of files: collects what is due before a cut-off, hands files over, and takes in what banks put down.

Each method is one round and may run in any number of processes. A crash loses nothing: before the commit of a file
nothing exists; after it the file is delivered by whoever comes; a delivery that nobody finished is in doubt.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from omniroute.infra.postgres import Database, TextArray, Tx, UuidArray
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.ids import uuid7
from omniroute.money.payments import outcomes, sending
from omniroute.money.payments.approval import Recheck
from omniroute.money.payments.callbacks import receive
from omniroute.money.payments.files.answers import CHUNK, SQL
from omniroute.money.payments.files.delivering import PURPOSE, Delivery, Handed, hand_over
from omniroute.money.payments.files.folders import FOLDER, Arrived, Folders
from omniroute.money.payments.links import Link, LinkDown, Links
from omniroute.money.payments.model import AttemptState, Payment, PaymentState, Source
from omniroute.money.payments.outcomes import Evidence
from omniroute.money.payments.rechecking import RulesOf
from omniroute.money.payments.sending import Claimed
from omniroute.money.payments.transitions import Books, Move
from omniroute.ports.rails import Answer, CodeClass, FileConnector, FileSession, Outcome, Payout, RailUnable, Result

log = logger("omniroute.payments.files")

DELIVERY_LEASE = timedelta(minutes=10)
AGAIN = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=5))
UNABLE = timedelta(minutes=15)


def no_holidays(_: UUID) -> frozenset[date]:
    """Of an organisation that has declared none."""
    return frozenset()


class FileSender:
    """One a process. `db` is the worker's; `holidays`: an organisation's own days without sessions.

    `rules` None: nothing is looked at again before it goes into a file.
    """

    def __init__(
        self,
        db: Database,
        links: Links,
        *,
        clock: Clock,
        business_day: Callable[[UUID], date],
        worker_id: str,
        folders: Folders,
        holidays: Callable[[UUID], frozenset[date]] = no_holidays,
        rules: RulesOf | None = None,
    ) -> None:
        self._db, self._links, self._clock, self._rules = db, links, clock, rules
        self._business_day, self._worker_id = business_day, worker_id
        self._folders, self._holidays = folders, holidays

    async def round(self) -> int:
        """All that is to be done now; how much it was."""
        return await self.recover() + await self.collect() + await self.deliver() + await self.take_in()

    # -- collecting -----------------------------------------------------------------------------------------------

    async def collect(self) -> int:
        """Make files of what is due where a session collects; what is due elsewhere waits for its session. How many
        files were made."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.connections_with_due, now=now)
        made = 0
        for row in due:
            try:
                link = await self._links.get(row.tenant_id, row.connection_id)
            except LinkDown as fault:
                log.warning("no files for a connection", connection=str(row.connection_id), fault=str(fault))
                continue
            if link.files is None or link.paused:
                continue
            try:
                session = self._session(row.tenant_id, link, link.files, now)
                if now < session.collects_from:
                    await self._wait(row.tenant_id, link, session.collects_from)
                else:
                    made += len(await self._make_all(row.tenant_id, link, link.files, session))
            except RailUnable as refusal:
                # The connection's settings, not an order: those are checked one by one.
                log.error("a file could not be made", connection=str(row.connection_id), why=refusal.detail)
                await self._wait(row.tenant_id, link, now + UNABLE)
        return made

    async def send_now(self, tenant_id: UUID, connection_id: UUID) -> list[UUID]:
        """Make files of all that is approved, without waiting for a session; the ids of the files.

        Raises: LinkDown, RailUnable when the connection takes no files, or its settings are not whole.
        """
        link = await self._links.get(tenant_id, connection_id)
        if link.paused:
            raise LinkDown("the connection is paused")
        if link.files is None:
            raise RailUnable("this rail takes no files")
        now = self._clock.now()
        async with self._db.tx(tenant_id) as tx:
            await tx.execute(SQL.wait_no_longer, tenant=tenant_id, connection=connection_id, now=now)
        return await self._make_all(tenant_id, link, link.files, self._session(tenant_id, link, link.files, now))

    def _session(self, tenant_id: UUID, link: Link, files: FileConnector, now: datetime) -> FileSession:
        public = link.context.credentials.public
        return files.next_session(public, now, holidays=self._holidays(tenant_id))

    async def _wait(self, tenant_id: UUID, link: Link, until: datetime) -> None:
        async with self._db.tx(tenant_id) as tx:
            await tx.execute(
                SQL.wait_for_session,
                tenant=tenant_id,
                connection=link.connection_id,
                now=self._clock.now(),
                until=until,
            )

    async def _make_all(self, tenant_id: UUID, link: Link, files: FileConnector, session: FileSession) -> list[UUID]:
        made: list[UUID] = []

        while True:
            recheck = None if self._rules is None else (await self._rules.get(tenant_id)).recheck

            async def work(tx: Tx, recheck: Recheck | None = recheck) -> tuple[int, UUID | None]:
                return await self._make(tx, link, files, session, recheck)

            # Not idempotent: after a lost commit the file may stand, and is then delivered like any other.
            taken, file_id = await self._db.run(work, tenant_id=tenant_id, idempotent=False)
            if file_id is not None:
                made.append(file_id)
            if taken < files.orders_max:
                return made

    async def _make(
        self, tx: Tx, link: Link, files: FileConnector, session: FileSession, recheck: Recheck | None
    ) -> tuple[int, UUID | None]:
        """Take up what is due, and put it into a file: payments, attempts and bytes in one transaction.

        What the rules of now do not allow any more ends here. How many were taken up or ended, and the file.
        """
        looked_at = 0

        def look(payment: Payment) -> None:
            nonlocal looked_at
            looked_at += 1
            if recheck is not None:
                recheck(payment)

        now = self._clock.now()
        rows = await tx.all(
            SQL.due_on_connection, tenant=tx.tenant, connection=link.connection_id, now=now, limit=files.orders_max
        )
        today = self._business_day(tx.tenant)
        claimed = await sending.claim(
            tx,
            [row.payment_id for row in rows],
            {link.connection_id: link},
            claimed_by=self._worker_id,
            recheck=look,
            now=now,
            today=today,
        )
        good: list[tuple[Claimed, Payout]] = []
        refused: list[Evidence] = []
        for one in claimed:
            order = sending.payout(one.payment, one.attempt)
            try:
                files.check(order)
            except RailUnable as refusal:
                refused.append(_refused(one, refusal, link, self._worker_id))
            else:
                good.append((one, order))
        await outcomes.record(tx, refused, now=now, today=today)
        if not good:
            return looked_at, None
        return looked_at, await self._store(tx, link, files, session, good, now)

    async def _store(
        self,
        tx: Tx,
        link: Link,
        files: FileConnector,
        session: FileSession,
        good: Sequence[tuple[Claimed, Payout]],
        now: datetime,
    ) -> UUID:
        file_id = uuid7()
        orders = [order for _, order in good]
        file = files.build_file(link.context.credentials, orders, now=now, file_id=file_id)
        await tx.execute(
            SQL.insert_file,
            tenant=tx.tenant,
            file=file_id,
            connection=link.connection_id,
            message_id=file.message_id,
            name=file.name,
            content=file.content,
            order_count=len(orders),
            amount_minor=sum(order.amount.amount_minor for order in orders),
            currency=link.currency,
            cut_off=session.cut_off,
            answers_by=session.answers_by,
            now=now,
        )
        await tx.execute(
            SQL.insert_orders,
            tenant=tx.tenant,
            file=file_id,
            attempt_id=UuidArray.of([one.attempt.attempt_id for one, _ in good]),
            our_ref=TextArray.of([order.our_ref for order in orders]),
            block=TextArray.of([file.blocks.get(order.our_ref) for order in orders]),
        )
        return file_id

    # -- delivering -----------------------------------------------------------------------------------------------

    async def deliver(self, limit: int = 50) -> int:
        """Hand over files; how many were looked at."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.files_to_deliver, now=now, limit=limit)
        for row in due:
            try:
                link = await self._links.get(row.tenant_id, row.connection_id)
            except LinkDown as fault:
                log.warning("a file waits for its connection", file=str(row.file_id), fault=str(fault))
                continue
            if not await self._withdraw(row.tenant_id, row.file_id, link):
                await self._deliver(row.tenant_id, row.file_id, link)
        return len(due)

    async def _withdraw(self, tenant_id: UUID, file_id: UUID, link: Link) -> bool:
        """Give up a file that missed its session: none of it was sent, so all of it may go another way."""

        async def work(tx: Tx) -> bool:
            now = self._clock.now()
            gone = await tx.one_or_none(SQL.withdraw_file, tenant=tx.tenant, file=file_id, now=now)
            if gone is None:
                return False
            result = Result(Outcome.NOT_SENT, Answer(message="the file missed its session"))
            await self._say(tx, file_id, link, result, Source.SUBMIT, CodeClass.SOFT_DECLINE)
            return True

        return await self._db.run(work, tenant_id=tenant_id, idempotent=True)

    async def _deliver(self, tenant_id: UUID, file_id: UUID, link: Link) -> None:
        now = self._clock.now()
        async with self._db.tx(tenant_id) as tx:
            taken = await tx.one_or_none(
                SQL.take_file,
                tenant=tenant_id,
                file=file_id,
                worker=self._worker_id,
                lease_until=now + DELIVERY_LEASE,
                now=now,
            )
        if taken is None:
            return
        delivery = await hand_over(self._folders, tenant_id, link, taken.name, bytes(taken.content))

        async def work(tx: Tx) -> None:
            now = self._clock.now()
            pause = AGAIN[min(taken.tries, len(AGAIN)) - 1]
            mine = await tx.one_or_none(
                SQL.set_delivery,
                tenant=tx.tenant,
                file=file_id,
                worker=self._worker_id,
                state=delivery.handed.value,
                detail=delivery.detail,
                again=now + pause,
                now=now,
            )
            if mine is not None and delivery.handed is not Handed.NO:
                await self._say(tx, file_id, link, _told(taken, delivery), Source.SUBMIT, CodeClass.IN_PROGRESS)

        await self._db.run(work, tenant_id=tenant_id, idempotent=True)

    async def recover(self, limit: int = 50) -> int:
        """Doubt files whose deliverer did not come back; how many."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            lost = await tx.all(SQL.lost_deliveries, now=now, limit=limit)
        for row in lost:
            try:
                link = await self._links.get(row.tenant_id, row.connection_id)
            except LinkDown as fault:
                log.warning("a lost delivery waits for its connection", file=str(row.file_id), fault=str(fault))
                continue
            async with self._db.tx(row.tenant_id) as tx:
                doubted = await tx.one_or_none(SQL.doubt_file, tenant=tx.tenant, file=row.file_id, now=now)
                if doubted is not None:
                    result = Result(Outcome.UNKNOWN, Answer(message="whoever delivered the file did not come back"))
                    await self._say(tx, row.file_id, link, result, Source.CLOCK, CodeClass.UNKNOWN)
        return len(lost)

    async def _say(
        self, tx: Tx, file_id: UUID, link: Link, result: Result, source: Source, code_class: CodeClass
    ) -> None:
        """Say the same of every order of a file."""
        orders = await tx.all(SQL.orders_of_file, tenant=tx.tenant, file=file_id)
        said = [
            Evidence(order.attempt_id, result, source, code_class, link.policy, self._worker_id) for order in orders
        ]
        for start in range(0, len(said), CHUNK):
            await outcomes.record(
                tx, said[start : start + CHUNK], now=self._clock.now(), today=self._business_day(tx.tenant)
            )

    # -- taking in ------------------------------------------------------------------------------------------------

    async def take_in(self) -> int:
        """Store what banks have put into inboxes; how many files. Others look at it (`Dispatcher.hear`)."""
        async with self._db.tx(readonly=True) as tx:
            connections = await tx.all(SQL.folder_connections, endpoint=FOLDER)
        taken = 0
        for row in connections:
            try:
                arrived = await asyncio.to_thread(self._folders.arrived, row.tenant_id, row.connection_id)
            except OSError as error:
                log.warning("an inbox cannot be read", connection=str(row.connection_id), fault=str(error))
                continue
            for file in arrived:
                await self._keep(row.tenant_id, row.connection_id, file)
                taken += 1
        return taken

    async def _keep(self, tenant_id: UUID, connection_id: UUID, file: Arrived) -> None:
        async with self._db.tx(tenant_id) as tx:
            await receive(
                tx,
                connection_id,
                purpose=PURPOSE,
                ref=file.path.name[:200],
                authentic=True,  # Who may write into the inbox is the bank.
                headers={},
                body=file.content,
                now=self._clock.now(),
            )
        await asyncio.to_thread(self._folders.done, tenant_id, connection_id, file)


def _refused(one: Claimed, refusal: RailUnable, link: Link, worker_id: str) -> Evidence:
    """An order the file cannot carry: nothing was sent, and nothing will be."""
    verdict = Move(AttemptState.NOT_SENT, PaymentState.FAILED, "rail_unable", Books.VOID)
    result = Result(Outcome.NOT_SENT, Answer(message=refusal.detail))
    return Evidence(
        one.attempt.attempt_id,
        result,
        Source.SUBMIT,
        CodeClass.HARD_DECLINE,
        link.policy,
        worker_id,
        verdict=verdict,
    )


def _told(taken: Any, delivery: Delivery) -> Result:
    if delivery.handed is Handed.YES:
        return Result(Outcome.PENDING, Answer(message=f"handed over in {taken.name}"))
    return Result(Outcome.UNKNOWN, Answer(message=f"nobody knows whether {taken.name} arrived: {delivery.detail}"))


__all__ = ["FileSender"]
