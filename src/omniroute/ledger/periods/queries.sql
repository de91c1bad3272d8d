-- name: create_period
-- A new period; NULL when it overlaps another.
SELECT ledger_create_period(%(tenant)s, %(period)s, %(name)s, %(starts_on)s, %(ends_on)s, %(by)s)

-- name: find_period
-- One period.
SELECT period_id, name, starts_on, ends_on, status, state_hash, changed_at, changed_by, revision FROM ledger_period
 WHERE tenant_id = %(tenant)s AND period_id = %(period)s

-- name: lock_period
-- One period for a change: waits for postings under way and keeps new ones waiting.
SELECT period_id, name, starts_on, ends_on, status, state_hash, changed_at, changed_by, revision
  FROM ledger_lock_period(%(tenant)s, %(period)s)

-- name: list_periods
-- A page of periods.
-- sort: starts_on = starts_on::date unique
-- sort: name = name::text unique
-- then: period_id::uuid
SELECT period_id, name, starts_on, ends_on, status, state_hash, changed_at, changed_by, revision FROM ledger_period
 WHERE tenant_id = %(tenant)s AND {after}
 ORDER BY {order} LIMIT %(limit)s

-- name: set_status
-- Change a period's status; a refusal code, or NULL when it is done.
SELECT ledger_set_period(%(tenant)s, %(period)s, %(status)s, %(by)s)

-- name: results_to_close
-- Income and expense accounts with a balance at the end of a date, folded or not.
SELECT a.account_id, a.code, a.currency, sum(m.debit_minor) - sum(m.credit_minor) AS debit_net
  FROM ledger_account a JOIN ledger_movement m ON m.tenant_id = a.tenant_id AND m.account_id = a.account_id
 WHERE a.tenant_id = %(tenant)s AND a.type IN ('income', 'expense') AND m.value_on <= %(on)s
 GROUP BY a.account_id, a.code, a.currency
HAVING sum(m.debit_minor) <> sum(m.credit_minor)
 ORDER BY a.currency, a.code

-- name: mark_closing
-- Remember a closing transaction, so that profit and loss leaves it out.
SELECT ledger_mark_closing(%(tenant)s, %(period)s, %(transaction)s)
