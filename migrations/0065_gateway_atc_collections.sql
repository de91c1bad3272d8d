-- What was collected by authority, as GraphQL shows it: a row a level of the hierarchy of grants.

CREATE TYPE gateway.settlement_status AS ENUM ('PENDING', 'SCHEDULED', 'PROCESSING', 'SETTLED', 'FAILED', 'DISPUTED');
CREATE TYPE gateway.collection_source AS ENUM ('IN_HAND', 'CREDIT', 'PURCHASE');

CREATE VIEW gateway.atc_collections WITH (security_invoker = true) AS
SELECT c.collection_id AS id, c.tenant_id, c.grant_id AS atc_grant_id, c.reference,
       c.collected_from_id, p.kind::gateway.partner_kind AS collected_from_type, p.name AS collected_from_name,
       c.collection_method::gateway.collection_type AS collection_method, c.payment_reference,
       c.currency::text AS currency,
       gateway.major(c.gross_minor, c.currency) AS gross_amount, c.gross_minor AS gross_amount_minor,
       gateway.major(c.commission_minor, c.currency) AS commission_amount, c.commission_minor AS commission_amount_minor,
       gateway.major(c.net_minor, c.currency) AS net_amount, c.net_minor AS net_amount_minor,
       c.order_id, c.invoice_id,
       CASE c.settlement_status  -- Values are of the type from the start: a cast of text is looked up, row by row.
           WHEN 'pending' THEN 'PENDING'::gateway.settlement_status WHEN 'scheduled' THEN 'SCHEDULED'
           WHEN 'processing' THEN 'PROCESSING' WHEN 'settled' THEN 'SETTLED' WHEN 'failed' THEN 'FAILED'
           ELSE 'DISPUTED' END AS settlement_status, c.settlement_status AS settlement_state,
       c.settlement_batch_id, c.settled_at,
       CASE WHEN c.latitude IS NOT NULL THEN
           jsonb_build_object('latitude', c.latitude, 'longitude', c.longitude) END AS collection_point,
       c.collected_by, c.notes, c.grantee_id, c.level::integer AS level, c.root_collection_id, c.parent_collection_id,
       upper(c.source)::gateway.collection_source AS source, c.credit_id,
       gateway.major(c.remitted_minor, c.currency) AS remitted_amount, c.remitted_minor AS remitted_amount_minor,
       c.funded_at, c.collected_on, c.due_on, c.transaction_id AS ledger_transaction_id,
       gateway.id_of(c.recorded_by) AS recorded_by, c.created_at, c.reversed_at,
       gateway.id_of(c.reversed_by) AS reversed_by, c.reversal_reason, c.reversal_transaction_id
  FROM atc_collection c
  LEFT JOIN partner p ON p.tenant_id = c.tenant_id AND p.partner_id = c.collected_from_id;
COMMENT ON VIEW gateway.atc_collections IS 'What was collected by authority, level by level; level 0 is the collector''s.';
SELECT gateway_publish('gateway.atc_collections');
