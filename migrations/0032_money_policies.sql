-- What organisations have decided about their payments: routes, fees, approvals, limits.
--
-- A policy is data, in force as soon as it stands here. Changes stand beside it for ever; a change of limits or
-- approvals becomes a policy only when a second person has agreed.

CREATE TABLE payment_policy (
    tenant_id    uuid        NOT NULL,
    policy_id    uuid        NOT NULL,
    kind         text        NOT NULL,
    name         text        NOT NULL,
    position     integer     NOT NULL,
    applies_when jsonb       NOT NULL,
    rule         jsonb       NOT NULL,
    status       text        NOT NULL DEFAULT 'active',
    version      integer     NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    CONSTRAINT payment_policy_pkey PRIMARY KEY (tenant_id, policy_id),
    CONSTRAINT payment_policy_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT payment_policy_kind_known CHECK (kind IN ('route', 'fee', 'approval', 'limit')),
    CONSTRAINT payment_policy_name_length CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT payment_policy_position_range CHECK (position BETWEEN 0 AND 100000),
    CONSTRAINT payment_policy_status_known CHECK (status IN ('active', 'retired')),
    CONSTRAINT payment_policy_version_positive CHECK (version > 0)
);
CREATE UNIQUE INDEX payment_policy_name_key ON payment_policy (tenant_id, kind, name) WHERE status = 'active';
ALTER TABLE payment_policy ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_policy_tenant ON payment_policy TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE ON payment_policy TO omniroute_app;
GRANT SELECT ON payment_policy TO omniroute_worker;

CREATE TABLE payment_policy_change (
    tenant_id      uuid        NOT NULL,
    change_id      uuid        NOT NULL,
    policy_id      uuid        NOT NULL,
    kind           text        NOT NULL,
    action         text        NOT NULL,
    policy_version integer     NOT NULL,
    draft          jsonb       NULL,
    status         text        NOT NULL,
    proposed_by    text        NOT NULL,
    proposed_at    timestamptz NOT NULL,
    decided_by     text        NULL,
    decided_at     timestamptz NULL,
    comment        text        NULL,
    version        integer     NOT NULL DEFAULT 1,
    CONSTRAINT payment_policy_change_pkey PRIMARY KEY (tenant_id, change_id),
    CONSTRAINT payment_policy_change_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT payment_policy_change_action_known CHECK (action IN ('create', 'replace', 'retire')),
    CONSTRAINT payment_policy_change_status_known CHECK (status IN ('proposed', 'active', 'rejected')),
    CONSTRAINT payment_policy_change_drafted CHECK ((action = 'retire') = (draft IS NULL)),
    CONSTRAINT payment_policy_change_decided CHECK ((status = 'proposed') = (decided_at IS NULL)),
    -- Four eyes, whatever the code thinks: limits and approvals change only when somebody else has agreed.
    CONSTRAINT payment_policy_change_four_eyes CHECK (status <> 'active' OR kind NOT IN ('limit', 'approval')
        OR (decided_by IS NOT NULL AND decided_by <> proposed_by))
);
CREATE INDEX payment_policy_change_recent ON payment_policy_change (tenant_id, proposed_at, change_id);
ALTER TABLE payment_policy_change ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_policy_change_tenant ON payment_policy_change TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON payment_policy_change TO omniroute_app;
GRANT UPDATE (status, decided_by, decided_at, comment, version) ON payment_policy_change TO omniroute_app;
