-- name: find_candidates
-- Grants under which this may be collected, those of the one who collected first. A few are enough to say which.
SELECT g.grant_id, g.grantee_id
  FROM atc_grant g
 WHERE g.tenant_id = %(tenant)s AND g.status = 'active' AND g.effective_from <= %(now)s
   AND (g.effective_to IS NULL OR g.effective_to > %(now)s)
   AND g.collection_type IN (%(method)s::text, 'ALL_METHODS')
   AND (%(currency)s::text IS NULL OR g.currency = %(currency)s)
   AND (%(grantee)s::uuid IS NULL OR g.grantee_id = %(grantee)s)
   AND %(payer)s::uuid NOT IN (g.grantee_id, g.grantor_id)
   AND NOT EXISTS (SELECT FROM atc_scope s WHERE s.tenant_id = g.tenant_id AND s.grant_id = g.grant_id
                      AND NOT coalesce((%(facts)s::jsonb -> s.scope_type) <@ to_jsonb(s.scope_values), false))
 ORDER BY (g.grantee_id = %(collected_by)s::uuid) DESC NULLS LAST, g.created_at, g.grant_id
 LIMIT 11

-- name: lock_chains
-- These grants and all that they come from, which stand as they are until the transaction ends.
WITH RECURSIVE chain AS (
    SELECT g.grant_id, g.parent_id FROM atc_grant g
     WHERE g.tenant_id = %(tenant)s AND g.grant_id = ANY (%(grants)s::uuid[])
    UNION
    SELECT p.grant_id, p.parent_id FROM chain c
      JOIN atc_grant p ON p.tenant_id = %(tenant)s AND p.grant_id = c.parent_id
)
SELECT g.grant_id FROM atc_grant g
 WHERE g.tenant_id = %(tenant)s AND g.grant_id IN (SELECT grant_id FROM chain)
 ORDER BY g.depth, g.grant_id  -- A parent before its children, as whoever takes them back.
   FOR SHARE OF g

-- name: root_grantors
-- Which of these partners are paid what others collect for them.
SELECT DISTINCT g.grantor_id FROM atc_grant g
 WHERE g.tenant_id = %(tenant)s AND g.grantor_id = ANY (%(partners)s::uuid[]) AND g.parent_id IS NULL

-- name: find_levels_by_reference
-- All levels of the collections with these references.
SELECT l.* FROM atc_collection c
  JOIN atc_collection l ON l.tenant_id = c.tenant_id AND l.root_collection_id = c.collection_id
 WHERE c.tenant_id = %(tenant)s AND c.reference = ANY (%(references)s::text[])
 ORDER BY l.root_collection_id, l.level

-- name: find_by_keys
-- The references of the collections that these idempotency keys stand for.
SELECT request_key, reference FROM atc_collection
 WHERE tenant_id = %(tenant)s AND request_key = ANY (%(keys)s::uuid[])

-- name: insert_levels
-- Levels of collections, from the collector's up.
INSERT INTO atc_collection (tenant_id, collection_id, root_collection_id, parent_collection_id, level, is_top, grant_id,
                            grantee_id, reference, body_hash, collected_from_id, collection_method, payment_reference,
                            source, credit_id, currency, gross_minor, commission_minor, net_minor, order_id, invoice_id,
                            collected_on, due_on, transaction_id, funded_at, latitude, longitude, collected_by, notes,
                            recorded_by, request_key, created_at)
VALUES (%(tenant)s, %(collection)s, %(root)s, %(parent)s, %(level)s, %(is_top)s, %(grant)s, %(grantee)s, %(reference)s,
        %(body_hash)s, %(payer)s, %(method)s, %(payment_reference)s, %(source)s, %(credit)s, %(currency)s, %(gross)s,
        %(commission)s, %(net)s, %(order)s, %(invoice)s, %(collected_on)s, %(due_on)s, %(transaction)s, %(funded_at)s,
        %(latitude)s, %(longitude)s, %(collected_by)s, %(notes)s, %(recorded_by)s, %(request_key)s, %(now)s)

-- name: find_levels
-- All levels of the collection that one of them belongs to.
SELECT l.* FROM atc_collection c
  JOIN atc_collection l ON l.tenant_id = c.tenant_id AND l.root_collection_id = c.root_collection_id
 WHERE c.tenant_id = %(tenant)s AND c.collection_id = %(collection)s
 ORDER BY l.level

