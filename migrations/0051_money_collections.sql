-- Money that comes in: virtual accounts, and what was paid to them.
--
-- The balance of a virtual account is that of its ledger account, and nothing else. A credit is booked once for ever: the
-- provider's name for it is unique here, and so is the reference of its posting.

CREATE TABLE virtual_account (
    tenant_id          uuid        NOT NULL,
    virtual_account_id uuid        NOT NULL,
    reference          text        NOT NULL,
    our_ref            text        NOT NULL,
    connection_id      uuid        NOT NULL,
    status             text        NOT NULL DEFAULT 'requested',
    reason             text        NULL,
    owner_id           uuid        NOT NULL,
    owner_type         text        NOT NULL,
    currency           char(3)     NOT NULL,
    wanted_name        text        NOT NULL,
    wanted_bank        text        NULL,
    customer_name      text        NOT NULL,
    customer_email     text        NOT NULL,
    provider_ref       text        NULL,
    account_number     text        NULL,
    bank_code          text        NULL,
    bank_name          text        NULL,
    account_name       text        NULL,
    ledger_account_id  uuid        NOT NULL,
    collection_rules   jsonb       NOT NULL DEFAULT '{}',
    metadata           jsonb       NOT NULL DEFAULT '{}',
    expires_at         timestamptz NULL,
    requested_by       text        NOT NULL,
    ask_at             timestamptz NULL,
    tries              integer     NOT NULL DEFAULT 0,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    opened_at          timestamptz NULL,
    ended_at           timestamptz NULL,
    version            integer     NOT NULL DEFAULT 1,
    CONSTRAINT virtual_account_pkey PRIMARY KEY (tenant_id, virtual_account_id),
    CONSTRAINT virtual_account_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT virtual_account_connection_fkey FOREIGN KEY (tenant_id, connection_id)
        REFERENCES bank_connection (tenant_id, connection_id),
    CONSTRAINT virtual_account_owner_fkey FOREIGN KEY (tenant_id, owner_id) REFERENCES partner (tenant_id, partner_id),
    CONSTRAINT virtual_account_reference_key UNIQUE (tenant_id, reference),
    CONSTRAINT virtual_account_our_ref_key UNIQUE (tenant_id, connection_id, our_ref),
    CONSTRAINT virtual_account_number_key UNIQUE (tenant_id, bank_code, account_number),
    CONSTRAINT virtual_account_ledger_key UNIQUE (tenant_id, ledger_account_id),
    CONSTRAINT virtual_account_reference_form CHECK (length(reference) BETWEEN 1 AND 80),
    CONSTRAINT virtual_account_status_known CHECK (status IN ('requested', 'active', 'suspended', 'closed', 'expired',
        'failed')),
    CONSTRAINT virtual_account_owner_type_known CHECK (owner_type IN ('CUSTOMER', 'SUPPLIER', 'WORKER', 'GROUP',
        'ESCROW')),
    CONSTRAINT virtual_account_numbered CHECK (status NOT IN ('active', 'suspended')
        OR (account_number IS NOT NULL AND bank_code IS NOT NULL AND account_name IS NOT NULL
            AND opened_at IS NOT NULL)),
    CONSTRAINT virtual_account_asked CHECK (status <> 'requested' OR ask_at IS NOT NULL),
    CONSTRAINT virtual_account_reasoned CHECK (status <> 'failed' OR reason IS NOT NULL),
    CONSTRAINT virtual_account_ended CHECK ((status IN ('closed', 'expired', 'failed')) = (ended_at IS NOT NULL)),
    CONSTRAINT virtual_account_version_positive CHECK (version > 0)
);
COMMENT ON COLUMN virtual_account.our_ref IS 'our name for it at the provider, stored before the provider is asked';
COMMENT ON COLUMN virtual_account.ask_at IS 'when the provider is to be asked next: to open it, or to close it';
CREATE INDEX virtual_account_recent ON virtual_account (tenant_id, created_at, virtual_account_id);
CREATE INDEX virtual_account_owner ON virtual_account (tenant_id, owner_id);
CREATE INDEX virtual_account_to_ask ON virtual_account (ask_at) WHERE ask_at IS NOT NULL;
CREATE INDEX virtual_account_to_expire ON virtual_account (expires_at)
    WHERE expires_at IS NOT NULL AND status IN ('active', 'suspended');
