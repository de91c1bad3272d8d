-- name: append_events
-- Write events in the order given. Called after the change has its locks: the numbers are drawn here.
INSERT INTO event_log (tenant_id, id, xid, type, version, subject, data, correlation_id, causation_id, actor, channel)
SELECT current_tenant(), e.id, (SELECT event_xid()), e.type, e.version, e.subject, e.data::jsonb,
       %(correlation_id)s::uuid, %(causation_id)s::uuid, %(actor)s::text, %(channel)s::text
  FROM unnest(%(ids)s::uuid[], %(types)s::text[], %(versions)s::smallint[], %(subjects)s::uuid[], %(data)s::text[])
       WITH ORDINALITY AS e (id, type, version, subject, data, ordinal)
 ORDER BY e.ordinal;
