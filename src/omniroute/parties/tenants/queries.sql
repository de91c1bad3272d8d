-- name: current_scope
-- Tenant and branches the transaction works for, as text.
SELECT coalesce(current_setting('omniroute.tenant_id', true), '') AS tenant,
       coalesce(current_setting('omniroute.branch_ids', true), '') AS branches;

-- name: set_scope
-- Work for another tenant from here on, in this transaction.
SELECT set_config('omniroute.tenant_id', %(tenant)s, true) AS tenant,
       set_config('omniroute.branch_ids', %(branches)s, true) AS branches;

-- name: organisation_by_slug
-- The address of an organisation.
SELECT tenant_id, status FROM organisation_by_slug(%(slug)s);

-- name: insert_organisation
-- A new tenant, in its own scope.
INSERT INTO organisation (tenant_id, slug, name, country, currency, time_zone, residency, settings, custom, branding,
                          created_at, updated_at)
VALUES (current_tenant(), %(slug)s, %(name)s, %(country)s, %(currency)s, %(time_zone)s, %(residency)s,
        %(settings)s::jsonb, %(custom)s::jsonb, %(branding)s::jsonb, %(now)s, %(now)s)
RETURNING tenant_id, slug, name, country, currency, time_zone, residency, status, settings, custom, branding, version,
          created_at, updated_at;

-- name: find_organisation
-- The tenant itself.
SELECT tenant_id, slug, name, country, currency, time_zone, residency, status, settings, custom, branding, version,
       created_at, updated_at
  FROM organisation
 WHERE tenant_id = current_tenant();

-- name: update_organisation
-- Change the tenant if it is still as it was read.
UPDATE organisation
   SET name = %(name)s, time_zone = %(time_zone)s, residency = %(residency)s, status = %(status)s,
       settings = %(settings)s::jsonb, custom = %(custom)s::jsonb, branding = %(branding)s::jsonb,
       version = version + 1, updated_at = %(now)s
 WHERE tenant_id = current_tenant() AND version = %(version)s
RETURNING tenant_id, slug, name, country, currency, time_zone, residency, status, settings, custom, branding, version,
          created_at, updated_at;

-- name: insert_branch
-- A new branch.
INSERT INTO branch (tenant_id, id, parent_id, code, name, region, created_at, updated_at)
VALUES (current_tenant(), %(id)s, %(parent_id)s, %(code)s, %(name)s, %(region)s, %(now)s, %(now)s)
RETURNING id, parent_id, code, name, region, status, version, created_at, updated_at;

-- name: find_branch
-- One branch.
SELECT id, parent_id, code, name, region, status, version, created_at, updated_at
  FROM branch
 WHERE tenant_id = current_tenant() AND id = %(id)s;

-- name: lock_branch
-- One branch, held against closing until the transaction ends.
SELECT id, parent_id, code, name, region, status, version, created_at, updated_at
  FROM branch
 WHERE tenant_id = current_tenant() AND id = %(id)s
   FOR NO KEY UPDATE;

-- name: update_branch
-- Change a branch that is still as it was read.
UPDATE branch
   SET parent_id = %(parent_id)s, name = %(name)s, region = %(region)s, status = %(status)s, version = version + 1,
       updated_at = %(now)s
 WHERE tenant_id = current_tenant() AND id = %(id)s AND version = %(version)s
RETURNING id, parent_id, code, name, region, status, version, created_at, updated_at;

-- name: count_below_branch
-- Open branches and active applications directly below a branch.
SELECT (SELECT count(*) FROM branch b
         WHERE b.tenant_id = current_tenant() AND b.parent_id = %(id)s AND b.status = 'active')
     + (SELECT count(*) FROM application a
         WHERE a.tenant_id = current_tenant() AND a.branch_id = %(id)s AND a.status = 'active');

-- name: list_branches
-- A page of branches.
-- sort: code = code::text unique
-- sort: name = name::text
-- sort: created_at = created_at::timestamptz
-- then: id::uuid
SELECT id, parent_id, code, name, region, status, version, created_at, updated_at
  FROM branch
 WHERE tenant_id = current_tenant()
   AND (%(status)s::text IS NULL OR status = %(status)s) AND (%(parent_id)s::uuid IS NULL OR parent_id = %(parent_id)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s;

-- name: insert_application
-- A new application.
INSERT INTO application (tenant_id, id, branch_id, code, name, kind, created_at, updated_at)
VALUES (current_tenant(), %(id)s, %(branch_id)s, %(code)s, %(name)s, %(kind)s, %(now)s, %(now)s)
RETURNING id, branch_id, code, name, kind, status, version, created_at, updated_at;

-- name: find_application
-- One application.
SELECT id, branch_id, code, name, kind, status, version, created_at, updated_at
  FROM application
 WHERE tenant_id = current_tenant() AND id = %(id)s;

-- name: update_application
-- Change an application that is still as it was read.
UPDATE application
   SET name = %(name)s, status = %(status)s, version = version + 1, updated_at = %(now)s
 WHERE tenant_id = current_tenant() AND id = %(id)s AND version = %(version)s
RETURNING id, branch_id, code, name, kind, status, version, created_at, updated_at;

-- name: list_applications
-- A page of applications.
-- sort: code = code::text unique
-- sort: name = name::text
-- sort: created_at = created_at::timestamptz
-- then: id::uuid
SELECT id, branch_id, code, name, kind, status, version, created_at, updated_at
  FROM application
 WHERE tenant_id = current_tenant()
   AND (%(branch_id)s::uuid IS NULL OR branch_id = %(branch_id)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s;

-- name: lock_link
-- Both sides of a link change under one lock, whichever side acts.
SELECT pg_advisory_xact_lock(hashtextextended('omniroute.link.' || %(id)s::text, 0));

-- name: insert_link
-- One side of a link.
INSERT INTO organisation_link (tenant_id, id, peer_id, peer_slug, peer_name, side, relation, asked_scopes, note,
                               requested_at)
VALUES (current_tenant(), %(id)s, %(peer_id)s, %(peer_slug)s, %(peer_name)s, %(side)s, %(relation)s, %(asked_scopes)s,
        %(note)s, %(now)s);

-- name: find_link
-- Our side of a link.
SELECT id, peer_id, peer_slug, peer_name, side, relation, status, asked_scopes, scopes, note, version, requested_at,
       decided_at, ended_at
  FROM organisation_link
 WHERE tenant_id = current_tenant() AND id = %(id)s;

-- name: update_link
-- Move our side of a link.
UPDATE organisation_link
   SET status = %(status)s, scopes = %(scopes)s, peer_name = coalesce(%(peer_name)s::text, peer_name),
       version = version + 1,
       decided_at = CASE WHEN %(status)s = 'ended' THEN decided_at ELSE %(now)s END,
       ended_at = CASE WHEN %(status)s = 'ended' THEN %(now)s END
 WHERE tenant_id = current_tenant() AND id = %(id)s;

-- name: list_links
-- A page of our links.
-- sort: requested_at = requested_at::timestamptz
-- sort: peer_slug = peer_slug::text
-- then: id::uuid
SELECT id, peer_id, peer_slug, peer_name, side, relation, status, asked_scopes, scopes, note, version, requested_at,
       decided_at, ended_at
  FROM organisation_link
 WHERE tenant_id = current_tenant() AND (%(status)s::text IS NULL OR status = %(status)s)
   AND {after}
 ORDER BY {order}
 LIMIT %(limit)s;
