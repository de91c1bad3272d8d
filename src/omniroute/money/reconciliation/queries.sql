-- name: find_ground
-- What a run over a connection stands on.
SELECT c.connection_id, c.currency::text, c.float_account_id, c.statement_until, o.time_zone,
       coalesce(s.window_days, 3) AS window_days, coalesce(s.tolerance_minor, 0) AS tolerance_minor,
       coalesce(s.fees, '[]') AS fees, coalesce(s.version, 0) AS version, s.run_until
  FROM bank_connection c
  JOIN organisation o ON o.tenant_id = c.tenant_id
  LEFT JOIN reconciliation_setting s ON s.tenant_id = c.tenant_id AND s.connection_id = c.connection_id
 WHERE c.tenant_id = %(tenant)s AND c.connection_id = %(connection)s

-- name: make_setting
-- The row that runs over a connection hold, so that they come one after the other.
INSERT INTO reconciliation_setting (tenant_id, connection_id, updated_at, updated_by)
VALUES (%(tenant)s, %(connection)s, %(now)s, %(by)s)
ON CONFLICT DO NOTHING

-- name: lock_setting
-- Held until the transaction ends.
SELECT version FROM reconciliation_setting
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s
   FOR UPDATE

-- name: write_setting
-- How a connection is reconciled.
UPDATE reconciliation_setting
   SET window_days = %(window_days)s, tolerance_minor = %(tolerance)s, fees = %(fees)s, version = version + 1,
       updated_at = %(now)s, updated_by = %(by)s
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s

-- name: set_run_until
-- How far the statement had been read when it was reconciled.
UPDATE reconciliation_setting SET run_until = greatest(run_until, %(until)s)
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s

-- name: load_entries
-- Postings on the account of a connection, with every name that a bank may know them by. A reversal has the names of
-- what it takes back.
WITH e AS (
    SELECT txn_id, leg, side, amount_minor, currency, booked_at, value_on FROM ledger_entry
     WHERE tenant_id = %(tenant)s AND account_id = %(account)s AND layer = 'p' AND version IS NOT NULL
       AND value_on BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT txn_id, leg, side, amount_minor, currency, booked_at, value_on FROM ledger_entry
     WHERE tenant_id = %(tenant)s AND account_id = %(account)s AND layer = 'p' AND version IS NULL
       AND value_on BETWEEN %(first)s AND %(last)s
)
SELECT e.txn_id, e.leg, CASE e.side WHEN 'd' THEN e.amount_minor ELSE -e.amount_minor END AS amount_minor,
       e.currency::text, e.booked_at, e.value_on, t.reference, t.meta, s.txn_id AS reverses, s.reference AS of_reference,
       s.meta AS of_meta, a.our_ref, a.provider_ref, a.receipt, a.rail_fee_minor, p.reference AS payment,
       p.payee ->> 'identifier' AS payee, f.message_id, v.session_id, v.provider_credit_id, v.account_number,
       EXISTS (SELECT FROM reconciliation_entry_claim k
                WHERE k.tenant_id = %(tenant)s AND k.txn_id = e.txn_id AND k.leg = e.leg AND k.live) AS claimed
  FROM e
  JOIN ledger_txn t ON t.tenant_id = %(tenant)s AND t.txn_id = e.txn_id
  LEFT JOIN ledger_txn s ON t.kind = 'r' AND s.tenant_id = %(tenant)s AND s.txn_id = t.source_id
  LEFT JOIN payment p ON p.tenant_id = %(tenant)s AND p.reference = substring(
      coalesce(s.reference, t.reference) FROM '^payment:(.+):(?:paid|late:\d+|more:\d+|rail-fee:\d+)$')
  LEFT JOIN LATERAL (
      SELECT y.attempt_id, y.our_ref, y.provider_ref, y.receipt, y.rail_fee_minor FROM payment_attempt y
       WHERE y.tenant_id = %(tenant)s AND y.payment_id = p.payment_id AND y.connection_id = %(connection)s
       ORDER BY y.number = substring(coalesce(s.reference, t.reference) FROM ':(?:late|more):(\d+)$')::smallint DESC
                NULLS LAST, y.state IN ('succeeded', 'reversed', 'late_success') DESC, y.number DESC
       LIMIT 1) a ON true
  LEFT JOIN rail_file_order o ON o.tenant_id = %(tenant)s AND o.attempt_id = a.attempt_id
  LEFT JOIN rail_file f ON f.tenant_id = %(tenant)s AND f.file_id = o.file_id
  LEFT JOIN virtual_account_credit v
    ON v.tenant_id = %(tenant)s AND v.transaction_id = coalesce(s.txn_id, t.txn_id) AND v.connection_id = %(connection)s
 LIMIT %(limit)s

