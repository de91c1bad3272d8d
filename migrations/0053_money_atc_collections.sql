-- What was collected by authority to collect. A collection is a row a level: the collector's grant is level 0, and each
-- level up has collected what the level below passed on. What happened never changes: only what becomes of it does.

CREATE TABLE atc_collection (
    tenant_id               uuid         NOT NULL,
    collection_id           uuid         NOT NULL,
    root_collection_id      uuid         NOT NULL,
    parent_collection_id    uuid         NULL,
    level                   smallint     NOT NULL,
    is_top                  boolean      NOT NULL,
    grant_id                uuid         NOT NULL,
    grantee_id              uuid         NOT NULL,
    reference               text         NOT NULL,
    body_hash               uuid         NOT NULL,
    collected_from_id       uuid         NOT NULL,
    collection_method       text         NOT NULL,
    payment_reference       text         NULL,
    source                  text         NOT NULL,
    credit_id               uuid         NULL,
    currency                char(3)      NOT NULL,
    gross_minor             bigint       NOT NULL,
    commission_minor        bigint       NOT NULL,
    net_minor               bigint       NOT NULL,
    order_id                uuid         NULL,
    invoice_id              uuid         NULL,
    collected_on            date         NOT NULL,
    due_on                  date         NOT NULL,
    transaction_id          uuid         NOT NULL,
    settlement_status       text         NOT NULL DEFAULT 'pending',
    settlement_batch_id     uuid         NULL,
    settled_at              timestamptz  NULL,
    remitted_minor          bigint       NOT NULL DEFAULT 0,
    funded_at               timestamptz  NULL,
    latitude                numeric(9,6) NULL,
    longitude               numeric(9,6) NULL,
    collected_by            uuid         NULL,
    notes                   text         NULL,
    recorded_by             text         NOT NULL,
    request_key             uuid         NULL,
    created_at              timestamptz  NOT NULL,
    reversed_at             timestamptz  NULL,
    reversed_by             text         NULL,
    reversal_reason         text         NULL,
    reversal_transaction_id uuid         NULL,
    CONSTRAINT atc_collection_pkey PRIMARY KEY (tenant_id, collection_id),
    CONSTRAINT atc_collection_grant_fkey FOREIGN KEY (tenant_id, grant_id) REFERENCES atc_grant (tenant_id, grant_id),
    CONSTRAINT atc_collection_grantee_fkey FOREIGN KEY (tenant_id, grantee_id)
        REFERENCES partner (tenant_id, partner_id),
    CONSTRAINT atc_collection_payer_fkey FOREIGN KEY (tenant_id, collected_from_id)
        REFERENCES partner (tenant_id, partner_id),
    CONSTRAINT atc_collection_credit_fkey FOREIGN KEY (tenant_id, credit_id)
        REFERENCES virtual_account_credit (tenant_id, credit_id),
    CONSTRAINT atc_collection_root_fkey FOREIGN KEY (tenant_id, root_collection_id)
        REFERENCES atc_collection (tenant_id, collection_id),
    CONSTRAINT atc_collection_parent_fkey FOREIGN KEY (tenant_id, parent_collection_id)
        REFERENCES atc_collection (tenant_id, collection_id),
    CONSTRAINT atc_collection_reference_key UNIQUE (tenant_id, reference),
    CONSTRAINT atc_collection_level_key UNIQUE (tenant_id, root_collection_id, level),
    CONSTRAINT atc_collection_request_key UNIQUE (tenant_id, request_key),
    CONSTRAINT atc_collection_reference_form CHECK (reference ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}(#[1-7])?$'
        AND (level = 0) = (strpos(reference, '#') = 0)),
    CONSTRAINT atc_collection_level_range CHECK (level BETWEEN 0 AND 7 AND (level = 0) = (parent_collection_id IS NULL)
        AND (level = 0) = (root_collection_id = collection_id)),
    CONSTRAINT atc_collection_method_known CHECK (collection_method IN ('CASH', 'MOBILE_MONEY', 'BANK_TRANSFER',
        'CHEQUE', 'CREDIT_AGAINST_PURCHASE')),
    CONSTRAINT atc_collection_source_known CHECK (CASE source
        WHEN 'in_hand' THEN collection_method <> 'CREDIT_AGAINST_PURCHASE'
        WHEN 'credit' THEN collection_method IN ('MOBILE_MONEY', 'BANK_TRANSFER')
        WHEN 'purchase' THEN collection_method = 'CREDIT_AGAINST_PURCHASE'
        ELSE false END),
    CONSTRAINT atc_collection_credit_named CHECK ((source = 'credit') = (credit_id IS NOT NULL)),
    CONSTRAINT atc_collection_gross_positive CHECK (gross_minor > 0 OR (level > 0 AND gross_minor = 0)),
    CONSTRAINT atc_collection_adds_up CHECK (commission_minor BETWEEN 0 AND gross_minor
        AND net_minor = gross_minor - commission_minor),
    CONSTRAINT atc_collection_due_later CHECK (due_on >= collected_on),
    CONSTRAINT atc_collection_settlement_known CHECK (settlement_status IN ('pending', 'scheduled', 'processing',
        'settled', 'failed', 'disputed')),
    CONSTRAINT atc_collection_settled CHECK ((settlement_status = 'settled') = (settled_at IS NOT NULL)),
    CONSTRAINT atc_collection_batched CHECK (settlement_status IN ('pending', 'failed', 'disputed') OR NOT is_top
        OR settlement_batch_id IS NOT NULL),
    CONSTRAINT atc_collection_free_when_pending CHECK (settlement_status <> 'pending' OR settlement_batch_id IS NULL),
    CONSTRAINT atc_collection_paid_out_of_funds CHECK (funded_at IS NOT NULL
        OR (settlement_batch_id IS NULL AND settlement_status IN ('pending', 'failed', 'disputed'))),
    CONSTRAINT atc_collection_remitted_within CHECK (remitted_minor BETWEEN 0 AND gross_minor
        AND (remitted_minor = 0 OR (level = 0 AND source = 'in_hand' AND reversed_at IS NULL))),
    CONSTRAINT atc_collection_funded CHECK (level > 0
        OR (funded_at IS NOT NULL) = (source <> 'in_hand' OR remitted_minor = gross_minor)),
    CONSTRAINT atc_collection_point_whole CHECK ((latitude IS NULL) = (longitude IS NULL)
        AND latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180),
    CONSTRAINT atc_collection_notes_length CHECK (length(notes) <= 1000),
    CONSTRAINT atc_collection_payment_reference_length CHECK (length(payment_reference) BETWEEN 1 AND 128),
    CONSTRAINT atc_collection_reversed_whole CHECK ((reversed_at IS NULL) = (reversed_by IS NULL)
        AND (reversed_at IS NULL) = (reversal_reason IS NULL)
        AND (reversed_at IS NULL) = (reversal_transaction_id IS NULL)),
    CONSTRAINT atc_collection_reversed_unsettled CHECK (reversed_at IS NULL
        OR (settlement_status = 'failed' AND settlement_batch_id IS NULL))
);
COMMENT ON COLUMN atc_collection.root_collection_id IS 'the row of level 0: the collection as it was recorded';
COMMENT ON COLUMN atc_collection.parent_collection_id IS 'the row one level below, whose net is the gross here';
COMMENT ON COLUMN atc_collection.is_top IS 'its grant has no parent: its net is what the root grantor is due';
COMMENT ON COLUMN atc_collection.grantee_id IS 'who has collected at this level: the grantee of its grant';
COMMENT ON COLUMN atc_collection.source IS 'where the money is: with the collector, a virtual account credit, or what we owe the payer';
COMMENT ON COLUMN atc_collection.request_key IS 'hash of the idempotency key it came under; of level 0';
COMMENT ON COLUMN atc_collection.remitted_minor IS 'what of the money in the collector''s hand was paid in; of level 0';
COMMENT ON COLUMN atc_collection.funded_at IS 'since when all of the money is with us; the same on all levels';
CREATE INDEX atc_collection_recent ON atc_collection (tenant_id, created_at, collection_id);
CREATE INDEX atc_collection_of_grant ON atc_collection (tenant_id, grant_id, created_at, collection_id);
CREATE INDEX atc_collection_of_payer ON atc_collection (tenant_id, collected_from_id, created_at, collection_id);
CREATE INDEX atc_collection_of_credit ON atc_collection (tenant_id, credit_id) WHERE credit_id IS NOT NULL;
CREATE INDEX atc_collection_in_batch ON atc_collection (tenant_id, settlement_batch_id)
    WHERE settlement_batch_id IS NOT NULL;
