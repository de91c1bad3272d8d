"""A key acts for the person who made it: one person with a login and keys of their own is never two people."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from psycopg import errors as pg

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.ids import show, uuid7
from omniroute.kit.refusal import Refusal
from omniroute.money import desk, payments, schedules
from omniroute.money.desk import Settle
from omniroute.money.payments import PaymentState
from tests.money.batches.batching import sender, table
from tests.money.desk.desk import ask, snapshot
from tests.money.desk.test_requests import unknown
from tests.money.payments import house as houses
from tests.money.payments.house import META, START, House
from tests.money.schedules.test_schedules import terms

ADA, BAYO = show("usr", uuid7()), show("usr", uuid7())
MAKERS = ["person", "key", "key of a key"]


@pytest.fixture
async def house(app_db: Database, worker_db: Database, owner_db: Database) -> House:
    return await houses.build(app_db, worker_db, owner_db)


async def key_of(house: House, creator: str, key_id: UUID | None = None) -> str:
    """A key that this caller made."""
    key_id = key_id or uuid7()
    async with house.db.tx(house.tenant_id) as tx:
        await tx.connection.execute(
            "INSERT INTO credential (tenant_id, id, kind, name, mode, permissions, created_by, created_at, updated_at)"
            " VALUES (%s, %s, 'api_key', 'k', 'live', '{}', %s, now(), now())",
            [house.tenant_id, key_id, creator],
        )
    return show("key", key_id)


async def ways_of(house: House, person: str) -> dict[str, str]:
    """Ways in which one person comes in."""
    key = await key_of(house, person)
    return {"person": person, "key": key, "key of a key": await key_of(house, key)}


async def person_of(house: House, subject: str) -> Any:
    async with house.db.tx(house.tenant_id) as tx:
        found = await (await tx.connection.execute("SELECT person_of(%s) AS person", [subject])).fetchone()
    assert found is not None
    return found.person


async def test_who_stands_behind_a_caller(house: House) -> None:
    for way in (await ways_of(house, ADA)).values():
        assert await person_of(house, way) == ADA
    first = await key_of(house, "bootstrap")
    made = await key_of(house, first)
    assert (await person_of(house, first), await person_of(house, made)) == (first, made), "nobody is behind them"
    one, other = uuid7(), uuid7()
    await key_of(house, show("key", other), one)
    await key_of(house, show("key", one), other)
    assert await person_of(house, show("key", one)) == show("key", one), "a circle ends"
    for odd in ("", "key_", "key_1", "system:payments", f"key_{'z' * 26}", f"key_{'u' * 26}", show("key", uuid7())):
        assert await person_of(house, odd) == odd
    assert await person_of(house, show("key", UUID(int=2**128 - 1))) == show("key", UUID(int=2**128 - 1))


async def test_another_organisation_learns_nothing(
    house: House, app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    key = await key_of(house, ADA)
    other = await houses.build(app_db, worker_db, owner_db)
    assert await person_of(other, key) == key


async def test_a_branch_sees_through_keys_of_the_whole_organisation(house: House) -> None:
    key = await key_of(house, ADA)
    async with house.db.tx(house.tenant_id, branches=(uuid7(),)) as tx:
        found = await (await tx.connection.execute("SELECT person_of(%s) AS person", [key])).fetchone()
    assert found is not None
    assert found.person == ADA


Act = Callable[[House, str, str, str], Awaitable[Any]]


async def payment(house: House, maker: str, first: str, second: str) -> str:
    """Decided by `first`, then by `second`; two are needed. The state then."""
    house.rules.approvals = 2
    (one,) = await house.ask_for(house.order(), actor=maker)
    assert isinstance(one, payments.Initiated)
    for actor in (first, second):
        before = await snapshot(house, one.payment)
        async with house.db.tx(house.tenant_id) as tx:
            (answer,) = await payments.approve(
                tx,
                [one.payment.payment_id],
                actor=actor,
                now=house.clock.now(),
                today=START.date(),
                meta=Meta(actor=actor),
            )
        if isinstance(answer, Refusal):
            assert await snapshot(house, one.payment) == before
            raise answer
    return (await house.now_stands(one.payment)).state.value


async def desk_act(house: House, maker: str, first: str, second: str) -> str:
    made, attempt = await unknown(house)
    request = await ask(house, Settle(attempt.attempt_id, paid=True, receipt="X"), actor=maker, needed=2)
    state = "open"
    for actor in (first, second):
        before = await snapshot(house, made)
        try:
            async with house.db.tx(house.tenant_id) as tx:
                state = (
                    await desk.approve(
                        tx,
                        request.request_id,
                        actor=actor,
                        rails={one.rail: one for one in house.connectors},
                        now=house.clock.now(),
                        today=START.date(),
                        meta=META,
                    )
                ).state.value
        except Refusal:
            assert await snapshot(house, made) == before
            raise
    return state


async def batch(house: House, maker: str, first: str, second: str) -> str:
    shop = sender(house)
    house.rules.approvals = 2
    made = await shop.checked(table(1))
    await shop.do("submit", made, actor=maker, on_invalid=None)
    for actor in (first, second):
        await shop.do("approve", made, actor=actor, comment=None)
    return (await shop.stands(made)).state.value


async def schedule(house: House, maker: str, first: str, second: str) -> str:
    house.rules.approvals = 2
    async with house.db.tx(house.tenant_id) as tx:
        made = await schedules.create_schedule(
            tx,
            terms(),
            reference=f"S-{uuid7()}",
            actor=maker,
            branches=None,
            rules=house.rules,
            now=house.clock.now(),
            today=START.date(),
            meta=META,
        )
    for actor in (first, second):
        async with house.db.tx(house.tenant_id) as tx:
            made = await schedules.approve_schedule(tx, made.schedule_id, actor=actor, now=house.clock.now(), meta=META)
    return made.state.value


ACTS = {"payment": payment, "desk": desk_act, "batch": batch, "schedule": schedule}
IS_MAKER = {
    "payment": "payments.approver_is_initiator",
    "desk": "desk.checker_is_maker",
    "batch": "batches.approver_is_initiator",
    "schedule": "schedules.approver_is_requester",
}
TWICE = {
    "payment": "payments.already_decided",
    "desk": "desk.already_decided",
    "batch": "batches.already_decided",
    "schedule": "schedules.already_decided",
}


@pytest.mark.parametrize("act", sorted(ACTS))
@pytest.mark.parametrize(("maker", "checker"), [("person", "key"), ("key", "person"), ("key of a key", "key")])
async def test_one_person_does_not_check_what_they_made(house: House, act: str, maker: str, checker: str) -> None:
    ways = await ways_of(house, ADA)
    with pytest.raises(Refusal) as refused:
        await ACTS[act](house, ways[maker], ways[checker], BAYO)
    assert refused.value.code == IS_MAKER[act]


@pytest.mark.parametrize("act", sorted(ACTS))
async def test_one_person_has_one_word(house: House, act: str) -> None:
    ways = await ways_of(house, BAYO)
    with pytest.raises(Refusal) as refused:
        await ACTS[act](house, ADA, ways["person"], ways["key of a key"])
    assert refused.value.code == TWICE[act]


@pytest.mark.parametrize("act", sorted(ACTS))
async def test_other_people_may_come_by_keys(house: House, act: str) -> None:
    ada, bayo = await ways_of(house, ADA), await ways_of(house, BAYO)
    third = await key_of(house, show("usr", uuid7()))
    state = await ACTS[act](house, ada["key"], bayo["key of a key"], third)
    assert state in (PaymentState.APPROVED.value, "executed", "approved", "active")


async def test_nobody_speaks_in_another_name(house: House) -> None:
    """The database says whose word it is, whatever the code thinks, and refuses the maker's."""
    key = await key_of(house, ADA)
    house.rules.approvals = 2
    (one,) = await house.ask_for(house.order(), actor=BAYO)
    assert isinstance(one, payments.Initiated)
    text = (
        b"INSERT INTO payment_approval (tenant_id, payment_id, approver, approved, decided_at, person)"
        b" VALUES (%s, %s, %s, true, now(), %s) RETURNING person"
    )
    given = [house.tenant_id, one.payment.payment_id]
    async with house.db.tx(house.tenant_id) as tx:
        row = await (await tx.connection.execute(text, [*given, key, "somebody else"])).fetchone()
    assert row is not None
    assert row.person == ADA
    with pytest.raises(pg.UniqueViolation, match="one_word"):
        async with house.db.tx(house.tenant_id) as tx:
            await tx.connection.execute(text, [*given, ADA, "somebody else"])
    with pytest.raises(pg.IntegrityConstraintViolation, match="does not approve"):
        async with house.db.tx(house.tenant_id) as tx:
            await tx.connection.execute(text, [*given, await key_of(house, BAYO), "somebody else"])
