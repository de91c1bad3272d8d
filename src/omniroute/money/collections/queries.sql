-- name: insert_account
-- A virtual account that is to be opened; nothing when there is one under this reference.
INSERT INTO virtual_account (tenant_id, virtual_account_id, reference, our_ref, connection_id, owner_id, owner_type,
                             currency, wanted_name, wanted_bank, customer_name, customer_email, ledger_account_id,
                             collection_rules, metadata, expires_at, requested_by, ask_at, created_at, updated_at)
VALUES (%(tenant)s, %(account)s, %(reference)s, %(our_ref)s, %(connection)s, %(owner)s, %(owner_type)s, %(currency)s,
        %(name)s, %(bank)s, %(customer_name)s, %(customer_email)s, %(ledger_account)s, %(rules)s, %(metadata)s,
        %(expires_at)s, %(requested_by)s, %(now)s, %(now)s, %(now)s)
ON CONFLICT ON CONSTRAINT virtual_account_reference_key DO NOTHING
RETURNING *

-- name: find_account
-- One virtual account.
SELECT * FROM virtual_account WHERE tenant_id = %(tenant)s AND virtual_account_id = %(account)s

-- name: find_accounts
-- Virtual accounts by their ids.
SELECT * FROM virtual_account WHERE tenant_id = %(tenant)s AND virtual_account_id = ANY (%(accounts)s)

-- name: account_by_reference
-- The virtual account that was requested under a reference.
SELECT * FROM virtual_account WHERE tenant_id = %(tenant)s AND reference = %(reference)s

-- name: lock_account
-- One virtual account, held until the transaction ends.
SELECT * FROM virtual_account WHERE tenant_id = %(tenant)s AND virtual_account_id = %(account)s FOR NO KEY UPDATE

-- name: lock_accounts_by_ref
-- The virtual accounts that the provider knows under these names, held until the transaction ends.
SELECT * FROM virtual_account
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND our_ref = ANY (%(refs)s)
 ORDER BY virtual_account_id
   FOR NO KEY UPDATE

