-- name: insert_batch
-- A new batch, whose lines are about to come.
INSERT INTO payment_batch (tenant_id, batch_id, reference, name, state, branches, format, file_name, byte_count,
                           content_hash, on_invalid, origin, total_count, initiated_by, work_after, created_at,
                           updated_at)
VALUES (%(tenant)s, %(batch)s, %(reference)s, %(name)s, 'draft', %(branches)s, %(format)s, %(file_name)s,
        %(byte_count)s, %(content_hash)s, %(on_invalid)s, '{}', 1, %(initiated_by)s, %(now)s, %(now)s, %(now)s)

-- name: finish_receiving
-- The last line has been stored: now it is known how many there are, and what the file says of itself.
UPDATE payment_batch SET total_count = %(total_count)s, origin = %(origin)s
 WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s
RETURNING *

-- name: find_content
-- The batch that this file came in as before.
SELECT batch_id, content_hash FROM payment_batch
 WHERE tenant_id = %(tenant)s AND content_hash = %(content_hash)s AND state <> 'cancelled'

-- name: insert_lines
-- Lines of a file as they were read.
INSERT INTO payment_batch_line (tenant_id, batch_id, line_number, state, reference, type, amount_minor, currency,
                                source_code, payee, narration, send_on, connection, metadata, origin, problem)
SELECT %(tenant)s, %(batch)s, n.line_number, n.state, n.reference, n.type, n.amount_minor, n.currency, n.source_code,
       n.payee, n.narration, n.send_on, n.connection, n.metadata, n.origin, n.problem
  FROM unnest(%(line_number)s::integer[], %(state)s::text[], %(reference)s::text[], %(type)s::text[],
              %(amount_minor)s::bigint[], %(currency)s::text[], %(source_code)s::text[], %(payee)s::jsonb[],
              %(narration)s::text[], %(send_on)s::date[], %(connection)s::text[], %(metadata)s::jsonb[],
              %(origin)s::jsonb[], %(problem)s::jsonb[])
       AS n (line_number, state, reference, type, amount_minor, currency, source_code, payee, narration, send_on,
             connection, metadata, origin, problem)

-- name: find_batch
-- One batch.
SELECT * FROM payment_batch WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s

-- name: lock_batch
-- One batch, held until the transaction ends.
SELECT * FROM payment_batch WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s FOR NO KEY UPDATE

-- name: take_batch
-- One batch to be worked on; nothing while somebody else has it.
SELECT * FROM payment_batch WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s AND NOT settled
   FOR NO KEY UPDATE SKIP LOCKED

-- name: update_batch
-- Where a batch stands now.
UPDATE payment_batch
   SET state = %(state)s, reason = %(reason)s, on_invalid = %(on_invalid)s, origin = %(origin)s,
       valid_count = %(valid_count)s, invalid_count = %(invalid_count)s, totals = %(totals)s, funds = %(funds)s,
       tally = %(tally)s, tallied_at = %(tallied_at)s, approvals_needed = %(approvals_needed)s,
       approvals_given = %(approvals_given)s, submitted_by = %(submitted_by)s, expires_at = %(expires_at)s,
       settled = %(settled)s, completed_at = %(completed_at)s, work_after = %(work_after)s, updated_at = %(now)s,
       version = version + 1
 WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s
RETURNING *

-- name: rest_batch
-- Look at a batch again later; nothing about it has changed.
UPDATE payment_batch SET work_after = %(later)s WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s

-- name: batches_to_do
-- For every organisation the batch that has waited longest for somebody to work on it; `without` those that could not
-- be worked on a moment ago.
SELECT DISTINCT ON (tenant_id) tenant_id, batch_id, state FROM payment_batch
 WHERE NOT settled AND state IN ('draft', 'awaiting_approval', 'approved', 'running', 'cancelled')
   AND work_after <= %(now)s AND NOT batch_id = ANY (%(without)s::uuid[])
 ORDER BY tenant_id, work_after, batch_id

-- name: next_work
-- When the next batch wants to be looked at; for clocks that are set by hand.
SELECT min(work_after) AS next_work FROM payment_batch
 WHERE NOT settled AND state IN ('draft', 'awaiting_approval', 'approved', 'running', 'cancelled')

-- name: next_lines
-- The next lines that are to be checked, or initiated.
SELECT * FROM payment_batch_line
 WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s AND state = %(state)s
 ORDER BY line_number
 LIMIT %(limit)s

-- name: repeated_references
-- Those of the references that stand in several lines of a batch, with the first of them.
SELECT reference, min(line_number) AS first FROM payment_batch_line
 WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s AND reference = ANY (%(references)s)
 GROUP BY reference
HAVING count(*) > 1

-- name: taken_references
-- Those of the references that payments already have.
SELECT reference FROM payment WHERE tenant_id = %(tenant)s AND reference = ANY (%(references)s)

-- name: set_checked
-- What the check of lines has found.
UPDATE payment_batch_line l
   SET state = n.state, payee = n.payee, fee_minor = n.fee_minor, rail = n.rail, problem = n.problem
  FROM unnest(%(line_number)s::integer[], %(state)s::text[], %(payee)s::jsonb[], %(fee_minor)s::bigint[],
              %(rail)s::text[], %(problem)s::jsonb[])
       AS n (line_number, state, payee, fee_minor, rail, problem)
 WHERE l.tenant_id = %(tenant)s AND l.batch_id = %(batch)s AND l.line_number = n.line_number

