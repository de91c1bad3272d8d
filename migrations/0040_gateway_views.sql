-- What GraphQL shows: views in a schema of their own, so that tables can change and names stay.
--
-- Every view runs with the rights of who asks (security_invoker), so that row-level security of the tables holds. There
-- is nothing to write here and no secret to read. Amounts are exact decimals in major units, and beside them whole
-- minor units (`_minor`). `gateway_publish` gives each name of several words its camelCase twin.

SET LOCAL ROLE NONE;  -- Only the login may make a schema; or a DBA has made it for omniroute_owner, and it is there.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'gateway') THEN
        CREATE SCHEMA gateway AUTHORIZATION omniroute_owner;
    END IF;
END $$;
SET LOCAL ROLE omniroute_owner;
REVOKE ALL ON SCHEMA gateway FROM PUBLIC;
GRANT USAGE ON SCHEMA gateway TO omniroute_app;

CREATE TYPE gateway.payment_status AS ENUM ('PENDING', 'AWAITING_APPROVAL', 'PROCESSING', 'SENT_TO_BANK', 'CONFIRMED',
    'FAILED', 'REVERSED', 'EXPIRED');
CREATE TYPE gateway.payment_type AS ENUM ('SUPPLIER_PAYMENT', 'WORKER_PAYOUT', 'CUSTOMER_REFUND', 'COLLECTION',
    'INTERNAL_TRANSFER', 'BULK_DISBURSEMENT');
CREATE TYPE gateway.payment_direction AS ENUM ('INBOUND', 'OUTBOUND');
CREATE TYPE gateway.payment_rail AS ENUM ('NIBSS_NIP', 'NIBSS_NEFT', 'RTGS', 'MOBILE_MONEY', 'OPEN_BANKING',
    'CARD_PROCESSOR', 'INTERNAL');
CREATE TYPE gateway.bank_connection_type AS ENUM ('NIBSS_NIP', 'NIBSS_NEFT', 'RTGS', 'MOBILE_MONEY', 'OPEN_BANKING',
    'CARD_PROCESSOR');
CREATE TYPE gateway.connection_status AS ENUM ('ACTIVE', 'PAUSED', 'CLOSED');
CREATE TYPE gateway.batch_status AS ENUM ('DRAFT', 'VALIDATED', 'AWAITING_APPROVAL', 'APPROVED', 'RUNNING', 'PAUSED',
    'COMPLETED', 'CANCELLED');
CREATE TYPE gateway.batch_line_status AS ENUM ('RECEIVED', 'VALID', 'INVALID', 'INITIATED', 'REFUSED', 'CANCELLED');
CREATE TYPE gateway.standing_order_status AS ENUM ('AWAITING_APPROVAL', 'ACTIVE', 'PAUSED', 'COMPLETED', 'CANCELLED',
    'REJECTED');
CREATE TYPE gateway.approval_status AS ENUM ('OPEN', 'EXECUTED', 'REJECTED', 'EXPIRED', 'WITHDRAWN');
CREATE TYPE gateway.reconciliation_status AS ENUM ('MATCHED', 'PARTIALLY_MATCHED', 'UNMATCHED');
CREATE TYPE gateway.account_type AS ENUM ('ASSET', 'LIABILITY', 'EQUITY', 'INCOME', 'EXPENSE');
CREATE TYPE gateway.entry_side AS ENUM ('DEBIT', 'CREDIT');
CREATE TYPE gateway.transaction_kind AS ENUM ('POSTING', 'HOLD', 'CAPTURE', 'VOID', 'EXPIRY', 'REVERSAL');

-- One minor unit of a currency, in major units (ISO 4217).
CREATE FUNCTION gateway.minor_unit(currency text) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND',
                                  'VUV', 'XAF', 'XOF', 'XPF') THEN 1
                WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 0.001
                ELSE 0.01 END;
-- An amount in major units, exactly: a product of decimals is never rounded, a quotient may be.
CREATE FUNCTION gateway.major(minor numeric, currency text) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN minor * gateway.minor_unit(currency);

-- The UUID behind a public id such as usr_...; NULL for other texts (workers and clocks act, too).
CREATE FUNCTION gateway.id_of(shown text) RETURNS uuid LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    alphabet CONSTANT text := '0123456789abcdefghjkmnpqrstvwxyz';
    digits text := substr(shown, 5);
    bytes bytea;
    high bigint := 0;
    low bigint := 0;