CREATE INDEX atc_collection_pending ON atc_collection (tenant_id, grant_id) WHERE settlement_status = 'pending';
CREATE INDEX atc_collection_in_hand ON atc_collection (tenant_id, grantee_id, currency, created_at, collection_id)
    WHERE level = 0 AND funded_at IS NULL AND reversed_at IS NULL;
CREATE INDEX atc_collection_to_settle ON atc_collection (tenant_id, grant_id, due_on, created_at, collection_id)
    WHERE is_top AND settlement_status = 'pending' AND funded_at IS NOT NULL;
ALTER TABLE atc_collection ENABLE ROW LEVEL SECURITY;
CREATE POLICY atc_collection_tenant ON atc_collection TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY atc_collection_worker ON atc_collection FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT ON atc_collection TO omniroute_app;
GRANT SELECT ON atc_collection TO omniroute_worker;
GRANT UPDATE (settlement_status, settlement_batch_id, settled_at, remitted_minor, funded_at, reversed_at, reversed_by,
              reversal_reason, reversal_transaction_id) ON atc_collection TO omniroute_app, omniroute_worker;

-- Looked at when a collection is written whole: the levels go up the hierarchy of grants to its root, and each has for
-- gross what the one below passes on.
CREATE FUNCTION atc_collection_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    authority atc_grant;
    below atc_collection;
