"""Posting: what one call books, and what it answers."""

from datetime import timedelta
from uuid import UUID

import pytest

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.ledger import Posted, Refused, Side, TxnKind
from tests.ledger.makers import NOW, TODAY, Books, codes, kes, make_ledger, ngn, only


@pytest.fixture
async def books(app_db: Database) -> Books:
    """A tenant of its own, with 100.00 in Ada's wallet."""
    made = await make_ledger(app_db)
    await made.posted(made.transfer("cash", "ada", ngn(100_00)))
    return made


async def test_a_transfer_moves_money_and_answers_with_balances_and_versions(books: Books) -> None:
    command = books.transfer("ada", "ben", ngn(30_00), reference="order 1", metadata={"order": 1})

    transaction = only(await books.post(command))

    assert transaction.kind is TxnKind.POST
    assert transaction.value_on == TODAY
    assert transaction.reference == "order 1"
    assert transaction.metadata == {"order": 1}
    assert [(e.leg, e.side, e.held, e.amount, e.balance_after_minor, e.version) for e in transaction.entries] == [
        (1, Side.DEBIT, False, ngn(30_00), 70_00, 2),
        (2, Side.CREDIT, False, ngn(30_00), 30_00, 1),
    ]
    assert await books.available("ada") == 70_00
    assert await books.available("ben") == 30_00


async def test_what_is_read_back_equals_what_was_answered(books: Books) -> None:
    transaction = only(await books.post(books.transfer("ada", "ben", ngn(1), reference="r", metadata={"é": [1, None]})))

    async with books.db.tx(books.tenant_id) as tx:
        assert await ledger.find_transaction(tx, transaction.transaction_id) == transaction
        assert await ledger.find_by_reference(tx, "r") == transaction


async def test_legs_of_several_currencies_balance_each(books: Books) -> None:
    legs = books.legs("cash", "ada", ngn(5)) + books.legs("cash.kes", "ada.kes", kes(7))

    await books.posted(ledger.post_transaction(legs))

    assert await books.available("ada") == 100_05
    assert await books.available("ada.kes") == 7


async def test_a_limit_looks_at_the_net_of_a_transaction(books: Books) -> None:
    legs = books.legs("ben", "revenue", ngn(50)) + books.legs("cash", "ben", ngn(50))

    assert codes(await books.post(ledger.post_transaction(legs))) == ["booked"]
    assert await books.available("ben") == 0


async def test_items_of_a_batch_see_those_before_them(books: Books) -> None:
    outcomes = await books.post(
        books.transfer("ben", "eve", ngn(10)),
        books.transfer("ada", "ben", ngn(10)),
        books.transfer("ben", "eve", ngn(10)),
        books.transfer("ben", "eve", ngn(1)),
    )

    refused = "ledger.insufficient_funds"
    assert codes(outcomes) == [refused, "booked", "booked", refused]
    assert await books.available("eve") == 10


async def test_a_key_repeats_the_first_outcome(books: Books) -> None:
    command = books.transfer("ada", "ben", ngn(60_00), key="k1")
    first = only(await books.post(command))
    await books.posted(books.transfer("ada", "ben", ngn(40_00)))

    (again,) = await books.post(books.transfer("ada", "ben", ngn(60_00), key="k1"))

    assert again == Posted(first, replayed=True)
    assert await books.available("ada") == 0


async def test_a_refused_key_stays_refused_even_when_it_would_work_now(books: Books) -> None:
    command = books.transfer("ben", "ada", ngn(1), key="k1", reference="r1")
    (first,) = await books.post(command)
    await books.posted(books.transfer("cash", "ben", ngn(100)))

    (again,) = await books.post(command)

    assert isinstance(first, Refused)
    assert isinstance(again, Refused)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.refusal.code == first.refusal.code == "ledger.insufficient_funds"
    assert again.refusal.facts == first.refusal.facts
    # Its reference is free for a new request.
    assert codes(await books.post(books.transfer("ben", "ada", ngn(1), reference="r1"))) == ["booked"]


async def test_a_key_twice_in_one_batch_is_one_transaction(books: Books) -> None:
    command = books.transfer("ada", "ben", ngn(10), key="k1")
    other = books.transfer("ada", "ben", ngn(11), key="k1")

    first, second, third = await books.post(command, command, other)

    assert isinstance(first, Posted)
    assert isinstance(second, Posted)
    assert (first.replayed, second.replayed) == (False, True)
    assert first.transaction == second.transaction
    assert codes([third]) == ["ledger.key_reused"]
    assert await books.available("ben") == 10


async def test_a_hold_counts_against_the_limits_until_it_is_resolved(books: Books) -> None:
    hold = only(await books.post(books.hold("ada", "ben", ngn(80_00))))

    assert await books.available("ada") == 20_00
    assert codes(await books.post(books.transfer("ada", "ben", ngn(20_01)))) == ["ledger.insufficient_funds"]
    capture = only(await books.post(ledger.capture_hold(hold.transaction_id, amount_minor=50_00)))
    assert capture.source_id == hold.transaction_id
    await books.posted(ledger.void_hold(hold.transaction_id))

    ada, ben = await books.balance("ada"), await books.balance("ben")
    assert (ada.posted_minor, ada.available_minor, ada.pending_debit) == (50_00, 50_00, 0)
    assert (ben.posted_minor, ben.available_minor, ben.pending_credit) == (50_00, 50_00, 0)
    async with books.db.tx(books.tenant_id) as tx:
        found = await ledger.find_hold(tx, hold.transaction_id)
    assert not found.open
    assert [(leg.captured_minor, leg.released_minor) for leg in found.legs] == [(50_00, 30_00), (50_00, 30_00)]


