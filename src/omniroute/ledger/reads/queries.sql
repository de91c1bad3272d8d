-- name: balance_on
-- Posted turnover of one account that counts until a date, folded or not.
SELECT coalesce(sum(m.debit_minor), 0) AS debit, coalesce(sum(m.credit_minor), 0) AS credit
  FROM ledger_movement m
 WHERE m.tenant_id = %(tenant)s AND m.account_id = %(account)s AND m.value_on <= %(on)s

-- name: strict_as_known
-- Counters after the last entry that a strict account had at an instant.
SELECT e.version, e.balance_after, e.pending_debit_after, e.pending_credit_after
  FROM ledger_entry e
 WHERE e.tenant_id = %(tenant)s AND e.account_id = %(account)s
   AND e.version = ledger_version_at(%(tenant)s, %(account)s, %(at)s)

-- name: deferred_as_known
-- Counters of a deferred account at an instant: the last snapshot before it, and what was booked since.
SELECT coalesce(s.posted_debit, 0) + m.posted_debit AS posted_debit, coalesce(s.posted_credit, 0) + m.posted_credit AS posted_credit,
       coalesce(s.pending_debit, 0) + m.pending_debit AS pending_debit, coalesce(s.pending_credit, 0) + m.pending_credit AS pending_credit
  FROM (SELECT) AS one
  LEFT JOIN LATERAL (
        SELECT * FROM ledger_snapshot x
         WHERE x.tenant_id = %(tenant)s AND x.account_id = %(account)s AND x.on_date < (%(at)s::timestamptz AT TIME ZONE 'UTC')::date
         ORDER BY x.on_date DESC LIMIT 1) s ON true
 CROSS JOIN LATERAL ledger_booked(%(tenant)s, %(account)s, true, NULL, s.known_until, %(at)s::timestamptz + interval '1 microsecond') m

-- name: known_and_effective_strict
-- Posted turnover that a strict account was known to have at an instant and that counts until a date.
SELECT coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'd'), 0) AS debit, coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'c'), 0) AS credit
  FROM ledger_entry e
 WHERE e.tenant_id = %(tenant)s AND e.account_id = %(account)s AND e.layer = 'p' AND e.value_on <= %(on)s
   AND e.version <= ledger_version_at(%(tenant)s, %(account)s, %(at)s)

-- name: known_and_effective_deferred
-- Posted turnover that a deferred account was known to have at an instant and that counts until a date.
SELECT coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'd'), 0) AS debit, coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'c'), 0) AS credit
  FROM ledger_entry e
 WHERE e.tenant_id = %(tenant)s AND e.account_id = %(account)s AND e.layer = 'p' AND e.value_on <= %(on)s
   AND e.version IS NULL AND e.booked_at <= %(at)s

-- name: version_at
-- The last version of a strict account at an instant.
SELECT ledger_version_at(%(tenant)s, %(account)s, %(at)s)

-- name: balance_at_version
-- The posted balance of a strict account after one of its entries.
SELECT balance_after FROM ledger_entry WHERE tenant_id = %(tenant)s AND account_id = %(account)s AND version = %(version)s

-- name: versions_of_dates
-- Between which versions the entries of value dates lie, folded days first, then all that is not folded.
SELECT least((SELECT min(d.first_version) FROM ledger_balance_day d
               WHERE d.tenant_id = %(tenant)s AND d.account_id = %(account)s AND d.value_on BETWEEN %(from_on)s AND %(to_on)s), mark + 1) AS first,
       last
  FROM (SELECT coalesce(f.version, 0) AS mark, b.version AS last FROM ledger_balance b
          LEFT JOIN ledger_fold f ON f.tenant_id = b.tenant_id AND f.account_id = b.account_id
         WHERE b.tenant_id = %(tenant)s AND b.account_id = %(account)s) w

-- name: turnover
-- Turnover before and within value dates, folded or not.
SELECT coalesce(sum(m.debit_minor) FILTER (WHERE m.value_on < %(from_on)s), 0) AS debit_before,
       coalesce(sum(m.credit_minor) FILTER (WHERE m.value_on < %(from_on)s), 0) AS credit_before,
       coalesce(sum(m.debit_minor) FILTER (WHERE m.value_on >= %(from_on)s), 0) AS debit,
       coalesce(sum(m.credit_minor) FILTER (WHERE m.value_on >= %(from_on)s), 0) AS credit
  FROM ledger_movement m
 WHERE m.tenant_id = %(tenant)s AND m.account_id = %(account)s AND m.value_on <= %(to_on)s

