-- Authority to collect as GraphQL shows it. Rates are percentages here.

CREATE TYPE gateway.party_type AS ENUM ('MANUFACTURER', 'DISTRIBUTOR', 'WHOLESALER', 'RETAILER', 'WORKER', 'PLATFORM');
CREATE TYPE gateway.atc_scope AS ENUM ('ALL_PRODUCTS', 'PRODUCT_CATEGORY', 'SPECIFIC_PRODUCTS', 'SPECIFIC_CUSTOMERS',
    'GEOGRAPHIC_AREA');
CREATE TYPE gateway.atc_scope_type AS ENUM ('PRODUCT_ID', 'PRODUCT_CATEGORY', 'CUSTOMER_ID', 'CUSTOMER_TIER',
    'GEOGRAPHIC_ZONE', 'ORDER_TYPE');
CREATE TYPE gateway.collection_type AS ENUM ('CASH', 'MOBILE_MONEY', 'BANK_TRANSFER', 'CHEQUE',
    'CREDIT_AGAINST_PURCHASE', 'ALL_METHODS');
CREATE TYPE gateway.commission_type AS ENUM ('PERCENTAGE', 'FLAT_FEE', 'TIERED_PERCENTAGE', 'HYBRID');
CREATE TYPE gateway.settlement_frequency AS ENUM ('INSTANT', 'DAILY', 'WEEKLY', 'BIWEEKLY', 'MONTHLY', 'ON_DEMAND');
CREATE TYPE gateway.atc_status AS ENUM ('DRAFT', 'PENDING_APPROVAL', 'ACTIVE', 'SUSPENDED', 'EXPIRED', 'REVOKED');

CREATE VIEW gateway.atc_grants WITH (security_invoker = true) AS
SELECT g.grant_id AS id, g.tenant_id, g.reference,
       g.grantor_id, a.kind::gateway.party_type AS grantor_type, a.name AS grantor_name,
       g.grantee_id, b.kind::gateway.party_type AS grantee_type, b.name AS grantee_name,
       g.scope::gateway.atc_scope AS scope, g.collection_type::gateway.collection_type AS collection_type,
       g.currency::text AS currency,
       gateway.major(g.max_amount_minor, g.currency) AS max_amount, g.max_amount_minor,
       gateway.major(g.cumulative_limit_minor, g.currency) AS cumulative_limit, g.cumulative_limit_minor,
       gateway.major(c.minor, g.currency) AS cumulative_collected, c.minor AS cumulative_collected_minor,
       g.commission_type::gateway.commission_type AS commission_type, g.commission_rate_ppm * 0.0001 AS commission_rate,
       gateway.major(g.commission_flat_minor, g.currency) AS commission_flat,
       gateway.major(g.min_commission_minor, g.currency) AS min_commission,
       gateway.major(g.max_commission_minor, g.currency) AS max_commission,
       g.settlement_frequency::gateway.settlement_frequency AS settlement_frequency,
       g.settlement_day::integer AS settlement_day, g.settlement_delay_days::integer AS settlement_delay_days,
       gateway.details_of(g.settlement_account) AS settlement_account,
       upper(g.status)::gateway.atc_status AS status, g.status_reason, g.effective_from, g.effective_to,
       g.parent_id AS parent_atc_id, g.depth::integer AS depth, g.terms_document_url,
       gateway.id_of(g.created_by) AS created_by, gateway.id_of(g.approved_by) AS approved_by, g.approved_at,
       g.ended_at, g.created_at, g.updated_at
  FROM atc_grant g
  LEFT JOIN partner a ON a.tenant_id = g.tenant_id AND a.partner_id = g.grantor_id
  LEFT JOIN partner b ON b.tenant_id = g.tenant_id AND b.partner_id = g.grantee_id
 CROSS JOIN LATERAL (SELECT CASE WHEN g.approved_at IS NULL THEN 0 ELSE (
       SELECT l.posted_debit - l.posted_credit FROM ledger_balance l
        WHERE l.tenant_id = g.tenant_id AND l.account_id = g.collected_account_id) END::bigint AS minor) c;
COMMENT ON VIEW gateway.atc_grants IS 'Authority to collect: who may collect money for whom, and on which terms.';

CREATE VIEW gateway.atc_scope_configs WITH (security_invoker = true) AS
SELECT s.scope_id AS id, s.tenant_id, s.grant_id AS atc_grant_id, s.scope_type::gateway.atc_scope_type AS scope_type,
       s.scope_values, s.created_at
  FROM atc_scope s;
COMMENT ON VIEW gateway.atc_scope_configs IS 'What authority to collect is narrowed to: all of them have to fit.';

CREATE VIEW gateway.atc_commission_tiers WITH (security_invoker = true) AS
SELECT t.tier_id AS id, t.tenant_id, t.grant_id AS atc_grant_id, t.tier_number::integer AS tier_number,
       gateway.major(t.min_minor, g.currency) AS min_amount, gateway.major(t.max_minor, g.currency) AS max_amount,
       t.rate_ppm * 0.0001 AS commission_rate, t.created_at
  FROM atc_commission_tier t JOIN atc_grant g ON g.tenant_id = t.tenant_id AND g.grant_id = t.grant_id;
COMMENT ON VIEW gateway.atc_commission_tiers IS 'Rates by the size of a collection; a border belongs to the lower tier.';

SELECT gateway_publish('gateway.atc_grants');
SELECT gateway_publish('gateway.atc_scope_configs');
SELECT gateway_publish('gateway.atc_commission_tiers');
