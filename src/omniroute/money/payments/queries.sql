-- name: find_by_references
-- Payments by what their organisation calls them.
SELECT * FROM payment WHERE tenant_id = %(tenant)s AND reference = ANY (%(references)s)

-- name: find_by_keys
-- Which payments these idempotency keys stand for.
SELECT request_key, reference FROM payment WHERE tenant_id = %(tenant)s AND request_key = ANY (%(keys)s)

-- name: find_payment
-- One payment.
SELECT * FROM payment WHERE tenant_id = %(tenant)s AND payment_id = %(payment)s

-- name: open_limit_uses
-- Counters of limits that nobody has used in their period yet.
INSERT INTO payment_limit_use (tenant_id, limit_id, bucket, used_minor, used_count)
SELECT %(tenant)s, u.limit_id, u.bucket, 0, 0
  FROM unnest(%(limits)s::uuid[], %(buckets)s::date[]) AS u (limit_id, bucket)
 ORDER BY u.limit_id, u.bucket
ON CONFLICT DO NOTHING

-- name: lock_limit_uses
-- What limits have let through, held until the transaction ends; always locked in the same order.
SELECT limit_id, bucket, used_minor, used_count
  FROM payment_limit_use
 WHERE tenant_id = %(tenant)s
   AND (limit_id, bucket) IN (SELECT * FROM unnest(%(limits)s::uuid[], %(buckets)s::date[]))
 ORDER BY limit_id, bucket
   FOR UPDATE

-- name: set_limit_uses
-- What limits have let through now.
UPDATE payment_limit_use u
   SET used_minor = n.used_minor, used_count = n.used_count, allowed_minor = n.allowed_minor,
       allowed_count = n.allowed_count
  FROM unnest(%(limits)s::uuid[], %(buckets)s::date[], %(used_minor)s::bigint[], %(used_count)s::integer[],
              %(allowed_minor)s::bigint[], %(allowed_count)s::integer[])
       AS n (limit_id, bucket, used_minor, used_count, allowed_minor, allowed_count)
 WHERE u.tenant_id = %(tenant)s AND u.limit_id = n.limit_id AND u.bucket = n.bucket

-- name: release_limit_uses
-- Payments that were not made give back what they took from limits.
WITH given AS (
    SELECT (l ->> 'limit_id')::uuid AS limit_id, (l ->> 'bucket')::date AS bucket, sum(p.amount_minor) AS amount_minor,
           count(*) AS payments
      FROM payment p CROSS JOIN LATERAL jsonb_array_elements(p.limits) AS l
     WHERE p.tenant_id = %(tenant)s AND p.payment_id = ANY (%(payments)s)
     GROUP BY 1, 2
), locked AS (
    SELECT u.limit_id, u.bucket FROM payment_limit_use u JOIN given USING (limit_id, bucket)
     WHERE u.tenant_id = %(tenant)s ORDER BY u.limit_id, u.bucket FOR UPDATE OF u
)
UPDATE payment_limit_use u
   SET used_minor = greatest(u.used_minor - given.amount_minor, 0), used_count = greatest(u.used_count - given.payments, 0)
  FROM given JOIN locked USING (limit_id, bucket)
 WHERE u.tenant_id = %(tenant)s AND u.limit_id = given.limit_id AND u.bucket = given.bucket

-- name: insert_payments
-- New payments; those that are complete at once are internal transfers.
INSERT INTO payment (tenant_id, payment_id, reference, type, state, amount_minor, currency, fee_minor, branch_id,
                     source_account_id, source_code, payee, narration, metadata, body_hash, request_key, rail, route,
                     connection_ids, limits, hold_id, fee_hold_id, transaction_id, approvals_needed, batch_id,
                     line_number, schedule_id, send_after, expires_at, initiated_by, created_at, updated_at,
                     completed_at)
