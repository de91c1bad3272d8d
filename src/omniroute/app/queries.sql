-- name: server_facts
-- What `omniroute doctor` asks the server about itself and about the login.
SELECT current_setting('server_version_num')::int AS version_num,
       current_setting('server_version') AS version,
       clock_timestamp() AS server_now,
       session_user::text AS login,
       (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) AS is_superuser,
       (SELECT rolbypassrls FROM pg_roles WHERE rolname = session_user) AS bypasses_rls,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('max_connections')::int AS connections_max,
       (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database())::bigint AS transaction_age,
       pg_is_in_recovery() AS is_standby;

-- name: our_roles
-- Our three roles: do they exist, are they harmless, may this login become them.
SELECT wanted.name AS name,
       r.rolname IS NOT NULL AS exists,
       coalesce(r.rolsuper OR r.rolbypassrls, false) AS passes_row_security,
       r.rolname IS NOT NULL AND pg_has_role(session_user, wanted.name, 'MEMBER') AS may_become
  FROM (VALUES ('omniroute_owner'), ('omniroute_app'), ('omniroute_worker')) AS wanted(name)
  LEFT JOIN pg_roles r ON r.rolname = wanted.name;

-- name: unguarded_tables
-- Tenant tables without row-level security, and append-only tables the doors could change.
SELECT c.relname::text AS table_name,
       CASE WHEN NOT c.relrowsecurity THEN 'row-level security is off'
            ELSE 'omniroute_app may change or delete rows' END AS weakness
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'omniroute'
 WHERE c.relkind IN ('r', 'p')
   AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
   AND (NOT c.relrowsecurity
        OR (c.relname IN ('ledger_entry', 'ledger_txn', 'event_log', 'audit_block')
            AND (has_table_privilege('omniroute_app', c.oid, 'UPDATE')
                 OR has_table_privilege('omniroute_app', c.oid, 'DELETE'))))
 ORDER BY c.relname;

-- name: newest_event_transaction
-- The newest transaction number in the event log beside the present one; a restored dump may be ahead of its server.
SELECT (SELECT max(xid) FROM event_log) AS logged, (SELECT top FROM event_cut()) AS present;

-- name: time_zones
-- The time zone and the holidays of every organisation; the worker reads over all tenants.
SELECT tenant_id, time_zone, coalesce(settings -> 'holidays', '[]') AS holidays FROM organisation;

-- name: turnover_of_organisation
-- Transactions of one organisation, and what was posted on each side; entries are counted one by one.
SELECT (SELECT count(*) FROM ledger_txn WHERE tenant_id = %(tenant)s) AS transactions,
       coalesce(sum(amount_minor) FILTER (WHERE side = 'd'), 0)::numeric AS debits,
       coalesce(sum(amount_minor) FILTER (WHERE side = 'c'), 0)::numeric AS credits
  FROM ledger_entry
 WHERE tenant_id = %(tenant)s AND layer = 'p';

-- name: workers_present
-- How many processes with background work hold their name (`infra/postgres/presence.py`).
SELECT count(*) FROM pg_stat_activity
 WHERE application_name = 'omniroute-presence' AND datname = current_database();