-- name: lock_levels
-- All levels of the collection that one of them belongs to, held until the transaction ends.
SELECT l.* FROM atc_collection l
 WHERE l.tenant_id = %(tenant)s
   AND l.root_collection_id = (SELECT c.root_collection_id FROM atc_collection c
                                WHERE c.tenant_id = %(tenant)s AND c.collection_id = %(collection)s)
 ORDER BY l.level
   FOR NO KEY UPDATE

-- name: reverse_levels
-- A collection was taken back.
UPDATE atc_collection
   SET reversed_at = %(now)s, reversed_by = %(actor)s, reversal_reason = %(reason)s,
       reversal_transaction_id = %(transaction)s, settlement_status = 'failed'
 WHERE tenant_id = %(tenant)s AND root_collection_id = %(root)s
RETURNING *

-- name: list_collections
-- A page of collections.
-- sort: -created_at = c.created_at::timestamptz
-- then: c.collection_id::uuid
SELECT c.* FROM atc_collection c
 WHERE c.tenant_id = %(tenant)s AND (%(grant)s::uuid IS NULL OR c.grant_id = %(grant)s)
   AND (%(grantee)s::uuid IS NULL OR c.grantee_id = %(grantee)s)
   AND (%(payer)s::uuid IS NULL OR c.collected_from_id = %(payer)s)
   AND (%(batch)s::uuid IS NULL OR c.settlement_batch_id = %(batch)s)
   AND (%(status)s::text IS NULL OR c.settlement_status = %(status)s)
   AND (%(reference)s::text IS NULL OR c.reference = %(reference)s)
   AND (%(created_from)s::timestamptz IS NULL OR c.created_at >= %(created_from)s)
   AND (%(created_to)s::timestamptz IS NULL OR c.created_at < %(created_to)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: lock_in_hand
-- Money of a collector's that is not with us, the oldest first, held until the transaction ends.
SELECT * FROM atc_collection c
 WHERE c.tenant_id = %(tenant)s AND c.grantee_id = %(grantee)s AND c.currency = %(currency)s AND c.level = 0
   AND c.funded_at IS NULL AND c.reversed_at IS NULL
 ORDER BY c.created_at, c.collection_id
 LIMIT %(limit)s
   FOR NO KEY UPDATE

-- name: remit
-- Money of a collection was paid in; with all of it, every level of the collection is funded.
UPDATE atc_collection
   SET remitted_minor = remitted_minor + CASE level WHEN 0 THEN %(amount)s::bigint ELSE 0 END, funded_at = %(funded_at)s
 WHERE tenant_id = %(tenant)s AND root_collection_id = %(root)s AND (level = 0 OR %(funded_at)s::timestamptz IS NOT NULL)

-- name: lock_due
-- Collections of a root grant that may be settled: with us, due, in no settlement; the oldest first, held until the
-- transaction ends.
SELECT * FROM atc_collection c
 WHERE c.tenant_id = %(tenant)s AND c.grant_id = %(grant)s AND c.is_top AND c.settlement_status = 'pending'
   AND c.funded_at IS NOT NULL AND c.due_on <= %(until_on)s
 ORDER BY c.due_on, c.created_at, c.collection_id
 LIMIT %(limit)s
   FOR NO KEY UPDATE

-- name: place_in_batch
-- Collections of a root grant go into a settlement, with all their levels.
UPDATE atc_collection c
   SET settlement_status = %(status)s, settlement_batch_id = CASE WHEN c.is_top THEN %(batch)s::uuid END
  FROM atc_collection top
 WHERE top.tenant_id = %(tenant)s AND top.collection_id = ANY (%(collections)s::uuid[])
   AND c.tenant_id = top.tenant_id AND c.root_collection_id = top.root_collection_id

-- name: follow_batch
-- Collections of a settlement, with all their levels, stand where it stands. Pending ones belong to it no longer.
UPDATE atc_collection c
   SET settlement_status = %(status)s, settled_at = %(settled_at)s,
       settlement_batch_id = CASE WHEN %(status)s <> 'pending' THEN c.settlement_batch_id END
  FROM atc_collection top
 WHERE top.tenant_id = %(tenant)s AND top.settlement_batch_id = %(batch)s
   AND c.tenant_id = top.tenant_id AND c.root_collection_id = top.root_collection_id
