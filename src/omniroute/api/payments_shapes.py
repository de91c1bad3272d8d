"""What payments send and receive, whichever address it is about."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.shapes import AmountIn, AmountOut, Currency, In, Instant, Metadata, Out, show_id
from omniroute.kit import ids
from omniroute.kit.money import Money, json_amount, parse_amount
from omniroute.money import institutions, payments
from omniroute.money.payments import Approval, Attempt, InitiatePayment, Payment, PaymentType, Standing, Step
from omniroute.ports.rails import Party, PartyKind

Status = Literal[
    "PENDING", "AWAITING_APPROVAL", "PROCESSING", "SENT_TO_BANK", "CONFIRMED", "FAILED", "REVERSED", "EXPIRED"
]
State = Literal[
    "awaiting_approval", "approved", "scheduled", "executing", "succeeded", "failed", "cancelled", "expired",
    "needs_review", "reversed",
]  # fmt: skip
TypeIn = Literal["SUPPLIER_PAYMENT", "WORKER_PAYOUT", "CUSTOMER_REFUND", "INTERNAL_TRANSFER", "BULK_DISBURSEMENT"]
TypeOut = Literal[
    "SUPPLIER_PAYMENT", "WORKER_PAYOUT", "CUSTOMER_REFUND", "COLLECTION", "INTERNAL_TRANSFER", "BULK_DISBURSEMENT"
]
PayeeKind = Literal["bank_account", "msisdn", "wallet", "till", "paybill", "ledger"]
Reference = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$",
        description="Yours, and unique for ever in the organisation: the same reference is the same payment.",
        examples=["salary-2026-11-0042"],
    ),
]
PaymentId = Annotated[
    str,
    Meta(
        pattern="^pay_[0-7][0-9a-hjkmnp-tv-z]{25}$",
        description="A payment.",
        examples=["pay_01jd3m8q4vv8k8x2n0c5t7yh6r"],
    ),
]
ConnectionText = Annotated[
    str,
    Meta(min_length=1, max_length=64, description="A bank connection: its code or its `con_` id.", examples=["nip"]),
]


class PayeeIn(In):
    """Who is paid. Numbers are understood with spaces, plus and leading zero, banks by any of their codes."""

    kind: PayeeKind
    identifier: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            description="Account number, mobile number, till, paybill, wallet, or code of a ledger account.",
            examples=["0123456785"],
        ),
    ]
    institution: (
        Annotated[str, Meta(min_length=1, max_length=64, description="Code of the bank or network.", examples=["058"])]
        | None
    ) = None
    name: (
        Annotated[
            str, Meta(min_length=1, max_length=140, description="As you know it; compared with what the rail says.")
        ]
        | None
    ) = None
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None = None
    account: Annotated[str, Meta(min_length=1, max_length=64, description="Bill behind a paybill.")] | None = None


class InitiateIn(In):
    """A payment to make. `source`: code of the ledger account that pays."""

    reference: Reference
    type: TypeIn
    amount: AmountIn
    currency: Currency
    source: Annotated[str, Meta(min_length=1, max_length=128, examples=["wallet:payroll"])]
    payee: PayeeIn
    narration: Annotated[str, Meta(max_length=100, description="What the payee reads.")] = ""
    metadata: Metadata = msgspec.field(default_factory=dict)
    send_after: Instant | None = None
    connection: ConnectionText | None = None


class PayeeOut(Out):
    """Who is paid, in the one form payments know."""

    kind: PayeeKind
    identifier: str
    institution: str | None
    name: str | None
    country: str | None
    account: str | None


class PaymentOut(Out):
    """A payment as it stands. `external_reference`: the name the rail knows it by; `reason` UNKNOWN: nobody can tell
    yet, the money stays held, and we ask until it is certain."""

    id: str
    reference: str
    type: TypeOut
    status: Status
    state: State
    reason: str | None
    amount: AmountOut
    currency: str
    fee: AmountOut
    source: str
    payee: PayeeOut
    narration: str
    metadata: dict[str, Any]
    rail: str
    connection_id: str | None
    external_reference: str | None
    receipt: str | None
    branch_id: str | None
    batch_id: str | None
    line_number: int | None
    schedule_id: str | None
    hold_id: str | None
    transaction_id: str | None
    approvals_needed: int
    approvals_given: int
    attempt_count: int
    initiated_by: str
    send_after: Instant
    expires_at: Instant | None
    created_at: Instant
    updated_at: Instant
    completed_at: Instant | None
    version: int


class PaymentStepOut(Out):
    """One line of a payment's timeline: what, when, by whom, upon which evidence."""

    at: Instant
    state: str
    source: str
    reason: str | None
    actor: str | None
    attempt_id: str | None
    evidence: dict[str, Any] | None


