"""Standing orders on real books: approved once, each date paid exactly once, whatever happens to the worker."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import Leg, Side
from omniroute.money import payments, schedules
from omniroute.money.payments import PaymentType, Rulebook
from omniroute.money.payments.errors import NoRoute, SourceNotFound
from omniroute.money.schedules import (
    CutOff,
    Frequency,
    Missed,
    OffDay,
    OwnDay,
    PastOccurrence,
    Recurrence,
    Schedule,
    ScheduleRunner,
    ScheduleState,
    Sweep,
    Terms,
)
from omniroute.money.schedules.errors import (
    AlreadyDecided,
    ApproverIsRequester,
    MalformedSchedule,
    NoDates,
    ScheduleExists,
    ScheduleNotFound,
    WrongState,
)
from omniroute.ports.rails import Party, PartyKind
from tests.money.payments import house as houses
from tests.money.payments.house import META, START, WALLET, House

FULL = 1_000_000_00
MAKER, CHECKER = "usr_maker", "usr_checker"
MONDAY = START.date()  # 2 March 2026, 10:00 in Lagos.
PAYEE = Party(PartyKind.BANK_ACCOUNT, "0123456789", "000014", None, "NG")
DAILY = Recurrence(Frequency.DAILY, MONDAY, time(12, 0), off_day=OffDay.PAY)


@pytest.fixture
async def house(app_db: Database, worker_db: Database, owner_db: Database) -> House:
    async with owner_db.tx() as tx:
        await tx.connection.execute("TRUNCATE payment_schedule CASCADE")
    return await houses.build(app_db, worker_db, owner_db)


def terms(rule: Recurrence = DAILY, **options: Any) -> Terms:
    amount = None if "sweep" in options else options.pop("amount_minor", 5_000)
    return Terms(PaymentType.SUPPLIER_PAYMENT, "NGN", WALLET, PAYEE, rule, amount_minor=amount, **options)


async def order(house: House, what: Terms, *, reference: str = "RENT", **options: Any) -> Schedule:
    async with house.db.tx(house.tenant_id) as tx:
        return await schedules.create_schedule(
            tx,
            what,
            reference=reference,
            actor=MAKER,
            branches=options.get("branches"),
            rules=house.rules,
            now=house.clock.now(),
            today=START.date(),
            meta=META,
        )


async def approve(house: House, schedule: Schedule, *, actor: str = CHECKER) -> Schedule:
    async with house.db.tx(house.tenant_id) as tx:
        return await schedules.approve_schedule(tx, schedule.schedule_id, actor=actor, now=house.clock.now(), meta=META)


async def active(house: House, what: Terms, **options: Any) -> Schedule:
    return await approve(house, await order(house, what, **options))


async def stands(house: House, schedule: Schedule) -> Schedule:
    async with house.db.tx(house.tenant_id) as tx:
        return await schedules.find_schedule(tx, schedule.schedule_id)


async def history(house: House, schedule: Schedule) -> list[PastOccurrence]:
    async with house.db.tx(house.tenant_id) as tx:
        return list(reversed((await schedules.list_occurrences(tx, schedule.schedule_id, limit=500)).items))


async def told(house: House, schedule: Schedule) -> list[tuple[str, str, str | None]]:
    return [(one.nominal_on.strftime("%d"), one.state.value, one.reason) for one in await history(house, schedule)]


async def paid(house: House) -> list[str]:
    """References of all payments there are, the first first."""
    async with house.db.tx(house.tenant_id) as tx:
        found = await tx.connection.execute("SELECT reference FROM payment ORDER BY created_at, reference")
        return [row.reference for row in await found.fetchall()]


class Books:
    """Finds the rules of the house."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def get(self, tenant_id: UUID) -> Rulebook:
        return self.house.rules


def runner(house: House) -> ScheduleRunner:
    return ScheduleRunner(house.worker, Books(house), clock=house.clock)


async def at(house: House, day: int, hour: int = 13) -> None:
    """The worker looks once, on this day of March, at this hour of Lagos."""
    house.clock.at = datetime(2026, 3, day, hour - 1, tzinfo=UTC)
    await runner(house).round()