-- name: still_there
-- A word to the database while we compute.
SELECT true AS here

-- name: load_lines
-- Lines of a statement that nothing claims.
SELECT l.line_id, CASE WHEN l.credit THEN l.amount_minor ELSE -l.amount_minor END AS amount_minor, l.currency::text,
       l.booked_at, (l.booked_at AT TIME ZONE %(time_zone)s)::date AS on_day, l.our_ref, l.provider_ref, l.narration
  FROM rail_statement_line l
 WHERE l.tenant_id = %(tenant)s AND l.connection_id = %(connection)s
   AND l.booked_at >= %(from)s AND l.booked_at < %(to)s
   AND NOT EXISTS (SELECT FROM reconciliation_line_claim k
                    WHERE k.tenant_id = l.tenant_id AND k.connection_id = l.connection_id AND k.line_id = l.line_id
                      AND k.live)
 LIMIT %(limit)s

-- name: load_apart
-- Pairs that people took apart, or did not let pass.
SELECT e.txn_id, e.leg, l.line_id
  FROM reconciliation_match m
  JOIN reconciliation_entry_claim e ON e.tenant_id = m.tenant_id AND e.match_id = m.match_id
  JOIN reconciliation_line_claim l ON l.tenant_id = m.tenant_id AND l.match_id = m.match_id
 WHERE m.tenant_id = %(tenant)s AND m.connection_id = %(connection)s AND m.state IN ('rejected', 'undone')

-- name: insert_run
-- A run that was not a rehearsal.
INSERT INTO reconciliation_run (tenant_id, run_id, connection_id, start_on, end_on, rule_version, started_by, created_at,
                                counts)
VALUES (%(tenant)s, %(run)s, %(connection)s, %(start_on)s, %(end_on)s, %(rule_version)s, %(by)s, %(now)s, %(counts)s)
RETURNING *

-- name: insert_matches
-- What a run has found.
INSERT INTO reconciliation_match (tenant_id, match_id, connection_id, run_id, kind, state, found_by, rule_version,
                                  currency, book_minor, bank_minor, difference_account, difference_transaction_id,
                                  evidence, proposed_by, created_at)
SELECT %(tenant)s, n.match_id, %(connection)s, %(run)s, 'auto', 'matched', n.found_by, %(rule_version)s, n.currency,
       n.book_minor, n.bank_minor, n.difference_account, n.difference_transaction_id, n.evidence, %(by)s, %(now)s
  FROM unnest(%(match_id)s::uuid[], %(found_by)s::integer[], %(currency)s::text[], %(book_minor)s::bigint[],
              %(bank_minor)s::bigint[], %(difference_account)s::text[], %(difference_transaction_id)s::uuid[],
              %(evidence)s::jsonb[])
       AS n (match_id, found_by, currency, book_minor, bank_minor, difference_account, difference_transaction_id,
             evidence)

-- name: insert_match
-- What somebody proposes.
INSERT INTO reconciliation_match (tenant_id, match_id, connection_id, kind, state, found_by, rule_version, currency,
                                  book_minor, bank_minor, difference_account, evidence, reason, proposed_by, created_at)
VALUES (%(tenant)s, %(match)s, %(connection)s, %(kind)s, 'proposed', 9, %(rule_version)s, %(currency)s, %(book_minor)s,
        %(bank_minor)s, %(difference_account)s, '{}', %(reason)s, %(by)s, %(now)s)

-- name: claim_entries
-- Postings are of a match now, and of no other.
INSERT INTO reconciliation_entry_claim (tenant_id, match_id, txn_id, leg, amount_minor)
SELECT %(tenant)s, n.match_id, n.txn_id, n.leg, n.amount_minor
  FROM unnest(%(match_id)s::uuid[], %(txn_id)s::uuid[], %(leg)s::integer[], %(amount_minor)s::bigint[])
       AS n (match_id, txn_id, leg, amount_minor)