BEGIN
    SELECT * INTO authority FROM atc_grant g WHERE g.tenant_id = NEW.tenant_id AND g.grant_id = NEW.grant_id;
    IF authority.currency <> NEW.currency OR authority.grantee_id <> NEW.grantee_id
       OR (authority.parent_id IS NULL) <> NEW.is_top THEN
        RAISE EXCEPTION 'a collection is in the name of its grant'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_collection_by_its_grant';
    END IF;
    IF NEW.level > 0 THEN
        SELECT * INTO below FROM atc_collection c
         WHERE c.tenant_id = NEW.tenant_id AND c.collection_id = NEW.parent_collection_id;
        IF below.root_collection_id <> NEW.root_collection_id OR below.level <> NEW.level - 1
           OR below.net_minor <> NEW.gross_minor OR below.transaction_id <> NEW.transaction_id
           OR below.source <> NEW.source OR below.funded_at IS DISTINCT FROM NEW.funded_at
           OR below.collected_from_id <> NEW.collected_from_id
           OR NOT EXISTS (SELECT FROM atc_grant g WHERE g.tenant_id = below.tenant_id AND g.grant_id = below.grant_id
                             AND g.parent_id = NEW.grant_id) THEN
            RAISE EXCEPTION 'a level has for gross what the level below passes on'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_collection_levels_join';
        END IF;
    END IF;
    IF NOT NEW.is_top AND NOT EXISTS (SELECT FROM atc_collection c WHERE c.tenant_id = NEW.tenant_id
           AND c.root_collection_id = NEW.root_collection_id AND c.level = NEW.level + 1) THEN
        RAISE EXCEPTION 'the levels of a collection end at the root grant'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_collection_reaches_the_root';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER atc_collection_guard AFTER INSERT ON atc_collection
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION atc_collection_guard();

-- What was taken back stays so.
CREATE FUNCTION atc_collection_reversal_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a reversed collection stays as it is'
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_collection_reversed_for_good';
END $$;
CREATE TRIGGER atc_collection_reversal_guard BEFORE UPDATE ON atc_collection
    FOR EACH ROW WHEN (OLD.reversed_at IS NOT NULL) EXECUTE FUNCTION atc_collection_reversal_guard();
