-- What GraphQL shows of reconciliation, and statements that say what is matched by the matches.

CREATE TYPE gateway.match_kind AS ENUM ('AUTO', 'MANUAL', 'FORCED');
CREATE TYPE gateway.match_status AS ENUM ('PROPOSED', 'MATCHED', 'REJECTED', 'UNDONE');
CREATE TYPE gateway.reconciliation_exception_kind AS ENUM ('MISSING_AT_BANK', 'MISSING_IN_BOOKS', 'AMOUNT_OVER',
    'AMOUNT_UNDER', 'CURRENCY', 'DUPLICATE', 'REVERSAL_UNPAIRED');
CREATE TYPE gateway.match_method AS ENUM ('REVERSAL', 'STRONG_KEY', 'OUR_REFERENCE', 'COUNTERPARTY', 'FEE', 'SUM',
    'MANUAL');
CREATE TYPE gateway.item_side AS ENUM ('BOOKS', 'BANK');

CREATE VIEW gateway.reconciliation_matches WITH (security_invoker = true) AS
SELECT m.match_id AS id, m.tenant_id, m.connection_id, m.run_id, upper(m.kind)::gateway.match_kind AS kind,
       upper(m.state)::gateway.match_status AS status,
       CASE m.found_by WHEN 0 THEN 'REVERSAL'::gateway.match_method WHEN 1 THEN 'STRONG_KEY' WHEN 2 THEN 'OUR_REFERENCE'
                       WHEN 3 THEN 'COUNTERPARTY' WHEN 4 THEN 'FEE' WHEN 5 THEN 'SUM' ELSE 'MANUAL' END AS method,
       m.rule_version, m.currency::text AS currency, gateway.major(m.book_minor, m.currency) AS expected_amount,
       gateway.major(m.bank_minor, m.currency) AS actual_amount,
       gateway.major(m.difference_minor, m.currency) AS difference, m.difference_minor, m.difference_account,
       m.difference_transaction_id, m.evidence, m.reason, m.proposed_by AS proposer,
       gateway.id_of(m.proposed_by) AS proposed_by, gateway.id_of(m.decided_by) AS decided_by,
       gateway.id_of(m.undone_by) AS undone_by, m.undone_reason,
       array(SELECT k.txn_id FROM reconciliation_entry_claim k
              WHERE k.tenant_id = m.tenant_id AND k.match_id = m.match_id ORDER BY k.txn_id, k.leg) AS transaction_ids,
       array(SELECT k.line_id FROM reconciliation_line_claim k
              WHERE k.tenant_id = m.tenant_id AND k.match_id = m.match_id ORDER BY k.line_id) AS line_ids,
       m.created_at, m.decided_at, m.undone_at
  FROM reconciliation_match m;
COMMENT ON VIEW gateway.reconciliation_matches IS 'Postings and lines of statements that belong together, and why.';

CREATE VIEW gateway.reconciliation_exceptions WITH (security_invoker = true) AS
SELECT x.exception_id AS id, x.tenant_id, x.connection_id, upper(x.kind)::gateway.reconciliation_exception_kind AS kind,
       x.resolved_at IS NULL AS is_open, x.txn_id AS transaction_id, x.line_id, x.currency::text AS currency,
       gateway.major(x.expected_minor, x.currency) AS expected_amount,
       gateway.major(x.actual_minor, x.currency) AS actual_amount,
       gateway.major(coalesce(x.actual_minor, 0) - coalesce(x.expected_minor, 0), x.currency) AS difference, x.dated_on,
       x.suggestions, x.owner AS assigned_to, x.opened_at, x.resolved_at, x.resolved_by AS resolver,
       upper(x.resolution) AS resolution, x.reason
  FROM reconciliation_exception x;
COMMENT ON VIEW gateway.reconciliation_exceptions IS 'Postings and lines of statements without a match.';