async def test_each_date_is_paid_once(house: House) -> None:
    schedule = await active(house, terms(replace(DAILY, count=3)))
    assert (schedule.state, schedule.next_on) == (ScheduleState.ACTIVE, MONDAY)
    await runner(house).round()
    assert await paid(house) == [], "it is ten o'clock"
    for day in (2, 2, 3, 4, 5):
        await at(house, day)
        await runner(house).round()
    assert await paid(house) == ["RENT:20260302", "RENT:20260303", "RENT:20260304"]
    assert (await stands(house, schedule)).state is ScheduleState.COMPLETED
    assert await told(house, schedule) == [
        ("02", "initiated", None),
        ("03", "initiated", None),
        ("04", "initiated", None),
    ]
    payment = (await history(house, schedule))[0].payment_id
    async with house.db.tx(house.tenant_id) as tx:
        found = (await payments.find_payment(tx, payment or uuid4())).payment
    assert (found.schedule_id, found.initiated_by, found.approvals_needed) == (schedule.schedule_id, MAKER, 0)
    assert await house.balances(WALLET) == [(FULL, FULL - 15_000)]


async def test_nothing_is_paid_before_somebody_else_agrees(house: House) -> None:
    schedule = await order(house, terms())
    await at(house, 2)
    assert await paid(house) == []
    with pytest.raises(ApproverIsRequester):
        await approve(house, schedule, actor=MAKER)
    with pytest.raises(Exception, match="who orders a schedule does not approve it"):
        async with house.db.tx(house.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO payment_schedule_approval (tenant_id, schedule_id, approver, approved, decided_at)"
                " VALUES (%s, %s, %s, true, now())",
                [house.tenant_id, schedule.schedule_id, MAKER],
            )
    await at(house, 4, 9)
    schedule = await approve(house, schedule)
    await at(house, 4)
    assert await told(house, schedule) == [
        ("02", "skipped", "not_approved_in_time"),
        ("03", "skipped", "not_approved_in_time"),
        ("04", "initiated", None),
    ]
    with pytest.raises(WrongState):
        await approve(house, schedule)


async def test_as_many_must_agree_as_the_policies_say(house: House) -> None:
    house.rules.approvals = 2
    schedule = await order(house, terms())
    assert (await approve(house, schedule)).state is ScheduleState.AWAITING_APPROVAL
    with pytest.raises(AlreadyDecided):
        await approve(house, schedule)
    assert (await approve(house, schedule, actor="usr_third")).state is ScheduleState.ACTIVE


async def test_a_rejected_schedule_pays_nothing(house: House) -> None:
    schedule = await order(house, terms())
    async with house.db.tx(house.tenant_id) as tx:
        no = await schedules.reject_schedule(
            tx, schedule.schedule_id, actor=CHECKER, comment="Too much.", now=house.clock.now(), meta=META
        )
    assert no.state is ScheduleState.REJECTED
    await at(house, 3)
    assert await paid(house) == []


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        (Missed.EACH, ["initiated", "initiated", "initiated"]),
        (Missed.LATEST, ["skipped", "skipped", "initiated"]),
        (Missed.SKIP, ["skipped", "skipped", "initiated"]),
    ],
)
async def test_the_worker_was_down_for_days(house: House, missed: Missed, expected: list[str]) -> None:
    schedule = await active(house, terms(missed=missed))
    await at(house, 4)
    assert [state for _, state, _ in await told(house, schedule)] == expected
    assert len(await paid(house)) == expected.count("initiated")


async def test_the_worker_was_down_and_today_is_not_due_yet(house: House) -> None:
    for missed in (Missed.LATEST, Missed.SKIP):
        await active(house, terms(missed=missed), reference=missed.value)
    await at(house, 4, 9)
    assert await paid(house) == ["latest:20260303"]


