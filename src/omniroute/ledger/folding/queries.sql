-- name: tenants_behind
-- Tenants with something to fold. The first half looks at one increment of each, the second compares versions with marks.
SELECT tenant_id FROM (SELECT DISTINCT tenant_id FROM ledger_delta) d
UNION
SELECT b.tenant_id FROM ledger_balance b LEFT JOIN ledger_fold f ON f.tenant_id = b.tenant_id AND f.account_id = b.account_id
 WHERE NOT b.deferred AND b.version > coalesce(f.version, 0)

-- name: fold_deferred
-- Increments into counters and days.
SELECT ledger_fold_deferred(%(tenant)s, %(limit)s)

-- name: fold_strict
-- Entries of strict accounts into days.
SELECT ledger_fold_strict(%(tenant)s, %(limit)s)

-- name: tenants_without_snapshot
-- Tenants with accounts but no snapshot of a day.
SELECT DISTINCT b.tenant_id FROM ledger_balance b
 WHERE NOT EXISTS (SELECT FROM ledger_snapshot_day s WHERE s.tenant_id = b.tenant_id AND s.on_date = %(on)s)

-- name: wait_for_postings
-- Every posting under way ends before this returns.
SELECT ledger_wait_for_postings(%(tenant)s)

-- name: take_snapshot
-- Keep what was known at the end of a day; false when it is there already.
SELECT ledger_take_snapshot(%(tenant)s, %(on)s)
