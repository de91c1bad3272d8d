"""What the ledger refuses, with its reason; and that nothing moved then."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.kit.money import MINOR_MAX, Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import AccountStatus, Condition, Leg, Refused, Side
from tests.ledger.makers import NOW, Books, codes, kes, make_ledger, ngn, only, state


@pytest.fixture
async def books(app_db: Database) -> Books:
    """A tenant of its own, with 100.00 in Ada's wallet."""
    made = await make_ledger(app_db)
    await made.posted(made.transfer("cash", "ada", ngn(100_00), reference="funding"))
    return made


@pytest.fixture
def check_refused(books: Books, owner_db: Database) -> Any:
    """`await check_refused(code, command)`: it is refused with this code and no row of any table changed."""

    async def check(code: str, *commands: ledger.Command, **options: Any) -> dict[str, object]:
        before = await state(owner_db, books.tenant_id)
        outcomes = await books.post(*commands, **options)
        assert codes(outcomes)[-1] == code
        assert all(isinstance(outcome, Refused) for outcome in outcomes)
        assert await state(owner_db, books.tenant_id) == before
        assert isinstance(outcomes[-1], Refused)
        return outcomes[-1].refusal.facts

    return check


def _malformed(make: Callable[[], object], code: str) -> None:
    with pytest.raises(Refusal) as raised:
        make()
    assert raised.value.code == code


def _leg(side: Side, amount: Money) -> Leg:
    return Leg(UUID(int=1), side, amount)


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ([], "ledger.legs_out_of_range"),
        ([_leg(Side.DEBIT, ngn(1))], "ledger.legs_out_of_range"),
        ([_leg(Side.DEBIT, ngn(1)), _leg(Side.CREDIT, ngn(1))] * 501, "ledger.legs_out_of_range"),
        ([_leg(Side.DEBIT, ngn(0)), _leg(Side.CREDIT, ngn(0))], "ledger.amount_not_positive"),
        ([_leg(Side.DEBIT, ngn(-1)), _leg(Side.CREDIT, ngn(-1))], "ledger.amount_not_positive"),
        ([_leg(Side.DEBIT, ngn(2)), _leg(Side.CREDIT, ngn(1))], "ledger.unbalanced"),
        ([_leg(Side.DEBIT, ngn(1)), _leg(Side.CREDIT, kes(1))], "ledger.unbalanced"),
        (
            [
                _leg(Side.DEBIT, ngn(MINOR_MAX)),
                _leg(Side.DEBIT, ngn(1)),
                _leg(Side.CREDIT, ngn(MINOR_MAX)),
                _leg(Side.CREDIT, ngn(1)),
            ],
            "kit.malformed_amount",
        ),
    ],
)
def test_legs_that_can_never_be_booked_are_refused_before_the_database(legs: list[Leg], code: str) -> None:
    _malformed(lambda: ledger.post_transaction(legs), code)
    _malformed(lambda: ledger.place_hold(legs), code)


def test_amounts_that_are_no_whole_minor_units_are_never_money() -> None:
    _malformed(lambda: ngn(MINOR_MAX + 1), "kit.malformed_amount")
    _malformed(lambda: ngn(-MINOR_MAX - 1), "kit.malformed_amount")
    for amount in (1.0, 1.5, "1", True):
        with pytest.raises(AssertionError):
            Money(amount, "NGN")  # type: ignore[arg-type]


def test_parts_of_holds_and_transactions_are_checked_for_form() -> None:
    unbalanced = [_leg(Side.DEBIT, ngn(2)), _leg(Side.CREDIT, ngn(1))]
    for amount in (0, -1):
        _malformed(lambda: ledger.capture_hold(uuid7(), amount_minor=amount), "ledger.amount_not_positive")  # noqa: B023
        _malformed(lambda: ledger.reverse_transaction(uuid7(), amount_minor=amount), "ledger.amount_not_positive")  # noqa: B023
    _malformed(lambda: ledger.capture_hold(uuid7(), legs=unbalanced), "ledger.unbalanced")
    _malformed(lambda: ledger.reverse_transaction(uuid7(), legs=unbalanced), "ledger.unbalanced")
    twice = [_leg(Side.DEBIT, ngn(1)), _leg(Side.DEBIT, ngn(1)), _leg(Side.CREDIT, ngn(2))]
    _malformed(lambda: ledger.place_hold(twice), "ledger.legs_out_of_range")


@pytest.mark.parametrize("key", ["", " a", "a ", "é", "a\n", "x" * 256])
def test_malformed_keys_are_refused(key: str) -> None:
    _malformed(lambda: ledger.void_hold(uuid7(), key=key), "ledger.malformed_key")