async def test_a_crash_between_planning_and_paying_loses_and_doubles_nothing(house: House) -> None:
    schedule = await active(house, terms())
    house.clock.at = START + timedelta(hours=4)
    await runner(house).plan_due()
    assert await told(house, schedule) == [("02", "due", None)]

    class Killed(BaseException):
        pass

    class Dying:
        def decide(self, *_: object, **__: object) -> Any:
            raise Killed

    class DyingBooks:
        async def get(self, tenant_id: UUID) -> Any:
            return Dying()

    with pytest.raises(Killed):
        await ScheduleRunner(house.worker, DyingBooks(), clock=house.clock).round()
    assert (await paid(house), await told(house, schedule)) == ([], [("02", "due", None)])
    await runner(house).round()
    assert await paid(house) == ["RENT:20260302"]


async def test_many_workers_at_once(house: House) -> None:
    schedule = await active(house, terms())
    house.clock.at = START + timedelta(days=3, hours=4)
    await asyncio.gather(*[runner(house).round() for _ in range(4)])
    await runner(house).round()
    assert [state for _, state, _ in await told(house, schedule)] == ["initiated"] * 4
    assert len(await paid(house)) == 4
    assert await house.balances(WALLET) == [(FULL, FULL - 20_000)]


async def test_too_little_money_is_tried_again_on_business_days(house: House) -> None:
    friday = Recurrence(Frequency.ONCE, date(2026, 3, 6), time(12, 0))
    schedule = await active(house, terms(friday, amount_minor=FULL + 1, retry_days=2))
    await at(house, 6)
    (one,) = await history(house, schedule)
    assert (one.state, one.reason, one.tries) == ("due", "ledger.insufficient_funds", 1)
    assert one.try_at == datetime(2026, 3, 9, 11, tzinfo=UTC), "Monday, twelve in Lagos"
    await at(house, 7)
    assert (await history(house, schedule))[0].tries == 1
    await at(house, 9)
    async with house.db.tx(house.tenant_id) as tx:
        legs = [Leg(house.id("bank"), Side.DEBIT, Money(1, "NGN")), Leg(house.id(WALLET), Side.CREDIT, Money(1, "NGN"))]
        await ledger.post_one(tx, ledger.post_transaction(legs), today=START.date())
    await at(house, 10)
    assert await told(house, schedule) == [("06", "initiated", None)]
    assert await paid(house) == ["RENT:20260306"]


async def test_too_little_money_for_too_long(house: House) -> None:
    schedule = await active(house, terms(replace(DAILY, count=1), amount_minor=FULL + 1, retry_days=1))
    await at(house, 2)
    await at(house, 3)
    assert await told(house, schedule) == [("02", "failed", "ledger.insufficient_funds")]
    assert (await paid(house), await house.balances(WALLET)) == ([], [(FULL, FULL)])


async def test_what_no_other_day_changes_fails_at_once(house: House) -> None:
    schedule = await active(house, terms(retry_days=5))
    house.rules.refusal = NoRoute(tried=[])
    await at(house, 2)
    assert await told(house, schedule) == [("02", "failed", "payments.no_route")]
    house.rules.refusal = None
    await at(house, 3)
    assert await paid(house) == ["RENT:20260303"], "the next date is not held against it"


async def test_paused_dates_are_left_out(house: House) -> None:
    schedule = await active(house, terms())
    await at(house, 2)
    async with house.db.tx(house.tenant_id) as tx:
        await schedules.pause_schedule(tx, schedule.schedule_id, now=house.clock.now(), meta=META)
    await at(house, 3)
    house.clock.at += timedelta(days=1)  # The worker does not look on the 4th; resuming sees it.
    async with house.db.tx(house.tenant_id) as tx:
        await schedules.resume_schedule(tx, schedule.schedule_id, now=house.clock.now(), meta=META)
    await at(house, 5)
    assert await told(house, schedule) == [
        ("02", "initiated", None),
        ("03", "skipped", "paused"),
        ("04", "skipped", "paused"),
        ("05", "initiated", None),
    ]


async def test_cancelled_for_good(house: House) -> None:
    schedule = await active(house, terms(amount_minor=FULL + 1, retry_days=9))
    await at(house, 2)
    async with house.db.tx(house.tenant_id) as tx:
        await schedules.cancel_schedule(tx, schedule.schedule_id, now=house.clock.now(), meta=META)
    await at(house, 5)
    assert await told(house, schedule) == [("02", "skipped", "cancelled")]
    async with house.db.tx(house.tenant_id) as tx:
        assert await schedules.next_dates(tx, schedule.schedule_id, limit=5) == []
        with pytest.raises(WrongState):
            await schedules.resume_schedule(tx, schedule.schedule_id, now=house.clock.now(), meta=META)


