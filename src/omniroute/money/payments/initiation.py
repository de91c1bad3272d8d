"""Initiating payments, many at once: rules, duplicates, limits, holds, payments and events in one transaction.

The order of the checks is the order of their cost. What only needs the request was refused before; what needs the
organisation's rules is refused here without touching the books; limits are counted under lock; the ledger has the last
word. A payment that is refused leaves no trace, so the same reference may be used again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.idempotency import KeyReused
from omniroute.infra.postgres import Tx
from omniroute.kit.ids import uuid7
from omniroute.kit.refusal import Refusal
from omniroute.ledger import Refused
from omniroute.money.payments import books, journal, store
from omniroute.money.payments.commands import body_hash
from omniroute.money.payments.errors import LimitExceeded, MalformedPayment, PaymentExists, SourceNotFound
from omniroute.money.payments.events import PaymentInitiated
from omniroute.money.payments.model import (
    BOOK,
    Decision,
    Initiated,
    InitiateOutcome,
    InitiatePayment,
    LimitUse,
    NotInitiated,
    Payment,
    PaymentState,
    Source,
)


class Rulebook(Protocol):
    """What an organisation has decided about its payments: routes, fees, approvals, limits. No I/O."""

    def decide(self, command: InitiatePayment, *, actor: str, now: datetime, today: date) -> Decision:
        """What the rules say to what `actor` asks for.

        Raises: NoRoute, LimitExceeded (of a single payment), and other refusals.
        """
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One payment to initiate, and on whose behalf. `branches` None: the whole organisation.

    `key`: the idempotency key it came under (`request_key` makes it); it stands for one payment for ever.
    """

    command: InitiatePayment
    actor: str
    branches: tuple[UUID, ...] | None
    meta: Meta
    key: UUID | None = None


@dataclass(slots=True)
class _Draft:
    """An item of the batch on its way through the checks."""

    place: int
    request: Request
    hash: UUID
    decision: Decision
    branch_id: UUID | None


Uses = dict[LimitUse, tuple[int, int]]


async def initiate(
    tx: Tx, requests: Sequence[Request], *, rules: Rulebook, now: datetime, today: date
) -> list[InitiateOutcome]:
    """Initiate payments; an outcome for each item, in order.

    Each is done whole or not at all, independently of the others. The same reference with the same content is the same
    payment; `replayed` says so. Where a limit lets only some of a batch through, those that stand first are preferred.
    Call it late and once in a transaction: locks are held until the commit.
    """
    outcomes: list[InitiateOutcome | None] = [None] * len(requests)
    drafts = await _check(tx, requests, outcomes, rules=rules, now=now, today=today)
    uses = await store.lock_limit_uses(tx, {use for draft in drafts for use in draft.decision.limits})
    before = dict(uses)
    accepted: list[tuple[_Draft, Payment]] = []
    waiting = drafts
    while waiting:
        chosen, waiting, refusals = _within_limits(waiting, uses)
        booked = await _book(tx, chosen, now=now, today=today)
        lost = False
        for draft, outcome in zip(chosen, booked, strict=True):
            if isinstance(outcome, Payment):
                accepted.append((draft, outcome))
            else:
                lost = True
                _give_back(draft, uses)
                outcomes[draft.place] = await _refused_by_books(tx, draft, outcome)
        if not lost:
            for draft, refusal in zip(waiting, refusals, strict=True):
                outcomes[draft.place] = NotInitiated(refusal)
            break
    await _write(tx, accepted, {use: now_used for use, now_used in uses.items() if now_used != before[use]}, now=now)
    for draft, payment in accepted:
        outcomes[draft.place] = Initiated(payment)
    return _copy_repeats(requests, outcomes)


async def _check(
    tx: Tx,
    requests: Sequence[Request],
    outcomes: list[InitiateOutcome | None],
    *,
    rules: Rulebook,
    now: datetime,
    today: date,
) -> list[_Draft]:
    """What remains after duplicates, unknown sources and the organisation's rules; refusals go to `outcomes`."""
    existing = await store.find_by_references(tx, [request.command.reference for request in requests])
    used = await store.find_by_keys(tx, [request.key for request in requests if request.key is not None])
    codes = {request.command.source_code for request in requests}
    sources = await ledger.find_accounts(tx, [ledger.account_id(tx.tenant, code) for code in codes])
    drafts: list[_Draft] = []
    seen: set[str] = set()
    for place, request in enumerate(requests):
        command = request.command
        if request.key is not None and used.setdefault(request.key, command.reference) != command.reference:
            outcomes[place] = NotInitiated(KeyReused())
            continue
        if command.reference in seen:
            continue  # A repeat inside the batch: answered from the first at the end.
        seen.add(command.reference)
        known = existing.get(command.reference)
        if known is not None:
            outcomes[place] = _known(request, *known)
            continue
        try:
            source = _source(sources, ledger.account_id(tx.tenant, command.source_code), request)
            decision = rules.decide(command, actor=request.actor, now=now, today=today)
        except Refusal as refusal:
            outcomes[place] = NotInitiated(refusal)
            continue
        drafts.append(_Draft(place, request, body_hash(command), decision, source.branch_id))
    return drafts


