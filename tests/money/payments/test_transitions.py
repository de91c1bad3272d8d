"""Laws of the state machine, over any situation and any evidence; and the table of its arrows."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.kit.money import Money
from omniroute.money.payments import AttemptState, PaymentState, Source
from omniroute.money.payments.transitions import ATTEMPTS_MAX, Books, Move, Situation, mismatch, weigh
from omniroute.ports.rails import CodeClass, Outcome, RailPolicy, Result

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
A, P = AttemptState, PaymentState
MIGRATION = (Path(__file__).parents[3] / "migrations" / "0031_money_payments.sql").read_text()

ages = st.integers(0, 30 * 24 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes))
NEVER_LEFT = (A.CREATED, A.NOT_SENT)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    attempt = draw(st.sampled_from(list(A)))
    waiting = (A.CREATED, A.SENDING, A.PENDING, A.UNKNOWN)
    if attempt in waiting:
        payment = P.EXECUTING
    elif attempt is A.MANUAL:
        payment = P.NEEDS_REVIEW
    elif attempt is A.SUCCEEDED:
        payment = P.SUCCEEDED
    else:
        payment = draw(st.sampled_from([P.APPROVED, P.EXECUTING, P.FAILED, P.SUCCEEDED, P.NEEDS_REVIEW]))
    candidates = draw(st.integers(1, 3))
    return Situation(
        payment=payment,
        attempt=attempt,
        amount=Money(5_000, "NGN"),
        payee_identifier="0123456789",
        our_ref="REF",
        sent_at=None if attempt in NEVER_LEFT else draw(ages),
        query_count=draw(st.integers(0, 20)),
        not_found_count=draw(st.integers(0, 20)),
        attempt_count=draw(st.integers(1, ATTEMPTS_MAX)),
        candidate=draw(st.integers(0, candidates - 1)),
        candidates=candidates,
        not_sent_in_a_row=draw(st.integers(0, 5)),
        expires_at=draw(st.none() | st.just(NOW - timedelta(hours=1)) | st.just(NOW + timedelta(hours=1))),
        statement_until=draw(st.none() | ages),
        alone=draw(st.booleans()),
    )


results = st.builds(
    Result,
    outcome=st.sampled_from(list(Outcome)),
    our_ref=st.sampled_from([None, "REF", "OTHER"]),
    amount=st.sampled_from([None, Money(5_000, "NGN"), Money(5_100, "NGN"), Money(5_000, "KES")]),
    payee_identifier=st.sampled_from([None, "0123456789", "******6789", "9999999999"]),
)
policies = st.builds(
    RailPolicy,
    query_after=st.just((timedelta(seconds=30), timedelta(minutes=10))),
    query_for=st.integers(1, 10).map(lambda days: timedelta(days=days)),
    not_found_times=st.integers(1, 5),
    not_found_after=st.integers(0, 72).map(lambda hours: timedelta(hours=hours)),
    not_found_needs_statement=st.booleans(),
    recheck_after=st.sampled_from([(), (timedelta(hours=26),)]),
)
sources = st.sampled_from([Source.SUBMIT, Source.QUERY, Source.CALLBACK, Source.STATEMENT, Source.CLOCK])
classes = st.sampled_from(list(CodeClass))


def _may(guard: str, old: str) -> set[str]:
    """The arrows out of a state that the database lets pass."""
    body = MIGRATION[MIGRATION.index(f"FUNCTION {guard}()") :]
    body = body[: body.index("END $$")]
    found = re.search(rf"WHEN '{old}' THEN NEW\.state (?:IN \(([^)]*)\)|= ('[a-z_]+'))", body)
    return set() if found is None else set(re.findall(r"'([a-z_]+)'", found[0].split("THEN")[1]))


@settings(max_examples=400)
@given(situations(), results, classes, sources, policies)
def test_only_proof_ends_an_attempt_as_not_paid(
    at: Situation, result: Result, code_class: CodeClass, source: Source, policy: RailPolicy
) -> None:
    move = weigh(NOW, at, result, code_class, source, policy)
    if move.attempt is A.DECLINED:
        assert result.outcome is Outcome.DECLINED
        assert result.our_ref in (None, at.our_ref)
    elif move.attempt is A.NOT_SENT:
        assert result.outcome is Outcome.NOT_SENT
        assert at.attempt is A.CREATED or (at.attempt is A.SENDING and source is Source.SUBMIT)
    elif move.attempt is A.NOT_FOUND_CONFIRMED:
        assert result.outcome is Outcome.NOT_FOUND
        assert at.sent_at is not None
        assert at.not_found_count + 1 >= policy.not_found_times
        assert at.sent_at + policy.not_found_after <= NOW
        if policy.not_found_needs_statement:
            assert at.statement_until is not None
            assert at.statement_until >= at.sent_at + policy.not_found_after
    ended = move.payment in (P.FAILED, P.APPROVED) or move.books in (Books.VOID, Books.MOVE)
    if ended:
        assert move.attempt in (A.DECLINED, A.NOT_SENT, A.NOT_FOUND_CONFIRMED, A.REVERSED)


@settings(max_examples=400)
@given(situations(), results, classes, sources, policies)
def test_money_is_booked_only_on_word_that_fits_the_order(
    at: Situation, result: Result, code_class: CodeClass, source: Source, policy: RailPolicy
) -> None:
    move = weigh(NOW, at, result, code_class, source, policy)
    if move.books in (Books.CAPTURE, Books.SUSPENSE):
        assert result.outcome is Outcome.SUCCEEDED
        assert mismatch(at, result) is None
        assert result.our_ref in (None, at.our_ref)
        assert at.attempt is not A.SUCCEEDED
    if move.books is Books.CAPTURE:
        assert at.attempt.is_live or at.alone
        assert not at.payment.is_final
    if move.books is Books.REVERSE:
        assert result.outcome is Outcome.REVERSED
        assert at.attempt in (A.SUCCEEDED, A.LATE_SUCCESS)


@settings(max_examples=400)
@given(situations(), results, classes, sources, policies)
def test_states_move_only_along_the_arrows_the_database_lets_pass(
    at: Situation, result: Result, code_class: CodeClass, source: Source, policy: RailPolicy
) -> None:
    move = weigh(NOW, at, result, code_class, source, policy)
    if move.attempt is not None and move.attempt is not at.attempt:
        assert move.attempt.value in _may("payment_attempt_guard", at.attempt.value), (at, move)
    if move.payment is not None and move.payment is not at.payment:
        assert move.payment.value in _may("payment_guard", at.payment.value), (at, move)
    state = move.attempt or at.attempt
    if state in (A.PENDING, A.UNKNOWN) and at.attempt is not state:
        assert move.next_query_at is not None  # Somebody will ask again.


@given(situations(), policies, st.integers(0, 3650))
def test_age_alone_never_makes_unknown_a_failure(at: Situation, policy: RailPolicy, days: int) -> None:
    later = NOW + timedelta(days=days)
    for outcome in (Outcome.UNKNOWN, Outcome.ASKED, Outcome.PENDING):
        for source in (Source.QUERY, Source.CLOCK, Source.CALLBACK):
            move = weigh(later, at, Result(outcome), CodeClass.UNKNOWN, source, policy)
            assert move.books is Books.NONE
            assert move.payment in (None, P.EXECUTING, P.NEEDS_REVIEW)


def test_masked_and_national_numbers_are_the_same_payee() -> None:
    at = Situation(P.EXECUTING, A.UNKNOWN, Money(1, "KES"), "254712345678", "R", NOW, 0, 0, 1, 0, 1, 0, None, None)

    def differs(told: str) -> bool:
        return mismatch(at, Result(Outcome.SUCCEEDED, payee_identifier=told)) is not None

    assert not any(map(differs, ["254712345678", "+254712345678", "0712345678", "712345678", "2547*****678"]))
    assert all(map(differs, ["254712345679", "0712345679", "2547*****679", "678"]))
    assert Move().books is Books.NONE