BEGIN
    IF length(shown) <> 30 OR strpos(shown, '_') <> 4 OR translate(digits, alphabet, '') <> '' THEN RETURN NULL; END IF;
    -- Bytes whose last five bits are the digit's number: cheaper than to look each digit up.
    bytes := decode(translate(digits, alphabet, ' !"#$%&''()*+,-./0123456789:;<=>?'), 'escape');
    IF get_byte(bytes, 0) > 39 THEN RETURN NULL; END IF;
    FOR place IN 0 .. 12 LOOP
        high := (high << 5) | (get_byte(bytes, place) & 31);
        low := (low << 5) | (get_byte(bytes, place + 13) & 31);
    END LOOP;
    RETURN encode(int8send((high << 1) | ((get_byte(bytes, 13) >> 4) & 1)) || int8send(low), 'hex')::uuid;
END $$;

-- The status customers know, of a payment in `state` whose newest attempt is in `attempt`.
CREATE FUNCTION gateway.status_of(state text, attempt text, reason text) RETURNS gateway.payment_status
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE  -- Values are of the type from the start: a cast of text is looked up in the catalogue, row by row.
        WHEN state = 'awaiting_approval' THEN 'AWAITING_APPROVAL'::gateway.payment_status
        WHEN state IN ('approved', 'scheduled') THEN 'PENDING'
        WHEN state = 'executing' AND attempt = 'created' THEN 'PROCESSING'
        WHEN state = 'executing' THEN 'SENT_TO_BANK'
        WHEN state = 'needs_review' AND reason = 'name_mismatch' THEN 'PROCESSING'
        WHEN state = 'needs_review' THEN 'SENT_TO_BANK'
        WHEN state = 'succeeded' THEN 'CONFIRMED'
        WHEN state = 'reversed' THEN 'REVERSED'
        WHEN state = 'expired' THEN 'EXPIRED'
        ELSE 'FAILED' END;
CREATE FUNCTION gateway.connection_type_of(rail text) RETURNS gateway.bank_connection_type
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN rail IN ('nip', 'nip_rest') THEN 'NIBSS_NIP'::gateway.bank_connection_type
                WHEN rail = 'neft' THEN 'NIBSS_NEFT' WHEN rail = 'rtgs' THEN 'RTGS'
                WHEN rail IN ('mpesa', 'mtn_momo', 'airtel', 'gsma') THEN 'MOBILE_MONEY'
                WHEN rail = 'monnify' THEN 'CARD_PROCESSOR' END;
CREATE FUNCTION gateway.rail_of(rail text) RETURNS gateway.payment_rail LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN rail = 'book' THEN 'INTERNAL'::gateway.payment_rail WHEN rail IN ('nip', 'nip_rest') THEN 'NIBSS_NIP'
                WHEN rail = 'neft' THEN 'NIBSS_NEFT' WHEN rail = 'rtgs' THEN 'RTGS'
                WHEN rail IN ('mpesa', 'mtn_momo', 'airtel', 'gsma') THEN 'MOBILE_MONEY'
                WHEN rail = 'monnify' THEN 'CARD_PROCESSOR' END;
-- A payee as account details.
CREATE FUNCTION gateway.details_of(payee jsonb) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
    RETURN jsonb_strip_nulls(jsonb_build_object(
        'accountCode', CASE WHEN payee ->> 'kind' = 'ledger' THEN payee -> 'identifier' END,
        'accountNumber', CASE WHEN payee ->> 'kind' NOT IN ('ledger', 'msisdn') THEN payee -> 'identifier' END,
        'phone', CASE WHEN payee ->> 'kind' = 'msisdn' THEN payee -> 'identifier' END,
        'bankCode', CASE WHEN payee ->> 'kind' = 'bank_account' THEN payee -> 'institution' END,
        'provider', CASE WHEN payee ->> 'kind' NOT IN ('bank_account', 'ledger') THEN payee -> 'institution' END,
        'accountName', payee -> 'name', 'country', payee -> 'country', 'bill', payee -> 'account'));
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA gateway TO omniroute_app;

