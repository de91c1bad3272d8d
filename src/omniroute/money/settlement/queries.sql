-- name: due_grants
-- Root grants under which something waits to be settled, over all organisations, with what was settled last by itself.
SELECT g.tenant_id, g.grant_id, g.settlement_frequency, g.settlement_day, g.effective_from, o.time_zone,
       last.period_end AS last_end, last.state AS last_state, last.collection_count AS last_count,
       last.failed_at AS last_failed_at
  FROM atc_grant g
  JOIN organisation o ON o.tenant_id = g.tenant_id
  LEFT JOIN LATERAL (
       SELECT b.period_end, b.state, b.collection_count, b.failed_at FROM atc_settlement_batch b
        WHERE b.tenant_id = g.tenant_id AND b.grant_id = g.grant_id AND b.cause <> 'demand'
        ORDER BY b.created_at DESC, b.batch_id DESC LIMIT 1) last ON true
 WHERE g.parent_id IS NULL AND g.settlement_frequency <> 'ON_DEMAND' AND g.grant_id <> ALL (%(without)s::uuid[])
   AND EXISTS (SELECT FROM atc_collection c
                WHERE c.tenant_id = g.tenant_id AND c.grant_id = g.grant_id AND c.is_top
                  AND c.settlement_status = 'pending' AND c.funded_at IS NOT NULL)

-- name: take_grant
-- One at a time makes settlements of a grant; whether it is us.
SELECT pg_try_advisory_xact_lock(hashtextextended('omniroute.settlement.' || %(grant)s::text, 0)) AS taken

-- name: wait_for_grant
-- One at a time makes settlements of a grant.
SELECT pg_advisory_xact_lock(hashtextextended('omniroute.settlement.' || %(grant)s::text, 0))

-- name: last_end
-- When the last settlement of a grant ended.
SELECT max(period_end) AS last_end FROM atc_settlement_batch WHERE tenant_id = %(tenant)s AND grant_id = %(grant)s

-- name: insert_batch
-- A new settlement; its collections follow in the same transaction.
INSERT INTO atc_settlement_batch (tenant_id, batch_id, reference, grant_id, grantor_id, currency, cause, period_start,
                                  period_end, collection_count, gross_minor, commission_minor, net_minor, try_at,
                                  requested_by, created_at, updated_at)
VALUES (%(tenant)s, %(batch)s, %(reference)s, %(grant)s, %(grantor)s, %(currency)s, %(cause)s, %(start)s, %(end)s,
        %(count)s, %(gross)s, %(commission)s, %(net)s, %(now)s, %(actor)s, %(now)s, %(now)s)
RETURNING *

-- name: insert_items
-- The collections of a new settlement.
INSERT INTO atc_settlement_item (tenant_id, batch_id, collection_id, gross_minor, commission_minor, net_minor)
SELECT %(tenant)s, %(batch)s, n.collection_id, n.gross, n.commission, n.net
  FROM unnest(%(collections)s::uuid[], %(gross)s::bigint[], %(commission)s::bigint[], %(net)s::bigint[])
    AS n (collection_id, gross, commission, net)

-- name: due_batches
-- Settlements whose payment is to be initiated, over all organisations.
SELECT tenant_id, batch_id FROM atc_settlement_batch
 WHERE state = 'created' AND try_at <= %(now)s AND batch_id <> ALL (%(without)s::uuid[])
 ORDER BY try_at LIMIT %(limit)s

-- name: take_batch
-- A settlement that is to be paid now, unless somebody else is at it.
SELECT * FROM atc_settlement_batch
 WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s AND state = 'created' AND try_at <= %(now)s
   FOR UPDATE SKIP LOCKED

-- name: left_behind
-- Payments of settlements that are over although their settlements are under way, over all organisations.
SELECT b.tenant_id, b.batch_id, b.payment_id FROM atc_settlement_batch b
  JOIN payment p ON p.tenant_id = b.tenant_id AND p.payment_id = b.payment_id
 WHERE b.state = 'processing' AND p.state IN ('succeeded', 'failed', 'cancelled', 'expired', 'reversed')
   AND b.batch_id <> ALL (%(without)s::uuid[])
 LIMIT %(limit)s