SELECT %(tenant)s, n.payment_id, n.reference, n.type, n.state, n.amount_minor, n.currency, n.fee_minor, n.branch_id,
       n.source_account_id, n.source_code, n.payee, n.narration, n.metadata, n.body_hash, n.request_key, n.rail,
       n.route,
       ARRAY(SELECT jsonb_array_elements_text(n.route -> 'connections')::uuid), n.limits, n.hold_id, n.fee_hold_id,
       n.transaction_id, n.approvals_needed, n.batch_id, n.line_number, n.schedule_id, n.send_after, n.expires_at,
       n.initiated_by, %(now)s, %(now)s, n.completed_at
  FROM unnest(%(payment_id)s::uuid[], %(reference)s::text[], %(type)s::text[], %(state)s::text[],
              %(amount_minor)s::bigint[], %(currency)s::text[], %(fee_minor)s::bigint[], %(branch_id)s::uuid[],
              %(source_account_id)s::uuid[], %(source_code)s::text[], %(payee)s::jsonb[], %(narration)s::text[],
              %(metadata)s::jsonb[], %(body_hash)s::uuid[], %(request_key)s::uuid[], %(rail)s::text[], %(route)s::jsonb[],
              %(limits)s::jsonb[], %(hold_id)s::uuid[], %(fee_hold_id)s::uuid[], %(transaction_id)s::uuid[],
              %(approvals_needed)s::integer[], %(batch_id)s::uuid[], %(line_number)s::integer[],
              %(schedule_id)s::uuid[], %(send_after)s::timestamptz[], %(expires_at)s::timestamptz[],
              %(initiated_by)s::text[], %(completed_at)s::timestamptz[])
       AS n (payment_id, reference, type, state, amount_minor, currency, fee_minor, branch_id, source_account_id,
             source_code, payee, narration, metadata, body_hash, request_key, rail, route, limits, hold_id,
             fee_hold_id, transaction_id, approvals_needed, batch_id, line_number, schedule_id, send_after, expires_at,
             initiated_by, completed_at)

-- name: insert_steps
-- Lines of timelines.
INSERT INTO payment_step (tenant_id, payment_id, step_id, attempt_id, at, state, source, reason, actor, evidence)
SELECT %(tenant)s, n.payment_id, n.step_id, n.attempt_id, %(now)s, n.state, n.source, n.reason, n.actor, n.evidence
  FROM unnest(%(payment_id)s::uuid[], %(step_id)s::uuid[], %(attempt_id)s::uuid[], %(state)s::text[],
              %(source)s::text[], %(reason)s::text[], %(actor)s::text[], %(evidence)s::jsonb[])
       AS n (payment_id, step_id, attempt_id, state, source, reason, actor, evidence)

-- name: lock_payments
-- Payments, held until the transaction ends; always locked in the same order.
SELECT * FROM payment
 WHERE tenant_id = %(tenant)s AND payment_id = ANY (%(payments)s)
 ORDER BY payment_id
   FOR UPDATE

-- name: lock_due_payments
-- Those of the given payments that are still to be sent and that nobody else has taken up.
SELECT * FROM payment
 WHERE tenant_id = %(tenant)s AND payment_id = ANY (%(payments)s) AND state IN ('approved', 'scheduled')
   AND send_after <= %(now)s AND NOT paused
 ORDER BY payment_id
   FOR UPDATE SKIP LOCKED

