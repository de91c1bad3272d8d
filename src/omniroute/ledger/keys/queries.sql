-- name: tenants_with_old_keys
-- Tenants whose oldest idempotency key is older than this, the most overdue first. One look into the index a tenant; of
-- tenants that share a hash the one with the oldest key comes first, and the next one when that is purged.
WITH RECURSIVE oldest AS (
    (SELECT uuid_hash(tenant_id) AS hash, tenant_id, claimed_at FROM ledger_claim WHERE kind = 'k'
      ORDER BY uuid_hash(tenant_id), claimed_at LIMIT 1)
    UNION ALL
    SELECT n.hash, n.tenant_id, n.claimed_at FROM oldest o CROSS JOIN LATERAL (
        SELECT uuid_hash(q.tenant_id) AS hash, q.tenant_id, q.claimed_at FROM ledger_claim q
         WHERE q.kind = 'k' AND uuid_hash(q.tenant_id) > o.hash
         ORDER BY uuid_hash(q.tenant_id), q.claimed_at LIMIT 1) n
)
SELECT tenant_id FROM oldest WHERE claimed_at < %(before)s ORDER BY claimed_at

-- name: purge_keys
-- Forget a tenant's oldest keys, a bounded number a call.
SELECT ledger_purge_keys(%(tenant)s, %(before)s, %(limit)s)
