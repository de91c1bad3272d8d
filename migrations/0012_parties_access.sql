-- Who may do what: roles and their grants, keys and clients with their secrets, sessions, outside identity providers,
-- and our own signing keys.
--
-- Secrets are stored as SHA-256. They carry at least 190 random bits, so there is nothing to guess and a slow hash
-- would only slow down the hot path; passwords, which people choose, get argon2id (person.password_hash).

CREATE TABLE role (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    name        text        NOT NULL,
    description text        NOT NULL DEFAULT '',
    permissions text[]      NOT NULL,
    is_builtin  boolean     NOT NULL DEFAULT false,
    status      text        NOT NULL DEFAULT 'active',
    version     integer     NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT role_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT role_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT role_name_key UNIQUE (tenant_id, name),
    CONSTRAINT role_name_form CHECK (name ~ '^[a-z][a-z0-9_]{1,39}$'),
    CONSTRAINT role_status_known CHECK (status IN ('active', 'retired')),
    CONSTRAINT role_version_positive CHECK (version > 0)
);
ALTER TABLE role ENABLE ROW LEVEL SECURITY;
CREATE POLICY role_tenant ON role TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE ON role TO omniroute_app, omniroute_worker;

-- An API key, an OAuth2 client or the platform's own key. Its permissions are its own; roles may be granted on top.
CREATE TABLE credential (
    tenant_id      uuid        NOT NULL,
    id             uuid        NOT NULL,
    kind           text        NOT NULL,
    name           text        NOT NULL,
    mode           text        NOT NULL DEFAULT 'live',
    permissions    text[]      NOT NULL,
    branch_ids     uuid[]      NULL,
    application_id uuid        NULL,
    created_by     text        NOT NULL,
    status         text        NOT NULL DEFAULT 'active',
    version        integer     NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    expires_at     timestamptz NULL,
    last_used_at   timestamptz NULL,
    CONSTRAINT credential_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT credential_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT credential_application_fkey FOREIGN KEY (tenant_id, application_id) REFERENCES application (tenant_id, id),
    CONSTRAINT credential_kind_known CHECK (kind IN ('api_key', 'client', 'platform')),
    CONSTRAINT credential_mode_known CHECK (mode IN ('live', 'test')),
    CONSTRAINT credential_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT credential_branches_some CHECK (branch_ids IS NULL OR cardinality(branch_ids) BETWEEN 1 AND 200),
    CONSTRAINT credential_status_known CHECK (status IN ('active', 'revoked')),
    CONSTRAINT credential_version_positive CHECK (version > 0)
);
CREATE UNIQUE INDEX credential_platform_key ON credential (tenant_id) WHERE kind = 'platform' AND status = 'active';
ALTER TABLE credential ENABLE ROW LEVEL SECURITY;
CREATE POLICY credential_tenant ON credential TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_ids <@ current_branches()))
    WITH CHECK (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_ids <@ current_branches()));
GRANT SELECT, INSERT, UPDATE ON credential TO omniroute_app, omniroute_worker;

-- Rotation adds a secret and gives the older ones an end; several may be valid at once.
CREATE TABLE credential_secret (
    tenant_id     uuid        NOT NULL,
    credential_id uuid        NOT NULL,
    lookup        text        NOT NULL,
    secret_hash   bytea       NOT NULL,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NULL,
    CONSTRAINT credential_secret_pkey PRIMARY KEY (tenant_id, credential_id, lookup),
    CONSTRAINT credential_secret_credential_fkey FOREIGN KEY (tenant_id, credential_id)
        REFERENCES credential (tenant_id, id),
    CONSTRAINT credential_secret_lookup_form CHECK (lookup ~ '^[A-Za-z0-9]{12}$'),
    CONSTRAINT credential_secret_hash_size CHECK (octet_length(secret_hash) = 32)
);
CREATE UNIQUE INDEX credential_secret_lookup_key ON credential_secret (lookup, tenant_id);
ALTER TABLE credential_secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY credential_secret_tenant ON credential_secret TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()
           AND (current_branches() IS NULL OR EXISTS (SELECT FROM credential c
                 WHERE c.tenant_id = credential_secret.tenant_id AND c.id = credential_secret.credential_id)))
    WITH CHECK (tenant_id = current_tenant()
           AND (current_branches() IS NULL OR EXISTS (SELECT FROM credential c
                 WHERE c.tenant_id = credential_secret.tenant_id AND c.id = credential_secret.credential_id)));
GRANT SELECT (tenant_id, credential_id, lookup, created_at, expires_at), INSERT, UPDATE (expires_at)
    ON credential_secret TO omniroute_app, omniroute_worker;

