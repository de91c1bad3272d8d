-- Exchange rates with their history, and quotes. Both are only ever added to.

-- 1 unit of base is worth `rate` units of quote, from valid_from until the next one. The text is exact.
CREATE TABLE ledger_rate (
    tenant_id   uuid        NOT NULL,
    rate_id     uuid        NOT NULL,
    base        char(3)     NOT NULL,
    quote       char(3)     NOT NULL,
    rate        text        NOT NULL,
    valid_from  timestamptz NOT NULL,
    source      text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT ledger_rate_pk PRIMARY KEY (tenant_id, rate_id),
    CONSTRAINT ledger_rate_pair_ck CHECK (base <> quote),
    CONSTRAINT ledger_rate_rate_ck CHECK (rate ~ '^[0-9]{1,18}(\.[0-9]{1,18})?$' AND rate::numeric > 0),
    CONSTRAINT ledger_rate_source_ck CHECK (length(source) BETWEEN 1 AND 100)
);
CREATE INDEX ledger_rate_pair_ix ON ledger_rate (tenant_id, base, quote, valid_from DESC, rate_id DESC);

-- A promise to exchange at a rate until it expires. Used at most once: its exchange carries it as its reference.
CREATE TABLE ledger_quote (
    tenant_id     uuid        NOT NULL,
    quote_id      uuid        NOT NULL,
    rate_id       uuid        NOT NULL,
    inverse       boolean     NOT NULL,
    sell_minor    bigint      NOT NULL,
    sell_currency char(3)     NOT NULL,
    buy_minor     bigint      NOT NULL,
    buy_currency  char(3)     NOT NULL,
    rate          text        NOT NULL,
    rounding      text        NOT NULL,
    quoted_at     timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    CONSTRAINT ledger_quote_pk PRIMARY KEY (tenant_id, quote_id),
    CONSTRAINT ledger_quote_amounts_ck CHECK (sell_minor > 0 AND buy_minor > 0),
    CONSTRAINT ledger_quote_pair_ck CHECK (sell_currency <> buy_currency),
    CONSTRAINT ledger_quote_time_ck CHECK (quoted_at < expires_at)
);

CREATE TRIGGER ledger_rate_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_rate
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_quote_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_quote
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['ledger_rate', 'ledger_quote'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY %I ON %I TO omniroute_app, omniroute_worker USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', t || '_tenant', t);
        EXECUTE format('CREATE POLICY %I ON %I FOR SELECT TO omniroute_worker USING (true)', t || '_worker', t);
        EXECUTE format('GRANT SELECT ON %I TO omniroute_app, omniroute_worker', t);
        EXECUTE format('GRANT INSERT ON %I TO omniroute_app', t);
    END LOOP;
END $$;