-- name: strict_turnover
-- Turnover of a strict account between two versions, the first left out.
SELECT coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'd'), 0) AS debit, coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'c'), 0) AS credit
  FROM ledger_entry e
 WHERE e.tenant_id = %(tenant)s AND e.account_id = %(account)s AND e.layer = 'p'
   AND e.version > %(after)s AND e.version <= %(until)s

-- name: deferred_turnover
-- Turnover of a deferred account between two instants, the last left out.
SELECT m.posted_debit AS debit, m.posted_credit AS credit
  FROM ledger_booked(%(tenant)s, %(account)s, true, NULL, %(booked_from)s, %(booked_to)s) m

-- name: strict_lines
-- Posted entries of a strict account in the order of their versions.
SELECT e.txn_id, e.leg, e.side::text, e.amount_minor, e.balance_after, e.version, e.booked_at, e.value_on, x.original_on, x.kind::text, x.reference
  FROM ledger_entry e JOIN ledger_txn x ON x.tenant_id = e.tenant_id AND x.txn_id = e.txn_id
 WHERE e.tenant_id = %(tenant)s AND e.account_id = %(account)s AND e.layer = 'p'
   AND e.version > %(after)s AND e.version <= %(until)s
   AND e.value_on >= %(from_on)s AND e.value_on <= %(to_on)s
 ORDER BY e.version
 LIMIT %(limit)s

-- name: deferred_lines
-- Posted entries of a deferred account in the order of their booking.
SELECT e.txn_id, e.leg, e.side::text, e.amount_minor, e.balance_after, e.version, e.booked_at, e.value_on, x.original_on, x.kind::text, x.reference
  FROM ledger_entry e JOIN ledger_txn x ON x.tenant_id = e.tenant_id AND x.txn_id = e.txn_id
 WHERE e.tenant_id = %(tenant)s AND e.account_id = %(account)s AND e.layer = 'p' AND e.version IS NULL
   AND e.booked_at >= %(booked_from)s AND e.booked_at < %(booked_to)s
   AND (e.booked_at, e.txn_id, e.leg) > (%(after_at)s::timestamptz, %(after_txn)s::uuid, %(after_leg)s)
   AND e.value_on >= %(from_on)s AND e.value_on <= %(to_on)s
 ORDER BY e.booked_at, e.txn_id, e.leg
 LIMIT %(limit)s

-- name: report_rows
-- Turnover of every account before and within value dates; closing transactions may be left out.
SELECT a.account_id, a.code, a.name, a.type, a.currency, a.normal_side::text, a.parent_id,
       t.debit_before - coalesce(c.debit_before, 0) AS debit_before, t.credit_before - coalesce(c.credit_before, 0) AS credit_before,
       t.debit - coalesce(c.debit, 0) AS debit, t.credit - coalesce(c.credit, 0) AS credit
  FROM ledger_account a
  JOIN (SELECT m.account_id,
               coalesce(sum(m.debit_minor) FILTER (WHERE m.value_on < %(from_on)s), 0) AS debit_before,
               coalesce(sum(m.credit_minor) FILTER (WHERE m.value_on < %(from_on)s), 0) AS credit_before,
               coalesce(sum(m.debit_minor) FILTER (WHERE m.value_on >= %(from_on)s), 0) AS debit,
               coalesce(sum(m.credit_minor) FILTER (WHERE m.value_on >= %(from_on)s), 0) AS credit
          FROM ledger_movement m
         WHERE m.tenant_id = %(tenant)s AND m.value_on <= %(to_on)s
         GROUP BY m.account_id) t ON t.account_id = a.account_id
  LEFT JOIN (SELECT e.account_id,
               coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'd' AND e.value_on < %(from_on)s), 0) AS debit_before,
               coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'c' AND e.value_on < %(from_on)s), 0) AS credit_before,
               coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'd' AND e.value_on >= %(from_on)s), 0) AS debit,
               coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'c' AND e.value_on >= %(from_on)s), 0) AS credit
          FROM ledger_closing_txn q
         CROSS JOIN LATERAL (SELECT * FROM ledger_entry n WHERE n.tenant_id = q.tenant_id AND n.txn_id = q.txn_id AND n.layer = 'p' OFFSET 0) e
         WHERE %(without_closing)s AND q.tenant_id = %(tenant)s AND e.value_on <= %(to_on)s
         GROUP BY e.account_id) c ON c.account_id = a.account_id
 WHERE a.tenant_id = %(tenant)s
   AND (%(currency)s::text IS NULL OR a.currency = %(currency)s::text)
   AND (%(types)s::text[] IS NULL OR a.type = ANY (%(types)s::text[]))
   AND (%(after)s::text IS NULL OR a.code > %(after)s::text)
 ORDER BY a.code
 LIMIT %(limit)s