-- name: due_payments
-- What is to be sent, over all organisations, in turn: one of each organisation, then a second of each. So, too, inside
-- an organisation: from each of its lanes in turn, those of batches last. Lanes are found by jumping along the index.
WITH RECURSIVE lane AS (
    (SELECT p.tenant_id, payment_lane(p.connection_ids, p.candidate) AS connection_id, p.batch_id IS NOT NULL AS bulk
       FROM payment p
      WHERE p.state IN ('approved', 'scheduled') AND NOT p.paused
      ORDER BY p.tenant_id, payment_lane(p.connection_ids, p.candidate), (p.batch_id IS NOT NULL)
      LIMIT 1)
    UNION ALL
    SELECT n.tenant_id, n.connection_id, n.bulk
      FROM lane l
     CROSS JOIN LATERAL (
           SELECT p.tenant_id, payment_lane(p.connection_ids, p.candidate) AS connection_id,
                  p.batch_id IS NOT NULL AS bulk
             FROM payment p
            WHERE p.state IN ('approved', 'scheduled') AND NOT p.paused
              AND (p.tenant_id, payment_lane(p.connection_ids, p.candidate),
                   (p.batch_id IS NOT NULL)) > (l.tenant_id, l.connection_id, l.bulk)
            ORDER BY p.tenant_id, payment_lane(p.connection_ids, p.candidate), (p.batch_id IS NOT NULL)
            LIMIT 1) n
), open AS (
    SELECT l.* FROM lane l
     WHERE l.connection_id <> ALL (%(full)s::uuid[])
       AND NOT EXISTS (SELECT FROM bank_connection c  -- What goes out in files waits for its session.
                        WHERE c.tenant_id = l.tenant_id AND c.connection_id = l.connection_id
                          AND 'bulk_file' = ANY (c.operations))
), head AS (
    SELECT l.tenant_id, l.connection_id, l.bulk, d.payment_id, d.send_after, d.place
      FROM open l
     CROSS JOIN LATERAL (
           SELECT t.payment_id, t.send_after, row_number() OVER (ORDER BY t.send_after, t.payment_id) AS place
             FROM (SELECT p.payment_id, p.send_after FROM payment p
                    WHERE p.tenant_id = l.tenant_id AND payment_lane(p.connection_ids, p.candidate) = l.connection_id
                      AND (p.batch_id IS NOT NULL) = l.bulk
                      AND p.state IN ('approved', 'scheduled') AND NOT p.paused AND p.send_after <= %(now)s
                    -- The whole key of the index, so that it is read in its order and no further than needed.
                    ORDER BY p.tenant_id, payment_lane(p.connection_ids, p.candidate), (p.batch_id IS NOT NULL),
                             p.send_after, p.payment_id
                    -- Nobody needs the whole room of every lane.
                    LIMIT (SELECT greatest(4, 2 * %(limit)s / greatest(count(*), 1)) FROM open)) t) d
)
SELECT tenant_id, payment_id, nullif(connection_id, '00000000-0000-0000-0000-000000000000'::uuid) AS connection_id
  FROM head
 ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY place, bulk, send_after, payment_id), send_after, payment_id
 LIMIT %(limit)s

-- name: postpone_payments
-- Their connection cannot be used now: look again later.
UPDATE payment SET send_after = %(later)s
 WHERE tenant_id = %(tenant)s AND payment_id = ANY (%(payments)s) AND state IN ('approved', 'scheduled')
   AND send_after <= %(now)s

-- name: pause_batch
-- What of a batch may still be sent, or sent again, is not sent until it is resumed. What is under way comes home.
WITH waiting AS (
    SELECT payment_id FROM payment
     WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s AND NOT paused
       AND state IN ('awaiting_approval', 'approved', 'scheduled', 'executing', 'needs_review')
     ORDER BY payment_id
       FOR UPDATE
)
UPDATE payment p SET paused = true FROM waiting w WHERE p.tenant_id = %(tenant)s AND p.payment_id = w.payment_id

-- name: resume_batch
-- A paused batch is sent on.
WITH waiting AS (
    SELECT payment_id FROM payment
     WHERE tenant_id = %(tenant)s AND batch_id = %(batch)s AND paused
     ORDER BY payment_id
       FOR UPDATE
)
UPDATE payment p SET paused = false FROM waiting w WHERE p.tenant_id = %(tenant)s AND p.payment_id = w.payment_id

-- name: payments_by_id
-- Payments as they stand.
SELECT * FROM payment WHERE tenant_id = %(tenant)s AND payment_id = ANY (%(payments)s)

-- name: find_routes
-- Which rail and float each of these connections has, and how far its statement has been read.
SELECT connection_id, rail, float_account_id, statement_until FROM bank_connection
 WHERE tenant_id = %(tenant)s AND connection_id = ANY (%(connections)s)

-- name: insert_provider_event
-- What a rail called us with; a repeat only counts.
INSERT INTO provider_event (tenant_id, event_id, connection_id, content_hash, purpose, ref, authentic, headers, body,
                            received_at, process_after)
VALUES (%(tenant)s, %(event)s, %(connection)s, %(hash)s, %(purpose)s, %(ref)s, %(authentic)s, %(headers)s, %(body)s,
        %(now)s, %(now)s)
ON CONFLICT (tenant_id, connection_id, content_hash) DO UPDATE SET repeats = provider_event.repeats + 1
RETURNING event_id, repeats

-- name: provider_events_to_do
-- Calls of rails that nobody has looked at yet, over all organisations but those `without`, which are put off.
SELECT tenant_id, event_id FROM provider_event
 WHERE state = 'received' AND process_after <= %(now)s AND NOT tenant_id = ANY (%(without)s::uuid[])
 ORDER BY process_after
 LIMIT %(limit)s

-- name: take_provider_events
-- Those that are still to do; nobody else takes them until the transaction ends.
SELECT * FROM provider_event
 WHERE tenant_id = %(tenant)s AND event_id = ANY (%(events)s) AND state = 'received'
 ORDER BY received_at, event_id
   FOR UPDATE SKIP LOCKED

