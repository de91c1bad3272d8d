-- Settlement: what was collected by authority to collect is paid out to the root grantor, and what collectors have in
-- hand is paid in.
--
-- A settlement takes whole collections, each once, and only what is with us: the guards below hold it to that, and to
-- paying no more than their nets. Balances stand on the ledger.

CREATE TABLE atc_settlement_batch (
    tenant_id        uuid        NOT NULL,
    batch_id         uuid        NOT NULL,
    reference        text        NOT NULL,
    grant_id         uuid        NOT NULL,
    grantor_id       uuid        NOT NULL,
    currency         char(3)     NOT NULL,
    cause            text        NOT NULL,
    period_start     timestamptz NOT NULL,
    period_end       timestamptz NOT NULL,
    collection_count integer     NOT NULL,
    gross_minor      bigint      NOT NULL,
    commission_minor bigint      NOT NULL,
    net_minor        bigint      NOT NULL,
    fee_minor        bigint      NOT NULL DEFAULT 0,
    state            text        NOT NULL DEFAULT 'created',
    reason           text        NULL,
    tries            integer     NOT NULL DEFAULT 0,
    try_at           timestamptz NULL,
    payment_id       uuid        NULL,
    requested_by     text        NOT NULL,
    version          integer     NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    settled_at       timestamptz NULL,
    failed_at        timestamptz NULL,
    CONSTRAINT atc_settlement_batch_pkey PRIMARY KEY (tenant_id, batch_id),
    CONSTRAINT atc_settlement_batch_grant_fkey FOREIGN KEY (tenant_id, grant_id)
        REFERENCES atc_grant (tenant_id, grant_id),
    CONSTRAINT atc_settlement_batch_grantor_fkey FOREIGN KEY (tenant_id, grantor_id)
        REFERENCES partner (tenant_id, partner_id),
    CONSTRAINT atc_settlement_batch_reference_key UNIQUE (tenant_id, reference),
    CONSTRAINT atc_settlement_batch_payment_key UNIQUE (tenant_id, payment_id),
    CONSTRAINT atc_settlement_batch_reference_form CHECK (length(reference) BETWEEN 1 AND 40),
    CONSTRAINT atc_settlement_batch_cause_known CHECK (cause IN ('calendar', 'instant', 'demand')),
    CONSTRAINT atc_settlement_batch_period CHECK (period_end >= period_start),
    CONSTRAINT atc_settlement_batch_collections_some CHECK (collection_count > 0),
    CONSTRAINT atc_settlement_batch_adds_up CHECK (net_minor >= 0 AND commission_minor >= 0
        AND gross_minor = commission_minor + net_minor),
    CONSTRAINT atc_settlement_batch_fee_within CHECK (fee_minor = 0 OR fee_minor BETWEEN 1 AND net_minor - 1),
    CONSTRAINT atc_settlement_batch_state_known CHECK (state IN ('created', 'processing', 'settled', 'failed')),
    CONSTRAINT atc_settlement_batch_waits CHECK ((state = 'created') = (try_at IS NOT NULL) AND tries >= 0),
    CONSTRAINT atc_settlement_batch_paid CHECK (CASE state
        WHEN 'created' THEN payment_id IS NULL
        WHEN 'processing' THEN payment_id IS NOT NULL
        WHEN 'settled' THEN (payment_id IS NULL) = (net_minor = 0)
        ELSE true END),
    CONSTRAINT atc_settlement_batch_settled CHECK ((state = 'settled') = (settled_at IS NOT NULL)),
    CONSTRAINT atc_settlement_batch_failed CHECK ((state = 'failed') = (failed_at IS NOT NULL)
        AND (state <> 'failed' OR reason IS NOT NULL)),
    CONSTRAINT atc_settlement_batch_version_positive CHECK (version > 0)
);
COMMENT ON COLUMN atc_settlement_batch.gross_minor IS 'of its collections at the root grant, as are commission and net';
COMMENT ON COLUMN atc_settlement_batch.fee_minor IS 'what the organisation takes for the payment; the rest of the net is paid';
COMMENT ON COLUMN atc_settlement_batch.reason IS 'why it is not paid yet, or has failed';
COMMENT ON COLUMN atc_settlement_batch.try_at IS 'when its payment is to be initiated';
CREATE INDEX atc_settlement_batch_recent ON atc_settlement_batch (tenant_id, created_at, batch_id);
CREATE INDEX atc_settlement_batch_of_grant ON atc_settlement_batch (tenant_id, grant_id, created_at, batch_id);
CREATE INDEX atc_settlement_batch_of_grantor ON atc_settlement_batch (tenant_id, grantor_id, created_at, batch_id);
CREATE INDEX atc_settlement_batch_to_pay ON atc_settlement_batch (try_at) WHERE state = 'created';
CREATE INDEX atc_settlement_batch_under_way ON atc_settlement_batch (tenant_id, payment_id) WHERE state = 'processing';
ALTER TABLE atc_settlement_batch ENABLE ROW LEVEL SECURITY;
CREATE POLICY atc_settlement_batch_tenant ON atc_settlement_batch TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY atc_settlement_batch_worker ON atc_settlement_batch FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT ON atc_settlement_batch TO omniroute_app, omniroute_worker;
-- What is settled never changes; what becomes of it does, and only the worker pays.
GRANT UPDATE (fee_minor, state, reason, tries, try_at, payment_id, version, updated_at, settled_at, failed_at)
    ON atc_settlement_batch TO omniroute_worker;

