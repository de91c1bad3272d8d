-- Payments: what the business wants (payment), each send to a rail (payment_attempt), and what happened (payment_step).
-- The money itself is the ledger's: a hold while nobody knows, a posting when it is certain.

CREATE TABLE payment (
    tenant_id         uuid        NOT NULL,
    payment_id        uuid        NOT NULL,
    reference         text        NOT NULL,
    type              text        NOT NULL,
    state             text        NOT NULL,
    reason            text        NULL,
    amount_minor      bigint      NOT NULL,
    currency          char(3)     NOT NULL,
    fee_minor         bigint      NOT NULL DEFAULT 0,
    branch_id         uuid        NULL,
    source_account_id uuid        NOT NULL,
    source_code       text        NOT NULL,
    payee             jsonb       NOT NULL,
    narration         text        NOT NULL DEFAULT '',
    metadata          jsonb       NOT NULL DEFAULT '{}',
    body_hash         uuid        NOT NULL,
    request_key       uuid        NULL,
    rail              text        NOT NULL,
    route             jsonb       NOT NULL DEFAULT '{}',
    connection_ids    uuid[]      NOT NULL DEFAULT '{}',
    candidate         smallint    NOT NULL DEFAULT 0,
    limits            jsonb       NOT NULL DEFAULT '[]',
    hold_id           uuid        NULL,
    fee_hold_id       uuid        NULL,
    transaction_id    uuid        NULL,
    fee_transaction_id uuid       NULL,
    approvals_needed  smallint    NOT NULL DEFAULT 0,
    approvals_given   smallint    NOT NULL DEFAULT 0,
    attempt_count     smallint    NOT NULL DEFAULT 0,
    batch_id          uuid        NULL,
    line_number       integer     NULL,
    schedule_id       uuid        NULL,
    send_after        timestamptz NOT NULL,
    paused            boolean     NOT NULL DEFAULT false,
    expires_at        timestamptz NULL,
    initiated_by      text        NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    completed_at      timestamptz NULL,
    version           integer     NOT NULL DEFAULT 1,
    CONSTRAINT payment_pkey PRIMARY KEY (tenant_id, payment_id),
    CONSTRAINT payment_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT payment_reference_key UNIQUE (tenant_id, reference),
    CONSTRAINT payment_reference_form CHECK (length(reference) BETWEEN 1 AND 64),
    CONSTRAINT payment_type_known CHECK (type IN ('SUPPLIER_PAYMENT', 'WORKER_PAYOUT', 'CUSTOMER_REFUND', 'COLLECTION',
        'INTERNAL_TRANSFER', 'BULK_DISBURSEMENT')),
    CONSTRAINT payment_state_known CHECK (state IN ('awaiting_approval', 'approved', 'scheduled', 'executing',
        'succeeded', 'failed', 'cancelled', 'expired', 'needs_review', 'reversed')),
    CONSTRAINT payment_amount_positive CHECK (amount_minor > 0),
    CONSTRAINT payment_fee_not_negative CHECK (fee_minor >= 0),
    CONSTRAINT payment_approved_enough CHECK (approvals_given >= approvals_needed
        OR state IN ('awaiting_approval', 'failed', 'cancelled', 'expired')),
    CONSTRAINT payment_held_or_posted CHECK (state NOT IN ('approved', 'scheduled', 'executing', 'needs_review',
        'awaiting_approval') OR hold_id IS NOT NULL),
    CONSTRAINT payment_posted_when_paid CHECK (state <> 'succeeded' OR transaction_id IS NOT NULL),
    CONSTRAINT payment_completed CHECK ((state IN ('succeeded', 'failed', 'cancelled', 'expired', 'reversed'))
        = (completed_at IS NOT NULL))
);
-- An idempotency key stands for one payment of the organisation.
CREATE UNIQUE INDEX payment_request_key ON payment (tenant_id, request_key) WHERE request_key IS NOT NULL;
-- What is to be sent, the oldest first.
CREATE INDEX payment_due ON payment (send_after, tenant_id, payment_id)
    WHERE state IN ('approved', 'scheduled') AND NOT paused;
