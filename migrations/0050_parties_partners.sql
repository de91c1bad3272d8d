-- Partners: who trades with the organisation in its network. What it owes them and what they hold of it stands on the
-- ledger, on accounts of each partner; no balance is stored here.

CREATE TABLE partner (
    tenant_id     uuid        NOT NULL,
    partner_id    uuid        NOT NULL,
    code          text        NOT NULL,
    kind          text        NOT NULL,
    name          text        NOT NULL,
    phone         text        NULL,
    email         text        NULL,
    account       jsonb       NULL,
    external_refs jsonb       NOT NULL DEFAULT '{}',
    status        text        NOT NULL DEFAULT 'active',
    version       integer     NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    CONSTRAINT partner_pkey PRIMARY KEY (tenant_id, partner_id),
    CONSTRAINT partner_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT partner_code_key UNIQUE (tenant_id, code),
    CONSTRAINT partner_code_form CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
    CONSTRAINT partner_kind_known CHECK (kind IN ('MANUFACTURER', 'DISTRIBUTOR', 'WHOLESALER', 'RETAILER', 'WORKER',
        'PLATFORM', 'CUSTOMER', 'SUPPLIER', 'GROUP')),
    CONSTRAINT partner_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT partner_status_known CHECK (status IN ('active', 'closed')),
    CONSTRAINT partner_version_positive CHECK (version > 0)
);
COMMENT ON COLUMN partner.account IS 'where the partner is paid: kind, identifier, institution, name, country';
COMMENT ON COLUMN partner.external_refs IS 'what other systems call the partner: system -> id';
CREATE INDEX partner_name_idx ON partner (tenant_id, name, partner_id);
CREATE INDEX partner_created_at_idx ON partner (tenant_id, created_at, partner_id);
ALTER TABLE partner ENABLE ROW LEVEL SECURITY;
CREATE POLICY partner_tenant ON partner TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE ON partner TO omniroute_app, omniroute_worker;
