-- Authority to collect: who may collect money for whom, of what and by which means, what it earns, when it is settled.
--
-- What was agreed on never changes: other terms are another grant. Only where a grant stands changes.

CREATE TABLE atc_grant (
    tenant_id              uuid        NOT NULL,
    grant_id               uuid        NOT NULL,
    reference              text        NOT NULL,
    grantor_id             uuid        NOT NULL,
    grantee_id             uuid        NOT NULL,
    scope                  text        NOT NULL,
    collection_type        text        NOT NULL,
    currency               char(3)     NOT NULL,
    max_amount_minor       bigint      NULL,
    cumulative_limit_minor bigint      NULL,
    collected_account_id   uuid        NOT NULL,
    commission_type        text        NOT NULL,
    commission_rate_ppm    bigint      NULL,
    commission_flat_minor  bigint      NULL,
    min_commission_minor   bigint      NULL,
    max_commission_minor   bigint      NULL,
    settlement_frequency   text        NOT NULL,
    settlement_day         smallint    NULL,
    settlement_delay_days  smallint    NOT NULL,
    settlement_account     jsonb       NOT NULL,
    status                 text        NOT NULL,
    status_reason          text        NULL,
    effective_from         timestamptz NOT NULL,
    effective_to           timestamptz NULL,
    parent_id              uuid        NULL,
    depth                  smallint    NOT NULL,
    terms_document_url     text        NULL,
    created_by             text        NOT NULL,
    approved_by            text        NULL,
    approved_at            timestamptz NULL,
    ended_at               timestamptz NULL,
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
    version                integer     NOT NULL DEFAULT 1,
    CONSTRAINT atc_grant_pkey PRIMARY KEY (tenant_id, grant_id),
    CONSTRAINT atc_grant_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT atc_grant_grantor_fkey FOREIGN KEY (tenant_id, grantor_id) REFERENCES partner (tenant_id, partner_id),
    CONSTRAINT atc_grant_grantee_fkey FOREIGN KEY (tenant_id, grantee_id) REFERENCES partner (tenant_id, partner_id),
    CONSTRAINT atc_grant_parent_fkey FOREIGN KEY (tenant_id, parent_id) REFERENCES atc_grant (tenant_id, grant_id),
    CONSTRAINT atc_grant_reference_key UNIQUE (tenant_id, reference),
    CONSTRAINT atc_grant_reference_form CHECK (length(reference) BETWEEN 1 AND 64),
    CONSTRAINT atc_grant_two_parties CHECK (grantor_id <> grantee_id),
    CONSTRAINT atc_grant_scope_known CHECK (scope IN ('ALL_PRODUCTS', 'PRODUCT_CATEGORY', 'SPECIFIC_PRODUCTS',
        'SPECIFIC_CUSTOMERS', 'GEOGRAPHIC_AREA')),
    CONSTRAINT atc_grant_collection_type_known CHECK (collection_type IN ('CASH', 'MOBILE_MONEY', 'BANK_TRANSFER',
        'CHEQUE', 'CREDIT_AGAINST_PURCHASE', 'ALL_METHODS')),
    CONSTRAINT atc_grant_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT atc_grant_max_amount_positive CHECK (max_amount_minor > 0),
    CONSTRAINT atc_grant_cumulative_limit_positive CHECK (cumulative_limit_minor > 0),
    CONSTRAINT atc_grant_commission_known CHECK (commission_type IN ('PERCENTAGE', 'FLAT_FEE', 'TIERED_PERCENTAGE',
        'HYBRID')),
    CONSTRAINT atc_grant_commission_rate CHECK ((commission_type IN ('PERCENTAGE', 'HYBRID'))
        = (commission_rate_ppm IS NOT NULL) AND commission_rate_ppm BETWEEN 0 AND 1000000),
    CONSTRAINT atc_grant_commission_flat CHECK ((commission_type IN ('FLAT_FEE', 'HYBRID'))
        = (commission_flat_minor IS NOT NULL) AND commission_flat_minor >= 0),
    CONSTRAINT atc_grant_commission_bounds CHECK (min_commission_minor >= 0 AND max_commission_minor >= 0
        AND (min_commission_minor IS NULL OR max_commission_minor IS NULL
             OR min_commission_minor <= max_commission_minor)),
    CONSTRAINT atc_grant_frequency_known CHECK (settlement_frequency IN ('INSTANT', 'DAILY', 'WEEKLY', 'BIWEEKLY',
        'MONTHLY', 'ON_DEMAND')),
    CONSTRAINT atc_grant_settlement_day CHECK (CASE
        WHEN settlement_frequency IN ('WEEKLY', 'BIWEEKLY') THEN settlement_day IS NOT NULL
                                                                 AND settlement_day BETWEEN 1 AND 7
        WHEN settlement_frequency = 'MONTHLY' THEN settlement_day IS NOT NULL AND settlement_day BETWEEN 1 AND 31
        ELSE settlement_day IS NULL END),
    CONSTRAINT atc_grant_settlement_delay CHECK (settlement_delay_days BETWEEN 0 AND 365),
    CONSTRAINT atc_grant_status_known CHECK (status IN ('draft', 'pending_approval', 'active', 'suspended', 'expired',
        'revoked')),
    CONSTRAINT atc_grant_period CHECK (effective_to > effective_from),
    CONSTRAINT atc_grant_depth CHECK (depth BETWEEN 0 AND 7 AND (depth = 0) = (parent_id IS NULL)),
    CONSTRAINT atc_grant_approved CHECK ((approved_by IS NULL) = (approved_at IS NULL)
        AND (status NOT IN ('active', 'suspended') OR approved_at IS NOT NULL)
        AND (status NOT IN ('draft', 'pending_approval') OR approved_at IS NULL)),
    CONSTRAINT atc_grant_ended CHECK ((status IN ('expired', 'revoked')) = (ended_at IS NOT NULL)),
    CONSTRAINT atc_grant_version_positive CHECK (version > 0)
);
COMMENT ON COLUMN atc_grant.max_amount_minor IS 'the most that one collection may be';
COMMENT ON COLUMN atc_grant.collected_account_id IS 'ledger account atc:<grant_id>:collected, open from the approval on';
COMMENT ON COLUMN atc_grant.commission_rate_ppm IS 'parts per million: 2.5 percent are 25000';
COMMENT ON COLUMN atc_grant.settlement_day IS 'of the week (Monday is 1) or of the month (31: its last)';
COMMENT ON COLUMN atc_grant.settlement_account IS 'where the grantor is paid: a payee, as payments have them';
COMMENT ON COLUMN atc_grant.depth IS '0: given by nobody''s authority but the grantor''s own';
CREATE INDEX atc_grant_recent ON atc_grant (tenant_id, created_at, grant_id);
CREATE INDEX atc_grant_children ON atc_grant (tenant_id, parent_id, created_at) WHERE parent_id IS NOT NULL;
CREATE INDEX atc_grant_grantee ON atc_grant (tenant_id, grantee_id, currency, status);
CREATE INDEX atc_grant_grantor ON atc_grant (tenant_id, grantor_id, grantee_id, currency);
CREATE INDEX atc_grant_to_expire ON atc_grant (effective_to, tenant_id, grant_id)
    WHERE status NOT IN ('expired', 'revoked') AND effective_to IS NOT NULL;
