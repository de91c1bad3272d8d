"""The state machine, as one pure function from evidence to the next step. No I/O, no clock of its own.

What the ten rules of never paying twice come to here:
- only an answer in the rail's table, or proof that nothing left, ends an attempt as not paid;
- time alone never does: when asking has gone on long enough a person decides, and the money stays held;
- a new attempt follows only upon NOT_SENT, a retriable DECLINED, or NOT_FOUND_CONFIRMED;
- what comes late or out of order never moves a state backwards.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from omniroute.kit.money import Money
from omniroute.money.payments.model import AttemptState, ExceptionKind, PaymentState, Source
from omniroute.ports.rails import CodeClass, Outcome, RailPolicy, Result

A, P = AttemptState, PaymentState

ATTEMPTS_MAX = 6
PATIENCE_BEFORE_FALLBACK = 2
RETRY_AFTER = (timedelta(seconds=2), timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5))


class Books(StrEnum):
    """What a step does on the ledger."""

    NONE = "none"
    CAPTURE = "capture"  # The hold becomes a posting.
    VOID = "void"  # The hold is released.
    SUSPENSE = "suspense"  # Money left without an order of ours standing behind it.
    REVERSE = "reverse"  # The posting is taken back.
    MOVE = "move"  # The hold moves to the float of the next connection.


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when evidence arrives.

    `alone`: no other attempt of the payment is alive or paid. `candidates`: connections of the route;
    `not_sent_in_a_row` counts earlier attempts over the same connection that never left.
    """

    payment: PaymentState
    attempt: AttemptState
    amount: Money
    payee_identifier: str
    our_ref: str
    sent_at: datetime | None
    query_count: int
    not_found_count: int
    attempt_count: int
    candidate: int
    candidates: int
    not_sent_in_a_row: int
    expires_at: datetime | None
    statement_until: datetime | None
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Move:
    """What to do. None for `attempt` or `payment`: stays as it is. `note` False: not worth a line in the timeline."""

    attempt: AttemptState | None = None
    payment: PaymentState | None = None
    reason: str | None = None
    books: Books = Books.NONE
    exception: ExceptionKind | None = None
    next_query_at: datetime | None = None
    asked: bool = False  # Counts as a query answered or tried.
    not_found: bool = False
    candidate: int | None = None
    send_after: datetime | None = None
    note: bool = True


def weigh(
    now: datetime, at: Situation, result: Result, code_class: CodeClass, source: Source, policy: RailPolicy
) -> Move:
    """The step that this evidence asks for."""
    asked = source is Source.QUERY
    if result.our_ref is not None and result.our_ref != at.our_ref:
        result = Result(Outcome.UNKNOWN, result.answer)  # An answer about another order says nothing about this one.
    if at.attempt is A.SUCCEEDED or at.attempt is A.LATE_SUCCESS:
        return _after_success(now, at, result, asked, policy)
    if at.attempt is A.REVERSED:
        return Move(note=False, asked=asked)
    if at.attempt is A.CREATED and result.outcome is not Outcome.NOT_SENT:
        # Nothing has left under this name, so nobody can know of it; a rail that says it paid is not believed.
        paid = result.outcome in (Outcome.SUCCEEDED, Outcome.REVERSED)
        exception = ExceptionKind.INTEGRITY_MISMATCH if paid else None
        return Move(reason="never_sent" if paid else None, exception=exception, asked=asked, note=paid)
    match result.outcome:
        case Outcome.SUCCEEDED:
            return _succeeded(now, at, result, asked, policy)
        case Outcome.REVERSED if at.attempt.is_live:
            # Paid and given back before we heard of either: for the books it never moved.
            return Move(A.REVERSED, P.REVERSED, "reversed_by_rail", Books.VOID, asked=asked)
    if not at.attempt.is_live:
        return Move(note=False, asked=asked)
    if at.attempt is A.MANUAL and source is not Source.OPERATOR and result.outcome is not Outcome.DECLINED:
        return Move(note=False, asked=asked)
    match result.outcome:
        case Outcome.DECLINED:
            return _declined(now, at, code_class, asked)
        # Whoever sends knows whether it left. The clock only knows of what never got that far.
        case Outcome.NOT_SENT if at.attempt is A.CREATED or (at.attempt is A.SENDING and source is Source.SUBMIT):
            return _not_sent(now, at)
        case Outcome.PENDING | Outcome.ACTION_REQUIRED:
            reason = "action_required" if result.outcome is Outcome.ACTION_REQUIRED else None
            return _wait(now, at, A.PENDING, reason, asked, policy)
        case Outcome.NOT_FOUND if at.attempt is not A.SENDING:
            return _not_found(now, at, asked, policy)
        case _:
            state = A.UNKNOWN if at.attempt in (A.CREATED, A.SENDING) else at.attempt
            return _wait(now, at, state, "unknown" if state is A.UNKNOWN else None, asked, policy)


