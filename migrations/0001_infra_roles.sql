-- Three roles, and who the current transaction works for.
--
--   omniroute_owner   owns every object; migrations run as it; not a superuser
--   omniroute_app     the doors; row-level security applies; no UPDATE or DELETE on entries and events
--   omniroute_worker  background work; may read every tenant where a policy says so
--
-- A set-up may create them beforehand (with LOGIN and a password); then nothing is created here.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['omniroute_owner', 'omniroute_app', 'omniroute_worker'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', wanted);
        END IF;
        IF session_user <> wanted AND NOT pg_has_role(session_user, wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', wanted, session_user);
        END IF;
    END LOOP;
END $$;

CREATE SCHEMA IF NOT EXISTS omniroute;
ALTER SCHEMA omniroute OWNER TO omniroute_owner;
GRANT USAGE ON SCHEMA omniroute TO omniroute_app, omniroute_worker;
REVOKE CREATE ON SCHEMA omniroute FROM PUBLIC;

-- Functions are for the roles they are granted to, never for everybody.
ALTER DEFAULT PRIVILEGES FOR ROLE omniroute_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

SET LOCAL ROLE omniroute_owner;
SET LOCAL search_path = omniroute;

CREATE FUNCTION current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('omniroute.tenant_id', true), '')::uuid;

-- NULL: the caller works for the whole tenant.
CREATE FUNCTION current_branches() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('omniroute.branch_ids', true), '')::uuid[];

GRANT EXECUTE ON FUNCTION current_tenant(), current_branches() TO omniroute_app, omniroute_worker;
