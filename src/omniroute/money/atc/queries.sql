-- Grants of authority to collect.

-- name: insert_grant
-- A new grant; its scopes and tiers follow in the same transaction.
INSERT INTO atc_grant (tenant_id, grant_id, reference, grantor_id, grantee_id, scope, collection_type, currency,
                       max_amount_minor, cumulative_limit_minor, collected_account_id, commission_type,
                       commission_rate_ppm, commission_flat_minor, min_commission_minor, max_commission_minor,
                       settlement_frequency, settlement_day, settlement_delay_days, settlement_account, status,
                       effective_from, effective_to, parent_id, depth, terms_document_url, created_by, created_at,
                       updated_at)
VALUES (%(tenant)s, %(grant)s, %(reference)s, %(grantor)s, %(grantee)s, %(scope)s, %(collection_type)s, %(currency)s,
        %(max_amount)s, %(cumulative_limit)s, %(collected_account)s, %(commission_type)s, %(rate)s, %(flat)s,
        %(min_commission)s, %(max_commission)s, %(frequency)s, %(day)s, %(delay_days)s, %(account)s, %(status)s,
        %(effective_from)s, %(effective_to)s, %(parent)s, %(depth)s, %(url)s, %(created_by)s, %(now)s, %(now)s)

-- name: insert_scopes
-- What a new grant is narrowed to.
INSERT INTO atc_scope (tenant_id, scope_id, grant_id, scope_type, scope_values, created_at)
SELECT %(tenant)s, (n.one ->> 'id')::uuid, %(grant)s, n.one ->> 'type',
       ARRAY(SELECT jsonb_array_elements_text(n.one -> 'values')), %(now)s
  FROM jsonb_array_elements(%(scopes)s) AS n (one)

-- name: insert_tiers
-- The commission tiers of a new grant.
INSERT INTO atc_commission_tier (tenant_id, tier_id, grant_id, tier_number, min_minor, max_minor, rate_ppm, created_at)
SELECT %(tenant)s, n.id, %(grant)s, n.number, n.min_minor, n.max_minor, n.rate_ppm, %(now)s
  FROM unnest(%(ids)s::uuid[], %(numbers)s::integer[], %(mins)s::bigint[], %(maxs)s::bigint[], %(rates)s::bigint[])
    AS n (id, number, min_minor, max_minor, rate_ppm)

-- name: find_grants
-- Grants by id, with their scopes and tiers.
SELECT g.*,
       (SELECT jsonb_agg(jsonb_build_array(s.scope_type, s.scope_values) ORDER BY s.scope_type) FROM atc_scope s
         WHERE s.tenant_id = g.tenant_id AND s.grant_id = g.grant_id) AS scopes,
       (SELECT jsonb_agg(jsonb_build_array(t.tier_number, t.min_minor, t.max_minor, t.rate_ppm) ORDER BY t.tier_number)
          FROM atc_commission_tier t WHERE t.tenant_id = g.tenant_id AND t.grant_id = g.grant_id) AS tiers
  FROM atc_grant g
 WHERE g.tenant_id = %(tenant)s AND g.grant_id = ANY (%(grants)s)

-- name: list_grants
-- A page of grants, with their scopes and tiers.
-- sort: -created_at = g.created_at::timestamptz
-- sort: reference = g.reference::text unique
-- then: g.grant_id::uuid
SELECT g.*,
       (SELECT jsonb_agg(jsonb_build_array(s.scope_type, s.scope_values) ORDER BY s.scope_type) FROM atc_scope s
         WHERE s.tenant_id = g.tenant_id AND s.grant_id = g.grant_id) AS scopes,
       (SELECT jsonb_agg(jsonb_build_array(t.tier_number, t.min_minor, t.max_minor, t.rate_ppm) ORDER BY t.tier_number)
          FROM atc_commission_tier t WHERE t.tenant_id = g.tenant_id AND t.grant_id = g.grant_id) AS tiers
  FROM atc_grant g
 WHERE g.tenant_id = %(tenant)s AND (%(status)s::text IS NULL OR g.status = %(status)s)
   AND (%(grantor)s::uuid IS NULL OR g.grantor_id = %(grantor)s)
   AND (%(grantee)s::uuid IS NULL OR g.grantee_id = %(grantee)s)
   AND (%(parent)s::uuid IS NULL OR g.parent_id = %(parent)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: one_at_a_time
-- Nobody else writes a grant between these parties until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('omniroute.atc.' || %(key)s::text, 0))

