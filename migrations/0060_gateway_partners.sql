-- Partners as GraphQL shows them.

CREATE TYPE gateway.partner_kind AS ENUM ('MANUFACTURER', 'DISTRIBUTOR', 'WHOLESALER', 'RETAILER', 'WORKER', 'PLATFORM',
    'CUSTOMER', 'SUPPLIER', 'GROUP');

CREATE VIEW gateway.partners WITH (security_invoker = true) AS
SELECT p.partner_id AS id, p.tenant_id, p.code, p.kind::gateway.partner_kind AS kind, p.name, p.phone, p.email,
       CASE WHEN p.account IS NOT NULL THEN gateway.details_of(p.account) END AS account, p.external_refs AS external_references, upper(p.status) AS status,
       p.created_at, p.updated_at
  FROM partner p;
COMMENT ON VIEW gateway.partners IS 'Who trades with the organisation in its network.';
SELECT gateway_publish('gateway.partners');