def mismatch(at: Situation, result: Result) -> str | None:
    """What the rail echoed differently from what was ordered, in words, or None.

    What a rail does not echo is not compared.
    """
    if result.amount is not None and result.amount != at.amount:
        return f"amount {result.amount} instead of {at.amount}"
    payee = result.payee_identifier
    if payee is not None and not _same_identifier(payee, at.payee_identifier):
        return "another payee"
    return None


def _same_identifier(told: str, ordered: str) -> bool:
    """Rails mask and cut numbers (254***123, 0712...): what is told must fit, digit by digit from the right."""
    told, ordered = told.lstrip("+"), ordered.lstrip("+")
    if told.startswith("0") and not ordered.startswith("0"):
        told = told[1:]
    if len(told) < 4:
        return told == ordered
    pairs = zip(reversed(told), reversed(ordered), strict=False)
    return all(one == two or one in "*xX" for one, two in pairs)


def _recheck(now: datetime, at: Situation, policy: RailPolicy) -> datetime | None:
    """When to ask once more about a paid order; None: not any more."""
    since = at.sent_at or now
    return next((since + after for after in policy.recheck_after if since + after > now), None)


def _after_success(now: datetime, at: Situation, result: Result, asked: bool, policy: RailPolicy) -> Move:
    match result.outcome:
        case Outcome.REVERSED:
            payment = P.REVERSED if at.attempt is A.SUCCEEDED else None
            return Move(
                A.REVERSED, payment, "reversed_by_rail", Books.REVERSE, ExceptionKind.REVERSED_BY_RAIL, asked=asked
            )
        case Outcome.DECLINED | Outcome.NOT_FOUND:
            return Move(reason=result.outcome.value, exception=ExceptionKind.CONTRADICTION, asked=asked)
        case Outcome.SUCCEEDED:
            return Move(note=False, asked=asked, next_query_at=_recheck(now, at, policy))
        case _:
            # A question about a paid order that was not answered is asked again for a day.
            last = max(policy.recheck_after, default=None)
            goes_on = last is not None and at.sent_at is not None and now < at.sent_at + last + timedelta(days=1)
            return Move(note=False, asked=asked, next_query_at=now + timedelta(hours=1) if goes_on else None)


def _succeeded(now: datetime, at: Situation, result: Result, asked: bool, policy: RailPolicy) -> Move:
    differs = mismatch(at, result)
    if differs is not None:
        if at.attempt.is_live:
            payment = None if at.payment is P.NEEDS_REVIEW else P.NEEDS_REVIEW
            return Move(
                A.MANUAL, payment, "integrity_mismatch", exception=ExceptionKind.INTEGRITY_MISMATCH, asked=asked
            )
        return Move(reason="integrity_mismatch", exception=ExceptionKind.INTEGRITY_MISMATCH, asked=asked)
    if at.attempt.is_live:
        return Move(A.SUCCEEDED, P.SUCCEEDED, books=Books.CAPTURE, asked=asked, next_query_at=_recheck(now, at, policy))
    if not at.payment.is_final and at.alone:
        # It counted as not paid, but nothing new was sent yet and the money is still held: it is simply paid.
        return Move(A.SUCCEEDED, P.SUCCEEDED, "late_success", Books.CAPTURE, asked=asked)
    stop = P.NEEDS_REVIEW if at.payment in (P.APPROVED, P.SCHEDULED, P.EXECUTING) else None
    return Move(A.LATE_SUCCESS, stop, "late_success", Books.SUSPENSE, ExceptionKind.LATE_SUCCESS, asked=asked)


