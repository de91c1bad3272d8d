"""Rows of grants as values."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from omniroute.infra.postgres import Tx, load
from omniroute.money.atc.commission import Commission, CommissionTier, CommissionType
from omniroute.money.atc.model import (
    CollectionType,
    Frequency,
    Grant,
    GrantStatus,
    ScopeConfig,
    ScopeKind,
    ScopeType,
    SettlementTerms,
)
from omniroute.ports.rails import Party

SQL = load("omniroute.money.atc")
GRANTS = SQL.listing("list_grants")
_json = msgspec.json.encode


def jsonb(value: object) -> Jsonb:
    """A value for a jsonb column."""
    return Jsonb(value, dumps=_json)


def grant_of(row: Any) -> Grant:
    """A row of `atc_grant` with its scopes and tiers."""
    return Grant(
        grant_id=row.grant_id,
        reference=row.reference,
        grantor_id=row.grantor_id,
        grantee_id=row.grantee_id,
        scope=ScopeKind(row.scope),
        scopes=tuple(ScopeConfig(ScopeType(kind), tuple(sorted(values))) for kind, values in row.scopes or ()),
        collection_type=CollectionType(row.collection_type),
        currency=row.currency,
        max_amount_minor=row.max_amount_minor,
        cumulative_limit_minor=row.cumulative_limit_minor,
        collected_account_id=row.collected_account_id,
        commission=Commission(
            CommissionType(row.commission_type),
            row.commission_rate_ppm or 0,
            row.commission_flat_minor or 0,
            row.min_commission_minor,
            row.max_commission_minor,
            tuple(CommissionTier(*tier) for tier in row.tiers or ()),
        ),
        settlement=SettlementTerms(
            Frequency(row.settlement_frequency),
            row.settlement_day,
            row.settlement_delay_days,
            msgspec.convert(row.settlement_account, Party),
        ),
        status=GrantStatus(row.status),
        status_reason=row.status_reason,
        effective_from=row.effective_from,
        effective_to=row.effective_to,
        parent_id=row.parent_id,
        depth=row.depth,
        terms_document_url=row.terms_document_url,
        created_by=row.created_by,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        ended_at=row.ended_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


async def read_grants(tx: Tx, grant_ids: Collection[UUID]) -> dict[UUID, Grant]:
    """Grants by id; those that are not there are left out."""
    rows = await tx.all(SQL.find_grants, tenant=tx.tenant, grants=sorted(grant_ids)) if grant_ids else []
    return {row.grant_id: grant_of(row) for row in rows}
