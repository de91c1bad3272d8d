-- name: post
-- Book a batch: one round trip, exact sequential outcome. See migration 0021.
SELECT o_code, o_facts, o_replayed, o_txn, o_value_on, o_booked_at, o_leg_balance, o_leg_version
  FROM ledger_post(
    %(tenant)s, %(branches)s, %(accounts)s, %(sources)s,
    %(txn)s, %(kind)s, %(claim)s, %(hash)s, %(reference)s, %(ref_claim)s,
    %(value_on)s, %(late)s, %(soft)s, %(linked)s, %(linked_id)s, %(source)s,
    %(expires)s, %(group)s, %(final)s, %(amount)s, %(meta)s,
    %(correlation)s, %(causation)s, %(actor)s, %(channel)s,
    %(leg_from)s, %(leg_to)s, %(leg_item)s, %(leg_account)s, %(leg_side)s, %(leg_amount)s, %(leg_currency)s,
    %(cond_item)s, %(cond_account)s, %(cond_kind)s, %(cond_value)s, %(at)s)

-- name: enter_tenant
-- Set the tenant for the rest of this transaction, for reads beside a posting that had no transaction of its own.
SELECT set_config('omniroute.tenant_id', %(tenant)s::text, true) AS tenant,
       set_config('omniroute.branch_ids', coalesce(%(branches)s::uuid[]::text, ''), true) AS branches

-- name: shut_fence
-- Wait for postings of the tenant that are in flight, and keep others out until the commit.
SELECT pg_advisory_xact_lock(ledger_fence(%(tenant)s))

-- name: find_transactions
-- Transactions by id.
SELECT txn_id, kind::text, value_on, original_on, booked_at, source_id, linked_id, reference, meta
  FROM ledger_txn
 WHERE tenant_id = %(tenant)s AND txn_id = ANY (%(transactions)s)

-- name: find_entries
-- Entries of transactions, in the order of their legs.
SELECT txn_id, leg, account_id, side::text, layer::text, amount_minor, currency, balance_after, version
  FROM ledger_entry
 WHERE tenant_id = %(tenant)s AND txn_id = ANY (%(transactions)s)
 ORDER BY txn_id, leg

-- name: list_transactions
-- A page of transactions. Bounds that are not given are infinite, so that the range is always one of the index.
-- sort: -booked_at = booked_at::timestamptz
-- sort: -id = txn_id::uuid unique
-- then: txn_id::uuid
SELECT txn_id, kind::text, value_on, original_on, booked_at, source_id, linked_id, reference, meta
  FROM ledger_txn
 WHERE tenant_id = %(tenant)s
   AND {after}
   AND (%(kind)s::text IS NULL OR kind = %(kind)s::text::"char")
   AND booked_at >= coalesce(%(booked_from)s::timestamptz, '-infinity')
   AND booked_at < coalesce(%(booked_to)s::timestamptz, 'infinity')
   AND (%(account)s::uuid IS NULL OR EXISTS (SELECT FROM ledger_entry e WHERE e.tenant_id = ledger_txn.tenant_id
                                      AND e.txn_id = ledger_txn.txn_id AND e.account_id = %(account)s::uuid))
 ORDER BY {order}
 LIMIT %(limit)s

-- name: find_by_claim
-- The transaction that a reference or key stands for.
SELECT txn_id FROM ledger_claim WHERE tenant_id = %(tenant)s AND claim_id = %(claim)s AND txn_id IS NOT NULL

-- name: find_hold
-- One hold.
SELECT hold_id, group_id, status::text, created_at, expires_at FROM ledger_hold
 WHERE tenant_id = %(tenant)s AND hold_id = %(hold)s

-- name: list_holds
-- A page of holds. Ids grow with time, so that their order needs no index of its own.
-- sort: -id = h.hold_id::uuid unique
-- then: h.hold_id::uuid
SELECT h.hold_id, h.group_id, h.status::text, h.created_at, h.expires_at FROM ledger_hold h
 WHERE h.tenant_id = %(tenant)s
   AND {after}
   AND (%(open)s::boolean IS NULL OR (h.status = 'o') = %(open)s::boolean)
   AND (%(group)s::uuid IS NULL OR h.group_id = %(group)s::uuid)
   AND (%(account)s::uuid IS NULL OR EXISTS (SELECT FROM ledger_hold_leg l WHERE l.tenant_id = h.tenant_id
                                      AND l.hold_id = h.hold_id AND l.account_id = %(account)s::uuid))
 ORDER BY {order}
 LIMIT %(limit)s

-- name: find_hold_legs
-- Legs of holds, and what became of them.
SELECT hold_id, leg, account_id, side::text, amount_minor, captured_minor, released_minor FROM ledger_hold_leg
 WHERE tenant_id = %(tenant)s AND hold_id = ANY (%(holds)s)
 ORDER BY hold_id, leg

-- name: open_holds_of_group
-- Holds of a group that have something left.
SELECT hold_id FROM ledger_hold WHERE tenant_id = %(tenant)s AND group_id = %(group)s AND status = 'o' ORDER BY hold_id

-- name: expired_holds
-- Holds past their deadline with something left, over all tenants, in order of expiry. For the sweeper.
SELECT tenant_id, hold_id, expires_at FROM ledger_hold
 WHERE status = 'o' AND expires_at <= %(at)s
 ORDER BY expires_at LIMIT %(limit)s

-- name: insert_account
-- Describe a new account; nothing happens when the code is taken.
INSERT INTO ledger_account (tenant_id, account_id, code, name, type, normal_side, currency, mode, parent_id, branch_id,
                            owner_ref, dimensions, opened_at)
