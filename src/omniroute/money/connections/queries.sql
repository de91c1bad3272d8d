-- name: insert_connection
-- A new connection.
INSERT INTO bank_connection (tenant_id, connection_id, code, name, rail, bank_code, currency, endpoint, public, sealed,
                             operations, float_account_id, float_low_minor, limits, created_at, updated_at)
VALUES (%(tenant)s, %(connection)s, %(code)s, %(name)s, %(rail)s, %(bank_code)s, %(currency)s, %(endpoint)s, %(public)s,
        %(sealed)s, %(operations)s, %(float_account)s, %(float_low)s, %(limits)s, %(now)s, %(now)s)
RETURNING *

-- name: find_connection
-- One connection.
SELECT * FROM bank_connection WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s

-- name: list_connections
-- A page of connections.
-- sort: code = c.code::text unique
-- sort: created_at = c.created_at::timestamptz
-- then: c.connection_id::uuid
SELECT c.* FROM bank_connection c
 WHERE c.tenant_id = %(tenant)s AND (%(rail)s::text IS NULL OR c.rail = %(rail)s)
   AND (%(status)s::text IS NULL OR c.status = %(status)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: all_connections
-- Every connection that is not closed; there are few.
SELECT * FROM bank_connection WHERE tenant_id = %(tenant)s AND status <> 'closed' ORDER BY code

-- name: update_connection
-- Change a connection if it is still as it was read.
UPDATE bank_connection
   SET name = %(name)s, status = %(status)s, endpoint = %(endpoint)s, public = %(public)s, operations = %(operations)s,
       float_low_minor = %(float_low)s, limits = %(limits)s, sealed = coalesce(%(sealed)s, sealed),
       version = version + 1, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND version = %(version)s
RETURNING *

-- name: watched_connections
-- Connections to look after, over all organisations, those least recently looked at first.
SELECT tenant_id, connection_id FROM bank_connection
 WHERE status <> 'closed' AND (health_at IS NULL OR health_at <= %(before)s)
 ORDER BY health_at NULLS FIRST
 LIMIT %(limit)s

-- name: set_health
-- What the rail said when it was last looked at.
UPDATE bank_connection SET health = %(health)s, health_reason = %(reason)s, health_at = %(now)s
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s
RETURNING *

-- name: set_float_low
-- Whether the float was low when it was last looked at.
UPDATE bank_connection SET float_was_low = %(low)s
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND float_was_low <> %(low)s
RETURNING connection_id
