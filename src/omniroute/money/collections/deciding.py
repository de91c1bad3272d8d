"""What people do with money that no account takes: see that somebody looks at it, place it, give it back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.money import payments
from omniroute.money.collections import books
from omniroute.money.collections.crediting import told
from omniroute.money.collections.errors import CurrencyDiffers, FeeUnsteady, PayerUnknown, WrongState
from omniroute.money.collections.events import (
    CollectionPlaced,
    CollectionReturned,
    CollectionReturning,
    CollectionUnplaced,
    VirtualAccountCredited,
)
from omniroute.money.collections.model import AccountCredit, AccountStatus, CreditState
from omniroute.money.collections.reading import lock_account, lock_credit
from omniroute.money.collections.store import SQL, credit_of
from omniroute.money.payments import Initiated, PaymentState, PaymentType, Request, Rulebook
from omniroute.ports.rails import Party

TAKING = (AccountStatus.ACTIVE, AccountStatus.SUSPENDED)
"""Accounts on which a person may put money."""
META = Meta(actor="system:collections", channel="worker")


async def assign_credit(tx: Tx, credit_id: UUID, *, assigned_to: str | None, now: datetime) -> AccountCredit:
    """Say who looks after money that waits. Raises: CreditNotFound, WrongState."""
    credit = await _lock(tx, credit_id)
    return await _write(tx, replace(credit, assigned_to=assigned_to), now)


async def place_credit(
    tx: Tx,
    credit_id: UUID,
    virtual_account_id: UUID,
    *,
    actor: str,
    note: str | None,
    now: datetime,
    today: date,
    meta: Meta,
) -> AccountCredit:
    """Put money that waits on a virtual account.

    Raises: CreditNotFound, VirtualAccountNotFound, WrongState, CurrencyDiffers, and the ledger's refusal.
    """
    account = await lock_account(tx, virtual_account_id)
    credit = await _lock(tx, credit_id)
    if account.status not in TAKING:
        raise WrongState("the virtual account takes no money", state=account.status.value)
    if account.currency != credit.amount.currency:
        raise CurrencyDiffers(currency=credit.amount.currency)
    command = books.place(tx.tenant, credit_id, account.ledger_account_id, credit.amount, meta=meta)
    posted = await ledger.post_one(tx, command, today=today)
    placed = replace(
        credit,
        state=CreditState.PLACED,
        virtual_account_id=virtual_account_id,
        credited_transaction_id=posted.transaction_id,
        decided_by=actor,
        decided_at=now,
        note=note,
    )
    placed = await _write(tx, placed, now)
    await events.append_many(tx, [told(kind, placed) for kind in (CollectionPlaced, VirtualAccountCredited)], meta)
    return placed


async def return_credit(
    tx: Tx,
    credit_id: UUID,
    *,
    payee: Party | None,
    actor: str,
    branches: Sequence[UUID] | None,
    note: str | None,
    rules: Rulebook,
    now: datetime,
    today: date,
    meta: Meta,
) -> AccountCredit:
    """Pay money that waits back: a payment by the rules of all payments, with approvals where they want some.

    `payee` None: the account it came from. Our fee for the payment is taken from it. When the payment does not reach
    the payee, the money waits again.

    Raises: CreditNotFound, WrongState, PayerUnknown, FeeUnsteady, MalformedPayment, and what `rules` refuses.
    """
    credit = await _lock(tx, credit_id)
    to = payee or credit.payer
    if to is None or not to.identifier.isalnum():  # Some providers cut the number they tell.
        raise PayerUnknown()
    command = payments.initiate_payment(
        reference=f"return:{ids.show('crd', credit_id)}:{uuid7().hex[-8:]}",
        type=PaymentType.CUSTOMER_REFUND,
        amount=credit.amount,
        source_code=books.unplaced(credit.amount.currency),
        payee=to,
        narration=f"Returned {credit.session_id or ''}".strip()[:100],
        metadata={"credit": ids.show("crd", credit_id)},
    )
    fee_minor = rules.decide(command, actor=actor, now=now, today=today).fee_minor
    left = credit.amount.amount_minor - fee_minor
    if fee_minor:
        if left <= 0:
            raise FeeUnsteady("the fee of the payment is as much as there is to return", fee_minor=fee_minor)
        command = replace(command, amount=Money(left, credit.amount.currency))
        if rules.decide(command, actor=actor, now=now, today=today).fee_minor != fee_minor:
            raise FeeUnsteady()
    request = Request(command, actor, None if branches is None else tuple(branches), meta)
    (outcome,) = await payments.initiate(tx, [request], rules=rules, now=now, today=today)
    if not isinstance(outcome, Initiated):
        raise outcome.refusal
    returning = replace(
        credit,
        state=CreditState.RETURNING,
        payment_id=outcome.payment.payment_id,
        decided_by=actor,
        decided_at=now,
        note=note,
    )
    returning = await _write(tx, returning, now)
    await events.append(tx, told(CollectionReturning, returning), meta)
    return returning


async def follow_return(tx: Tx, credit_id: UUID, *, now: datetime) -> AccountCredit:
    """Where money stands that is being paid back: returned when it is paid, waiting again when it is not."""
    credit = await lock_credit(tx, credit_id)
    if credit.state not in (CreditState.RETURNING, CreditState.RETURNED):
        return credit
    assert credit.payment_id is not None
    payment = (await payments.find_payment(tx, credit.payment_id)).payment
    if payment.state is PaymentState.SUCCEEDED:
        if credit.state is CreditState.RETURNED:
            return credit
        credit = await _write(tx, replace(credit, state=CreditState.RETURNED), now)
        await events.append(tx, told(CollectionReturned, credit), META)
    elif payment.state.is_final:
        credit = await _write(tx, replace(credit, state=CreditState.UNPLACED), now)
        await events.append(tx, told(CollectionUnplaced, credit), META)
    return credit


async def _lock(tx: Tx, credit_id: UUID) -> AccountCredit:
    """A credit that waits for a person, held until the transaction ends. Raises: CreditNotFound, WrongState."""
    credit = await lock_credit(tx, credit_id)
    if credit.state is not CreditState.UNPLACED:
        raise WrongState(state=credit.state.value)
    return credit


async def _write(tx: Tx, credit: AccountCredit, now: datetime) -> AccountCredit:
    row = await tx.one(
        SQL.update_credit,
        tenant=tx.tenant,
        credit=credit.credit_id,
        state=credit.state.value,
        account=credit.virtual_account_id,
        transaction=credit.credited_transaction_id,
        assigned_to=credit.assigned_to,
        decided_by=credit.decided_by,
        decided_at=credit.decided_at,
        note=credit.note,
        payment=credit.payment_id,
        now=now,
    )
    return credit_of(row)
