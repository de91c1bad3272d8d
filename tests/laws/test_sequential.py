"""Laws of one client: any history, cut into any batches, is what the oracle says."""

from datetime import date, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.kit.money import MINOR_MAX, Money, json_amount, parse_amount
from omniroute.ledger import Posted, Side
from tests.laws.histories import CODES, Change, History, Step, batches, histories, plain_steps
from tests.laws.invariants import check_invariants
from tests.ledger.makers import NOW, codes, make_ledger, ngn, only, state

bounded = settings(
    max_examples=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
few = settings(bounded, max_examples=12)


@bounded
@given(history=histories)
async def test_law_05_a_batch_is_its_items_one_by_one(
    app_db: Database, owner_db: Database, history: list[list[Step] | Change]
) -> None:
    """Also laws 4 (limits after every prefix), 8 (holds) and 18 (events)."""
    played = await History.begin(app_db)
    await played.play(history)
    await check_invariants(owner_db, played.books.tenant_id)


_ENTRIES = b"""
SELECT a.code, e.version, e.leg, e.side::text, e.layer::text, e.amount_minor, e.currency, e.balance_after,
       e.pending_debit_after, e.pending_credit_after
  FROM ledger_entry e JOIN ledger_account a USING (tenant_id, account_id)
 WHERE e.tenant_id = %s ORDER BY 1, 2, 6, 3, 4, 5"""


@bounded
@given(steps=st.lists(plain_steps, min_size=1, max_size=12), data=st.data())
async def test_law_05_what_a_call_does_not_ask_it_need_not_ask(
    app_db: Database, owner_db: Database, steps: list[Step], data: st.DataObject
) -> None:
    """A call asks once whether all accounts are open, anything is held, an amount is near the end of the range. The
    same items, alone in one call, one by one, and with refused items that make it ask everything: the same books."""
    at = data.draw(st.integers(0, len(steps)))
    books = []
    for awkward in (None, "one by one", "beside others"):
        history = await History.begin(app_db)
        made = history.books
        commands = [history.command(step, 0) for step in steps]
        if awkward is None:
            outcomes = await made.post(*commands, at=NOW)
        elif awkward == "one by one":
            outcomes = [outcome for command in commands for outcome in await made.post(command, at=NOW)]
        else:
            others = [
                ledger.void_hold(uuid7()),
                ledger.post_transaction(made.legs("cash", "nobody", ngn(1))),
                ledger.post_transaction(made.legs("ada", "cash.kes", ngn(2**63 - 1)), linked=1),
                made.transfer("cash", "open", ngn(2**62), linked=2),
                ledger.reverse_transaction(uuid7(), linked=2),
            ]
            outcomes = await made.post(*commands[:at], *others, *commands[at:], at=NOW)
            assert "booked" not in codes(outcomes[at : at + len(others)])
            del outcomes[at : at + len(others)]
        async with owner_db.tx(made.tenant_id) as tx:
            rows = await (await tx.connection.execute(_ENTRIES, [made.tenant_id])).fetchall()
        await check_invariants(owner_db, made.tenant_id)
        balances = await made.balances(*CODES)
        counters = {
            code: (b.posted_debit, b.posted_credit, b.pending_debit, b.pending_credit, b.version)
            for code, b in balances.items()
        }
        books.append((codes(outcomes), [tuple(row) for row in rows], counters))
    assert books[0] == books[1] == books[2]


@few
@given(steps=batches)
async def test_law_07_a_call_that_books_nothing_changes_nothing(
    app_db: Database, owner_db: Database, steps: list[Step]
) -> None:
    """The batch as one linked group that ends in a refusal: every table is as it was. A dry run of it as well."""
    history = await History.begin(app_db)
    books = history.books
    commands = [history.command(step, 1) for step in steps]
    group = [
        ledger.post_transaction(c.legs, linked=1) if c.kind == "p" else books.transfer("ada", "ben", ngn(1), linked=1)
        for c in commands
    ]
    group.append(books.transfer("ada", "ben", ngn(2_000), linked=1))
    before = await state(owner_db, books.tenant_id)

    told = codes(await books.post(*group))
    async with app_db.tx(books.tenant_id) as tx:
        await ledger.dry_run(tx, history.batch(steps), today=NOW.date())

    assert "booked" not in told
    assert await state(owner_db, books.tenant_id) == before


@few
@given(
    days=st.lists(st.tuples(st.integers(-40, 40), st.sampled_from(["ada", "ben", "open"])), min_size=1, max_size=12),
    data=st.data(),
)
async def test_law_11_balances_by_both_times_are_folds_and_back_dating_commutes(
    app_db: Database, days: list[tuple[int, str]], data: st.DataObject
) -> None:
    """Booked in two different orders, every effective balance is the same; the balance known at T ends a chain."""
    effective = []
    for order in (days, data.draw(st.permutations(days))):
        books = await make_ledger(app_db)
        for minute, (day, code) in enumerate(order):
            value_on = NOW.date() + timedelta(days=day)
            command = books.transfer("cash", code, ngn(100 + day), value_on=value_on)
            await books.posted(command, at=NOW + timedelta(minutes=minute))
        async with app_db.tx(books.tenant_id) as tx:
            known = await tx.connection.execute(
                """SELECT count(*) FROM ledger_entry e WHERE e.tenant_id = %(t)s AND e.version IS NOT NULL
                      AND e.balance_after <> (SELECT sum(amount_minor) FROM ledger_entry b WHERE b.tenant_id = %(t)s
                                                AND b.account_id = e.account_id AND b.booked_at <= e.booked_at)""",
                {"t": books.tenant_id},
            )
            assert await known.fetchone() == (0,)
        effective.append(dict.fromkeys(days, 0))
        for on, code in effective[-1]:
            async with app_db.tx(books.tenant_id) as tx:
                cursor = await tx.connection.execute(
                    """SELECT coalesce(sum(amount_minor), 0)::bigint FROM ledger_entry
                        WHERE tenant_id = %s AND account_id = %s AND value_on <= %s""",
                    [books.tenant_id, books.id(code), NOW.date() + timedelta(days=on)],
                )
                row = await cursor.fetchone()
                assert row is not None
                effective[-1][on, code] = row[0]
    assert effective[0] == effective[1]


@given(
    amount=st.integers(-MINOR_MAX, MINOR_MAX),
    weights=st.lists(st.integers(0, 2**70), min_size=1, max_size=20).filter(any),
)
def test_law_14_shares_add_up_to_the_whole(amount: int, weights: list[int]) -> None:
    """And each is within one unit of its exact part."""
    shares = [share.amount_minor for share in ngn(amount).split(weights)]
    assert sum(shares) == amount
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * sum(weights) - amount * weight) < sum(weights)


