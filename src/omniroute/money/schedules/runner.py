"""The worker of schedules: dates that have come get their rows, and each row its payment, exactly once.

A payment and the word that its date is paid are written in one transaction, so that no crash comes between them; and
the payment's reference is made of the date, so that a second one could not exist anyway. A schedule that cannot be
worked on is put off by itself.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.setbacks import Setbacks
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Kind, Refusal
from omniroute.money import payments
from omniroute.money.payments import Initiated, Request, Rulebook, Rulebooks
from omniroute.money.schedules.events import (
    OccurrenceEvent,
    OccurrenceFailed,
    OccurrenceInitiated,
    OccurrencePostponed,
    OccurrenceSkipped,
)
from omniroute.money.schedules.model import OccurrenceState, PastOccurrence, Schedule, ScheduleState
from omniroute.money.schedules.planning import plan
from omniroute.money.schedules.recurrence import Calendar
from omniroute.money.schedules.store import SQL, find_calendar, occurrence_of, schedule_of

META = Meta(actor="system:schedules", channel="worker")
AT_ONCE_MAX = 200
BUSY_PAUSE = timedelta(minutes=1)
MAY_PASS = frozenset({"ledger.insufficient_funds", "payments.limit_exceeded"})
"""What another day may change."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What becomes of a date."""

    state: OccurrenceState
    event: type[OccurrenceEvent] | None
    reason: str | None = None
    detail: str | None = None
    amount_minor: int | None = None
    payment_id: UUID | None = None
    tried: bool = True
    try_at: datetime | None = None


class ScheduleRunner:
    """One a process; any number of processes. `db` is the worker's."""

    def __init__(self, db: Database, rulebooks: Rulebooks, *, clock: Clock) -> None:
        self._db, self._rulebooks, self._clock = db, rulebooks, clock
        self._unplanned, self._unpaid = Setbacks[UUID](clock), Setbacks[UUID](clock)

    async def round(self) -> int:
        """Plan what has come and pay what is due; how much there was to do."""
        return await self.plan_due() + await self.pay_due()

    async def plan_due(self) -> int:
        """Write down the dates that have come; how many schedules had one."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.due_schedules, now=now, without=self._unplanned.waiting(), limit=AT_ONCE_MAX)
        for row in due:

            async def work(tx: Tx, schedule_id: UUID = row.schedule_id) -> None:
                found = await tx.one_or_none(SQL.take_schedule, tenant=tx.tenant, schedule=schedule_id)
                schedule = None if found is None else schedule_of(found)
                if schedule is None or schedule.next_at is None or schedule.next_at > now:
                    return  # Somebody else has it, or had it.
                if schedule.state in (ScheduleState.ACTIVE, ScheduleState.PAUSED):
                    await plan(tx, schedule, await _calendar(tx, schedule), now=now, meta=META)

            async with self._unplanned.of(row.schedule_id, tenant=row.tenant_id, schedule=row.schedule_id):
                # Saying it twice plans nothing twice: the schedule then stands at its next date.
                await self._db.run(work, tenant_id=row.tenant_id, idempotent=True)
        return len(due)

    async def pay_due(self) -> int:
        """Pay dates that are due; how many were looked at."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.due_occurrences, now=now, without=self._unpaid.waiting(), limit=AT_ONCE_MAX)
        for row in due:
            if row.schedule_id in self._unpaid.waiting():
                continue  # An earlier date of it could not be paid just now.
            async with self._unpaid.of(
                row.schedule_id, tenant=row.tenant_id, schedule=row.schedule_id, number=row.number
            ):
                await self._pay(row.tenant_id, row.schedule_id, row.number, now)
        return len(due)

    async def _pay(self, tenant_id: UUID, schedule_id: UUID, number: int, now: datetime) -> None:
        rules = await self._rulebooks.get(tenant_id)

        async def work(tx: Tx) -> None:
            await _pay_one(tx, schedule_id, number, rules=rules, now=now)

        await self._db.run(work, tenant_id=tenant_id, idempotent=True)


async def _calendar(tx: Tx, schedule: Schedule) -> Calendar:
    return await find_calendar(tx, country=schedule.country, time_zone=schedule.time_zone, rail=schedule.rail)


