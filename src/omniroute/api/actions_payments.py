"""Payments as an action of a Hasura engine names them."""

import re
from typing import Any

import msgspec

from omniroute.api.actions_form import Camel, MalformedAction, shape
from omniroute.api.payments_shapes import PayeeIn
from omniroute.kit import ids
from omniroute.kit.currency import exponent
from omniroute.kit.money import MalformedAmount, decimal_text, parse_amount
from omniroute.money.payments import Payment, Standing

_DECIMAL = re.compile(r"[0-9]{1,17}(\.[0-9]{1,6})?")


class AccountDetails(Camel):
    """An account of the brief: at a bank, at a mobile money operator, or in our own ledger."""

    account_code: str | None = None
    account_number: str | None = None
    account_name: str | None = None
    bank_code: str | None = None
    phone: str | None = None
    provider: str | None = None
    country: str | None = None


class PaymentInput(Camel, kw_only=True):
    """A payment. `amount` in major units, or `amountMinor`."""

    reference: str
    type: str = "SUPPLIER_PAYMENT"
    currency: str
    source_account: AccountDetails | str
    destination_account: AccountDetails
    amount: Any = None
    amount_minor: int | str | None = None
    narration: str = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    connection: str | None = None


def amount_of(amount: object, amount_minor: int | str | None, currency: str) -> int:
    """Minor units of an amount in major units, exactly; or those that are given.

    Raises: MalformedAmount, UnknownCurrency, MalformedAction.
    """
    if (amount is None) == (amount_minor is None):
        raise MalformedAction("amount: either `amount` in major units or `amountMinor`")
    if amount_minor is not None:
        return parse_amount(amount_minor)
    decimals = exponent(currency)
    text = str(amount)
    if isinstance(amount, bool) or not _DECIMAL.fullmatch(text):
        raise MalformedAmount("amount: digits, with a point before the fraction", amount=text[:40])
    whole, _, fraction = text.partition(".")
    if fraction[decimals:].strip("0"):
        raise MalformedAmount(f"amount: {currency} has {decimals} digits behind the point", amount=text[:40])
    return parse_amount(whole + fraction[:decimals].ljust(decimals, "0"))


def payee_of(to: AccountDetails) -> PayeeIn:
    """Who is paid, by the kind of number that is given."""
    given: dict[str, Any] = {"name": to.account_name, "country": to.country}
    if to.phone is not None:
        given |= {"kind": "msisdn", "identifier": to.phone, "institution": to.provider}
    elif to.account_code is not None:
        given |= {"kind": "ledger", "identifier": to.account_code}
    else:
        given |= {"kind": "bank_account", "identifier": to.account_number or "", "institution": to.bank_code}
    return shape({name: value for name, value in given.items() if value is not None}, PayeeIn)


def payment_shown(standing: Standing) -> dict[str, Any]:
    """A payment as the brief's PaymentTransaction. `id` is the UUID of its row."""
    payment: Payment = standing.payment
    currency = payment.amount.currency
    return {
        "id": str(payment.payment_id),
        "paymentId": ids.show("pay", payment.payment_id),
        "reference": payment.reference,
        "externalReference": standing.external_reference,
        "type": payment.type.value,
        "direction": "OUTBOUND",
        "rail": payment.rail,
        "amount": decimal_text(payment.amount.amount_minor, exponent(currency)),
        "currency": currency,
        "fee": decimal_text(payment.fee_minor, exponent(currency)),
        "status": standing.status.value,
        "reason": standing.reason,
        "narration": payment.narration,
        "initiatedBy": payment.initiated_by,
        "approvalsNeeded": payment.approvals_needed,
        "approvalsGiven": payment.approvals_given,
        "createdAt": payment.created_at,
        "completedAt": payment.completed_at,
    }
