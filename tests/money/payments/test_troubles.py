"""A connection in trouble is its own trouble: what others have to do goes on in the same round."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from omniroute.infra.postgres import Database
from omniroute.kit.refusal import Fault
from omniroute.money import payments
from omniroute.money.payments import Payment, PaymentState
from omniroute.ports.rails import Callback, Context, RailEvent, RailUnable, StatementPage
from tests.money.payments import house as houses
from tests.money.payments.house import House


@pytest.fixture
async def big(app_db: Database, worker_db: Database, owner_db: Database) -> House:
    return await houses.build(app_db, worker_db, owner_db, rails=("toy", "toy2", "toy3"))


async def states(house: House, made: list[Payment]) -> list[PaymentState]:
    return [(await house.now_stands(payment)).state for payment in made]


async def test_a_call_that_breaks_its_connector_holds_up_no_other(big: House) -> None:
    big.connectors[0].takes = timedelta(seconds=5)
    made = await big.initiated(*[big.order(amount_minor=100) for _ in range(2)])
    await big.dispatcher.send()
    await big.dispatcher.idle()
    big.clock.at += timedelta(seconds=6)
    await big.world.run_due()
    refs = [(await big.attempts(one))[0].our_ref for one in made]
    connection_id, *_ = big.rules.connection_ids
    rail = big.connectors[0]
    read = rail.read_callback

    def breaks(context: Context, callback: Callback) -> Sequence[RailEvent]:
        if callback.body == b"0":
            raise KeyError("a member nobody thought could be missing")
        return read(context, callback)

    rail.read_callback = breaks  # type: ignore[method-assign]
    async with big.db.tx(big.tenant_id) as tx:
        for number, ref in enumerate(refs):
            await payments.receive_callback(
                tx,
                connection_id,
                purpose="verified",
                ref=ref,
                authentic=True,
                headers={},
                body=b"%d" % number,
                now=big.clock.now(),
            )
    assert await big.dispatcher.hear() == 2
    assert await states(big, made) == [PaymentState.EXECUTING, PaymentState.SUCCEEDED]
    assert await big.dispatcher.hear() == 0, "it is not looked at for ever"
    await big.settle()
    assert await states(big, made) == [PaymentState.SUCCEEDED] * 2, "asking found out"


async def read_until(house: House, owner: Database) -> list[bool]:
    """Of which connections the statement was read, in the order of their codes."""
    async with owner.tx(house.tenant_id) as tx:
        rows = await tx.connection.execute(
            "SELECT statement_until FROM bank_connection WHERE tenant_id = %s ORDER BY code", [house.tenant_id]
        )
        return [row.statement_until is not None for row in await rows.fetchall()]


@pytest.mark.parametrize("error", [RailUnable("no settlement report"), Fault("silent"), KeyError("settings")])
async def test_a_statement_that_cannot_be_read_holds_up_no_other(
    big: House, owner_db: Database, error: Exception
) -> None:
    async with owner_db.tx() as tx:  # What earlier tests left would have its turn, too.
        await tx.connection.execute("UPDATE bank_connection SET operations = '{payout}'")
        await tx.connection.execute(
            "UPDATE bank_connection SET operations = '{payout,statement}' WHERE tenant_id = %s", [big.tenant_id]
        )
    asked: list[date] = []

    async def broken(context: Context, day: date, cursor: str | None) -> StatementPage:
        asked.append(day)
        raise error

    works = big.connectors[0].fetch_statement
    for rail in big.connectors[:2]:
        rail.fetch_statement = broken  # type: ignore[method-assign]
    reader = payments.StatementReader(big.worker, big.links, clock=big.clock, business_day=houses.today)
    # There is one place a round, and two that cannot be read stand before the third.
    for _ in range(3):
        await reader.read_due(limit=1)
    assert await read_until(big, owner_db) == [False, False, True]
    assert len(asked) == 2
    await reader.read_due()
    assert len(asked) == 2, "not again in the same minute"
    big.connectors[0].fetch_statement = works  # type: ignore[method-assign]
    big.clock.at += timedelta(minutes=2)
    await reader.read_due()
    assert await read_until(big, owner_db) == [True, False, True]