-- name: claim_lines
-- Lines are of a match now, and of no other.
INSERT INTO reconciliation_line_claim (tenant_id, match_id, connection_id, line_id, amount_minor)
SELECT %(tenant)s, n.match_id, %(connection)s, n.line_id, n.amount_minor
  FROM unnest(%(match_id)s::uuid[], %(line_id)s::text[], %(amount_minor)s::bigint[]) AS n (match_id, line_id, amount_minor)

-- name: resolve_matched
-- Exceptions whose item has its match now.
UPDATE reconciliation_exception x
   SET resolved_at = %(now)s, resolved_by = %(by)s, resolution = 'matched', version = x.version + 1
 WHERE x.tenant_id = %(tenant)s AND x.connection_id = %(connection)s AND x.resolved_at IS NULL
   AND CASE WHEN x.line_id IS NOT NULL THEN EXISTS (
           SELECT FROM reconciliation_line_claim k JOIN reconciliation_match m USING (tenant_id, match_id)
            WHERE k.tenant_id = x.tenant_id AND k.connection_id = x.connection_id AND k.line_id = x.line_id AND k.live
              AND m.state = 'matched')
       ELSE EXISTS (
           SELECT FROM reconciliation_entry_claim k JOIN reconciliation_match m USING (tenant_id, match_id)
            WHERE k.tenant_id = x.tenant_id AND k.txn_id = x.txn_id AND k.leg = x.leg AND k.live AND m.state = 'matched')
       END

-- name: resolve_superseded
-- Postings that an exception about a line names have none of their own.
UPDATE reconciliation_exception x
   SET resolved_at = %(now)s, resolved_by = %(by)s, resolution = 'superseded', version = x.version + 1
  FROM unnest(%(txn_id)s::uuid[], %(leg)s::integer[]) AS n (txn_id, leg)
 WHERE x.tenant_id = %(tenant)s AND x.txn_id = n.txn_id AND x.leg = n.leg AND x.line_id IS NULL
   AND x.resolved_at IS NULL

-- name: open_about_lines
-- Exceptions about lines: new ones, those that say something else now, and those whose match was undone. What people
-- have explained stays explained.
INSERT INTO reconciliation_exception AS x (tenant_id, exception_id, connection_id, kind, line_id, txn_id, leg,
                                           expected_minor, actual_minor, currency, dated_on, suggestions, run_id,
                                           opened_at)
SELECT %(tenant)s, n.exception_id, %(connection)s, n.kind, n.line_id, n.txn_id, n.leg, n.expected_minor, n.actual_minor,
       n.currency, n.dated_on, n.suggestions, %(run)s, %(now)s
  FROM unnest(%(exception_id)s::uuid[], %(kind)s::text[], %(line_id)s::text[], %(txn_id)s::uuid[], %(leg)s::bigint[],
              %(expected_minor)s::bigint[], %(actual_minor)s::bigint[], %(currency)s::text[], %(dated_on)s::date[],
              %(suggestions)s::jsonb[])
       AS n (exception_id, kind, line_id, txn_id, leg, expected_minor, actual_minor, currency, dated_on, suggestions)
ON CONFLICT (tenant_id, connection_id, line_id) WHERE line_id IS NOT NULL DO UPDATE
   SET kind = excluded.kind, txn_id = excluded.txn_id, leg = excluded.leg, expected_minor = excluded.expected_minor,
       suggestions = excluded.suggestions, run_id = excluded.run_id, resolved_at = NULL, resolved_by = NULL,
       resolution = NULL, reason = NULL, version = x.version + 1
 WHERE x.resolution IS DISTINCT FROM 'explained'
   AND (x.resolved_at IS NOT NULL OR (x.kind, x.txn_id, x.leg, x.suggestions) IS DISTINCT FROM
        (excluded.kind, excluded.txn_id, excluded.leg, excluded.suggestions))
RETURNING exception_id, kind, txn_id, line_id, currency::text, expected_minor, actual_minor, version

-- name: open_about_entries
-- The same about postings.
INSERT INTO reconciliation_exception AS x (tenant_id, exception_id, connection_id, kind, txn_id, leg, expected_minor,
                                           currency, dated_on, suggestions, run_id, opened_at)