CREATE INDEX payment_waiting ON payment (expires_at, tenant_id, payment_id) WHERE state = 'awaiting_approval';
CREATE INDEX payment_of_batch ON payment (tenant_id, batch_id, line_number) WHERE batch_id IS NOT NULL;
CREATE INDEX payment_recent ON payment (tenant_id, created_at, payment_id);
ALTER TABLE payment ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_tenant ON payment TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_id = ANY (current_branches())))
    WITH CHECK (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_id = ANY (current_branches())));
CREATE POLICY payment_worker ON payment FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON payment TO omniroute_app, omniroute_worker;

-- A payment only ever moves along the arrows of its machine, and what was ordered never changes.
CREATE FUNCTION payment_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.reference, NEW.type, NEW.amount_minor, NEW.currency, NEW.fee_minor, NEW.source_account_id, NEW.payee,
        NEW.body_hash) IS DISTINCT FROM
       (OLD.reference, OLD.type, OLD.amount_minor, OLD.currency, OLD.fee_minor, OLD.source_account_id, OLD.payee,
        OLD.body_hash) THEN
        RAISE EXCEPTION 'what a payment orders never changes' USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'payment_order_fixed';
    END IF;
    IF NEW.state <> OLD.state AND NOT (CASE OLD.state
        WHEN 'awaiting_approval' THEN NEW.state IN ('approved', 'scheduled', 'succeeded', 'failed', 'cancelled',
            'expired')
        WHEN 'approved' THEN NEW.state IN ('executing', 'succeeded', 'failed', 'cancelled', 'expired', 'needs_review')
        WHEN 'scheduled' THEN NEW.state IN ('approved', 'executing', 'succeeded', 'failed', 'cancelled', 'expired',
            'needs_review')
        WHEN 'executing' THEN NEW.state IN ('approved', 'succeeded', 'failed', 'needs_review', 'reversed')
        WHEN 'needs_review' THEN NEW.state IN ('approved', 'executing', 'succeeded', 'failed', 'cancelled', 'reversed')
        WHEN 'succeeded' THEN NEW.state = 'reversed'
        ELSE false
    END) THEN
        RAISE EXCEPTION 'a payment does not move from % to %', OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_moves_forward';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_guard BEFORE UPDATE ON payment FOR EACH ROW EXECUTE FUNCTION payment_guard();

CREATE TABLE payment_attempt (
    tenant_id       uuid        NOT NULL,
    attempt_id      uuid        NOT NULL,
    payment_id      uuid        NOT NULL,
    number          smallint    NOT NULL,
    rail            text        NOT NULL,
    connection_id   uuid        NOT NULL,
    our_ref         text        NOT NULL,
    provider_ref    text        NULL,
    state           text        NOT NULL,
    holder          jsonb       NULL,
    code            text        NULL,
    code_class      text        NULL,
    message         text        NULL,
    receipt         text        NULL,
    rail_fee_minor  bigint      NULL,
    evidence        jsonb       NOT NULL DEFAULT '{}',
    claimed_by      text        NOT NULL,
    lease_until     timestamptz NOT NULL,
    sent_at         timestamptz NULL,
    next_query_at   timestamptz NULL,
    query_count     integer     NOT NULL DEFAULT 0,
    not_found_count integer     NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    CONSTRAINT payment_attempt_pkey PRIMARY KEY (tenant_id, attempt_id),
    CONSTRAINT payment_attempt_payment_fkey FOREIGN KEY (tenant_id, payment_id)
        REFERENCES payment (tenant_id, payment_id),
    CONSTRAINT payment_attempt_connection_fkey FOREIGN KEY (tenant_id, connection_id)
        REFERENCES bank_connection (tenant_id, connection_id),
    CONSTRAINT payment_attempt_number_key UNIQUE (tenant_id, payment_id, number),
    -- Our name for the order on the rail: never the same twice.
    CONSTRAINT payment_attempt_our_ref_key UNIQUE (tenant_id, connection_id, our_ref),
    CONSTRAINT payment_attempt_state_known CHECK (state IN ('created', 'sending', 'not_sent', 'declined', 'pending',
        'unknown', 'manual', 'succeeded', 'not_found_confirmed', 'late_success', 'reversed')),
    CONSTRAINT payment_attempt_sent CHECK (sent_at IS NOT NULL OR state IN ('created', 'not_sent')),
    CONSTRAINT payment_attempt_counts CHECK (query_count >= 0 AND not_found_count >= 0),
    CONSTRAINT payment_attempt_asked CHECK (state NOT IN ('pending', 'unknown') OR next_query_at IS NOT NULL)
);
-- Rule 1: never two sends that may both pay. A paid one stands in the way of every other, too.
CREATE UNIQUE INDEX payment_attempt_one_live ON payment_attempt (tenant_id, payment_id)
    WHERE state IN ('created', 'sending', 'pending', 'unknown', 'manual', 'succeeded');