-- Every movement once: a posting on the account of a connection, or a line that no posting explains. An exception about
-- both is one. Branches see nothing of it: accounts at banks are the whole organisation's.
CREATE VIEW gateway.reconciliation_items WITH (security_invoker = true) AS
SELECT i.tenant_id, i.connection_id, i.side, i.dated_on, i.transaction_id, i.leg, i.line_id, i.currency, i.is_matched,
       i.match_id, i.exception_id, gateway.major(i.expected_minor, i.currency) AS expected_amount,
       gateway.major(i.actual_minor, i.currency) AS actual_amount,
       CASE WHEN i.is_matched THEN 0 ELSE gateway.major(i.actual_minor - i.expected_minor, i.currency) END AS difference,
       i.expected_minor, i.actual_minor,
       CASE i.side WHEN 'BOOKS' THEN abs(i.expected_minor) ELSE abs(i.actual_minor) END AS amount_minor, i.created_at
  FROM (
    SELECT c.tenant_id, c.connection_id, 'BOOKS'::gateway.item_side AS side, e.value_on AS dated_on,
           e.txn_id AS transaction_id, e.leg, x.line_id, e.currency::text AS currency,
           CASE e.side WHEN 'd' THEN e.amount_minor ELSE -e.amount_minor END AS expected_minor,
           CASE WHEN m.match_id IS NULL THEN coalesce(x.actual_minor, 0) WHEN e.side = 'd' THEN e.amount_minor
                ELSE -e.amount_minor END AS actual_minor,
           m.match_id IS NOT NULL AS is_matched, m.match_id, x.exception_id, e.booked_at AS created_at
      FROM bank_connection c
      JOIN ledger_entry e ON e.tenant_id = c.tenant_id AND e.account_id = c.float_account_id AND e.layer = 'p'
      LEFT JOIN reconciliation_entry_claim k
        ON k.tenant_id = e.tenant_id AND k.txn_id = e.txn_id AND k.leg = e.leg AND k.live
      LEFT JOIN reconciliation_match m
        ON m.tenant_id = k.tenant_id AND m.match_id = k.match_id AND m.state = 'matched'
      LEFT JOIN LATERAL (
          SELECT y.exception_id, y.line_id, y.actual_minor FROM reconciliation_exception y
           WHERE m.match_id IS NULL AND y.tenant_id = e.tenant_id AND y.txn_id = e.txn_id AND y.leg = e.leg
             AND y.resolved_at IS NULL AND y.currency = e.currency
           ORDER BY y.line_id LIMIT 1) x ON true
    UNION ALL
    SELECT l.tenant_id, l.connection_id, 'BANK', (l.booked_at AT TIME ZONE o.time_zone)::date, NULL, NULL, l.line_id,
           l.currency::text, 0, CASE WHEN l.credit THEN l.amount_minor ELSE -l.amount_minor END,
           m.match_id IS NOT NULL, m.match_id, x.exception_id, l.booked_at
      FROM rail_statement_line l
      JOIN organisation o ON o.tenant_id = l.tenant_id
      LEFT JOIN reconciliation_line_claim k
        ON k.tenant_id = l.tenant_id AND k.connection_id = l.connection_id AND k.line_id = l.line_id AND k.live
      LEFT JOIN reconciliation_match m
        ON m.tenant_id = k.tenant_id AND m.match_id = k.match_id AND m.state = 'matched'
      LEFT JOIN reconciliation_exception x
        ON x.tenant_id = l.tenant_id AND x.connection_id = l.connection_id AND x.line_id = l.line_id
       AND x.resolved_at IS NULL AND m.match_id IS NULL
     WHERE (m.match_id IS NULL OR NOT EXISTS (
               SELECT FROM reconciliation_entry_claim s WHERE s.tenant_id = m.tenant_id AND s.match_id = m.match_id))
       AND (x.txn_id IS NULL OR NOT EXISTS (  -- It is told with the posting.
               SELECT FROM ledger_entry e
                WHERE e.tenant_id = x.tenant_id AND e.txn_id = x.txn_id AND e.leg = x.leg AND e.currency = x.currency
                  AND NOT EXISTS (SELECT FROM reconciliation_entry_claim s
                                   WHERE s.tenant_id = e.tenant_id AND s.txn_id = e.txn_id AND s.leg = e.leg AND s.live)))
  ) i
 WHERE nullif(current_setting('omniroute.branch_ids', true), '') IS NULL;
COMMENT ON VIEW gateway.reconciliation_items IS 'Movements that the books or banks tell, and whether both agree.';

CREATE VIEW gateway.reconciliation_summaries WITH (security_invoker = true) AS
SELECT i.tenant_id, i.dated_on AS start_date, i.dated_on AS end_date, i.currency,
       count(*)::integer AS total_transactions, gateway.major(sum(i.amount_minor), i.currency) AS total_amount,
       (count(*) FILTER (WHERE i.is_matched))::integer AS matched_count,
       (count(*) FILTER (WHERE NOT i.is_matched))::integer AS unmatched_count,
       gateway.major(coalesce(sum(i.amount_minor) FILTER (WHERE i.is_matched), 0), i.currency) AS matched_amount,
       gateway.major(coalesce(sum(i.amount_minor) FILTER (WHERE NOT i.is_matched), 0), i.currency) AS unmatched_amount
  FROM gateway.reconciliation_items i
 GROUP BY i.tenant_id, i.dated_on, i.currency;
COMMENT ON VIEW gateway.reconciliation_summaries IS 'How each day stands, a currency at a time.';

-- Statements say what is matched as the matches say it.
DROP VIEW gateway.bank_statements, gateway.bank_statement_entries;

