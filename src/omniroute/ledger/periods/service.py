"""Use cases of periods. The exclusive fence is held until the commit: call them last in a short transaction."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx, load, read_page
from omniroute.kit.ids import uuid7
from omniroute.kit.money import MINOR_MAX, MalformedAmount, Money
from omniroute.kit.paging import Page
from omniroute.kit.refusal import Refusal
from omniroute.ledger.commands import LEGS_MAX, post_transaction
from omniroute.ledger.errors import UnknownAccount
from omniroute.ledger.model import Leg, Side
from omniroute.ledger.periods.errors import MalformedPeriod, PeriodChanged, PeriodNotFound, PeriodOverlap
from omniroute.ledger.periods.events import (
    PeriodClosed,
    PeriodCreated,
    PeriodReopened,
    PeriodSealed,
    PeriodSoftClosed,
)
from omniroute.ledger.periods.model import Period, PeriodStatus
from omniroute.ledger.service import post_one

SQL = load("omniroute.ledger.periods")
PERIODS = SQL.listing("list_periods")

MONTHS_MAX = 120


async def create_period(tx: Tx, *, name: str, starts_on: date, ends_on: date, now: datetime, meta: Meta) -> Period:
    """A new, open period; both days included.

    Raises: MalformedPeriod, PeriodOverlap.
    """
    if not 1 <= len(name) <= 64 or not name.isprintable() or starts_on > ends_on:
        raise MalformedPeriod()
    period_id = uuid7()
    made = await tx.value(
        SQL.create_period,
        tenant=tx.tenant,
        period=period_id,
        name=name,
        starts_on=starts_on,
        ends_on=ends_on,
        by=meta.actor,
    )
    if made is None:
        raise PeriodOverlap(name=name, starts_on=starts_on.isoformat(), ends_on=ends_on.isoformat())
    await events.append(tx, PeriodCreated(period_id, name, starts_on, ends_on), meta)
    return await find_period(tx, period_id)


async def create_months(tx: Tx, *, first: date, months: int, now: datetime, meta: Meta) -> list[Period]:
    """One period a calendar month, without gaps, from the month of `first` on; named like 2026-01. All or none.

    Raises: MalformedPeriod, PeriodOverlap.
    """
    if not 1 <= months <= MONTHS_MAX:
        raise MalformedPeriod("ask for 1 to 120 months", months=months)
    made = []
    starts_on = first.replace(day=1)
    for _ in range(months):
        following = (starts_on + timedelta(days=31)).replace(day=1)
        made.append(
            await create_period(
                tx,
                name=f"{starts_on:%Y-%m}",
                starts_on=starts_on,
                ends_on=following - timedelta(days=1),
                now=now,
                meta=meta,
            )
        )
        starts_on = following
    return made


async def find_period(tx: Tx, period_id: UUID) -> Period:
    """One period.

    Raises: PeriodNotFound.
    """
    row = await tx.one_or_none(SQL.find_period, tenant=tx.tenant, period=period_id)
    if row is None:
        raise PeriodNotFound()
    return _period(row)


async def list_periods(
    tx: Tx, *, sort: str | None = None, limit: int | None = None, cursor: str | None = None
) -> Page[Period]:
    """Periods, the earliest first unless `sort` says otherwise.

    Raises: what `read_page` raises.
    """
    return (await read_page(tx, PERIODS, sort=sort, cursor=cursor, limit=limit, tenant=tx.tenant)).map(_period)


async def soft_close(
    tx: Tx, period_id: UUID, *, meta: Meta, revision: int | None = None, reason: str | None = None
) -> Period:
    """Leave the period to a role with the right to post there. From open, or back from closed.

    Raises: PeriodNotFound, PeriodChanged, PeriodTransition.
    """
    found = await _lock(tx, period_id, revision)
    changed = await _set(tx, period_id, PeriodStatus.SOFT_CLOSED, meta)
    await events.append(tx, PeriodSoftClosed(period_id, found.name, found.status.value, reason), meta)
    return changed


async def reopen(
    tx: Tx, period_id: UUID, *, meta: Meta, revision: int | None = None, reason: str | None = None
) -> Period:
    """One step back: soft-closed to open, closed to soft-closed. A sealed period never opens again.

    Raises: PeriodNotFound, PeriodChanged, PeriodTransition.
    """
    found = await _lock(tx, period_id, revision)
    if found.status is PeriodStatus.CLOSED:
        return await soft_close(tx, period_id, meta=meta, revision=revision, reason=reason)
    changed = await _set(tx, period_id, PeriodStatus.OPEN, meta)
    await events.append(tx, PeriodReopened(period_id, found.name, found.status.value, reason), meta)
    return changed


async def close(
    tx: Tx,
    period_id: UUID,
    *,
    meta: Meta,
    revision: int | None = None,
    retained_earnings: Mapping[str, UUID] | None = None,
    reason: str | None = None,
) -> Period:
    """Nobody posts into the period any more. Waits for postings under way; none lands after.

    `retained_earnings` (currency -> account) carries income and expenses there, in transactions of the last day.

    Raises: PeriodNotFound, PeriodChanged, PeriodTransition, UnknownAccount (a currency without an account), and what
    posting refuses.
    """
    found = await _lock(tx, period_id, revision)
    if retained_earnings is not None and found.status in (PeriodStatus.OPEN, PeriodStatus.SOFT_CLOSED):
        await _carry_results(tx, found, retained_earnings, meta)
    changed = await _set(tx, period_id, PeriodStatus.CLOSED, meta)
    await events.append(tx, PeriodClosed(period_id, found.name, found.status.value, reason), meta)
    return changed


async def seal(tx: Tx, period_id: UUID, *, meta: Meta, revision: int | None = None) -> Period:
    """Close the period for ever, under a hash of its turnover and of the seal before.

    Raises: PeriodNotFound, PeriodChanged, PeriodTransition, PeriodOutOfOrder.
    """
    await _lock(tx, period_id, revision)
    sealed = await _set(tx, period_id, PeriodStatus.SEALED, meta)
    assert sealed.state_hash is not None
    await events.append(tx, PeriodSealed(period_id, sealed.name, sealed.state_hash.hex()), meta)
    return sealed


async def _lock(tx: Tx, period_id: UUID, revision: int | None) -> Period:
    row = await tx.one_or_none(SQL.lock_period, tenant=tx.tenant, period=period_id)
    if row is None:
        raise PeriodNotFound()
    if revision is not None and revision != row.revision:
        raise PeriodChanged(revision=row.revision)
    return _period(row)


async def _set(tx: Tx, period_id: UUID, status: PeriodStatus, meta: Meta) -> Period:
    code = await tx.value(SQL.set_status, tenant=tx.tenant, period=period_id, status=status.value, by=meta.actor)
    if code is not None:
        raise Refusal.by_code[code](None, status=status.value)
    return await find_period(tx, period_id)


async def _carry_results(tx: Tx, period: Period, to: Mapping[str, UUID], meta: Meta) -> None:
    """One transaction a currency (more when there are very many accounts), dated the last day."""
    by_currency: dict[str, list[Any]] = defaultdict(list)
    for row in await tx.all(SQL.results_to_close, tenant=tx.tenant, on=period.ends_on):
        by_currency[row.currency].append(row)
    for currency, rows in by_currency.items():
        if currency not in to:
            raise UnknownAccount("no account is named for the result in this currency", currency=currency)
        for start in range(0, len(rows), LEGS_MAX - 1):
            legs = _closing_legs(rows[start : start + LEGS_MAX - 1], currency, to[currency])
            transaction = await post_one(
                tx,
                post_transaction(
                    legs,
                    value_on=period.ends_on,
                    metadata={"closing_entries_of": period.name},
                    may_soft=True,
                    meta=meta,
                ),
                today=period.ends_on,
            )
            await tx.all(
                SQL.mark_closing,
                tenant=tx.tenant,
                period=period.period_id,
                transaction=transaction.transaction_id,
            )


def _closing_legs(rows: list[Any], currency: str, retained: UUID) -> list[Leg]:
    legs = []
    carried = 0
    for row in rows:
        amount = int(row.debit_net)
        carried += amount
        if abs(amount) > MINOR_MAX:
            raise MalformedAmount(amount_minor=str(amount))
        side = Side.CREDIT if amount > 0 else Side.DEBIT
        legs.append(Leg(row.account_id, side, Money(abs(amount), currency), row.code))
    if carried:
        side = Side.DEBIT if carried > 0 else Side.CREDIT
        legs.append(Leg(retained, side, Money(abs(carried), currency)))
    return legs


def _period(row: Any) -> Period:
    return Period(
        row.period_id,
        row.name,
        row.starts_on,
        row.ends_on,
        PeriodStatus(row.status),
        None if row.state_hash is None else bytes(row.state_hash),
        row.changed_at,
        row.changed_by,
        row.revision,
    )
