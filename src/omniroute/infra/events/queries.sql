-- name: append_events
-- Write events in the order given. Called after the change has its locks: the numbers are drawn here.
INSERT INTO event_log (tenant_id, id, xid, type, version, subject, data, correlation_id, causation_id, actor, channel)
SELECT current_tenant(), e.id, (SELECT event_xid()), e.type, e.version, e.subject, e.data::jsonb,
       %(correlation_id)s::uuid, %(causation_id)s::uuid, %(actor)s::text, %(channel)s::text
  FROM unnest(%(ids)s::uuid[], %(types)s::text[], %(versions)s::smallint[], %(subjects)s::uuid[], %(data)s::text[])
       WITH ORDINALITY AS e (id, type, version, subject, data, ordinal)
 ORDER BY e.ordinal;

-- name: append_each_event
-- Write events in the order given, each with its own origin.
INSERT INTO event_log (tenant_id, id, xid, type, version, subject, data, correlation_id, causation_id, actor, channel)
SELECT current_tenant(), e.id, (SELECT event_xid()), e.type, e.version, e.subject, e.data::jsonb, e.correlation_id,
       e.causation_id, e.actor, e.channel
  FROM unnest(%(ids)s::uuid[], %(types)s::text[], %(versions)s::smallint[], %(subjects)s::uuid[], %(data)s::text[],
              %(correlation_ids)s::uuid[], %(causation_ids)s::uuid[], %(actors)s::text[], %(channels)s::text[])
       WITH ORDINALITY
       AS e (id, type, version, subject, data, correlation_id, causation_id, actor, channel, ordinal)
 ORDER BY e.ordinal;

-- name: next_cut
-- The end of the window that begins at this cut: a mark, or the present when there is none.
SELECT top, open, latest FROM event_next_cut(%(top)s::bigint, %(skip)s::bigint);

-- name: present_cut
-- The present cut; NULL on a standby.
SELECT top, open FROM event_cut();

-- name: mark_cut
-- Note the present cut when enough was written since the last one.
SELECT event_mark_cut(%(every)s::bigint);

-- name: repair_epoch
-- Raise the epoch when this cluster's transaction ids are below those stored; the number in force.
SELECT event_epoch_repair();

-- name: read_tenant
-- A page of a window of one tenant. OFFSET 0 keeps the plan on the index by xid: by seq it would walk the whole log.
SELECT tenant_id, seq, id, xid, type, version, subject, data, correlation_id, causation_id, actor, channel, recorded_at
  FROM (SELECT e.* FROM event_log e
         WHERE e.tenant_id = current_tenant() AND e.xid >= %(seen_top)s::bigint AND e.xid < %(until_top)s::bigint
           AND e.xid <> ALL (%(until_open)s::bigint[]) AND e.seq > %(after_seq)s::bigint
        UNION ALL
        SELECT e.* FROM event_log e
         WHERE e.tenant_id = current_tenant() AND e.xid = ANY (%(seen_open)s::bigint[])
           AND e.xid <> ALL (%(until_open)s::bigint[]) AND e.seq > %(after_seq)s::bigint
        OFFSET 0) page
 WHERE (%(patterns)s::text[] IS NULL OR type LIKE ANY (%(patterns)s::text[]))
   AND (%(subject)s::uuid IS NULL OR subject = %(subject)s::uuid)
 ORDER BY seq LIMIT %(limit)s;

-- name: read_all
-- A page of a window of the whole system, for the worker.
SELECT tenant_id, seq, id, xid, type, version, subject, data, correlation_id, causation_id, actor, channel, recorded_at
  FROM (SELECT e.* FROM event_log e
         WHERE e.xid >= %(seen_top)s::bigint AND e.xid < %(until_top)s::bigint
           AND e.xid <> ALL (%(until_open)s::bigint[]) AND e.seq > %(after_seq)s::bigint
        UNION ALL
        SELECT e.* FROM event_log e
         WHERE e.xid = ANY (%(seen_open)s::bigint[])
           AND e.xid <> ALL (%(until_open)s::bigint[]) AND e.seq > %(after_seq)s::bigint
        OFFSET 0) page
 WHERE (%(patterns)s::text[] IS NULL OR type LIKE ANY (%(patterns)s::text[]))
   AND (%(subject)s::uuid IS NULL OR subject = %(subject)s::uuid)
   AND (%(tenants)s::uuid[] IS NULL OR tenant_id = ANY (%(tenants)s::uuid[]))
 ORDER BY seq LIMIT %(limit)s;