@pytest.mark.parametrize("reference", ["", "a\x00", "a\n", "x" * 129, "\ud800"])
def test_malformed_references_are_refused(reference: str) -> None:
    legs = [_leg(Side.DEBIT, ngn(1)), _leg(Side.CREDIT, ngn(1))]
    _malformed(lambda: ledger.post_transaction(legs, reference=reference), "ledger.malformed_reference")


def test_metadata_that_cannot_be_stored_is_refused() -> None:
    legs = [_leg(Side.DEBIT, ngn(1)), _leg(Side.CREDIT, ngn(1))]
    for metadata in ({"a": "x" * 16_384}, {"a": "\x00"}, {"\x00": 1}, {"a": "\ud800"}):
        with pytest.raises(Refusal):
            ledger.post_transaction(legs, metadata=metadata)
    # A backslash is no NUL character.
    assert ledger.post_transaction(legs, metadata={"a": "\\u0000"}).metadata_json


async def test_batches_out_of_range_and_torn_groups_are_refused(books: Books) -> None:
    one = books.transfer("ada", "ben", ngn(1))
    first, second = (books.transfer("ada", "ben", ngn(1), linked=group, key="k") for group in (1, 2))
    with pytest.raises(Refusal, match=r"ledger\.batch_out_of_range"):
        await books.post()
    with pytest.raises(Refusal, match=r"ledger\.batch_out_of_range"):
        await books.post(*[one] * 10_001)
    with pytest.raises(Refusal, match=r"ledger\.linked_group_broken"):
        await books.post(first, second, first)
    with pytest.raises(Refusal, match=r"ledger\.linked_group_broken"):
        await books.post(first, first)
    assert await books.available("ben") == 0


async def test_unknown_accounts_are_refused(books: Books, check_refused: Any, app_db: Database) -> None:
    facts = await check_refused("ledger.unknown_account", books.transfer("ada", "nobody", ngn(1)))
    assert facts == {"account": "nobody"}
    other = await make_ledger(app_db)
    foreign = [books.leg("ada", Side.DEBIT, ngn(1)), other.leg("ben", Side.CREDIT, ngn(1))]
    await check_refused("ledger.unknown_account", ledger.post_transaction(foreign))
    stranger = Condition(other.id("ben"), 0)
    await check_refused("ledger.unknown_account", books.transfer("ada", "ben", ngn(1), conditions=[stranger]))


async def test_another_tenants_holds_and_transactions_are_unknown(
    books: Books, check_refused: Any, app_db: Database
) -> None:
    other = await make_ledger(app_db)
    (funding,) = await other.posted(other.transfer("cash", "ada", ngn(5)))
    (hold,) = await other.posted(other.hold("ada", "ben", ngn(5)))
    unknown_hold, unknown_transaction = "ledger.unknown_hold", "ledger.unknown_transaction"
    for source in (hold.transaction_id, uuid7()):
        await check_refused(unknown_hold, ledger.capture_hold(source))
        await check_refused(unknown_hold, ledger.void_hold(source))
        await check_refused(unknown_hold, ledger.void_hold(source, expired=True))
    for source in (funding.transaction_id, uuid7()):
        await check_refused(unknown_transaction, ledger.reverse_transaction(source))
    assert (await other.balance("ada")).pending_debit == 5


async def test_frozen_and_closed_accounts_stand_still(books: Books, check_refused: Any) -> None:
    (hold,) = await books.posted(books.hold("ada", "ben", ngn(5)))
    (paid,) = await books.posted(books.transfer("ada", "ben", ngn(5)))
    await books.set_status("ben", AccountStatus.FROZEN)
    await books.set_status("float", AccountStatus.FROZEN)
    await books.set_status("open", AccountStatus.CLOSED)

    frozen = "ledger.account_frozen"
    assert await check_refused(frozen, books.transfer("ada", "ben", ngn(1))) == {"account": "ben"}
    await check_refused(frozen, books.transfer("ben", "ada", ngn(1)))
    await check_refused(frozen, books.transfer("float", "ada", ngn(1)))
    await check_refused(frozen, books.hold("ada", "ben", ngn(1)))
    await check_refused(frozen, ledger.capture_hold(hold.transaction_id))
    await check_refused(frozen, ledger.reverse_transaction(paid.transaction_id))
    await check_refused("ledger.account_closed", books.transfer("ada", "open", ngn(1)))
    # A hold may always be let go.
    await books.posted(ledger.void_hold(hold.transaction_id))


