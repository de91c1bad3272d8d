-- The event log: what changed, written in the transaction of the change, never altered.
--
-- It is outbox, audit trail and event store at once. Order and completeness rest on two numbers:
--
--   seq   drawn after the change has its locks, so for two changes of one subject it follows the order of commits
--   xid   the transaction that wrote the event, so that a reader can tell what is committed from what may still come
--
-- Reading by "seq > last seq" would skip a change that drew its number early and committed late. Readers walk
-- from cut to cut instead. A cut (top, open) is a snapshot: every transaction below `top` is over, except those in `open`.

-- A database restored into a new cluster starts its transaction ids again, below those already stored. This number
-- is added to every one. It is a function and not a table so that PostgreSQL inlines it into the plan: it costs nothing.
-- event_epoch_repair() replaces it. STABLE and not IMMUTABLE: an inlined function's replacement makes prepared plans
-- anew, the constant that an immutable one was folded into stays.
CREATE FUNCTION event_epoch() RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN 0::bigint;

-- The id of this transaction. Bulk writers may take it once: (SELECT event_xid()).
CREATE FUNCTION event_xid() RETURNS bigint
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    RETURN pg_current_xact_id()::text::bigint + event_epoch();

-- Every transaction below this is over. Enough for sums, where order does not matter; for order use event_cut().
CREATE FUNCTION event_horizon() RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN pg_snapshot_xmin(pg_current_snapshot())::text::bigint + event_epoch();

CREATE SEQUENCE event_seq AS bigint CACHE 1;  -- No cache: numbers must follow the order in which they are asked for.

CREATE TABLE event_log (
    tenant_id      uuid        NOT NULL,
    seq            bigint      NOT NULL DEFAULT nextval('event_seq'),
    id             uuid        NOT NULL,
    xid            bigint      NOT NULL DEFAULT event_xid(),
    type           text        NOT NULL,
    version        smallint    NOT NULL DEFAULT 1,
    subject        uuid        NOT NULL,
    data           jsonb,                   -- NULL: derived from immutable rows by event_source.detail_function
    correlation_id uuid,
    causation_id   uuid,
    actor          text,
    channel        text,
    recorded_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_log_pkey PRIMARY KEY (tenant_id, seq),
    CONSTRAINT event_log_version CHECK (version > 0)
);
CREATE INDEX event_log_xid ON event_log (xid, seq);
CREATE INDEX event_log_tenant_xid ON event_log (tenant_id, xid, seq);
-- The history of one thing. Derived events are left out: their subject has its own tables, and they are the many.
CREATE INDEX event_log_subject ON event_log (tenant_id, subject, seq) WHERE data IS NOT NULL;

ALTER TABLE event_log ENABLE ROW LEVEL SECURITY;
-- The log is the whole organisation's: who works for some branches writes to it and reads none of it.
CREATE POLICY event_log_tenant ON event_log FOR SELECT TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND current_branches() IS NULL);
CREATE POLICY event_log_append ON event_log FOR INSERT TO omniroute_app, omniroute_worker
    WITH CHECK (tenant_id = current_tenant());
-- Nobody writes under another transaction's id, else an event could be slipped into what readers have passed.
CREATE POLICY event_log_own_xid ON event_log AS RESTRICTIVE FOR INSERT TO omniroute_app, omniroute_worker
    WITH CHECK (xid = event_xid());
CREATE POLICY event_log_worker ON event_log FOR SELECT TO omniroute_worker USING (true);

GRANT SELECT, INSERT ON event_log TO omniroute_app, omniroute_worker;
GRANT USAGE ON SEQUENCE event_seq TO omniroute_app, omniroute_worker;
GRANT EXECUTE ON FUNCTION event_epoch(), event_xid(), event_horizon() TO omniroute_app, omniroute_worker;