-- The collections of settlements. Those of one that has failed are released, and free for another.
CREATE TABLE atc_settlement_item (
    tenant_id        uuid        NOT NULL,
    batch_id         uuid        NOT NULL,
    collection_id    uuid        NOT NULL,
    gross_minor      bigint      NOT NULL,
    commission_minor bigint      NOT NULL,
    net_minor        bigint      NOT NULL,
    released_at      timestamptz NULL,
    CONSTRAINT atc_settlement_item_pkey PRIMARY KEY (tenant_id, batch_id, collection_id),
    CONSTRAINT atc_settlement_item_batch_fkey FOREIGN KEY (tenant_id, batch_id)
        REFERENCES atc_settlement_batch (tenant_id, batch_id),
    CONSTRAINT atc_settlement_item_collection_fkey FOREIGN KEY (tenant_id, collection_id)
        REFERENCES atc_collection (tenant_id, collection_id)
);
CREATE UNIQUE INDEX atc_settlement_item_once ON atc_settlement_item (tenant_id, collection_id)
    WHERE released_at IS NULL;
ALTER TABLE atc_settlement_item ENABLE ROW LEVEL SECURITY;
CREATE POLICY atc_settlement_item_tenant ON atc_settlement_item TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON atc_settlement_item TO omniroute_app, omniroute_worker;
GRANT UPDATE (released_at) ON atc_settlement_item TO omniroute_worker;

-- Only what is with us, is due to this grant's grantor and was not taken back is settled, and for what it is.
CREATE FUNCTION atc_settlement_item_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM atc_collection c
          JOIN atc_settlement_batch b ON b.tenant_id = c.tenant_id AND b.batch_id = NEW.batch_id
          JOIN atc_grant g ON g.tenant_id = b.tenant_id AND g.grant_id = b.grant_id
         WHERE c.tenant_id = NEW.tenant_id AND c.collection_id = NEW.collection_id AND c.grant_id = b.grant_id
           AND c.is_top AND c.funded_at IS NOT NULL AND c.reversed_at IS NULL AND c.currency = b.currency
           AND c.gross_minor = NEW.gross_minor AND c.commission_minor = NEW.commission_minor
           AND c.net_minor = NEW.net_minor AND g.grantor_id = b.grantor_id AND g.parent_id IS NULL) THEN
        RAISE EXCEPTION 'only what is with us for this grantor is settled'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_settlement_item_with_us';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER atc_settlement_item_guard BEFORE INSERT ON atc_settlement_item
    FOR EACH ROW EXECUTE FUNCTION atc_settlement_item_guard();