CREATE VIEW gateway.bank_statement_entries WITH (security_invoker = true) AS
SELECT l.line_id AS id, l.tenant_id, l.connection_id, c.float_account_id AS account_id,
       (l.booked_at AT TIME ZONE o.time_zone)::date AS statement_date, l.booked_at,
       CASE WHEN l.credit THEN 'CREDIT'::gateway.entry_side ELSE 'DEBIT' END AS type,
       gateway.major(l.amount_minor, l.currency) AS amount, l.amount_minor, l.currency::text AS currency,
       l.our_ref AS reference, l.provider_ref AS bank_reference, l.narration, a.payment_id,
       CASE WHEN m.match_id IS NULL THEN 'UNMATCHED'::gateway.reconciliation_status ELSE 'MATCHED'
            END AS reconciliation_status,
       m.match_id, l.read_at AS created_at
  FROM rail_statement_line l
  JOIN bank_connection c ON c.tenant_id = l.tenant_id AND c.connection_id = l.connection_id
  JOIN organisation o ON o.tenant_id = l.tenant_id
  LEFT JOIN payment_attempt a
    ON a.tenant_id = l.tenant_id AND a.connection_id = l.connection_id AND a.our_ref = l.our_ref
  LEFT JOIN reconciliation_line_claim k
    ON k.tenant_id = l.tenant_id AND k.connection_id = l.connection_id AND k.line_id = l.line_id AND k.live
  LEFT JOIN reconciliation_match m
    ON m.tenant_id = k.tenant_id AND m.match_id = k.match_id AND m.state = 'matched';
COMMENT ON VIEW gateway.bank_statement_entries IS 'What rails booked on our accounts, as they tell it.';

CREATE VIEW gateway.bank_statements WITH (security_invoker = true) AS
SELECT md5(e.connection_id::text || e.statement_date::text)::uuid AS id, e.tenant_id, e.connection_id, e.account_id,
       e.statement_date, e.currency, NULL::numeric AS opening_balance, NULL::numeric AS closing_balance,
       coalesce(sum(e.amount) FILTER (WHERE e.type = 'CREDIT'), 0) AS total_credits,
       coalesce(sum(e.amount) FILTER (WHERE e.type = 'DEBIT'), 0) AS total_debits, count(*)::integer AS entry_count,
       CASE WHEN count(e.match_id) = count(*) THEN 'MATCHED' WHEN count(e.match_id) = 0 THEN 'UNMATCHED'
            ELSE 'PARTIALLY_MATCHED' END::gateway.reconciliation_status AS reconciliation_status,
       min(e.created_at) AS created_at
  FROM gateway.bank_statement_entries e
 GROUP BY e.tenant_id, e.connection_id, e.account_id, e.statement_date, e.currency;
COMMENT ON VIEW gateway.bank_statements IS 'A day on an account at a bank. Rails tell entries, not balances: those are null.';

SELECT gateway_publish(format('gateway.%s', name)::regclass)
  FROM unnest(ARRAY['reconciliation_matches', 'reconciliation_exceptions', 'reconciliation_items',
                    'reconciliation_summaries', 'bank_statement_entries', 'bank_statements']) AS name;

-- A range of days, a row a currency: amounts in different currencies are never added.
CREATE FUNCTION gateway.reconciliation_summary(start_date date, end_date date)
    RETURNS SETOF gateway.reconciliation_summaries LANGUAGE sql STABLE AS $$
    SELECT s.*, s.tenant_id, s.start_date, s.end_date, s.total_transactions, s.total_amount, s.matched_count,
           s.unmatched_count, s.matched_amount, s.unmatched_amount
      FROM (SELECT d.tenant_id, $1 AS start_date, $2 AS end_date, d.currency,
                   sum(d.total_transactions)::integer AS total_transactions, sum(d.total_amount) AS total_amount,
                   sum(d.matched_count)::integer AS matched_count, sum(d.unmatched_count)::integer AS unmatched_count,
                   sum(d.matched_amount) AS matched_amount, sum(d.unmatched_amount) AS unmatched_amount
              FROM gateway.reconciliation_summaries d
             WHERE d.start_date BETWEEN $1 AND $2
             GROUP BY d.tenant_id, d.currency ORDER BY d.currency) s
$$;
-- What a summary counts as unmatched, movement by movement.
CREATE FUNCTION gateway.reconciliation_discrepancies(summary gateway.reconciliation_summaries)
    RETURNS SETOF gateway.reconciliation_items LANGUAGE sql STABLE AS $$
    SELECT i.* FROM gateway.reconciliation_items i
     WHERE i.tenant_id = (summary).tenant_id AND i.currency = (summary).currency
       AND i.dated_on BETWEEN (summary).start_date AND (summary).end_date AND NOT i.is_matched
     ORDER BY i.dated_on, i.transaction_id, i.line_id
$$;
REVOKE ALL ON FUNCTION gateway.reconciliation_summary(date, date),
    gateway.reconciliation_discrepancies(gateway.reconciliation_summaries) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gateway.reconciliation_summary(date, date),
    gateway.reconciliation_discrepancies(gateway.reconciliation_summaries) TO omniroute_app;
