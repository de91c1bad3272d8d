"""What settlements and remittances look like over HTTP."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from omniroute.api.atc_grants_shapes import GrantId
from omniroute.api.partners import PartnerId
from omniroute.api.payments_shapes import ConnectionText, Reference
from omniroute.api.shapes import AmountIn, AmountOut, Currency, In, Instant, ListIn, Out, show_id
from omniroute.kit import ids
from omniroute.kit.money import json_amount
from omniroute.money.settlement import Remittance, SettlementBatch

State = Literal["created", "processing", "settled", "failed"]


class SettleNowIn(In):
    """Under which root grant."""

    grant_id: GrantId


class SettlementsIn(ListIn):
    """Which settlements."""

    state: State | None = None
    grant_id: GrantId | None = None
    grantor_id: PartnerId | None = None


class SettlementOut(Out):
    """Collections paid out together. `gross`, `commission` and `net` are theirs at the root grant.

    `fee` is what the organisation takes for the payment; the rest of the net is paid. `reason`: why it is not paid yet,
    or has failed; `try_at`: when it is tried next.
    """

    id: str
    reference: str
    grant_id: str
    grantor_id: str
    currency: str
    cause: Literal["calendar", "instant", "demand"]
    period_start: Instant
    period_end: Instant
    collection_count: int
    gross: AmountOut
    commission: AmountOut
    net: AmountOut
    fee: AmountOut
    state: State
    reason: str | None
    try_at: Instant | None
    payment_id: str | None
    requested_by: str
    created_at: Instant
    updated_at: Instant
    settled_at: Instant | None
    failed_at: Instant | None
    version: int


class RecordRemittanceIn(In):
    """Money a collector pays in, of what they have in hand; and what they keep of it as their commission.

    What is paid came over a connection, or as a credit of a virtual account of theirs.
    """

    reference: Reference
    partner_id: PartnerId
    currency: Currency
    paid: AmountIn = 0
    kept: AmountIn = 0
    connection: ConnectionText | None = None
    credit: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=200,
                description="The credit: its `crd_` id, the rail's session, or the provider's name for it.",
            ),
        ]
        | None
    ) = None
    note: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class RemittancesIn(ListIn):
    """Which remittances."""

    partner_id: PartnerId | None = None


class RemittanceItemOut(Out):
    """What of a remittance is for a collection."""

    collection_id: str
    amount: AmountOut


class RemittanceOut(Out):
    """Money that was paid in."""

    id: str
    reference: str
    partner_id: str
    currency: str
    paid: AmountOut
    kept: AmountOut
    connection_id: str | None
    credit_id: str | None
    transaction_id: str
    note: str | None
    recorded_by: str
    created_at: Instant


class RemittanceDetailOut(RemittanceOut):
    """Money that was paid in, and for what; the oldest collection first."""

    collections: list[RemittanceItemOut]


def settlement_out(batch: SettlementBatch) -> SettlementOut:
    """A settlement as shown."""
    return SettlementOut(
        id=ids.show("stl", batch.batch_id),
        reference=batch.reference,
        grant_id=ids.show("atc", batch.grant_id),
        grantor_id=ids.show("ptn", batch.grantor_id),
        currency=batch.currency,
        cause=batch.cause.value,
        period_start=batch.period_start,
        period_end=batch.period_end,
        collection_count=batch.collection_count,
        gross=json_amount(batch.gross_minor),
        commission=json_amount(batch.commission_minor),
        net=json_amount(batch.net_minor),
        fee=json_amount(batch.fee_minor),
        state=batch.state.value,
        reason=batch.reason,
        try_at=batch.try_at,
        payment_id=show_id("pay", batch.payment_id),
        requested_by=batch.requested_by,
        created_at=batch.created_at,
        updated_at=batch.updated_at,
        settled_at=batch.settled_at,
        failed_at=batch.failed_at,
        version=batch.version,
    )


def _remittance(one: Remittance) -> dict[str, Any]:
    return {
        "id": ids.show("rem", one.remittance_id),
        "reference": one.reference,
        "partner_id": ids.show("ptn", one.partner_id),
        "currency": one.currency,
        "paid": json_amount(one.paid_minor),
        "kept": json_amount(one.kept_minor),
        "connection_id": show_id("con", one.connection_id),
        "credit_id": show_id("crd", one.credit_id),
        "transaction_id": ids.show("txn", one.transaction_id),
        "note": one.note,
        "recorded_by": one.recorded_by,
        "created_at": one.created_at,
    }


def remittance_out(one: Remittance) -> RemittanceOut:
    """A remittance as shown in lists."""
    return RemittanceOut(**_remittance(one))


def remittance_detail_out(one: Remittance) -> RemittanceDetailOut:
    """A remittance with the collections it is for."""
    items = [
        RemittanceItemOut(collection_id=ids.show("col", item.collection_id), amount=json_amount(item.amount_minor))
        for item in one.items
    ]
    return RemittanceDetailOut(**_remittance(one), collections=items)


EXAMPLE: dict[str, Any] = {
    "id": "stl_01jd3m8q4vv8k8x2n0c5t7yh6r", "reference": "STL-20261121-0c5a7be16f21",
    "grant_id": "atc_01jd3m8q4vv8k8x2n0c5t7yh6r", "grantor_id": "ptn_01jd3m8q4vv8k8x2n0c5t7yh6r", "currency": "NGN",
    "cause": "calendar", "period_start": "2026-11-19T23:00:00Z", "period_end": "2026-11-20T23:00:00Z",
    "collection_count": 42, "gross": 1000000, "commission": 50000, "net": 950000, "fee": 0, "state": "processing",
    "reason": None, "try_at": None, "payment_id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "requested_by": "system:settlement", "created_at": "2026-11-20T23:00:01Z", "updated_at": "2026-11-20T23:00:02Z",
    "settled_at": None, "failed_at": None, "version": 2,
}  # fmt: skip
CREATED = {"cause": "demand", "state": "created", "try_at": "2026-11-20T23:00:01Z", "payment_id": None, "version": 1}
REMITTANCE_IN = {
    "reference": "slip-0042", "partner_id": "ptn_01jd3m8q4vv8k8x2n0c5t7yh6r", "currency": "NGN", "paid": 95000,
    "kept": 5000, "connection": "nip", "note": "Friday's round",
}  # fmt: skip
REMITTANCE: dict[str, Any] = {
    "id": "rem_01jd3m8q4vv8k8x2n0c5t7yh6r", "reference": "slip-0042",
    "partner_id": "ptn_01jd3m8q4vv8k8x2n0c5t7yh6r", "currency": "NGN", "paid": 95000, "kept": 5000,
    "connection_id": "con_01jd3m8q4vv8k8x2n0c5t7yh6r", "credit_id": None,
    "transaction_id": "txn_01jd3m8q4vv8k8x2n0c5t7yh6r", "note": "Friday's round",
    "recorded_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r", "created_at": "2026-11-21T08:00:00Z",
}  # fmt: skip
REMITTANCE_DETAIL = REMITTANCE | {
    "collections": [{"collection_id": "col_01jd3m8q4vv8k8x2n0c5t7yh6r", "amount": 100000}]
}