-- A paid one is asked about once more where the rail has no statement that would tell that it was given back.
CREATE INDEX payment_attempt_to_ask ON payment_attempt (next_query_at, tenant_id, attempt_id)
    WHERE state IN ('pending', 'unknown', 'succeeded') AND next_query_at IS NOT NULL;
CREATE INDEX payment_attempt_claimed ON payment_attempt (lease_until, tenant_id, attempt_id)
    WHERE state IN ('created', 'sending');
ALTER TABLE payment_attempt ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_attempt_tenant ON payment_attempt TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR EXISTS (
        SELECT FROM payment p WHERE p.tenant_id = payment_attempt.tenant_id
           AND p.payment_id = payment_attempt.payment_id)))
    WITH CHECK (tenant_id = current_tenant());
CREATE POLICY payment_attempt_worker ON payment_attempt FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT ON payment_attempt TO omniroute_app;
GRANT SELECT, INSERT, UPDATE ON payment_attempt TO omniroute_worker, omniroute_app;

CREATE FUNCTION payment_attempt_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.payment_id, NEW.connection_id, NEW.our_ref, NEW.number) IS DISTINCT FROM
       (OLD.payment_id, OLD.connection_id, OLD.our_ref, OLD.number) THEN
        RAISE EXCEPTION 'the name of an attempt on the rail never changes'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_attempt_name_fixed';
    END IF;
    IF NEW.state <> OLD.state AND NOT (CASE OLD.state
        WHEN 'created' THEN NEW.state IN ('sending', 'not_sent')
        WHEN 'sending' THEN NEW.state IN ('not_sent', 'declined', 'pending', 'unknown', 'manual', 'succeeded',
            'reversed')
        WHEN 'pending' THEN NEW.state IN ('unknown', 'declined', 'manual', 'succeeded', 'not_found_confirmed',
            'reversed')
        WHEN 'unknown' THEN NEW.state IN ('pending', 'declined', 'manual', 'succeeded', 'not_found_confirmed',
            'reversed')
        WHEN 'manual' THEN NEW.state IN ('pending', 'declined', 'succeeded', 'not_found_confirmed', 'reversed')
        WHEN 'declined' THEN NEW.state IN ('late_success', 'succeeded')
        WHEN 'not_sent' THEN NEW.state IN ('late_success', 'succeeded')
        WHEN 'not_found_confirmed' THEN NEW.state IN ('late_success', 'succeeded')
        WHEN 'succeeded' THEN NEW.state = 'reversed'
        WHEN 'late_success' THEN NEW.state = 'reversed'
        ELSE false
    END) THEN
        RAISE EXCEPTION 'an attempt does not move from % to %', OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_attempt_moves_forward';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_attempt_guard BEFORE UPDATE ON payment_attempt
    FOR EACH ROW EXECUTE FUNCTION payment_attempt_guard();

