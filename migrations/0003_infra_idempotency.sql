-- Stored replies of the HTTP door: what a request with an Idempotency-Key was answered.
--
-- The row is written in the transaction of the effect, so that a reply exists exactly when its effect does.
-- The key itself is kept only as a hash; a reply that holds a secret is sealed with a key derived from it.

SET LOCAL ROLE omniroute_owner;

CREATE TABLE http_reply (
    tenant_id   uuid        NOT NULL,
    scope       text        NOT NULL,
    key_hash    bytea       NOT NULL,
    fingerprint bytea       NOT NULL,
    status      smallint    NOT NULL,
    headers     jsonb       NOT NULL,
    body        bytea       NOT NULL,
    sealed      boolean     NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    CONSTRAINT http_reply_pk PRIMARY KEY (tenant_id, scope, key_hash),
    CONSTRAINT http_reply_key_hash_ck CHECK (octet_length(key_hash) = 32),
    CONSTRAINT http_reply_fingerprint_ck CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT http_reply_status_ck CHECK (status BETWEEN 200 AND 499),
    CONSTRAINT http_reply_expiry_ck CHECK (expires_at >= created_at + interval '30 days')
);
CREATE INDEX http_reply_expires_ix ON http_reply (expires_at);

ALTER TABLE http_reply ENABLE ROW LEVEL SECURITY;
CREATE POLICY http_reply_tenant ON http_reply TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON http_reply TO omniroute_app;

-- Forget replies whose time is over, at most `p_limit` a call. Guarded here, so that nobody needs DELETE.
CREATE FUNCTION http_reply_purge(p_now timestamptz, p_limit integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = omniroute, pg_temp
AS $$
    WITH due AS (
        SELECT tenant_id, scope, key_hash FROM http_reply
         WHERE expires_at <= p_now ORDER BY expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM http_reply r USING due d
         WHERE r.tenant_id = d.tenant_id AND r.scope = d.scope AND r.key_hash = d.key_hash
        RETURNING 1
    )
    SELECT count(*)::integer FROM gone;
$$;
GRANT EXECUTE ON FUNCTION http_reply_purge(timestamptz, integer) TO omniroute_worker;
