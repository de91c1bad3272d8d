-- Reconciliation: which posting on the account of a bank connection is which line of the bank's statement.
--
-- A match claims its items; while it holds, nobody else can claim one of them (the unique indexes of the claims). What a
-- match says never changes: it is undone, and its items are free again. Amounts: plus came in, minus went out.

CREATE TABLE reconciliation_setting (
    tenant_id       uuid        NOT NULL,
    connection_id   uuid        NOT NULL,
    window_days     smallint    NOT NULL DEFAULT 3,
    tolerance_minor bigint      NOT NULL DEFAULT 0,
    fees            jsonb       NOT NULL DEFAULT '[]',
    run_until       timestamptz NULL,
    version         integer     NOT NULL DEFAULT 1,
    updated_at      timestamptz NOT NULL,
    updated_by      text        NOT NULL,
    CONSTRAINT reconciliation_setting_pkey PRIMARY KEY (tenant_id, connection_id),
    CONSTRAINT reconciliation_setting_connection_fkey FOREIGN KEY (tenant_id, connection_id)
        REFERENCES bank_connection (tenant_id, connection_id),
    CONSTRAINT reconciliation_setting_window CHECK (window_days BETWEEN 0 AND 30),
    CONSTRAINT reconciliation_setting_tolerance CHECK (tolerance_minor BETWEEN 0 AND 10000),
    CONSTRAINT reconciliation_setting_fees_list CHECK (jsonb_typeof(fees) = 'array')
);
COMMENT ON COLUMN reconciliation_setting.run_until IS 'how far the statement had been read when it was last reconciled';

CREATE TABLE reconciliation_run (
    tenant_id     uuid        NOT NULL,
    run_id        uuid        NOT NULL,
    connection_id uuid        NOT NULL,
    start_on      date        NOT NULL,
    end_on        date        NOT NULL,
    rule_version  text        NOT NULL,
    started_by    text        NOT NULL,
    created_at    timestamptz NOT NULL,
    counts        jsonb       NOT NULL,
    CONSTRAINT reconciliation_run_pkey PRIMARY KEY (tenant_id, run_id),
    CONSTRAINT reconciliation_run_connection_fkey FOREIGN KEY (tenant_id, connection_id)
        REFERENCES bank_connection (tenant_id, connection_id),
    CONSTRAINT reconciliation_run_range CHECK (start_on <= end_on)
);
CREATE INDEX reconciliation_run_recent ON reconciliation_run (tenant_id, created_at, run_id);

CREATE TABLE reconciliation_match (
    tenant_id                 uuid        NOT NULL,
    match_id                  uuid        NOT NULL,
    connection_id             uuid        NOT NULL,
    run_id                    uuid        NULL,
    kind                      text        NOT NULL,
    state                     text        NOT NULL,
    found_by                  smallint    NOT NULL,
    rule_version              text        NOT NULL,
    currency                  char(3)     NOT NULL,
    book_minor                bigint      NOT NULL,
    bank_minor                bigint      NOT NULL,
    difference_minor          bigint      NOT NULL GENERATED ALWAYS AS (bank_minor - book_minor) STORED,
    difference_account        text        NULL,
    difference_transaction_id uuid        NULL,
    evidence                  jsonb       NOT NULL,
    reason                    text        NULL,
    proposed_by               text        NOT NULL,
    decided_by                text        NULL,
    undone_by                 text        NULL,
    undone_reason             text        NULL,
    created_at                timestamptz NOT NULL,
    decided_at                timestamptz NULL,
    undone_at                 timestamptz NULL,
    version                   integer     NOT NULL DEFAULT 1,
    CONSTRAINT reconciliation_match_pkey PRIMARY KEY (tenant_id, match_id),
    CONSTRAINT reconciliation_match_connection_fkey FOREIGN KEY (tenant_id, connection_id)
        REFERENCES bank_connection (tenant_id, connection_id),
    CONSTRAINT reconciliation_match_run_fkey FOREIGN KEY (tenant_id, run_id)
        REFERENCES reconciliation_run (tenant_id, run_id),
    CONSTRAINT reconciliation_match_kind_known CHECK (kind IN ('auto', 'manual', 'forced')),
    CONSTRAINT reconciliation_match_state_known CHECK (state IN ('proposed', 'matched', 'rejected', 'undone')),
    CONSTRAINT reconciliation_match_found_by CHECK (found_by IN (0, 1, 2, 3, 4, 5, 9)),
    CONSTRAINT reconciliation_match_auto CHECK ((kind = 'auto') = (run_id IS NOT NULL) AND (kind = 'auto') = (found_by <> 9)),
    -- A difference is booked, never dropped: without its posting nothing is matched.
    CONSTRAINT reconciliation_match_difference_booked CHECK (state IN ('proposed', 'rejected')
        OR bank_minor = book_minor OR difference_transaction_id IS NOT NULL),
    CONSTRAINT reconciliation_match_difference_named CHECK ((bank_minor <> book_minor) = (difference_account IS NOT NULL)),
    CONSTRAINT reconciliation_match_forced CHECK (kind = 'auto' OR (kind = 'forced') = (bank_minor <> book_minor)),
    CONSTRAINT reconciliation_match_decided CHECK (kind = 'auto' OR (state = 'proposed') = (decided_by IS NULL)),
    CONSTRAINT reconciliation_match_undone CHECK ((state = 'undone') = (undone_by IS NOT NULL))
);
CREATE INDEX reconciliation_match_recent ON reconciliation_match (tenant_id, created_at, match_id);

