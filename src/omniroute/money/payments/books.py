"""What payments do on the ledger.

    initiate        hold        Dr source          Cr float of the connection      (fee: Dr source  Cr fee income)
    paid            capture     the hold, and the fee's, become postings
    rail's own fee  posting     Dr rail fees       Cr float
    not paid        void
    next rail       void, hold  on the float of the next connection
    late success    posting     Dr suspense        Cr float
    given back      reversal    of whichever of these was posted

Every posting of a payment has a reference of its own (`payment:REF:paid`), and the ledger books a reference once for
ever: whatever the code above does, a payment is held once and paid once.
"""

from uuid import UUID

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.kit.money import Money
from omniroute.ledger import Leg, Side
from omniroute.money.payments.model import Payment


def fee_income(currency: str) -> str:
    """The account on which fees for payments are earned."""
    return f"payments:fees:{currency}"


def rail_fees(currency: str) -> str:
    """The account of what rails charge us."""
    return f"payments:rail-fees:{currency}"


def suspense(currency: str) -> str:
    """The account of money that left without a valid order."""
    return f"payments:suspense:{currency}"


def accounts(currency: str) -> list[ledger.OpenAccount]:
    """The accounts payments need in a currency, to be opened with the first connection in it."""
    expense, income, asset = ledger.AccountType.EXPENSE, ledger.AccountType.INCOME, ledger.AccountType.ASSET
    return [
        ledger.OpenAccount(fee_income(currency), f"Fees for payments {currency}", income, currency),
        ledger.OpenAccount(rail_fees(currency), f"Charges of rails {currency}", expense, currency),
        ledger.OpenAccount(suspense(currency), f"Payments in suspense {currency}", asset, currency),
    ]


def _legs(debit: UUID, credit: UUID, amount: Money, label: str | None = None) -> list[Leg]:
    return [Leg(debit, Side.DEBIT, amount, label), Leg(credit, Side.CREDIT, amount)]


def hold(payment: Payment, float_account_id: UUID, *, linked: int, meta: Meta, move: int = 0) -> ledger.Command:
    """Set the amount aside; `move` counts how often it moved to another rail."""
    return ledger.place_hold(
        _legs(payment.source_account_id, float_account_id, payment.amount, payment.source_code),
        group_id=payment.payment_id,
        reference=f"payment:{payment.reference}" + (f":move:{move}" if move else ""),
        linked=linked,
        meta=meta,
    )


def hold_fee(payment: Payment, fee_account_id: UUID, *, linked: int, meta: Meta) -> ledger.Command:
    """Set our fee aside."""
    return ledger.place_hold(
        _legs(
            payment.source_account_id,
            fee_account_id,
            Money(payment.fee_minor, payment.amount.currency),
            payment.source_code,
        ),
        group_id=payment.payment_id,
        reference=f"payment:{payment.reference}:fee-hold",
        linked=linked,
        meta=meta,
    )


def transfer(payment: Payment, to_account_id: UUID, *, meta: Meta) -> ledger.Command:
    """An internal transfer, booked at once."""
    return ledger.post_transaction(
        _legs(payment.source_account_id, to_account_id, payment.amount, payment.source_code),
        reference=f"payment:{payment.reference}:paid",
        metadata={"payment": payment.reference},
        meta=meta,
    )


def capture(
    payment: Payment, *, linked: int, moved_minor: int | None = None, surplus: ledger.Command | None = None, meta: Meta
) -> list[ledger.Command]:
    """The holds become postings, all or none. A closed period does not stand against what has happened.

    `moved_minor`: the rail moved less than is held; the rest is free again. `surplus` is booked with it, or nothing.
    """
    assert payment.hold_id is not None
    number = linked if payment.fee_hold_id is not None or surplus is not None else 0
    commands = [
        ledger.capture_hold(
            payment.hold_id,
            amount_minor=moved_minor,
            final=moved_minor is not None,
            reference=f"payment:{payment.reference}:paid",
            metadata={"payment": payment.reference},
            late=True,
            may_soft=True,
            linked=number,
            meta=meta,
        )
    ]
    if payment.fee_hold_id is not None:
        commands.append(
            ledger.capture_hold(
                payment.fee_hold_id,
                reference=f"payment:{payment.reference}:fee",
                late=True,
                may_soft=True,
                linked=number,
                meta=meta,
            )
        )
    return commands if surplus is None else [*commands, surplus]


def void(payment: Payment, *, linked: int, meta: Meta) -> list[ledger.Command]:
    """Release what is held, all or none."""
    holds = [hold_id for hold_id in (payment.hold_id, payment.fee_hold_id) if hold_id is not None]
    number = linked if len(holds) > 1 else 0
    return [ledger.void_hold(hold_id, linked=number, meta=meta) for hold_id in holds]


def move(payment: Payment, float_account_id: UUID, *, linked: int, meta: Meta) -> list[ledger.Command]:
    """The hold goes over to the float of another connection."""
    assert payment.hold_id is not None
    return [
        ledger.void_hold(payment.hold_id, linked=linked, meta=meta),
        hold(payment, float_account_id, linked=linked, meta=meta, move=payment.attempt_count),
    ]


def rail_fee(tenant_id: UUID, payment: Payment, float_account_id: UUID, fee: Money, *, meta: Meta) -> ledger.Command:
    """What the rail took from our float for it."""
    return ledger.post_transaction(
        _legs(ledger.account_id(tenant_id, rail_fees(fee.currency)), float_account_id, fee),
        reference=f"payment:{payment.reference}:rail-fee:{payment.attempt_count}",
        late=True,
        may_soft=True,
        meta=meta,
    )


LATE, MORE = "late", "more"
"""Why something of an attempt stands in suspense: paid although it counted as not paid; more than was ordered."""


def to_suspense(
    tenant_id: UUID,
    payment: Payment,
    number: int,
    float_account_id: UUID,
    *,
    amount: Money | None = None,
    what: str = LATE,
    linked: int = 0,
    meta: Meta,
) -> ledger.Command:
    """Money left by attempt `number` without an order of ours behind it. `amount` None: as much as was ordered."""
    currency = payment.amount.currency
    return ledger.post_transaction(
        _legs(ledger.account_id(tenant_id, suspense(currency)), float_account_id, amount or payment.amount),
        reference=f"payment:{payment.reference}:{what}:{number}",
        metadata={"payment": payment.reference, "attempt": number},
        late=True,
        may_soft=True,
        linked=linked,
        meta=meta,
    )


def attribute(
    tenant_id: UUID, payment: Payment, number: int, account_code: str, amount: Money, *, what: str, meta: Meta
) -> ledger.Command:
    """Whoever `account_code` belongs to bears what of attempt `number` stands in suspense: it is cleared."""
    account_id = ledger.account_id(tenant_id, account_code)
    return ledger.post_transaction(
        _legs(account_id, ledger.account_id(tenant_id, suspense(payment.amount.currency)), amount),
        reference=f"payment:{payment.reference}:{what}:{number}:attributed",
        metadata={"payment": payment.reference, "attempt": number},
        late=True,
        may_soft=True,
        meta=meta,
    )


def reverse(transaction_id: UUID, reference: str, *, what: str, linked: int = 0, meta: Meta) -> ledger.Command:
    """Take a posting of a payment back."""
    return ledger.reverse_transaction(
        transaction_id,
        reference=f"payment:{reference}:reversed:{what}",
        late=True,
        may_soft=True,
        linked=linked,
        meta=meta,
    )
