"""Decisions of collections, without I/O: what a well-formed account is, and which account takes which credit."""

import json
from datetime import datetime

from omniroute.kit.currency import exponent
from omniroute.kit.money import MINOR_MAX, Money
from omniroute.money.collections.errors import MalformedAccount
from omniroute.money.collections.model import AccountStatus, CollectionRules, RequestAccount, VirtualAccount
from omniroute.ports.rails import Credit, IssuedAccount

REFERENCE_MAX = 80
NAME_MAX = 100
TEXT_MAX = 500
METADATA_BYTES_MAX = 4_096
PROVIDER_ID_MAX = 200


def check(command: RequestAccount, *, now: datetime) -> None:
    """Refuse what can never be an account. Raises: MalformedAccount, UnknownCurrency."""
    exponent(command.currency)
    for name, text, length in (
        ("reference", command.reference, REFERENCE_MAX),
        ("account_name", command.account_name, NAME_MAX),
        ("bank_code", command.bank_code, 20),
        ("customer_email", command.customer_email, 200),
    ):
        if text is not None and not (1 <= len(text) <= length and text.isprintable() and text.strip() == text):
            raise MalformedAccount(f"{name}: 1 to {length} printable characters", field=name)
    if command.expires_at is not None and command.expires_at <= now:
        raise MalformedAccount("expiry_date: must lie ahead", field="expiry_date")
    if len(json.dumps(dict(command.metadata), default=str).encode()) > METADATA_BYTES_MAX:
        raise MalformedAccount(f"metadata: up to {METADATA_BYTES_MAX} bytes of JSON", field="metadata")
    check_rules(command.rules)


def check_rules(rules: CollectionRules) -> None:
    """Refuse rules that no credit could meet. Raises: MalformedAccount."""
    for amount in (rules.min_minor, rules.max_minor, rules.exact_minor):
        if amount is not None and not 0 < amount <= MINOR_MAX:
            raise MalformedAccount("collection_rules: amounts are above nothing", field="collection_rules")
    if rules.exact_minor is not None and (rules.min_minor is not None or rules.max_minor is not None):
        raise MalformedAccount("collection_rules: an exact amount stands alone", field="collection_rules")
    if rules.min_minor is not None and rules.max_minor is not None and rules.min_minor > rules.max_minor:
        raise MalformedAccount("collection_rules: min is not above max", field="collection_rules")


def against(account: VirtualAccount | None, credit: Credit, *, taken: int) -> str | None:
    """Why this account does not take this credit; None: it does. `taken`: how many credits it has taken.

    What counts is when the money was paid, not when we were told of it. Money for an account whose opening is not known
    yet proves that it is open.
    """
    if account is None:
        return "account_unknown"
    if account.status is AccountStatus.FAILED:
        return "account_failed"
    if account.status is AccountStatus.CLOSED:
        return "account_closed"
    if account.status is AccountStatus.SUSPENDED:
        return "account_suspended"
    if account.expires_at is not None and credit.paid_at >= account.expires_at:
        return "account_expired"
    if credit.amount.currency != account.currency:
        return "currency_differs"
    return _against_rules(account.rules, credit.amount, taken)


def _against_rules(rules: CollectionRules, amount: Money, taken: int) -> str | None:
    paid = amount.amount_minor
    if rules.exact_minor is not None and paid != rules.exact_minor:
        return "amount_not_exact"
    if rules.min_minor is not None and paid < rules.min_minor:
        return "amount_too_small"
    if rules.max_minor is not None and paid > rules.max_minor:
        return "amount_too_large"
    if rules.single_use and taken:
        return "account_used_up"
    return None


def bookable(credit: Credit) -> bool:
    """Whether something can be booked on what the provider says of a credit."""
    fee = credit.fee
    return (
        credit.settled
        and credit.amount.amount_minor > 0
        and (fee is None or (fee.amount_minor >= 0 and fee.currency == credit.amount.currency))
        and plain(credit.credit_id)
    )


def plain(provider_id: str) -> bool:
    """Whether a provider's name for something can be stored and asked about. Strangers send names, too."""
    return 1 <= len(provider_id) <= PROVIDER_ID_MAX and provider_id.isascii() and provider_id.isprintable()


def cleaned(text: str | None, length: int = TEXT_MAX) -> str | None:
    """A text of somebody else, as it can be stored and shown."""
    if text is None:
        return None
    return "".join(one if one.isprintable() else " " for one in text)[:length]


def mistaken(account: VirtualAccount, issued: IssuedAccount) -> str | None:
    """What is wrong with a provider's answer to what was asked for; None: nothing."""
    if issued.our_ref != account.our_ref:
        return "the provider answered about another account"
    if issued.currency != account.currency:
        return f"the provider's account is in {issued.currency[:10]}"
    if not (plain(issued.account_number) and plain(issued.bank_code)):
        return "the provider's account has no number"
    return None