ALTER TABLE atc_grant ENABLE ROW LEVEL SECURITY;
CREATE POLICY atc_grant_tenant ON atc_grant TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY atc_grant_worker ON atc_grant FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT ON atc_grant TO omniroute_app;
GRANT SELECT ON atc_grant TO omniroute_worker;
GRANT UPDATE (status, status_reason, approved_by, approved_at, ended_at, updated_at, version) ON atc_grant
    TO omniroute_app, omniroute_worker;

-- What a grant is narrowed to. Each kind of thing once: all of them have to fit.
CREATE TABLE atc_scope (
    tenant_id    uuid        NOT NULL,
    scope_id     uuid        NOT NULL,
    grant_id     uuid        NOT NULL,
    scope_type   text        NOT NULL,
    scope_values text[]      NOT NULL,
    created_at   timestamptz NOT NULL,
    CONSTRAINT atc_scope_pkey PRIMARY KEY (tenant_id, scope_id),
    CONSTRAINT atc_scope_grant_fkey FOREIGN KEY (tenant_id, grant_id) REFERENCES atc_grant (tenant_id, grant_id),
    CONSTRAINT atc_scope_type_key UNIQUE (tenant_id, grant_id, scope_type),
    CONSTRAINT atc_scope_type_known CHECK (scope_type IN ('PRODUCT_ID', 'PRODUCT_CATEGORY', 'CUSTOMER_ID',
        'CUSTOMER_TIER', 'GEOGRAPHIC_ZONE', 'ORDER_TYPE')),
    CONSTRAINT atc_scope_values_some CHECK (cardinality(scope_values) BETWEEN 1 AND 1000
        AND array_position(scope_values, NULL) IS NULL)
);
ALTER TABLE atc_scope ENABLE ROW LEVEL SECURITY;
CREATE POLICY atc_scope_tenant ON atc_scope TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON atc_scope TO omniroute_app;
GRANT SELECT ON atc_scope TO omniroute_worker;