-- name: lock_batches_of_payments
-- Settlements that these payments are for.
SELECT * FROM atc_settlement_batch WHERE tenant_id = %(tenant)s AND payment_id = ANY (%(payments)s::uuid[])
 ORDER BY batch_id FOR UPDATE

-- name: update_batch
-- Where a settlement stands now.
UPDATE atc_settlement_batch
   SET state = %(state)s, reason = %(reason)s, tries = %(tries)s, try_at = %(try_at)s, payment_id = %(payment)s,
       fee_minor = %(fee)s, settled_at = %(settled_at)s, failed_at = %(failed_at)s, version = version + 1,
       updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s
RETURNING *

-- name: release_items
-- The collections of a settlement that has failed are free again.
UPDATE atc_settlement_item SET released_at = %(now)s
 WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s AND released_at IS NULL

-- name: find_batch
-- One settlement.
SELECT * FROM atc_settlement_batch WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s

-- name: list_settlements
-- A page of settlements.
-- sort: -created_at = b.created_at::timestamptz
-- sort: reference = b.reference::text unique
-- then: b.batch_id::uuid
SELECT b.* FROM atc_settlement_batch b
 WHERE b.tenant_id = %(tenant)s AND (%(state)s::text IS NULL OR b.state = %(state)s)
   AND (%(grant)s::uuid IS NULL OR b.grant_id = %(grant)s)
   AND (%(grantor)s::uuid IS NULL OR b.grantor_id = %(grantor)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: wait_for_collector
-- One at a time pays in what a collector has in hand.
SELECT pg_advisory_xact_lock(hashtextextended('omniroute.remittance.' || %(partner)s::text, 0))

-- name: unfunded_commission
-- Commission somebody has earned of what is not with us yet, at whatever level.
SELECT coalesce(sum(c.commission_minor), 0)::bigint AS unfunded FROM atc_collection c
 WHERE c.tenant_id = %(tenant)s AND c.grantee_id = %(partner)s AND c.currency = %(currency)s
   AND c.funded_at IS NULL AND c.reversed_at IS NULL

-- name: insert_remittance
-- Money that was paid in.
INSERT INTO atc_remittance (tenant_id, remittance_id, reference, partner_id, currency, paid_minor, kept_minor,
                            connection_id, credit_id, account_id, transaction_id, note, recorded_by, created_at)
VALUES (%(tenant)s, %(remittance)s, %(reference)s, %(partner)s, %(currency)s, %(paid)s, %(kept)s, %(connection)s,
        %(credit)s, %(account)s, %(transaction)s, %(note)s, %(actor)s, %(now)s)
RETURNING *

-- name: insert_remittance_items
-- The collections a remittance is for.
INSERT INTO atc_remittance_item (tenant_id, remittance_id, collection_id, amount_minor)
SELECT %(tenant)s, %(remittance)s, n.collection_id, n.amount
  FROM unnest(%(collections)s::uuid[], %(amounts)s::bigint[]) AS n (collection_id, amount)

-- name: find_remittance_by_reference
-- Whether there is a remittance of this name.
SELECT remittance_id FROM atc_remittance WHERE tenant_id = %(tenant)s AND reference = %(reference)s

-- name: find_remittance
-- One remittance.
SELECT * FROM atc_remittance WHERE tenant_id = %(tenant)s AND remittance_id = %(remittance)s

-- name: find_remittance_items
-- The collections a remittance is for, the oldest first.
SELECT i.* FROM atc_remittance_item i
  JOIN atc_collection c ON c.tenant_id = i.tenant_id AND c.collection_id = i.collection_id
 WHERE i.tenant_id = %(tenant)s AND i.remittance_id = %(remittance)s
 ORDER BY c.created_at, c.collection_id

-- name: list_remittances
-- A page of remittances.
-- sort: -created_at = r.created_at::timestamptz
-- sort: reference = r.reference::text unique
-- then: r.remittance_id::uuid
SELECT r.* FROM atc_remittance r
 WHERE r.tenant_id = %(tenant)s AND (%(partner)s::uuid IS NULL OR r.partner_id = %(partner)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s
