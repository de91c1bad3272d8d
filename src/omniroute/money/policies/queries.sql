-- name: insert_policy
-- A new policy.
INSERT INTO payment_policy (tenant_id, policy_id, kind, name, position, applies_when, rule, created_at, updated_at)
VALUES (%(tenant)s, %(policy)s, %(kind)s, %(name)s, %(position)s, %(applies_when)s, %(rule)s, %(now)s, %(now)s)
RETURNING *

-- name: update_policy
-- Change a policy if it is still as it was read.
UPDATE payment_policy
   SET name = %(name)s, position = %(position)s, applies_when = %(applies_when)s, rule = %(rule)s,
       version = version + 1, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s AND version = %(version)s AND status = 'active'
RETURNING *

-- name: retire_policy
-- End a policy if it is still as it was read.
UPDATE payment_policy SET status = 'retired', version = version + 1, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s AND version = %(version)s AND status = 'active'
RETURNING *

-- name: find_policy
-- One policy.
SELECT * FROM payment_policy WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s

-- name: list_policies
-- A page of policies.
-- sort: position = p.position::integer
-- sort: name = p.name::text
-- sort: created_at = p.created_at::timestamptz
-- then: p.policy_id::uuid
SELECT p.* FROM payment_policy p
 WHERE p.tenant_id = %(tenant)s AND (%(kind)s::text IS NULL OR p.kind = %(kind)s)
   AND (%(status)s::text IS NULL OR p.status = %(status)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: active_policies
-- Every policy in force; there are few.
SELECT * FROM payment_policy WHERE tenant_id = %(tenant)s AND status = 'active'

-- name: count_policies
-- Policies of a kind in force, and changes that wait.
SELECT (SELECT count(*) FROM payment_policy
         WHERE tenant_id = %(tenant)s AND kind = %(kind)s AND status = 'active')
     + (SELECT count(*) FROM payment_policy_change
         WHERE tenant_id = %(tenant)s AND kind = %(kind)s AND action = 'create' AND status = 'proposed')

-- name: policies_revision
-- A number that grows with every change of a policy: rows never go, and versions only grow.
SELECT coalesce(sum(version), 0)::bigint FROM payment_policy WHERE tenant_id = %(tenant)s

-- name: insert_change
-- A change of a policy, proposed or already done.
INSERT INTO payment_policy_change (tenant_id, change_id, policy_id, kind, action, policy_version, draft, status,
                                   proposed_by, proposed_at, decided_at)
VALUES (%(tenant)s, %(change)s, %(policy)s, %(kind)s, %(action)s, %(version)s, %(draft)s, %(status)s, %(actor)s,
        %(now)s, %(decided_at)s)
RETURNING *

-- name: find_change
-- One change.
SELECT * FROM payment_policy_change WHERE tenant_id = %(tenant)s AND change_id = %(change)s

-- name: lock_change
-- One change, held until the transaction ends.
SELECT * FROM payment_policy_change WHERE tenant_id = %(tenant)s AND change_id = %(change)s FOR UPDATE

-- name: decide_change
-- A second person has decided.
UPDATE payment_policy_change
   SET status = %(status)s, decided_by = %(actor)s, decided_at = %(now)s, comment = %(comment)s, version = version + 1
 WHERE tenant_id = %(tenant)s AND change_id = %(change)s
RETURNING *

-- name: list_changes
-- A page of changes.
-- sort: -proposed_at = c.proposed_at::timestamptz
-- then: c.change_id::uuid
SELECT c.* FROM payment_policy_change c
 WHERE c.tenant_id = %(tenant)s AND (%(status)s::text IS NULL OR c.status = %(status)s)
   AND (%(policy)s::uuid IS NULL OR c.policy_id = %(policy)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: same_person
-- Whether one person stands behind both: a key acts for who made it.
SELECT person_of(%(one)s::text) = person_of(%(other)s::text) AS same_person