SELECT %(tenant)s, n.exception_id, %(connection)s, n.kind, n.txn_id, n.leg, n.expected_minor, n.currency, n.dated_on,
       n.suggestions, %(run)s, %(now)s
  FROM unnest(%(exception_id)s::uuid[], %(kind)s::text[], %(txn_id)s::uuid[], %(leg)s::integer[],
              %(expected_minor)s::bigint[], %(currency)s::text[], %(dated_on)s::date[], %(suggestions)s::jsonb[])
       AS n (exception_id, kind, txn_id, leg, expected_minor, currency, dated_on, suggestions)
ON CONFLICT (tenant_id, txn_id, leg) WHERE line_id IS NULL DO UPDATE
   SET kind = excluded.kind, suggestions = excluded.suggestions, run_id = excluded.run_id, resolved_at = NULL,
       resolved_by = NULL, resolution = NULL, reason = NULL, version = x.version + 1
 WHERE x.resolution IS DISTINCT FROM 'explained'
   AND (x.resolved_at IS NOT NULL OR (x.kind, x.suggestions) IS DISTINCT FROM (excluded.kind, excluded.suggestions))
RETURNING exception_id, kind, txn_id, line_id, currency::text, expected_minor, actual_minor, version

-- name: find_entries
-- These postings, if they are on the account of the connection.
SELECT e.txn_id, e.leg, CASE e.side WHEN 'd' THEN e.amount_minor ELSE -e.amount_minor END AS amount_minor,
       e.currency::text
  FROM unnest(%(txn_id)s::uuid[], %(leg)s::integer[]) AS n (txn_id, leg)
  JOIN ledger_entry e ON e.tenant_id = %(tenant)s AND e.txn_id = n.txn_id AND e.leg = n.leg
 WHERE e.account_id = %(account)s AND e.layer = 'p'

-- name: find_lines
-- These lines of the connection's statement.
SELECT line_id, CASE WHEN credit THEN amount_minor ELSE -amount_minor END AS amount_minor, currency::text
  FROM rail_statement_line
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND line_id = ANY (%(lines)s)

-- name: find_match
-- One match with its items.
SELECT m.*, array(SELECT (k.txn_id::text || ':' || k.leg) FROM reconciliation_entry_claim k
                   WHERE k.tenant_id = m.tenant_id AND k.match_id = m.match_id ORDER BY k.txn_id, k.leg) AS entries,
       array(SELECT k.line_id FROM reconciliation_line_claim k
              WHERE k.tenant_id = m.tenant_id AND k.match_id = m.match_id ORDER BY k.line_id) AS lines
  FROM reconciliation_match m
 WHERE m.tenant_id = %(tenant)s AND m.match_id = %(match)s

-- name: lock_match
-- One match, held until the transaction ends.
SELECT state FROM reconciliation_match WHERE tenant_id = %(tenant)s AND match_id = %(match)s FOR UPDATE

-- name: decide_match
-- What another person says to a match.
UPDATE reconciliation_match
   SET state = %(state)s, decided_by = %(by)s, decided_at = %(now)s, difference_transaction_id = %(transaction)s,
       version = version + 1
 WHERE tenant_id = %(tenant)s AND match_id = %(match)s

-- name: undo_match
-- A match is taken apart; its claims end with it.
UPDATE reconciliation_match
   SET state = 'undone', undone_by = %(by)s, undone_at = %(now)s, undone_reason = %(reason)s, version = version + 1
 WHERE tenant_id = %(tenant)s AND match_id = %(match)s