-- A role held by a person or a credential, in the whole organisation (branch_id NULL) or in a branch and all below it.
CREATE TABLE role_grant (
    tenant_id     uuid        NOT NULL,
    id            uuid        NOT NULL,
    role_id       uuid        NOT NULL,
    user_id       uuid        NULL,
    credential_id uuid        NULL,
    branch_id     uuid        NULL,
    granted_by    text        NOT NULL,
    created_at    timestamptz NOT NULL,
    CONSTRAINT role_grant_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT role_grant_role_fkey FOREIGN KEY (tenant_id, role_id) REFERENCES role (tenant_id, id),
    CONSTRAINT role_grant_member_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES membership (tenant_id, user_id),
    CONSTRAINT role_grant_credential_fkey FOREIGN KEY (tenant_id, credential_id) REFERENCES credential (tenant_id, id),
    CONSTRAINT role_grant_branch_fkey FOREIGN KEY (tenant_id, branch_id) REFERENCES branch (tenant_id, id),
    CONSTRAINT role_grant_holder CHECK (num_nonnulls(user_id, credential_id) = 1),
    CONSTRAINT role_grant_once UNIQUE NULLS NOT DISTINCT (tenant_id, user_id, credential_id, role_id, branch_id)
);
CREATE INDEX role_grant_credential_idx ON role_grant (tenant_id, credential_id) WHERE credential_id IS NOT NULL;
CREATE INDEX role_grant_role_idx ON role_grant (tenant_id, role_id);
ALTER TABLE role_grant ENABLE ROW LEVEL SECURITY;
CREATE POLICY role_grant_tenant ON role_grant TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_id = ANY (current_branches())))
    WITH CHECK (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_id = ANY (current_branches())));
GRANT SELECT, INSERT, DELETE ON role_grant TO omniroute_app, omniroute_worker;

-- Who works for some branches sees the members who hold a role there (itself is one of them); memberships change only
-- in the name of the whole organisation.
ALTER POLICY membership_tenant ON membership
    USING (tenant_id = current_tenant()
           AND (current_branches() IS NULL OR EXISTS (SELECT FROM role_grant g
                 WHERE g.tenant_id = membership.tenant_id AND g.user_id = membership.user_id
                   AND g.branch_id = ANY (current_branches()))))
    WITH CHECK (tenant_id = current_tenant() AND current_branches() IS NULL);

CREATE TABLE session (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    user_id     uuid        NOT NULL,
    lookup      text        NOT NULL,
    secret_hash bytea       NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    revoked_at  timestamptz NULL,
    CONSTRAINT session_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT session_member_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES membership (tenant_id, user_id),
    CONSTRAINT session_hash_size CHECK (octet_length(secret_hash) = 32)
);
CREATE UNIQUE INDEX session_lookup_key ON session (lookup, tenant_id);
CREATE INDEX session_user_idx ON session (tenant_id, user_id) WHERE revoked_at IS NULL;
ALTER TABLE session ENABLE ROW LEVEL SECURITY;
CREATE POLICY session_tenant ON session TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT (tenant_id, id, user_id, created_at, expires_at, revoked_at), INSERT, UPDATE (revoked_at)
    ON session TO omniroute_app, omniroute_worker;