async def test_accounts_with_money_or_holds_cannot_be_closed(books: Books, owner_db: Database) -> None:
    await books.posted(books.hold("open", "revenue", ngn(5)), books.transfer("cash", "fees", ngn(1)))
    before = await state(owner_db, books.tenant_id)
    for code in ("ada", "open", "revenue", "fees"):
        with pytest.raises(Refusal, match=r"ledger\.account_not_empty"):
            await books.set_status(code, AccountStatus.CLOSED)
    assert await state(owner_db, books.tenant_id) == before


async def test_a_leg_in_another_currency_is_refused(books: Books, check_refused: Any) -> None:
    facts = await check_refused("ledger.currency_mismatch", books.transfer("ada", "ben", kes(1)))
    assert facts == {"account": "ada", "account_currency": "NGN", "currency": "KES"}


async def test_limits_hold_after_every_item_of_a_batch(books: Books, check_refused: Any) -> None:
    facts = await check_refused("ledger.insufficient_funds", books.transfer("ada", "ben", ngn(100_01)))
    assert facts == {"account": "ada", "floor_minor": 0, "short_minor": 1}
    facts = await check_refused("ledger.ceiling_exceeded", books.transfer("cash", "eve", ngn(1_000_01)))
    assert facts == {"account": "eve", "ceiling_minor": 1_000_00, "over_minor": 1}
    await check_refused("ledger.insufficient_funds", books.hold("ada", "ben", ngn(100_01)))
    await check_refused("ledger.ceiling_exceeded", books.hold("cash", "eve", ngn(1_000_01)))
    # The prefix is refused although the whole batch would have stood.
    outcomes = await books.post(books.transfer("ben", "ada", ngn(1)), books.transfer("cash", "ben", ngn(1)))
    assert codes(outcomes) == ["ledger.insufficient_funds", "booked"]


async def test_limits_may_not_contradict_the_balance(books: Books, owner_db: Database) -> None:
    await books.posted(books.hold("ada", "ben", ngn(40_00)))
    before = await state(owner_db, books.tenant_id)
    for code, floor, ceiling in (("ada", 60_01, None), ("ada", 0, 99_99), ("ben", None, 39_99), ("ada", 2, 1)):
        with pytest.raises(Refusal, match=r"ledger\.limit_against_balance"):
            await books.set_limits(code, floor, ceiling)
    with pytest.raises(Refusal, match=r"ledger\.limit_on_deferred"):
        await books.set_limits("fees", 0, None)
    assert await state(owner_db, books.tenant_id) == before
    await books.set_limits("ada", 60_00, 100_00)
    assert codes(await books.post(books.transfer("ada", "ben", ngn(1)))) == ["ledger.insufficient_funds"]
    assert codes(await books.post(books.transfer("cash", "ada", ngn(1)))) == ["ledger.ceiling_exceeded"]


async def test_a_reference_is_taken_once_for_ever(books: Books, check_refused: Any) -> None:
    facts = await check_refused("ledger.duplicate_reference", books.transfer("ada", "ben", ngn(1), reference="funding"))
    assert str(facts["transaction"]).startswith("txn_")
    outcomes = await books.post(
        books.transfer("ada", "ben", ngn(1), reference="r"), books.transfer("ada", "ben", ngn(1), reference="r")
    )
    assert codes(outcomes) == ["booked", "ledger.duplicate_reference"]


async def test_a_key_with_another_body_is_refused(books: Books, check_refused: Any) -> None:
    await books.posted(books.transfer("ada", "ben", ngn(1), key="k"))
    for other in (
        books.transfer("ada", "ben", ngn(2), key="k"),
        books.transfer("ben", "ada", ngn(1), key="k"),
        books.transfer("ada", "ben", ngn(1), key="k", reference="r"),
        books.transfer("ada", "ben", ngn(1), key="k", metadata={"a": 1}),
        books.hold("ada", "ben", ngn(1), key="k"),
    ):
        await check_refused("ledger.key_reused", other)


async def test_captures_stay_within_the_hold(books: Books, check_refused: Any) -> None:
    deadline = NOW + timedelta(minutes=1)
    hold = only(await books.post(books.hold("ada", "ben", ngn(50), expires_at=deadline), at=NOW)).transaction_id
    above = "ledger.capture_above_hold"
    assert await check_refused(above, ledger.capture_hold(hold, amount_minor=51), at=NOW) == {
        "left_minor": 50,
        "asked_minor": 51,
    }
    await books.post(ledger.capture_hold(hold, amount_minor=30), at=NOW)
    await check_refused(above, ledger.capture_hold(hold, amount_minor=21), at=NOW)
    elsewhere = books.legs("ada", "eve", ngn(1))
    await check_refused("ledger.leg_not_in_source", ledger.capture_hold(hold, legs=elsewhere), at=NOW)
    await check_refused("ledger.hold_expired", ledger.capture_hold(hold, amount_minor=1), at=deadline)
    await check_refused("ledger.unknown_transaction", ledger.reverse_transaction(uuid7()))
    await books.post(ledger.void_hold(hold), at=deadline)
    for resolve in (ledger.capture_hold(hold), ledger.void_hold(hold), ledger.void_hold(hold, expired=True)):
        await check_refused("ledger.hold_resolved", resolve, at=deadline)


