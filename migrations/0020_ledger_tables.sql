-- The ledger's tables.
--
-- No foreign keys between the tables that a posting writes: `ledger_post` is their only writer (no role may insert
-- into them directly), it holds the locks that make the references true, and `ledger check` proves them. The
-- decision is written down in docs/decisions.

-- Accounts: what an account is. What a posting must know about it is in ledger_balance, one narrow row.
CREATE TABLE ledger_account (
    tenant_id     uuid        NOT NULL,
    account_id    uuid        NOT NULL,
    code          text        NOT NULL,
    name          text        NOT NULL,
    type          text        NOT NULL,
    normal_side   "char"      NOT NULL,
    currency      char(3)     NOT NULL,
    mode          text        NOT NULL,
    parent_id     uuid,
    branch_id     uuid,
    owner_ref     text,
    dimensions    jsonb       NOT NULL DEFAULT '{}',
    opened_at     timestamptz NOT NULL,
    revision      integer     NOT NULL DEFAULT 1,
    CONSTRAINT ledger_account_pk PRIMARY KEY (tenant_id, account_id),
    CONSTRAINT ledger_account_code_uq UNIQUE (tenant_id, code),
    CONSTRAINT ledger_account_parent_fk FOREIGN KEY (tenant_id, parent_id) REFERENCES ledger_account (tenant_id, account_id),
    CONSTRAINT ledger_account_code_ck CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$'),
    CONSTRAINT ledger_account_name_ck CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ledger_account_type_ck CHECK (type IN ('asset', 'liability', 'equity', 'income', 'expense')),
    CONSTRAINT ledger_account_side_ck CHECK (normal_side IN ('d', 'c')),
    CONSTRAINT ledger_account_currency_ck CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT ledger_account_mode_ck CHECK (mode IN ('strict', 'deferred')),
    CONSTRAINT ledger_account_dimensions_ck CHECK (jsonb_typeof(dimensions) = 'object')
);
CREATE INDEX ledger_account_parent_ix ON ledger_account (tenant_id, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX ledger_account_branch_ix ON ledger_account (tenant_id, branch_id) WHERE branch_id IS NOT NULL;
CREATE INDEX ledger_account_owner_ix ON ledger_account (tenant_id, owner_ref) WHERE owner_ref IS NOT NULL;
CREATE INDEX ledger_account_dimensions_ix ON ledger_account USING gin (dimensions jsonb_path_ops);

-- Counters and limits, all a posting reads and writes. Deferred accounts keep their counters here too, but only the
-- folder writes them; what it has not folded yet stands in ledger_delta.
-- Available is what may still leave (posted, less pending outflow); room is what may still arrive.
CREATE TABLE ledger_balance (
    tenant_id      uuid    NOT NULL,
    account_id     uuid    NOT NULL,
    branch_id      uuid,
    posted_debit   bigint  NOT NULL DEFAULT 0,
    posted_credit  bigint  NOT NULL DEFAULT 0,
    pending_debit  bigint  NOT NULL DEFAULT 0,
    pending_credit bigint  NOT NULL DEFAULT 0,
    version        bigint  NOT NULL DEFAULT 0,
    floor_minor    bigint,
    ceiling_minor  bigint,
    currency       char(3) NOT NULL,
    normal_side    "char"  NOT NULL,
    deferred       boolean NOT NULL,
    status         "char"  NOT NULL DEFAULT 'o',
    CONSTRAINT ledger_balance_pk PRIMARY KEY (tenant_id, account_id),
    CONSTRAINT ledger_balance_status_ck CHECK (status IN ('o', 'f', 'c')),
    CONSTRAINT ledger_balance_counters_ck
        CHECK (posted_debit >= 0 AND posted_credit >= 0 AND pending_debit >= 0 AND pending_credit >= 0 AND version >= 0
               AND pending_debit <= 9223372036854775807 - posted_debit
               AND pending_credit <= 9223372036854775807 - posted_credit),
    CONSTRAINT ledger_balance_deferred_ck CHECK (NOT deferred OR (floor_minor IS NULL AND ceiling_minor IS NULL)),
    CONSTRAINT ledger_balance_range_ck CHECK (floor_minor <= ceiling_minor),
    CONSTRAINT ledger_balance_floor_ck CHECK (
        floor_minor IS NULL
        OR CASE normal_side WHEN 'd' THEN posted_debit - posted_credit - pending_credit
                            ELSE posted_credit - posted_debit - pending_debit END >= floor_minor),
    CONSTRAINT ledger_balance_ceiling_ck CHECK (
        ceiling_minor IS NULL
        OR CASE normal_side WHEN 'd' THEN posted_debit - posted_credit + pending_debit
                            ELSE posted_credit - posted_debit + pending_credit END <= ceiling_minor)
) WITH (fillfactor = 60);

-- Increments of deferred accounts that the folder has not yet added to ledger_balance and ledger_balance_day.
-- Folding deletes them in the same statement that adds them, so balance = row + increments at every instant.
CREATE TABLE ledger_delta (
    tenant_id      uuid   NOT NULL,
    account_id     uuid   NOT NULL,
    value_on       date   NOT NULL,
    delta_id       uuid   NOT NULL DEFAULT gen_random_uuid(),
    posted_debit   bigint NOT NULL,
    posted_credit  bigint NOT NULL,
    pending_debit  bigint NOT NULL,
    pending_credit bigint NOT NULL,
    entry_count    bigint NOT NULL,
    CONSTRAINT ledger_delta_pk PRIMARY KEY (tenant_id, account_id, delta_id)
);

-- Transactions: what was asked. Legs are ledger_entry rows.
-- kind: p posting, h hold, c capture, v void, x expiry, r reversal.
-- source_id: the hold that a capture, void or expiry resolves; the transaction that a reversal undoes.
CREATE TABLE ledger_txn (
    tenant_id   uuid        NOT NULL,
    txn_id      uuid        NOT NULL,
    kind        "char"      NOT NULL,
    value_on    date        NOT NULL,
    original_on date,
    booked_at   timestamptz NOT NULL,
    source_id   uuid,
    linked_id   uuid,
    reference   text,
    meta        jsonb,
    CONSTRAINT ledger_txn_pk PRIMARY KEY (tenant_id, txn_id),
    CONSTRAINT ledger_txn_kind_ck CHECK (kind IN ('p', 'h', 'c', 'v', 'x', 'r')),
    CONSTRAINT ledger_txn_source_ck CHECK ((source_id IS NOT NULL) = (kind IN ('c', 'v', 'x', 'r'))),
    CONSTRAINT ledger_txn_reference_ck CHECK (length(reference) BETWEEN 1 AND 128)
);
CREATE INDEX ledger_txn_source_ix ON ledger_txn (tenant_id, source_id) WHERE source_id IS NOT NULL;
CREATE INDEX ledger_txn_linked_ix ON ledger_txn (tenant_id, linked_id) WHERE linked_id IS NOT NULL;

-- Entries: one leg each, never changed. layer: p posted, h held (a negative amount releases).
-- Strict accounts: version counts 1, 2, 3 ... without a gap, and the counters after the entry are written with it.
-- Deferred accounts: version and counters are NULL; their order is (booked_at, txn_id, leg).
-- balance_after is on the account's normal side.
CREATE TABLE ledger_entry (
    tenant_id            uuid        NOT NULL,
    txn_id               uuid        NOT NULL,
    account_id           uuid        NOT NULL,
    amount_minor         bigint      NOT NULL,
    balance_after        bigint,
    pending_debit_after  bigint,
    pending_credit_after bigint,
    version              bigint,
    booked_at            timestamptz NOT NULL,
    value_on             date        NOT NULL,
    leg                  integer     NOT NULL,
    side                 "char"      NOT NULL,
    layer                "char"      NOT NULL,
    currency             char(3)     NOT NULL,
    CONSTRAINT ledger_entry_pk PRIMARY KEY (tenant_id, txn_id, leg),
    CONSTRAINT ledger_entry_side_ck CHECK (side IN ('d', 'c')),
    CONSTRAINT ledger_entry_amount_ck CHECK (amount_minor > 0 OR (layer = 'h' AND amount_minor < 0)),
    CONSTRAINT ledger_entry_layer_ck CHECK (layer IN ('p', 'h'))
);
CREATE UNIQUE INDEX ledger_entry_version_uq ON ledger_entry (tenant_id, account_id, version) WHERE version IS NOT NULL;
CREATE INDEX ledger_entry_booked_ix ON ledger_entry (tenant_id, account_id, booked_at) WHERE version IS NULL;
CREATE INDEX ledger_entry_value_ix ON ledger_entry USING brin (value_on);

-- Holds: money set aside. Each leg is resolved by captures and releases until nothing is left.
CREATE TABLE ledger_hold (
    tenant_id  uuid    NOT NULL,
    hold_id    uuid    NOT NULL,
    group_id   uuid,
    status     "char"  NOT NULL DEFAULT 'o',
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    CONSTRAINT ledger_hold_pk PRIMARY KEY (tenant_id, hold_id),
    CONSTRAINT ledger_hold_status_ck CHECK (status IN ('o', 'c'))
);
CREATE INDEX ledger_hold_group_ix ON ledger_hold (tenant_id, group_id) WHERE group_id IS NOT NULL;
CREATE INDEX ledger_hold_expiry_ix ON ledger_hold (expires_at) WHERE status = 'o' AND expires_at IS NOT NULL;

CREATE TABLE ledger_hold_leg (
    tenant_id      uuid    NOT NULL,
    hold_id        uuid    NOT NULL,
    leg            integer NOT NULL,
    account_id     uuid    NOT NULL,
    side           "char"  NOT NULL,
    amount_minor   bigint  NOT NULL,
    captured_minor bigint  NOT NULL DEFAULT 0,
    released_minor bigint  NOT NULL DEFAULT 0,
    CONSTRAINT ledger_hold_leg_pk PRIMARY KEY (tenant_id, hold_id, leg),
    CONSTRAINT ledger_hold_leg_side_ck CHECK (side IN ('d', 'c')),
    CONSTRAINT ledger_hold_leg_amount_ck CHECK (amount_minor > 0),
    CONSTRAINT ledger_hold_leg_resolved_ck
        CHECK (captured_minor >= 0 AND released_minor >= 0 AND captured_minor <= amount_minor - released_minor)
);
-- Not tenant first: on a table without statistics the planner would rather read all of a tenant through it than use
-- the keys that a posting names.
CREATE INDEX ledger_hold_leg_account_ix ON ledger_hold_leg (account_id, tenant_id);

-- Running total of what was reversed of each leg; absent means nothing.
CREATE TABLE ledger_reversal_leg (
    tenant_id      uuid    NOT NULL,
    txn_id         uuid    NOT NULL,
    leg            integer NOT NULL,
    amount_minor   bigint  NOT NULL,
    reversed_minor bigint  NOT NULL,
    CONSTRAINT ledger_reversal_leg_pk PRIMARY KEY (tenant_id, txn_id, leg),
    CONSTRAINT ledger_reversal_leg_total_ck CHECK (reversed_minor > 0 AND reversed_minor <= amount_minor)
);

-- What may happen once: an idempotency key (kind k, remembers refusals too) or a reference (kind r, kept for ever).
-- claim_id is a 128-bit hash of the text, so that both are claimed in one order, in one statement. Keys have a
-- partition of their own: they are purged when they are old, and neither that nor the vacuum after it walks references.
CREATE TABLE ledger_claim (
    tenant_id  uuid        NOT NULL,
    claim_id   uuid        NOT NULL,
    kind       "char"      NOT NULL,
    txn_id     uuid,
    body_hash  uuid,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    refusal    text,
    facts      jsonb,
    CONSTRAINT ledger_claim_kind_ck CHECK (kind IN ('k', 'r')),
    CONSTRAINT ledger_claim_outcome_ck CHECK ((txn_id IS NULL) = (refusal IS NOT NULL))
) PARTITION BY LIST (kind);
CREATE TABLE ledger_claim_key PARTITION OF ledger_claim (
    CONSTRAINT ledger_claim_key_pk PRIMARY KEY (tenant_id, claim_id, kind)
) FOR VALUES IN ('k') WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE TABLE ledger_claim_reference PARTITION OF ledger_claim (
    CONSTRAINT ledger_claim_reference_pk PRIMARY KEY (tenant_id, claim_id, kind)
) FOR VALUES IN ('r');
ALTER TABLE ledger_claim ADD CONSTRAINT ledger_claim_pk PRIMARY KEY (tenant_id, claim_id, kind);
-- For the purge. By the tenant's hash: on a table without statistics the planner would rather read all of a tenant through
-- an index that begins with it than use the keys that a posting names. Rows of one call share their instant, so that the
-- index stays small and grows at the end of each tenant.
CREATE INDEX ledger_claim_key_age_ix ON ledger_claim_key (uuid_hash(tenant_id), claimed_at);
-- Nobody is let in but through the table as a whole.
ALTER TABLE ledger_claim_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger_claim_reference ENABLE ROW LEVEL SECURITY;

-- Accounting periods: no overlap. No period at all means that every date is open.
CREATE TABLE ledger_period (
    tenant_id  uuid        NOT NULL,
    period_id  uuid        NOT NULL,
    name       text        NOT NULL,
    starts_on  date        NOT NULL,
    ends_on    date        NOT NULL,
    status     text        NOT NULL DEFAULT 'open',
    state_hash bytea,
    changed_at timestamptz NOT NULL,
    changed_by text,
    revision   integer     NOT NULL DEFAULT 1,
    CONSTRAINT ledger_period_pk PRIMARY KEY (tenant_id, period_id),
    CONSTRAINT ledger_period_start_uq UNIQUE (tenant_id, starts_on),
    CONSTRAINT ledger_period_name_uq UNIQUE (tenant_id, name),
    CONSTRAINT ledger_period_range_ck CHECK (starts_on <= ends_on),
    CONSTRAINT ledger_period_status_ck CHECK (status IN ('open', 'soft_closed', 'closed', 'sealed')),
    CONSTRAINT ledger_period_seal_ck CHECK ((status = 'sealed') = (state_hash IS NOT NULL))
);

-- Every transaction balances, in every currency and layer, whoever writes it.
CREATE FUNCTION ledger_entry_check_balanced() RETURNS trigger
    LANGUAGE plpgsql SET search_path = omniroute, pg_temp AS $$
DECLARE
    broken record;
BEGIN
    SELECT txn_id, currency, layer INTO broken
      FROM added
     GROUP BY tenant_id, txn_id, currency, layer
    HAVING sum(CASE side WHEN 'd' THEN amount_minor ELSE -amount_minor END) <> 0
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction % does not balance in % (layer %)', broken.txn_id, broken.currency, broken.layer
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_balanced';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_entry_balanced AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_check_balanced();

-- What is booked stays as it was booked, whoever asks.
CREATE FUNCTION ledger_refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = omniroute, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_txn_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_txn
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- Row-level security: a tenant sees its own; a branch-scoped caller sees accounts of its branches and what touched them.
DO $$
DECLARE
    t text;
    seen text;
BEGIN
    FOREACH t IN ARRAY ARRAY['ledger_account', 'ledger_balance', 'ledger_delta', 'ledger_txn', 'ledger_entry', 'ledger_hold',
                             'ledger_hold_leg', 'ledger_reversal_leg', 'ledger_claim', 'ledger_period'] LOOP
        seen := CASE
            WHEN t IN ('ledger_account', 'ledger_balance') THEN
                ' AND (current_branches() IS NULL OR branch_id = ANY (current_branches()))'
            WHEN t IN ('ledger_delta', 'ledger_entry', 'ledger_hold_leg') THEN format(
                ' AND (current_branches() IS NULL OR EXISTS (SELECT FROM ledger_balance b WHERE b.tenant_id = %1$I.tenant_id AND b.account_id = %1$I.account_id))', t)
            WHEN t IN ('ledger_txn', 'ledger_reversal_leg') THEN format(
                ' AND (current_branches() IS NULL OR EXISTS (SELECT FROM ledger_entry e WHERE e.tenant_id = %1$I.tenant_id AND e.txn_id = %1$I.txn_id))', t)
            WHEN t = 'ledger_hold' THEN
                ' AND (current_branches() IS NULL OR EXISTS (SELECT FROM ledger_hold_leg l WHERE l.tenant_id = ledger_hold.tenant_id AND l.hold_id = ledger_hold.hold_id))'
            WHEN t = 'ledger_claim' THEN ' AND current_branches() IS NULL'
            ELSE ''
        END;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY %I ON %I TO omniroute_app, omniroute_worker USING (tenant_id = current_tenant()%s)', t || '_tenant', t, seen);
        EXECUTE format('CREATE POLICY %I ON %I FOR SELECT TO omniroute_worker USING (true)', t || '_worker', t);
        EXECUTE format('GRANT SELECT ON %I TO omniroute_app, omniroute_worker', t);
    END LOOP;
END $$;

-- Opening and describing accounts is ordinary work; counters, limits and status change through functions only.
GRANT INSERT ON ledger_account TO omniroute_app;
GRANT UPDATE (name, parent_id, owner_ref, dimensions, revision) ON ledger_account TO omniroute_app;
GRANT INSERT (tenant_id, account_id, branch_id, floor_minor, ceiling_minor, currency, normal_side, deferred) ON ledger_balance TO omniroute_app;