-- name: sums_of_lines
-- What the lines of a batch come to, by what the check said, currency and paying account.
SELECT state, currency, source_code, count(*) AS count, coalesce(sum(amount_minor), 0) AS amount_minor,
       coalesce(sum(fee_minor), 0) AS fee_minor
  FROM payment_batch_line
 WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s
 GROUP BY state, currency, source_code
 ORDER BY currency, source_code, state

-- name: tally
-- How many lines of a batch stand where, by the state of their payment.
-- plan: anew
SELECT l.state AS line, p.state AS payment, l.currency, count(*) AS count,
       coalesce(sum(l.amount_minor), 0) AS amount_minor
  FROM payment_batch_line l
  LEFT JOIN payment p ON p.tenant_id = l.tenant_id AND p.payment_id = l.payment_id
 WHERE l.tenant_id = %(tenant)s AND l.batch_id = %(batch)s
 GROUP BY l.state, p.state, l.currency
 ORDER BY l.state, p.state, l.currency

-- name: set_outcomes
-- What became of lines that were to be initiated.
UPDATE payment_batch_line l
   SET state = n.state, payment_id = n.payment_id, problem = n.problem
  FROM unnest(%(line_number)s::integer[], %(state)s::text[], %(payment_id)s::uuid[], %(problem)s::jsonb[])
       AS n (line_number, state, payment_id, problem)
 WHERE l.tenant_id = %(tenant)s AND l.batch_id = %(batch)s AND l.line_number = n.line_number

-- name: cancel_lines
-- Lines that were never initiated never will be.
UPDATE payment_batch_line SET state = 'cancelled'
 WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s AND state IN ('received', 'valid')

-- name: cancellable_payments
-- Payments of a batch that have not left.
SELECT payment_id FROM payment
 WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s AND state IN ('awaiting_approval', 'approved', 'scheduled')
 ORDER BY payment_id
 LIMIT %(limit)s

-- name: retry_refused
-- Lines that could not be initiated are to be initiated again, as they stand.
UPDATE payment_batch_line SET state = 'valid', problem = NULL
 WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s AND state = 'refused'

-- name: retry_failed
-- Lines whose payment failed and is proven to be unpaid by every attempt are to be initiated again, as a new payment.
UPDATE payment_batch_line l
   SET state = 'valid', tries = l.tries + 1
  FROM payment p
 WHERE l.tenant_id = %(tenant)s AND l.batch_id = %(batch)s AND l.state = 'initiated'
   AND p.tenant_id = l.tenant_id AND p.payment_id = l.payment_id AND p.state = 'failed'
   AND NOT EXISTS (SELECT FROM payment_attempt a
                    WHERE a.tenant_id = p.tenant_id AND a.payment_id = p.payment_id
                      AND a.state NOT IN ('not_sent', 'declined', 'not_found_confirmed'))

-- name: not_proven_unpaid
-- Those of the payments that may have paid after all, or are not over.
SELECT p.payment_id FROM payment p
 WHERE p.tenant_id = %(tenant)s AND p.payment_id = ANY (%(payments)s)
   AND (p.state <> 'failed' OR EXISTS (
        SELECT FROM payment_attempt a WHERE a.tenant_id = p.tenant_id AND a.payment_id = p.payment_id
           AND a.state NOT IN ('not_sent', 'declined', 'not_found_confirmed')))

-- name: insert_approval
-- One person's word on a batch. Saying it twice changes nothing.
INSERT INTO payment_batch_approval (tenant_id, batch_id, approver, approved, comment, decided_at)
VALUES (%(tenant)s, %(batch)s, %(approver)s, %(approved)s, %(comment)s, %(now)s)
ON CONFLICT DO NOTHING

-- name: find_approvals
-- Everybody's word on a batch.
SELECT approver, approved, comment, decided_at FROM payment_batch_approval
 WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s
 ORDER BY decided_at, approver

-- name: list_batches
-- A page of batches.
-- sort: -created_at = b.created_at::timestamptz
-- then: b.batch_id::uuid
SELECT b.* FROM payment_batch b
 WHERE b.tenant_id = %(tenant)s
   AND (%(state)s::text IS NULL OR b.state = %(state)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: list_lines
-- A page of the lines of a batch, each with what is known of its payment.
-- sort: line_number = l.line_number::integer unique
-- then: l.line_number::integer
SELECT l.*, p.reference AS payment_reference, p.state AS payment_state, p.reason AS payment_reason, p.completed_at,
       a.state AS attempt_state, a.provider_ref, a.receipt
  FROM payment_batch_line l
  LEFT JOIN payment p ON p.tenant_id = l.tenant_id AND p.payment_id = l.payment_id
  LEFT JOIN LATERAL (SELECT t.state, t.provider_ref, t.receipt FROM payment_attempt t
                      WHERE t.tenant_id = p.tenant_id AND t.payment_id = p.payment_id
                      ORDER BY t.number DESC LIMIT 1) a ON true
 WHERE l.tenant_id = %(tenant)s AND l.batch_id = %(batch)s
   AND (%(state)s::text IS NULL OR l.state = %(state)s)
   AND (%(payment_state)s::text IS NULL OR p.state = %(payment_state)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s
