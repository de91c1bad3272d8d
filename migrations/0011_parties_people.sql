-- People: one row a human, memberships in organisations, invitations, and the count of failed logins.
--
-- A person is global and belongs to no tenant. The application role sees a person only through a membership in the
-- current tenant, never the password hash, and writes only through the functions below.

CREATE TABLE person (
    id            uuid        NOT NULL,
    email         text        NOT NULL,
    name          text        NOT NULL,
    password_hash text        NULL,
    status        text        NOT NULL DEFAULT 'active',
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    CONSTRAINT person_pkey PRIMARY KEY (id),
    CONSTRAINT person_email_key UNIQUE (email),
    CONSTRAINT person_email_lower CHECK (email = lower(email)),
    CONSTRAINT person_email_form CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' AND length(email) <= 254),
    CONSTRAINT person_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT person_status_known CHECK (status IN ('active', 'disabled'))
);

CREATE TABLE membership (
    tenant_id  uuid        NOT NULL,
    user_id    uuid        NOT NULL,
    status     text        NOT NULL DEFAULT 'active',
    version    integer     NOT NULL DEFAULT 1,
    joined_at  timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT membership_pkey PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT membership_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT membership_person_fkey FOREIGN KEY (user_id) REFERENCES person (id),
    CONSTRAINT membership_status_known CHECK (status IN ('active', 'suspended', 'removed')),
    CONSTRAINT membership_version_positive CHECK (version > 0)
);
CREATE INDEX membership_user_idx ON membership (user_id);
ALTER TABLE membership ENABLE ROW LEVEL SECURITY;
-- Callers of some branches see less: 0012 adds that to the policy, when there are grants to look at.
CREATE POLICY membership_tenant ON membership TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY membership_worker ON membership FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON membership TO omniroute_app, omniroute_worker;

ALTER TABLE person ENABLE ROW LEVEL SECURITY;
CREATE POLICY person_member ON person FOR SELECT TO omniroute_app, omniroute_worker
    USING (EXISTS (SELECT FROM membership m
                    WHERE m.tenant_id = current_tenant() AND m.user_id = person.id AND m.status <> 'removed'));
GRANT SELECT (id, email, name, status, created_at, updated_at) ON person TO omniroute_app, omniroute_worker;

-- `lookup` finds the invitation; the secret half of the token is kept as SHA-256 only.
CREATE TABLE invitation (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    email       text        NOT NULL,
    role_ids    uuid[]      NOT NULL,
    branch_ids  uuid[]      NULL,
    status      text        NOT NULL DEFAULT 'pending',
    lookup      text        NOT NULL,
    secret_hash bytea       NOT NULL,
    invited_by  text        NOT NULL,
    user_id     uuid        NULL,
    version     integer     NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    decided_at  timestamptz NULL,
    CONSTRAINT invitation_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT invitation_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT invitation_email_lower CHECK (email = lower(email)),
    CONSTRAINT invitation_roles_some CHECK (cardinality(role_ids) BETWEEN 1 AND 20),
    CONSTRAINT invitation_branches_some CHECK (branch_ids IS NULL OR cardinality(branch_ids) BETWEEN 1 AND 200),
    CONSTRAINT invitation_status_known CHECK (status IN ('pending', 'accepted', 'revoked')),
    CONSTRAINT invitation_accepted_by CHECK ((status = 'accepted') = (user_id IS NOT NULL)),
    CONSTRAINT invitation_hash_size CHECK (octet_length(secret_hash) = 32),
    CONSTRAINT invitation_version_positive CHECK (version > 0)
);
CREATE UNIQUE INDEX invitation_lookup_key ON invitation (lookup, tenant_id);
CREATE UNIQUE INDEX invitation_pending_key ON invitation (tenant_id, email) WHERE status = 'pending';
ALTER TABLE invitation ENABLE ROW LEVEL SECURITY;
CREATE POLICY invitation_tenant ON invitation TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_ids <@ current_branches()))
    WITH CHECK (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_ids <@ current_branches()));
CREATE POLICY invitation_worker ON invitation FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON invitation TO omniroute_app, omniroute_worker;

-- Failed logins by account and by source; keys are SHA-256, so that the table names nobody.
CREATE TABLE login_throttle (
    kind          text        NOT NULL,
    key_hash      bytea       NOT NULL,
    attempt_count integer     NOT NULL,
    last_at       timestamptz NOT NULL,
    blocked_until timestamptz NULL,
    CONSTRAINT login_throttle_pkey PRIMARY KEY (kind, key_hash),
    CONSTRAINT login_throttle_kind_known CHECK (kind IN ('account', 'source')),
    CONSTRAINT login_throttle_count_positive CHECK (attempt_count > 0)
);
CREATE INDEX login_throttle_last_idx ON login_throttle (last_at);
ALTER TABLE login_throttle ENABLE ROW LEVEL SECURITY;

