-- Files to rails: what was handed to a bank, byte for byte, and which orders stood in it.
--
-- A file and its attempts are committed before anything of it leaves. The same bytes under the same message id may be
-- delivered again only while it is certain that they were not delivered.

CREATE TABLE rail_file (
    tenant_id     uuid        NOT NULL,
    file_id       uuid        NOT NULL,
    connection_id uuid        NOT NULL,
    message_id    text        NOT NULL,
    name          text        NOT NULL,
    content       bytea       NOT NULL,
    state         text        NOT NULL DEFAULT 'made',
    order_count   integer     NOT NULL,
    amount_minor  bigint      NOT NULL,
    currency      char(3)     NOT NULL,
    cut_off       timestamptz NOT NULL,
    answers_by    timestamptz NOT NULL,
    tries         integer     NOT NULL DEFAULT 0,
    deliver_after timestamptz NOT NULL,
    claimed_by    text        NULL,
    lease_until   timestamptz NULL,
    detail        text        NULL,
    created_at    timestamptz NOT NULL,
    sent_at       timestamptz NULL,
    answered_at   timestamptz NULL,
    answer_code   text        NULL,
    CONSTRAINT rail_file_pkey PRIMARY KEY (tenant_id, file_id),
    CONSTRAINT rail_file_connection_fkey FOREIGN KEY (tenant_id, connection_id)
        REFERENCES bank_connection (tenant_id, connection_id),
    -- The bank knows a repeat by it: never the same twice.
    CONSTRAINT rail_file_message_id_key UNIQUE (tenant_id, connection_id, message_id),
    CONSTRAINT rail_file_state_known CHECK (state IN ('made', 'delivering', 'delivered', 'doubtful', 'withdrawn')),
    CONSTRAINT rail_file_orders_some CHECK (order_count > 0 AND amount_minor > 0),
    CONSTRAINT rail_file_leased CHECK ((state = 'delivering') = (lease_until IS NOT NULL)),
    CONSTRAINT rail_file_sent CHECK (state <> 'delivered' OR sent_at IS NOT NULL)
);
COMMENT ON COLUMN rail_file.state IS 'doubtful: it may have reached the bank; never delivered again by itself';
CREATE INDEX rail_file_to_deliver ON rail_file (deliver_after, tenant_id, file_id) WHERE state = 'made';
CREATE INDEX rail_file_under_way ON rail_file (lease_until, tenant_id, file_id) WHERE state = 'delivering';
CREATE INDEX rail_file_recent ON rail_file (tenant_id, created_at, file_id);
ALTER TABLE rail_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY rail_file_tenant ON rail_file TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY rail_file_worker ON rail_file FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT ON rail_file TO omniroute_app;
GRANT SELECT, INSERT, UPDATE ON rail_file TO omniroute_worker;

CREATE FUNCTION rail_file_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.connection_id, NEW.message_id, NEW.name, NEW.content, NEW.order_count, NEW.amount_minor, NEW.created_at)
       IS DISTINCT FROM
       (OLD.connection_id, OLD.message_id, OLD.name, OLD.content, OLD.order_count, OLD.amount_minor, OLD.created_at)
    THEN
        RAISE EXCEPTION 'what a file says never changes' USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'rail_file_fixed';
    END IF;
    IF NEW.state <> OLD.state AND NOT (CASE OLD.state
        WHEN 'made' THEN NEW.state IN ('delivering', 'withdrawn', 'delivered')
        WHEN 'delivering' THEN NEW.state IN ('made', 'delivered', 'doubtful')
        WHEN 'doubtful' THEN NEW.state = 'delivered'
        WHEN 'withdrawn' THEN NEW.state = 'delivered'
        ELSE false
    END) THEN
        RAISE EXCEPTION 'a file does not move from % to %', OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'rail_file_moves_forward';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rail_file_guard BEFORE UPDATE ON rail_file FOR EACH ROW EXECUTE FUNCTION rail_file_guard();

-- Which attempts a file carries, and in which part of it. An attempt stands in one file, once.
CREATE TABLE rail_file_order (
    tenant_id  uuid NOT NULL,
    file_id    uuid NOT NULL,
    attempt_id uuid NOT NULL,
    our_ref    text NOT NULL,
    block      text NULL,
    CONSTRAINT rail_file_order_pkey PRIMARY KEY (tenant_id, file_id, attempt_id),
    CONSTRAINT rail_file_order_attempt_key UNIQUE (tenant_id, attempt_id),
    CONSTRAINT rail_file_order_file_fkey FOREIGN KEY (tenant_id, file_id) REFERENCES rail_file (tenant_id, file_id),
    CONSTRAINT rail_file_order_attempt_fkey FOREIGN KEY (tenant_id, attempt_id)
        REFERENCES payment_attempt (tenant_id, attempt_id)
);
ALTER TABLE rail_file_order ENABLE ROW LEVEL SECURITY;
CREATE POLICY rail_file_order_tenant ON rail_file_order TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT ON rail_file_order TO omniroute_app;
GRANT SELECT, INSERT ON rail_file_order TO omniroute_worker;