-- name: set_provider_events
-- What became of calls.
UPDATE provider_event e
   SET state = n.state, outcome = n.outcome, tries = e.tries + 1, process_after = n.after
  FROM unnest(%(event_id)s::uuid[], %(state)s::text[], %(outcome)s::jsonb[], %(after)s::timestamptz[])
       AS n (event_id, state, outcome, after)
 WHERE e.tenant_id = %(tenant)s AND e.event_id = n.event_id

-- name: replay_provider_event
-- Look at a call once more, as if it had just come in.
UPDATE provider_event SET state = 'received', process_after = %(now)s
 WHERE tenant_id = %(tenant)s AND event_id = %(event)s
RETURNING event_id

-- name: expired_payments
-- Payments whose time to be approved is over, over all organisations; `without` those put off a moment ago.
SELECT tenant_id, payment_id FROM payment
 WHERE state = 'awaiting_approval' AND expires_at <= %(now)s AND NOT tenant_id = ANY (%(without)s::uuid[])
 ORDER BY expires_at
 LIMIT %(limit)s

-- name: next_due
-- When the next payment is to be sent, asked about, or expires; for clocks that are set by hand.
SELECT least(
    (SELECT min(send_after) FROM payment WHERE state IN ('approved', 'scheduled') AND NOT paused),
    (SELECT min(expires_at) FROM payment WHERE state = 'awaiting_approval'),
    (SELECT min(next_query_at) FROM payment_attempt WHERE state IN ('pending', 'unknown', 'succeeded')),
    (SELECT min(lease_until) FROM payment_attempt WHERE state IN ('created', 'sending')),
    (SELECT min(process_after) FROM provider_event WHERE state = 'received')) AS next_due

-- name: update_payments
-- Where payments stand now.
UPDATE payment p
   SET state = n.state, reason = n.reason, rail = n.rail, candidate = n.candidate, hold_id = n.hold_id,
       fee_hold_id = n.fee_hold_id, transaction_id = n.transaction_id, fee_transaction_id = n.fee_transaction_id,
       approvals_given = n.approvals_given, attempt_count = n.attempt_count, send_after = n.send_after,
       completed_at = n.completed_at, updated_at = %(now)s, version = p.version + 1
  FROM unnest(%(payment_id)s::uuid[], %(state)s::text[], %(reason)s::text[], %(rail)s::text[], %(candidate)s::integer[],
              %(hold_id)s::uuid[], %(fee_hold_id)s::uuid[], %(transaction_id)s::uuid[], %(fee_transaction_id)s::uuid[],
              %(approvals_given)s::integer[], %(attempt_count)s::integer[], %(send_after)s::timestamptz[],
              %(completed_at)s::timestamptz[])
       AS n (payment_id, state, reason, rail, candidate, hold_id, fee_hold_id, transaction_id, fee_transaction_id,
             approvals_given, attempt_count, send_after, completed_at)
 WHERE p.tenant_id = %(tenant)s AND p.payment_id = n.payment_id

-- name: insert_attempts
-- New attempts, named and committed before anything leaves.
INSERT INTO payment_attempt (tenant_id, attempt_id, payment_id, number, rail, connection_id, our_ref, state, claimed_by,
                             lease_until, sent_at, created_at, updated_at)
SELECT %(tenant)s, n.attempt_id, n.payment_id, n.number, n.rail, n.connection_id, n.our_ref, n.state, %(claimed_by)s,
       n.lease_until, n.sent_at, %(now)s, %(now)s
  FROM unnest(%(attempt_id)s::uuid[], %(payment_id)s::uuid[], %(number)s::integer[], %(rail)s::text[],
              %(connection_id)s::uuid[], %(our_ref)s::text[], %(state)s::text[], %(lease_until)s::timestamptz[],
              %(sent_at)s::timestamptz[])
       AS n (attempt_id, payment_id, number, rail, connection_id, our_ref, state, lease_until, sent_at)

-- name: mark_sending
-- The last word before bytes leave: only attempts that are still ours and in time.
UPDATE payment_attempt a
   SET state = 'sending', sent_at = %(now)s, lease_until = n.lease_until, holder = n.holder, updated_at = %(now)s
  FROM unnest(%(attempt_id)s::uuid[], %(holder)s::jsonb[], %(lease_until)s::timestamptz[])
       AS n (attempt_id, holder, lease_until)
 WHERE a.tenant_id = %(tenant)s AND a.attempt_id = n.attempt_id AND a.state = 'created'
   AND a.claimed_by = %(claimed_by)s AND a.lease_until > %(now)s