async def test_only_postings_and_captures_are_reversed(books: Books, check_refused: Any) -> None:
    (hold,) = await books.posted(books.hold("ada", "ben", ngn(50)))
    (capture,) = await books.posted(ledger.capture_hold(hold.transaction_id, amount_minor=20))
    (void,) = await books.posted(ledger.void_hold(hold.transaction_id))
    (reversal,) = await books.posted(ledger.reverse_transaction(capture.transaction_id))
    for source in (hold, void, reversal):
        await check_refused("ledger.not_reversible", ledger.reverse_transaction(source.transaction_id))
    assert await books.available("ada") == 100_00


async def test_a_part_of_many_legs_is_given_leg_by_leg(books: Books, check_refused: Any) -> None:
    legs = [books.leg("ada", Side.DEBIT, ngn(3))] + [books.leg(c, Side.CREDIT, ngn(1)) for c in ("ben", "eve", "fees")]
    (hold,) = await books.posted(ledger.place_hold(legs))
    (paid,) = await books.posted(ledger.post_transaction(legs))
    await check_refused("ledger.legs_needed", ledger.capture_hold(hold.transaction_id, amount_minor=1))
    await check_refused("ledger.legs_needed", ledger.reverse_transaction(paid.transaction_id, amount_minor=1))
    part = books.legs("ada", "eve", ngn(1))
    assert codes(await books.post(ledger.capture_hold(hold.transaction_id, legs=part))) == ["booked"]
    assert codes(await books.post(ledger.reverse_transaction(paid.transaction_id, legs=part))) == ["booked"]


async def test_conditions_speak_of_the_state_just_before_the_item(books: Books, check_refused: Any) -> None:
    def given(**condition: int) -> ledger.Command:
        return books.transfer("ada", "ben", ngn(1), conditions=[Condition(books.id("ada"), **condition, label="ada")])

    failed = "ledger.condition_failed"
    facts = await check_refused(failed, given(available_min_minor=100_01))
    assert facts == {"account": "ada", "available_minor": 100_00, "version": 1}
    await check_refused(failed, given(version=2))
    deferred = Condition(books.id("fees"), 0)
    await check_refused("ledger.condition_on_deferred", books.transfer("ada", "ben", ngn(1), conditions=[deferred]))
    assert codes(await books.post(given(version=1), given(version=1), given(available_min_minor=99_99))) == [
        "booked",
        failed,
        "booked",
    ]


async def test_turnover_beyond_the_largest_number_is_refused(books: Books, check_refused: Any) -> None:
    whole = ngn(MINOR_MAX)
    await check_refused("ledger.balance_overflow", books.transfer("cash", "open", whole))
    assert codes(await books.post(books.transfer("open", "revenue", whole))) == ["booked"]
    await check_refused("ledger.balance_overflow", books.transfer("open", "ada", ngn(1)))
    await check_refused("ledger.balance_overflow", books.hold("open", "ada", ngn(1)))
    assert (await books.balance("revenue")).posted_minor == MINOR_MAX


async def test_a_refusal_in_a_linked_group_refuses_the_group(books: Books, owner_db: Database) -> None:
    (hold,) = await books.posted(books.hold("ada", "ben", ngn(5)))
    before = await state(owner_db, books.tenant_id)

    outcomes = await books.post(
        books.transfer("ada", "ben", ngn(10), linked=1, reference="r1"),
        ledger.capture_hold(hold.transaction_id, linked=1),
        books.transfer("ada", "ben", ngn(100_00), linked=1),
        books.transfer("cash", "ben", ngn(1), linked=1),
    )

    assert codes(outcomes) == [
        "ledger.linked_refused",
        "ledger.linked_refused",
        "ledger.insufficient_funds",
        "ledger.linked_refused",
    ]
    causes = [outcome.refusal.facts for outcome in outcomes if isinstance(outcome, Refused)]
    assert causes[0] == causes[1] == causes[3] == {"item": 2, "code": "ledger.insufficient_funds"}
    assert await state(owner_db, books.tenant_id) == before