-- name: events_at
-- Events of the current tenant by position.
SELECT tenant_id, seq, id, xid, type, version, subject, data, correlation_id, causation_id, actor, channel, recorded_at
  FROM event_log WHERE tenant_id = current_tenant() AND seq = ANY (%(seqs)s::bigint[]) ORDER BY seq;

-- name: newest_events
-- The latest events of the current tenant, newest first, without their data.
SELECT tenant_id, seq, id, xid, type, version, subject, '{}'::jsonb AS data, correlation_id, causation_id, actor, channel,
       recorded_at
  FROM event_log
 WHERE tenant_id = current_tenant() AND (%(before_seq)s::bigint IS NULL OR seq < %(before_seq)s::bigint)
 ORDER BY seq DESC LIMIT %(limit)s;

-- name: subject_history
-- The latest events of one thing, newest first. Derived events are not among them: their subject has its own tables.
SELECT tenant_id, seq, id, xid, type, version, subject, data, correlation_id, causation_id, actor, channel, recorded_at
  FROM event_log
 WHERE tenant_id = current_tenant() AND subject = %(subject)s AND data IS NOT NULL
   AND (%(before_seq)s::bigint IS NULL OR seq < %(before_seq)s::bigint)
 ORDER BY seq DESC LIMIT %(limit)s;

-- name: event_details
-- The data of derived events.
SELECT prefix, subject, data FROM event_detail(%(tenant_id)s, %(types)s::text[], %(subjects)s::uuid[]);

-- name: lag
-- How far a consumer is behind: events (counted up to a bound) and the age of the oldest of them.
SELECT count(*) AS events,
       coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)) * 1000, 0)::bigint AS age_ms
  FROM (SELECT e.recorded_at FROM event_consumer c, event_cut() now, event_log e
         WHERE c.name = %(name)s AND e.xid >= c.seen_top AND e.xid < now.top AND e.xid <> ALL (now.open)
           AND (e.seq > c.after_seq OR e.xid >= c.until_top OR e.xid = ANY (c.until_open))
        UNION ALL
        SELECT e.recorded_at FROM event_consumer c, event_cut() now, event_log e
         WHERE c.name = %(name)s AND e.xid = ANY (c.seen_open) AND e.xid <> ALL (now.open)
           AND (e.seq > c.after_seq OR e.xid = ANY (c.until_open))
         LIMIT %(bound)s) behind;

-- name: consumer_position
-- Where a consumer stands.
SELECT seen_top, seen_open, until_top, until_open, after_seq, updated_at < now() - interval '10 seconds' AS stale
  FROM event_consumer WHERE name = %(name)s;

-- name: enrol_consumer
-- A new consumer begins here.
INSERT INTO event_consumer (name, seen_top, seen_open, until_top, until_open, after_seq)
VALUES (%(name)s, %(seen_top)s, %(seen_open)s::bigint[], %(until_top)s, %(until_open)s::bigint[], %(after_seq)s)
ON CONFLICT (name) DO NOTHING;

-- name: advance_consumer
-- Move a consumer on. Only from where it was read: another one that moved it meanwhile wins.
UPDATE event_consumer
   SET seen_top = %(seen_top)s, seen_open = %(seen_open)s::bigint[], until_top = %(until_top)s,
       until_open = %(until_open)s::bigint[], after_seq = %(after_seq)s, updated_at = now()
 WHERE name = %(name)s AND seen_top = %(was_top)s AND until_top = %(was_until)s AND after_seq = %(was_after)s;