def _known(request: Request, payment: Payment, hash_then: UUID) -> InitiateOutcome:
    visible = request.branches is None or payment.branch_id in request.branches
    if hash_then == body_hash(request.command) and visible:
        return Initiated(payment, replayed=True)
    return NotInitiated(PaymentExists(reference=request.command.reference))


def _source(accounts: Mapping[UUID, ledger.Account], account_id: UUID, request: Request) -> ledger.Account:
    account, command = accounts.get(account_id), request.command
    if account is None or (request.branches is not None and account.branch_id not in request.branches):
        raise SourceNotFound(source=command.source_code)
    if account.currency != command.amount.currency:
        raise MalformedPayment(
            f"amount: {command.source_code} is kept in {account.currency}, not in {command.amount.currency}",
            field="currency",
        )
    return account


def _within_limits(drafts: Sequence[_Draft], uses: Uses) -> tuple[list[_Draft], list[_Draft], list[Refusal]]:
    """Take from the limits in order; those that fit, those that do not, and why."""
    chosen: list[_Draft] = []
    waiting: list[_Draft] = []
    refusals: list[Refusal] = []
    for draft in drafts:
        amount = draft.request.command.amount.amount_minor
        over = next((use for use in draft.decision.limits if _passes(use, uses[use], amount)), None)
        if over is None:
            for use in draft.decision.limits:
                used, count = uses[use]
                uses[use] = (used + amount, count + 1)
            chosen.append(draft)
            continue
        waiting.append(draft)
        left = None if over.amount_max_minor is None else max(0, over.amount_max_minor - uses[over][0])
        refusals.append(LimitExceeded(limit=over.name, left_minor=left, bucket=over.bucket.isoformat()))
    return chosen, waiting, refusals


def _passes(use: LimitUse, used: tuple[int, int], amount_minor: int) -> bool:
    over_amount = use.amount_max_minor is not None and used[0] + amount_minor > use.amount_max_minor
    return over_amount or (use.count_max is not None and used[1] + 1 > use.count_max)


def _give_back(draft: _Draft, uses: Uses) -> None:
    for use in draft.decision.limits:
        used, count = uses[use]
        uses[use] = (used - draft.request.command.amount.amount_minor, count - 1)


async def _book(tx: Tx, drafts: Sequence[_Draft], *, now: datetime, today: date) -> list[Payment | Refusal]:
    """Set the money of each aside (or book an internal transfer); the payment, or why the ledger refused."""
    if not drafts:
        return []
    payments = [_payment(tx.tenant, draft, now) for draft in drafts]
    commands: list[ledger.Command] = []
    spans: list[int] = []
    for number, (draft, payment) in enumerate(zip(drafts, payments, strict=True), start=1):
        mine = _commands(tx.tenant, draft, payment, number)
        commands += mine
        spans.append(len(mine))
    booked = await ledger.book(tx, commands, today=today)
    results: list[Payment | Refusal] = []
    start = 0
    for payment, span in zip(payments, spans, strict=True):
        results.append(_booked(payment, booked[start : start + span], now))
        start += span
    return results


def _commands(tenant_id: UUID, draft: _Draft, payment: Payment, number: int) -> list[ledger.Command]:
    meta, decision = draft.request.meta, draft.decision
    if decision.rail == BOOK:
        to = ledger.account_id(tenant_id, payment.payee.identifier)
        if payment.state is PaymentState.SUCCEEDED:
            return [books.transfer(payment, to, meta=meta)]
        return [books.hold(payment, to, linked=0, meta=meta)]
    if not decision.fee_minor:
        return [books.hold(payment, decision.float_account_ids[0], linked=0, meta=meta)]
    assert decision.fee_account_id is not None, "a fee needs an account to be earned on"
    return [
        books.hold(payment, decision.float_account_ids[0], linked=number, meta=meta),
        books.hold_fee(payment, decision.fee_account_id, linked=number, meta=meta),
    ]