-- Who initiated a payment, as what roles are filtered by: a column of its own, because an index on an expression is of no
-- use below row-level security, unless the function is known not to tell what it is given.
GRANT EXECUTE ON FUNCTION gateway.id_of(text) TO omniroute_worker;  -- It writes payments, too.
ALTER TABLE payment ADD COLUMN initiator_id uuid NULL GENERATED ALWAYS AS (gateway.id_of(initiated_by)) STORED;
CREATE INDEX payment_initiator ON payment (tenant_id, initiator_id, created_at);
-- Lists by status: what is under way or did not succeed is little; what succeeded is found by its time alone.
CREATE INDEX payment_unpaid ON payment (tenant_id, state, created_at) WHERE state <> 'succeeded';

-- Payments -----------------------------------------------------------------------------------------------------------

-- The newest attempt is looked up by columns of their own and not joined: a list that is filtered and sorted reads it for
-- the rows it shows, not for all that it chose among; and its state only where the status depends on it.
CREATE VIEW gateway.payment_transactions WITH (security_invoker = true) AS
SELECT p.payment_id AS id, p.tenant_id, p.branch_id, p.reference,
       (SELECT coalesce(a.provider_ref, a.our_ref) FROM payment_attempt a
         WHERE a.tenant_id = p.tenant_id AND a.payment_id = p.payment_id AND a.number = p.attempt_count
           AND a.sent_at IS NOT NULL) AS external_reference,
       p.type::gateway.payment_type AS type,
       CASE WHEN p.type = 'COLLECTION' THEN 'INBOUND'::gateway.payment_direction ELSE 'OUTBOUND' END AS direction,
       gateway.rail_of(p.rail) AS rail, p.rail AS rail_name,
       jsonb_build_object('accountCode', p.source_code, 'accountId', p.source_account_id) AS source_account,
       gateway.details_of(p.payee) AS destination_account,
       p.source_account_id, gateway.major(p.amount_minor, p.currency) AS amount, p.amount_minor,
       p.currency::text AS currency, gateway.major(p.fee_minor, p.currency) AS fee, p.fee_minor,
       gateway.status_of(p.state, CASE WHEN p.state = 'executing' THEN (SELECT a.state FROM payment_attempt a
         WHERE a.tenant_id = p.tenant_id AND a.payment_id = p.payment_id AND a.number = p.attempt_count) END, p.reason)
           AS status, p.state,
       CASE WHEN p.state = 'executing' AND (SELECT a.state FROM payment_attempt a WHERE a.tenant_id = p.tenant_id
         AND a.payment_id = p.payment_id AND a.number = p.attempt_count) = 'unknown' THEN 'UNKNOWN' ELSE p.reason END
           AS reason,
       p.initiator_id AS initiated_by, p.initiated_by AS initiator,
       (SELECT gateway.id_of(y.approver) FROM payment_approval y
         WHERE y.tenant_id = p.tenant_id AND y.payment_id = p.payment_id AND y.approved
         ORDER BY y.decided_at DESC, y.approver LIMIT 1) AS approved_by,
       p.approvals_needed::integer AS approvals_needed, p.approvals_given::integer AS approvals_given,
       p.narration, p.metadata,
       (SELECT jsonb_strip_nulls(jsonb_build_object(
                   'state', a.state, 'code', a.code, 'message', a.message, 'receipt', a.receipt,
                   'reference', a.provider_ref, 'ourReference', a.our_ref))
          FROM payment_attempt a
         WHERE a.tenant_id = p.tenant_id AND a.payment_id = p.payment_id AND a.number = p.attempt_count
           AND a.sent_at IS NOT NULL) AS bank_response,
       p.connection_ids[p.candidate + 1] AS connection_id, p.batch_id, p.line_number, p.schedule_id AS standing_order_id,
       p.transaction_id AS ledger_transaction_id, p.attempt_count::integer AS attempt_count, p.send_after,
       p.expires_at, p.created_at, p.updated_at, p.completed_at
  FROM payment p;
COMMENT ON VIEW gateway.payment_transactions IS 'Payments as they stand.';