-- name: roll_up
-- Turnover by a property of the accounts that is chosen now.
SELECT CASE %(by)s WHEN 'type' THEN a.type WHEN 'branch' THEN a.branch_id::text WHEN 'owner' THEN a.owner_ref
                   WHEN 'dimension' THEN a.dimensions ->> %(name)s::text END AS key,
       a.currency, coalesce(sum(t.debit_before - t.credit_before), 0) AS opening, coalesce(sum(t.debit), 0) AS debit,
       coalesce(sum(t.credit), 0) AS credit, count(*) AS account_count
  FROM ledger_account a
  LEFT JOIN (SELECT m.account_id,
               coalesce(sum(m.debit_minor) FILTER (WHERE m.value_on < %(from_on)s), 0) AS debit_before,
               coalesce(sum(m.credit_minor) FILTER (WHERE m.value_on < %(from_on)s), 0) AS credit_before,
               coalesce(sum(m.debit_minor) FILTER (WHERE m.value_on >= %(from_on)s), 0) AS debit,
               coalesce(sum(m.credit_minor) FILTER (WHERE m.value_on >= %(from_on)s), 0) AS credit
          FROM ledger_movement m
         WHERE m.tenant_id = %(tenant)s AND m.value_on <= %(to_on)s
         GROUP BY m.account_id) t ON t.account_id = a.account_id
 WHERE a.tenant_id = %(tenant)s
 GROUP BY 1, 2
 ORDER BY 1 NULLS LAST, 2

-- name: roll_up_tree
-- Turnover by account, its descendants included, for accounts that have any.
WITH RECURSIVE tree AS (
    SELECT a.account_id AS root, a.code, a.account_id FROM ledger_account a
     WHERE a.tenant_id = %(tenant)s
       AND EXISTS (SELECT FROM ledger_account k WHERE k.tenant_id = a.tenant_id AND k.parent_id = a.account_id)
    UNION
    SELECT t.root, t.code, k.account_id FROM tree t JOIN ledger_account k ON k.tenant_id = %(tenant)s AND k.parent_id = t.account_id
), turnover AS MATERIALIZED (
    SELECT m.account_id,
           coalesce(sum(m.debit_minor) FILTER (WHERE m.value_on < %(from_on)s), 0) AS debit_before,
           coalesce(sum(m.credit_minor) FILTER (WHERE m.value_on < %(from_on)s), 0) AS credit_before,
           coalesce(sum(m.debit_minor) FILTER (WHERE m.value_on >= %(from_on)s), 0) AS debit,
           coalesce(sum(m.credit_minor) FILTER (WHERE m.value_on >= %(from_on)s), 0) AS credit
      FROM ledger_movement m
     WHERE m.tenant_id = %(tenant)s AND m.value_on <= %(to_on)s
     GROUP BY m.account_id
)
SELECT t.code AS key, a.currency, coalesce(sum(u.debit_before - u.credit_before), 0) AS opening, coalesce(sum(u.debit), 0) AS debit,
       coalesce(sum(u.credit), 0) AS credit, count(*) AS account_count
  FROM tree t JOIN ledger_account a ON a.tenant_id = %(tenant)s AND a.account_id = t.account_id
  LEFT JOIN turnover u ON u.account_id = t.account_id
 GROUP BY t.code, a.currency
 ORDER BY t.code, a.currency
