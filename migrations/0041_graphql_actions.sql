-- Asynchronous actions of the GraphQL door: what was asked, and what became of it.
--
-- A handler is called once. `next_attempt_at` is when a call is due, and the lease of one that is under way; `claim`
-- numbers the claims, and what an older one brings home is not recorded.

CREATE TABLE graphql_action (
    tenant_id       uuid        NOT NULL,
    action_id       uuid        NOT NULL,
    name            text        NOT NULL,
    requested_by    text        NOT NULL,
    status          text        NOT NULL DEFAULT 'created',
    input           text        NOT NULL,
    session         jsonb       NOT NULL,
    document        text        NOT NULL,
    headers_sealed  bytea       NULL,
    output          text        NULL,
    error           text        NULL,
    claim           integer     NOT NULL DEFAULT 0,
    try_count       integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NULL,
    created_at      timestamptz NOT NULL,
    finished_at     timestamptz NULL,
    CONSTRAINT graphql_action_pkey PRIMARY KEY (tenant_id, action_id),
    CONSTRAINT graphql_action_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT graphql_action_status_known CHECK (status IN ('created', 'processing', 'completed', 'error')),
    CONSTRAINT graphql_action_due CHECK ((status IN ('created', 'processing')) = (next_attempt_at IS NOT NULL)),
    CONSTRAINT graphql_action_finished CHECK ((status IN ('completed', 'error')) = (finished_at IS NOT NULL)),
    CONSTRAINT graphql_action_output_once CHECK ((status = 'completed') = (output IS NOT NULL)),
    CONSTRAINT graphql_action_error_once CHECK ((status = 'error') = (error IS NOT NULL)),
    CONSTRAINT graphql_action_headers_forgotten CHECK (finished_at IS NULL OR headers_sealed IS NULL)
);
COMMENT ON COLUMN graphql_action.requested_by IS 'x-hasura-user-id of who asked; nobody else sees the row';
COMMENT ON COLUMN graphql_action.input IS 'JSON, as it is sent';
COMMENT ON COLUMN graphql_action.headers_sealed IS 'headers of the request that the action passes on, until it is over';
CREATE INDEX graphql_action_due_idx ON graphql_action (next_attempt_at, tenant_id, action_id)
    WHERE status IN ('created', 'processing');
CREATE INDEX graphql_action_age_idx ON graphql_action USING brin (created_at);
ALTER TABLE graphql_action ENABLE ROW LEVEL SECURITY;
CREATE POLICY graphql_action_tenant ON graphql_action TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY graphql_action_worker ON graphql_action FOR SELECT TO omniroute_worker USING (true);
-- The doors put headers in; only the worker, who sends them, reads them.
GRANT SELECT (tenant_id, action_id, name, requested_by, status, input, session, document, output, error, claim,
              try_count, next_attempt_at, created_at, finished_at), INSERT
    ON graphql_action TO omniroute_app;
GRANT SELECT ON graphql_action TO omniroute_worker;
GRANT UPDATE (status, headers_sealed, output, error, claim, try_count, next_attempt_at, finished_at)
    ON graphql_action TO omniroute_worker;

-- Forget calls that were over long ago, at most `p_limit` a call. Guarded here, so that nobody needs DELETE.
CREATE FUNCTION graphql_action_purge(p_before timestamptz, p_limit integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = omniroute, pg_temp
AS $$
    WITH old AS (
        SELECT a.tenant_id, a.action_id FROM graphql_action a
         WHERE a.created_at < p_before AND a.finished_at < p_before
         LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM graphql_action a USING old o
         WHERE a.tenant_id = o.tenant_id AND a.action_id = o.action_id
        RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$;
REVOKE ALL ON FUNCTION graphql_action_purge(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION graphql_action_purge(timestamptz, integer) TO omniroute_worker;