CREATE VIEW gateway.payment_status_changes WITH (security_invoker = true) AS
SELECT s.step_id AS id, s.tenant_id, s.payment_id,
       gateway.status_of(split_part(s.state, '/', 1), nullif(split_part(s.state, '/', 2), ''), s.reason) AS status,
       s.at AS "timestamp", s.source, gateway.id_of(s.actor) AS changed_by,
       jsonb_strip_nulls(jsonb_build_object('state', s.state, 'source', s.source, 'reason', s.reason, 'actor', s.actor,
           'attemptId', s.attempt_id, 'evidence', s.evidence)) AS details,
       p.initiator_id AS payment_initiated_by
  FROM payment_step s
  LEFT JOIN payment p ON p.tenant_id = s.tenant_id AND p.payment_id = s.payment_id
 ORDER BY s.tenant_id, s.payment_id, s.step_id;  -- As it happened; the order of the key, so nothing is sorted.
COMMENT ON VIEW gateway.payment_status_changes IS 'What happened to payments, in order.';

CREATE VIEW gateway.payment_attempts WITH (security_invoker = true) AS
SELECT a.attempt_id AS id, a.tenant_id, a.payment_id, a.number::integer AS number, a.connection_id, a.rail AS rail_name,
       gateway.rail_of(a.rail) AS rail, a.our_ref AS our_reference, a.provider_ref AS provider_reference,
       upper(a.state) AS status, a.code, a.message, a.receipt, a.holder ->> 'name' AS holder_name,
       gateway.major(a.rail_fee_minor, p.currency) AS rail_fee, a.rail_fee_minor, a.query_count, a.sent_at,
       a.next_query_at, a.created_at, a.updated_at
  FROM payment_attempt a JOIN payment p ON p.tenant_id = a.tenant_id AND p.payment_id = a.payment_id;
COMMENT ON VIEW gateway.payment_attempts IS 'Sends of payments to rails, each under a name of its own.';

CREATE VIEW gateway.payment_approvals WITH (security_invoker = true) AS
SELECT y.tenant_id, y.payment_id, gateway.id_of(y.approver) AS approved_by, y.approver, y.approved, y.comment,
       y.decided_at
  FROM payment_approval y;
COMMENT ON VIEW gateway.payment_approvals IS 'What people said to payments.';

CREATE VIEW gateway.payment_exceptions WITH (security_invoker = true) AS
SELECT e.exception_id AS id, e.tenant_id, e.payment_id, e.attempt_id, upper(e.kind) AS kind, e.detail,
       e.transaction_id AS ledger_transaction_id, e.opened_at AS created_at, e.resolved_at,
       gateway.id_of(e.resolved_by) AS resolved_by, e.resolution
  FROM payment_exception e;
COMMENT ON VIEW gateway.payment_exceptions IS 'What does not add up and waits for a person.';

-- Batches ------------------------------------------------------------------------------------------------------------

CREATE VIEW gateway.bulk_payment_batches WITH (security_invoker = true) AS
SELECT b.batch_id AS id, b.tenant_id, b.reference, b.name,
       CASE WHEN jsonb_array_length(b.totals) = 1 THEN
           gateway.major((b.totals -> 0 ->> 'amount_minor')::numeric, b.totals -> 0 ->> 'currency') END AS total_amount,
       CASE WHEN jsonb_array_length(b.totals) = 1 THEN b.totals -> 0 ->> 'currency' END AS currency, b.totals,
       b.total_count, b.valid_count, b.invalid_count,
       (SELECT coalesce(sum((t ->> 'count')::integer), 0)::integer FROM jsonb_array_elements(b.tally) t
         WHERE t ->> 'payment' = 'succeeded') AS successful_count,
       (SELECT coalesce(sum((t ->> 'count')::integer), 0)::integer FROM jsonb_array_elements(b.tally) t
         WHERE t ->> 'line' NOT IN ('received', 'valid')
           AND coalesce(t ->> 'payment', '') NOT IN ('awaiting_approval', 'approved', 'scheduled', 'executing',
                                                     'needs_review', 'succeeded')) AS failed_count,
       upper(b.state)::gateway.batch_status AS status, b.reason, b.format, b.file_name,
       gateway.id_of(b.initiated_by) AS initiated_by, gateway.id_of(b.submitted_by) AS submitted_by,
       b.approvals_needed::integer AS approvals_needed, b.approvals_given::integer AS approvals_given,
       b.tallied_at, b.expires_at, b.created_at, b.updated_at, b.completed_at
  FROM payment_batch b;
COMMENT ON VIEW gateway.bulk_payment_batches IS 'Files of payments. Counts are as of tallied_at.';

