"""The words for orders to a rail and for its answers. Frozen; no I/O. Amounts are `Money`, instants are UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from omniroute.kit.money import Money


class PartyKind(StrEnum):
    """What a payee or payer is known by."""

    BANK_ACCOUNT = "bank_account"  # Account number at an institution.
    MSISDN = "msisdn"  # Mobile money wallet: digits with country code, without plus (E.164).
    WALLET = "wallet"  # An operator's own wallet id.
    TILL = "till"  # Shop number of a mobile money operator.
    PAYBILL = "paybill"  # Business number of a mobile money operator; `account` tells the bill.
    LEDGER = "ledger"  # An account of our own ledger, by its code.


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who pays or is paid. `identifier` is normalised; `institution` is the rail's own code of it."""

    kind: PartyKind
    identifier: str
    institution: str | None = None
    name: str | None = None
    country: str | None = None
    account: str | None = None  # Bill or account reference behind a paybill.


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds an account, as the rail says. `enquiry_ref` proves to the rail that we asked."""

    party: Party
    name: str | None
    active: bool
    enquiry_ref: str | None = None
    kyc_level: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)  # What the rail wants back with the order (BVN and such).


@dataclass(frozen=True, slots=True)
class Payout:
    """One order to pay, as one attempt sends it. `our_ref` was stored before and names it on the rail for ever."""

    our_ref: str
    amount: Money
    payee: Party
    narration: str
    purpose: str  # The payment's type, e.g. WORKER_PAYOUT.
    payment_reference: str  # The tenant's reference.
    created_at: datetime
    payer: Party | None = None
    holder: Holder | None = None  # What resolve_party said before, where the rail wants it.


class Outcome(StrEnum):
    """What an answer of the rail means. Only these; a rail's own words never leave its connector."""

    SUCCEEDED = "succeeded"  # The payee has the money.
    PENDING = "pending"  # Accepted, not yet paid.
    ACTION_REQUIRED = "action_required"  # Somebody must confirm at the rail (one-time password).
    DECLINED = "declined"  # Definitely not paid, by a code that is in the rail's table.
    NOT_SENT = "not_sent"  # The rail provably did not take the order.
    NOT_FOUND = "not_found"  # Answer to a query: the rail does not know it (yet).
    REVERSED = "reversed"  # Paid and given back.
    ASKED = "asked"  # Answer to a query on rails that tell the result by callback: asked, nothing known yet.
    UNKNOWN = "unknown"  # Anything else.


@dataclass(frozen=True, slots=True)
class Answer:
    """The rail's own words, for people and for evidence. `raw` is redacted: no secrets, names cut."""

    code: str | None = None  # The rail's code, as sent.
    message: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What a submit, a query or a callback says about one order.

    `amount`, `payee_identifier` and `our_ref` are what the rail echoed, None where it echoes nothing; the core
    compares them with what was ordered. `fee` is what the rail took from our float for it.
    """

    outcome: Outcome
    answer: Answer = Answer()
    provider_ref: str | None = None
    receipt: str | None = None
    our_ref: str | None = None
    amount: Money | None = None
    payee_identifier: str | None = None
    fee: Money | None = None
    finalised_at: datetime | None = None


class EventKind(StrEnum):
    """What a callback is about."""

    PAYOUT_RESULT = "payout_result"  # The result of an order.
    QUERY_RESULT = "query_result"  # The answer to a query of ours, on rails that answer by callback.
    TIMED_OUT = "timed_out"  # The rail gave up working on it: unknown.
    BALANCE = "balance"
    CREDIT = "credit"  # Money came in on an account number the provider lends us.
    OTHER = "other"  # Read and stored; nobody acts on it yet.


class Trust(StrEnum):
    """How far a callback may be believed."""

    VERIFIED = "verified"  # Signed by the rail, or the answer to a query at an address only we and the rail know.
    HINT = "hint"  # Came by the right way but proves nothing: ask the rail.
    REJECTED = "rejected"  # Forged or damaged; moves nothing.


@dataclass(frozen=True, slots=True)
class RailEvent:
    """One thing a callback says. `key` is the rail's event id or one derived from the content: repeats have the same.

    A query's result about an order names the order in `result.our_ref`.
    """

    key: str
    kind: EventKind
    trust: Trust
    result: Result
    occurred_at: datetime | None = None
    balances: tuple["Balance", ...] = ()
    credit: "Credit | None" = None


@dataclass(frozen=True, slots=True)
class Ack:
    """What to answer the rail that called: exactly what its protocol wants."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Balance:
    """What the rail says an account of ours holds. `kind` is the rail's word (utility, working, available...)."""

    kind: str
    amount: Money
    as_of: datetime


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement on our account at the rail. `amount` is positive; `credit` tells the direction."""

    line_id: str
    booked_at: datetime
    amount: Money
    credit: bool
    our_ref: str | None
    provider_ref: str | None
    narration: str
    balance_after: Money | None = None
    value_on: date | None = None
    is_fee: bool = False  # What the rail took for itself; `our_ref` then names the order it was for.


@dataclass(frozen=True, slots=True)
class StatementPage:
    """A page of a statement; `cursor` None: no more."""

    lines: tuple[StatementLine, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Credit:
    """Money that came in on an account number. `credit_id` is the provider's own, the same for ever.

    `amount` is what the payer sent; the provider keeps `fee` of it and settles the rest. `our_ref` names the account.
    """

    credit_id: str
    our_ref: str
    amount: Money
    fee: Money | None
    paid_at: datetime
    account_number: str | None = None
    payer: Party | None = None
    session_id: str | None = None  # The rail's reference of the transfer, as statements show it.
    narration: str = ""
    settled: bool = True  # False: on its way, or taken back; nothing may be booked on it.


@dataclass(frozen=True, slots=True)
class Institution:
    """A bank or operator that can be paid on the rail."""

    code: str
    name: str
    country: str


class Operation(StrEnum):
    """What a connection can be asked for."""

    PAYOUT = "payout"
    NAME_ENQUIRY = "name_enquiry"
    QUERY = "query"
    BALANCE = "balance"
    STATEMENT = "statement"
    REVERSAL = "reversal"
    INSTITUTIONS = "institutions"
    VIRTUAL_ACCOUNTS = "virtual_accounts"  # Account numbers for collections (`AccountIssuer`).
    BULK_FILE = "bulk_file"  # Orders go out in files, and in no other way.


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a rail does. A connection may switch operations off, never on.

    `networks`: the mobile networks whose numbers it pays; empty: any. `reversible_kinds`: payees from whom a paid
    order can be asked back, where the rail has reversals; empty: any. `reversal_by_receipt`: the rail knows a paid
    order by its receipt then, not by its own reference.
    """

    operations: frozenset[Operation]
    currencies: frozenset[str]
    countries: frozenset[str]
    payee_kinds: frozenset[PartyKind]
    networks: frozenset[str] = frozenset()
    reversible_kinds: frozenset[PartyKind] = frozenset()
    reversal_by_receipt: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    """How we log in at the rail. `secret` values are never shown, logged or compared; `public` ones may be."""

    connection_id: UUID
    tenant_id: UUID
    endpoint: str
    public: Mapping[str, str]
    secret: Mapping[str, str] = field(repr=False)