async def test_closed_periods_are_shut(books: Books, check_refused: Any, owner_db: Database) -> None:
    async with owner_db.connection() as connection:
        await connection.execute(
            """INSERT INTO ledger_period (tenant_id, period_id, name, starts_on, ends_on, status, changed_at)
               VALUES (%(t)s, gen_random_uuid(), 'jan', '2026-01-01', '2026-01-31', 'closed', now()),
                      (%(t)s, gen_random_uuid(), 'feb', '2026-02-01', '2026-02-28', 'soft_closed', now())""",
            {"t": books.tenant_id},
        )
    january, february = date(2026, 1, 15), date(2026, 2, 15)
    await check_refused("ledger.period_closed", books.transfer("ada", "ben", ngn(1), value_on=january))
    await check_refused("ledger.period_closed", books.transfer("ada", "ben", ngn(1), value_on=january, may_soft=True))
    await check_refused("ledger.period_soft_closed", books.transfer("ada", "ben", ngn(1), value_on=february))
    soft, late = await books.posted(
        books.transfer("ada", "ben", ngn(1), value_on=february, may_soft=True),
        books.transfer("ada", "ben", ngn(1), value_on=january, late=True),
    )
    assert (soft.value_on, soft.original_on) == (february, None)
    assert (late.value_on, late.original_on) == (date(2026, 3, 1), january)


async def test_the_order_of_precedence(books: Books, check_refused: Any) -> None:
    """One request that is wrong in every way is told the first; put right one by one, it is told the next."""
    await books.set_status("ben", AccountStatus.FROZEN)
    await books.posted(books.transfer("ada", "eve", ngn(1), key="k"))
    unmet = [Condition(books.id("ada"), version=99)]
    big = ngn(2_000_00)

    def legs(credit: str, amount: Money) -> list[Leg]:
        return books.legs("ada", credit, amount)

    every: dict[str, Any] = {"conditions": unmet, "key": "k", "reference": "funding"}
    await check_refused("ledger.key_reused", ledger.post_transaction(legs("nobody", big), **every))
    every.pop("key")
    await check_refused("ledger.duplicate_reference", ledger.post_transaction(legs("nobody", big), **every))
    every.pop("reference")
    await check_refused("ledger.unknown_account", ledger.post_transaction(legs("nobody", big), **every))
    await check_refused("ledger.account_frozen", ledger.post_transaction(legs("ben", big), **every))
    await check_refused("ledger.condition_failed", ledger.post_transaction(legs("eve", big), **every))
    every.pop("conditions")
    await check_refused("ledger.insufficient_funds", ledger.post_transaction(legs("eve", big)))


async def test_legs_of_a_reversal_cannot_stand_in_for_two(books: Books, check_refused: Any) -> None:
    twice = [books.leg("ada", Side.DEBIT, ngn(5)), books.leg("ada", Side.DEBIT, ngn(3))]
    (paid,) = await books.posted(ledger.post_transaction([*twice, books.leg("ben", Side.CREDIT, ngn(8))]))

    def reverse(credit: str, amount: int) -> ledger.Command:
        return ledger.reverse_transaction(paid.transaction_id, legs=books.legs("ada", credit, ngn(amount)))

    await check_refused("ledger.leg_not_in_source", reverse("revenue", 3))
    await check_refused("ledger.reversal_above_original", reverse("ben", 9))
    outcomes = await books.post(reverse("ben", 6), reverse("ben", 3), reverse("ben", 2))
    assert codes(outcomes) == ["booked", "ledger.reversal_above_original", "booked"]
    assert await books.available("ada") == 100_00


async def test_a_group_stays_whole_when_a_key_repeats_around_it(books: Books, owner_db: Database) -> None:
    first = books.transfer("ada", "ben", ngn(1), key="k")
    outcomes = await books.post(
        first,
        books.transfer("ada", "ben", ngn(7), linked=1),
        books.transfer("ada", "ben", ngn(1), key="k", linked=1),
        books.transfer("ben", "eve", ngn(1_000_00), linked=1),
    )
    assert codes(outcomes)[:2] == ["booked", "ledger.linked_refused"]
    assert await books.available("ben") == 1


async def test_a_deferred_account_overflows_as_a_refusal(books: Books) -> None:
    largest = ngn(2**56)
    await books.posted(books.transfer("float", "open", largest))
    outcomes = await books.post(
        books.transfer("float", "open", largest), books.transfer("float", "revenue", ngn(2**56 + 1))
    )
    assert codes(outcomes) == ["booked", "ledger.balance_overflow"]
    assert (await books.balance("float")).posted_minor == 2 * 2**56