CREATE VIEW gateway.bulk_payment_lines WITH (security_invoker = true) AS
SELECT l.tenant_id, l.batch_id, l.line_number, l.reference, l.type, gateway.major(l.amount_minor, l.currency) AS amount,
       l.amount_minor, l.currency, gateway.major(l.fee_minor, l.currency) AS fee,
       upper(l.state)::gateway.batch_line_status AS status, l.source_code,
       gateway.details_of(l.payee) AS destination_account, l.narration, l.send_on, l.rail AS rail_name, l.problem,
       l.metadata, l.payment_id, l.tries::integer AS tries
  FROM payment_batch_line l;
COMMENT ON VIEW gateway.bulk_payment_lines IS 'Lines of files of payments.';

CREATE VIEW gateway.bulk_payment_approvals WITH (security_invoker = true) AS
SELECT y.tenant_id, y.batch_id, gateway.id_of(y.approver) AS approved_by, y.approver, y.approved, y.comment, y.decided_at
  FROM payment_batch_approval y;
COMMENT ON VIEW gateway.bulk_payment_approvals IS 'What people said to batches.';

-- Standing orders and the desk ---------------------------------------------------------------------------------------

CREATE VIEW gateway.standing_orders WITH (security_invoker = true) AS
SELECT s.schedule_id AS id, s.tenant_id, s.branch_id, s.reference,
       upper(s.state)::gateway.standing_order_status AS status, (s.terms ->> 'type')::gateway.payment_type AS type,
       gateway.major((s.terms ->> 'amount_minor')::bigint, s.terms ->> 'currency') AS amount,
       (s.terms ->> 'amount_minor')::bigint AS amount_minor, s.terms ->> 'currency' AS currency,
       s.terms -> 'sweep' AS sweep,
       jsonb_build_object('accountCode', s.terms -> 'source_code', 'accountId', s.source_account_id) AS source_account,
       gateway.details_of(s.terms -> 'payee') AS destination_account, s.terms -> 'recurrence' AS recurrence,
       s.terms ->> 'narration' AS narration, s.rail AS rail_name, s.time_zone, s.country,
       gateway.id_of(s.requested_by) AS requested_by, s.approvals_needed::integer AS approvals_needed,
       s.approvals_given::integer AS approvals_given, s.next_number, s.next_on, s.next_at, s.created_at, s.updated_at,
       s.ended_at
  FROM payment_schedule s;
COMMENT ON VIEW gateway.standing_orders IS 'Payments that happen by the calendar.';

CREATE VIEW gateway.standing_order_runs WITH (security_invoker = true) AS
SELECT o.tenant_id, o.schedule_id AS standing_order_id, o.number, o.nominal_on, o.due_on, o.due_at, o.reference,
       upper(o.state) AS status, o.reason, o.detail, gateway.major(o.amount_minor, s.terms ->> 'currency') AS amount,
       o.amount_minor, o.payment_id, o.tries::integer AS tries, o.created_at, o.updated_at
  FROM payment_occurrence o JOIN payment_schedule s ON s.tenant_id = o.tenant_id AND s.schedule_id = o.schedule_id;
COMMENT ON VIEW gateway.standing_order_runs IS 'Dates of standing orders that have come, and what became of them.';

CREATE VIEW gateway.approval_requests WITH (security_invoker = true) AS
SELECT r.request_id AS id, r.tenant_id, r.branch_id, upper(r.kind) AS kind, r.subject_id, r.payment_id, r.payload,
       r.evidence, upper(r.state)::gateway.approval_status AS status, gateway.id_of(r.requested_by) AS requested_by,
       r.approvals_needed::integer AS approvals_needed, r.approvals_given::integer AS approvals_given, r.outcome,
       r.created_at, r.expires_at, r.closed_at
  FROM approval_request r;
COMMENT ON VIEW gateway.approval_requests IS 'Risky acts that one person asks for and another decides.';

CREATE VIEW gateway.approval_decisions WITH (security_invoker = true) AS
SELECT d.tenant_id, d.request_id, gateway.id_of(d.approver) AS approved_by, d.approver, d.approved, d.comment,
       d.decided_at
  FROM approval_decision d;
COMMENT ON VIEW gateway.approval_decisions IS 'What people said to approval requests.';

-- Banks --------------------------------------------------------------------------------------------------------------

