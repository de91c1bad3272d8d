"""Reading what rails booked on our accounts, and what that proves: the truth when everything else is silent.

our debit, attempt not known to be paid     -> paid (or paid late)
credit under the name of a paid attempt     -> given back
nothing there, and the statement is whole   -> lets "not found" be believed where the rail's policy asks for that
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from omniroute.infra.postgres import BoolArray, Database, Int8Array, TextArray, TimestampArray, Tx
from omniroute.infra.setbacks import Setbacks, together
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault
from omniroute.money.payments import outcomes, store
from omniroute.money.payments.links import Link, Links
from omniroute.money.payments.model import Source
from omniroute.money.payments.outcomes import Evidence
from omniroute.ports.rails import Answer, CodeClass, Operation, Outcome, Result, StatementLine

SETTLED_AFTER = timedelta(minutes=10)
"""How long a rail may take to show on a statement what it has booked."""
DAYS_BACK = 3
PAGES_MAX = 1_000


class StatementReader:
    """Reads the statements of every connection that has one. One round may run in several processes."""

    def __init__(
        self,
        db: Database,
        links: Links,
        *,
        clock: Clock,
        business_day: Callable[[UUID], date],
        every: timedelta = timedelta(minutes=30),
    ) -> None:
        self._db, self._links, self._clock = db, links, clock
        self._business_day, self._every = business_day, every
        self._trouble: Setbacks[UUID] = Setbacks(clock)
        """Connections that could not be read; they do not take the others' turn."""

    async def read_due(self, limit: int = 20) -> int:
        """Read statements that were not read for a while; how many new lines."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(
                store.SQL.statements_due,
                operation=Operation.STATEMENT.value,
                before=now - self._every - SETTLED_AFTER,
                without=self._trouble.waiting(),
                limit=limit,
            )
        return sum(await together([self._try(row.tenant_id, row.connection_id) for row in due]))

    async def _try(self, tenant_id: UUID, connection_id: UUID) -> int:
        """Read one connection's statement, if it can be read; one that cannot is nobody else's trouble."""
        async with self._trouble.of(connection_id, tenant=tenant_id, connection=connection_id):
            return await self.read(tenant_id, connection_id)
        return 0

    async def read(self, tenant_id: UUID, connection_id: UUID) -> int:
        """Read one connection's statement from where it was left; how many new lines.

        Raises: LinkDown, Fault when the rail cannot be asked; what was read before stays.
        """
        link = await self._links.get(tenant_id, connection_id)
        started = self._clock.now()
        async with self._db.tx(tenant_id, readonly=True) as tx:
            row = await tx.one(store.SQL.find_routes, tenant=tenant_id, connections=[connection_id])
        first = (row.statement_until or started - timedelta(days=DAYS_BACK)).date()
        new = 0
        for offset in range((started.date() - first).days + 1):
            new += await self._read_day(tenant_id, link, first + timedelta(days=offset))
        async with self._db.tx(tenant_id) as tx:
            until = started - SETTLED_AFTER
            await tx.execute(store.SQL.set_statement_until, tenant=tenant_id, connection=connection_id, until=until)
        return new

    async def _read_day(self, tenant_id: UUID, link: Link, day: date) -> int:
        cursor: str | None = None
        new = 0
        for _ in range(PAGES_MAX):
            page = await link.connector.fetch_statement(link.context, day, cursor)
            if page.lines:
                new += await self._take(tenant_id, link, page.lines)
            cursor = page.cursor
            if cursor is None:
                return new
        raise Fault(f"the statement of {day} does not end after {PAGES_MAX} pages")

    async def _take(self, tenant_id: UUID, link: Link, lines: Sequence[StatementLine]) -> int:
        """Store lines that are new, and apply what they prove, in one transaction."""

        async def work(tx: Tx) -> int:
            return await take(tx, link, lines, now=self._clock.now(), today=self._business_day(tenant_id))

        return await self._db.run(work, tenant_id=tenant_id, idempotent=True)


async def take(tx: Tx, link: Link, lines: Sequence[StatementLine], *, now: datetime, today: date) -> int:
    """Store lines that are new, and apply what they prove; how many were new."""
    fresh = await _insert(tx, link, lines, now)
    refs = [line.our_ref for line in fresh if line.our_ref is not None]
    if not refs:
        return len(fresh)
    rows = await tx.all(store.SQL.attempts_by_ref, tenant=tx.tenant, connection=link.connection_id, refs=refs)
    said = _evidence(link, fresh, {row.our_ref: row for row in rows})
    await outcomes.record(tx, said, now=now, today=today)
    return len(fresh)


async def _insert(tx: Tx, link: Link, lines: Sequence[StatementLine], now: datetime) -> list[StatementLine]:
    by_id = {line.line_id: line for line in lines}
    unique = list(by_id.values())
    rows = await tx.all(
        store.SQL.insert_statement_lines,
        tenant=tx.tenant,
        connection=link.connection_id,
        now=now,
        line_id=TextArray.of([line.line_id for line in unique]),
        booked_at=TimestampArray.of([line.booked_at for line in unique]),
        amount_minor=Int8Array.of([line.amount.amount_minor for line in unique]),
        currency=TextArray.of([line.amount.currency for line in unique]),
        credit=BoolArray.of([line.credit for line in unique]),
        our_ref=TextArray.of([line.our_ref for line in unique]),
        provider_ref=TextArray.of([line.provider_ref for line in unique]),
        narration=TextArray.of([line.narration for line in unique]),
    )
    fresh = {row.line_id for row in rows}
    return [line for line in unique if line.line_id in fresh]


def _evidence(link: Link, lines: Sequence[StatementLine], attempts: dict[str, Any]) -> list[Evidence]:
    """What the lines prove, in the order in which they were booked. A rail's own fee is another, smaller debit."""
    said: list[Evidence] = []
    for line in sorted(lines, key=lambda one: one.booked_at):
        attempt = attempts.get(line.our_ref or "")
        if attempt is None:
            continue
        if not line.credit and line.is_fee:
            continue
        said.append(
            Evidence(
                attempt.attempt_id,
                Result(
                    Outcome.REVERSED if line.credit else Outcome.SUCCEEDED,
                    Answer(message=f"statement line {line.line_id}"),
                    provider_ref=line.provider_ref,
                    our_ref=line.our_ref,
                    amount=line.amount,
                    finalised_at=line.booked_at,
                ),
                Source.STATEMENT,
                CodeClass.REVERSED if line.credit else CodeClass.OK,
                link.policy,
                note={"line": line.line_id},
            )
        )
    return said