-- Rights already forbid it; this catches the owner's mistakes too. Retention alone may delete, and says so.
CREATE FUNCTION event_refuse_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'event_log'
       AND current_setting('omniroute.event_retention', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER event_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event_log
    FOR EACH STATEMENT EXECUTE FUNCTION event_refuse_change();

-- Events stored without data, by the beginning of their type. Functions are named in text, so that dumps restore.
--
--   detail_function(p_tenant uuid, p_subjects uuid[])    returns table(subject uuid, data jsonb)
--   evidence_function(p_tenant uuid, p_subjects uuid[])  returns table(subject uuid, ordinal int, row_name text, digest bytea)
--
-- Evidence: digests of the immutable rows that belong to the event, the same for ever. They are sealed with it.
CREATE TABLE event_source (
    prefix            text NOT NULL,
    detail_function   text,
    evidence_function text,
    CONSTRAINT event_source_pkey PRIMARY KEY (prefix)
);
GRANT SELECT ON event_source TO omniroute_app, omniroute_worker;

-- The data of events that are stored without it. Runs with the rights of the caller.
CREATE FUNCTION event_detail(p_tenant uuid, p_types text[], p_subjects uuid[])
    RETURNS TABLE (prefix text, subject uuid, data jsonb)
    LANGUAGE plpgsql STABLE SET search_path = omniroute, pg_temp AS $$
DECLARE
    source event_source;
    wanted uuid[];
BEGIN
    FOR source IN SELECT s.* FROM event_source s WHERE s.detail_function IS NOT NULL LOOP
        wanted := ARRAY(SELECT DISTINCT u.subject FROM unnest(p_types, p_subjects) u(type, subject)
                         WHERE starts_with(u.type, source.prefix));
        CONTINUE WHEN wanted = '{}';
        RETURN QUERY EXECUTE format('SELECT $3, d.subject, d.data FROM %s($1, $2) d', source.detail_function::regproc)
            USING p_tenant, wanted, source.prefix;
    END LOOP;
END $$;

-- The present cut. A transaction that has written is open to itself: its own events are not yet to be passed.
-- On a standby there is none (a standby does not know what is open): NULL.
CREATE FUNCTION event_cut(OUT top bigint, OUT open bigint[])
    LANGUAGE sql STABLE AS $$
    SELECT pg_snapshot_xmax(now)::text::bigint + event_epoch(),
           ARRAY(SELECT x::text::bigint + event_epoch() FROM pg_snapshot_xip(now) x
                  UNION
                 SELECT own::text::bigint + event_epoch() FROM pg_current_xact_id_if_assigned() own
                  WHERE own < pg_snapshot_xmax(now)
                  ORDER BY 1)
      FROM pg_current_snapshot() now
     WHERE NOT pg_is_in_recovery()
$$;

-- Cuts noted as time goes on, so that a reader who is far behind walks in steps instead of one huge one.
CREATE TABLE event_mark (
    top     bigint      NOT NULL,
    open    bigint[]    NOT NULL,
    seq     bigint      NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_mark_pkey PRIMARY KEY (top)
);
GRANT SELECT ON event_mark TO omniroute_app, omniroute_worker;

-- Note the present cut when this many events were written since the last one. True: noted.
CREATE FUNCTION event_mark_cut(p_every bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
DECLARE
    written bigint := (SELECT last_value FROM event_seq);
BEGIN
    IF written - coalesce((SELECT m.seq FROM event_mark m ORDER BY m.top DESC LIMIT 1), 0) < p_every THEN
        RETURN false;
    END IF;
    INSERT INTO event_mark (top, open, seq)
    SELECT c.top, c.open, written FROM event_cut() c
        ON CONFLICT ON CONSTRAINT event_mark_pkey DO NOTHING;
    RETURN FOUND;
END $$;

-- The end of the window that begins at a cut: the next mark (`p_skip` marks further on), else the present cut.
-- Cuts of one server contain one another in the order of time, and a higher `top` is always later.
CREATE FUNCTION event_next_cut(p_top bigint, p_skip bigint, OUT top bigint, OUT open bigint[], OUT latest boolean)
    LANGUAGE sql STABLE AS $$
    SELECT coalesce(m.top, c.top), CASE WHEN m.top IS NULL THEN c.open ELSE m.open END, m.top IS NULL
      FROM event_cut() c
      LEFT JOIN LATERAL (SELECT k.top, k.open FROM event_mark k WHERE k.top > p_top
                          ORDER BY k.top OFFSET p_skip LIMIT 1) m ON true
$$;
GRANT EXECUTE ON FUNCTION event_detail(uuid, text[], uuid[]), event_cut(), event_mark_cut(bigint),
    event_next_cut(bigint, bigint) TO omniroute_app, omniroute_worker;

-- Where a consumer stands: the window from cut `seen` to cut `until`, delivered up to `after_seq`.
CREATE TABLE event_consumer (
    name       text        NOT NULL,
    seen_top   bigint      NOT NULL,
    seen_open  bigint[]    NOT NULL,
    until_top  bigint      NOT NULL,
    until_open bigint[]    NOT NULL,
    after_seq  bigint      NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_consumer_pkey PRIMARY KEY (name),
    CONSTRAINT event_consumer_forward CHECK (seen_top <= until_top)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON event_consumer TO omniroute_worker;

-- What a consumer has handled, written with its effect. The key makes the effect happen once.
CREATE TABLE event_inbox (
    tenant_id  uuid        NOT NULL,
    consumer   text        NOT NULL,
    event_id   uuid        NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_inbox_pkey PRIMARY KEY (tenant_id, consumer, event_id)
);
CREATE INDEX event_inbox_handled_at ON event_inbox USING brin (handled_at);
ALTER TABLE event_inbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY event_inbox_tenant ON event_inbox TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY event_inbox_worker ON event_inbox FOR SELECT TO omniroute_worker USING (true);
CREATE POLICY event_inbox_prune ON event_inbox FOR DELETE TO omniroute_worker USING (true);
GRANT SELECT, INSERT, DELETE ON event_inbox TO omniroute_worker;

-- Events a consumer could not handle, and later ones of the same subject that wait behind them.
-- next_attempt_at NULL: tried often enough, or waiting for its turn; only the first of a subject is ever tried.
CREATE TABLE event_parked (
    tenant_id       uuid        NOT NULL,
    consumer        text        NOT NULL,
    seq             bigint      NOT NULL,
    event_id        uuid        NOT NULL,
    type            text        NOT NULL,
    subject         uuid        NOT NULL,
    attempts        integer     NOT NULL,
    next_attempt_at timestamptz,
    reason          text,
    parked_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_parked_pkey PRIMARY KEY (tenant_id, consumer, seq)
);
CREATE INDEX event_parked_subject ON event_parked (tenant_id, consumer, subject, seq);
CREATE INDEX event_parked_due ON event_parked (consumer, next_attempt_at);
ALTER TABLE event_parked ENABLE ROW LEVEL SECURITY;
CREATE POLICY event_parked_tenant ON event_parked TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY event_parked_worker ON event_parked FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON event_parked TO omniroute_worker;

-- The hash chain. A block seals the events of a stretch: window (seen, until], numbers (after_seq, until_seq].
-- Stretches of a tenant lie end to end, so an event that appears later inside a sealed one is found.
CREATE TABLE audit_block (
    tenant_id   uuid        NOT NULL,
    number      bigint      NOT NULL,
    seen_top    bigint      NOT NULL,
    seen_open   bigint[]    NOT NULL,
    until_top   bigint      NOT NULL,
    until_open  bigint[]    NOT NULL,
    after_seq   bigint      NOT NULL,
    until_seq   bigint      NOT NULL,
    event_count integer     NOT NULL,
    seqs        bigint[]    NOT NULL,   -- of every event, in order
    leaves      bytea       NOT NULL,   -- 32 bytes an event
    parts       bytea       NOT NULL,   -- an event: 2 bytes count, then 8 bytes of each row's digest, so that a row can be named
    merkle_root bytea       NOT NULL,
    previous    bytea       NOT NULL,
    hash        bytea       NOT NULL,
    newest_at   timestamptz NOT NULL,
    built_at    timestamptz NOT NULL,
    CONSTRAINT audit_block_pkey PRIMARY KEY (tenant_id, number),
    CONSTRAINT audit_block_size CHECK (event_count BETWEEN 1 AND 1024 AND length(leaves) = 32 * event_count)
);
CREATE INDEX audit_block_until ON audit_block (until_top);
CREATE INDEX audit_block_window ON audit_block (tenant_id, until_top);
ALTER TABLE audit_block ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_block_tenant ON audit_block TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND current_branches() IS NULL) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY audit_block_worker ON audit_block FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT ON audit_block TO omniroute_app, omniroute_worker;
CREATE TRIGGER audit_block_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_block
    FOR EACH STATEMENT EXECUTE FUNCTION event_refuse_change();

-- Which events of a block retention removed: one character an event, 1 removed, 0 kept. The same text stands in an
-- event `audit.events_retired` of the tenant (event_seq), which is sealed in its turn.
CREATE TABLE audit_retired (
    tenant_id  uuid        NOT NULL,
    number     bigint      NOT NULL,
    removed    text        NOT NULL,
    event_seq  bigint,
    retired_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT audit_retired_pkey PRIMARY KEY (tenant_id, number)
);
ALTER TABLE audit_retired ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_retired_tenant ON audit_retired TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND current_branches() IS NULL) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY audit_retired_worker ON audit_retired FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT ON audit_retired TO omniroute_app, omniroute_worker;
CREATE TRIGGER audit_retired_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_retired
    FOR EACH STATEMENT EXECUTE FUNCTION event_refuse_change();

-- Types that retention never removes, by their beginning: the ledger is replayed from its events.
CREATE TABLE event_kept (
    prefix text NOT NULL,
    CONSTRAINT event_kept_pkey PRIMARY KEY (prefix)
);
INSERT INTO event_kept (prefix) VALUES ('ledger.'), ('audit.');
GRANT SELECT ON event_kept TO omniroute_app, omniroute_worker;

-- Digest of a row of event_log, serialisation 1: every column in this order, lengths before texts, NULL apart from empty.
CREATE FUNCTION event_frame(p_text text) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(int4send(octet_length(p_text)) || convert_to(p_text, 'UTF8'), '\xffffffff'::bytea)
$$;

CREATE FUNCTION event_digest(e event_log) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256('\x01'::bytea || uuid_send(e.tenant_id) || int8send(e.seq) || uuid_send(e.id) || int8send(e.xid)
        || event_frame(e.type) || int2send(e.version) || uuid_send(e.subject) || event_frame(e.data::text)
        || coalesce('\x01'::bytea || uuid_send(e.correlation_id), '\x00'::bytea)
        || coalesce('\x01'::bytea || uuid_send(e.causation_id), '\x00'::bytea)
        || event_frame(e.actor) || event_frame(e.channel) || timestamptz_send(e.recorded_at))
$$;

-- Root of a Merkle tree as in RFC 6962: leaves are hashes already, a node is sha256(0x01, left, right), an odd one moves up.
CREATE FUNCTION audit_merkle_root(p_leaves bytea) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = omniroute, pg_temp AS $$
DECLARE
    row_of_nodes bytea := p_leaves;
BEGIN
    WHILE length(row_of_nodes) > 32 LOOP
        row_of_nodes := (
            SELECT string_agg(CASE WHEN length(pair) = 32 THEN pair ELSE sha256('\x01'::bytea || pair) END, ''::bytea ORDER BY i)
              FROM (SELECT i, substring(row_of_nodes FROM 64 * i + 1 FOR 64) AS pair
                      FROM generate_series(0, (length(row_of_nodes) - 1) / 64) i) pairs);
    END LOOP;
    RETURN row_of_nodes;
END $$;

CREATE FUNCTION event_frame(p_numbers bigint[]) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT int4send(cardinality(p_numbers))
        || coalesce((SELECT string_agg(int8send(n), ''::bytea ORDER BY i) FROM unnest(p_numbers) WITH ORDINALITY u(n, i)), ''::bytea)
$$;

CREATE FUNCTION audit_block_hash(b audit_block) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT sha256('omniroute block 1'::bytea || uuid_send(b.tenant_id) || int8send(b.number) || b.previous || b.merkle_root
        || int8send(b.seen_top) || event_frame(b.seen_open) || int8send(b.until_top) || event_frame(b.until_open)
        || int8send(b.after_seq) || int8send(b.until_seq) || int4send(b.event_count)
        || event_frame(b.seqs) || sha256(b.parts) || timestamptz_send(b.newest_at) || timestamptz_send(b.built_at))
$$;

-- Evidence of events, by the beginning of their type and subject. Prefixes in event_source do not overlap.
CREATE FUNCTION event_evidence(p_tenant uuid, p_types text[], p_subjects uuid[])
    RETURNS TABLE (prefix text, subject uuid, row_names text[], joined bytea, short bytea)
    LANGUAGE plpgsql STABLE SET search_path = omniroute, pg_temp AS $$
DECLARE
    source event_source;
    wanted uuid[];
BEGIN
    FOR source IN SELECT s.* FROM event_source s WHERE s.evidence_function IS NOT NULL LOOP
        wanted := ARRAY(SELECT DISTINCT u.subject FROM unnest(p_types, p_subjects) u(type, subject)
                         WHERE starts_with(u.type, source.prefix));
        CONTINUE WHEN wanted = '{}';
        RETURN QUERY EXECUTE format(
            'SELECT $3, v.subject, array_agg(v.row_name ORDER BY v.ordinal), string_agg(v.digest, ''''::bytea ORDER BY v.ordinal),
                    string_agg(substring(v.digest FROM 1 FOR 8), ''''::bytea ORDER BY v.ordinal)
               FROM %s($1, $2) v GROUP BY v.subject', source.evidence_function::regproc)
            USING p_tenant, wanted, source.prefix;
    END LOOP;
END $$;

-- The events of a stretch as they are now, with the hashes they give now. Time zone and the like are fixed here.
CREATE FUNCTION audit_leaves(
    p_tenant uuid, p_seen_top bigint, p_seen_open bigint[], p_until_top bigint, p_until_open bigint[],
    p_after_seq bigint, p_until_seq bigint, p_limit integer)
    RETURNS TABLE (seq bigint, id uuid, type text, subject uuid, recorded_at timestamptz, row_names text[], leaf bytea, part bytea)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = omniroute, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' AS $$
DECLARE
    seqs bigint[];
    ids uuid[];
    types text[];
    subjects uuid[];
    times timestamptz[];
    digests bytea[];
BEGIN
    SELECT array_agg(w.seq), array_agg(w.id), array_agg(w.type), array_agg(w.subject), array_agg(w.recorded_at), array_agg(w.digest)
      INTO seqs, ids, types, subjects, times, digests
      FROM (SELECT e.seq, e.id, e.type, e.subject, e.recorded_at, event_digest(e) AS digest
              FROM (SELECT s.seq
                      FROM (SELECT n.seq FROM event_log n
                             WHERE n.tenant_id = p_tenant AND n.xid >= p_seen_top AND n.xid < p_until_top
                               AND n.xid <> ALL (p_until_open)
                            UNION ALL
                            SELECT n.seq FROM event_log n
                             WHERE n.tenant_id = p_tenant AND n.xid = ANY (p_seen_open) AND n.xid <> ALL (p_until_open)
                            OFFSET 0) s
                     WHERE s.seq > p_after_seq AND s.seq <= p_until_seq
                     ORDER BY s.seq LIMIT p_limit) page
              JOIN event_log e ON e.tenant_id = p_tenant AND e.seq = page.seq
             ORDER BY e.seq) w;
    RETURN QUERY
    SELECT u.seq, u.id, u.type, u.subject, u.recorded_at, coalesce(v.row_names, '{}'),
           sha256('\x00'::bytea || u.digest || coalesce(v.joined, ''::bytea)),
           int2send((1 + coalesce(cardinality(v.row_names), 0))::smallint) || substring(u.digest FROM 1 FOR 8)
               || coalesce(v.short, ''::bytea)
      FROM unnest(seqs, ids, types, subjects, times, digests) u(seq, id, type, subject, recorded_at, digest)
      LEFT JOIN event_evidence(p_tenant, types, subjects) v ON v.subject = u.subject AND starts_with(u.type, v.prefix)
     ORDER BY u.seq;
END $$;

-- Seal what is committed and not yet sealed of one tenant, in at most `p_blocks` blocks; the number of events sealed.
-- NULL when another builder is at this tenant.
CREATE FUNCTION audit_seal(p_tenant uuid, p_blocks integer, p_size integer DEFAULT 1024) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
DECLARE
    endless CONSTANT bigint := 9223372036854775807;
    b audit_block;
    all_seqs bigint[];
    all_leaves bytea[];
    all_parts bytea[];
    all_times timestamptz[];
    found integer;
    done integer;
    latest boolean;
    sealed bigint := 0;
    blocks integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('audit_seal ' || p_tenant, 0)) THEN
        RETURN NULL;
    END IF;
    -- A statement of its own after the lock: it sees the last builder's blocks.
    SELECT k.* INTO b FROM audit_block k WHERE k.tenant_id = p_tenant ORDER BY k.number DESC LIMIT 1;
    IF b.number IS NULL THEN
        b.tenant_id := p_tenant;
        b.number := 0;
        b.until_top := 0;
        b.until_open := '{}';
        b.until_seq := endless;
        b.event_count := 0;
        b.seen_top := 0;
        b.seen_open := '{}';
        b.hash := decode(repeat('00', 32), 'hex');
    END IF;
    WHILE blocks < p_blocks LOOP
        IF b.until_seq = endless THEN
            IF b.event_count > 0 THEN  -- The window before is sealed: a new one begins where it ends.
                b.seen_top := b.until_top;
                b.seen_open := b.until_open;
            END IF;
            b.after_seq := 0;
            SELECT c.top, c.open, c.latest INTO b.until_top, b.until_open, latest
              FROM event_next_cut(greatest(b.until_top, coalesce((
                  SELECT e.xid FROM event_log e WHERE e.tenant_id = p_tenant AND e.xid >= b.seen_top
                   ORDER BY e.xid LIMIT 1), 0)), 0) c;
        ELSE
            b.after_seq := b.until_seq;
            latest := false;
        END IF;
        -- Leaves of all the blocks to come at once, and one more that tells whether the window goes on.
        SELECT array_agg(l.seq ORDER BY l.seq), array_agg(l.leaf ORDER BY l.seq), array_agg(l.part ORDER BY l.seq),
               array_agg(l.recorded_at ORDER BY l.seq)
          INTO all_seqs, all_leaves, all_parts, all_times
          FROM audit_leaves(p_tenant, b.seen_top, b.seen_open, b.until_top, b.until_open, b.after_seq, endless,
                            (p_blocks - blocks) * p_size + 1) l;
        found := coalesce(cardinality(all_seqs), 0);
        IF found = 0 THEN
            EXIT WHEN latest;
            b.event_count := 0;
            b.until_seq := endless;
            CONTINUE;  -- Nothing of this tenant up to this mark: the window grows to the next.
        END IF;
        done := 0;
        WHILE done < found AND blocks < p_blocks LOOP
            b.event_count := least(p_size, found - done);
            b.seqs := all_seqs[done + 1 : done + b.event_count];
            b.leaves := (SELECT string_agg(u.x, ''::bytea ORDER BY u.i)
                           FROM unnest(all_leaves[done + 1 : done + b.event_count]) WITH ORDINALITY u(x, i));
            b.parts := (SELECT string_agg(u.x, ''::bytea ORDER BY u.i)
                          FROM unnest(all_parts[done + 1 : done + b.event_count]) WITH ORDINALITY u(x, i));
            b.newest_at := (SELECT max(u.x) FROM unnest(all_times[done + 1 : done + b.event_count]) u(x));
            done := done + b.event_count;
            b.until_seq := CASE WHEN done < found THEN b.seqs[b.event_count] ELSE endless END;
            b.number := b.number + 1;
            b.previous := b.hash;
            b.merkle_root := audit_merkle_root(b.leaves);
            b.built_at := clock_timestamp();
            b.hash := audit_block_hash(b);
            INSERT INTO audit_block SELECT b.*;
            sealed := sealed + b.event_count;
            blocks := blocks + 1;
            IF b.until_seq < endless THEN
                b.after_seq := b.until_seq;
            END IF;
        END LOOP;
        EXIT WHEN latest AND b.until_seq = endless;
    END LOOP;
    RETURN sealed;
END $$;

-- Take sealed, old events away whose type need not be kept: whole blocks at a time, behind every consumer, none parked.
-- The block keeps its leaves, so the chain verifies over the rest.
CREATE FUNCTION event_retain(p_before timestamptz, p_blocks integer, OUT blocks bigint, OUT events bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
DECLARE
    b audit_block;
    gone bigint[];
    v_removed text;
    v_seq bigint;
BEGIN
    blocks := 0;
    events := 0;
    PERFORM pg_advisory_xact_lock(hashtextextended('event_retain', 0));
    FOR b IN
        SELECT k.* FROM audit_block k
         WHERE k.newest_at < p_before
           AND NOT EXISTS (SELECT FROM audit_retired r WHERE r.tenant_id = k.tenant_id AND r.number = k.number)
           AND NOT EXISTS (SELECT FROM event_consumer c
                            WHERE c.name <> 'audit.chain'  -- Sealed is what it is already.
                              AND (c.seen_top < k.until_top OR (c.seen_top = k.until_top AND NOT c.seen_open <@ k.until_open)))
           AND NOT EXISTS (SELECT FROM event_parked p WHERE p.tenant_id = k.tenant_id AND p.seq = ANY (k.seqs))
         ORDER BY k.tenant_id, k.number LIMIT p_blocks
    LOOP
        PERFORM set_config('omniroute.event_retention', 'on', true);
        WITH removed AS (
            DELETE FROM event_log e
             WHERE e.tenant_id = b.tenant_id AND e.seq = ANY (b.seqs)
               AND NOT EXISTS (SELECT FROM event_kept k WHERE starts_with(e.type, k.prefix))
            RETURNING e.seq)
        SELECT coalesce(array_agg(r.seq), '{}') INTO gone FROM removed r;
        PERFORM set_config('omniroute.event_retention', 'off', true);
        SELECT string_agg(CASE WHEN u.seq = ANY (gone) THEN '1' ELSE '0' END, '' ORDER BY u.i)
          INTO v_removed FROM unnest(b.seqs) WITH ORDINALITY u(seq, i);
        v_seq := NULL;
        IF gone <> '{}' THEN
            INSERT INTO event_log (tenant_id, id, type, subject, data)
            VALUES (b.tenant_id, gen_random_uuid(), 'audit.events_retired', b.tenant_id, jsonb_build_object(
                'tenant_id', b.tenant_id, 'block', b.number, 'event_count', cardinality(gone), 'before', to_char(p_before AT TIME ZONE 'UTC',
                'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'removed', v_removed))
            RETURNING seq INTO v_seq;
        END IF;
        INSERT INTO audit_retired (tenant_id, number, removed, event_seq) VALUES (b.tenant_id, b.number, v_removed, v_seq);
        blocks := blocks + 1;
        events := events + cardinality(gone);
    END LOOP;
END $$;

-- After a restore into another cluster transaction ids may begin below those stored: raise the number that is added.
-- Every process calls it before it writes; it does nothing unless needed. Returns the number in force.
CREATE FUNCTION event_epoch_repair() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
DECLARE
    started bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    stored bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('event_epoch', 0));
    stored := greatest(
        (SELECT max(e.xid) FROM event_log e), (SELECT max(m.top) FROM event_mark m),
        (SELECT max(c.until_top) FROM event_consumer c), (SELECT max(b.until_top) FROM audit_block b), 0);
    IF stored > (SELECT c.top FROM event_cut() c) THEN
        -- Far above everything handed out, cursors in the hands of others included.
        EXECUTE format('CREATE OR REPLACE FUNCTION omniroute.event_epoch() RETURNS bigint
            LANGUAGE sql STABLE PARALLEL SAFE RETURN %s::bigint', stored - started + 4294967296);
    END IF;
    RETURN event_epoch();
END $$;

GRANT EXECUTE ON FUNCTION event_epoch_repair() TO omniroute_app, omniroute_worker;
GRANT EXECUTE ON FUNCTION event_retain(timestamptz, integer), audit_seal(uuid, integer, integer), audit_merkle_root(bytea),
    audit_leaves(uuid, bigint, bigint[], bigint, bigint[], bigint, bigint, integer) TO omniroute_worker;