async def test_a_sweep_leaves_what_it_is_told_to_leave(house: House) -> None:
    house.rules.fee_minor = 50
    sweep = Sweep(above_minor=FULL - 30_000, max_minor=20_000, min_minor=1_000)
    schedule = await active(house, terms(sweep=sweep))
    for day in (2, 3, 4):
        await at(house, day)
    assert [(one.state.value, one.amount_minor, one.reason) for one in await history(house, schedule)] == [
        ("initiated", 20_000, None),
        ("initiated", 9_900, None),
        ("skipped", None, "nothing_to_sweep"),
    ]
    assert await house.balances(WALLET) == [(FULL, FULL - 30_000)]


async def test_own_days_and_cut_offs_move_dates(house: House) -> None:
    rule = Recurrence(Frequency.WEEKLY, date(2026, 3, 4), time(12, 0))
    schedule = await active(house, terms(rule, connection="toy"))
    async with house.db.tx(house.tenant_id) as tx:
        closed = [OwnDay(date(2026, 3, 4), "Stocktaking", False)]
        await schedules.replace_calendar(tx, closed, [], now=house.clock.now())
        assert await schedules.list_days(tx) == closed
        shown = await schedules.next_dates(tx, schedule.schedule_id, limit=2)
        assert [one.due_on.day for one in shown] == [5, 11]
    await at(house, 4)
    assert await paid(house) == []
    assert (await stands(house, schedule)).next_on == date(2026, 3, 5)
    await at(house, 5)
    assert await paid(house) == ["RENT:20260304"]
    async with house.db.tx(house.tenant_id) as tx:
        await schedules.replace_calendar(tx, [], [CutOff("toy", time(11, 0))], now=house.clock.now())
        assert [one.at for one in await schedules.list_cut_offs(tx)] == [time(11, 0)]
        shown = await schedules.next_dates(tx, schedule.schedule_id, limit=1)
        assert [one.due_on.day for one in shown] == [12]
        assert await schedules.list_days(tx) == []
        with pytest.raises(MalformedSchedule):
            await schedules.replace_calendar(tx, [*closed, *closed], [], now=house.clock.now())


@pytest.mark.parametrize(
    ("what", "refusal"),
    [
        (terms(replace(DAILY, interval=0)), MalformedSchedule),
        (terms(replace(DAILY, start_on=MONDAY - timedelta(days=1))), MalformedSchedule),
        (terms(amount_minor=0), MalformedSchedule),
        (replace(terms(), sweep=Sweep(0, 5)), MalformedSchedule),
        (terms(sweep=Sweep(0, 5, 6)), MalformedSchedule),
        (terms(retry_days=31), MalformedSchedule),
        (terms(connection="nowhere"), MalformedSchedule),
        (replace(terms(), currency="KES"), MalformedSchedule),
        (replace(terms(), source_code="wallet:nobody"), SourceNotFound),
        (terms(Recurrence(Frequency.ONCE, MONDAY, time(9, 0))), NoDates),
    ],
)
async def test_bad_orders(house: House, what: Terms, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        await order(house, what)
    async with house.db.tx(house.tenant_id) as tx:
        assert (await schedules.list_schedules(tx)).items == []


async def test_a_reference_is_used_once(house: House) -> None:
    await order(house, terms())
    with pytest.raises(ScheduleExists):
        await order(house, terms())


async def test_others_see_nothing(house: House) -> None:
    schedule = await active(house, terms())
    for tenant, branches in [(uuid4(), None), (house.tenant_id, (uuid4(),))]:
        async with house.db.tx(tenant, branches=branches) as tx:
            with pytest.raises(ScheduleNotFound):
                await schedules.cancel_schedule(tx, schedule.schedule_id, now=house.clock.now(), meta=META)
            assert (await schedules.list_schedules(tx)).items == []
    with pytest.raises(SourceNotFound):
        await order(house, terms(), reference="OTHER", branches=(uuid4(),))
