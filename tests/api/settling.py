"""Settlements and remittances as rows, for the tests that need some: what leads to them has doors of its own."""

from datetime import datetime
from uuid import UUID

from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7

_GRANT = """
INSERT INTO atc_grant (tenant_id, grant_id, reference, grantor_id, grantee_id, scope, collection_type, currency,
                       collected_account_id, commission_type, commission_rate_ppm, settlement_frequency,
                       settlement_delay_days, settlement_account, status, effective_from, depth, created_by, created_at,
                       updated_at)
VALUES (%(tenant)s, %(grant)s, %(mark)s, %(grantor)s, %(grantee)s, 'ALL_PRODUCTS', 'ALL_METHODS', 'NGN', %(grant)s,
        'PERCENTAGE', 0, 'ON_DEMAND', 0, '{"kind": "bank_account", "identifier": "0123456785"}', 'pending_approval',
        %(now)s, 0, 'usr_maker', %(now)s, %(now)s)"""
_APPROVED = """
UPDATE atc_grant SET status = 'active', approved_by = 'usr_checker', approved_at = %(now)s, version = 2
 WHERE tenant_id = %(tenant)s AND grant_id = %(grant)s"""
_COLLECTION = """
INSERT INTO atc_collection (tenant_id, collection_id, root_collection_id, level, is_top, grant_id, grantee_id,
                            reference, body_hash, collected_from_id, collection_method, source, currency, gross_minor,
                            commission_minor, net_minor, collected_on, due_on, transaction_id, funded_at,
                            remitted_minor, recorded_by, created_at)
VALUES (%(tenant)s, %(collection)s, %(collection)s, 0, true, %(grant)s, %(grantee)s, %(mark)s, %(collection)s,
        %(grantor)s, 'CASH', 'in_hand', 'NGN', 100, 10, 90, %(today)s, %(today)s, %(collection)s, %(now)s, 100,
        'usr_maker', %(now)s)"""
_BATCH = """
INSERT INTO atc_settlement_batch (tenant_id, batch_id, reference, grant_id, grantor_id, currency, cause, period_start,
                                  period_end, collection_count, gross_minor, commission_minor, net_minor, try_at,
                                  requested_by, created_at, updated_at)
VALUES (%(tenant)s, %(batch)s, %(mark)s, %(grant)s, %(grantor)s, 'NGN', 'demand', %(now)s, %(now)s, 1, 100, 10, 90,
        %(now)s, 'usr_maker', %(now)s, %(now)s)"""
_ITEM = """
INSERT INTO atc_settlement_item (tenant_id, batch_id, collection_id, gross_minor, commission_minor, net_minor)
VALUES (%(tenant)s, %(batch)s, %(collection)s, 100, 10, 90)"""
_PLACED = """
UPDATE atc_collection SET settlement_status = 'scheduled', settlement_batch_id = %(batch)s
 WHERE tenant_id = %(tenant)s AND collection_id = %(collection)s"""
_REMITTANCE = """
INSERT INTO atc_remittance (tenant_id, remittance_id, reference, partner_id, currency, paid_minor, kept_minor,
                            transaction_id, recorded_by, created_at)
VALUES (%(tenant)s, %(remittance)s, %(mark)s, %(grantee)s, 'NGN', 0, 100, %(collection)s, 'usr_maker', %(now)s)"""
_REMITTED = """
INSERT INTO atc_remittance_item (tenant_id, remittance_id, collection_id, amount_minor)
VALUES (%(tenant)s, %(remittance)s, %(collection)s, 100)"""


async def make_settlement(
    db: Database, tenant_id: UUID, grantor_id: UUID, grantee_id: UUID, *, mark: str, now: datetime
) -> None:
    """A settlement of one collection, and the remittance that has funded it."""
    given = {
        "tenant": tenant_id, "grant": uuid7(), "grantor": grantor_id, "grantee": grantee_id, "collection": uuid7(),
        "batch": uuid7(), "remittance": uuid7(), "mark": mark, "now": now, "today": now.date(),
    }  # fmt: skip
    async with db.tx(tenant_id) as tx:
        for statement in (_GRANT, _APPROVED, _COLLECTION, _BATCH, _ITEM, _PLACED, _REMITTANCE, _REMITTED):
            await tx.connection.execute(statement, given)