-- What happened, for ever: the timeline of a payment with who, when and on what evidence.
CREATE TABLE payment_step (
    tenant_id  uuid        NOT NULL,
    payment_id uuid        NOT NULL,
    step_id    uuid        NOT NULL,
    attempt_id uuid        NULL,
    at         timestamptz NOT NULL,
    state      text        NOT NULL,
    source     text        NOT NULL,
    reason     text        NULL,
    actor      text        NULL,
    evidence   jsonb       NULL,
    CONSTRAINT payment_step_pkey PRIMARY KEY (tenant_id, payment_id, step_id)
);
ALTER TABLE payment_step ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_step_tenant ON payment_step TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR EXISTS (
        SELECT FROM payment p WHERE p.tenant_id = payment_step.tenant_id AND p.payment_id = payment_step.payment_id)))
    WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON payment_step TO omniroute_app, omniroute_worker;

CREATE TABLE payment_approval (
    tenant_id  uuid        NOT NULL,
    payment_id uuid        NOT NULL,
    approver   text        NOT NULL,
    approved   boolean     NOT NULL,
    comment    text        NULL,
    decided_at timestamptz NOT NULL,
    CONSTRAINT payment_approval_pkey PRIMARY KEY (tenant_id, payment_id, approver),
    CONSTRAINT payment_approval_payment_fkey FOREIGN KEY (tenant_id, payment_id)
        REFERENCES payment (tenant_id, payment_id)
);
ALTER TABLE payment_approval ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_approval_tenant ON payment_approval TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR EXISTS (
        SELECT FROM payment p WHERE p.tenant_id = payment_approval.tenant_id
           AND p.payment_id = payment_approval.payment_id)))
    WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON payment_approval TO omniroute_app, omniroute_worker;
-- Maker and checker are two people, whatever the code thinks.
CREATE FUNCTION payment_approval_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payment p WHERE p.tenant_id = NEW.tenant_id AND p.payment_id = NEW.payment_id
                  AND p.initiated_by = NEW.approver) THEN
        RAISE EXCEPTION 'who initiated a payment does not approve it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_approval_four_eyes';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_approval_guard BEFORE INSERT ON payment_approval
    FOR EACH ROW EXECUTE FUNCTION payment_approval_guard();

-- What a limit has let through in its period. `allowed` is the limit as it stood at the last payment it let through.
CREATE TABLE payment_limit_use (
    tenant_id     uuid    NOT NULL,
    limit_id      uuid    NOT NULL,
    bucket        date    NOT NULL,
    used_minor    bigint  NOT NULL,
    used_count    integer NOT NULL,
    allowed_minor bigint  NULL,
    allowed_count integer NULL,
    CONSTRAINT payment_limit_use_pkey PRIMARY KEY (tenant_id, limit_id, bucket),
    CONSTRAINT payment_limit_use_not_negative CHECK (used_minor >= 0 AND used_count >= 0),
    CONSTRAINT payment_limit_use_within CHECK ((allowed_minor IS NULL OR used_minor <= allowed_minor)
        AND (allowed_count IS NULL OR used_count <= allowed_count))
);
ALTER TABLE payment_limit_use ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_limit_use_tenant ON payment_limit_use TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE ON payment_limit_use TO omniroute_app, omniroute_worker;

-- What does not add up and waits for a person: late success, other amounts, contradictions.
CREATE TABLE payment_exception (
    tenant_id      uuid        NOT NULL,
    exception_id   uuid        NOT NULL,
    payment_id     uuid        NOT NULL,
    attempt_id     uuid        NULL,
    kind           text        NOT NULL,
    detail         jsonb       NOT NULL,
    transaction_id uuid        NULL,
    opened_at      timestamptz NOT NULL,
    resolved_at    timestamptz NULL,
    resolved_by    text        NULL,
    resolution     text        NULL,
    CONSTRAINT payment_exception_pkey PRIMARY KEY (tenant_id, exception_id),
    CONSTRAINT payment_exception_payment_fkey FOREIGN KEY (tenant_id, payment_id)
        REFERENCES payment (tenant_id, payment_id),
    CONSTRAINT payment_exception_kind_known CHECK (kind IN ('late_success', 'integrity_mismatch', 'contradiction',
        'given_up_asking', 'books_refused', 'reversed_by_rail')),
    CONSTRAINT payment_exception_resolved CHECK ((resolved_at IS NULL) = (resolved_by IS NULL))
);
CREATE UNIQUE INDEX payment_exception_once ON payment_exception (tenant_id, attempt_id, kind)
    WHERE resolved_at IS NULL;