-- An outside OpenID provider whose tokens an organisation accepts. Algorithms are asymmetric ones only.
CREATE TABLE oidc_provider (
    tenant_id    uuid        NOT NULL,
    id           uuid        NOT NULL,
    name         text        NOT NULL,
    issuer       text        NOT NULL,
    audience     text        NOT NULL,
    jwks_uri     text        NULL,
    jwks         jsonb       NULL,
    algorithms   text[]      NOT NULL,
    role_claim   text        NOT NULL,
    role_map     jsonb       NOT NULL DEFAULT '{}',
    clock_skew_s integer     NOT NULL DEFAULT 60,
    status       text        NOT NULL DEFAULT 'active',
    version      integer     NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    CONSTRAINT oidc_provider_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT oidc_provider_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT oidc_provider_once UNIQUE (tenant_id, issuer, audience),
    CONSTRAINT oidc_provider_keys CHECK (num_nonnulls(jwks_uri, jwks) = 1),
    CONSTRAINT oidc_provider_algorithms_known CHECK (cardinality(algorithms) > 0 AND algorithms <@ ARRAY[
        'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'Ed25519', 'EdDSA']),
    CONSTRAINT oidc_provider_skew_range CHECK (clock_skew_s BETWEEN 0 AND 300),
    CONSTRAINT oidc_provider_status_known CHECK (status IN ('active', 'disabled')),
    CONSTRAINT oidc_provider_version_positive CHECK (version > 0)
);
CREATE INDEX oidc_provider_issuer_idx ON oidc_provider (issuer) WHERE status = 'active';
ALTER TABLE oidc_provider ENABLE ROW LEVEL SECURITY;
CREATE POLICY oidc_provider_tenant ON oidc_provider TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND current_branches() IS NULL)
    WITH CHECK (tenant_id = current_tenant() AND current_branches() IS NULL);
GRANT SELECT, INSERT, UPDATE ON oidc_provider TO omniroute_app, omniroute_worker;

-- Our own keys, of no tenant. Reached through the functions below only; the private half is a JWK, sealed
-- under a master key that is not in the database (docs/modules/secrets.md).
CREATE TABLE signing_key (
    kid            text        NOT NULL,
    algorithm      text        NOT NULL,
    private_sealed bytea       NOT NULL,
    public_jwk     jsonb       NOT NULL,
    created_at     timestamptz NOT NULL,
    signs_until    timestamptz NOT NULL,
    shown_until    timestamptz NOT NULL,
    CONSTRAINT signing_key_pkey PRIMARY KEY (kid),
    CONSTRAINT signing_key_algorithm_known CHECK (algorithm = 'ES256'),
    CONSTRAINT signing_key_shown_longer CHECK (shown_until > signs_until)
);
ALTER TABLE signing_key ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION signing_key_current(p_now timestamptz) RETURNS TABLE (kid text, private_sealed bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    SELECT k.kid, k.private_sealed FROM signing_key k
     WHERE k.created_at <= p_now AND p_now < k.signs_until ORDER BY k.created_at DESC, k.kid LIMIT 1
    $$;

CREATE FUNCTION signing_keys_shown(p_now timestamptz) RETURNS TABLE (kid text, public_jwk jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$ SELECT k.kid, k.public_jwk FROM signing_key k WHERE p_now < k.shown_until ORDER BY k.created_at, k.kid $$;

-- Adds a key; at once or, with p_only_if_none, when none signs at p_now. One process wins, the others get false.
CREATE FUNCTION signing_key_add(p_kid text, p_private bytea, p_public jsonb, p_now timestamptz,
                                p_signs_until timestamptz, p_shown_until timestamptz, p_only_if_none boolean)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('omniroute.signing_key', 0));
    IF p_only_if_none AND EXISTS (SELECT FROM signing_key_current(p_now)) THEN
        RETURN false;
    END IF;
    INSERT INTO signing_key (kid, algorithm, private_sealed, public_jwk, created_at, signs_until, shown_until)
    VALUES (p_kid, 'ES256', p_private, p_public, p_now, p_signs_until, p_shown_until);
    RETURN true;
END $$;

-- For a new master key: every sealed key, and the exchange of one sealed form for another if it still stands.
CREATE FUNCTION signing_keys_sealed() RETURNS TABLE (kid text, private_sealed bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$ SELECT k.kid, k.private_sealed FROM signing_key k ORDER BY k.kid $$;

CREATE FUNCTION signing_key_reseal(p_kid text, p_before bytea, p_after bytea) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    WITH done AS (
        UPDATE signing_key SET private_sealed = p_after WHERE kid = p_kid AND private_sealed = p_before RETURNING 1
    )
    SELECT EXISTS (SELECT FROM done)
    $$;

-- What a holder may do: [{permissions, branches}]; branches null is the whole organisation.
-- Not for the application role: it would tell one tenant about another's people.
CREATE FUNCTION access_scopes(p_tenant uuid, p_user uuid, p_credential uuid)
    RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('permissions', permissions, 'branches', branches)), '[]') FROM (
    SELECT c.permissions, CASE WHEN c.branch_ids IS NOT NULL THEN branch_descendants(p_tenant, c.branch_ids) END AS branches
      FROM credential c
     WHERE c.tenant_id = p_tenant AND c.id = p_credential
    UNION ALL
    SELECT r.permissions, CASE WHEN g.branch_id IS NOT NULL THEN branch_descendants(p_tenant, ARRAY[g.branch_id]) END
      FROM role_grant g JOIN role r ON r.tenant_id = g.tenant_id AND r.id = g.role_id AND r.status = 'active'
     WHERE g.tenant_id = p_tenant AND (g.user_id = p_user OR g.credential_id = p_credential)
    ) scope
    $$;

-- The four ways in. Each finds one holder by an exact lookup and tells only what is needed to let it in or not.
CREATE FUNCTION authenticate_credential(p_lookup text)
    RETURNS TABLE (tenant_id uuid, slug text, organisation_status text, credential_id uuid, kind text, mode text,
                   secret_hash bytea, status text, application_id uuid, application_status text,
                   secret_expires_at timestamptz, expires_at timestamptz, last_used_at timestamptz, scopes jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    SELECT c.tenant_id, o.slug, o.status, c.id, c.kind, c.mode, s.secret_hash, c.status, c.application_id, a.status,
           s.expires_at, c.expires_at, c.last_used_at, access_scopes(c.tenant_id, NULL, c.id)
      FROM credential_secret s
      JOIN credential c ON c.tenant_id = s.tenant_id AND c.id = s.credential_id
      JOIN organisation o ON o.tenant_id = c.tenant_id
      LEFT JOIN application a ON a.tenant_id = c.tenant_id AND a.id = c.application_id
     WHERE s.lookup = p_lookup
    $$;

CREATE FUNCTION authenticate_client(p_tenant uuid, p_credential uuid)
    RETURNS TABLE (tenant_id uuid, slug text, organisation_status text, credential_id uuid, kind text, status text,
                   application_id uuid, application_status text, expires_at timestamptz, last_used_at timestamptz,
                   scopes jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    SELECT c.tenant_id, o.slug, o.status, c.id, c.kind, c.status, c.application_id, a.status, c.expires_at, c.last_used_at,
           access_scopes(c.tenant_id, NULL, c.id)
      FROM credential c
      JOIN organisation o ON o.tenant_id = c.tenant_id
      LEFT JOIN application a ON a.tenant_id = c.tenant_id AND a.id = c.application_id
     WHERE c.tenant_id = p_tenant AND c.id = p_credential AND c.kind = 'client'
    $$;

CREATE FUNCTION authenticate_session(p_lookup text)
    RETURNS TABLE (tenant_id uuid, slug text, organisation_status text, session_id uuid, user_id uuid,
                   secret_hash bytea, membership_status text, person_status text, expires_at timestamptz,
                   revoked_at timestamptz, scopes jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    SELECT s.tenant_id, o.slug, o.status, s.id, s.user_id, s.secret_hash, m.status, p.status, s.expires_at, s.revoked_at,
           access_scopes(s.tenant_id, s.user_id, NULL)
      FROM session s
      JOIN organisation o ON o.tenant_id = s.tenant_id
      JOIN membership m ON m.tenant_id = s.tenant_id AND m.user_id = s.user_id
      JOIN person p ON p.id = s.user_id
     WHERE s.lookup = p_lookup
    $$;

-- The configurations that accept tokens of this issuer for one of these audiences.
CREATE FUNCTION authenticate_issuer(p_issuer text, p_audiences text[])
    RETURNS TABLE (tenant_id uuid, slug text, organisation_status text, provider_id uuid, audience text, jwks_uri text,
                   jwks jsonb, algorithms text[], role_claim text, role_map jsonb, clock_skew_s integer, version integer)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    SELECT p.tenant_id, o.slug, o.status, p.id, p.audience, p.jwks_uri, p.jwks, p.algorithms, p.role_claim, p.role_map,
           p.clock_skew_s, p.version
      FROM oidc_provider p JOIN organisation o ON o.tenant_id = p.tenant_id
     WHERE p.issuer = p_issuer AND p.audience = ANY (p_audiences) AND p.status = 'active'
     ORDER BY p.tenant_id LIMIT 20
    $$;

-- At most one write a minute for a credential in use, whatever the number of requests.
CREATE FUNCTION credential_touch(p_tenant uuid, p_credential uuid, p_now timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = omniroute, pg_temp
    AS $$
    UPDATE credential SET last_used_at = p_now
     WHERE tenant_id = p_tenant AND id = p_credential
       AND (last_used_at IS NULL OR last_used_at < p_now - interval '1 minute')
    $$;

GRANT EXECUTE ON FUNCTION signing_key_current(timestamptz), signing_keys_shown(timestamptz),
    signing_key_add(text, bytea, jsonb, timestamptz, timestamptz, timestamptz, boolean),
    authenticate_credential(text), authenticate_client(uuid, uuid),
    authenticate_session(text), authenticate_issuer(text, text[]), credential_touch(uuid, uuid, timestamptz)
    TO omniroute_app;
GRANT EXECUTE ON FUNCTION signing_keys_sealed(), signing_key_reseal(text, bytea, bytea) TO omniroute_worker;