-- name: claim_events
-- Take events into the inbox; those returned were not handled before.
INSERT INTO event_inbox (tenant_id, consumer, event_id)
SELECT current_tenant(), %(consumer)s, id FROM unnest(%(ids)s::uuid[]) id ORDER BY id
ON CONFLICT ON CONSTRAINT event_inbox_pkey DO NOTHING
RETURNING event_id;

-- name: prune_inbox
-- Forget what was handled long ago.
DELETE FROM event_inbox WHERE handled_at < %(before)s;

-- name: parked_subjects
-- Which of these subjects wait behind a parked event.
SELECT DISTINCT subject FROM event_parked
 WHERE tenant_id = current_tenant() AND consumer = %(consumer)s AND subject = ANY (%(subjects)s::uuid[]);

-- name: park_event
-- Set an event aside: to be tried again after a while, or (no delay) to wait behind another.
INSERT INTO event_parked (tenant_id, consumer, seq, event_id, type, subject, attempts, next_attempt_at, reason)
VALUES (current_tenant(), %(consumer)s, %(seq)s, %(event_id)s, %(type)s, %(subject)s, %(attempts)s,
        now() + make_interval(secs => %(delay_s)s::double precision), %(reason)s)
ON CONFLICT ON CONSTRAINT event_parked_pkey DO NOTHING;

-- name: due_parked
-- First events of their subjects whose time has come.
SELECT p.tenant_id, p.seq, p.event_id, p.attempts FROM event_parked p
 WHERE p.consumer = %(consumer)s AND p.next_attempt_at <= now()
   AND NOT EXISTS (SELECT FROM event_parked earlier
                    WHERE earlier.tenant_id = p.tenant_id AND earlier.consumer = p.consumer
                      AND earlier.subject = p.subject AND earlier.seq < p.seq)
 ORDER BY p.next_attempt_at LIMIT %(limit)s;

-- name: unpark_event
-- The event is handled; the next of its subject may be tried now.
WITH done AS (
    DELETE FROM event_parked
     WHERE tenant_id = current_tenant() AND consumer = %(consumer)s AND seq = %(seq)s
    RETURNING subject, seq)
UPDATE event_parked p SET next_attempt_at = now()
  FROM done
 WHERE p.tenant_id = current_tenant() AND p.consumer = %(consumer)s
   AND p.seq = (SELECT min(n.seq) FROM event_parked n
                 WHERE n.tenant_id = current_tenant() AND n.consumer = %(consumer)s
                   AND n.subject = done.subject AND n.seq > done.seq);

-- name: retry_later
-- The attempt failed again; no delay: it stays until somebody asks for a replay.
UPDATE event_parked
   SET attempts = %(attempts)s, reason = %(reason)s,
       next_attempt_at = now() + make_interval(secs => %(delay_s)s::double precision)
 WHERE tenant_id = current_tenant() AND consumer = %(consumer)s AND seq = %(seq)s;

-- name: list_parked
-- Parked events of the current tenant and the reason.
SELECT consumer, seq, event_id, type, subject, attempts, next_attempt_at, reason, parked_at
  FROM event_parked
 WHERE tenant_id = current_tenant() AND consumer = %(consumer)s
 ORDER BY seq LIMIT %(limit)s;

-- name: replay_parked
-- Try the first parked event of each subject (or of one) again now.
UPDATE event_parked p SET attempts = 0, next_attempt_at = now()
 WHERE p.tenant_id = current_tenant() AND p.consumer = %(consumer)s
   AND (%(subject)s::uuid IS NULL OR p.subject = %(subject)s::uuid)
   AND NOT EXISTS (SELECT FROM event_parked earlier
                    WHERE earlier.tenant_id = p.tenant_id AND earlier.consumer = p.consumer
                      AND earlier.subject = p.subject AND earlier.seq < p.seq);

-- name: try_lead
-- Be the only one with this name, for as long as the connection lives.
SELECT pg_try_advisory_lock(hashtextextended(%(name)s, 0));

-- name: stop_leading
-- Let another one lead.
SELECT pg_advisory_unlock(hashtextextended(%(name)s, 0));

