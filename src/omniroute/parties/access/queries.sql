-- name: insert_role
-- A new role.
INSERT INTO role (tenant_id, id, name, description, permissions, is_builtin, created_at, updated_at)
VALUES (current_tenant(), %(id)s, %(name)s, %(description)s, %(permissions)s, %(is_builtin)s, %(now)s, %(now)s)
RETURNING id, name, description, permissions, is_builtin, status, version;

-- name: insert_built_in_roles
-- The roles every organisation starts with, in one statement.
INSERT INTO role (tenant_id, id, name, description, permissions, is_builtin, created_at, updated_at)
SELECT current_tenant(), r.id, r.name, r.description, string_to_array(r.permissions, ' '), true, %(now)s, %(now)s
  FROM unnest(%(ids)s::uuid[], %(names)s::text[], %(descriptions)s::text[], %(permissions)s::text[])
       AS r (id, name, description, permissions);

-- name: update_role
-- Change a role that is still as it was read.
UPDATE role
   SET description = %(description)s, permissions = %(permissions)s, status = %(status)s, version = version + 1,
       updated_at = %(now)s
 WHERE tenant_id = current_tenant() AND id = %(id)s AND version = %(version)s AND NOT is_builtin
RETURNING id, name, description, permissions, is_builtin, status, version;

-- name: find_role
-- One role, by id or by name.
SELECT id, name, description, permissions, is_builtin, status, version
  FROM role
 WHERE tenant_id = current_tenant() AND (id = %(id)s::uuid OR name = %(name)s::text);

-- name: list_roles
-- A page of roles.
-- sort: name = name::text unique
-- then: id::uuid
SELECT id, name, description, permissions, is_builtin, status, version
  FROM role
 WHERE tenant_id = current_tenant() AND {after}
 ORDER BY {order}
 LIMIT %(limit)s;

-- name: find_roles_by_ids
-- Several roles by id, locked against change until the transaction ends.
SELECT id, name, description, permissions, is_builtin, status, version
  FROM role
 WHERE tenant_id = current_tenant() AND id = ANY (%(ids)s::uuid[])
 ORDER BY id
   FOR SHARE;

-- name: permissions_of_roles
-- What active roles of these names hold together.
SELECT DISTINCT p.permission
  FROM role r, unnest(r.permissions) AS p (permission)
 WHERE r.tenant_id = current_tenant() AND r.name = ANY (%(names)s::text[]) AND r.status = 'active'
 ORDER BY p.permission;

-- name: is_holder_visible
-- Whether this person is a member, or this key exists, for all that the transaction may see.
SELECT EXISTS (SELECT FROM membership WHERE tenant_id = current_tenant() AND user_id = %(user_id)s AND status <> 'removed')
    OR EXISTS (SELECT FROM credential WHERE tenant_id = current_tenant() AND id = %(credential_id)s);

-- name: insert_grant
-- Give a role to a person or a key.
INSERT INTO role_grant (tenant_id, id, role_id, user_id, credential_id, branch_id, granted_by, created_at)
VALUES (current_tenant(), %(id)s, %(role_id)s, %(user_id)s, %(credential_id)s, %(branch_id)s, %(granted_by)s, %(now)s);

-- name: find_grant
-- One grant with the name of its role.
SELECT g.id, g.role_id, r.name AS role_name, g.user_id, g.credential_id, g.branch_id, g.granted_by, g.created_at
  FROM role_grant g JOIN role r ON r.tenant_id = g.tenant_id AND r.id = g.role_id
 WHERE g.tenant_id = current_tenant() AND g.id = %(id)s;

-- name: grants_of
-- All grants of one person or one key.
SELECT g.id, g.role_id, r.name AS role_name, g.user_id, g.credential_id, g.branch_id, g.granted_by, g.created_at
  FROM role_grant g JOIN role r ON r.tenant_id = g.tenant_id AND r.id = g.role_id
 WHERE g.tenant_id = current_tenant() AND (g.user_id = %(user_id)s OR g.credential_id = %(credential_id)s)
 ORDER BY g.created_at, g.id;