ALTER TABLE virtual_account ENABLE ROW LEVEL SECURITY;
CREATE POLICY virtual_account_tenant ON virtual_account TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY virtual_account_worker ON virtual_account FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT ON virtual_account TO omniroute_app;
GRANT SELECT ON virtual_account TO omniroute_worker;
-- Whose it is, what it is called at the provider and where its money is booked never change.
GRANT UPDATE (status, reason, provider_ref, account_number, bank_code, bank_name, account_name, collection_rules, metadata,
    expires_at, ask_at, tries, updated_at, opened_at, ended_at, version) ON virtual_account
    TO omniroute_app, omniroute_worker;

-- What came in, as the provider's own books say. One row for each credit there, whoever told us of it, and how often.
CREATE TABLE virtual_account_credit (
    tenant_id               uuid        NOT NULL,
    credit_id               uuid        NOT NULL,
    connection_id           uuid        NOT NULL,
    provider_credit_id      text        NOT NULL,
    our_ref                 text        NOT NULL,
    account_number          text        NULL,
    virtual_account_id      uuid        NULL,
    amount_minor            bigint      NOT NULL,
    fee_minor               bigint      NOT NULL,
    used_minor              bigint      NOT NULL DEFAULT 0,
    currency                char(3)     NOT NULL,
    payer                   jsonb       NULL,
    session_id              text        NULL,
    narration               text        NOT NULL DEFAULT '',
    paid_at                 timestamptz NOT NULL,
    received_at             timestamptz NOT NULL,
    transaction_id          uuid        NOT NULL,
    credited_transaction_id uuid        NULL,
    state                   text        NOT NULL,
    reason                  text        NULL,
    assigned_to             text        NULL,
    decided_by              text        NULL,
    decided_at              timestamptz NULL,
    note                    text        NULL,
    payment_id              uuid        NULL,
    updated_at              timestamptz NOT NULL,
    CONSTRAINT virtual_account_credit_pkey PRIMARY KEY (tenant_id, credit_id),
    CONSTRAINT virtual_account_credit_connection_fkey FOREIGN KEY (tenant_id, connection_id)
        REFERENCES bank_connection (tenant_id, connection_id),
    CONSTRAINT virtual_account_credit_account_fkey FOREIGN KEY (tenant_id, virtual_account_id)
        REFERENCES virtual_account (tenant_id, virtual_account_id),
    CONSTRAINT virtual_account_credit_once UNIQUE (tenant_id, connection_id, provider_credit_id),
    CONSTRAINT virtual_account_credit_transaction_key UNIQUE (tenant_id, transaction_id),
    CONSTRAINT virtual_account_credit_credited_key UNIQUE (tenant_id, credited_transaction_id),
    CONSTRAINT virtual_account_credit_amount CHECK (amount_minor > 0 AND fee_minor >= 0),
    CONSTRAINT virtual_account_credit_used CHECK (used_minor BETWEEN 0 AND amount_minor),
    CONSTRAINT virtual_account_credit_state_known CHECK (state IN ('booked', 'unplaced', 'placed', 'returning',
        'returned')),
    CONSTRAINT virtual_account_credit_placed CHECK ((state IN ('booked', 'placed')) =
        (virtual_account_id IS NOT NULL AND credited_transaction_id IS NOT NULL)),
    CONSTRAINT virtual_account_credit_used_placed CHECK (used_minor = 0 OR state IN ('booked', 'placed')),
    CONSTRAINT virtual_account_credit_reasoned CHECK ((state = 'booked') = (reason IS NULL)),
    CONSTRAINT virtual_account_credit_decided CHECK (state NOT IN ('placed', 'returning', 'returned')
        OR (decided_by IS NOT NULL AND decided_at IS NOT NULL)),
    CONSTRAINT virtual_account_credit_paid_back CHECK (state NOT IN ('returning', 'returned') OR payment_id IS NOT NULL)
);
COMMENT ON COLUMN virtual_account_credit.transaction_id IS 'the posting of its arrival';
COMMENT ON COLUMN virtual_account_credit.credited_transaction_id IS 'the posting that credited the virtual account';
COMMENT ON COLUMN virtual_account_credit.used_minor IS 'how much of it has been spent as this very credit';
CREATE INDEX virtual_account_credit_of_account ON virtual_account_credit (tenant_id, virtual_account_id, paid_at);
CREATE INDEX virtual_account_credit_recent ON virtual_account_credit (tenant_id, received_at, credit_id);
CREATE INDEX virtual_account_credit_session ON virtual_account_credit (tenant_id, session_id)
    WHERE session_id IS NOT NULL;