class PaymentAttemptOut(Out):
    """One send to one rail. `our_ref` names it there for ever."""

    id: str
    number: int
    state: str
    rail: str
    connection_id: str
    our_ref: str
    provider_ref: str | None
    receipt: str | None
    code: str | None
    code_class: str | None
    message: str | None
    holder_name: str | None
    rail_fee: AmountOut | None
    sent_at: Instant | None
    next_query_at: Instant | None
    query_count: int
    created_at: Instant
    updated_at: Instant


class PaymentApprovalOut(Out):
    """One person's word."""

    approver: str
    approved: bool
    comment: str | None
    decided_at: Instant


class PaymentDetailOut(PaymentOut):
    """A payment with all that is known of it. `route`: why it goes the way it goes."""

    route: list[str]
    attempts: list[PaymentAttemptOut]
    approvals: list[PaymentApprovalOut]
    status_history: list[PaymentStepOut]


def payee_in(payee: PayeeIn, currency: str) -> Party:
    """The payee in the one form payments know.

    Raises: what institutions refuse of a payee.
    """
    party = Party(PartyKind(payee.kind), payee.identifier, payee.institution, payee.name, payee.country, payee.account)
    return party if party.kind is PartyKind.LEDGER else institutions.normalise_payee(party, currency=currency)


def command_in(body: InitiateIn) -> InitiatePayment:
    """A payment as the service takes it.

    Raises: MalformedPayment, MalformedAmount, and what is refused of a payee.
    """
    return payments.initiate_payment(
        reference=body.reference,
        type=PaymentType(body.type),
        amount=Money(parse_amount(body.amount), body.currency),
        source_code=body.source,
        payee=payee_in(body.payee, body.currency),
        narration=body.narration,
        metadata=body.metadata,
        send_after=body.send_after,
        connection=body.connection,
    )


def request_in(call: Call, command: InitiatePayment, key: str | None) -> payments.Request:
    """The request of this caller."""
    caller = call.caller
    return payments.Request(
        command, caller.subject, caller.branches, call.meta, None if key is None else payments.request_key(key)
    )


def _members(standing: Standing) -> dict[str, Any]:
    payment, attempt = standing.payment, standing.attempt
    payee = payment.payee
    return {
        "id": ids.show("pay", payment.payment_id),
        "reference": payment.reference,
        "type": payment.type.value,
        "status": standing.status.value,
        "state": payment.state.value,
        "reason": standing.reason,
        "amount": json_amount(payment.amount.amount_minor),
        "currency": payment.amount.currency,
        "fee": json_amount(payment.fee_minor),
        "source": payment.source_code,
        "payee": PayeeOut(
            kind=payee.kind.value,
            identifier=payee.identifier,
            institution=payee.institution,
            name=payee.name,
            country=payee.country,
            account=payee.account,
        ),
        "narration": payment.narration,
        "metadata": dict(payment.metadata),
        "rail": payment.rail,
        "connection_id": show_id("con", payment.connection_id),
        "external_reference": standing.external_reference,
        "receipt": None if attempt is None else attempt.receipt,
        "branch_id": show_id("brn", payment.branch_id),
        "batch_id": show_id("bat", payment.batch_id),
        "line_number": payment.line_number,
        "schedule_id": show_id("sch", payment.schedule_id),
        "hold_id": show_id("hld", payment.hold_id),
        "transaction_id": show_id("txn", payment.transaction_id),
        "approvals_needed": payment.approvals_needed,
        "approvals_given": payment.approvals_given,
        "attempt_count": payment.attempt_count,
        "initiated_by": payment.initiated_by,
        "send_after": payment.send_after,
        "expires_at": payment.expires_at,
        "created_at": payment.created_at,
        "updated_at": payment.updated_at,
        "completed_at": payment.completed_at,
        "version": payment.version,
    }