def _booked(payment: Payment, booked: Sequence[ledger.Booked], now: datetime) -> Payment | Refusal:
    refusals = [one.refusal for one in booked if isinstance(one, Refused)]
    if refusals:
        return next((one for one in refusals if one.code != "ledger.linked_refused"), refusals[0])
    ids = [one for one in booked if isinstance(one, UUID)]
    if payment.state is PaymentState.SUCCEEDED:
        return replace(payment, transaction_id=ids[0], completed_at=now)
    return replace(payment, hold_id=ids[0], fee_hold_id=ids[1] if len(ids) > 1 else None)


def _payment(tenant_id: UUID, draft: _Draft, now: datetime) -> Payment:
    command, decision = draft.request.command, draft.decision
    send_after = command.send_after or now
    needed = 0 if command.approved else decision.approvals_needed
    if needed:
        state = PaymentState.AWAITING_APPROVAL
    elif send_after > now:
        state = PaymentState.SCHEDULED
    elif decision.rail == BOOK:
        state = PaymentState.SUCCEEDED
    else:
        state = PaymentState.APPROVED
    return Payment(
        payment_id=uuid7(),
        reference=command.reference,
        type=command.type,
        state=state,
        reason=None,
        amount=command.amount,
        fee_minor=decision.fee_minor,
        branch_id=draft.branch_id,
        source_account_id=ledger.account_id(tenant_id, command.source_code),
        source_code=command.source_code,
        payee=command.payee,
        narration=command.narration,
        metadata=command.metadata,
        rail=decision.rail,
        route={"why": decision.explanation, "connections": decision.connection_ids},
        connection_ids=decision.connection_ids,
        candidate=0,
        hold_id=None,
        fee_hold_id=None,
        transaction_id=None,
        fee_transaction_id=None,
        approvals_needed=needed,
        approvals_given=0,
        attempt_count=0,
        batch_id=command.batch_id,
        line_number=command.line_number,
        schedule_id=command.schedule_id,
        send_after=send_after,
        expires_at=decision.expires_at,
        initiated_by=draft.request.actor,
        created_at=now,
        updated_at=now,
        completed_at=None,
        version=1,
    )


async def _refused_by_books(tx: Tx, draft: _Draft, refusal: Refusal) -> InitiateOutcome:
    """The ledger's word; or, when somebody else initiated this reference at the same time, his payment."""
    if refusal.code == "ledger.duplicate_reference":
        reference = draft.request.command.reference
        known = (await store.find_by_references(tx, [reference])).get(reference)
        if known is not None:
            return _known(draft.request, *known)
    return NotInitiated(refusal)


async def _write(tx: Tx, accepted: Sequence[tuple[_Draft, Payment]], uses: Uses, *, now: datetime) -> None:
    steps = [
        store.NewStep(
            payment.payment_id,
            payment.state.value,
            Source.REQUEST,
            actor=draft.request.actor,
            evidence={"route": draft.decision.explanation},
        )
        for draft, payment in accepted
    ]
    told: list[journal.Told] = []
    for draft, payment in accepted:
        told.append(journal.tell(payment, draft.request.meta, kind=PaymentInitiated))
        if payment.state is PaymentState.SUCCEEDED:
            told.append(journal.tell(payment, draft.request.meta))
    async with tx.pipelined():
        await store.set_limit_uses(tx, uses)
        await store.insert_payments(
            tx,
            [payment for _, payment in accepted],
            [draft.hash for draft, _ in accepted],
            [draft.request.key for draft, _ in accepted],
            [draft.decision.limits for draft, _ in accepted],
            now,
        )
        await store.insert_steps(tx, steps, now)
        await events.append_each(tx, told)


def _copy_repeats(requests: Sequence[Request], outcomes: Sequence[InitiateOutcome | None]) -> list[InitiateOutcome]:
    """Repeats inside the batch get the answer of the first: the same payment, or a conflict."""
    first: dict[str, int] = {}
    answers: list[InitiateOutcome] = []
    for place, (request, outcome) in enumerate(zip(requests, outcomes, strict=True)):
        original = first.setdefault(request.command.reference, place)
        if outcome is None:
            same = body_hash(request.command) == body_hash(requests[original].command)
            earlier = answers[original]
            if not same:
                outcome = NotInitiated(PaymentExists(reference=request.command.reference))
            elif isinstance(earlier, Initiated):
                outcome = Initiated(earlier.payment, replayed=True)
            else:
                outcome = earlier
        answers.append(outcome)
    return answers