async def _pay_one(tx: Tx, schedule_id: UUID, number: int, *, rules: Rulebook, now: datetime) -> None:
    """Pay one date, if it is still to be paid and nobody else is at it."""
    found = await tx.one_or_none(SQL.take_schedule, tenant=tx.tenant, schedule=schedule_id)
    if found is None:
        return
    schedule = schedule_of(found)
    row = await tx.one_or_none(SQL.lock_occurrence, tenant=tx.tenant, schedule=schedule_id, number=number, now=now)
    if row is None:
        return
    due = occurrence_of(row)
    verdict = await _verdict(tx, schedule, due, rules=rules, now=now)
    await tx.execute(
        SQL.update_occurrence,
        tenant=tx.tenant,
        schedule=schedule_id,
        number=number,
        state=verdict.state.value,
        reason=verdict.reason,
        detail=verdict.detail,
        amount=verdict.amount_minor,
        payment=verdict.payment_id,
        tries=due.tries + (1 if verdict.tried else 0),
        try_at=verdict.try_at,
        now=now,
    )
    if verdict.event is not None:
        told = verdict.event(
            schedule_id, number, due.nominal_on, due.due_on, due.reference, verdict.reason, verdict.payment_id
        )
        await events.append(tx, told, META)


async def _verdict(tx: Tx, schedule: Schedule, due: PastOccurrence, *, rules: Rulebook, now: datetime) -> _Verdict:
    if schedule.state not in (ScheduleState.ACTIVE, ScheduleState.COMPLETED):
        return _Verdict(OccurrenceState.SKIPPED, OccurrenceSkipped, schedule.state.value, tried=False)
    today = now.astimezone(ZoneInfo(schedule.time_zone)).date()
    try:
        amount_minor = await _amount(tx, schedule, due, rules=rules, now=now, today=today)
        if amount_minor is None:
            return _Verdict(OccurrenceState.SKIPPED, OccurrenceSkipped, "nothing_to_sweep")
        command = schedule.order(due.reference, amount_minor)
    except Refusal as refusal:
        return await _refused(tx, schedule, due, refusal, None, now=now, today=today)
    meta = Meta(actor=schedule.requested_by, channel="schedule")
    request = Request(command, schedule.requested_by, None, meta)
    (outcome,) = await payments.initiate(tx, [request], rules=rules, now=now, today=today)
    if isinstance(outcome, Initiated):
        return _Verdict(
            OccurrenceState.INITIATED,
            OccurrenceInitiated,
            amount_minor=amount_minor,
            payment_id=outcome.payment.payment_id,
        )
    return await _refused(tx, schedule, due, outcome.refusal, amount_minor, now=now, today=today)


async def _amount(
    tx: Tx, schedule: Schedule, due: PastOccurrence, *, rules: Rulebook, now: datetime, today: date
) -> int | None:
    """What this date pays; None: nothing. What a sweep leaves on the account pays its fee, too."""
    terms = schedule.terms
    if terms.amount_minor is not None:
        return terms.amount_minor
    assert terms.sweep is not None
    balances = await ledger.find_balances(tx, [schedule.source_account_id])
    available = balances[schedule.source_account_id].available_minor - terms.sweep.above_minor
    amount = min(available, terms.sweep.max_minor)
    if amount < terms.sweep.min_minor:
        return None
    fee = rules.decide(schedule.order(due.reference, amount), actor=schedule.requested_by, now=now, today=today)
    amount = min(amount, available - fee.fee_minor)
    return amount if amount >= terms.sweep.min_minor else None


async def _refused(
    tx: Tx,
    schedule: Schedule,
    due: PastOccurrence,
    refusal: Refusal,
    amount_minor: int | None,
    *,
    now: datetime,
    today: date,
) -> _Verdict:
    """Nothing moved: another day, if that may help and was asked for; else it has failed."""
    if refusal.kind is Kind.BUSY:
        return _Verdict(OccurrenceState.DUE, None, refusal.code, try_at=now + BUSY_PAUSE, tried=False)
    code, detail = refusal.code, refusal.detail
    if refusal.code in MAY_PASS and due.tries < schedule.terms.retry_days:
        calendar = await _calendar(tx, schedule)
        day = calendar.next_open(today) or today + timedelta(days=1)
        again = calendar.instant(day, schedule.terms.recurrence.at)
        return _Verdict(
            OccurrenceState.DUE,
            OccurrencePostponed,
            code,
            detail,
            amount_minor=amount_minor,
            try_at=max(again, now + BUSY_PAUSE),
        )
    return _Verdict(OccurrenceState.FAILED, OccurrenceFailed, code, detail, amount_minor=amount_minor)
