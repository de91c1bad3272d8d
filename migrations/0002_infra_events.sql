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
-- is added to every one. It is a function and not a table so that PostgreSQL folds it into the plan: it costs nothing.
-- event_epoch_repair() replaces it.
CREATE FUNCTION event_epoch() RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
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
CREATE POLICY event_log_tenant ON event_log TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
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