CREATE INDEX virtual_account_credit_provider ON virtual_account_credit (tenant_id, provider_credit_id);
CREATE INDEX virtual_account_credit_returning ON virtual_account_credit (updated_at)
    WHERE state IN ('returning', 'returned');
ALTER TABLE virtual_account_credit ENABLE ROW LEVEL SECURITY;
CREATE POLICY virtual_account_credit_tenant ON virtual_account_credit TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY virtual_account_credit_worker ON virtual_account_credit FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT ON virtual_account_credit TO omniroute_app;
GRANT SELECT, INSERT ON virtual_account_credit TO omniroute_worker;
-- What came in stays as it was told. Only what is made of it changes.
GRANT UPDATE (virtual_account_id, used_minor, credited_transaction_id, state, reason, assigned_to, decided_by, decided_at,
    note, payment_id, updated_at) ON virtual_account_credit TO omniroute_app, omniroute_worker;

-- Credits that somebody has told us of, and that the provider is still to be asked about.
CREATE TABLE collection_hint (
    tenant_id          uuid        NOT NULL,
    connection_id      uuid        NOT NULL,
    provider_credit_id text        NOT NULL,
    state              text        NOT NULL DEFAULT 'waiting',
    heard_count        integer     NOT NULL DEFAULT 1,
    tries              integer     NOT NULL DEFAULT 0,
    ask_at             timestamptz NOT NULL,
    heard_at           timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    CONSTRAINT collection_hint_pkey PRIMARY KEY (tenant_id, connection_id, provider_credit_id),
    CONSTRAINT collection_hint_connection_fkey FOREIGN KEY (tenant_id, connection_id)
        REFERENCES bank_connection (tenant_id, connection_id),
    CONSTRAINT collection_hint_state_known CHECK (state IN ('waiting', 'booked', 'unfounded')),
    CONSTRAINT collection_hint_credit_length CHECK (length(provider_credit_id) BETWEEN 1 AND 200)
);
CREATE INDEX collection_hint_due ON collection_hint (ask_at) WHERE state = 'waiting';
ALTER TABLE collection_hint ENABLE ROW LEVEL SECURITY;
CREATE POLICY collection_hint_tenant ON collection_hint TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY collection_hint_worker ON collection_hint FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT ON collection_hint TO omniroute_app;
GRANT SELECT, INSERT, UPDATE ON collection_hint TO omniroute_worker;

-- How far the provider's list of credits has been read.
CREATE TABLE collection_cursor (
    tenant_id     uuid        NOT NULL,
    connection_id uuid        NOT NULL,
    fetched_until timestamptz NOT NULL,
    fetch_at      timestamptz NOT NULL,
    CONSTRAINT collection_cursor_pkey PRIMARY KEY (tenant_id, connection_id),
    CONSTRAINT collection_cursor_connection_fkey FOREIGN KEY (tenant_id, connection_id)
        REFERENCES bank_connection (tenant_id, connection_id)
);
COMMENT ON COLUMN collection_cursor.fetched_until IS 'every credit before this instant has been booked';
ALTER TABLE collection_cursor ENABLE ROW LEVEL SECURITY;
CREATE POLICY collection_cursor_tenant ON collection_cursor TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY collection_cursor_worker ON collection_cursor FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT ON collection_cursor TO omniroute_app;
GRANT SELECT, INSERT, UPDATE ON collection_cursor TO omniroute_worker;

-- Money may come in for which an account of the books is needed that nobody has opened yet.
GRANT INSERT ON ledger_account TO omniroute_worker;
GRANT INSERT (tenant_id, account_id, branch_id, floor_minor, ceiling_minor, currency, normal_side, deferred)
    ON ledger_balance TO omniroute_worker;