def payment_out(standing: Standing) -> PaymentOut:
    """A payment as shown in lists."""
    return PaymentOut(**_members(standing))


def fresh_out(payment: Payment) -> PaymentOut:
    """A payment that was just initiated, or has no attempt yet."""
    return payment_out(Standing(payment, None))


def detail_out(
    standing: Standing, attempts: list[Attempt], approvals: list[Approval], steps: list[Step]
) -> PaymentDetailOut:
    """A payment with all that is known of it."""
    why = standing.payment.route.get("why") or []
    return PaymentDetailOut(
        **_members(standing),
        route=[str(line) for line in why],
        attempts=[attempt_out(attempt) for attempt in attempts],
        approvals=[
            PaymentApprovalOut(
                approver=one.approver, approved=one.approved, comment=one.comment, decided_at=one.decided_at
            )
            for one in approvals
        ],
        status_history=[
            PaymentStepOut(
                at=step.at,
                state=step.state,
                source=step.source.value,
                reason=step.reason,
                actor=step.actor,
                attempt_id=show_id("att", step.attempt_id),
                evidence=None if step.evidence is None else dict(step.evidence),
            )
            for step in steps
        ],
    )


def attempt_out(attempt: Attempt) -> PaymentAttemptOut:
    """An attempt as shown."""
    return PaymentAttemptOut(
        id=ids.show("att", attempt.attempt_id),
        number=attempt.number,
        state=attempt.state.value,
        rail=attempt.rail,
        connection_id=ids.show("con", attempt.connection_id),
        our_ref=attempt.our_ref,
        provider_ref=attempt.provider_ref,
        receipt=attempt.receipt,
        code=attempt.code,
        code_class=attempt.code_class,
        message=attempt.message,
        holder_name=None if attempt.holder is None else attempt.holder.name,
        rail_fee=None if attempt.rail_fee_minor is None else json_amount(attempt.rail_fee_minor),
        sent_at=attempt.sent_at,
        next_query_at=attempt.next_query_at,
        query_count=attempt.query_count,
        created_at=attempt.created_at,
        updated_at=attempt.updated_at,
    )


def connection_id_in(text: str, connections: list[tuple[UUID, str]]) -> UUID | None:
    """The connection of this code or id, among these (id, code); None when there is none."""
    return next((one for one, code in connections if text in (code, ids.show("con", one))), None)


def age_s(since: datetime, now: datetime) -> int:
    """Whole seconds from then to now."""
    return max(0, int((now - since).total_seconds()))


FORM_REFUSALS = (
    "payments.malformed", "kit.malformed_amount", "institutions.malformed_payee", "institutions.unknown",
    "institutions.closed", "institutions.wrong_check_digit", "institutions.wrong_country", "institutions.other_network",
)  # fmt: skip
EXAMPLE_IN = {
    "reference": "salary-2026-11-0042", "type": "WORKER_PAYOUT", "amount": 150000, "currency": "NGN",
    "source": "wallet:payroll", "narration": "November",
    "payee": {"kind": "bank_account", "identifier": "0123456785", "institution": "058", "name": "Amina Bello"},
}  # fmt: skip
EXAMPLE: dict[str, Any] = {
    "id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r", "reference": "salary-2026-11-0042", "type": "WORKER_PAYOUT",
    "status": "PENDING", "state": "approved", "reason": None, "amount": 150000, "currency": "NGN", "fee": 0,
    "source": "wallet:payroll",
    "payee": {"kind": "bank_account", "identifier": "0123456785", "institution": "000013", "name": "Amina Bello",
              "country": "NG", "account": None},
    "narration": "November", "metadata": {}, "rail": "nip", "connection_id": "con_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "external_reference": None, "receipt": None, "branch_id": None, "batch_id": None, "line_number": None,
    "schedule_id": None, "hold_id": "hld_01jd3m8q4vv8k8x2n0c5t7yh6r", "transaction_id": None, "approvals_needed": 0,
    "approvals_given": 0, "attempt_count": 0, "initiated_by": "key_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "send_after": "2026-11-21T08:00:00Z", "expires_at": None, "created_at": "2026-11-21T08:00:00Z",
    "updated_at": "2026-11-21T08:00:00Z", "completed_at": None, "version": 1,
}  # fmt: skip
