-- name: connections_with_due
-- Connections to which files go, and on which payments wait to be sent, over all organisations.
SELECT c.tenant_id, c.connection_id
  FROM bank_connection c
 WHERE 'bulk_file' = ANY (c.operations) AND c.status = 'active'
   AND EXISTS (SELECT FROM payment p
                WHERE p.tenant_id = c.tenant_id
                  AND payment_lane(p.connection_ids, p.candidate) = c.connection_id
                  AND p.state IN ('approved', 'scheduled') AND NOT p.paused AND p.send_after <= %(now)s)

-- name: due_on_connection
-- Payments that wait to go into a file, the oldest first.
SELECT p.payment_id FROM payment p
 WHERE p.tenant_id = %(tenant)s AND p.state IN ('approved', 'scheduled') AND NOT p.paused AND p.send_after <= %(now)s
   AND payment_lane(p.connection_ids, p.candidate) = %(connection)s
 ORDER BY p.payment_id
 LIMIT %(limit)s

-- name: wait_for_session
-- Payments that wait to go into a file wait for the next session.
UPDATE payment p SET send_after = %(until)s
 WHERE p.tenant_id = %(tenant)s AND p.state IN ('approved', 'scheduled') AND NOT p.paused AND p.send_after <= %(now)s
   AND payment_lane(p.connection_ids, p.candidate) = %(connection)s

-- name: wait_no_longer
-- What is approved for this connection goes now; what somebody scheduled for later stays where it is.
UPDATE payment p SET send_after = %(now)s
 WHERE p.tenant_id = %(tenant)s AND p.state = 'approved' AND NOT p.paused AND p.send_after > %(now)s
   AND payment_lane(p.connection_ids, p.candidate) = %(connection)s

-- name: insert_file
-- A new file.
INSERT INTO rail_file (tenant_id, file_id, connection_id, message_id, name, content, order_count, amount_minor,
                       currency, cut_off, answers_by, deliver_after, created_at)
VALUES (%(tenant)s, %(file)s, %(connection)s, %(message_id)s, %(name)s, %(content)s, %(order_count)s,
        %(amount_minor)s, %(currency)s, %(cut_off)s, %(answers_by)s, %(now)s, %(now)s)

-- name: insert_orders
-- The orders of a new file.
INSERT INTO rail_file_order (tenant_id, file_id, attempt_id, our_ref, block)
SELECT %(tenant)s, %(file)s, n.attempt_id, n.our_ref, n.block
  FROM unnest(%(attempt_id)s::uuid[], %(our_ref)s::text[], %(block)s::text[]) AS n (attempt_id, our_ref, block)

-- name: files_to_deliver
-- Files that nobody has delivered yet, over all organisations, the oldest first.
SELECT tenant_id, file_id, connection_id FROM rail_file
 WHERE state = 'made' AND deliver_after <= %(now)s
 ORDER BY deliver_after
 LIMIT %(limit)s

-- name: withdraw_file
-- A file whose session is over, and of which it is certain that it was not delivered, never will be.
UPDATE rail_file SET state = 'withdrawn', detail = 'its session was over before it could be delivered'
 WHERE tenant_id = %(tenant)s AND file_id = %(file)s AND state = 'made' AND cut_off <= %(now)s
RETURNING file_id

-- name: take_file
-- Deliver this file, if it is still to be delivered; nobody else does until the lease is over.
UPDATE rail_file
   SET state = 'delivering', claimed_by = %(worker)s, lease_until = %(lease_until)s, tries = tries + 1
 WHERE tenant_id = %(tenant)s AND file_id = %(file)s AND state = 'made' AND deliver_after <= %(now)s
RETURNING file_id, connection_id, message_id, name, content, tries

-- name: set_delivery
-- What became of a delivery. Only whoever delivers says so; that it was delivered is true even after the lease.
UPDATE rail_file
   SET state = %(state)s, lease_until = NULL, detail = %(detail)s, deliver_after = %(again)s,
       sent_at = CASE %(state)s WHEN 'delivered' THEN %(now)s::timestamptz ELSE sent_at END
 WHERE tenant_id = %(tenant)s AND file_id = %(file)s AND claimed_by = %(worker)s
   AND (state = 'delivering' OR (state = 'doubtful' AND %(state)s = 'delivered'))
RETURNING file_id

-- name: lost_deliveries
-- Files whose deliverer did not come back in time, over all organisations.
SELECT tenant_id, file_id, connection_id FROM rail_file
 WHERE state = 'delivering' AND lease_until <= %(now)s
 ORDER BY lease_until
 LIMIT %(limit)s

-- name: doubt_file
-- Whoever delivered it did not come back: it may have arrived.
UPDATE rail_file
   SET state = 'doubtful', lease_until = NULL, detail = 'whoever delivered it did not come back in time'
 WHERE tenant_id = %(tenant)s AND file_id = %(file)s AND state = 'delivering' AND lease_until <= %(now)s
RETURNING file_id

-- name: file_by_message
-- A file of ours by the name under which the bank knows it.
SELECT file_id, state FROM rail_file
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND message_id = %(message_id)s
   FOR UPDATE

-- name: orders_of_file
-- The orders of a file.
SELECT attempt_id, our_ref, block FROM rail_file_order
 WHERE tenant_id = %(tenant)s AND file_id = %(file)s
 ORDER BY attempt_id

-- name: set_answered
-- The bank has answered, so the file was delivered, whatever we thought.
UPDATE rail_file
   SET state = 'delivered', lease_until = NULL, sent_at = coalesce(sent_at, %(now)s), answered_at = %(now)s,
       answer_code = coalesce(%(code)s, answer_code)
 WHERE tenant_id = %(tenant)s AND file_id = %(file)s

-- name: folder_connections
-- Connections whose files are exchanged in folders, over all organisations.
SELECT tenant_id, connection_id FROM bank_connection
 WHERE status <> 'closed' AND 'bulk_file' = ANY (operations) AND endpoint = %(endpoint)s
 ORDER BY tenant_id, connection_id

-- name: find_file
-- One file, without its content.
SELECT file_id, connection_id, message_id, name, state, order_count, amount_minor, currency, cut_off, answers_by, tries,
       detail, created_at, sent_at, answered_at, answer_code
  FROM rail_file WHERE tenant_id = %(tenant)s AND file_id = %(file)s

-- name: file_content
-- What was, or will be, handed to the bank.
SELECT content FROM rail_file WHERE tenant_id = %(tenant)s AND file_id = %(file)s

-- name: list_files
-- A page of files, without their contents.
-- sort: -created_at = f.created_at::timestamptz
-- then: f.file_id::uuid
SELECT f.file_id, f.connection_id, f.message_id, f.name, f.state, f.order_count, f.amount_minor, f.currency, f.cut_off,
       f.answers_by, f.tries, f.detail, f.created_at, f.sent_at, f.answered_at, f.answer_code
  FROM rail_file f
 WHERE f.tenant_id = %(tenant)s AND (%(connection)s::uuid IS NULL OR f.connection_id = %(connection)s)
   AND (%(state)s::text IS NULL OR f.state = %(state)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s
