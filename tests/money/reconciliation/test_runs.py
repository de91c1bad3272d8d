"""Runs on real books: what is kept, what is found again, and what never moves."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.ledger import Leg, Side
from omniroute.money import reconciliation
from omniroute.money.connections.errors import ConnectionNotFound
from omniroute.money.reconciliation import EntryKey, Fee, MatchKind, MatchState, Pass, Reconciler, Rules
from omniroute.money.reconciliation.errors import (
    AmountsDiffer,
    ApproverIsProposer,
    DifferenceAccountNotFound,
    ItemClaimed,
    ItemNotFound,
    MalformedReconciliation,
    MatchNotFound,
    NoDifference,
    ReconciliationExceptionNotFound,
    WrongMatchState,
)
from tests.money.payments.house import META, WALLET
from tests.money.reconciliation.bank import CHECKER, DAY, MAKER, Bank, open_bank


@pytest.fixture
async def bank(app_db: Database, worker_db: Database, owner_db: Database) -> Bank:
    return await open_bank(app_db, worker_db, owner_db)


async def set_rules(bank: Bank, rules: Rules) -> None:
    async with bank.house.db.tx(bank.tenant_id) as tx:
        await reconciliation.write_rules(tx, bank.connection_id, rules, actor=MAKER, now=bank.house.clock.now())


async def propose(
    bank: Bank, entries: list[EntryKey], lines: list[str], account: str | None = None, by: str = MAKER
) -> UUID:
    async with bank.house.db.tx(bank.tenant_id) as tx:
        match = await reconciliation.propose_match(
            tx,
            bank.connection_id,
            entries,
            lines,
            reason="as the branch says",
            difference_account=account,
            actor=by,
            now=bank.house.clock.now(),
            meta=META,
        )
    return match.match_id


async def approve(bank: Bank, match_id: UUID, by: str = CHECKER) -> reconciliation.Match:
    async with bank.house.db.tx(bank.tenant_id) as tx:
        return await reconciliation.approve_match(
            tx, match_id, actor=by, now=bank.house.clock.now(), today=DAY, meta=META
        )


async def undo(bank: Bank, match_id: UUID) -> reconciliation.Match:
    async with bank.house.db.tx(bank.tenant_id) as tx:
        return await reconciliation.undo_match(
            tx, match_id, reason="wrong shop", actor=CHECKER, now=bank.house.clock.now(), today=DAY, meta=META
        )


async def test_a_payment_is_matched_with_the_line_that_names_its_attempt(bank: Bank) -> None:
    house = bank.house
    [payment] = await house.initiated(house.order("RENT", 5_000))
    await house.settle()
    [attempt] = await house.attempts(payment)
    line = await bank.shows(-5_000, attempt.our_ref)
    run, _ = await bank.run()
    [match] = await bank.matches()
    assert (match.kind, match.state, match.found_by) == (MatchKind.AUTO, MatchState.MATCHED, Pass.STRONG_KEY)
    assert (match.lines, match.book_minor, match.bank_minor, match.run_id) == ((line,), -5_000, -5_000, run.run_id)
    assert match.evidence == {"references": [attempt.our_ref]}
    paid = await house.now_stands(payment)
    assert [one.transaction_id for one in match.entries] == [paid.transaction_id]
    assert run.counts["by_pass"] == {"strong_key": 1}


async def test_a_payment_given_back_and_its_charge_have_the_names_of_the_payment(bank: Bank) -> None:
    house = bank.house
    [payment] = await house.initiated(house.order("RENT", 5_000))
    await house.settle()
    [attempt] = await house.attempts(payment)
    paid = await house.now_stands(payment)
    assert paid.transaction_id is not None
    fee = Money(75, "NGN")
    charged = [Leg(house.id("payments:rail-fees:NGN"), Side.DEBIT, fee), Leg(bank.float_id, Side.CREDIT, fee)]
    commands = [
        ledger.post_transaction(charged, reference="payment:RENT:rail-fee:1", meta=META),
        ledger.reverse_transaction(paid.transaction_id, reference="payment:RENT:reversed:paid", meta=META),
    ]
    async with house.db.tx(bank.tenant_id) as tx:
        await ledger.book(tx, commands, today=DAY)
    both, back = await bank.shows(-5_075, attempt.our_ref), await bank.shows(5_000, text=f"REV/{attempt.our_ref}")
    await bank.run()
    found = sorted((int(one.found_by), one.lines, len(one.entries)) for one in await bank.matches())
    assert found == [(2, (back,), 1), (4, (both,), 2)]


async def test_a_credit_is_known_by_its_session_and_its_id_at_the_provider(bank: Bank) -> None:
    for number, (line_ref, text) in enumerate((("SESSION-1", ""), (None, "NIP CR PROVIDER-CREDIT-2 ADA"))):
        entry = await bank.booked(4_900 + number)
        async with bank.house.worker.tx(bank.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO virtual_account_credit (tenant_id, credit_id, connection_id, provider_credit_id, our_ref,"
                " session_id, account_number, amount_minor, fee_minor, currency, paid_at, received_at, transaction_id,"
                " state, reason, updated_at) VALUES (%s, %s, %s, %s, 'VA-1', %s, '9923456781', 5000, 100, 'NGN', now(),"
                " now(), %s, 'unplaced', 'collections.account_unknown', now())",
                [bank.tenant_id, uuid7(), bank.connection_id, f"PROVIDER-CREDIT-{number + 1}",
                 f"SESSION-{number + 1}", entry.transaction_id],
            )  # fmt: skip
        await bank.shows(4_900 + number, line_ref, text=text)
    third = await bank.booked(7_000, account_number="9923456781")
    await bank.shows(7_000, text="TRF 9923456781 FROM MUSA")
    await bank.run()
    found = {one.found_by: one.entries for one in await bank.matches()}
    assert set(found) == {Pass.STRONG_KEY, Pass.OUR_REFERENCE, Pass.COUNTERPARTY}
    assert found[Pass.COUNTERPARTY] == (third,)


async def test_what_a_run_finds_is_found_once(bank: Bank) -> None:
    await bank.read()
    await bank.booked(-500, our_ref="A")
    missing = await bank.booked(-700, our_ref="B")
    less = await bank.booked(900, our_ref="C")
    await bank.shows(-500, "A")
    strange, short = await bank.shows(-11, "Z"), await bank.shows(899, "C")
    before = await bank.state()
    run, outcome = await bank.run(dry=True)
    assert (len(outcome.found), len(outcome.unmatched)) == (1, 3)
    assert await bank.state() == before, "a rehearsal keeps nothing"
    first, _ = await bank.run()
    assert first.counts == run.counts
    after = await bank.state()
    again, _ = await bank.run()
    assert again.counts["matched"] == 0
    assert await bank.state() == after, "there is nothing new the second time"
    assert await bank.exceptions() == [
        ("amount_under", less.transaction_id, short),
        ("missing_at_bank", missing.transaction_id, None),
        ("missing_in_books", None, strange),
    ]
    told = [text for text in after["event_log"] if "reconciliation." in text]
    assert len(told) == 4
    # The line comes late: the exception ends by itself.
    await bank.shows(-700, "B")
    await bank.run()
    assert ("missing_at_bank", missing.transaction_id, None) not in await bank.exceptions()
    assert ("missing_at_bank", missing.transaction_id, None) in await bank.exceptions(is_open=False)


async def test_the_report_counts_every_movement_once(bank: Bank) -> None:
    await bank.read()
    for ref, amount in (("A", 500), ("B", -700), ("C", 900)):
        await bank.booked(amount, our_ref=ref)
    await bank.shows(500, "A")
    await bank.shows(950, "C")
    await bank.shows(-33, "Z")
    [summary] = (await bank.report()).summaries
    assert (summary.total_count, summary.matched_count, summary.unmatched_count) == (6, 0, 6), "before any run"
    await bank.run()
    report = await bank.report()
    [summary] = report.summaries
    assert (summary.currency, summary.total_count, summary.total_minor) == ("NGN", 4, 500 + 700 + 900 + 33)
    assert (summary.matched_count, summary.matched_minor, summary.unmatched_count) == (1, 500, 3)
    assert report.by_pass == {"strong_key": 1}
    assert report.exceptions == {"amount_over": 1, "missing_at_bank": 1, "missing_in_books": 1}
    assert [(one.days, one.count) for one in report.ages] == [(1, 0), (3, 0), (7, 3), (30, 0), (90, 0), (None, 0)]


async def test_a_fee_by_the_rules_is_booked_and_matched(bank: Bank) -> None:
    await set_rules(bank, Rules(tolerance_minor=1, fees=(Fee(flat_minor=25),)))
    await bank.booked(-10_000, our_ref="A")
    await bank.booked(7_000, our_ref="B")
    await bank.shows(-10_025, "A")
    await bank.shows(6_999, "B")
    await bank.run()
    found = sorted((one.difference_minor, one.difference_account, len(one.entries)) for one in await bank.matches())
    assert found == [(-25, "payments:rail-fees:NGN", 2), (-1, "reconciliation:differences:NGN", 2)]
    assert await bank.house.balances("payments:rail-fees:NGN", "reconciliation:differences:NGN") == [(25, 25), (1, 1)]
    assert await bank.house.balances("float:toy") == [(6_999 - 10_025, 6_999 - 10_025)], (
        "the books say what the bank says"
    )
    after = await bank.state()
    await bank.run()
    assert await bank.state() == after


async def test_days_around_the_range_count_where_they_belong(bank: Bank) -> None:
    await bank.read()
    late = DAY + timedelta(days=2)
    await bank.booked(-500, our_ref="A")
    await bank.booked(-600, our_ref="B", day=late)
    await bank.shows(-500, "A", day=late)
    await bank.run()
    assert len(await bank.matches()) == 1
    assert await bank.exceptions() == [], "the other one is of another day"
    with pytest.raises(MalformedReconciliation):
        await bank.run(start_on=DAY, end_on=DAY - timedelta(days=1))
    with pytest.raises(MalformedReconciliation):
        await bank.run(start_on=DAY, end_on=DAY + timedelta(days=367))


async def test_a_match_by_hand_needs_two_people_and_is_left_alone(bank: Bank) -> None:
    await bank.read()
    entry, line = await bank.booked(-500, our_ref="A"), await bank.shows(-500, text="no name")
    await bank.run()
    assert len(await bank.exceptions()) == 2
    match_id = await propose(bank, [entry], [line])
    before = await bank.state()
    with pytest.raises(ApproverIsProposer):
        await approve(bank, match_id, by=MAKER)
    with pytest.raises(ItemClaimed):
        await propose(bank, [entry], [line])
    with pytest.raises(WrongMatchState):
        await undo(bank, match_id)
    await bank.run()
    assert (await bank.matches())[0].state is MatchState.PROPOSED
    assert await bank.state() == before, "neither refusals nor a run moved anything"
    [summary] = (await bank.report()).summaries
    assert summary.unmatched_count == 2, "a proposal is none yet"
    match = await approve(bank, match_id)
    assert (match.kind, match.state, match.decided_by) == (MatchKind.MANUAL, MatchState.MATCHED, CHECKER)
    assert await bank.exceptions() == []
    await bank.run()
    assert [one.state for one in await bank.matches()] == [MatchState.MATCHED]


async def test_a_forced_match_books_its_difference_and_undoing_it_takes_it_back(bank: Bank) -> None:
    entry, line = await bank.booked(-500, our_ref="A"), await bank.shows(-520, "A")
    with pytest.raises(AmountsDiffer):
        await propose(bank, [entry], [line])
    with pytest.raises(DifferenceAccountNotFound):
        await propose(bank, [entry], [line], "no:such")
    with pytest.raises(DifferenceAccountNotFound):
        await propose(bank, [entry], [line], "float:toy")
    assert await bank.matches() == []
    match_id = await propose(bank, [entry], [line], "payments:suspense:NGN")
    assert await bank.house.balances("payments:suspense:NGN") == [(0, 0)], "nothing is booked by one person alone"
    match = await approve(bank, match_id)
    assert (match.kind, match.difference_minor, len(match.entries)) == (MatchKind.FORCED, -20, 2)
    assert await bank.house.balances("payments:suspense:NGN", "float:toy") == [(20, 20), (-520, -520)]
    undone = await undo(bank, match_id)
    assert undone.state is MatchState.UNDONE
    assert await bank.house.balances("payments:suspense:NGN", "float:toy") == [(0, 0), (-500, -500)]
    other = await bank.booked(-520, our_ref="B")
    with pytest.raises(NoDifference):
        await propose(bank, [other], [line], "payments:suspense:NGN")
    assert (await approve(bank, await propose(bank, [other], [line]))).state is MatchState.MATCHED


async def test_what_was_undone_is_not_matched_by_a_run_again(bank: Bank) -> None:
    await bank.read()
    entry, line = await bank.booked(-500, our_ref="A"), await bank.shows(-500, "A")
    await bank.run()
    [match] = await bank.matches()
    await undo(bank, match.match_id)
    await bank.run()
    assert [one.state for one in await bank.matches()] == [MatchState.UNDONE]
    assert {kind for kind, *_ in await bank.exceptions()} == {"missing_at_bank", "missing_in_books"}
    await approve(bank, await propose(bank, [entry], [line]))
    assert await bank.exceptions() == []


async def test_a_proposal_is_rejected_and_its_items_are_free(bank: Bank) -> None:
    entry, line = await bank.booked(-500), await bank.shows(-500, "A")
    match_id = await propose(bank, [entry], [line])
    async with bank.house.db.tx(bank.tenant_id) as tx:
        rejected = await reconciliation.reject_match(
            tx, match_id, actor=MAKER, now=bank.house.clock.now(), meta=Meta(actor=MAKER)
        )
    assert rejected.state is MatchState.REJECTED
    with pytest.raises(WrongMatchState):
        await approve(bank, match_id)
    assert await propose(bank, [entry], [line]) != match_id


async def test_items_must_be_of_the_connection(bank: Bank) -> None:
    entry, line = await bank.booked(-500), await bank.shows(-500, "A")
    before = await bank.state()
    for entries, lines in (
        ([EntryKey(uuid7(), 0)], [line]),
        ([EntryKey(entry.transaction_id, 2)], [line]),
        ([entry], ["nothing"]),
    ):
        with pytest.raises(ItemNotFound):
            await propose(bank, entries, lines)
    for entries, lines in (([], []), ([entry, entry], [line])):
        with pytest.raises(MalformedReconciliation):
            await propose(bank, entries, lines)
    with pytest.raises(MatchNotFound):
        await approve(bank, uuid7())
    with pytest.raises(ConnectionNotFound):
        await _run_other(bank)
    assert await bank.state() == before


async def _run_other(bank: Bank) -> None:
    async with bank.house.db.tx(bank.tenant_id) as tx:
        at = bank.house.clock.now()
        await reconciliation.run(
            tx, uuid7(), start_on=DAY, end_on=DAY, by=MAKER, now=at, today=DAY, meta=META, dry=True
        )


async def test_what_people_have_explained_stays_explained(bank: Bank) -> None:
    line = await bank.shows(-11, "Z")
    await bank.run()
    async with bank.house.db.tx(bank.tenant_id) as tx:
        [one] = (await reconciliation.list_exceptions(tx)).items
        await reconciliation.assign_exception(tx, one.exception_id, owner="usr_ada")
        at = bank.house.clock.now()
        done = await reconciliation.explain_exception(
            tx, one.exception_id, reason="the bank's mistake", actor=CHECKER, now=at, meta=META
        )
        assert (done.owner, done.resolution, done.line_id) == ("usr_ada", "explained", line)
        with pytest.raises(ReconciliationExceptionNotFound):
            await reconciliation.explain_exception(tx, one.exception_id, reason="x", actor=CHECKER, now=at, meta=META)
    await bank.run()
    assert await bank.exceptions() == []


async def test_the_worker_reconciles_what_was_read_and_then_rests(bank: Bank, worker_db: Database) -> None:
    day = bank.house.clock.now()
    reconciler = Reconciler(worker_db, clock=bank.house.clock, business_day=lambda _: DAY)
    assert await reconciler.round() == 0, "nothing was read"
    await bank.booked(-500, our_ref="A")
    await bank.shows(-500, "A")
    await bank.read(day + timedelta(hours=1))
    assert await reconciler.round() == 1
    assert len(await bank.matches()) == 1
    assert await reconciler.round() == 0
    await bank.read(day + timedelta(hours=2))
    assert await reconciler.round() == 1


async def test_two_runs_at_once_claim_each_item_once(bank: Bank) -> None:
    for number in range(20):
        await bank.booked(-500 - number, our_ref=f"R{number}")
        await bank.shows(-500 - number, f"R{number}")
    await asyncio.gather(*[bank.run() for _ in range(4)])
    assert len(await bank.matches()) == 20


async def test_the_wallet_pays_and_no_balance_is_kept_elsewhere(bank: Bank) -> None:
    before = await bank.house.balances(WALLET)
    await bank.shows(-11, "Z")
    await bank.run()
    assert await bank.house.balances(WALLET) == before