-- Looked at when a settlement is written whole: it is the sum of its collections.
CREATE FUNCTION atc_settlement_sum_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM atc_settlement_batch b
          JOIN LATERAL (SELECT count(*) AS count, sum(i.gross_minor) AS gross, sum(i.commission_minor) AS commission,
                               sum(i.net_minor) AS net
                          FROM atc_settlement_item i
                         WHERE i.tenant_id = b.tenant_id AND i.batch_id = b.batch_id) s ON true
         WHERE b.tenant_id = NEW.tenant_id AND b.batch_id = NEW.batch_id AND b.collection_count = s.count
           AND b.gross_minor = s.gross AND b.commission_minor = s.commission AND b.net_minor = s.net) THEN
        RAISE EXCEPTION 'a settlement is the sum of its collections'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_settlement_batch_is_the_sum';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER atc_settlement_sum_guard AFTER INSERT ON atc_settlement_batch
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION atc_settlement_sum_guard();

-- The ways a settlement may go; and its payment is of its grantor's money, and of no more than its net.
CREATE FUNCTION atc_settlement_way_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
           ('created', 'processing'), ('created', 'settled'), ('created', 'failed'),
           ('processing', 'settled'), ('processing', 'failed'), ('settled', 'failed'))
       OR OLD.payment_id IS NOT NULL AND NEW.payment_id IS DISTINCT FROM OLD.payment_id THEN
        RAISE EXCEPTION 'a settlement does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_settlement_batch_way';
    END IF;
    IF NEW.payment_id IS NOT NULL AND OLD.payment_id IS NULL AND NOT EXISTS (
           SELECT FROM payment p
            WHERE p.tenant_id = NEW.tenant_id AND p.payment_id = NEW.payment_id AND p.currency = NEW.currency
              AND p.fee_minor = NEW.fee_minor AND p.amount_minor + p.fee_minor <= NEW.net_minor
              AND p.source_code = 'partner:' || NEW.grantor_id || ':payable:' || NEW.currency) THEN
        RAISE EXCEPTION 'a settlement pays its grantor, and no more than its net'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_settlement_batch_pays_its_net';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER atc_settlement_way_guard BEFORE UPDATE ON atc_settlement_batch
    FOR EACH ROW EXECUTE FUNCTION atc_settlement_way_guard();

-- Collections are released with their settlement, and only then.
CREATE FUNCTION atc_settlement_release_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.released_at IS NOT NULL OR NOT EXISTS (
           SELECT FROM atc_settlement_batch b
            WHERE b.tenant_id = NEW.tenant_id AND b.batch_id = NEW.batch_id AND b.state = 'failed') THEN
        RAISE EXCEPTION 'only what a settlement failed to pay is free again'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_settlement_item_released';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER atc_settlement_release_guard BEFORE UPDATE ON atc_settlement_item
    FOR EACH ROW EXECUTE FUNCTION atc_settlement_release_guard();

