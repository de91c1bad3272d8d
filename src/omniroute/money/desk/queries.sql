-- name: branch_of_payment
-- Which branch a payment belongs to.
SELECT branch_id FROM payment WHERE tenant_id = %(tenant)s AND payment_id = %(payment)s

-- name: payment_of_attempt
-- Which payment an attempt belongs to.
SELECT payment_id FROM payment_attempt WHERE tenant_id = %(tenant)s AND attempt_id = %(attempt)s

-- name: payment_of_exception
-- Which payment an exception is about.
SELECT payment_id FROM payment_exception WHERE tenant_id = %(tenant)s AND exception_id = %(exception)s

-- name: insert_request
-- A new approval request.
INSERT INTO approval_request (tenant_id, request_id, kind, subject_id, payment_id, branch_id, payload, evidence,
                              requested_by, approvals_needed, created_at, expires_at)
VALUES (%(tenant)s, %(request)s, %(kind)s, %(subject)s, %(payment)s, %(branch)s, %(payload)s, %(evidence)s,
        %(requested_by)s, %(needed)s, %(now)s, %(expires_at)s)
RETURNING *

-- name: find_request
-- One approval request.
SELECT * FROM approval_request WHERE tenant_id = %(tenant)s AND request_id = %(request)s

-- name: lock_request
-- One approval request, held until the transaction ends.
SELECT * FROM approval_request WHERE tenant_id = %(tenant)s AND request_id = %(request)s FOR UPDATE

-- name: update_request
-- Where an approval request stands now.
UPDATE approval_request
   SET state = %(state)s, approvals_given = %(given)s, outcome = %(outcome)s, closed_at = %(closed_at)s,
       version = version + 1
 WHERE tenant_id = %(tenant)s AND request_id = %(request)s
RETURNING *

-- name: insert_decision
-- One person's word on an approval request. Saying it twice changes nothing.
INSERT INTO approval_decision (tenant_id, request_id, approver, approved, comment, decided_at)
VALUES (%(tenant)s, %(request)s, %(approver)s, %(approved)s, %(comment)s, %(now)s)
ON CONFLICT DO NOTHING

-- name: find_decisions
-- Who said what to an approval request.
SELECT approver, approved, comment, decided_at FROM approval_decision
 WHERE tenant_id = %(tenant)s AND request_id = %(request)s
 ORDER BY decided_at, approver

