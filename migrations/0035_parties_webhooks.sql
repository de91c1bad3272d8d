-- Outgoing webhooks: where organisations want their events sent, what is still to be sent, and what became of it.
--
-- A delivery names an event of the log, not its text: the body is made when it is sent. `event_seq` orders the
-- deliveries of one subject; `next_attempt_at` is also the lease of a delivery that is under way.

CREATE TABLE webhook_endpoint (
    tenant_id     uuid        NOT NULL,
    endpoint_id   uuid        NOT NULL,
    url           text        NOT NULL,
    description   text        NOT NULL DEFAULT '',
    event_types   text[]      NOT NULL,
    status        text        NOT NULL DEFAULT 'active',
    status_reason text        NULL,
    since_top     bigint      NOT NULL,
    since_open    bigint[]    NOT NULL,
    failure_count integer     NOT NULL DEFAULT 0,
    failing_since timestamptz NULL,
    rests_until   timestamptz NULL,
    delivered_at  timestamptz NULL,
    version       integer     NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    CONSTRAINT webhook_endpoint_pkey PRIMARY KEY (tenant_id, endpoint_id),
    CONSTRAINT webhook_endpoint_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT webhook_endpoint_url_length CHECK (length(url) BETWEEN 1 AND 2000),
    CONSTRAINT webhook_endpoint_description_length CHECK (length(description) <= 500),
    CONSTRAINT webhook_endpoint_event_types_some CHECK (cardinality(event_types) BETWEEN 1 AND 100),
    CONSTRAINT webhook_endpoint_status_known CHECK (status IN ('active', 'paused', 'disabled', 'deleted')),
    CONSTRAINT webhook_endpoint_failure_count_natural CHECK (failure_count >= 0),
    CONSTRAINT webhook_endpoint_version_positive CHECK (version > 0)
);
COMMENT ON COLUMN webhook_endpoint.since_top IS 'with since_open: the cut of the log at which the endpoint was made';
COMMENT ON COLUMN webhook_endpoint.failure_count IS 'attempts that failed in a row';
COMMENT ON COLUMN webhook_endpoint.rests_until IS 'the receiver asked for a pause (Retry-After)';
ALTER TABLE webhook_endpoint ENABLE ROW LEVEL SECURITY;
CREATE POLICY webhook_endpoint_tenant ON webhook_endpoint TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND current_branches() IS NULL)
    WITH CHECK (tenant_id = current_tenant() AND current_branches() IS NULL);
CREATE POLICY webhook_endpoint_worker ON webhook_endpoint FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON webhook_endpoint TO omniroute_app, omniroute_worker;

-- Signing secrets, sealed. After a rotation the older ones sign along until their end.
CREATE TABLE webhook_secret (
    tenant_id   uuid        NOT NULL,
    secret_id   uuid        NOT NULL,
    endpoint_id uuid        NOT NULL,
    sealed      bytea       NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NULL,
    CONSTRAINT webhook_secret_pkey PRIMARY KEY (tenant_id, secret_id),
    CONSTRAINT webhook_secret_endpoint_fkey FOREIGN KEY (tenant_id, endpoint_id)
        REFERENCES webhook_endpoint (tenant_id, endpoint_id)
);
CREATE INDEX webhook_secret_endpoint_idx ON webhook_secret (tenant_id, endpoint_id);
ALTER TABLE webhook_secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY webhook_secret_tenant ON webhook_secret TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND current_branches() IS NULL)
    WITH CHECK (tenant_id = current_tenant() AND current_branches() IS NULL);
CREATE POLICY webhook_secret_worker ON webhook_secret FOR SELECT TO omniroute_worker USING (true);
-- The doors put secrets in and say when they end; only the worker, who signs, reads them.
GRANT SELECT (tenant_id, secret_id, endpoint_id, created_at, expires_at), INSERT, UPDATE (expires_at)
    ON webhook_secret TO omniroute_app;
GRANT SELECT, UPDATE ON webhook_secret TO omniroute_worker;

CREATE TABLE webhook_delivery (
    tenant_id       uuid        NOT NULL,
    delivery_id     uuid        NOT NULL,
    endpoint_id     uuid        NOT NULL,
    event_id        uuid        NOT NULL,
    event_seq       bigint      NOT NULL,
    event_type      text        NOT NULL,
    event_at        timestamptz NOT NULL,
    subject         uuid        NOT NULL,
    status          text        NOT NULL DEFAULT 'pending',
    is_manual       boolean     NOT NULL DEFAULT false,
    attempt_count   integer     NOT NULL DEFAULT 0,
    try_count       integer     NOT NULL DEFAULT 0,
    claim           integer     NOT NULL DEFAULT 0,
    leased_until    timestamptz NULL,
    next_attempt_at timestamptz NULL,
    last_status     smallint    NULL,
    last_reason     text        NULL,
    created_at      timestamptz NOT NULL,
    finished_at     timestamptz NULL,
    CONSTRAINT webhook_delivery_pkey PRIMARY KEY (tenant_id, delivery_id),
    CONSTRAINT webhook_delivery_event_key UNIQUE (tenant_id, endpoint_id, event_seq),
    CONSTRAINT webhook_delivery_endpoint_fkey FOREIGN KEY (tenant_id, endpoint_id)
        REFERENCES webhook_endpoint (tenant_id, endpoint_id),
    CONSTRAINT webhook_delivery_status_known CHECK (status IN ('pending', 'delivered', 'failed')),
    CONSTRAINT webhook_delivery_pending_is_due CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT webhook_delivery_finished_once CHECK ((status = 'pending') = (finished_at IS NULL)),
    CONSTRAINT webhook_delivery_counts_natural CHECK (attempt_count >= 0 AND try_count >= 0 AND claim >= 0)
);
COMMENT ON COLUMN webhook_delivery.is_manual IS 'asked for by hand: goes out of turn, and also while the endpoint is paused';
COMMENT ON COLUMN webhook_delivery.try_count IS 'attempts since it was queued last; attempt_count counts all';
COMMENT ON COLUMN webhook_delivery.claim IS 'number of the last claim; what an older one brings home is not recorded';
-- What is due, endpoint by endpoint; the manual ones apart, so that a paused endpoint's pile is not walked for them.
CREATE INDEX webhook_delivery_due_idx ON webhook_delivery (tenant_id, endpoint_id, next_attempt_at, event_seq)
    WHERE status = 'pending' AND NOT is_manual;
