-- Settlements as GraphQL shows them.

CREATE TYPE gateway.settlement_batch_status AS ENUM ('CREATED', 'PROCESSING', 'SETTLED', 'FAILED');
CREATE TYPE gateway.settlement_cause AS ENUM ('CALENDAR', 'INSTANT', 'DEMAND');

CREATE VIEW gateway.atc_settlement_batches WITH (security_invoker = true) AS
SELECT b.batch_id AS id, b.tenant_id, b.reference, b.grant_id AS atc_grant_id, b.grantor_id,
       b.period_start AS settlement_period_start, b.period_end AS settlement_period_end,
       b.collection_count AS total_collections, b.currency::text AS currency,
       gateway.major(b.gross_minor, b.currency) AS gross_amount, b.gross_minor AS gross_amount_minor,
       gateway.major(b.commission_minor, b.currency) AS total_commission, b.commission_minor AS total_commission_minor,
       gateway.major(b.net_minor, b.currency) AS net_settlement_amount, b.net_minor AS net_settlement_amount_minor,
       gateway.major(b.fee_minor, b.currency) AS fee, b.fee_minor, b.payment_id AS payment_transaction_id,
       CASE WHEN p.payment_id IS NOT NULL THEN gateway.status_of(p.state, a.state, p.reason)
            WHEN b.state = 'settled' THEN 'CONFIRMED'::gateway.payment_status  -- All of it is commission.
            WHEN b.state = 'failed' THEN 'FAILED' ELSE 'PENDING' END AS payment_status,
       upper(b.state)::gateway.settlement_batch_status AS status, b.reason,
       upper(b.cause)::gateway.settlement_cause AS cause,
       CASE WHEN EXISTS (SELECT FROM reconciliation_entry_claim r
                           JOIN reconciliation_match m ON m.tenant_id = r.tenant_id AND m.match_id = r.match_id
                          WHERE r.tenant_id = b.tenant_id AND r.txn_id = p.transaction_id AND r.live
                            AND m.state = 'matched')
            THEN 'MATCHED'::gateway.reconciliation_status ELSE 'UNMATCHED' END AS reconciliation_status,
       gateway.major(x.discrepancy_minor, b.currency) AS discrepancy_amount, x.kind AS discrepancy_notes,
       gateway.id_of(b.requested_by) AS requested_by, b.created_at, b.updated_at, b.settled_at, b.failed_at
  FROM atc_settlement_batch b
  LEFT JOIN payment p ON p.tenant_id = b.tenant_id AND p.payment_id = b.payment_id
  LEFT JOIN payment_attempt a
    ON a.tenant_id = p.tenant_id AND a.payment_id = p.payment_id AND a.number = p.attempt_count
  LEFT JOIN LATERAL (
       SELECT e.actual_minor - e.expected_minor AS discrepancy_minor, e.kind FROM reconciliation_exception e
        WHERE e.tenant_id = p.tenant_id AND e.txn_id = p.transaction_id AND e.resolved_at IS NULL
        ORDER BY e.opened_at, e.exception_id LIMIT 1) x ON true;
COMMENT ON VIEW gateway.atc_settlement_batches IS 'What was collected by authority, paid out to the root grantor.';
SELECT gateway_publish('gateway.atc_settlement_batches');
