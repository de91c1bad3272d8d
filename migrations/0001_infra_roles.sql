-- Three roles, the schema, and who the current transaction works for.
--
--   omniroute_owner   owns every object; migrations run as it; not a superuser
--   omniroute_app     the doors; row-level security applies; no UPDATE or DELETE on entries and events
--   omniroute_worker  background work; may read every tenant where a policy says so
--
-- Runs as the migrating login. Either that login has CREATEROLE, and makes what is missing; or a DBA has made the
-- roles and has granted omniroute_owner to it, and then nothing is created here. The login also needs CREATE on the
-- database, unless the schema is there already and belongs to omniroute_owner.

DO $$
DECLARE
    wanted text;
    may_become boolean;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['omniroute_owner', 'omniroute_app', 'omniroute_worker'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;  -- Another database of this server was faster.
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'role % does not exist, and % may not create it', wanted, session_user
                        USING ERRCODE = 'insufficient_privilege',
                              HINT = format('As a superuser: CREATE ROLE %I; GRANT %I TO %I;', wanted, wanted, session_user);
            END;
        END IF;

        -- From PostgreSQL 16 on, having made a role does not mean that one may become it.
        IF session_user = wanted THEN
            may_become := true;
        ELSIF current_setting('server_version_num')::int >= 160000 THEN
            may_become := pg_has_role(session_user, wanted, 'SET');
        ELSE
            may_become := pg_has_role(session_user, wanted, 'MEMBER');
        END IF;
        IF NOT may_become THEN
            BEGIN
                EXECUTE format('GRANT %I TO %I', wanted, session_user);
            EXCEPTION WHEN insufficient_privilege OR invalid_grant_operation THEN
                -- Only the owner is needed for migrating; the other two may well have logins of their own.
                IF wanted = 'omniroute_owner' THEN
                    RAISE EXCEPTION '% may not become omniroute_owner, as migrations must', session_user
                        USING ERRCODE = 'insufficient_privilege',
                              HINT = format('As a superuser: GRANT omniroute_owner TO %I;', session_user);
                END IF;
            END;
        END IF;
    END LOOP;

    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'omniroute') THEN
        CREATE SCHEMA omniroute AUTHORIZATION omniroute_owner;
    ELSIF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'omniroute' AND nspowner <> 'omniroute_owner'::regrole) THEN
        ALTER SCHEMA omniroute OWNER TO omniroute_owner;
    END IF;
END $$;

SET LOCAL ROLE omniroute_owner;
SET LOCAL search_path = omniroute;

REVOKE ALL ON SCHEMA omniroute FROM PUBLIC;
GRANT USAGE ON SCHEMA omniroute TO omniroute_app, omniroute_worker;

-- Functions are for the roles they are granted to, never for everybody.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Which migrations this database has seen; the runner reads it before it does anything.
CREATE TABLE schema_migration (
    number     integer     NOT NULL,
    name       text        NOT NULL,
    checksum   bytea       NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT schema_migration_pk PRIMARY KEY (number),
    CONSTRAINT schema_migration_checksum_is_sha256 CHECK (length(checksum) = 32)
);
GRANT SELECT ON schema_migration TO omniroute_app, omniroute_worker;

CREATE FUNCTION current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('omniroute.tenant_id', true), '')::uuid;

-- NULL: the caller works for the whole tenant.
CREATE FUNCTION current_branches() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('omniroute.branch_ids', true), '')::uuid[];

GRANT EXECUTE ON FUNCTION current_tenant(), current_branches() TO omniroute_app, omniroute_worker;
