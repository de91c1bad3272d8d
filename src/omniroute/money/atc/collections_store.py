"""Rows of collections as values, and back."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from omniroute.infra.postgres import Tx, load
from omniroute.money.atc.collections_model import (
    Collection,
    GeoPoint,
    RecordCollection,
    SettlementStatus,
    Source,
)
from omniroute.money.atc.model import CollectionType, ScopeType

SQL = load("omniroute.money.atc", "queries_collections.sql")
COLLECTIONS = SQL.listing("list_collections")
_json = msgspec.json.encode


def collection_of(row: Any) -> Collection:
    """A row of `atc_collection`."""
    return Collection(
        collection_id=row.collection_id,
        root_collection_id=row.root_collection_id,
        parent_collection_id=row.parent_collection_id,
        level=row.level,
        is_top=row.is_top,
        grant_id=row.grant_id,
        grantee_id=row.grantee_id,
        reference=row.reference,
        body_hash=row.body_hash,
        collected_from_id=row.collected_from_id,
        method=CollectionType(row.collection_method),
        payment_reference=row.payment_reference,
        source=Source(row.source),
        credit_id=row.credit_id,
        currency=row.currency,
        gross_minor=row.gross_minor,
        commission_minor=row.commission_minor,
        net_minor=row.net_minor,
        order_id=row.order_id,
        invoice_id=row.invoice_id,
        collected_on=row.collected_on,
        due_on=row.due_on,
        transaction_id=row.transaction_id,
        settlement_status=SettlementStatus(row.settlement_status),
        settlement_batch_id=row.settlement_batch_id,
        settled_at=row.settled_at,
        remitted_minor=row.remitted_minor,
        funded_at=row.funded_at,
        point=None if row.latitude is None else GeoPoint(row.latitude, row.longitude),
        collected_by=row.collected_by,
        notes=row.notes,
        recorded_by=row.recorded_by,
        created_at=row.created_at,
        reversed_at=row.reversed_at,
        reversed_by=row.reversed_by,
        reversal_reason=row.reversal_reason,
        reversal_transaction_id=row.reversal_transaction_id,
    )


def row_of(tenant_id: UUID, one: Collection, request_key: UUID | None) -> dict[str, Any]:
    """A level as `insert_levels` takes it. The idempotency key is the collector's level's."""
    return {
        "tenant": tenant_id,
        "collection": one.collection_id,
        "root": one.root_collection_id,
        "parent": one.parent_collection_id,
        "level": one.level,
        "is_top": one.is_top,
        "grant": one.grant_id,
        "grantee": one.grantee_id,
        "reference": one.reference,
        "body_hash": one.body_hash,
        "payer": one.collected_from_id,
        "method": one.method.value,
        "payment_reference": one.payment_reference,
        "source": one.source.value,
        "credit": one.credit_id,
        "currency": one.currency,
        "gross": one.gross_minor,
        "commission": one.commission_minor,
        "net": one.net_minor,
        "order": one.order_id,
        "invoice": one.invoice_id,
        "collected_on": one.collected_on,
        "due_on": one.due_on,
        "transaction": one.transaction_id,
        "funded_at": one.funded_at,
        "latitude": None if one.point is None else one.point.latitude,
        "longitude": None if one.point is None else one.point.longitude,
        "collected_by": one.collected_by,
        "notes": one.notes,
        "recorded_by": one.recorded_by,
        "request_key": None if one.level else request_key,
        "now": one.created_at,
    }


async def find_by_references(tx: Tx, references: Sequence[str]) -> dict[str, tuple[Collection, ...]]:
    """The levels of collections, by the reference of the collector's."""
    rows = await tx.all(SQL.find_levels_by_reference, tenant=tx.tenant, references=list(references))
    found: dict[UUID, list[Collection]] = {}
    for row in rows:
        found.setdefault(row.root_collection_id, []).append(collection_of(row))
    return {levels[0].reference: tuple(levels) for levels in found.values()}


async def find_by_keys(tx: Tx, keys: Sequence[UUID]) -> dict[UUID, str]:
    """The references of the collections that these idempotency keys stand for."""
    if not keys:
        return {}
    rows = await tx.all(SQL.find_by_keys, tenant=tx.tenant, keys=list(keys))
    return {row.request_key: row.reference for row in rows}


def facts_json(facts: Mapping[ScopeType, Sequence[str]]) -> Jsonb:
    """What is known of a collection, by kind of scope; nothing is known by an empty list."""
    return Jsonb({kind.value: list(values) for kind, values in facts.items() if values}, dumps=_json)


def candidates_of(command: RecordCollection, facts: Mapping[ScopeType, Sequence[str]]) -> dict[str, Any]:
    """What `find_candidates` wants to know of a collection."""
    return {
        "method": command.method.value,
        "currency": command.currency,
        "grantee": command.grantee_id,
        "payer": command.collected_from_id,
        "collected_by": command.collected_by,
        "facts": facts_json(facts),
    }
