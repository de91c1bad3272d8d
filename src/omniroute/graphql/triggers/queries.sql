-- name: queue_deliveries
-- Queue what triggers have to tell of events, each once.
INSERT INTO graphql_delivery (tenant_id, delivery_id, trigger_name, table_schema, table_name, event_seq, subject, event,
                              happened_at, next_attempt_at, created_at)
SELECT %(tenant)s, q.delivery_id, q.trigger_name, q.table_schema, q.table_name, q.event_seq, q.subject, q.event,
       q.happened_at, %(now)s, %(now)s
  FROM unnest(%(deliveries)s::uuid[], %(triggers)s::text[], %(schemas)s::text[], %(tables)s::text[], %(seqs)s::bigint[],
              %(subjects)s::uuid[], %(events)s::text[], %(instants)s::timestamptz[])
       WITH ORDINALITY
       AS q (delivery_id, trigger_name, table_schema, table_name, event_seq, subject, event, happened_at, place)
 ORDER BY q.place
ON CONFLICT ON CONSTRAINT graphql_delivery_event_key DO NOTHING

-- name: due_deliveries
-- Some due deliveries of each trigger, each the first of its subject, so that one that fails hides nobody else's.
SELECT d.tenant_id, d.delivery_id, d.trigger_name
  FROM unnest(%(triggers)s::text[], %(rooms)s::integer[]) AS t (name, room)
 CROSS JOIN LATERAL (
    SELECT d.tenant_id, d.delivery_id, d.trigger_name FROM graphql_delivery d
     WHERE d.trigger_name = t.name AND d.status = 'pending' AND d.next_attempt_at <= %(now)s
       AND NOT EXISTS (SELECT FROM graphql_delivery b
                        WHERE b.tenant_id = d.tenant_id AND b.trigger_name = d.trigger_name AND b.subject = d.subject
                          AND b.status = 'pending' AND b.event_seq < d.event_seq)
     ORDER BY d.next_attempt_at, d.event_seq
     LIMIT t.room) d

-- name: claim_deliveries
-- Take up due deliveries that nobody else has and that no earlier one of their subject precedes.
WITH due AS (
    SELECT d.delivery_id FROM graphql_delivery d
     WHERE d.tenant_id = %(tenant)s AND d.delivery_id = ANY (%(deliveries)s) AND d.status = 'pending'
       AND d.next_attempt_at <= %(now)s
     ORDER BY d.delivery_id
       FOR UPDATE SKIP LOCKED
)
UPDATE graphql_delivery d
   SET claim = d.claim + 1, try_count = d.try_count + 1,
       next_attempt_at = %(now)s + make_interval(secs => w.lease_s)
  FROM due, unnest(%(deliveries)s::uuid[], %(leases)s::integer[]) AS w (delivery_id, lease_s)
 WHERE d.tenant_id = %(tenant)s AND d.delivery_id = due.delivery_id AND w.delivery_id = due.delivery_id
   AND NOT EXISTS (SELECT FROM graphql_delivery b
                    WHERE b.tenant_id = d.tenant_id AND b.trigger_name = d.trigger_name AND b.subject = d.subject
                      AND b.status = 'pending' AND b.event_seq < d.event_seq)
RETURNING d.delivery_id, d.trigger_name, d.table_schema, d.table_name, d.event, d.happened_at, d.claim, d.try_count

-- name: record_delivery
-- What came of an attempt, unless it was claimed anew since.
UPDATE graphql_delivery
   SET status = %(status)s, next_attempt_at = %(next)s, last_status = %(answered)s, last_reason = %(reason)s,
       finished_at = CASE WHEN %(status)s <> 'pending' THEN %(now)s::timestamptz END
 WHERE tenant_id = %(tenant)s AND delivery_id = %(delivery)s AND claim = %(claim)s AND status = 'pending'

-- name: list_failed
-- Dead letters, the oldest first.
SELECT * FROM graphql_delivery
 WHERE tenant_id = %(tenant)s AND status = 'failed' AND (%(trigger)s::text IS NULL OR trigger_name = %(trigger)s)
   AND (%(after)s::uuid IS NULL OR (created_at, delivery_id) > (
        SELECT a.created_at, a.delivery_id FROM graphql_delivery a
         WHERE a.tenant_id = %(tenant)s AND a.delivery_id = %(after)s))
 ORDER BY created_at, delivery_id LIMIT %(limit)s

