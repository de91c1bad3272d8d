-- name: insert_invitation
-- An offer of membership; only the hash of its token is kept.
INSERT INTO invitation (tenant_id, id, email, role_ids, branch_ids, lookup, secret_hash, invited_by, created_at, expires_at)
VALUES (current_tenant(), %(id)s, %(email)s, %(role_ids)s, %(branch_ids)s, %(lookup)s, %(secret_hash)s, %(invited_by)s,
        %(now)s, %(expires_at)s)
RETURNING id, email, role_ids, branch_ids, status, invited_by, user_id, version, created_at, expires_at;

-- name: drop_expired_invitation
-- An expired invitation does not stand in the way of a new one.
UPDATE invitation
   SET status = 'revoked', decided_at = %(now)s, version = version + 1
 WHERE tenant_id = current_tenant() AND email = %(email)s AND status = 'pending' AND expires_at <= %(now)s;

-- name: find_invitation
-- One invitation.
SELECT id, email, role_ids, branch_ids, status, invited_by, user_id, version, created_at, expires_at
  FROM invitation
 WHERE tenant_id = current_tenant() AND id = %(id)s;

-- name: accept_invitation
-- Of all who try at once, one gets the row.
UPDATE invitation
   SET status = 'accepted', user_id = %(user_id)s, decided_at = %(now)s, version = version + 1
 WHERE tenant_id = current_tenant() AND id = %(id)s AND status = 'pending' AND expires_at > %(now)s
RETURNING id, email, role_ids, branch_ids, status, invited_by, user_id, version, created_at, expires_at;

-- name: revoke_invitation
-- Take back an invitation that is still as it was read.
UPDATE invitation
   SET status = 'revoked', decided_at = %(now)s, version = version + 1
 WHERE tenant_id = current_tenant() AND id = %(id)s AND status = 'pending' AND version = %(version)s
RETURNING id, email, role_ids, branch_ids, status, invited_by, user_id, version, created_at, expires_at;

-- name: list_invitations
-- A page of invitations.
-- sort: created_at = created_at::timestamptz
-- sort: email = email::text
-- sort: expires_at = expires_at::timestamptz
-- then: id::uuid
SELECT id, email, role_ids, branch_ids, status, invited_by, user_id, version, created_at, expires_at
  FROM invitation
 WHERE tenant_id = current_tenant() AND {after}
 ORDER BY {order}
 LIMIT %(limit)s;

-- name: invitation_by_lookup
-- The invitation behind a token's public half, whichever tenant it belongs to.
SELECT tenant_id, id, email, status, secret_hash, expires_at, organisation_name FROM invitation_by_lookup(%(lookup)s);

-- name: join_organisation
-- Make somebody a member, or a member again.
INSERT INTO membership AS m (tenant_id, user_id, joined_at, updated_at)
VALUES (current_tenant(), %(user_id)s, %(now)s, %(now)s)
ON CONFLICT (tenant_id, user_id) DO UPDATE
   SET status = 'active', version = m.version + 1, joined_at = %(now)s, updated_at = %(now)s
 WHERE m.status = 'removed';

-- name: find_member
-- One member who has not left.
SELECT p.id, p.email, p.name, m.status, m.version, m.joined_at
  FROM membership m JOIN person p ON p.id = m.user_id
 WHERE m.tenant_id = current_tenant() AND m.user_id = %(user_id)s AND m.status <> 'removed';

-- name: find_member_by_email
-- One member who has not left, by email.
SELECT p.id, p.email, p.name, m.status, m.version, m.joined_at
  FROM membership m JOIN person p ON p.id = m.user_id
 WHERE m.tenant_id = current_tenant() AND p.email = %(email)s AND m.status <> 'removed';

-- name: list_members
-- A page of members who have not left.
-- sort: joined_at = m.joined_at::timestamptz
-- sort: name = p.name::text
-- sort: email = p.email::text
-- then: p.id::uuid
SELECT p.id, p.email, p.name, m.status, m.version, m.joined_at
  FROM membership m JOIN person p ON p.id = m.user_id
 WHERE m.tenant_id = current_tenant() AND m.status <> 'removed' AND {after}
 ORDER BY {order}
 LIMIT %(limit)s;

-- name: update_membership
-- Change a membership that is still as it was read.
UPDATE membership
   SET status = %(status)s, version = version + 1, updated_at = %(now)s
 WHERE tenant_id = current_tenant() AND user_id = %(user_id)s AND version = %(version)s;

-- name: count_login_attempt
-- Count an attempt; the seconds to wait, 0 to go on.
SELECT login_attempt(%(kind)s, %(key_hash)s, %(now)s, %(free)s, %(delay_max_s)s) AS wait_s;

-- name: forget_login_attempts
-- The password was right.
SELECT login_succeeded(%(account)s, %(source)s);

-- name: purge_login_attempts
-- Forget attempts older than this.
SELECT login_throttle_purge(%(before)s);

-- name: login_person
-- What a login needs, by exact email.
SELECT user_id, password_hash, status FROM login_person(%(email)s);

-- name: login_memberships
-- The organisations a person may enter.
SELECT tenant_id, slug, name, session_ttl_minutes FROM login_memberships(%(user_id)s);

-- name: create_person
-- A new account.
SELECT person_create(%(id)s, %(email)s, %(name)s, %(password_hash)s, %(now)s);

-- name: set_password
-- Replace the hash that was checked; false when it is no longer the one.
SELECT person_set_password(%(id)s, %(old)s, %(new)s, %(now)s);
