-- name: insert_partner
-- A new partner.
INSERT INTO partner (tenant_id, partner_id, code, kind, name, phone, email, account, external_refs, created_at,
                     updated_at)
VALUES (%(tenant)s, %(partner)s, %(code)s, %(kind)s, %(name)s, %(phone)s, %(email)s, %(account)s, %(refs)s, %(now)s,
        %(now)s)
RETURNING *

-- name: find_partners
-- Partners by id.
SELECT * FROM partner WHERE tenant_id = %(tenant)s AND partner_id = ANY(%(partners)s)

-- name: find_partner_by_code
-- One partner by its code.
SELECT * FROM partner WHERE tenant_id = %(tenant)s AND code = %(code)s

-- name: list_partners
-- A page of partners.
-- sort: name = p.name::text
-- sort: code = p.code::text unique
-- sort: created_at = p.created_at::timestamptz
-- then: p.partner_id::uuid
SELECT p.* FROM partner p
 WHERE p.tenant_id = %(tenant)s AND (%(kind)s::text IS NULL OR p.kind = %(kind)s)
   AND (%(status)s::text IS NULL OR p.status = %(status)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: update_partner
-- Change a partner if it is still as it was read.
UPDATE partner
   SET name = %(name)s, phone = %(phone)s, email = %(email)s, account = %(account)s, external_refs = %(refs)s,
       status = %(status)s, version = version + 1, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND partner_id = %(partner)s AND version = %(version)s
RETURNING *
