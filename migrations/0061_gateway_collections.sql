-- What GraphQL shows of virtual accounts: the accounts, what moved on them, and what came in.

CREATE TYPE gateway.account_status AS ENUM ('REQUESTED', 'ACTIVE', 'SUSPENDED', 'CLOSED', 'EXPIRED', 'FAILED');
CREATE TYPE gateway.account_owner_type AS ENUM ('CUSTOMER', 'SUPPLIER', 'WORKER', 'GROUP', 'ESCROW');
CREATE TYPE gateway.credit_status AS ENUM ('BOOKED', 'UNPLACED', 'PLACED', 'RETURNING', 'RETURNED');

CREATE VIEW gateway.virtual_accounts WITH (security_invoker = true) AS
SELECT v.virtual_account_id AS id, v.tenant_id, v.reference, v.account_number, v.bank_code, v.bank_name,
       coalesce(v.account_name, v.wanted_name) AS account_name, v.owner_id,
       v.owner_type::gateway.account_owner_type AS owner_type, v.currency::text AS currency,
       gateway.major(b.posted_credit - b.posted_debit, v.currency::text) AS balance,
       b.posted_credit - b.posted_debit AS balance_minor, upper(v.status)::gateway.account_status AS status, v.reason,
       v.expires_at AS expiry_date,
       jsonb_strip_nulls(jsonb_build_object(
           'minAmount', gateway.major((v.collection_rules ->> 'min_minor')::numeric, v.currency::text),
           'maxAmount', gateway.major((v.collection_rules ->> 'max_minor')::numeric, v.currency::text),
           'exactAmount', gateway.major((v.collection_rules ->> 'exact_minor')::numeric, v.currency::text),
           'singleUse', v.collection_rules -> 'single_use')) AS collection_rules,
       v.metadata, v.connection_id, v.ledger_account_id, gateway.id_of(v.requested_by) AS requested_by, v.created_at,
       v.updated_at, v.opened_at, v.ended_at
  FROM virtual_account v
  LEFT JOIN ledger_balance b ON b.tenant_id = v.tenant_id AND b.account_id = v.ledger_account_id;
COMMENT ON VIEW gateway.virtual_accounts IS 'Account numbers that providers lend; the balance is that of the books.';

-- The id of an entry: that of its transaction, the last digits of which give way to the number of the leg. What comes from
-- other tables is looked up, row by row, so that a list of the latest entries of a large account looks up no others.
CREATE VIEW gateway.virtual_account_transactions WITH (security_invoker = true) AS
SELECT (left(e.txn_id::text, 32) || lpad(to_hex(e.leg), 4, '0'))::uuid AS id, e.tenant_id,
       v.virtual_account_id AS account_id, e.txn_id AS ledger_transaction_id, c.credit_id,
       gateway.major(e.amount_minor, e.currency::text) AS amount, e.amount_minor, e.currency::text AS currency,
       CASE WHEN e.side = 'd' THEN 'DEBIT'::gateway.entry_side ELSE 'CREDIT' END AS type,
       coalesce((SELECT coalesce(x.session_id, x.provider_credit_id) FROM virtual_account_credit x
                  WHERE x.tenant_id = e.tenant_id AND x.credited_transaction_id = e.txn_id AND e.side = 'c'
                    AND x.virtual_account_id = v.virtual_account_id),
                (SELECT t.reference FROM ledger_txn t WHERE t.tenant_id = e.tenant_id AND t.txn_id = e.txn_id))
           AS reference,
       coalesce((SELECT x.narration FROM virtual_account_credit x
                  WHERE x.tenant_id = e.tenant_id AND x.credited_transaction_id = e.txn_id AND e.side = 'c'
                    AND x.virtual_account_id = v.virtual_account_id),
                (SELECT t.meta ->> 'narration' FROM ledger_txn t WHERE t.tenant_id = e.tenant_id AND t.txn_id = e.txn_id),
                '') AS narration,
       gateway.major(e.balance_after, e.currency::text) AS balance_after, e.balance_after AS balance_after_minor,
       e.value_on AS value_date, e.booked_at AS created_at
  FROM virtual_account v
  JOIN ledger_entry e ON e.tenant_id = v.tenant_id AND e.account_id = v.ledger_account_id
                     AND e.version IS NOT NULL AND e.layer = 'p'
  LEFT JOIN virtual_account_credit c  -- By a unique key, so that it is not read when nobody asks for it.
    ON c.tenant_id = e.tenant_id AND c.credited_transaction_id = e.txn_id AND e.side = 'c'
   AND c.virtual_account_id = v.virtual_account_id;
COMMENT ON VIEW gateway.virtual_account_transactions IS 'What was booked on virtual accounts, in and out.';

CREATE VIEW gateway.virtual_account_credits WITH (security_invoker = true) AS
SELECT c.credit_id AS id, c.tenant_id, c.virtual_account_id AS account_id, c.connection_id, c.provider_credit_id,
       c.session_id, c.account_number, gateway.major(c.amount_minor, c.currency::text) AS amount, c.amount_minor,
       gateway.major(c.fee_minor, c.currency::text) AS fee, c.fee_minor,
       gateway.major(c.used_minor, c.currency::text) AS used, c.used_minor, c.currency::text AS currency,
       CASE WHEN c.payer IS NOT NULL THEN gateway.details_of(c.payer) END AS payer, c.narration,
       upper(c.state)::gateway.credit_status AS status, c.reason, gateway.id_of(c.assigned_to) AS assigned_to,
       gateway.id_of(c.decided_by) AS decided_by, c.decided_at, c.note, c.payment_id,
       c.transaction_id AS ledger_transaction_id, c.paid_at, c.received_at AS created_at, c.updated_at
  FROM virtual_account_credit c;
COMMENT ON VIEW gateway.virtual_account_credits IS 'Money that came in; what is UNPLACED waits for a person.';

SELECT gateway_publish(view) FROM unnest(ARRAY['gateway.virtual_accounts', 'gateway.virtual_account_transactions',
                                               'gateway.virtual_account_credits']::regclass[]) AS view;