-- Rates by the size of a collection. An amount on the border of two belongs to the lower.
CREATE TABLE atc_commission_tier (
    tenant_id   uuid        NOT NULL,
    tier_id     uuid        NOT NULL,
    grant_id    uuid        NOT NULL,
    tier_number smallint    NOT NULL,
    min_minor   bigint      NOT NULL,
    max_minor   bigint      NULL,
    rate_ppm    bigint      NOT NULL,
    created_at  timestamptz NOT NULL,
    CONSTRAINT atc_commission_tier_pkey PRIMARY KEY (tenant_id, tier_id),
    CONSTRAINT atc_commission_tier_grant_fkey FOREIGN KEY (tenant_id, grant_id)
        REFERENCES atc_grant (tenant_id, grant_id),
    CONSTRAINT atc_commission_tier_number_key UNIQUE (tenant_id, grant_id, tier_number),
    CONSTRAINT atc_commission_tier_number_range CHECK (tier_number BETWEEN 1 AND 50),
    CONSTRAINT atc_commission_tier_bounds CHECK (min_minor >= 0 AND (max_minor IS NULL OR max_minor > min_minor)),
    CONSTRAINT atc_commission_tier_rate CHECK (rate_ppm BETWEEN 0 AND 1000000)
);
ALTER TABLE atc_commission_tier ENABLE ROW LEVEL SECURITY;
CREATE POLICY atc_commission_tier_tenant ON atc_commission_tier TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON atc_commission_tier TO omniroute_app;
GRANT SELECT ON atc_commission_tier TO omniroute_worker;

-- A grant begins unapproved, and nobody passes on more than they were given, whatever the code thinks.
CREATE FUNCTION atc_grant_birth_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parent atc_grant;
BEGIN
    IF NEW.status NOT IN ('draft', 'pending_approval') THEN
        RAISE EXCEPTION 'a grant begins unapproved'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_grant_begins_unapproved';
    END IF;
    IF NEW.parent_id IS NULL THEN RETURN NEW; END IF;
    SELECT * INTO parent FROM atc_grant g WHERE g.tenant_id = NEW.tenant_id AND g.grant_id = NEW.parent_id;
    IF NOT FOUND OR parent.grantee_id <> NEW.grantor_id OR parent.currency <> NEW.currency
       OR NEW.depth <> parent.depth + 1
       OR (parent.collection_type <> 'ALL_METHODS' AND parent.collection_type <> NEW.collection_type)
       OR NEW.effective_from < parent.effective_from
       OR (parent.effective_to IS NOT NULL AND (NEW.effective_to IS NULL OR NEW.effective_to > parent.effective_to))
       OR (parent.max_amount_minor IS NOT NULL
           AND (NEW.max_amount_minor IS NULL OR NEW.max_amount_minor > parent.max_amount_minor))
       OR (parent.cumulative_limit_minor IS NOT NULL
           AND (NEW.cumulative_limit_minor IS NULL OR NEW.cumulative_limit_minor > parent.cumulative_limit_minor)) THEN
        RAISE EXCEPTION 'a grant lies within the grant it comes from'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_grant_within_parent';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER atc_grant_birth_guard BEFORE INSERT ON atc_grant
    FOR EACH ROW EXECUTE FUNCTION atc_grant_birth_guard();