-- Who proposes does not approve, whatever key they use; a match moves forward, and what it says stays.
CREATE FUNCTION reconciliation_match_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.connection_id, NEW.run_id, NEW.kind, NEW.found_by, NEW.currency, NEW.book_minor, NEW.bank_minor,
        NEW.difference_account, NEW.evidence, NEW.proposed_by, NEW.created_at) IS DISTINCT FROM
       (OLD.connection_id, OLD.run_id, OLD.kind, OLD.found_by, OLD.currency, OLD.book_minor, OLD.bank_minor,
        OLD.difference_account, OLD.evidence, OLD.proposed_by, OLD.created_at) THEN
        RAISE EXCEPTION 'what a match says never changes' USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'reconciliation_match_fixed';
    END IF;
    IF NEW.state <> OLD.state AND NOT (CASE OLD.state
        WHEN 'proposed' THEN NEW.state IN ('matched', 'rejected')
        WHEN 'matched' THEN NEW.state = 'undone'
        ELSE false
    END) THEN
        RAISE EXCEPTION 'a match does not move from % to %', OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'reconciliation_match_moves_forward';
    END IF;
    IF OLD.state = 'proposed' AND NEW.state = 'matched' AND person_of(NEW.decided_by) = person_of(NEW.proposed_by) THEN
        RAISE EXCEPTION 'who proposes a match does not approve it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'reconciliation_match_four_eyes';
    END IF;
    IF NEW.state IN ('rejected', 'undone') AND NEW.state <> OLD.state THEN  -- Its items are free again.
        UPDATE reconciliation_entry_claim SET live = false WHERE tenant_id = NEW.tenant_id AND match_id = NEW.match_id;
        UPDATE reconciliation_line_claim SET live = false WHERE tenant_id = NEW.tenant_id AND match_id = NEW.match_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reconciliation_match_guard BEFORE UPDATE ON reconciliation_match
    FOR EACH ROW EXECUTE FUNCTION reconciliation_match_guard();

-- Postings and lines a match claims. One claim a side at a time.
CREATE TABLE reconciliation_entry_claim (
    tenant_id    uuid    NOT NULL,
    match_id     uuid    NOT NULL,
    txn_id       uuid    NOT NULL,
    leg          integer NOT NULL,
    amount_minor bigint  NOT NULL,
    live         boolean NOT NULL DEFAULT true,
    CONSTRAINT reconciliation_entry_claim_pkey PRIMARY KEY (tenant_id, match_id, txn_id, leg)
);
CREATE UNIQUE INDEX reconciliation_entry_claim_once ON reconciliation_entry_claim (tenant_id, txn_id, leg) WHERE live;

CREATE TABLE reconciliation_line_claim (
    tenant_id     uuid    NOT NULL,
    match_id      uuid    NOT NULL,
    connection_id uuid    NOT NULL,
    line_id       text    NOT NULL,
    amount_minor  bigint  NOT NULL,
    live          boolean NOT NULL DEFAULT true,
    CONSTRAINT reconciliation_line_claim_pkey PRIMARY KEY (tenant_id, match_id, line_id)
);
CREATE UNIQUE INDEX reconciliation_line_claim_once ON reconciliation_line_claim (tenant_id, connection_id, line_id)
    WHERE live;