-- name: tenants_to_seal
-- Tenants with events in this window.
SELECT DISTINCT tenant_id FROM event_log
 WHERE (xid >= %(seen_top)s::bigint AND xid < %(until_top)s::bigint OR xid = ANY (%(seen_open)s::bigint[]))
   AND xid <> ALL (%(until_open)s::bigint[])
 ORDER BY tenant_id;

-- name: seal
-- Seal committed events of a tenant; NULL: another builder is at it.
SELECT audit_seal(%(tenant_id)s, %(blocks)s);

-- name: retain
-- Remove old events that need not be kept.
SELECT blocks, events FROM event_retain(%(before)s, %(blocks)s);

-- name: tenants_with_blocks
-- Tenants whose events are sealed.
WITH RECURSIVE tenant AS (
    (SELECT tenant_id FROM audit_block ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT b.tenant_id FROM audit_block b WHERE b.tenant_id > t.tenant_id ORDER BY b.tenant_id LIMIT 1)
      FROM tenant t WHERE t.tenant_id IS NOT NULL)
SELECT tenant_id FROM tenant WHERE tenant_id IS NOT NULL;

-- name: blocks_after
-- Blocks of the current tenant in order, with what retention took from them and the event that says so.
SELECT b.number, b.seen_top, b.seen_open, b.until_top, b.until_open, b.after_seq, b.until_seq, b.event_count, b.seqs,
       b.leaves, b.parts, b.merkle_root, b.previous, b.hash, b.newest_at, b.built_at, r.removed, e.data AS retired
  FROM audit_block b
  LEFT JOIN audit_retired r ON r.tenant_id = b.tenant_id AND r.number = b.number
  LEFT JOIN event_log e ON e.tenant_id = b.tenant_id AND e.seq = r.event_seq AND e.type = 'audit.events_retired'
 WHERE b.tenant_id = current_tenant() AND b.number > %(number)s
 ORDER BY b.number LIMIT %(limit)s;

-- name: leaves_now
-- The events of a block's stretch as they are now.
SELECT seq, id, row_names, leaf, part
  FROM audit_leaves(%(tenant_id)s, %(seen_top)s, %(seen_open)s::bigint[], %(until_top)s, %(until_open)s::bigint[],
                    %(after_seq)s, %(until_seq)s, %(limit)s::integer);

-- name: block_of
-- The block that seals the event at a position of the current tenant.
SELECT b.number, b.event_count, b.seqs, b.leaves, b.merkle_root, b.hash, e.id AS event_id
  FROM event_log e
  JOIN audit_block b ON b.tenant_id = e.tenant_id AND b.until_top > e.xid
   AND (b.seen_top <= e.xid OR e.xid = ANY (b.seen_open))
   AND e.seq > b.after_seq AND e.seq <= b.until_seq AND e.seq = ANY (b.seqs)
 WHERE e.tenant_id = current_tenant() AND e.seq = %(seq)s
 ORDER BY b.number LIMIT 1;

-- name: chain_head
-- The last block of the current tenant: what an anchor outside the database keeps.
SELECT number, merkle_root, hash, built_at FROM audit_block
 WHERE tenant_id = current_tenant() ORDER BY number DESC LIMIT 1;

-- name: find_handled
-- Whether a consumer has handled an event.
SELECT handled_at FROM event_inbox
 WHERE tenant_id = current_tenant() AND consumer = %(consumer)s AND event_id = %(event_id)s;

-- name: stirred_tenants
-- Which of these tenants have events between a cut and the present one, and the present one.
SELECT c.top, c.open,
       ARRAY(SELECT t FROM unnest(%(tenants)s::uuid[]) t
              WHERE EXISTS (SELECT FROM event_log e
                             WHERE e.tenant_id = t AND e.xid >= %(seen_top)s::bigint AND e.xid < c.top
                               AND e.xid <> ALL (c.open))
                 OR EXISTS (SELECT FROM event_log e
                             WHERE e.tenant_id = t AND e.xid = ANY (%(seen_open)s::bigint[])
                               AND e.xid <> ALL (c.open))) AS tenants
  FROM event_cut() c WHERE c.top IS NOT NULL;