CREATE VIEW gateway.bank_connections WITH (security_invoker = true) AS
SELECT c.connection_id AS id, c.tenant_id, c.code, c.bank_code, c.name AS bank_name,
       gateway.connection_type_of(c.rail) AS connection_type, c.rail AS rail_name, c.currency::text AS currency,
       c.endpoint AS api_endpoint, upper(c.status)::gateway.connection_status AS status, upper(c.health) AS health,
       c.health_reason, c.health_at AS last_health_check, c.operations AS supported_operations, c.limits AS rate_limits,
       c.float_account_id AS account_id, c.statement_until, c.created_at, c.updated_at
  FROM bank_connection c;
COMMENT ON VIEW gateway.bank_connections IS 'Ways to rails, without anything that opens them.';

CREATE INDEX rail_statement_line_booked ON rail_statement_line (tenant_id, connection_id, booked_at);

CREATE VIEW gateway.bank_statement_entries WITH (security_invoker = true) AS
SELECT l.line_id AS id, l.tenant_id, l.connection_id, c.float_account_id AS account_id,
       (l.booked_at AT TIME ZONE o.time_zone)::date AS statement_date, l.booked_at,
       CASE WHEN l.credit THEN 'CREDIT'::gateway.entry_side ELSE 'DEBIT' END AS type,
       gateway.major(l.amount_minor, l.currency) AS amount, l.amount_minor, l.currency::text AS currency,
       l.our_ref AS reference, l.provider_ref AS bank_reference, l.narration, a.payment_id, l.read_at AS created_at
  FROM rail_statement_line l
  JOIN bank_connection c ON c.tenant_id = l.tenant_id AND c.connection_id = l.connection_id
  JOIN organisation o ON o.tenant_id = l.tenant_id
  LEFT JOIN payment_attempt a
    ON a.tenant_id = l.tenant_id AND a.connection_id = l.connection_id AND a.our_ref = l.our_ref;
COMMENT ON VIEW gateway.bank_statement_entries IS 'What rails booked on our accounts, as they tell it.';

CREATE VIEW gateway.bank_statements WITH (security_invoker = true) AS
SELECT md5(e.connection_id::text || e.statement_date::text)::uuid AS id, e.tenant_id, e.connection_id, e.account_id,
       e.statement_date, e.currency, NULL::numeric AS opening_balance, NULL::numeric AS closing_balance,
       coalesce(sum(e.amount) FILTER (WHERE e.type = 'CREDIT'), 0) AS total_credits,
       coalesce(sum(e.amount) FILTER (WHERE e.type = 'DEBIT'), 0) AS total_debits, count(*)::integer AS entry_count,
       CASE WHEN count(e.payment_id) = count(*) THEN 'MATCHED' WHEN count(e.payment_id) = 0 THEN 'UNMATCHED'
            ELSE 'PARTIALLY_MATCHED' END::gateway.reconciliation_status AS reconciliation_status,
       min(e.created_at) AS created_at
  FROM gateway.bank_statement_entries e
 GROUP BY e.tenant_id, e.connection_id, e.account_id, e.statement_date, e.currency;
COMMENT ON VIEW gateway.bank_statements IS 'A day on an account at a bank. Rails tell entries, not balances: those are null.';

-- Books --------------------------------------------------------------------------------------------------------------

CREATE VIEW gateway.ledger_accounts WITH (security_invoker = true) AS
SELECT v.id, v.tenant_id, v.branch_id, v.code, v.name, v.type, v.normal_side, v.currency, v.status, v.parent_id,
       v.owner_reference, v.dimensions, gateway.major(v.balance_minor, v.currency) AS balance, v.balance_minor,
       gateway.major(v.balance_minor - v.held_minor, v.currency) AS available,
       (v.balance_minor - v.held_minor)::bigint AS available_minor, v.created_at
  FROM (SELECT a.account_id AS id, a.tenant_id, a.branch_id, a.code, a.name, upper(a.type)::gateway.account_type AS type,
               CASE WHEN a.normal_side = 'd' THEN 'DEBIT'::gateway.entry_side ELSE 'CREDIT' END AS normal_side,
               a.currency::text AS currency,
               CASE b.status WHEN 'o' THEN 'OPEN' WHEN 'f' THEN 'FROZEN' ELSE 'CLOSED' END AS status, a.parent_id,
               a.owner_ref AS owner_reference, a.dimensions,
               (CASE b.normal_side WHEN 'd' THEN b.posted_debit - b.posted_credit
                                   ELSE b.posted_credit - b.posted_debit END
                + coalesce((SELECT sum(CASE b.normal_side WHEN 'd' THEN x.posted_debit - x.posted_credit
                                                          ELSE x.posted_credit - x.posted_debit END)
                              FROM ledger_delta x
                             WHERE b.deferred AND x.tenant_id = b.tenant_id AND x.account_id = b.account_id), 0)
               )::bigint AS balance_minor,
               CASE b.normal_side WHEN 'd' THEN b.pending_credit ELSE b.pending_debit END
               + coalesce((SELECT sum(CASE b.normal_side WHEN 'd' THEN x.pending_credit ELSE x.pending_debit END)
                             FROM ledger_delta x
                            WHERE b.deferred AND x.tenant_id = b.tenant_id AND x.account_id = b.account_id), 0)
               AS held_minor, a.opened_at AS created_at
          FROM ledger_account a
          LEFT JOIN ledger_balance b ON b.tenant_id = a.tenant_id AND b.account_id = a.account_id) v;