def _declined(now: datetime, at: Situation, code_class: CodeClass, asked: bool) -> Move:
    if code_class.retriable and _may_go_on(now, at):
        rotated = at.candidate + 1
        if rotated < at.candidates:
            return _again(now, at, A.DECLINED, rotated, asked)
        if code_class in (CodeClass.SOFT_DECLINE, CodeClass.FUNDS):
            return _again(now, at, A.DECLINED, at.candidate, asked)
    return Move(A.DECLINED, P.FAILED, code_class.value, Books.VOID, asked=asked)


def _not_sent(now: datetime, at: Situation) -> Move:
    if not _may_go_on(now, at):
        return Move(A.NOT_SENT, P.FAILED, "rail_unreachable", Books.VOID)
    impatient = at.not_sent_in_a_row + 1 >= PATIENCE_BEFORE_FALLBACK and at.candidates > 1
    return _again(now, at, A.NOT_SENT, (at.candidate + 1) % at.candidates if impatient else at.candidate, False)


def _not_found(now: datetime, at: Situation, asked: bool, policy: RailPolicy) -> Move:
    enough = at.not_found_count + 1 >= policy.not_found_times
    assert at.sent_at is not None, "what was never sent is not asked for"
    # Its sender may have been declared gone and still be at it: what is not there yet may come.
    over = now >= at.sent_at + max(policy.not_found_after, policy.send_max)
    settled = not policy.not_found_needs_statement or (
        at.statement_until is not None and at.statement_until >= at.sent_at + policy.not_found_after
    )
    if not (enough and over and settled):
        return _wait(now, at, A.UNKNOWN, "not_found_yet", asked, policy, not_found=True)
    if _may_go_on(now, at):
        move = _again(now, at, A.NOT_FOUND_CONFIRMED, at.candidate, asked)
    else:
        move = Move(A.NOT_FOUND_CONFIRMED, P.FAILED, "not_found", Books.VOID, asked=asked)
    return _with_not_found(move)


def _with_not_found(move: Move) -> Move:
    return Move(
        move.attempt,
        move.payment,
        move.reason,
        move.books,
        asked=move.asked,
        not_found=True,
        candidate=move.candidate,
        send_after=move.send_after,
    )


def _wait(
    now: datetime,
    at: Situation,
    state: AttemptState,
    reason: str | None,
    asked: bool,
    policy: RailPolicy,
    *,
    not_found: bool = False,
) -> Move:
    changed = state is not at.attempt
    if at.attempt is A.MANUAL:
        return Move(note=False, asked=asked, not_found=not_found)
    since = at.sent_at or now
    if asked and now >= since + policy.query_for:
        # Time never decides: the money stays held, and a person looks at the evidence.
        return Move(
            A.MANUAL,
            P.NEEDS_REVIEW,
            "given_up_asking",
            exception=ExceptionKind.GIVEN_UP_ASKING,
            asked=True,
            not_found=not_found,
        )
    count = at.query_count + (1 if asked else 0)
    pause = policy.query_after[min(count, len(policy.query_after) - 1)]
    return Move(
        state if changed else None,
        None if at.payment is P.EXECUTING else P.EXECUTING if at.payment is P.APPROVED else None,
        reason,
        next_query_at=now + pause,
        asked=asked,
        not_found=not_found,
        note=changed,
    )


def _may_go_on(now: datetime, at: Situation) -> bool:
    return at.attempt_count < ATTEMPTS_MAX and (at.expires_at is None or now < at.expires_at)


def _again(now: datetime, at: Situation, state: AttemptState, candidate: int, asked: bool) -> Move:
    pause = RETRY_AFTER[min(at.attempt_count, len(RETRY_AFTER)) - 1] if at.attempt_count else RETRY_AFTER[0]
    moved = candidate != at.candidate
    return Move(
        state,
        P.APPROVED,
        "next_rail" if moved else "again",
        Books.MOVE if moved else Books.NONE,
        candidate=candidate if moved else None,
        send_after=now if moved else now + pause,
        asked=asked,
    )