-- name: list_requests
-- A page of approval requests.
-- sort: -created_at = r.created_at::timestamptz
-- then: r.request_id::uuid
SELECT r.* FROM approval_request r
 WHERE r.tenant_id = %(tenant)s
   AND (%(state)s::text IS NULL OR r.state = %(state)s)
   AND (%(kind)s::text IS NULL OR r.kind = %(kind)s)
   AND (%(payment)s::uuid IS NULL OR r.payment_id = %(payment)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: expired_requests
-- Approval requests nobody decided on in time, over all organisations.
SELECT tenant_id, request_id FROM approval_request
 WHERE state = 'open' AND expires_at <= %(now)s
 ORDER BY expires_at
 LIMIT %(limit)s

-- name: insert_reversal
-- A request to take a paid order back, to be sent.
INSERT INTO payment_reversal (tenant_id, reversal_id, payment_id, attempt_id, connection_id, rail, request_id, rail_ref,
                              state, send_after, created_at, updated_at)
VALUES (%(tenant)s, %(reversal)s, %(payment)s, %(attempt)s, %(connection)s, %(rail)s, %(request)s, %(rail_ref)s,
        'created', %(now)s, %(now)s, %(now)s)
RETURNING *

-- name: live_reversals
-- Requests that may have taken this order back, or still may.
SELECT reversal_id, state FROM payment_reversal
 WHERE tenant_id = %(tenant)s AND attempt_id = %(attempt)s AND state NOT IN ('not_sent', 'declined')

-- name: find_reversal
-- One reversal.
SELECT * FROM payment_reversal WHERE tenant_id = %(tenant)s AND reversal_id = %(reversal)s

-- name: lock_reversal
-- One reversal, held until the transaction ends.
SELECT * FROM payment_reversal WHERE tenant_id = %(tenant)s AND reversal_id = %(reversal)s FOR UPDATE

-- name: reversals_of_payment
-- Every reversal of a payment, the first first.
SELECT * FROM payment_reversal WHERE tenant_id = %(tenant)s AND payment_id = %(payment)s ORDER BY reversal_id

-- name: reversals_to_send
-- Reversals that nobody has sent yet, over all organisations; here and below `without` those that are put off.
SELECT tenant_id, reversal_id, connection_id FROM payment_reversal
 WHERE state = 'created' AND send_after <= %(now)s AND NOT reversal_id = ANY (%(without)s::uuid[])
 ORDER BY send_after
 LIMIT %(limit)s

-- name: claim_reversal
-- Take a reversal up: named and committed before a byte of it leaves.
UPDATE payment_reversal
   SET state = 'sending', our_ref = coalesce(our_ref, %(our_ref)s), claimed_by = %(claimed_by)s,
       lease_until = %(lease_until)s, sent_at = %(now)s, tries = tries + 1, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND reversal_id = %(reversal)s AND state = 'created' AND send_after <= %(now)s
RETURNING *

-- name: reversals_to_ask
-- Reversals whose order the rail is to be asked about, over all organisations.
SELECT r.tenant_id, r.reversal_id, r.connection_id FROM payment_reversal r
 WHERE r.state IN ('pending', 'unknown') AND (r.next_query_at <= %(now)s OR EXISTS (
    SELECT FROM payment_attempt a
     WHERE a.tenant_id = r.tenant_id AND a.attempt_id = r.attempt_id AND a.state = 'reversed'))
   AND NOT r.reversal_id = ANY (%(without)s::uuid[])
 ORDER BY r.next_query_at
 LIMIT %(limit)s

-- name: take_reversal_to_ask
-- Nobody else asks until the lease is over. When the order is known to be back, nobody needs to be asked.
UPDATE payment_reversal r SET next_query_at = %(lease_until)s
 WHERE r.tenant_id = %(tenant)s AND r.reversal_id = %(reversal)s AND r.state IN ('pending', 'unknown')
   AND (r.next_query_at <= %(now)s OR EXISTS (
    SELECT FROM payment_attempt a
     WHERE a.tenant_id = r.tenant_id AND a.attempt_id = r.attempt_id AND a.state = 'reversed'))
RETURNING r.*

-- name: hint_reversal
-- Ask about the order of this request at the next occasion: the rail has called about it.
UPDATE payment_reversal SET next_query_at = least(next_query_at, %(now)s)
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND our_ref = %(ref)s
   AND state IN ('sending', 'pending', 'unknown')
RETURNING reversal_id

-- name: is_reversal
-- Whether this is our name for a request to take something back.
SELECT EXISTS (SELECT FROM payment_reversal
                WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND our_ref = %(ref)s) AS is_reversal

-- name: lost_reversals
-- Reversals whose taker did not come back in time, over all organisations.
SELECT tenant_id, reversal_id, connection_id FROM payment_reversal
 WHERE state = 'sending' AND lease_until <= %(now)s AND NOT reversal_id = ANY (%(without)s::uuid[])
 ORDER BY lease_until
 LIMIT %(limit)s

-- name: postpone_reversal
-- Its connection cannot be used now: look again later.
UPDATE payment_reversal SET send_after = %(later)s
 WHERE tenant_id = %(tenant)s AND reversal_id = %(reversal)s AND state = 'created' AND send_after <= %(now)s

-- name: update_reversal
-- Where a reversal stands now.
UPDATE payment_reversal
   SET state = %(state)s, provider_ref = %(provider_ref)s, code = %(code)s, message = %(message)s,
       send_after = %(send_after)s, sent_at = %(sent_at)s, next_query_at = %(next_query_at)s,
       query_count = %(query_count)s, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND reversal_id = %(reversal)s
RETURNING *

-- name: next_due
-- When the next reversal is to be sent or asked about; for clocks that are set by hand.
SELECT least(
    (SELECT min(send_after) FROM payment_reversal WHERE state = 'created'),
    (SELECT min(lease_until) FROM payment_reversal WHERE state = 'sending'),
    (SELECT min(next_query_at) FROM payment_reversal WHERE state IN ('pending', 'unknown'))) AS next_due
