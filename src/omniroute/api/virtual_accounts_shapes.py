"""What virtual accounts and credits look like over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omniroute.api.payments_shapes import PayeeIn, PayeeOut
from omniroute.api.shapes import AmountIn, AmountOut, Currency, In, Instant, ListIn, Metadata, Out, show_id
from omniroute.kit import ids
from omniroute.kit.money import json_amount, parse_amount
from omniroute.ledger import Balance
from omniroute.money.collections import AccountCredit, CollectionRules, OwnerType, RequestAccount, VirtualAccount

OwnerTypeText = Literal["CUSTOMER", "SUPPLIER", "WORKER", "GROUP", "ESCROW"]
StatusText = Literal["requested", "active", "suspended", "closed", "expired", "failed"]
StateText = Literal["booked", "unplaced", "placed", "returning", "returned"]
PartnerId = Annotated[
    str, Meta(pattern="^ptn_[0-7][0-9a-hjkmnp-tv-z]{25}$", examples=["ptn_01jd3m8q4vv8k8x2n0c5t7yh6r"])
]
VirtualAccountId = Annotated[
    str, Meta(pattern="^vac_[0-7][0-9a-hjkmnp-tv-z]{25}$", examples=["vac_01jd3m8q4vv8k8x2n0c5t7yh6r"])
]
UserId = Annotated[str, Meta(pattern="^usr_[0-7][0-9a-hjkmnp-tv-z]{25}$", examples=["usr_01jd3m8q4vv8k8x2n0c5t7yh6r"])]
Note = Annotated[str, Meta(min_length=1, max_length=500)]


class CollectionRulesIn(In):
    """What the account takes; what it does not take waits for a person. `single_use`: it takes one credit."""

    min_amount: AmountIn | None = None
    max_amount: AmountIn | None = None
    exact_amount: AmountIn | None = None
    single_use: bool = False


class CreateVirtualAccountIn(In):
    """A virtual account to be opened.

    `connection`: code or id of a bank connection; left out, the one that opens accounts in this currency. `bank_code`:
    the bank it shall be at. `customer_email`: left out, that of the owner.
    """

    owner_id: PartnerId
    owner_type: OwnerTypeText
    currency: Currency
    reference: Annotated[str, Meta(min_length=1, max_length=80, examples=["order-1007"])] | None = None
    account_name: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    connection: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    bank_code: Annotated[str, Meta(min_length=1, max_length=20)] | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    collection_rules: CollectionRulesIn = msgspec.field(default_factory=CollectionRulesIn)
    metadata: Metadata = msgspec.field(default_factory=dict)
    customer_email: Annotated[str, Meta(min_length=3, max_length=200)] | None = None


class TurnVirtualAccountIn(In):
    """Nothing is to be said."""


class VirtualAccountsIn(ListIn):
    """Which virtual accounts."""

    status: StatusText | None = None
    owner_id: PartnerId | None = None
    account_number: Annotated[str, Meta(min_length=1, max_length=40)] | None = None


class CreditsIn(ListIn):
    """Which credits."""

    state: StateText | None = None
    virtual_account_id: VirtualAccountId | None = None
    session_id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class AssignCreditIn(In):
    """Who looks after it; null: nobody any more."""

    user_id: UserId | None


class PlaceCreditIn(In):
    """Where it belongs, and why."""

    virtual_account_id: VirtualAccountId
    note: Note | None = None


class ReturnCreditIn(In):
    """Where it goes back to (left out: where it came from, if the provider has told that), and why."""

    payee: PayeeIn | None = None
    note: Note | None = None


class CollectionRulesOut(Out):
    """What the account takes."""

    min_amount: AmountOut | None
    max_amount: AmountOut | None
    exact_amount: AmountOut | None
    single_use: bool


class VirtualAccountOut(Out):
    """An account number that a provider lends the organisation.

    While it is `requested` the provider is asked, and `reason` says why it has not answered. `account_name` is how
    payers see it. `balance` is null for callers of some branches only.
    """

    id: str
    reference: str
    status: StatusText
    reason: str | None
    account_number: str | None
    bank_code: str | None
    bank_name: str | None
    account_name: str
    owner_id: str
    owner_type: OwnerTypeText
    currency: str
    balance: AmountOut | None
    connection_id: str
    ledger_account_id: str
    collection_rules: CollectionRulesOut
    metadata: dict[str, Any]
    expires_at: Instant | None
    requested_by: str
    created_at: Instant
    updated_at: Instant
    opened_at: Instant | None
    ended_at: Instant | None
    version: int


class CreditOut(Out):
    """Money that came in. `amount` is what the payer sent, `fee` what the provider kept, `used` what was spent of it as
    this very credit. `reason`: why no account took it.
    """

    id: str
    state: StateText
    reason: str | None
    virtual_account_id: str | None
    connection_id: str
    provider_credit_id: str
    session_id: str | None
    account_number: str | None
    amount: AmountOut
    fee: AmountOut
    used: AmountOut
    currency: str
    payer: PayeeOut | None
    narration: str
    paid_at: Instant
    received_at: Instant
    transaction_id: str
    credited_transaction_id: str | None
    assigned_to: str | None
    decided_by: str | None
    decided_at: Instant | None
    note: str | None
    payment_id: str | None


def _minor(amount: int | str | None) -> int | None:
    return None if amount is None else parse_amount(amount)


def _amount(minor: int | None) -> int | str | None:
    return None if minor is None else json_amount(minor)


def command_in(body: CreateVirtualAccountIn) -> RequestAccount:
    """Raises: MalformedAmount, MalformedId."""
    rules = body.collection_rules
    return RequestAccount(
        owner_id=ids.parse("ptn", body.owner_id),
        owner_type=OwnerType(body.owner_type),
        currency=body.currency,
        reference=body.reference,
        account_name=body.account_name,
        bank_code=body.bank_code,
        connection=body.connection,
        expires_at=body.expires_at,
        rules=CollectionRules(
            _minor(rules.min_amount), _minor(rules.max_amount), _minor(rules.exact_amount), rules.single_use
        ),
        metadata=body.metadata,
        customer_email=body.customer_email,
    )


def account_out(account: VirtualAccount, balance: Balance | None) -> VirtualAccountOut:
    rules = account.rules
    return VirtualAccountOut(
        id=ids.show("vac", account.virtual_account_id),
        reference=account.reference,
        status=account.status.value,
        reason=account.reason,
        account_number=account.account_number,
        bank_code=account.bank_code,
        bank_name=account.bank_name,
        account_name=account.account_name,
        owner_id=ids.show("ptn", account.owner_id),
        owner_type=account.owner_type.value,
        currency=account.currency,
        balance=None if balance is None else json_amount(balance.posted_minor),
        connection_id=ids.show("con", account.connection_id),
        ledger_account_id=ids.show("acc", account.ledger_account_id),
        collection_rules=CollectionRulesOut(
            min_amount=_amount(rules.min_minor),
            max_amount=_amount(rules.max_minor),
            exact_amount=_amount(rules.exact_minor),
            single_use=rules.single_use,
        ),
        metadata=dict(account.metadata),
        expires_at=account.expires_at,
        requested_by=account.requested_by,
        created_at=account.created_at,
        updated_at=account.updated_at,
        opened_at=account.opened_at,
        ended_at=account.ended_at,
        version=account.version,
    )


def credit_out(credit: AccountCredit) -> CreditOut:
    payer = credit.payer
    return CreditOut(
        id=ids.show("crd", credit.credit_id),
        state=credit.state.value,
        reason=credit.reason,
        virtual_account_id=show_id("vac", credit.virtual_account_id),
        connection_id=ids.show("con", credit.connection_id),
        provider_credit_id=credit.provider_credit_id,
        session_id=credit.session_id,
        account_number=credit.account_number,
        amount=json_amount(credit.amount.amount_minor),
        fee=json_amount(credit.fee_minor),
        used=json_amount(credit.used_minor),
        currency=credit.amount.currency,
        payer=None
        if payer is None
        else PayeeOut(
            kind=payer.kind.value,
            identifier=payer.identifier,
            institution=payer.institution,
            name=payer.name,
            country=payer.country,
            account=payer.account,
        ),
        narration=credit.narration,
        paid_at=credit.paid_at,
        received_at=credit.received_at,
        transaction_id=ids.show("txn", credit.transaction_id),
        credited_transaction_id=show_id("txn", credit.credited_transaction_id),
        assigned_to=credit.assigned_to,
        decided_by=credit.decided_by,
        decided_at=credit.decided_at,
        note=credit.note,
        payment_id=show_id("pay", credit.payment_id),
    )


BODY: dict[str, Any] = {
    "reference": "order-1007", "owner_id": "ptn_01jd3m8q4vv8k8x2n0c5t7yh6r", "owner_type": "CUSTOMER",
    "currency": "NGN", "account_name": "Nkechi Stores", "collection_rules": {"min_amount": 10000},
}  # fmt: skip
REQUESTED: dict[str, Any] = {
    "id": "vac_01jd3m8q4vv8k8x2n0c5t7yh6r", "reference": "order-1007", "status": "requested", "reason": None,
    "account_number": None, "bank_code": None, "bank_name": None, "account_name": "Nkechi Stores",
    "owner_id": "ptn_01jd3m8q4vv8k8x2n0c5t7yh6r", "owner_type": "CUSTOMER", "currency": "NGN", "balance": 0,
    "connection_id": "con_01jd3m8q4vv8k8x2n0c5t7yh6r", "ledger_account_id": "acc_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "collection_rules": {"min_amount": 10000, "max_amount": None, "exact_amount": None, "single_use": False},
    "metadata": {}, "expires_at": None, "requested_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z", "opened_at": None, "ended_at": None,
    "version": 1,
}  # fmt: skip
ACTIVE = REQUESTED | {
    "status": "active", "account_number": "6254727989", "bank_code": "50515", "balance": 250000,
    "bank_name": "Moniepoint Microfinance Bank", "opened_at": "2026-11-21T08:00:01Z", "version": 2,
}  # fmt: skip
CREDIT: dict[str, Any] = {
    "id": "crd_01jd3m8q4vv8k8x2n0c5t7yh6r", "state": "unplaced", "reason": "amount_too_small",
    "virtual_account_id": None, "connection_id": "con_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "provider_credit_id": "MNFY|04|20261121080000|000001", "session_id": "000013261121080000123456789012",
    "account_number": "6254727989", "amount": 5000, "fee": 1000, "used": 0, "currency": "NGN",
    "payer": {"kind": "bank_account", "identifier": "2222002345", "institution": "000013", "name": "NKECHI OBI",
              "country": "NG", "account": None},
    "narration": "Order 1007", "paid_at": "2026-11-21T08:30:00Z", "received_at": "2026-11-21T08:30:02Z",
    "transaction_id": "txn_01jd3m8q4vv8k8x2n0c5t7yh6r", "credited_transaction_id": None, "assigned_to": None,
    "decided_by": None, "decided_at": None, "note": None, "payment_id": None,
}  # fmt: skip
PLACED = CREDIT | {
    "state": "placed", "virtual_account_id": "vac_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "credited_transaction_id": "txn_01jd3m8q4vv8k8x2n0c5t7yh6r", "decided_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "decided_at": "2026-11-21T09:00:00Z", "note": "Order 1008",
}  # fmt: skip
RETURNING = CREDIT | {
    "state": "returning", "decided_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r", "decided_at": "2026-11-21T09:00:00Z",
    "payment_id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r",
}  # fmt: skip