-- name: list_matches
-- A page of matches with their items.
-- sort: -created_at = m.created_at::timestamptz
-- then: m.match_id::uuid
SELECT m.*, array(SELECT (k.txn_id::text || ':' || k.leg) FROM reconciliation_entry_claim k
                   WHERE k.tenant_id = m.tenant_id AND k.match_id = m.match_id ORDER BY k.txn_id, k.leg) AS entries,
       array(SELECT k.line_id FROM reconciliation_line_claim k
              WHERE k.tenant_id = m.tenant_id AND k.match_id = m.match_id ORDER BY k.line_id) AS lines
  FROM reconciliation_match m
 WHERE m.tenant_id = %(tenant)s
   AND (%(connection)s::uuid IS NULL OR m.connection_id = %(connection)s)
   AND (%(state)s::text IS NULL OR m.state = %(state)s)
   AND (%(kind)s::text IS NULL OR m.kind = %(kind)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: list_runs
-- A page of runs.
-- sort: -created_at = r.created_at::timestamptz
-- then: r.run_id::uuid
SELECT r.* FROM reconciliation_run r
 WHERE r.tenant_id = %(tenant)s
   AND (%(connection)s::uuid IS NULL OR r.connection_id = %(connection)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: find_run
-- One run.
SELECT * FROM reconciliation_run WHERE tenant_id = %(tenant)s AND run_id = %(run)s

-- name: list_reconciliation_exceptions
-- A page of exceptions.
-- sort: -opened_at = x.opened_at::timestamptz
-- then: x.exception_id::uuid
SELECT x.* FROM reconciliation_exception x
 WHERE x.tenant_id = %(tenant)s
   AND (%(connection)s::uuid IS NULL OR x.connection_id = %(connection)s)
   AND (%(open)s::boolean IS NULL OR (x.resolved_at IS NULL) = %(open)s)
   AND (%(kind)s::text IS NULL OR x.kind = %(kind)s)
   AND (%(owner)s::text IS NULL OR x.owner = %(owner)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: find_exception
-- One exception.
SELECT * FROM reconciliation_exception WHERE tenant_id = %(tenant)s AND exception_id = %(exception)s

-- name: assign_exception
-- Who looks after an open exception.
UPDATE reconciliation_exception SET owner = %(owner)s, version = version + 1
 WHERE tenant_id = %(tenant)s AND exception_id = %(exception)s AND resolved_at IS NULL
RETURNING *

-- name: explain_exception
-- Why an item has no match, for good.
UPDATE reconciliation_exception
   SET resolved_at = %(now)s, resolved_by = %(by)s, resolution = 'explained', reason = %(reason)s, version = version + 1
 WHERE tenant_id = %(tenant)s AND exception_id = %(exception)s AND resolved_at IS NULL
RETURNING *

-- name: due_connections
-- Connections whose statement was read further than it was reconciled, over all organisations; `without` those that
-- could not be reconciled a moment ago.
SELECT c.tenant_id, c.connection_id, c.statement_until, s.run_until, o.time_zone
  FROM bank_connection c
  JOIN organisation o ON o.tenant_id = c.tenant_id
  LEFT JOIN reconciliation_setting s ON s.tenant_id = c.tenant_id AND s.connection_id = c.connection_id
 WHERE c.statement_until IS NOT NULL AND c.statement_until > coalesce(s.run_until, '-infinity')
   AND NOT c.connection_id = ANY (%(without)s::uuid[])
 ORDER BY s.run_until NULLS FIRST, c.connection_id
 LIMIT %(limit)s

-- name: count_passes
-- Matches of postings in a range, by the pass that found them.
WITH i AS MATERIALIZED (
    SELECT DISTINCT i.match_id FROM gateway.reconciliation_items i
     WHERE i.tenant_id = %(tenant)s AND i.dated_on BETWEEN %(start_on)s AND %(end_on)s AND i.is_matched
       AND (%(connection)s::uuid IS NULL OR i.connection_id = %(connection)s)
)
SELECT m.found_by, count(*) AS count
  FROM i JOIN reconciliation_match m ON m.tenant_id = %(tenant)s AND m.match_id = i.match_id
 GROUP BY m.found_by ORDER BY m.found_by

-- name: summarise
-- A range, a currency at a time.
SELECT i.currency, count(*) AS total_count, sum(i.amount_minor)::bigint AS total_minor,
       count(*) FILTER (WHERE i.is_matched) AS matched_count,
       coalesce(sum(i.amount_minor) FILTER (WHERE i.is_matched), 0)::bigint AS matched_minor
  FROM gateway.reconciliation_items i
 WHERE i.tenant_id = %(tenant)s AND i.dated_on BETWEEN %(start_on)s AND %(end_on)s
   AND (%(connection)s::uuid IS NULL OR i.connection_id = %(connection)s)
 GROUP BY i.currency ORDER BY i.currency

-- name: count_exceptions
-- Open exceptions about items of a range: how many of each kind, and how old.
SELECT x.kind, (%(today)s::date - x.dated_on) AS days, count(*) AS count
  FROM reconciliation_exception x
 WHERE x.tenant_id = %(tenant)s AND x.resolved_at IS NULL AND x.dated_on BETWEEN %(start_on)s AND %(end_on)s
   AND (%(connection)s::uuid IS NULL OR x.connection_id = %(connection)s)
 GROUP BY x.kind, days ORDER BY x.kind, days