-- Count one attempt before the password is looked at, so that a hundred at once are a hundred counted.
-- Returns the seconds to wait; 0 means go on. A blocked attempt is not counted and does not lengthen the wait.
CREATE FUNCTION login_attempt(p_kind text, p_key bytea, p_now timestamptz, p_free integer, p_delay_max_s integer)
    RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
DECLARE
    seen login_throttle;
BEGIN
    INSERT INTO login_throttle AS t (kind, key_hash, attempt_count, last_at)
    VALUES (p_kind, p_key, 1, p_now)
    ON CONFLICT (kind, key_hash) DO UPDATE
       SET attempt_count = CASE WHEN t.last_at < p_now - interval '1 day' THEN 1
                                WHEN t.blocked_until > p_now THEN t.attempt_count
                                ELSE t.attempt_count + 1 END,
           last_at = CASE WHEN t.blocked_until > p_now THEN t.last_at ELSE p_now END
    RETURNING * INTO seen;
    IF seen.blocked_until > p_now THEN
        RETURN ceil(extract(epoch FROM seen.blocked_until - p_now))::integer;
    END IF;
    UPDATE login_throttle
       SET blocked_until = CASE WHEN seen.attempt_count < p_free THEN NULL
            ELSE p_now + make_interval(secs => least(p_delay_max_s, 2 ^ least(seen.attempt_count - p_free, 20))) END
     WHERE kind = p_kind AND key_hash = p_key;
    RETURN 0;
END $$;

-- The password was right: the account starts anew; the source gets this one attempt back.
-- The source is locked before the account, as counting an attempt does.
CREATE FUNCTION login_succeeded(p_account bytea, p_source bytea) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    -- Two log-ins at once must not both take the same attempt back: the first statement makes them queue.
    SELECT FROM login_throttle WHERE kind = 'source' AND key_hash = p_source FOR UPDATE;
    DELETE FROM login_throttle WHERE kind = 'source' AND key_hash = p_source AND attempt_count <= 1;
    UPDATE login_throttle SET attempt_count = attempt_count - 1, blocked_until = NULL
     WHERE kind = 'source' AND key_hash = p_source;
    DELETE FROM login_throttle WHERE kind = 'account' AND key_hash = p_account;
    $$;

CREATE FUNCTION login_throttle_purge(p_before timestamptz) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    WITH gone AS (DELETE FROM login_throttle WHERE last_at < p_before RETURNING 1)
    SELECT count(*)::integer FROM gone
    $$;

-- What a login needs, by exact email: the hash to check, and where the person is a member.
CREATE FUNCTION login_person(p_email text)
    RETURNS TABLE (user_id uuid, password_hash text, status text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$ SELECT p.id, p.password_hash, p.status FROM person p WHERE p.email = lower(p_email) $$;

-- Called after the password was right: the organisations this person may enter.
CREATE FUNCTION login_memberships(p_user uuid)
    RETURNS TABLE (tenant_id uuid, slug text, name text, session_ttl_minutes integer)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    SELECT o.tenant_id, o.slug, o.name, (o.settings ->> 'session_ttl_minutes')::integer
      FROM membership m JOIN organisation o ON o.tenant_id = m.tenant_id
     WHERE m.user_id = p_user AND m.status = 'active' AND o.status = 'active'
     ORDER BY o.slug
    $$;

CREATE FUNCTION person_create(p_id uuid, p_email text, p_name text, p_hash text, p_now timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    INSERT INTO person (id, email, name, password_hash, created_at, updated_at)
    VALUES (p_id, lower(p_email), p_name, p_hash, p_now, p_now)
    $$;

-- Replaces exactly the hash that was checked, so that a late rehash never undoes a change of password.
CREATE FUNCTION person_set_password(p_id uuid, p_old text, p_new text, p_now timestamptz) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    WITH done AS (UPDATE person SET password_hash = p_new, updated_at = p_now
                   WHERE id = p_id AND password_hash = p_old RETURNING 1)
    SELECT EXISTS (SELECT FROM done)
    $$;

-- The invitation behind a token's public half: enough to check the secret half and to enter its tenant.
CREATE FUNCTION invitation_by_lookup(p_lookup text)
    RETURNS TABLE (tenant_id uuid, id uuid, email text, status text, secret_hash bytea, expires_at timestamptz,
                   organisation_name text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    SELECT i.tenant_id, i.id, i.email, i.status, i.secret_hash, i.expires_at, o.name
      FROM invitation i JOIN organisation o ON o.tenant_id = i.tenant_id
     WHERE i.lookup = p_lookup
    $$;

GRANT EXECUTE ON FUNCTION login_attempt(text, bytea, timestamptz, integer, integer), login_succeeded(bytea, bytea),
    login_person(text), login_memberships(uuid), person_create(uuid, text, text, text, timestamptz),
    person_set_password(uuid, text, text, timestamptz), invitation_by_lookup(text) TO omniroute_app;
GRANT EXECUTE ON FUNCTION login_throttle_purge(timestamptz) TO omniroute_worker;