@few
@given(some=st.lists(batches, min_size=1, max_size=4))
async def test_law_15_reversing_a_history_brings_the_balances_back(app_db: Database, some: list[list[Step]]) -> None:
    history = await History.begin(app_db)
    books = history.books
    names = ("cash", "float", "fees", "revenue", "ada", "ben", "eve", "open", "cash.kes", "ada.kes")
    before = await books.balances(*names)
    posted = []
    for steps in some:
        commands = [command for command in history.batch(steps) if command.kind == "p" and not command.linked]
        if commands:
            outcomes = await books.post(*commands, at=NOW)
            posted += [o.transaction.transaction_id for o in outcomes if isinstance(o, Posted) and not o.replayed]

    undone = [ledger.reverse_transaction(transaction, linked=0) for transaction in reversed(posted)]
    told = codes(await books.post(*undone, at=NOW)) if undone else []

    # Only turnover that is already at the last number may stand in the way.
    if set(told) <= {"booked"}:
        after = await books.balances(*names)
        assert {c: b.posted_minor for c, b in after.items()} == {c: b.posted_minor for c, b in before.items()}
    else:
        assert set(told) <= {"booked", "ledger.balance_overflow", "ledger.insufficient_funds"}


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_txn", "ledger_balance", "event_log"])
async def test_law_16_no_door_can_change_what_is_booked(app_db: Database, owner_db: Database, table: str) -> None:
    """Neither the doors nor the workers; entries and transactions not even by their owner."""
    books = await make_ledger(app_db)
    await books.posted(books.transfer("cash", "ada", ngn(5)))
    before = await state(owner_db, books.tenant_id)
    for statement in (f"UPDATE {table} SET tenant_id = tenant_id", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with app_db.tx(books.tenant_id) as tx:
                await tx.connection.execute(statement.encode())
        if table in ("ledger_entry", "ledger_txn"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                async with owner_db.tx(books.tenant_id) as tx:
                    await tx.connection.execute(statement.encode())
    assert await state(owner_db, books.tenant_id) == before


async def test_law_17_one_tenant_neither_sees_nor_moves_what_is_anothers(app_db: Database, owner_db: Database) -> None:
    theirs, ours = await make_ledger(app_db), await make_ledger(app_db)
    hold = only(await theirs.post(theirs.hold("cash", "ada", ngn(5), key="k", reference="r"))).transaction_id
    before = await state(owner_db, theirs.tenant_id)

    told = codes(
        await ours.post(
            ledger.post_transaction(theirs.legs("cash", "ada", ngn(1))),
            ledger.capture_hold(hold),
            ledger.void_hold(hold),
            ledger.reverse_transaction(hold),
            ours.transfer("cash", "ada", ngn(1), key="k", reference="r"),
        )
    )
    assert told[:4] == [
        "ledger.unknown_account",
        "ledger.unknown_hold",
        "ledger.unknown_hold",
        "ledger.unknown_transaction",
    ]
    assert told[4] == "booked"
    async with app_db.tx(ours.tenant_id) as tx:
        assert await ledger.find_balances(tx, [theirs.id("ada")]) == {}
        for table in ("ledger_txn", "ledger_entry", "ledger_hold", "ledger_claim", "ledger_account", "event_log"):
            query = f"SELECT count(*) FROM {table} WHERE tenant_id <> %s"
            assert await (await tx.connection.execute(query.encode(), [ours.tenant_id])).fetchone() == (0,)

    async def steal() -> None:
        async with app_db.tx(ours.tenant_id) as tx:
            tx.tenant_id = theirs.tenant_id
            await ledger.post(tx, [theirs.transfer("cash", "ada", ngn(1))], today=NOW.date())

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await steal()
    assert await state(owner_db, theirs.tenant_id) == before


async def test_law_18_one_event_for_each_booked_transaction_and_none_for_refusals(
    app_db: Database, owner_db: Database
) -> None:
    books = await make_ledger(app_db)
    outcomes = await books.post(
        books.transfer("cash", "ada", ngn(5), key="a"),
        books.transfer("ben", "ada", ngn(5), key="b"),
        books.transfer("cash", "ada", ngn(5), key="a"),
        books.hold("cash", "ada", ngn(5)),
    )
    booked = [str(o.transaction.transaction_id) for o in outcomes if isinstance(o, Posted) and not o.replayed]
    async with owner_db.tx() as tx:
        cursor = await tx.connection.execute(
            """SELECT subject::text FROM event_log WHERE tenant_id = %s AND type LIKE 'ledger.transaction.%%'
                ORDER BY seq""",
            [books.tenant_id],
        )
        assert [row[0] for row in await cursor.fetchall()] == booked
    assert len(booked) == 2
    await check_invariants(owner_db, books.tenant_id)


@pytest.mark.parametrize(
    ("credit", "amount"),
    [(credit, amount) for credit in ("open", "fees") for amount in (1, 2**53 - 1, 2**53, 2**53 + 1, 2**56)]
    + [("open", 2**63 - 1)],
)
async def test_law_21_every_amount_is_exact_all_the_way(app_db: Database, amount: int, credit: str) -> None:
    """Python to SQL and back, and through JSON."""
    books = await make_ledger(app_db)
    transaction = only(await books.post(books.transfer("cash", credit, ngn(amount))))
    async with app_db.tx(books.tenant_id) as tx:
        found = await ledger.find_transaction(tx, transaction.transaction_id)
    assert [entry.amount for entry in found.entries] == [ngn(amount)] * 2
    assert [entry.side for entry in found.entries] == [Side.DEBIT, Side.CREDIT]
    assert (await books.balance(credit)).posted_minor == amount
    assert parse_amount(json_amount(amount)) == amount
    assert Money(amount, "NGN") == ngn(amount)


def test_law_21_zero_is_no_amount_to_move() -> None:
    with pytest.raises(Exception, match=r"ledger\.amount_not_positive"):
        ledger.reverse_transaction(uuid7(), amount_minor=0, value_on=date(2026, 1, 1))
