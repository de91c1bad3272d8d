"""Rows of partners as values."""

from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from omniroute.infra.postgres import load
from omniroute.parties.partners.model import Partner, PartnerKind, PartnerStatus
from omniroute.ports.rails import Party

SQL = load("omniroute.parties.partners")
PARTNERS = SQL.listing("list_partners")


def account_json(account: Party | None) -> Jsonb | None:
    """Where a partner is paid, as its column has it."""
    return None if account is None else Jsonb(account, dumps=msgspec.json.encode)


def partner_of(row: Any) -> Partner:
    """A row of `partner`."""
    return Partner(
        partner_id=row.partner_id,
        code=row.code,
        kind=PartnerKind(row.kind),
        name=row.name,
        phone=row.phone,
        email=row.email,
        account=None if row.account is None else msgspec.convert(row.account, Party),
        external_refs=row.external_refs,
        status=PartnerStatus(row.status),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