-- Money that collectors have paid in, with what they kept of it as their commission.
CREATE TABLE atc_remittance (
    tenant_id      uuid        NOT NULL,
    remittance_id  uuid        NOT NULL,
    reference      text        NOT NULL,
    partner_id     uuid        NOT NULL,
    currency       char(3)     NOT NULL,
    paid_minor     bigint      NOT NULL,
    kept_minor     bigint      NOT NULL,
    connection_id  uuid        NULL,
    credit_id      uuid        NULL,
    account_id     uuid        NULL,
    transaction_id uuid        NOT NULL,
    note           text        NULL,
    recorded_by    text        NOT NULL,
    created_at     timestamptz NOT NULL,
    CONSTRAINT atc_remittance_pkey PRIMARY KEY (tenant_id, remittance_id),
    CONSTRAINT atc_remittance_partner_fkey FOREIGN KEY (tenant_id, partner_id)
        REFERENCES partner (tenant_id, partner_id),
    CONSTRAINT atc_remittance_connection_fkey FOREIGN KEY (tenant_id, connection_id)
        REFERENCES bank_connection (tenant_id, connection_id),
    CONSTRAINT atc_remittance_credit_fkey FOREIGN KEY (tenant_id, credit_id)
        REFERENCES virtual_account_credit (tenant_id, credit_id),
    CONSTRAINT atc_remittance_reference_key UNIQUE (tenant_id, reference),
    CONSTRAINT atc_remittance_transaction_key UNIQUE (tenant_id, transaction_id),
    CONSTRAINT atc_remittance_reference_form CHECK (reference ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$'),
    CONSTRAINT atc_remittance_amounts CHECK (paid_minor >= 0 AND kept_minor >= 0 AND paid_minor + kept_minor > 0),
    CONSTRAINT atc_remittance_arrived CHECK (num_nonnulls(connection_id, credit_id) =
        CASE WHEN paid_minor > 0 THEN 1 ELSE 0 END AND (account_id IS NULL) = (paid_minor = 0)),
    CONSTRAINT atc_remittance_note_length CHECK (length(note) BETWEEN 1 AND 500)
);
COMMENT ON COLUMN atc_remittance.paid_minor IS 'what came in, over the connection or as the credit';
COMMENT ON COLUMN atc_remittance.kept_minor IS 'what the collector kept of the money in hand, of the commission earned';
COMMENT ON COLUMN atc_remittance.account_id IS 'the ledger account that was debited with what came in';
CREATE INDEX atc_remittance_recent ON atc_remittance (tenant_id, created_at, remittance_id);
CREATE INDEX atc_remittance_of_partner ON atc_remittance (tenant_id, partner_id, created_at, remittance_id);
ALTER TABLE atc_remittance ENABLE ROW LEVEL SECURITY;
CREATE POLICY atc_remittance_tenant ON atc_remittance TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON atc_remittance TO omniroute_app;
GRANT SELECT ON atc_remittance TO omniroute_worker;

-- For which collections a remittance was.
CREATE TABLE atc_remittance_item (
    tenant_id     uuid   NOT NULL,
    remittance_id uuid   NOT NULL,
    collection_id uuid   NOT NULL,
    amount_minor  bigint NOT NULL,
    CONSTRAINT atc_remittance_item_pkey PRIMARY KEY (tenant_id, remittance_id, collection_id),
    CONSTRAINT atc_remittance_item_remittance_fkey FOREIGN KEY (tenant_id, remittance_id)
        REFERENCES atc_remittance (tenant_id, remittance_id),
    CONSTRAINT atc_remittance_item_collection_fkey FOREIGN KEY (tenant_id, collection_id)
        REFERENCES atc_collection (tenant_id, collection_id),
    CONSTRAINT atc_remittance_item_amount CHECK (amount_minor > 0)
);
CREATE INDEX atc_remittance_item_of_collection ON atc_remittance_item (tenant_id, collection_id);
ALTER TABLE atc_remittance_item ENABLE ROW LEVEL SECURITY;
CREATE POLICY atc_remittance_item_tenant ON atc_remittance_item TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON atc_remittance_item TO omniroute_app;
GRANT SELECT ON atc_remittance_item TO omniroute_worker;

-- Looked at when a remittance is written whole: it is for collections, to the last minor unit.
CREATE FUNCTION atc_remittance_sum_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.paid_minor + NEW.kept_minor <> (
           SELECT coalesce(sum(i.amount_minor), 0) FROM atc_remittance_item i
            WHERE i.tenant_id = NEW.tenant_id AND i.remittance_id = NEW.remittance_id) THEN
        RAISE EXCEPTION 'a remittance is for collections, to the last minor unit'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'atc_remittance_is_the_sum';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER atc_remittance_sum_guard AFTER INSERT ON atc_remittance
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION atc_remittance_sum_guard();

-- What somebody has collected, or passed on, that is not with us: their commission of it is not theirs to keep yet.
CREATE INDEX atc_collection_unfunded ON atc_collection (tenant_id, grantee_id, currency)
    WHERE funded_at IS NULL AND reversed_at IS NULL;