-- The ways a grant may go; and maker and checker are two people, by whatever key they come.
CREATE FUNCTION atc_grant_way_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
           ('draft', 'pending_approval'), ('draft', 'revoked'), ('draft', 'expired'),
           ('pending_approval', 'active'), ('pending_approval', 'revoked'), ('pending_approval', 'expired'),
           ('active', 'suspended'), ('active', 'revoked'), ('active', 'expired'),
           ('suspended', 'active'), ('suspended', 'revoked'), ('suspended', 'expired')) THEN
        RAISE EXCEPTION 'a grant does not go from % to %', OLD.status, NEW.status
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_grant_way';
    END IF;
    IF NEW.approved_by IS DISTINCT FROM OLD.approved_by
       AND (OLD.approved_by IS NOT NULL OR person_of(NEW.approved_by) = person_of(NEW.created_by)) THEN
        RAISE EXCEPTION 'who writes a grant does not approve it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_grant_four_eyes';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER atc_grant_way_guard BEFORE UPDATE ON atc_grant FOR EACH ROW EXECUTE FUNCTION atc_grant_way_guard();

-- Scopes and tiers are written with the grant, not added to one that was agreed on.
CREATE FUNCTION atc_terms_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM atc_grant g WHERE g.tenant_id = NEW.tenant_id AND g.grant_id = NEW.grant_id
                      AND g.status IN ('draft', 'pending_approval') AND g.version = 1) THEN
        RAISE EXCEPTION 'the terms of a grant do not change'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_grant_terms_stand';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER atc_scope_guard BEFORE INSERT ON atc_scope FOR EACH ROW EXECUTE FUNCTION atc_terms_guard();
CREATE TRIGGER atc_commission_tier_guard BEFORE INSERT ON atc_commission_tier
    FOR EACH ROW EXECUTE FUNCTION atc_terms_guard();

-- Looked at when the grant is written whole: tiers begin at nothing, touch, and end nowhere; other commissions have none.
CREATE FUNCTION atc_tiers_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken boolean;
BEGIN
    SELECT (count(t.tier_number) > 0) <> (g.commission_type = 'TIERED_PERCENTAGE') OR coalesce(bool_or(
               t.tier_number <> t.place OR t.min_minor NOT IN (coalesce(t.before, 0), coalesce(t.before + 1, 0))
               OR (t.max_minor IS NULL) <> t.is_last), false)
      INTO broken
      FROM atc_grant g
      LEFT JOIN LATERAL (
           SELECT c.tier_number, c.min_minor, c.max_minor, row_number() OVER by_number AS place,
                  lag(c.max_minor) OVER by_number AS before,
                  lead(c.tier_number) OVER by_number IS NULL AS is_last
             FROM atc_commission_tier c WHERE c.tenant_id = g.tenant_id AND c.grant_id = g.grant_id
           WINDOW by_number AS (ORDER BY c.tier_number)) t ON true
     WHERE g.tenant_id = NEW.tenant_id AND g.grant_id = NEW.grant_id
     GROUP BY g.commission_type;
    IF broken THEN
        RAISE EXCEPTION 'tiers begin at 0, touch each other, and the last has no end'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_commission_tiers_touch';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER atc_grant_tiers_guard AFTER INSERT ON atc_grant
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION atc_tiers_guard();
CREATE CONSTRAINT TRIGGER atc_commission_tiers_guard AFTER INSERT ON atc_commission_tier
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION atc_tiers_guard();