-- name: list_accounts
-- A page of virtual accounts.
-- sort: -created_at = a.created_at::timestamptz
-- then: a.virtual_account_id::uuid
SELECT a.* FROM virtual_account a
 WHERE a.tenant_id = %(tenant)s AND (%(status)s::text IS NULL OR a.status = %(status)s)
   AND (%(owner)s::uuid IS NULL OR a.owner_id = %(owner)s)
   AND (%(number)s::text IS NULL OR a.account_number = %(number)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: update_account
-- Where a virtual account stands now.
UPDATE virtual_account
   SET status = %(status)s, reason = %(reason)s, provider_ref = %(provider_ref)s, account_number = %(number)s,
       bank_code = %(bank_code)s, bank_name = %(bank_name)s, account_name = %(account_name)s,
       expires_at = %(expires_at)s, ask_at = %(ask_at)s, tries = %(tries)s, opened_at = %(opened_at)s,
       ended_at = %(ended_at)s, updated_at = %(now)s, version = version + 1
 WHERE tenant_id = %(tenant)s AND virtual_account_id = %(account)s
RETURNING *

-- name: accounts_to_ask
-- Accounts about which a provider is to be asked, over all organisations; `without` what failed a moment ago.
SELECT tenant_id, virtual_account_id FROM virtual_account
 WHERE ask_at <= %(now)s AND NOT virtual_account_id = ANY (%(without)s::uuid[])
 ORDER BY ask_at
 LIMIT %(limit)s

-- name: take_account
-- Take up asking the provider about an account, unless somebody else has.
UPDATE virtual_account SET ask_at = %(lease_until)s, tries = tries + 1, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND virtual_account_id = %(account)s AND ask_at <= %(now)s
RETURNING *

-- name: postpone_account
-- Ask the provider about an account later.
UPDATE virtual_account SET ask_at = %(later)s, reason = coalesce(%(reason)s, reason), updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND virtual_account_id = %(account)s AND ask_at IS NOT NULL

-- name: ask_accounts_now
-- Somebody has paid to accounts whose opening is not known yet: the provider is asked at once.
UPDATE virtual_account SET ask_at = least(ask_at, %(now)s)
 WHERE tenant_id = %(tenant)s AND virtual_account_id = ANY (%(accounts)s) AND status = 'requested'

-- name: accounts_to_expire
-- Accounts whose time is over, over all organisations; `without` what failed a moment ago.
SELECT tenant_id, virtual_account_id FROM virtual_account
 WHERE expires_at <= %(now)s AND status IN ('active', 'suspended')
   AND NOT virtual_account_id = ANY (%(without)s::uuid[])
 ORDER BY expires_at
 LIMIT %(limit)s

-- name: credits_of_accounts
-- How many credits each of these accounts has taken.
SELECT virtual_account_id, count(*) AS taken FROM virtual_account_credit
 WHERE tenant_id = %(tenant)s AND virtual_account_id = ANY (%(accounts)s)
 GROUP BY virtual_account_id

-- name: known_credits
-- Which of these credits are booked already, and as what.
SELECT provider_credit_id, amount_minor, fee_minor, currency FROM virtual_account_credit
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND provider_credit_id = ANY (%(credits)s)

-- name: insert_credits
-- Credits that have been booked.
INSERT INTO virtual_account_credit (tenant_id, credit_id, connection_id, provider_credit_id, our_ref, account_number,
                                    virtual_account_id, amount_minor, fee_minor, currency, payer, session_id, narration,
                                    paid_at, received_at, transaction_id, credited_transaction_id, state, reason,
                                    updated_at)
SELECT %(tenant)s, n.credit_id, %(connection)s, n.provider_credit_id, n.our_ref, n.account_number, n.virtual_account_id,
       n.amount_minor, n.fee_minor, n.currency, n.payer, n.session_id, n.narration, n.paid_at, %(now)s, n.transaction_id,
       CASE WHEN n.virtual_account_id IS NOT NULL THEN n.transaction_id END,
       CASE WHEN n.virtual_account_id IS NULL THEN 'unplaced' ELSE 'booked' END, n.reason, %(now)s
  FROM unnest(%(credit_id)s::uuid[], %(provider_credit_id)s::text[], %(our_ref)s::text[], %(account_number)s::text[],
              %(virtual_account_id)s::uuid[], %(amount_minor)s::bigint[], %(fee_minor)s::bigint[], %(currency)s::text[],
              %(payer)s::jsonb[], %(session_id)s::text[], %(narration)s::text[], %(paid_at)s::timestamptz[],
              %(transaction_id)s::uuid[], %(reason)s::text[])
       AS n (credit_id, provider_credit_id, our_ref, account_number, virtual_account_id, amount_minor, fee_minor,
             currency, payer, session_id, narration, paid_at, transaction_id, reason)
RETURNING *

-- name: find_credit
-- One credit.
SELECT * FROM virtual_account_credit WHERE tenant_id = %(tenant)s AND credit_id = %(credit)s

-- name: lock_credit
-- One credit, held until the transaction ends.
SELECT * FROM virtual_account_credit WHERE tenant_id = %(tenant)s AND credit_id = %(credit)s FOR NO KEY UPDATE

-- name: credits_by_session
-- The credits of a transfer, by the rail's reference of it.
SELECT * FROM virtual_account_credit
 WHERE tenant_id = %(tenant)s AND session_id = %(text)s ORDER BY credit_id LIMIT 10

-- name: credits_by_provider_id
-- Credits by the provider's name for them; several providers may use the same name.
SELECT * FROM virtual_account_credit
 WHERE tenant_id = %(tenant)s AND provider_credit_id = %(text)s ORDER BY credit_id LIMIT 10

-- name: use_credit
-- Spend some of a credit.
UPDATE virtual_account_credit SET used_minor = used_minor + %(amount)s, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND credit_id = %(credit)s
RETURNING *

-- name: list_credits
-- A page of credits.
-- sort: -received_at = c.received_at::timestamptz
-- then: c.credit_id::uuid
SELECT c.* FROM virtual_account_credit c
 WHERE c.tenant_id = %(tenant)s AND (%(state)s::text IS NULL OR c.state = %(state)s)
   AND (%(account)s::uuid IS NULL OR c.virtual_account_id = %(account)s)
   AND (%(session)s::text IS NULL OR c.session_id = %(session)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: update_credit
-- What people have decided about a credit.
UPDATE virtual_account_credit
   SET state = %(state)s, virtual_account_id = %(account)s, credited_transaction_id = %(transaction)s,
       assigned_to = %(assigned_to)s, decided_by = %(decided_by)s, decided_at = %(decided_at)s, note = %(note)s,
       payment_id = %(payment)s, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND credit_id = %(credit)s
RETURNING *

-- name: returns_over
-- Credits whose payment back is over, or came back after it was paid, over all organisations.
SELECT c.tenant_id, c.credit_id
  FROM virtual_account_credit c
  JOIN payment p ON p.tenant_id = c.tenant_id AND p.payment_id = c.payment_id
 WHERE c.state IN ('returning', 'returned') AND NOT c.credit_id = ANY (%(without)s::uuid[])
   AND (p.state = 'reversed'
        OR (c.state = 'returning' AND p.state IN ('succeeded', 'failed', 'cancelled', 'expired')))
 ORDER BY c.updated_at
 LIMIT %(limit)s

-- name: hint_credit
-- Somebody tells of a credit. What is booked is not asked about again; what was unfounded is, once more.
INSERT INTO collection_hint AS h (tenant_id, connection_id, provider_credit_id, ask_at, heard_at, updated_at)
VALUES (%(tenant)s, %(connection)s, %(credit)s, %(now)s, %(now)s, %(now)s)
ON CONFLICT ON CONSTRAINT collection_hint_pkey DO UPDATE
   SET heard_count = least(h.heard_count, 1000000) + 1, updated_at = excluded.updated_at,
       state = CASE WHEN h.state = 'unfounded' THEN 'waiting' ELSE h.state END,
       ask_at = CASE WHEN h.state = 'booked' THEN h.ask_at ELSE least(h.ask_at, excluded.ask_at) END
RETURNING state

-- name: hint_later
-- Credits of the provider's list that are not settled yet: asked about later.
INSERT INTO collection_hint (tenant_id, connection_id, provider_credit_id, ask_at, heard_at, updated_at)
SELECT %(tenant)s, %(connection)s, n.credit, %(later)s, %(now)s, %(now)s FROM unnest(%(credits)s::text[]) AS n (credit)
 WHERE NOT EXISTS (SELECT FROM virtual_account_credit c WHERE c.tenant_id = %(tenant)s
                      AND c.connection_id = %(connection)s AND c.provider_credit_id = n.credit)
ON CONFLICT DO NOTHING

-- name: hints_due
-- Credits that providers are to be asked about, over all organisations; `without` connections that failed a moment ago.
SELECT tenant_id, connection_id, provider_credit_id FROM collection_hint
 WHERE state = 'waiting' AND ask_at <= %(now)s AND NOT connection_id = ANY (%(without)s::uuid[])
 ORDER BY ask_at
 LIMIT %(limit)s

-- name: take_hints
-- Take up asking about these, unless somebody else has.
UPDATE collection_hint SET ask_at = %(lease_until)s, tries = tries + 1, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND provider_credit_id = ANY (%(credits)s)
   AND state = 'waiting' AND ask_at <= %(now)s
RETURNING provider_credit_id, tries

-- name: postpone_hint
-- Ask again later, or not any more.
UPDATE collection_hint SET state = %(state)s, ask_at = %(later)s, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND provider_credit_id = %(credit)s
   AND state = 'waiting'

-- name: close_hints
-- These are booked.
UPDATE collection_hint SET state = 'booked', updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND provider_credit_id = ANY (%(credits)s)
   AND state <> 'booked'

-- name: lists_due
-- Connections whose provider's list of credits is to be read, over all organisations.
SELECT b.tenant_id, b.connection_id, coalesce(c.fetched_until, b.created_at) AS fetched_until
  FROM bank_connection b
  LEFT JOIN collection_cursor c ON c.tenant_id = b.tenant_id AND c.connection_id = b.connection_id
 WHERE 'virtual_accounts' = ANY (b.operations) AND b.status <> 'closed' AND coalesce(c.fetch_at, b.created_at) <= %(now)s
   AND NOT b.connection_id = ANY (%(without)s::uuid[])
 ORDER BY coalesce(c.fetch_at, b.created_at)
 LIMIT %(limit)s

-- name: set_cursor
-- How far the list has been read, and when it is read again. It never goes back.
INSERT INTO collection_cursor AS c (tenant_id, connection_id, fetched_until, fetch_at)
VALUES (%(tenant)s, %(connection)s, %(until)s, %(fetch_at)s)
ON CONFLICT ON CONSTRAINT collection_cursor_pkey DO UPDATE
   SET fetched_until = greatest(c.fetched_until, excluded.fetched_until), fetch_at = excluded.fetch_at
