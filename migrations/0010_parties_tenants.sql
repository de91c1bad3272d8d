-- Organisations (the tenants), their branches and applications, and links between organisations.
--
-- `organisation` is small and looked up by slug across tenants, so it is a reference table on a sharded cluster.
-- Every other table is keyed by tenant_id first.

CREATE TABLE organisation (
    tenant_id   uuid        NOT NULL,
    slug        text        NOT NULL,
    name        text        NOT NULL,
    country     char(2)     NOT NULL,
    currency    char(3)     NOT NULL,
    time_zone   text        NOT NULL,
    residency   text        NOT NULL,
    status      text        NOT NULL DEFAULT 'active',
    settings    jsonb       NOT NULL DEFAULT '{}',
    custom      jsonb       NOT NULL DEFAULT '{}',
    branding    jsonb       NOT NULL DEFAULT '{}',
    version     integer     NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT organisation_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT organisation_slug_key UNIQUE (slug),
    CONSTRAINT organisation_slug_form CHECK (slug ~ '^[a-z][a-z0-9-]{1,46}[a-z0-9]$'),
    CONSTRAINT organisation_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT organisation_country_form CHECK (country ~ '^[A-Z]{2}$'),
    CONSTRAINT organisation_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT organisation_residency_form CHECK (residency ~ '^[a-z0-9][a-z0-9-]{1,31}$'),
    CONSTRAINT organisation_status_known CHECK (status IN ('active', 'suspended', 'closed')),
    CONSTRAINT organisation_custom_size CHECK (pg_column_size(custom) <= 65536),
    CONSTRAINT organisation_version_positive CHECK (version > 0)
);
ALTER TABLE organisation ENABLE ROW LEVEL SECURITY;
CREATE POLICY organisation_tenant ON organisation TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY organisation_worker ON organisation FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON organisation TO omniroute_app, omniroute_worker;

CREATE TABLE branch (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    parent_id   uuid        NULL,
    code        text        NOT NULL,
    name        text        NOT NULL,
    region      text        NULL,
    status      text        NOT NULL DEFAULT 'active',
    version     integer     NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT branch_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT branch_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT branch_parent_fkey FOREIGN KEY (tenant_id, parent_id) REFERENCES branch (tenant_id, id),
    CONSTRAINT branch_code_key UNIQUE (tenant_id, code),
    CONSTRAINT branch_code_form CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
    CONSTRAINT branch_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT branch_region_length CHECK (length(region) BETWEEN 1 AND 80),
    CONSTRAINT branch_status_known CHECK (status IN ('active', 'closed')),
    CONSTRAINT branch_version_positive CHECK (version > 0)
);
CREATE INDEX branch_parent_idx ON branch (tenant_id, parent_id);
ALTER TABLE branch ENABLE ROW LEVEL SECURITY;
-- A caller of some branches sees them and what hangs below; it may also hang a new branch below one of its own.
CREATE POLICY branch_tenant ON branch TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()
           AND (current_branches() IS NULL OR id = ANY (current_branches()) OR parent_id = ANY (current_branches())))
    WITH CHECK (tenant_id = current_tenant()
           AND (current_branches() IS NULL OR id = ANY (current_branches()) OR parent_id = ANY (current_branches())));
CREATE POLICY branch_worker ON branch FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON branch TO omniroute_app, omniroute_worker;