CREATE INDEX payment_exception_open ON payment_exception (tenant_id, opened_at, exception_id)
    WHERE resolved_at IS NULL;
ALTER TABLE payment_exception ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_exception_tenant ON payment_exception TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR EXISTS (
        SELECT FROM payment p WHERE p.tenant_id = payment_exception.tenant_id
           AND p.payment_id = payment_exception.payment_id)))
    WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE ON payment_exception TO omniroute_app, omniroute_worker;

-- What rails called us with, byte for byte, before anybody looked at it. A repeat is the same row.
CREATE TABLE provider_event (
    tenant_id     uuid        NOT NULL,
    event_id      uuid        NOT NULL,
    connection_id uuid        NOT NULL,
    content_hash  bytea       NOT NULL,
    purpose       text        NOT NULL,
    ref           text        NOT NULL,
    authentic     boolean     NOT NULL,
    headers       jsonb       NOT NULL,
    body          bytea       NOT NULL,
    received_at   timestamptz NOT NULL,
    repeats       integer     NOT NULL DEFAULT 0,
    state         text        NOT NULL DEFAULT 'received',
    outcome       jsonb       NULL,
    tries         integer     NOT NULL DEFAULT 0,
    process_after timestamptz NOT NULL,
    CONSTRAINT provider_event_pkey PRIMARY KEY (tenant_id, event_id),
    CONSTRAINT provider_event_connection_fkey FOREIGN KEY (tenant_id, connection_id)
        REFERENCES bank_connection (tenant_id, connection_id),
    CONSTRAINT provider_event_content_key UNIQUE (tenant_id, connection_id, content_hash),
    CONSTRAINT provider_event_state_known CHECK (state IN ('received', 'processed', 'rejected', 'unreadable'))
);
CREATE INDEX provider_event_recent ON provider_event (tenant_id, received_at, event_id);
CREATE INDEX provider_event_to_do ON provider_event (process_after, tenant_id, event_id) WHERE state = 'received';
ALTER TABLE provider_event ENABLE ROW LEVEL SECURITY;
CREATE POLICY provider_event_tenant ON provider_event TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY provider_event_worker ON provider_event FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON provider_event TO omniroute_app, omniroute_worker;

-- What rails booked on our accounts, as their statements say. The truth when everything else is silent.
CREATE TABLE rail_statement_line (
    tenant_id     uuid        NOT NULL,
    connection_id uuid        NOT NULL,
    line_id       text        NOT NULL,
    booked_at     timestamptz NOT NULL,
    amount_minor  bigint      NOT NULL,
    currency      char(3)     NOT NULL,
    credit        boolean     NOT NULL,
    our_ref       text        NULL,
    provider_ref  text        NULL,
    narration     text        NOT NULL,
    read_at       timestamptz NOT NULL,
    CONSTRAINT rail_statement_line_pkey PRIMARY KEY (tenant_id, connection_id, line_id),
    CONSTRAINT rail_statement_line_amount_positive CHECK (amount_minor > 0)
);
CREATE INDEX rail_statement_line_ref ON rail_statement_line (tenant_id, connection_id, our_ref)
    WHERE our_ref IS NOT NULL;
ALTER TABLE rail_statement_line ENABLE ROW LEVEL SECURITY;
CREATE POLICY rail_statement_line_tenant ON rail_statement_line TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON rail_statement_line TO omniroute_app, omniroute_worker;
