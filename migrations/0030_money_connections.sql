-- Bank connections: how a tenant reaches one account of his at one rail.
--
-- A connection pays in one currency from one account at the rail; `float_account_id` is that account in our ledger (an
-- asset). Secrets are sealed outside of the database (infra.secrets) with the tenant and this row as context, so that a
-- ciphertext copied to another row or tenant opens nowhere.

CREATE TABLE bank_connection (
    tenant_id        uuid        NOT NULL,
    connection_id    uuid        NOT NULL,
    code             text        NOT NULL,
    name             text        NOT NULL,
    rail             text        NOT NULL,
    bank_code        text        NULL,
    currency         char(3)     NOT NULL,
    endpoint         text        NOT NULL,
    public           jsonb       NOT NULL DEFAULT '{}',
    sealed           bytea       NULL,
    operations       text[]      NOT NULL,
    status           text        NOT NULL DEFAULT 'active',
    health           text        NOT NULL DEFAULT 'unknown',
    health_reason    text        NULL,
    health_at        timestamptz NULL,
    float_account_id uuid        NOT NULL,
    float_low_minor  bigint      NULL,
    float_was_low    boolean     NOT NULL DEFAULT false,
    limits           jsonb       NOT NULL DEFAULT '{}',
    statement_until  timestamptz NULL,
    version          integer     NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    CONSTRAINT bank_connection_pkey PRIMARY KEY (tenant_id, connection_id),
    CONSTRAINT bank_connection_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT bank_connection_code_key UNIQUE (tenant_id, code),
    CONSTRAINT bank_connection_code_form CHECK (code ~ '^[a-z0-9][a-z0-9_-]{0,39}$'),
    CONSTRAINT bank_connection_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT bank_connection_status_known CHECK (status IN ('active', 'paused', 'closed')),
    CONSTRAINT bank_connection_health_known CHECK (health IN ('unknown', 'up', 'degraded', 'down')),
    CONSTRAINT bank_connection_operations_some CHECK (cardinality(operations) > 0),
    CONSTRAINT bank_connection_version_positive CHECK (version > 0)
);
COMMENT ON COLUMN bank_connection.statement_until IS 'everything the rail booked before this instant has been read';
ALTER TABLE bank_connection ENABLE ROW LEVEL SECURITY;
CREATE POLICY bank_connection_tenant ON bank_connection TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY bank_connection_worker ON bank_connection FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON bank_connection TO omniroute_app, omniroute_worker;