RETURNING a.attempt_id

-- name: lock_payments_of_attempts
-- The payments of these attempts, held until the transaction ends; payments before attempts, in the same order always.
SELECT * FROM payment
 WHERE tenant_id = %(tenant)s
   AND payment_id IN (SELECT payment_id FROM payment_attempt
                       WHERE tenant_id = %(tenant)s AND attempt_id = ANY (%(attempts)s))
 ORDER BY payment_id
   FOR UPDATE

-- name: lock_families
-- These attempts and every other attempt of their payments, held until the transaction ends.
SELECT * FROM payment_attempt
 WHERE tenant_id = %(tenant)s
   AND payment_id IN (SELECT payment_id FROM payment_attempt
                       WHERE tenant_id = %(tenant)s AND attempt_id = ANY (%(attempts)s))
 ORDER BY payment_id, number
   FOR UPDATE

-- name: siblings
-- Every attempt of these payments, briefly.
SELECT payment_id, attempt_id, number, state, connection_id
  FROM payment_attempt
 WHERE tenant_id = %(tenant)s AND payment_id = ANY (%(payments)s)
 ORDER BY payment_id, number

-- name: update_attempts
-- Where attempts stand now.
UPDATE payment_attempt a
   SET state = n.state, provider_ref = n.provider_ref, code = n.code, code_class = n.code_class, message = n.message,
       receipt = n.receipt, rail_fee_minor = n.rail_fee_minor, evidence = n.evidence,
       sent_at = n.sent_at, next_query_at = n.next_query_at,
       query_count = n.query_count, not_found_count = n.not_found_count, asked_by = NULL, updated_at = %(now)s
  FROM unnest(%(attempt_id)s::uuid[], %(state)s::text[], %(provider_ref)s::text[], %(code)s::text[],
              %(code_class)s::text[], %(message)s::text[], %(receipt)s::text[], %(rail_fee_minor)s::bigint[],
              %(evidence)s::jsonb[], %(sent_at)s::timestamptz[], %(next_query_at)s::timestamptz[],
              %(query_count)s::integer[], %(not_found_count)s::integer[])
       AS n (attempt_id, state, provider_ref, code, code_class, message, receipt, rail_fee_minor, evidence, sent_at,
             next_query_at, query_count, not_found_count)
 WHERE a.tenant_id = %(tenant)s AND a.attempt_id = n.attempt_id

-- name: lost_attempts
-- Attempts whose taker did not come back in time, or is gone, over all organisations. Those in files wait for their file.
-- `without` those put off a moment ago.
SELECT tenant_id, attempt_id, connection_id, state FROM payment_attempt
 WHERE state IN ('created', 'sending') AND NOT attempt_id = ANY (%(without)s::uuid[])
   AND (lease_until <= %(now)s
        OR claimed_by = ANY (%(gone)s::text[]) AND lease_until < created_at + interval '1 day')
 ORDER BY lease_until
 LIMIT %(limit)s

-- name: takers
-- Who has attempts in hand, or asks about some, over all organisations.
SELECT claimed_by AS taker FROM payment_attempt WHERE state IN ('created', 'sending')
UNION
SELECT asked_by FROM payment_attempt WHERE asked_by IS NOT NULL

-- name: tenants_asked_for
-- Organisations for which these were asking.
SELECT DISTINCT tenant_id FROM payment_attempt WHERE asked_by = ANY (%(gone)s::text[])

-- name: ask_again
-- Ask at the next occasion: who asked is gone, and nobody has heard the answer.
UPDATE payment_attempt
   SET next_query_at = CASE WHEN next_query_at > %(now)s THEN %(now)s ELSE next_query_at END, asked_by = NULL
 WHERE tenant_id = %(tenant)s AND asked_by = ANY (%(gone)s::text[])