COMMENT ON VIEW gateway.ledger_accounts IS 'Accounts of the books with their balances, on their normal side.';

CREATE VIEW gateway.ledger_transactions WITH (security_invoker = true) AS
SELECT t.txn_id AS id, t.tenant_id, t.reference,
       CASE WHEN t.kind = 'p' THEN 'POSTING'::gateway.transaction_kind WHEN t.kind = 'h' THEN 'HOLD'
            WHEN t.kind = 'c' THEN 'CAPTURE' WHEN t.kind = 'v' THEN 'VOID' WHEN t.kind = 'x' THEN 'EXPIRY'
            ELSE 'REVERSAL' END AS kind,
       t.value_on AS value_date, t.source_id, t.linked_id, t.meta AS metadata, t.booked_at AS created_at
  FROM ledger_txn t
 WHERE t.booked_at IS NOT NULL;  -- Always so; it is the condition of the index by time.
COMMENT ON VIEW gateway.ledger_transactions IS 'What is booked; it never changes.';

-- Strict accounts have versions and an index by them, deferred ones an index by time: each half uses its own.
CREATE VIEW gateway.ledger_entries WITH (security_invoker = true) AS
SELECT e.tenant_id, e.txn_id AS transaction_id, e.leg, e.account_id,
       CASE WHEN e.side = 'd' THEN 'DEBIT'::gateway.entry_side ELSE 'CREDIT' END AS side, e.layer = 'h' AS is_held,
       gateway.major(e.amount_minor, e.currency) AS amount, e.amount_minor, e.currency::text AS currency,
       gateway.major(e.balance_after, e.currency) AS balance_after, e.version, e.value_on AS value_date,
       e.booked_at AS created_at
  FROM ledger_entry e WHERE e.version IS NOT NULL
UNION ALL
SELECT e.tenant_id, e.txn_id AS transaction_id, e.leg, e.account_id,
       CASE WHEN e.side = 'd' THEN 'DEBIT'::gateway.entry_side ELSE 'CREDIT' END AS side, e.layer = 'h' AS is_held,
       gateway.major(e.amount_minor, e.currency) AS amount, e.amount_minor, e.currency::text AS currency,
       gateway.major(e.balance_after, e.currency) AS balance_after, e.version, e.value_on AS value_date,
       e.booked_at AS created_at
  FROM ledger_entry e WHERE e.version IS NULL;
COMMENT ON VIEW gateway.ledger_entries IS 'Legs of what is booked. A negative held amount releases.';

-- Who ----------------------------------------------------------------------------------------------------------------

CREATE VIEW gateway.organisations WITH (security_invoker = true) AS
SELECT o.tenant_id AS id, o.tenant_id, o.slug, o.name, o.country::text AS country, o.currency::text AS currency,
       o.time_zone, upper(o.status) AS status, o.created_at, o.updated_at
  FROM organisation o;
COMMENT ON VIEW gateway.organisations IS 'The organisation itself.';

CREATE VIEW gateway.branches WITH (security_invoker = true) AS
SELECT b.id, b.tenant_id, b.parent_id, b.code, b.name, b.region, upper(b.status) AS status, b.created_at, b.updated_at
  FROM branch b;
COMMENT ON VIEW gateway.branches IS 'Branches of the organisation.';