-- Items without a match: about a line, or about a posting (transaction and leg). Where amounts differ it is about the
-- line, and names the posting. An item has one row for ever: it is resolved, and opened again when its match is undone.
CREATE TABLE reconciliation_exception (
    tenant_id      uuid        NOT NULL,
    exception_id   uuid        NOT NULL,
    connection_id  uuid        NOT NULL,
    kind           text        NOT NULL,
    line_id        text        NULL,
    txn_id         uuid        NULL,
    leg            integer     NULL,
    expected_minor bigint      NULL,
    actual_minor   bigint      NULL,
    currency       char(3)     NOT NULL,
    dated_on       date        NOT NULL,
    suggestions    jsonb       NOT NULL DEFAULT '[]',
    owner          text        NULL,
    run_id         uuid        NOT NULL,
    opened_at      timestamptz NOT NULL,
    resolved_at    timestamptz NULL,
    resolved_by    text        NULL,
    resolution     text        NULL,
    reason         text        NULL,
    version        integer     NOT NULL DEFAULT 1,
    CONSTRAINT reconciliation_exception_pkey PRIMARY KEY (tenant_id, exception_id),
    CONSTRAINT reconciliation_exception_connection_fkey FOREIGN KEY (tenant_id, connection_id)
        REFERENCES bank_connection (tenant_id, connection_id),
    CONSTRAINT reconciliation_exception_kind_known CHECK (kind IN ('missing_at_bank', 'missing_in_books', 'amount_over',
        'amount_under', 'currency', 'duplicate', 'reversal_unpaired')),
    CONSTRAINT reconciliation_exception_item CHECK (line_id IS NOT NULL OR (txn_id IS NOT NULL AND leg IS NOT NULL)),
    CONSTRAINT reconciliation_exception_resolution_known CHECK (resolution IN ('matched', 'superseded', 'explained')),
    CONSTRAINT reconciliation_exception_resolved CHECK ((resolved_at IS NULL) = (resolution IS NULL)
        AND (resolved_at IS NULL) = (resolved_by IS NULL)),
    CONSTRAINT reconciliation_exception_reasoned CHECK (resolution <> 'explained' OR reason IS NOT NULL)
);
CREATE UNIQUE INDEX reconciliation_exception_line ON reconciliation_exception (tenant_id, connection_id, line_id)
    WHERE line_id IS NOT NULL;
CREATE UNIQUE INDEX reconciliation_exception_entry ON reconciliation_exception (tenant_id, txn_id, leg)
    WHERE line_id IS NULL;
CREATE INDEX reconciliation_exception_posting ON reconciliation_exception (tenant_id, txn_id, leg)
    WHERE txn_id IS NOT NULL AND resolved_at IS NULL;
CREATE INDEX reconciliation_exception_open ON reconciliation_exception (tenant_id, opened_at, exception_id)
    WHERE resolved_at IS NULL;
CREATE INDEX reconciliation_exception_recent ON reconciliation_exception (tenant_id, opened_at, exception_id);

-- Accounts at banks are the whole organisation's: who works for some branches sees nothing of this.
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['reconciliation_setting', 'reconciliation_run', 'reconciliation_match',
                             'reconciliation_entry_claim', 'reconciliation_line_claim', 'reconciliation_exception'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        -- A CASE, because the planner takes one row in two hundred to pass a bare IS NULL, and plans joins for that.
        EXECUTE format('CREATE POLICY %I ON %I TO omniroute_app, omniroute_worker'
                       ' USING (tenant_id = current_tenant() AND CASE WHEN current_branches() IS NULL THEN true ELSE false END)'
                       ' WITH CHECK (tenant_id = current_tenant() AND current_branches() IS NULL)', t || '_tenant', t);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO omniroute_app, omniroute_worker', t);
    END LOOP;
END $$;
CREATE POLICY reconciliation_setting_worker ON reconciliation_setting FOR SELECT TO omniroute_worker USING (true);
GRANT UPDATE ON reconciliation_setting, reconciliation_match, reconciliation_exception
    TO omniroute_app, omniroute_worker;
GRANT UPDATE (live) ON reconciliation_entry_claim, reconciliation_line_claim TO omniroute_app, omniroute_worker;