-- name: attempts_to_ask
-- Attempts about which the rail is to be asked, over all organisations, in turn as with `due_payments`.
WITH RECURSIVE lane AS (
    (SELECT a.tenant_id, a.connection_id FROM payment_attempt a
      WHERE a.state IN ('pending', 'unknown', 'succeeded') AND a.next_query_at IS NOT NULL
      ORDER BY a.tenant_id, a.connection_id
      LIMIT 1)
    UNION ALL
    SELECT n.tenant_id, n.connection_id
      FROM lane l
     CROSS JOIN LATERAL (
           SELECT a.tenant_id, a.connection_id FROM payment_attempt a
            WHERE a.state IN ('pending', 'unknown', 'succeeded') AND a.next_query_at IS NOT NULL
              AND (a.tenant_id, a.connection_id) > (l.tenant_id, l.connection_id)
            ORDER BY a.tenant_id, a.connection_id
            LIMIT 1) n
), open AS (
    SELECT l.* FROM lane l WHERE l.connection_id <> ALL (%(full)s::uuid[])
), head AS (
    SELECT l.tenant_id, l.connection_id, d.attempt_id, d.next_query_at, d.place
      FROM open l
     CROSS JOIN LATERAL (
           SELECT t.attempt_id, t.next_query_at, row_number() OVER (ORDER BY t.next_query_at, t.attempt_id) AS place
             FROM (SELECT a.attempt_id, a.next_query_at FROM payment_attempt a
                    WHERE a.tenant_id = l.tenant_id AND a.connection_id = l.connection_id
                      AND a.state IN ('pending', 'unknown', 'succeeded') AND a.next_query_at <= %(now)s
                    ORDER BY a.tenant_id, a.connection_id, a.next_query_at, a.attempt_id
                    LIMIT (SELECT greatest(4, 2 * %(limit)s / greatest(count(*), 1)) FROM open)) t) d
)
SELECT tenant_id, attempt_id, connection_id
  FROM head
 ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY place, next_query_at, attempt_id), next_query_at, attempt_id
 LIMIT %(limit)s

-- name: take_to_ask
-- Those of the given attempts that are still to be asked about; nobody else asks until the lease is over.
UPDATE payment_attempt a
   SET next_query_at = %(lease_until)s, asked_by = %(asked_by)s
 WHERE (a.tenant_id, a.attempt_id) IN (
       SELECT t.tenant_id, t.attempt_id FROM payment_attempt t
        WHERE t.tenant_id = %(tenant)s AND t.attempt_id = ANY (%(attempts)s) AND t.state IN ('pending', 'unknown', 'succeeded')
          AND t.next_query_at <= %(now)s
          FOR UPDATE SKIP LOCKED)
RETURNING a.*

-- name: ask_now
-- Ask about these attempts at the next occasion: something hints that there is news. The rail's own name for one is kept
-- when we had none, for rails that can only be asked by it.
UPDATE payment_attempt a
   SET next_query_at = least(a.next_query_at, %(now)s), provider_ref = coalesce(a.provider_ref, n.provider_ref)
  FROM unnest(%(attempts)s::uuid[], %(provider_refs)s::text[]) AS n (attempt_id, provider_ref)
 WHERE a.tenant_id = %(tenant)s AND a.attempt_id = n.attempt_id AND a.state IN ('sending', 'pending', 'unknown')

-- name: find_attempts
-- The attempts of a payment, the first first.
SELECT * FROM payment_attempt WHERE tenant_id = %(tenant)s AND payment_id = %(payment)s ORDER BY number

-- name: attempts_by_ref
-- Attempts by their names on the rail.
SELECT * FROM payment_attempt
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND our_ref = ANY (%(refs)s)

-- name: find_steps
-- The timeline of a payment.
SELECT * FROM payment_step WHERE tenant_id = %(tenant)s AND payment_id = %(payment)s ORDER BY step_id

-- name: insert_approval
-- One person's word on a payment. Saying it twice changes nothing.
INSERT INTO payment_approval (tenant_id, payment_id, approver, approved, comment, decided_at)
VALUES (%(tenant)s, %(payment)s, %(approver)s, %(approved)s, %(comment)s, %(now)s)
ON CONFLICT DO NOTHING

-- name: insert_exceptions
-- What does not add up. The same thing about the same attempt is told once until it is resolved.
INSERT INTO payment_exception (tenant_id, exception_id, payment_id, attempt_id, kind, detail, transaction_id, opened_at)
SELECT %(tenant)s, n.exception_id, n.payment_id, n.attempt_id, n.kind, n.detail, n.transaction_id, %(now)s
  FROM unnest(%(exception_id)s::uuid[], %(payment_id)s::uuid[], %(attempt_id)s::uuid[], %(kind)s::text[],
              %(detail)s::jsonb[], %(transaction_id)s::uuid[])
       AS n (exception_id, payment_id, attempt_id, kind, detail, transaction_id)