CREATE INDEX webhook_delivery_manual_idx ON webhook_delivery (tenant_id, endpoint_id, next_attempt_at)
    WHERE status = 'pending' AND is_manual;
CREATE INDEX webhook_delivery_order_idx ON webhook_delivery (tenant_id, endpoint_id, subject, event_seq)
    WHERE status = 'pending' AND NOT is_manual;
-- The log, by event and by queueing, of all endpoints and of one.
CREATE INDEX webhook_delivery_event_at_idx ON webhook_delivery (tenant_id, event_at, delivery_id);
CREATE INDEX webhook_delivery_endpoint_idx ON webhook_delivery (tenant_id, endpoint_id, event_at, delivery_id);
CREATE INDEX webhook_delivery_created_at_idx ON webhook_delivery (tenant_id, created_at, delivery_id);
CREATE INDEX webhook_delivery_age_idx ON webhook_delivery USING brin (created_at);
ALTER TABLE webhook_delivery ENABLE ROW LEVEL SECURITY;
CREATE POLICY webhook_delivery_tenant ON webhook_delivery TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND current_branches() IS NULL)
    WITH CHECK (tenant_id = current_tenant() AND current_branches() IS NULL);
CREATE POLICY webhook_delivery_worker ON webhook_delivery FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON webhook_delivery TO omniroute_app, omniroute_worker;

CREATE TABLE webhook_attempt (
    tenant_id   uuid        NOT NULL,
    delivery_id uuid        NOT NULL,
    number      integer     NOT NULL,
    started_at  timestamptz NOT NULL,
    duration_ms integer     NOT NULL,
    status      smallint    NULL,
    reason      text        NULL,
    reply       text        NULL,
    CONSTRAINT webhook_attempt_pkey PRIMARY KEY (tenant_id, delivery_id, number),
    CONSTRAINT webhook_attempt_delivery_fkey FOREIGN KEY (tenant_id, delivery_id)
        REFERENCES webhook_delivery (tenant_id, delivery_id) ON DELETE CASCADE,
    CONSTRAINT webhook_attempt_reply_length CHECK (length(reply) <= 2048)
);
ALTER TABLE webhook_attempt ENABLE ROW LEVEL SECURITY;
CREATE POLICY webhook_attempt_tenant ON webhook_attempt TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND current_branches() IS NULL)
    WITH CHECK (tenant_id = current_tenant() AND current_branches() IS NULL);
GRANT SELECT ON webhook_attempt TO omniroute_app;
GRANT SELECT, INSERT ON webhook_attempt TO omniroute_worker;

-- Forget deliveries of long ago, with their attempts, at most `p_limit` a call: those that are over, and those that
-- wait for an endpoint that takes none, or no queue would ever end. Guarded here, so that nobody needs DELETE.
CREATE FUNCTION webhook_purge(p_before timestamptz, p_limit integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = omniroute, pg_temp
AS $$
    WITH old AS (
        SELECT d.tenant_id, d.delivery_id FROM webhook_delivery d
          JOIN webhook_endpoint e ON e.tenant_id = d.tenant_id AND e.endpoint_id = d.endpoint_id
         WHERE d.created_at < p_before
           AND (d.finished_at < p_before OR (d.status = 'pending' AND e.status <> 'active'
                                             AND coalesce(d.leased_until, p_before) <= p_before))
         LIMIT p_limit FOR UPDATE OF d SKIP LOCKED
    ), gone AS (
        DELETE FROM webhook_delivery d USING old o
         WHERE d.tenant_id = o.tenant_id AND d.delivery_id = o.delivery_id
        RETURNING 1
    )
    SELECT count(*)::integer FROM gone;
$$;

-- Forget secrets that no longer sign.
CREATE FUNCTION webhook_purge_secrets(p_before timestamptz) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = omniroute, pg_temp
AS $$
    WITH gone AS (DELETE FROM webhook_secret s WHERE s.expires_at < p_before RETURNING 1)
    SELECT count(*)::integer FROM gone;
$$;
REVOKE EXECUTE ON FUNCTION webhook_purge(timestamptz, integer), webhook_purge_secrets(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhook_purge(timestamptz, integer), webhook_purge_secrets(timestamptz) TO omniroute_worker;