-- The branches named and everything below them. Used where a scope is resolved; carries the tenant itself.
CREATE FUNCTION branch_descendants(p_tenant uuid, p_roots uuid[]) RETURNS uuid[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    WITH RECURSIVE below AS (
        SELECT id FROM branch WHERE tenant_id = p_tenant AND id = ANY (p_roots)
        UNION
        SELECT b.id FROM branch b JOIN below ON b.parent_id = below.id WHERE b.tenant_id = p_tenant
    )
    SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM below
    $$;

-- A branch never hangs below itself. The organisation's row is locked, so that two moves at once cannot close a circle.
CREATE FUNCTION branch_check_parent() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
BEGIN
    PERFORM FROM organisation WHERE tenant_id = NEW.tenant_id FOR NO KEY UPDATE;
    IF NEW.parent_id = ANY (branch_descendants(NEW.tenant_id, ARRAY[NEW.id])) OR NEW.parent_id = NEW.id THEN
        RAISE EXCEPTION 'branch % would hang below itself', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'branch_no_circle', TABLE = 'branch';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER branch_no_circle BEFORE UPDATE OF parent_id ON branch
    FOR EACH ROW WHEN (NEW.parent_id IS DISTINCT FROM OLD.parent_id) EXECUTE FUNCTION branch_check_parent();

CREATE TABLE application (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    branch_id   uuid        NULL,
    code        text        NOT NULL,
    name        text        NOT NULL,
    kind        text        NOT NULL,
    status      text        NOT NULL DEFAULT 'active',
    version     integer     NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT application_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT application_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT application_branch_fkey FOREIGN KEY (tenant_id, branch_id) REFERENCES branch (tenant_id, id),
    CONSTRAINT application_code_key UNIQUE (tenant_id, code),
    CONSTRAINT application_code_form CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
    CONSTRAINT application_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT application_kind_known CHECK (kind IN ('web', 'mobile', 'server', 'pos', 'erp', 'channel', 'other')),
    CONSTRAINT application_status_known CHECK (status IN ('active', 'suspended', 'closed')),
    CONSTRAINT application_version_positive CHECK (version > 0)
);
CREATE INDEX application_branch_idx ON application (tenant_id, branch_id);
ALTER TABLE application ENABLE ROW LEVEL SECURITY;
CREATE POLICY application_tenant ON application TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_id = ANY (current_branches())))
    WITH CHECK (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_id = ANY (current_branches())));
CREATE POLICY application_worker ON application FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON application TO omniroute_app, omniroute_worker;

-- A link has one row on each side with the same id; each organisation sees its own. `relation` is what the peer is to us.
-- The peer's name is shown to the asked side at once, to the asking side only after approval.
CREATE TABLE organisation_link (
    tenant_id    uuid        NOT NULL,
    id           uuid        NOT NULL,
    peer_id      uuid        NOT NULL,
    peer_slug    text        NOT NULL,
    peer_name    text        NULL,
    side         text        NOT NULL,
    relation     text        NOT NULL,
    status       text        NOT NULL DEFAULT 'requested',
    asked_scopes text[]      NOT NULL DEFAULT '{}',
    scopes       text[]      NOT NULL DEFAULT '{}',
    note         text        NULL,
    version      integer     NOT NULL DEFAULT 1,
    requested_at timestamptz NOT NULL,
    decided_at   timestamptz NULL,
    ended_at     timestamptz NULL,
    CONSTRAINT organisation_link_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT organisation_link_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT organisation_link_peer_fkey FOREIGN KEY (peer_id) REFERENCES organisation (tenant_id),
    CONSTRAINT organisation_link_not_self CHECK (peer_id <> tenant_id),
    CONSTRAINT organisation_link_side_known CHECK (side IN ('requester', 'target')),
    CONSTRAINT organisation_link_relation_known CHECK (relation IN ('parent', 'child', 'partner')),
    CONSTRAINT organisation_link_status_known
        CHECK (status IN ('requested', 'approved', 'rejected', 'withdrawn', 'ended')),
    CONSTRAINT organisation_link_scopes_asked CHECK (scopes <@ asked_scopes),
    CONSTRAINT organisation_link_scopes_approved CHECK (scopes = '{}' OR status IN ('approved', 'ended')),
    CONSTRAINT organisation_link_version_positive CHECK (version > 0)
);
CREATE UNIQUE INDEX organisation_link_live_key ON organisation_link (tenant_id, peer_id)
    WHERE status IN ('requested', 'approved');
ALTER TABLE organisation_link ENABLE ROW LEVEL SECURITY;
CREATE POLICY organisation_link_tenant ON organisation_link TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND current_branches() IS NULL)
    WITH CHECK (tenant_id = current_tenant() AND current_branches() IS NULL);
CREATE POLICY organisation_link_worker ON organisation_link FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON organisation_link TO omniroute_app, omniroute_worker;

-- The address of an organisation, from its slug: what a door needs before it knows the tenant. Nothing else is told.
CREATE FUNCTION organisation_by_slug(p_slug text) RETURNS TABLE (tenant_id uuid, status text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$ SELECT o.tenant_id, o.status FROM organisation o WHERE o.slug = p_slug $$;

GRANT EXECUTE ON FUNCTION organisation_by_slug(text) TO omniroute_app, omniroute_worker;