CREATE VIEW gateway.users WITH (security_invoker = true) AS
SELECT m.user_id AS id, m.tenant_id, p.name, p.email, upper(m.status) AS status, m.joined_at AS created_at, m.updated_at
  FROM membership m JOIN person p ON p.id = m.user_id;
COMMENT ON VIEW gateway.users IS 'Members of the organisation.';

CREATE VIEW gateway.webhook_endpoints WITH (security_invoker = true) AS
SELECT w.endpoint_id AS id, w.tenant_id, w.url, w.description, w.event_types, upper(w.status) AS status, w.status_reason,
       w.failure_count, w.failing_since, w.delivered_at, w.created_at, w.updated_at
  FROM webhook_endpoint w;
COMMENT ON VIEW gateway.webhook_endpoints IS 'Where the organisation wants its events sent.';

CREATE VIEW gateway.webhook_deliveries WITH (security_invoker = true) AS
SELECT d.delivery_id AS id, d.tenant_id, d.endpoint_id, d.event_id, d.event_type, d.event_at, d.subject AS subject_id,
       upper(d.status) AS status, d.attempt_count, d.next_attempt_at, d.last_status::integer AS last_status,
       d.last_reason, d.created_at, d.finished_at
  FROM webhook_delivery d;
COMMENT ON VIEW gateway.webhook_deliveries IS 'Events on their way to webhook endpoints.';

-- Twins and rights ---------------------------------------------------------------------------------------------------

-- Opens a view to the doors, and gives every column whose name has several words a twin in camelCase: clients filter and
-- sort by created_at and read createdAt.
CREATE FUNCTION gateway_publish(p_view regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = omniroute, pg_temp AS $$
DECLARE
    twins text;
BEGIN
    SELECT string_agg(format('v.%I AS %I', a.attname,
               (SELECT string_agg(CASE WHEN w.place = 1 THEN w.word ELSE initcap(w.word) END, '' ORDER BY w.place)
                  FROM regexp_split_to_table(a.attname::text, '_') WITH ORDINALITY w (word, place))), ', '
               ORDER BY a.attnum)
      INTO twins
      FROM pg_attribute a WHERE a.attrelid = p_view AND a.attnum > 0 AND strpos(a.attname::text, '_') > 0;
    IF twins IS NOT NULL THEN
        EXECUTE format('CREATE OR REPLACE VIEW %s WITH (security_invoker = true) AS SELECT v.*, %s FROM (%s) v',
                       p_view, twins, rtrim(pg_get_viewdef(p_view), ';'));
    END IF;
    EXECUTE format('GRANT SELECT ON %s TO omniroute_app', p_view);
END $$;

SELECT gateway_publish(c.oid) FROM pg_class c
 WHERE c.relnamespace = 'gateway'::regnamespace AND c.relkind = 'v' ORDER BY c.relname;

-- Lets the database role of a GraphQL engine of your own read these views for all organisations: whose rows it shows is
-- then decided by its permissions alone. It sees the columns that views use, and no table. Call it as omniroute_owner,
-- again after every upgrade; members of omniroute_app need it not.
CREATE FUNCTION gateway_admit(p_role name) RETURNS void
    LANGUAGE plpgsql SET search_path = omniroute, pg_temp AS $$
DECLARE
    used record;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA gateway TO %I', p_role);
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA gateway TO %I', p_role);
    EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA gateway TO %I', p_role);
    FOR used IN
        SELECT t.oid::regclass AS name, t.relname, string_agg(DISTINCT quote_ident(a.attname), ', ') AS columns
          FROM pg_class v
          JOIN pg_rewrite r ON r.ev_class = v.oid
          JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                          AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
          JOIN pg_class t ON t.oid = d.refobjid AND t.relnamespace = 'omniroute'::regnamespace
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
         WHERE v.relnamespace = 'gateway'::regnamespace
         GROUP BY t.oid, t.relname
    LOOP
        EXECUTE format('GRANT SELECT (%s) ON %s TO %I', used.columns, used.name, p_role);
        EXECUTE format('DROP POLICY IF EXISTS %I ON %s', used.relname || '_' || p_role, used.name);
        EXECUTE format('CREATE POLICY %I ON %s FOR SELECT TO %I USING (true)', used.relname || '_' || p_role, used.name,
                       p_role);
    END LOOP;
END $$;
