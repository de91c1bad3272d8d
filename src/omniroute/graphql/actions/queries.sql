-- name: insert_action
-- A call to be made in the background.
INSERT INTO graphql_action (tenant_id, action_id, name, requested_by, input, session, document, headers_sealed,
                            next_attempt_at, created_at)
VALUES (%(tenant)s, %(action)s, %(name)s, %(requested_by)s, %(given)s, %(session)s::jsonb, %(document)s, %(headers)s,
        %(now)s, %(now)s)

-- name: find_action
-- A call by its id, if the asker made it; NULL asks for everybody's.
SELECT action_id, created_at, output, error FROM graphql_action
 WHERE tenant_id = %(tenant)s AND action_id = %(action)s AND name = %(name)s
   AND (%(asker)s::text IS NULL OR requested_by = %(asker)s)

-- name: due_actions
-- Calls of these actions that are due, of every organisation.
SELECT tenant_id, action_id, name FROM graphql_action
 WHERE status IN ('created', 'processing') AND next_attempt_at <= %(now)s AND name = ANY (%(names)s)
 ORDER BY next_attempt_at, tenant_id, action_id LIMIT %(limit)s

-- name: claim_action
-- Take up a call that is due and nobody else's; `was_sent`: it was under way before, and nothing was heard of it.
WITH due AS (
    SELECT action_id, status FROM graphql_action
     WHERE tenant_id = %(tenant)s AND action_id = %(action)s AND status IN ('created', 'processing')
       AND next_attempt_at <= %(now)s
       FOR UPDATE SKIP LOCKED
)
UPDATE graphql_action a
   SET status = 'processing', claim = a.claim + 1, try_count = a.try_count + 1, next_attempt_at = %(lease)s
  FROM due
 WHERE a.tenant_id = %(tenant)s AND a.action_id = due.action_id
RETURNING a.input, a.session, a.document, a.headers_sealed, a.claim, a.try_count, due.status = 'processing' AS was_sent

-- name: finish_action
-- What came of a call, unless it was claimed anew since.
UPDATE graphql_action
   SET status = %(status)s, output = %(output)s, error = %(error)s, headers_sealed = NULL, next_attempt_at = NULL,
       finished_at = %(now)s
 WHERE tenant_id = %(tenant)s AND action_id = %(action)s AND claim = %(claim)s AND status = 'processing'

-- name: postpone_action
-- Nothing was sent, or it may be sent again: call later.
UPDATE graphql_action SET status = 'created', next_attempt_at = %(next)s
 WHERE tenant_id = %(tenant)s AND action_id = %(action)s AND claim = %(claim)s AND status = 'processing'

-- name: purge_actions
-- Forget calls that were over long ago.
SELECT graphql_action_purge(%(before)s, %(limit)s)
