-- name: count_endpoints
-- How many endpoints the organisation has.
SELECT count(*) FROM webhook_endpoint WHERE tenant_id = %(tenant)s AND status <> 'deleted'

-- name: insert_endpoint
-- A new endpoint; what was committed before this cut of the log is not sent to it.
INSERT INTO webhook_endpoint (tenant_id, endpoint_id, url, description, event_types, status, since_top, since_open,
                              created_at, updated_at)
VALUES (%(tenant)s, %(endpoint)s, %(url)s, %(description)s, %(types)s, %(status)s, %(top)s, %(open)s::bigint[], %(now)s,
        %(now)s)
RETURNING *

-- name: find_endpoint
-- One endpoint.
SELECT * FROM webhook_endpoint
 WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND status <> 'deleted'

-- name: list_endpoints
-- A page of endpoints.
-- sort: created_at = e.created_at::timestamptz
-- sort: updated_at = e.updated_at::timestamptz
-- then: e.endpoint_id::uuid
SELECT e.* FROM webhook_endpoint e
 WHERE e.tenant_id = %(tenant)s AND e.status <> 'deleted' AND (%(status)s::text IS NULL OR e.status = %(status)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: update_endpoint
-- Change an endpoint that is still as it was read. One that is made active again starts with a clean record.
UPDATE webhook_endpoint
   SET url = %(url)s, description = %(description)s, event_types = %(types)s,
       failure_count = CASE WHEN status = %(status)s THEN failure_count ELSE 0 END,
       failing_since = CASE WHEN status = %(status)s THEN failing_since END,
       rests_until = CASE WHEN status = %(status)s THEN rests_until END,
       status_reason = CASE WHEN status = %(status)s THEN status_reason ELSE %(reason)s END,
       status = %(status)s, version = version + 1, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND version = %(version)s AND status <> 'deleted'
RETURNING *

-- name: touch_endpoint
-- Count a change of the secrets as a change of the endpoint, if it is still as it was read.
UPDATE webhook_endpoint SET version = version + 1, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND version = %(version)s AND status <> 'deleted'
RETURNING *

-- name: disable_endpoint
-- Stop sending to an endpoint by ourselves.
UPDATE webhook_endpoint
   SET status = 'disabled', status_reason = %(reason)s, version = version + 1, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND status IN ('active', 'paused')
RETURNING *

-- name: insert_secret
-- A new signing secret, sealed.
INSERT INTO webhook_secret (tenant_id, secret_id, endpoint_id, sealed, created_at)
VALUES (%(tenant)s, %(secret)s, %(endpoint)s, %(sealed)s, %(now)s)

-- name: end_secrets
-- Give the secrets of an endpoint that have no end, or a later one, this end.
UPDATE webhook_secret SET expires_at = %(ends)s
 WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND (expires_at IS NULL OR expires_at > %(ends)s)

-- name: list_secrets
-- Secrets of endpoints that sign now, the newest first, without themselves.
SELECT secret_id, endpoint_id, created_at, expires_at FROM webhook_secret
 WHERE tenant_id = %(tenant)s AND endpoint_id = ANY (%(endpoints)s) AND (expires_at IS NULL OR expires_at > %(now)s)
 ORDER BY created_at DESC, secret_id DESC

-- name: sealed_secrets
-- Secrets of endpoints that sign now, the newest first.
SELECT secret_id, endpoint_id, sealed FROM webhook_secret
 WHERE tenant_id = %(tenant)s AND endpoint_id = ANY (%(endpoints)s) AND (expires_at IS NULL OR expires_at > %(now)s)
 ORDER BY created_at DESC, secret_id DESC

-- name: all_sealed_secrets
-- Every secret of every organisation, to be sealed anew.
SELECT tenant_id, secret_id, sealed FROM webhook_secret ORDER BY tenant_id, secret_id

-- name: reseal_secret
-- Put a secret under a new key, where the old value still stands.
UPDATE webhook_secret SET sealed = %(after)s
 WHERE tenant_id = %(tenant)s AND secret_id = %(secret)s AND sealed = %(before)s

-- name: listening_endpoints
-- Endpoints of every organisation, to decide what is queued for them.
SELECT tenant_id, endpoint_id, event_types, status, since_top, since_open FROM webhook_endpoint
 WHERE status <> 'deleted'

-- name: queue_deliveries
-- Queue events for endpoints, each once. What comes after one that waits for another attempt need not look sooner.
INSERT INTO webhook_delivery (tenant_id, delivery_id, endpoint_id, event_id, event_seq, event_type, event_at, subject,
                              is_manual, next_attempt_at, created_at)
SELECT %(tenant)s, q.delivery_id, q.endpoint_id, q.event_id, q.event_seq, q.event_type, q.event_at, q.subject,
       q.is_manual,
       greatest(%(now)s::timestamptz, CASE WHEN NOT q.is_manual THEN (
           SELECT b.next_attempt_at FROM webhook_delivery b
            WHERE b.tenant_id = %(tenant)s AND b.endpoint_id = q.endpoint_id AND b.subject = q.subject
              AND b.status = 'pending' AND NOT b.is_manual AND b.event_seq < q.event_seq
            ORDER BY b.event_seq LIMIT 1) END),
       %(now)s
  FROM unnest(%(deliveries)s::uuid[], %(endpoints)s::uuid[], %(events)s::uuid[], %(seqs)s::bigint[], %(types)s::text[],
              %(instants)s::timestamptz[], %(subjects)s::uuid[], %(manual)s::boolean[])
       AS q (delivery_id, endpoint_id, event_id, event_seq, event_type, event_at, subject, is_manual)
 ORDER BY q.endpoint_id, q.event_seq
ON CONFLICT ON CONSTRAINT webhook_delivery_event_key DO NOTHING

-- name: due_deliveries
-- Some due deliveries of each endpoint that has any, endpoint by endpoint from a place on: the index is left out between
-- one endpoint and the next, so a long queue of one does not hide those of the others, and costs them nothing.
WITH RECURSIVE waiting AS (
    (SELECT d.tenant_id, d.endpoint_id FROM webhook_delivery d
      WHERE d.status = 'pending' AND NOT d.is_manual
        AND (d.tenant_id, d.endpoint_id) > (%(after_tenant)s::uuid, %(after_endpoint)s::uuid)
      ORDER BY d.tenant_id, d.endpoint_id LIMIT 1)
    UNION ALL
    SELECT n.tenant_id, n.endpoint_id
      FROM waiting w
     CROSS JOIN LATERAL (
        SELECT d.tenant_id, d.endpoint_id FROM webhook_delivery d
         WHERE d.status = 'pending' AND NOT d.is_manual AND (d.tenant_id, d.endpoint_id) > (w.tenant_id, w.endpoint_id)
         ORDER BY d.tenant_id, d.endpoint_id LIMIT 1) n
), asked AS (
    (SELECT d.tenant_id, d.endpoint_id FROM webhook_delivery d
      WHERE d.status = 'pending' AND d.is_manual
        AND (d.tenant_id, d.endpoint_id) > (%(after_tenant)s::uuid, %(after_endpoint)s::uuid)
      ORDER BY d.tenant_id, d.endpoint_id LIMIT 1)
    UNION ALL
    SELECT n.tenant_id, n.endpoint_id
      FROM asked w
     CROSS JOIN LATERAL (
        SELECT d.tenant_id, d.endpoint_id FROM webhook_delivery d
         WHERE d.status = 'pending' AND d.is_manual AND (d.tenant_id, d.endpoint_id) > (w.tenant_id, w.endpoint_id)
         ORDER BY d.tenant_id, d.endpoint_id LIMIT 1) n
)
SELECT due.tenant_id, due.endpoint_id, due.failure_count, due.delivery_id
  FROM (SELECT e.tenant_id, e.endpoint_id, e.failure_count, d.delivery_id
          FROM waiting w
          JOIN webhook_endpoint e ON e.tenant_id = w.tenant_id AND e.endpoint_id = w.endpoint_id
           AND e.status = 'active' AND (e.rests_until IS NULL OR e.rests_until <= %(now)s)
         CROSS JOIN LATERAL (
            SELECT d.delivery_id FROM webhook_delivery d
             WHERE d.tenant_id = w.tenant_id AND d.endpoint_id = w.endpoint_id AND d.status = 'pending'
               AND NOT d.is_manual AND d.next_attempt_at <= %(now)s
             ORDER BY d.next_attempt_at, d.event_seq LIMIT %(each)s) d
        UNION ALL
        SELECT e.tenant_id, e.endpoint_id, e.failure_count, d.delivery_id
          FROM asked w
          JOIN webhook_endpoint e ON e.tenant_id = w.tenant_id AND e.endpoint_id = w.endpoint_id
           AND e.status <> 'deleted'
         CROSS JOIN LATERAL (
            SELECT d.delivery_id FROM webhook_delivery d
             WHERE d.tenant_id = w.tenant_id AND d.endpoint_id = w.endpoint_id AND d.status = 'pending'
               AND d.is_manual AND d.next_attempt_at <= %(now)s
             ORDER BY d.next_attempt_at LIMIT %(each)s) d) due
 ORDER BY due.tenant_id, due.endpoint_id LIMIT %(limit)s

-- name: claim_deliveries
-- Take up due deliveries, as many of each endpoint as it has room for. One that is behind an earlier delivery of its
-- subject is not taken: it looks again when that one is due.
WITH wanted AS (
    SELECT d.delivery_id, d.endpoint_id, d.subject, d.event_seq, d.is_manual, d.next_attempt_at
      FROM webhook_delivery d
     WHERE d.tenant_id = %(tenant)s AND d.delivery_id = ANY (%(deliveries)s) AND d.status = 'pending'
       AND d.next_attempt_at <= %(now)s
     ORDER BY d.delivery_id
       FOR UPDATE SKIP LOCKED
), judged AS (
    SELECT w.*, CASE WHEN NOT w.is_manual THEN (
               SELECT b.next_attempt_at FROM webhook_delivery b
                WHERE b.tenant_id = %(tenant)s AND b.endpoint_id = w.endpoint_id AND b.subject = w.subject
                  AND b.status = 'pending' AND NOT b.is_manual AND b.event_seq < w.event_seq
                ORDER BY b.event_seq LIMIT 1) END AS waits_until
      FROM wanted w
), ranked AS (
    SELECT j.delivery_id, j.endpoint_id,
           row_number() OVER (PARTITION BY j.endpoint_id ORDER BY j.is_manual DESC, j.next_attempt_at, j.event_seq) AS place
      FROM judged j WHERE j.waits_until IS NULL
), changed AS (
    SELECT r.delivery_id, true AS taken, %(lease)s::timestamptz AS at
      FROM ranked r
      JOIN unnest(%(endpoints)s::uuid[], %(rooms)s::integer[]) AS space (endpoint_id, room)
        ON space.endpoint_id = r.endpoint_id AND r.place <= space.room
    UNION ALL
    SELECT j.delivery_id, false, CASE WHEN j.waits_until > %(now)s THEN j.waits_until ELSE %(lease)s::timestamptz END
      FROM judged j WHERE j.waits_until IS NOT NULL
)
UPDATE webhook_delivery d
   SET next_attempt_at = c.at, claim = d.claim + c.taken::integer,
       leased_until = CASE WHEN c.taken THEN c.at ELSE d.leased_until END
  FROM changed c
 WHERE d.tenant_id = %(tenant)s AND d.delivery_id = c.delivery_id
RETURNING d.delivery_id, d.endpoint_id, d.event_id, d.event_seq, d.event_type, d.subject, d.is_manual, d.try_count,
          d.claim, c.taken

-- name: find_endpoints
-- Endpoints by id.
SELECT endpoint_id, url FROM webhook_endpoint WHERE tenant_id = %(tenant)s AND endpoint_id = ANY (%(endpoints)s)

-- name: record_delivery
-- What came of a claimed delivery, unless it was claimed anew since.
UPDATE webhook_delivery
   SET status = %(status)s, attempt_count = attempt_count + 1, try_count = try_count + 1, leased_until = NULL,
       next_attempt_at = %(next)s, last_status = %(answered)s, last_reason = %(reason)s,
       finished_at = CASE WHEN %(status)s <> 'pending' THEN %(now)s::timestamptz END
 WHERE tenant_id = %(tenant)s AND delivery_id = %(delivery)s AND claim = %(claim)s AND status = 'pending'
RETURNING attempt_count

-- name: insert_attempt
-- One line of the log.
INSERT INTO webhook_attempt (tenant_id, delivery_id, number, started_at, duration_ms, status, reason, reply)
VALUES (%(tenant)s, %(delivery)s, %(number)s, %(started)s, %(duration)s, %(answered)s, %(reason)s, %(reply)s)

-- name: wake_next
-- The next delivery of the subject need not wait any longer.
UPDATE webhook_delivery d
   SET next_attempt_at = %(now)s
 WHERE d.tenant_id = %(tenant)s AND d.endpoint_id = %(endpoint)s AND d.subject = %(subject)s AND d.status = 'pending'
   AND NOT d.is_manual AND d.next_attempt_at > %(now)s AND (d.leased_until IS NULL OR d.leased_until <= %(now)s)
   AND d.event_seq = (SELECT min(b.event_seq) FROM webhook_delivery b
                       WHERE b.tenant_id = %(tenant)s AND b.endpoint_id = %(endpoint)s AND b.subject = %(subject)s
                         AND b.status = 'pending' AND NOT b.is_manual)

-- name: endpoint_answered
-- An endpoint took a delivery; noted at most once a minute while it goes well.
UPDATE webhook_endpoint
   SET failure_count = 0, failing_since = NULL, rests_until = NULL, delivered_at = %(now)s
 WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s
   AND (failure_count > 0 OR failing_since IS NOT NULL OR rests_until IS NOT NULL OR delivered_at IS NULL
        OR delivered_at < %(now)s::timestamptz - interval '1 minute')

-- name: endpoint_failed
-- An endpoint did not take a delivery; it may have asked for a pause.
UPDATE webhook_endpoint
   SET failure_count = failure_count + 1, failing_since = coalesce(failing_since, %(now)s),
       rests_until = greatest(rests_until, %(rests)s::timestamptz)
 WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND status IN ('active', 'paused')
RETURNING failing_since

-- name: find_delivery
-- One delivery.
SELECT * FROM webhook_delivery WHERE tenant_id = %(tenant)s AND delivery_id = %(delivery)s

-- name: list_attempts
-- The attempts of a delivery, the first one first.
SELECT number, started_at, duration_ms, status, reason, reply FROM webhook_attempt
 WHERE tenant_id = %(tenant)s AND delivery_id = %(delivery)s ORDER BY number

-- name: list_deliveries
-- A page of deliveries, the newest event first.
-- sort: -event_at = d.event_at::timestamptz
-- sort: created_at = d.created_at::timestamptz
-- then: d.delivery_id::uuid
SELECT d.* FROM webhook_delivery d
 WHERE d.tenant_id = %(tenant)s AND (%(endpoint)s::uuid IS NULL OR d.endpoint_id = %(endpoint)s)
   AND (%(status)s::text IS NULL OR d.status = %(status)s)
   AND (%(type)s::text IS NULL OR d.event_type = %(type)s) AND (%(subject)s::uuid IS NULL OR d.subject = %(subject)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: replay_delivery
-- Queue one delivery again, out of turn; one that waits is only brought forward, one under way is left to end.
UPDATE webhook_delivery
   SET is_manual = is_manual OR status <> 'pending',
       try_count = CASE WHEN status = 'pending' THEN try_count ELSE 0 END,
       next_attempt_at = CASE WHEN leased_until > %(now)s THEN next_attempt_at ELSE %(now)s END,
       status = 'pending', finished_at = NULL
 WHERE tenant_id = %(tenant)s AND delivery_id = %(delivery)s
RETURNING *

-- name: count_replay
-- How many deliveries of an endpoint a replay would queue or bring forward, counted up to a bound.
SELECT count(*) FROM (
    SELECT FROM webhook_delivery d
     WHERE d.tenant_id = %(tenant)s AND d.endpoint_id = %(endpoint)s AND d.event_at >= %(since)s
       AND (d.status <> 'delivered' OR %(everything)s)
     LIMIT %(bound)s) found

-- name: replay_deliveries
-- Queue deliveries of an endpoint again, in turn; those that wait are brought forward.
UPDATE webhook_delivery
   SET is_manual = false, try_count = CASE WHEN status = 'pending' THEN try_count ELSE 0 END, next_attempt_at = %(now)s,
       status = 'pending', finished_at = NULL
 WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND event_at >= %(since)s
   AND (status <> 'delivered' OR %(everything)s) AND (leased_until IS NULL OR leased_until <= %(now)s)

-- name: known_deliveries
-- Which of these events the endpoint has a delivery of.
SELECT event_seq FROM webhook_delivery
 WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND event_seq = ANY (%(seqs)s)

-- name: purge_deliveries
-- Forget deliveries of long ago.
SELECT webhook_purge(%(before)s, %(limit)s)

-- name: purge_secrets
-- Forget secrets that ended long ago.
SELECT webhook_purge_secrets(%(before)s)
