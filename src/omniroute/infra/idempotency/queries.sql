-- name: try_lock_key
-- Take the key for this transaction, or learn at once that another transaction has it.
SELECT pg_try_advisory_xact_lock(%(lock)s);

-- name: find_reply
-- The reply stored under a key. It counts until it is purged.
SELECT fingerprint, status, headers, body, sealed
  FROM http_reply
 WHERE tenant_id = %(tenant_id)s AND scope = %(scope)s AND key_hash = %(key_hash)s;

-- name: insert_reply
-- Keep a reply beside its effect.
INSERT INTO http_reply (tenant_id, scope, key_hash, fingerprint, status, headers, body, sealed, created_at, expires_at)
VALUES (%(tenant_id)s, %(scope)s, %(key_hash)s, %(fingerprint)s, %(status)s, %(headers)s, %(body)s, %(sealed)s,
        %(now)s, %(expires_at)s);

-- name: purge_replies
-- Forget replies whose time is over, a bounded number a call.
SELECT http_reply_purge(%(now)s, %(limit)s);