-- name: list_grants
-- A page of grants, of one person, of one key, or of all.
-- sort: created_at = g.created_at::timestamptz
-- then: g.id::uuid
SELECT g.id, g.role_id, r.name AS role_name, g.user_id, g.credential_id, g.branch_id, g.granted_by, g.created_at
  FROM role_grant g JOIN role r ON r.tenant_id = g.tenant_id AND r.id = g.role_id
 WHERE g.tenant_id = current_tenant()
   AND (%(user_id)s::uuid IS NULL OR g.user_id = %(user_id)s)
   AND (%(credential_id)s::uuid IS NULL OR g.credential_id = %(credential_id)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s;

-- name: delete_grant
-- Take a role away.
DELETE FROM role_grant WHERE tenant_id = current_tenant() AND id = %(id)s;

-- name: lock_organisation
-- Changes of who owns an organisation happen one after another.
SELECT status FROM organisation WHERE tenant_id = current_tenant() FOR NO KEY UPDATE;

-- name: count_owners
-- Active people who own the whole organisation, leaving one grant or one person out of the count.
SELECT count(DISTINCT g.user_id)
  FROM role_grant g
  JOIN role r ON r.tenant_id = g.tenant_id AND r.id = g.role_id AND r.name = 'owner'
  JOIN membership m ON m.tenant_id = g.tenant_id AND m.user_id = g.user_id AND m.status = 'active'
 WHERE g.tenant_id = current_tenant() AND g.branch_id IS NULL
   AND g.id IS DISTINCT FROM %(without_grant)s::uuid AND g.user_id IS DISTINCT FROM %(without_user)s::uuid;

-- name: count_visible_branches
-- How many of these branches exist and are the caller's to see.
SELECT count(*) FROM branch WHERE tenant_id = current_tenant() AND id = ANY (%(ids)s::uuid[]);

-- name: insert_credential
-- A new key or client; its secret is a row of its own.
INSERT INTO credential (tenant_id, id, kind, name, mode, permissions, branch_ids, application_id, created_by,
                        created_at, updated_at, expires_at)
VALUES (current_tenant(), %(id)s, %(kind)s, %(name)s, %(mode)s, %(permissions)s, %(branch_ids)s, %(application_id)s,
        %(created_by)s, %(now)s, %(now)s, %(expires_at)s);

-- name: insert_secret
-- The hash of a new secret.
INSERT INTO credential_secret (tenant_id, credential_id, lookup, secret_hash, created_at, expires_at)
VALUES (current_tenant(), %(credential_id)s, %(lookup)s, %(secret_hash)s, %(now)s, NULL);

-- name: end_older_secrets
-- Older secrets of a key end at this instant, or earlier if they already would.
UPDATE credential_secret
   SET expires_at = least(expires_at, %(until)s)
 WHERE tenant_id = current_tenant() AND credential_id = %(credential_id)s AND lookup <> %(keep)s;

-- name: bump_credential
-- Move a key that is still as it was read to its next version, with this status.
UPDATE credential
   SET status = %(status)s, version = version + 1, updated_at = %(now)s
 WHERE tenant_id = current_tenant() AND id = %(id)s AND version = %(version)s AND status = 'active'
   AND kind <> 'platform';

-- name: find_credential
-- One key with the public halves of its secrets.
SELECT c.id, c.kind, c.name, c.mode, c.permissions, c.branch_ids, c.application_id, c.created_by, c.status, c.version,
       c.created_at, c.updated_at, c.expires_at, c.last_used_at,
       ARRAY(SELECT jsonb_build_object('lookup', s.lookup, 'created_at', s.created_at, 'expires_at', s.expires_at)
               FROM credential_secret s
              WHERE s.tenant_id = c.tenant_id AND s.credential_id = c.id ORDER BY s.created_at, s.lookup) AS secrets
  FROM credential c
 WHERE c.tenant_id = current_tenant() AND c.id = %(id)s;

-- name: list_credentials
-- A page of keys.
-- sort: created_at = c.created_at::timestamptz
-- sort: name = c.name::text
-- then: c.id::uuid
SELECT c.id, c.kind, c.name, c.mode, c.permissions, c.branch_ids, c.application_id, c.created_by, c.status, c.version,
       c.created_at, c.updated_at, c.expires_at, c.last_used_at,
       ARRAY(SELECT jsonb_build_object('lookup', s.lookup, 'created_at', s.created_at, 'expires_at', s.expires_at)
               FROM credential_secret s
              WHERE s.tenant_id = c.tenant_id AND s.credential_id = c.id ORDER BY s.created_at, s.lookup) AS secrets
  FROM credential c
 WHERE c.tenant_id = current_tenant() AND (%(kind)s::text IS NULL OR c.kind = %(kind)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s;

-- name: insert_session
-- A session; only the hash of its token is kept.
INSERT INTO session (tenant_id, id, user_id, lookup, secret_hash, created_at, expires_at)
VALUES (current_tenant(), %(id)s, %(user_id)s, %(lookup)s, %(secret_hash)s, %(now)s, %(expires_at)s);

-- name: revoke_sessions
-- End one session of a person, or all of them but one to keep.
UPDATE session
   SET revoked_at = %(now)s
 WHERE tenant_id = current_tenant() AND user_id = %(user_id)s AND revoked_at IS NULL AND expires_at > %(now)s
   AND (%(id)s::uuid IS NULL OR id = %(id)s) AND id IS DISTINCT FROM %(keep)s::uuid
RETURNING id;

-- name: list_sessions
-- Sessions of a person that still work.
SELECT id, user_id, created_at, expires_at, revoked_at
  FROM session
 WHERE tenant_id = current_tenant() AND user_id = %(user_id)s AND revoked_at IS NULL AND expires_at > %(now)s
 ORDER BY id;

-- name: insert_provider
-- A new outside identity provider.
INSERT INTO oidc_provider (tenant_id, id, name, issuer, audience, jwks_uri, jwks, algorithms, role_claim, role_map,
                           clock_skew_s, created_at, updated_at)
VALUES (current_tenant(), %(id)s, %(name)s, %(issuer)s, %(audience)s, %(jwks_uri)s, %(jwks)s::jsonb, %(algorithms)s,
        %(role_claim)s, %(role_map)s::jsonb, %(clock_skew_s)s, %(now)s, %(now)s);

-- name: update_provider
-- Change a provider that is still as it was read.
UPDATE oidc_provider
   SET name = %(name)s, issuer = %(issuer)s, audience = %(audience)s, jwks_uri = %(jwks_uri)s, jwks = %(jwks)s::jsonb,
       algorithms = %(algorithms)s, role_claim = %(role_claim)s, role_map = %(role_map)s::jsonb,
       clock_skew_s = %(clock_skew_s)s, status = %(status)s, version = version + 1, updated_at = %(now)s
 WHERE tenant_id = current_tenant() AND id = %(id)s AND version = %(version)s;

-- name: find_provider
-- One provider.
SELECT id, name, issuer, audience, jwks_uri, jwks, algorithms, role_claim, role_map, clock_skew_s, status, version
  FROM oidc_provider
 WHERE tenant_id = current_tenant() AND id = %(id)s;

-- name: list_providers
-- A page of outside identity providers.
-- sort: name = name::text
-- then: id::uuid
SELECT id, name, issuer, audience, jwks_uri, jwks, algorithms, role_claim, role_map, clock_skew_s, status, version
  FROM oidc_provider
 WHERE tenant_id = current_tenant() AND {after}
 ORDER BY {order}
 LIMIT %(limit)s;

-- name: current_signing_key
-- The key that signs now.
SELECT kid, private_sealed FROM signing_key_current(%(now)s);

-- name: shown_signing_keys
-- Public keys whose tokens may still be valid.
SELECT kid, public_jwk FROM signing_keys_shown(%(now)s);

-- name: add_signing_key
-- A new signing key; false when somebody else made one first.
SELECT signing_key_add(%(kid)s, %(private_sealed)s::bytea, %(public_jwk)s::jsonb, %(now)s, %(signs_until)s,
                       %(shown_until)s, %(only_if_none)s);

-- name: sealed_signing_keys
-- Every private half as it is stored, for a new master key.
SELECT kid, private_sealed FROM signing_keys_sealed();

-- name: reseal_signing_key
-- Whether the stored form was still the one before, and now is the one after.
SELECT signing_key_reseal(%(kid)s, %(before)s::bytea, %(after)s::bytea);

-- name: authenticate_credential
-- The key or client behind a lookup.
SELECT * FROM authenticate_credential(%(lookup)s);

-- name: authenticate_client
-- The client named in a token we signed.
SELECT * FROM authenticate_client(%(tenant_id)s, %(credential_id)s);

-- name: authenticate_session
-- The session behind a lookup.
SELECT * FROM authenticate_session(%(lookup)s);

-- name: authenticate_issuer
-- Configurations that accept tokens of an issuer for an audience.
SELECT * FROM authenticate_issuer(%(issuer)s, %(audiences)s::text[]);

-- name: touch_credential
-- Remember that a key is in use, at most once a minute.
SELECT credential_touch(%(tenant_id)s, %(credential_id)s, %(now)s);
