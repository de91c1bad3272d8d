-- Event triggers and cron triggers of the GraphQL door: what is still to be told to whom, and what became of it.
--
-- `next_attempt_at` is when an attempt is due, and the lease of one that is under way; `claim` numbers the claims, and
-- what an older one brings home is not recorded.

CREATE TABLE graphql_delivery (
    tenant_id       uuid        NOT NULL,
    delivery_id     uuid        NOT NULL,
    trigger_name    text        NOT NULL,
    table_schema    text        NOT NULL,
    table_name      text        NOT NULL,
    event_seq       bigint      NULL,
    subject         uuid        NOT NULL,
    event           text        NOT NULL,
    status          text        NOT NULL DEFAULT 'pending',
    try_count       integer     NOT NULL DEFAULT 0,
    claim           integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NULL,
    last_status     smallint    NULL,
    last_reason     text        NULL,
    happened_at     timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    finished_at     timestamptz NULL,
    CONSTRAINT graphql_delivery_pkey PRIMARY KEY (tenant_id, delivery_id),
    CONSTRAINT graphql_delivery_event_key UNIQUE (tenant_id, trigger_name, event_seq),
    CONSTRAINT graphql_delivery_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT graphql_delivery_status_known CHECK (status IN ('pending', 'delivered', 'failed')),
    CONSTRAINT graphql_delivery_pending_is_due CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT graphql_delivery_finished_once CHECK ((status = 'pending') = (finished_at IS NULL)),
    CONSTRAINT graphql_delivery_counts_natural CHECK (try_count >= 0 AND claim >= 0)
);
COMMENT ON COLUMN graphql_delivery.event_seq IS 'position in the event log; null when it was asked for by hand';
COMMENT ON COLUMN graphql_delivery.event IS 'JSON: the member `event` of what is sent, as it was when it was queued';
COMMENT ON COLUMN graphql_delivery.try_count IS 'attempts since it was queued last';
CREATE INDEX graphql_delivery_due_idx ON graphql_delivery (trigger_name, next_attempt_at, tenant_id, delivery_id)
    WHERE status = 'pending';
CREATE INDEX graphql_delivery_order_idx ON graphql_delivery (tenant_id, trigger_name, subject, event_seq)
    WHERE status = 'pending';
CREATE INDEX graphql_delivery_failed_idx ON graphql_delivery (tenant_id, created_at, delivery_id)
    WHERE status = 'failed';
CREATE INDEX graphql_delivery_age_idx ON graphql_delivery USING brin (created_at);
ALTER TABLE graphql_delivery ENABLE ROW LEVEL SECURITY;
CREATE POLICY graphql_delivery_tenant ON graphql_delivery TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND current_branches() IS NULL)
    WITH CHECK (tenant_id = current_tenant() AND current_branches() IS NULL);
CREATE POLICY graphql_delivery_worker ON graphql_delivery FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON graphql_delivery TO omniroute_app, omniroute_worker;

-- Cron triggers belong to the whole installation, as the metadata does. Up to when the ticks of each are written down.
CREATE TABLE graphql_cron (
    trigger_name  text        NOT NULL,
    planned_until timestamptz NOT NULL,
    CONSTRAINT graphql_cron_pkey PRIMARY KEY (trigger_name)
);
GRANT SELECT, INSERT, UPDATE ON graphql_cron TO omniroute_worker;

CREATE TABLE graphql_cron_tick (
    trigger_name    text        NOT NULL,
    scheduled_at    timestamptz NOT NULL,
    tick_id         uuid        NOT NULL,
    status          text        NOT NULL DEFAULT 'pending',
    try_count       integer     NOT NULL DEFAULT 0,
    claim           integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NULL,
    last_status     smallint    NULL,
    last_reason     text        NULL,
    created_at      timestamptz NOT NULL,
    finished_at     timestamptz NULL,
    CONSTRAINT graphql_cron_tick_pkey PRIMARY KEY (trigger_name, scheduled_at),
    CONSTRAINT graphql_cron_tick_id_key UNIQUE (tick_id),
    CONSTRAINT graphql_cron_tick_status_known CHECK (status IN ('pending', 'delivered', 'failed')),
    CONSTRAINT graphql_cron_tick_pending_is_due CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT graphql_cron_tick_finished_once CHECK ((status = 'pending') = (finished_at IS NULL))
);
CREATE INDEX graphql_cron_tick_due_idx ON graphql_cron_tick (next_attempt_at) WHERE status = 'pending';
GRANT SELECT, INSERT, UPDATE ON graphql_cron_tick TO omniroute_worker;

-- Forget what was queued long ago, also what waits for a trigger that is no more. Guarded here, so that nobody needs
-- DELETE.
CREATE FUNCTION graphql_trigger_purge(p_before timestamptz, p_limit integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = omniroute, pg_temp
AS $$
    WITH old AS (
        SELECT d.tenant_id, d.delivery_id FROM graphql_delivery d
         WHERE d.created_at < p_before AND coalesce(d.finished_at, d.next_attempt_at) < p_before
         LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM graphql_delivery d USING old o
         WHERE d.tenant_id = o.tenant_id AND d.delivery_id = o.delivery_id
        RETURNING 1
    ), old_ticks AS (
        SELECT t.trigger_name, t.scheduled_at FROM graphql_cron_tick t
         WHERE t.created_at < p_before AND coalesce(t.finished_at, t.next_attempt_at) < p_before
         LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), gone_ticks AS (
        DELETE FROM graphql_cron_tick t USING old_ticks o
         WHERE t.trigger_name = o.trigger_name AND t.scheduled_at = o.scheduled_at
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone)::integer + (SELECT count(*) FROM gone_ticks)::integer
$$;
REVOKE ALL ON FUNCTION graphql_trigger_purge(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION graphql_trigger_purge(timestamptz, integer) TO omniroute_worker;