-- name: find_rivals
-- Live grants between the same parties, at overlapping times; means and scopes are compared elsewhere.
SELECT grant_id FROM atc_grant
 WHERE tenant_id = %(tenant)s AND grantor_id = %(grantor)s AND grantee_id = %(grantee)s AND currency = %(currency)s
   AND status IN ('pending_approval', 'active', 'suspended') AND grant_id <> %(grant)s
   AND tstzrange(effective_from, effective_to) && tstzrange(%(effective_from)s, %(effective_to)s)
 ORDER BY created_at, grant_id

-- name: share_grant
-- A grant that shall not change until the transaction ends; others may hold it so, too.
SELECT grant_id FROM atc_grant WHERE tenant_id = %(tenant)s AND grant_id = %(grant)s FOR SHARE

-- name: lock_grant
-- A grant, held until the transaction ends.
SELECT grant_id FROM atc_grant WHERE tenant_id = %(tenant)s AND grant_id = %(grant)s FOR UPDATE

-- name: lock_children
-- Grants directly below these that have not ended, held until the transaction ends.
SELECT grant_id FROM atc_grant
 WHERE tenant_id = %(tenant)s AND parent_id = ANY (%(grants)s) AND status NOT IN ('expired', 'revoked')
 ORDER BY grant_id
   FOR UPDATE

-- name: find_line
-- A grant and all above it, itself first.
WITH RECURSIVE line AS (
    SELECT g.grant_id, g.parent_id, g.depth FROM atc_grant g
     WHERE g.tenant_id = %(tenant)s AND g.grant_id = %(grant)s
    UNION ALL
    SELECT g.grant_id, g.parent_id, g.depth FROM line
      JOIN atc_grant g ON g.tenant_id = %(tenant)s AND g.grant_id = line.parent_id
)
SELECT grant_id FROM line ORDER BY depth DESC

-- name: find_tree
-- A grant and those below it, from the top down, the oldest first.
WITH RECURSIVE tree AS (
    SELECT g.grant_id, g.depth, g.created_at FROM atc_grant g
     WHERE g.tenant_id = %(tenant)s AND g.grant_id = %(grant)s
    UNION ALL
    SELECT g.grant_id, g.depth, g.created_at FROM tree
      JOIN atc_grant g ON g.tenant_id = %(tenant)s AND g.parent_id = tree.grant_id
)
SELECT grant_id FROM tree ORDER BY depth, created_at, grant_id LIMIT %(limit)s

-- name: move_grant
-- Where a grant stands now.
UPDATE atc_grant
   SET status = %(status)s, status_reason = %(reason)s, approved_by = %(approved_by)s, approved_at = %(approved_at)s,
       ended_at = %(ended_at)s, updated_at = %(now)s, version = version + 1
 WHERE tenant_id = %(tenant)s AND grant_id = %(grant)s

-- name: due_grants
-- Grants whose time is over, over all organisations; `without` those that could not be ended a moment ago.
SELECT tenant_id, grant_id FROM atc_grant
 WHERE status NOT IN ('expired', 'revoked') AND effective_to <= %(now)s AND NOT grant_id = ANY (%(without)s::uuid[])
 ORDER BY effective_to
 LIMIT %(limit)s

-- name: same_person
-- Whether two callers are one person, by whatever key they come.
SELECT person_of(%(one)s) = person_of(%(other)s) AS same
