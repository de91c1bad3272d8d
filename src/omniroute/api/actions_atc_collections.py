"""Recording a collection as an action of a Hasura engine: by the rules of the REST door, in the form customers know."""

from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import msgspec

from omniroute.api.actions_form import Camel, MalformedAction, action, answer, row_id, shape
from omniroute.api.actions_payments import amount_of
from omniroute.api.atc_collections import key_of, own_reference, request_in
from omniroute.api.atc_collections_shapes import facts_in
from omniroute.api.call import Call
from omniroute.api.operations import Raw, Reply
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.currency import exponent
from omniroute.kit.money import decimal_text
from omniroute.money import atc
from omniroute.money.atc import Collection, CollectionType, GeoPoint, NotRecorded, RecordCollection
from omniroute.parties import tenants
from omniroute.parties.access import Permission


class PointInput(Camel):
    """Where something was collected, in degrees."""

    latitude: Any
    longitude: Any


class CollectionInput(Camel, kw_only=True):
    """What was collected. `amount` in major units, or `amountMinor`; of the grant's currency.

    Without `atcGrantId` the grant is found, in `currency` or the organisation's own. `granteeId`: who collects.
    """

    collected_from_id: str
    collection_method: CollectionType
    amount: Any = None
    amount_minor: int | str | None = None
    currency: str | None = None
    atc_grant_id: str | None = None
    grantee_id: str | None = None
    payment_reference: str | None = None
    order_id: str | None = None
    invoice_id: str | None = None
    collection_point: PointInput | None = None
    collected_by: str | None = None
    notes: str | None = None
    reference: str | None = None
    product_ids: list[str] | None = None
    product_categories: list[str] | None = None
    customer_tier: str | None = None
    zone: str | None = None
    order_type: str | None = None


def _id(field: str, prefix: str, text: str | None) -> UUID | None:
    return None if text is None else row_id(prefix, text, field)


def _degrees(field: str, given: object) -> Decimal:
    """Raises: MalformedAction."""
    try:
        if isinstance(given, int | str | Decimal) and not isinstance(given, bool) and len(str(given)) <= 20:
            return Decimal(given)
    except InvalidOperation:
        pass
    raise MalformedAction(f"{field}: expected degrees")


def _command(asked: CollectionInput, currency: str, reference: str) -> RecordCollection:
    """Raises: MalformedAction, MalformedAmount, UnknownCurrency."""
    point = asked.collection_point
    return RecordCollection(
        reference=asked.reference or reference,
        amount_minor=amount_of(asked.amount, asked.amount_minor, currency),
        collected_from_id=row_id("ptn", asked.collected_from_id, "collectedFromId"),
        method=asked.collection_method,
        grant_id=_id("atcGrantId", "atc", asked.atc_grant_id),
        grantee_id=_id("granteeId", "ptn", asked.grantee_id),
        currency=currency,
        payment_reference=asked.payment_reference,
        order_id=_id("orderId", "ord", asked.order_id),
        invoice_id=_id("invoiceId", "inv", asked.invoice_id),
        point=None
        if point is None
        else GeoPoint(_degrees("latitude", point.latitude), _degrees("longitude", point.longitude)),
        collected_by=_id("collectedBy", "ptn", asked.collected_by),
        notes=asked.notes,
        facts=facts_in(
            asked.product_ids or (),
            asked.product_categories or (),
            asked.customer_tier,
            asked.zone,
            asked.order_type,
        ),
    )


async def _currency(tx: Tx, asked: CollectionInput) -> str:
    """Raises: MalformedAction, GrantNotFound."""
    if asked.currency is not None:
        return asked.currency
    grant_id = _id("atcGrantId", "atc", asked.atc_grant_id)
    if grant_id is not None:
        return (await atc.find_grant(tx, grant_id)).currency
    return (await tenants.get_organisation(tx)).currency


def _shown(one: Collection) -> dict[str, Any]:
    def major(minor: int) -> msgspec.Raw:
        return msgspec.Raw(decimal_text(minor, exponent(one.currency)).encode())  # A number with all its digits.

    return {
        "id": str(one.collection_id),
        "collectionId": ids.show("col", one.collection_id),
        "reference": one.reference,
        "atcGrantId": str(one.grant_id),
        "currency": one.currency,
        "grossAmount": major(one.gross_minor),
        "commissionAmount": major(one.commission_minor),
        "netAmount": major(one.net_minor),
        "settlementStatus": one.settlement_status.value.upper(),
        "fundedAt": one.funded_at,
        "createdAt": one.created_at,
    }


async def _record(call: Call, raw: Raw, given: dict[str, Any]) -> dict[str, Any]:
    asked = shape(given, CollectionInput)
    async with call.services.db.tx(call.tenant_id, readonly=True) as tx:
        currency = await _currency(tx, asked)
    # Without a reference the same idempotency key makes the same one.
    key = raw.headers.get("idempotency-key")
    reference = own_reference(ids.uuid7() if key is None else key_of(call, key))
    request = request_in(call, _command(asked, currency, reference), None)
    outcome = await call.services.recorder.record(call.tenant_id, request)
    if isinstance(outcome, NotRecorded):
        raise outcome.refusal
    return _shown(outcome.collection)


@action("record-collection")
async def action_record_collection(call: Call, raw: Raw) -> Reply:
    """Record what was collected by authority, for a Hasura engine.

    Input: `atcGrantId` or what the grant is found by, `collectedFromId`, `collectionMethod`, `amount` and more. Output:
    the collector's level of the collection. A repeat under the same `reference`, or the same key, records nothing new.
    """

    async def handler(asked: Call, given: dict[str, Any]) -> dict[str, Any]:
        return await _record(asked, raw, given)

    return await answer(call, raw, Permission.ATC_COLLECT, handler, whole=True)