async def test_a_final_capture_releases_the_rest(books: Books) -> None:
    hold = only(await books.post(books.hold("ada", "ben", ngn(80_00))))

    await books.posted(ledger.capture_hold(hold.transaction_id, amount_minor=1, final=True))

    assert await books.available("ada") == 99_99
    again = await books.post(ledger.capture_hold(hold.transaction_id, amount_minor=1))
    assert codes(again) == ["ledger.hold_resolved"]


async def test_a_hold_expires_at_its_deadline_even_if_nobody_sweeps(books: Books) -> None:
    deadline = NOW + timedelta(minutes=5)
    hold = only(await books.post(books.hold("ada", "ben", ngn(10), expires_at=deadline), at=NOW)).transaction_id
    early = deadline - timedelta(microseconds=1)

    assert codes(await books.post(ledger.void_hold(hold, expired=True), at=early)) == ["ledger.hold_not_expired"]
    assert codes(await books.post(ledger.capture_hold(hold, amount_minor=4), at=early)) == ["booked"]
    assert codes(await books.post(ledger.capture_hold(hold), at=deadline)) == ["ledger.hold_expired"]
    assert codes(await books.post(ledger.void_hold(hold, expired=True), at=deadline)) == ["booked"]

    assert (await books.balance("ada")).pending_debit == 0
    assert await books.available("ben") == 4


async def test_a_reversal_undoes_once_in_parts_up_to_the_whole(books: Books) -> None:
    original = only(await books.post(books.transfer("ada", "ben", ngn(10_00)))).transaction_id

    def reverse(amount: int | None = None) -> ledger.Command:
        return ledger.reverse_transaction(original, amount_minor=amount)

    assert codes(await books.post(reverse(4_00), reverse(6_01), reverse(), reverse(), reverse(1))) == [
        "booked",
        "ledger.reversal_above_original",
        "booked",
        "ledger.already_reversed",
        "ledger.already_reversed",
    ]
    assert await books.available("ada") == 100_00
    assert await books.available("ben") == 0


async def test_a_group_of_holds_is_captured_or_voided_together(books: Books) -> None:
    group = books.id("a group of holds")
    await books.posted(
        books.hold("ada", "ben", ngn(10), group_id=group), books.hold("ada", "eve", ngn(20), group_id=group)
    )

    async with books.db.tx(books.tenant_id) as tx:
        captured = await ledger.resolve_group(tx, group, capture=True, today=TODAY)

    assert len(captured) == 2
    assert (await books.available("ben"), await books.available("eve")) == (10, 20)
    async with books.db.tx(books.tenant_id) as tx:
        with pytest.raises(Exception, match=r"ledger\.unknown_hold"):
            await ledger.resolve_group(tx, group, capture=False, today=TODAY)


async def test_a_linked_group_is_booked_whole(books: Books) -> None:
    outcomes = await books.post(
        books.transfer("ada", "ben", ngn(10), linked=7), books.transfer("ben", "eve", ngn(10), linked=7)
    )

    linked = {outcome.transaction.linked_id for outcome in outcomes if isinstance(outcome, Posted)}
    assert codes(outcomes) == ["booked", "booked"]
    assert len(linked) == 1
    assert None not in linked
    assert await books.available("eve") == 10


async def test_deferred_accounts_take_part_without_a_version(books: Books) -> None:
    transaction = only(await books.post(books.transfer("ada", "fees", ngn(25))))

    assert [(e.balance_after_minor, e.version) for e in transaction.entries] == [(99_75, 2), (None, None)]
    fees = await books.balance("fees")
    assert (fees.posted_minor, fees.version) == (25, None)


async def test_book_tells_ids_and_refusals_of_what_post_would_do(books: Books) -> None:
    hold = only(await books.post(books.hold("cash", "ada", ngn(50)))).transaction_id
    commands = [
        books.transfer("ada", "ben", ngn(30_00), key="k"),
        books.transfer("ben", "ada", ngn(900_00)),
        ledger.capture_hold(hold),
    ]

    async with books.db.tx(books.tenant_id) as tx:
        first, refused, captured = await ledger.book(tx, commands, today=TODAY)
        assert await ledger.book(tx, commands[:1], today=TODAY) == [first], "the same key is the same posting"

    assert isinstance(refused, Refused)
    assert (await books.available("ada"), await books.available("ben")) == (70_50, 30_00)
    async with books.db.tx(books.tenant_id) as tx:
        found = [await ledger.find_transaction(tx, one) for one in (first, captured) if isinstance(one, UUID)]
    assert [one.kind for one in found if one is not None] == [TxnKind.POST, TxnKind.CAPTURE]