ON CONFLICT DO NOTHING
RETURNING exception_id, payment_id, kind

-- name: suspense_of
-- The posting by which a late success of this attempt went to suspense.
SELECT transaction_id FROM payment_exception
 WHERE tenant_id = %(tenant)s AND attempt_id = %(attempt)s AND kind = 'late_success' AND transaction_id IS NOT NULL
 ORDER BY opened_at
 LIMIT 1

-- name: surplus_of
-- What this attempt moved beyond the order and was not given back: the postings by which it went to suspense.
SELECT transaction_id FROM payment_exception
 WHERE tenant_id = %(tenant)s AND attempt_id = %(attempt)s AND kind = 'paid_more' AND transaction_id IS NOT NULL
   AND (resolution IS NULL OR NOT starts_with(resolution, 'given_back:'))

-- name: statement_debits
-- What the rail's statement shows as taken for an order.
SELECT amount_minor, currency FROM rail_statement_line
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND our_ref = %(our_ref)s AND NOT credit
 ORDER BY booked_at, line_id

-- name: list_payments
-- A page of payments. The status is that of `public_status`: it looks at the newest attempt while one is alive.
-- sort: -created_at = p.created_at::timestamptz
-- then: p.payment_id::uuid
SELECT p.* FROM payment p
 WHERE p.tenant_id = %(tenant)s
   AND (%(state)s::text IS NULL OR p.state = %(state)s)
   AND (%(status)s::text IS NULL OR %(status)s = CASE p.state
       WHEN 'awaiting_approval' THEN 'AWAITING_APPROVAL'
       WHEN 'approved' THEN 'PENDING'
       WHEN 'scheduled' THEN 'PENDING'
       WHEN 'executing' THEN CASE WHEN EXISTS (
           SELECT FROM payment_attempt a
            WHERE a.tenant_id = p.tenant_id AND a.payment_id = p.payment_id AND a.state = 'created')
           THEN 'PROCESSING' ELSE 'SENT_TO_BANK' END
       WHEN 'needs_review' THEN CASE p.reason WHEN 'name_mismatch' THEN 'PROCESSING' ELSE 'SENT_TO_BANK' END
       WHEN 'succeeded' THEN 'CONFIRMED'
       WHEN 'reversed' THEN 'REVERSED'
       WHEN 'expired' THEN 'EXPIRED'
       ELSE 'FAILED' END)
   AND (%(connection)s::uuid IS NULL OR p.connection_ids[p.candidate + 1] = %(connection)s)
   AND (%(type)s::text IS NULL OR p.type = %(type)s)
   AND (%(batch)s::uuid IS NULL OR p.batch_id = %(batch)s)
   AND (%(created_from)s::timestamptz IS NULL OR p.created_at >= %(created_from)s)
   AND (%(created_to)s::timestamptz IS NULL OR p.created_at < %(created_to)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: last_attempts
-- The newest attempt of each of these payments.
SELECT DISTINCT ON (payment_id) * FROM payment_attempt
 WHERE tenant_id = %(tenant)s AND payment_id = ANY (%(payments)s)
 ORDER BY payment_id, number DESC

-- name: list_unknown
-- Attempts nobody knows the outcome of.
-- sort: sent_at = a.sent_at::timestamptz
-- then: a.attempt_id::uuid
SELECT a.* FROM payment_attempt a
 WHERE a.tenant_id = %(tenant)s AND a.state IN ('unknown', 'manual') AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: list_exceptions
-- What does not add up.
-- sort: -opened_at = e.opened_at::timestamptz
-- then: e.exception_id::uuid
SELECT e.* FROM payment_exception e
 WHERE e.tenant_id = %(tenant)s
   AND (%(open)s::boolean IS NULL OR (e.resolved_at IS NULL) = %(open)s)
   AND (%(kind)s::text IS NULL OR e.kind = %(kind)s)
   AND (%(payment)s::uuid IS NULL OR e.payment_id = %(payment)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: list_provider_events
-- What rails called us with, without the bodies.
-- sort: -received_at = e.received_at::timestamptz
-- then: e.event_id::uuid
SELECT e.event_id, e.connection_id, e.purpose, e.ref, e.authentic, e.received_at, e.repeats, e.state, e.outcome,
       e.tries, length(e.body) AS body_bytes
  FROM provider_event e
 WHERE e.tenant_id = %(tenant)s
   AND (%(state)s::text IS NULL OR e.state = %(state)s)
   AND (%(connection)s::uuid IS NULL OR e.connection_id = %(connection)s)
   AND (%(ref)s::text IS NULL OR e.ref = %(ref)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: find_provider_event
-- One call of a rail, whole.
SELECT e.*, length(e.body) AS body_bytes FROM provider_event e
 WHERE e.tenant_id = %(tenant)s AND e.event_id = %(event)s

-- name: find_approvals
-- Who said what to a payment.
SELECT approver, approved, comment, decided_at FROM payment_approval
 WHERE tenant_id = %(tenant)s AND payment_id = %(payment)s
 ORDER BY decided_at, approver

-- name: statements_due
-- Connections whose statement was not read for a while, over all organisations, the longest waiting first; `without`
-- those that could not be read a moment ago.
SELECT tenant_id, connection_id FROM bank_connection
 WHERE status <> 'closed' AND %(operation)s = ANY (operations)
   AND (statement_until IS NULL OR statement_until <= %(before)s) AND NOT connection_id = ANY (%(without)s::uuid[])
 ORDER BY statement_until NULLS FIRST, connection_id
 LIMIT %(limit)s

-- name: set_statement_until
-- How far a statement has been read; it never goes back.
UPDATE bank_connection SET statement_until = greatest(statement_until, %(until)s)
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s

-- name: insert_statement_lines
-- Lines of a statement that were not there yet.
INSERT INTO rail_statement_line (tenant_id, connection_id, line_id, booked_at, amount_minor, currency, credit, our_ref,
                                 provider_ref, narration, read_at)
SELECT %(tenant)s, %(connection)s, n.line_id, n.booked_at, n.amount_minor, n.currency, n.credit, n.our_ref,
       n.provider_ref, n.narration, %(now)s
  FROM unnest(%(line_id)s::text[], %(booked_at)s::timestamptz[], %(amount_minor)s::bigint[], %(currency)s::text[],
              %(credit)s::boolean[], %(our_ref)s::text[], %(provider_ref)s::text[], %(narration)s::text[])
       AS n (line_id, booked_at, amount_minor, currency, credit, our_ref, provider_ref, narration)
ON CONFLICT DO NOTHING
RETURNING line_id

-- name: rail_words
-- What the rail itself has said about an order: debits and credits on its statement, a success that did not fit.
SELECT (SELECT count(*) FROM rail_statement_line l
         WHERE l.tenant_id = %(tenant)s AND l.connection_id = %(connection)s AND l.our_ref = %(our_ref)s
           AND NOT l.credit) AS booked,
       (SELECT count(*) FROM rail_statement_line l
         WHERE l.tenant_id = %(tenant)s AND l.connection_id = %(connection)s AND l.our_ref = %(our_ref)s
           AND l.credit) AS given_back,
       EXISTS (SELECT FROM payment_exception e
                WHERE e.tenant_id = %(tenant)s AND e.attempt_id = %(attempt)s AND e.resolved_at IS NULL
                  AND e.kind IN ('integrity_mismatch', 'contradiction')) AS doubtful

-- name: set_accepted_name
-- The payee's name at the rail, as people have accepted it.
UPDATE payment SET accepted_name = %(name)s WHERE tenant_id = %(tenant)s AND payment_id = %(payment)s

-- name: lock_exception
-- An exception that is open, held until the transaction ends.
SELECT * FROM payment_exception
 WHERE tenant_id = %(tenant)s AND exception_id = %(exception)s AND resolved_at IS NULL
   FOR UPDATE

-- name: lock_open_exceptions
-- What does not add up about a payment, held until the transaction ends.
SELECT * FROM payment_exception
 WHERE tenant_id = %(tenant)s AND payment_id = %(payment)s AND resolved_at IS NULL
 ORDER BY exception_id
   FOR UPDATE

-- name: resolve_exceptions
-- What somebody has made of exceptions.
UPDATE payment_exception SET resolved_at = %(now)s, resolved_by = %(by)s, resolution = %(text)s
 WHERE tenant_id = %(tenant)s AND exception_id = ANY (%(exceptions)s) AND resolved_at IS NULL