VALUES (%(tenant)s, %(account)s, %(code)s, %(name)s, %(type)s, %(normal_side)s, %(currency)s, %(mode)s, %(parent)s, %(branch)s,
        %(owner_ref)s, %(dimensions)s, %(now)s)
ON CONFLICT DO NOTHING

-- name: insert_balance
-- The counters of a new account.
INSERT INTO ledger_balance (tenant_id, account_id, branch_id, floor_minor, ceiling_minor, currency, normal_side, deferred)
VALUES (%(tenant)s, %(account)s, %(branch)s, %(floor)s, %(ceiling)s, %(currency)s, %(normal_side)s, %(deferred)s)

-- name: find_account
-- One account with its status and limits.
SELECT a.account_id, a.code, a.name, a.type, a.normal_side::text, a.currency, a.mode, b.status::text, a.parent_id, a.branch_id,
       a.owner_ref, a.dimensions, b.floor_minor, b.ceiling_minor, a.opened_at, a.revision
  FROM ledger_account a JOIN ledger_balance b USING (tenant_id, account_id)
 WHERE a.tenant_id = %(tenant)s AND a.account_id = %(account)s

-- name: find_accounts
-- Accounts with their status and limits.
SELECT a.account_id, a.code, a.name, a.type, a.normal_side::text, a.currency, a.mode, b.status::text, a.parent_id, a.branch_id,
       a.owner_ref, a.dimensions, b.floor_minor, b.ceiling_minor, a.opened_at, a.revision
  FROM ledger_account a JOIN ledger_balance b USING (tenant_id, account_id)
 WHERE a.tenant_id = %(tenant)s AND a.account_id = ANY (%(accounts)s)

-- name: lock_account
-- Take the description of an account for a change; counters are locked by the function that changes them.
SELECT account_id FROM ledger_account WHERE tenant_id = %(tenant)s AND account_id = %(account)s FOR NO KEY UPDATE

-- name: list_accounts
-- A page of accounts.
-- sort: code = a.code::text unique
-- sort: name = a.name::text
-- sort: opened_at = a.opened_at::timestamptz
-- then: a.account_id::uuid
SELECT a.account_id, a.code, a.name, a.type, a.normal_side::text, a.currency, a.mode, b.status::text, a.parent_id, a.branch_id,
       a.owner_ref, a.dimensions, b.floor_minor, b.ceiling_minor, a.opened_at, a.revision
  FROM ledger_account a JOIN ledger_balance b USING (tenant_id, account_id)
 WHERE a.tenant_id = %(tenant)s
   AND {after}
   AND (%(prefix)s::text IS NULL OR starts_with(a.code, %(prefix)s::text))
   AND (%(type)s::text IS NULL OR a.type = %(type)s::text)
   AND (%(currency)s::text IS NULL OR a.currency = %(currency)s::text)
   AND (%(status)s::text IS NULL OR b.status = %(status)s::text::"char")
   AND (%(parent)s::uuid IS NULL OR a.parent_id = %(parent)s::uuid)
   AND (%(branch)s::uuid IS NULL OR a.branch_id = %(branch)s::uuid)
   AND (%(owner_ref)s::text IS NULL OR a.owner_ref = %(owner_ref)s::text)
   AND (%(dimensions)s::jsonb IS NULL OR a.dimensions @> %(dimensions)s::jsonb)
 ORDER BY {order}
 LIMIT %(limit)s

-- name: describe_account
-- Change what an account is called and how it is grouped.
UPDATE ledger_account
   SET name = %(name)s, owner_ref = %(owner_ref)s, dimensions = %(dimensions)s, revision = revision + 1
 WHERE tenant_id = %(tenant)s AND account_id = %(account)s

-- name: bump_account
-- Count a change of status or limits.
UPDATE ledger_account SET revision = revision + 1 WHERE tenant_id = %(tenant)s AND account_id = %(account)s

-- name: set_limits
-- Change floor and ceiling; false when the present balance, holds included, is outside them.
SELECT ledger_set_limits(%(tenant)s, %(account)s, %(floor)s, %(ceiling)s)

-- name: set_status
-- Open, freeze or close; false when a close finds a balance or a hold.
SELECT ledger_set_status(%(tenant)s, %(account)s, %(status)s::text::"char")

-- name: find_balances
-- Counters of accounts, increments not yet folded included.
SELECT b.account_id, b.currency, b.normal_side::text,
       (b.posted_debit + coalesce(d.posted_debit, 0))::bigint AS posted_debit,
       (b.posted_credit + coalesce(d.posted_credit, 0))::bigint AS posted_credit,
       (b.pending_debit + coalesce(d.pending_debit, 0))::bigint AS pending_debit,
       (b.pending_credit + coalesce(d.pending_credit, 0))::bigint AS pending_credit,
       CASE WHEN b.deferred THEN NULL ELSE b.version END AS version, b.floor_minor, b.ceiling_minor
  FROM ledger_balance b
  LEFT JOIN LATERAL (
        SELECT sum(x.posted_debit) AS posted_debit, sum(x.posted_credit) AS posted_credit,
               sum(x.pending_debit) AS pending_debit, sum(x.pending_credit) AS pending_credit
          FROM ledger_delta x
         WHERE b.deferred AND x.tenant_id = b.tenant_id AND x.account_id = b.account_id) d ON true
 WHERE b.tenant_id = %(tenant)s AND b.account_id = ANY (%(accounts)s)