-- name: redeliver
-- Queue deliveries that are over again, in their place: one, or the dead letters of a trigger.
UPDATE graphql_delivery
   SET status = 'pending', try_count = 0, next_attempt_at = %(now)s, finished_at = NULL
 WHERE tenant_id = %(tenant)s
   AND CASE WHEN %(delivery)s::uuid IS NULL THEN status = 'failed' AND trigger_name = %(trigger)s
            ELSE status <> 'pending' AND delivery_id = %(delivery)s END
RETURNING delivery_id

-- name: enrol_cron
-- A cron trigger that is new begins now.
INSERT INTO graphql_cron (trigger_name, planned_until)
SELECT name, %(now)s FROM unnest(%(names)s::text[]) name
ON CONFLICT ON CONSTRAINT graphql_cron_pkey DO NOTHING

-- name: cron_planned
-- Up to when the ticks of cron triggers are written down.
SELECT trigger_name, planned_until FROM graphql_cron WHERE trigger_name = ANY (%(names)s)

-- name: lock_cron
-- One cron trigger, while its ticks are written down.
SELECT planned_until FROM graphql_cron WHERE trigger_name = %(name)s FOR UPDATE SKIP LOCKED

-- name: plan_ticks
-- Write down ticks, each once.
INSERT INTO graphql_cron_tick (trigger_name, scheduled_at, tick_id, next_attempt_at, created_at)
SELECT %(name)s, t.at, t.id, %(now)s, %(now)s FROM unnest(%(instants)s::timestamptz[], %(ids)s::uuid[]) AS t (at, id)
ON CONFLICT ON CONSTRAINT graphql_cron_tick_pkey DO NOTHING

-- name: advance_cron
-- The ticks of a cron trigger are written down up to here.
UPDATE graphql_cron SET planned_until = %(until)s WHERE trigger_name = %(name)s

-- name: due_ticks
-- Some due ticks of each cron trigger.
SELECT d.tick_id, d.trigger_name
  FROM unnest(%(names)s::text[], %(rooms)s::integer[]) AS t (name, room)
 CROSS JOIN LATERAL (
    SELECT d.tick_id, d.trigger_name FROM graphql_cron_tick d
     WHERE d.trigger_name = t.name AND d.status = 'pending' AND d.next_attempt_at <= %(now)s
     ORDER BY d.scheduled_at LIMIT t.room) d

-- name: claim_ticks
-- Take up due ticks that nobody else has.
WITH due AS (
    SELECT d.trigger_name, d.scheduled_at FROM graphql_cron_tick d
     WHERE d.tick_id = ANY (%(ticks)s) AND d.status = 'pending' AND d.next_attempt_at <= %(now)s
     ORDER BY d.tick_id
       FOR UPDATE SKIP LOCKED
)
UPDATE graphql_cron_tick d
   SET claim = d.claim + 1, try_count = d.try_count + 1, next_attempt_at = %(now)s + make_interval(secs => w.lease_s)
  FROM due JOIN unnest(%(names)s::text[], %(leases)s::integer[]) AS w (name, lease_s) ON w.name = due.trigger_name
 WHERE d.trigger_name = due.trigger_name AND d.scheduled_at = due.scheduled_at
RETURNING d.tick_id, d.trigger_name, d.scheduled_at, d.created_at, d.claim, d.try_count

-- name: record_tick
-- What came of an attempt, unless it was claimed anew since.
UPDATE graphql_cron_tick
   SET status = %(status)s, next_attempt_at = %(next)s, last_status = %(answered)s, last_reason = %(reason)s,
       finished_at = CASE WHEN %(status)s <> 'pending' THEN %(now)s::timestamptz END
 WHERE tick_id = %(delivery)s AND claim = %(claim)s AND status = 'pending'

-- name: purge
-- Forget what was queued long ago.
SELECT graphql_trigger_purge(%(before)s, %(limit)s)
