-- The desk: risky acts that one person asks for and another decides, and requests to rails to take payments back.

-- Name of the payee as the rail tells it, where people have accepted that it differs from the one ordered.
ALTER TABLE payment ADD COLUMN accepted_name text NULL;

CREATE TABLE approval_request (
    tenant_id        uuid        NOT NULL,
    request_id       uuid        NOT NULL,
    kind             text        NOT NULL,
    subject_id       uuid        NOT NULL,
    payment_id       uuid        NULL,
    branch_id        uuid        NULL,
    payload          jsonb       NOT NULL,
    evidence         jsonb       NOT NULL,
    state            text        NOT NULL DEFAULT 'open',
    requested_by     text        NOT NULL,
    approvals_needed smallint    NOT NULL,
    approvals_given  smallint    NOT NULL DEFAULT 0,
    outcome          jsonb       NULL,
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    closed_at        timestamptz NULL,
    version          integer     NOT NULL DEFAULT 1,
    CONSTRAINT approval_request_pkey PRIMARY KEY (tenant_id, request_id),
    CONSTRAINT approval_request_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT approval_request_payment_fkey FOREIGN KEY (tenant_id, payment_id)
        REFERENCES payment (tenant_id, payment_id),
    CONSTRAINT approval_request_state_known CHECK (state IN ('open', 'executed', 'rejected', 'expired', 'withdrawn')),
    CONSTRAINT approval_request_needs_somebody CHECK (approvals_needed BETWEEN 1 AND 5),
    CONSTRAINT approval_request_approved_enough CHECK (state <> 'executed' OR approvals_given >= approvals_needed),
    CONSTRAINT approval_request_closed CHECK ((state = 'open') = (closed_at IS NULL)),
    CONSTRAINT approval_request_version_positive CHECK (version > 0)
);
-- The same act on the same thing is asked for once at a time.
CREATE UNIQUE INDEX approval_request_once ON approval_request (tenant_id, kind, subject_id) WHERE state = 'open';
CREATE INDEX approval_request_recent ON approval_request (tenant_id, created_at, request_id);
CREATE INDEX approval_request_waiting ON approval_request (expires_at, tenant_id, request_id) WHERE state = 'open';
ALTER TABLE approval_request ENABLE ROW LEVEL SECURITY;
CREATE POLICY approval_request_tenant ON approval_request TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_id = ANY (current_branches())))
    WITH CHECK (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_id = ANY (current_branches())));
CREATE POLICY approval_request_worker ON approval_request FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT ON approval_request TO omniroute_app;
GRANT SELECT ON approval_request TO omniroute_worker;
GRANT UPDATE (state, approvals_given, outcome, closed_at, version) ON approval_request
    TO omniroute_app, omniroute_worker;

CREATE TABLE approval_decision (
    tenant_id  uuid        NOT NULL,
    request_id uuid        NOT NULL,
    approver   text        NOT NULL,
    approved   boolean     NOT NULL,
    comment    text        NULL,
    decided_at timestamptz NOT NULL,
    CONSTRAINT approval_decision_pkey PRIMARY KEY (tenant_id, request_id, approver),
    CONSTRAINT approval_decision_request_fkey FOREIGN KEY (tenant_id, request_id)
        REFERENCES approval_request (tenant_id, request_id)
);
ALTER TABLE approval_decision ENABLE ROW LEVEL SECURITY;
CREATE POLICY approval_decision_tenant ON approval_decision TO omniroute_app
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR EXISTS (
        SELECT FROM approval_request r WHERE r.tenant_id = approval_decision.tenant_id
           AND r.request_id = approval_decision.request_id)))
    WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON approval_decision TO omniroute_app;
-- Maker and checker are two people, whatever the code thinks.
CREATE FUNCTION approval_decision_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM approval_request r WHERE r.tenant_id = NEW.tenant_id AND r.request_id = NEW.request_id
                  AND r.requested_by = NEW.approver) THEN
        RAISE EXCEPTION 'who asks for an act does not decide on it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_decision_four_eyes';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approval_decision_guard BEFORE INSERT ON approval_decision
    FOR EACH ROW EXECUTE FUNCTION approval_decision_guard();
-- What is approved is what was asked for, and an approval counts only if somebody gave it.
CREATE FUNCTION approval_request_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'open' THEN
        RAISE EXCEPTION 'a closed approval request never changes' USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'approval_request_final';
    END IF;
    IF NEW.approvals_given > (SELECT count(*) FROM approval_decision d WHERE d.tenant_id = NEW.tenant_id
                                 AND d.request_id = NEW.request_id AND d.approved) THEN
        RAISE EXCEPTION 'an approval that nobody gave' USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'approval_request_counted';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approval_request_guard BEFORE UPDATE OF approvals_given, state ON approval_request
    FOR EACH ROW WHEN (OLD.state <> 'open' OR NEW.approvals_given > OLD.approvals_given)
    EXECUTE FUNCTION approval_request_guard();

-- A request to a rail to take a paid order back: named and committed before anything leaves, like an attempt.
CREATE TABLE payment_reversal (
    tenant_id      uuid        NOT NULL,
    reversal_id    uuid        NOT NULL,
    payment_id     uuid        NOT NULL,
    attempt_id     uuid        NOT NULL,
    connection_id  uuid        NOT NULL,
    rail           text        NOT NULL,
    request_id     uuid        NOT NULL,
    our_ref        text        NULL,
    rail_ref       text        NOT NULL,
    provider_ref   text        NULL,
    state          text        NOT NULL,
    code           text        NULL,
    message        text        NULL,
    tries          smallint    NOT NULL DEFAULT 0,
    send_after     timestamptz NOT NULL,
    claimed_by     text        NULL,
    lease_until    timestamptz NULL,
    sent_at        timestamptz NULL,
    next_query_at  timestamptz NULL,
    query_count    integer     NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    CONSTRAINT payment_reversal_pkey PRIMARY KEY (tenant_id, reversal_id),
    CONSTRAINT payment_reversal_payment_fkey FOREIGN KEY (tenant_id, payment_id)
        REFERENCES payment (tenant_id, payment_id),
    CONSTRAINT payment_reversal_attempt_fkey FOREIGN KEY (tenant_id, attempt_id)
        REFERENCES payment_attempt (tenant_id, attempt_id),
    CONSTRAINT payment_reversal_request_fkey FOREIGN KEY (tenant_id, request_id)
        REFERENCES approval_request (tenant_id, request_id),
    CONSTRAINT payment_reversal_our_ref_key UNIQUE (tenant_id, connection_id, our_ref),
    CONSTRAINT payment_reversal_state_known CHECK (state IN ('created', 'sending', 'not_sent', 'pending', 'unknown',
        'manual', 'succeeded', 'declined')),
    CONSTRAINT payment_reversal_named CHECK (our_ref IS NOT NULL OR state IN ('created', 'not_sent')),
    CONSTRAINT payment_reversal_sent CHECK (sent_at IS NOT NULL OR state IN ('created', 'not_sent', 'declined')),
    CONSTRAINT payment_reversal_leased CHECK (state <> 'sending' OR lease_until IS NOT NULL),
    CONSTRAINT payment_reversal_asked CHECK (state NOT IN ('pending', 'unknown') OR next_query_at IS NOT NULL)
);
COMMENT ON COLUMN payment_reversal.rail_ref IS 'the rail''s name of the paid order that is to be taken back';
COMMENT ON COLUMN payment_reversal.provider_ref IS 'the rail''s name of this request';
-- Never two requests that may both take the money back. One that did stands in the way of every other, too.
CREATE UNIQUE INDEX payment_reversal_one_live ON payment_reversal (tenant_id, attempt_id)
    WHERE state NOT IN ('not_sent', 'declined');
CREATE INDEX payment_reversal_of_payment ON payment_reversal (tenant_id, payment_id, reversal_id);
CREATE INDEX payment_reversal_to_send ON payment_reversal (send_after, tenant_id, reversal_id) WHERE state = 'created';
CREATE INDEX payment_reversal_claimed ON payment_reversal (lease_until, tenant_id, reversal_id)
    WHERE state = 'sending';
CREATE INDEX payment_reversal_to_ask ON payment_reversal (next_query_at, tenant_id, reversal_id)
    WHERE state IN ('pending', 'unknown');
ALTER TABLE payment_reversal ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_reversal_tenant ON payment_reversal TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR EXISTS (
        SELECT FROM payment p WHERE p.tenant_id = payment_reversal.tenant_id
           AND p.payment_id = payment_reversal.payment_id)))
    WITH CHECK (tenant_id = current_tenant());
CREATE POLICY payment_reversal_worker ON payment_reversal FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON payment_reversal TO omniroute_app, omniroute_worker;

CREATE FUNCTION payment_reversal_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.payment_id, NEW.attempt_id, NEW.connection_id, NEW.rail_ref) IS DISTINCT FROM
       (OLD.payment_id, OLD.attempt_id, OLD.connection_id, OLD.rail_ref)
       OR (OLD.state <> 'created' AND NEW.our_ref IS DISTINCT FROM OLD.our_ref) THEN
        RAISE EXCEPTION 'what a reversal asks for never changes'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_reversal_fixed';
    END IF;
    IF NEW.state <> OLD.state AND NOT (CASE OLD.state
        WHEN 'created' THEN NEW.state IN ('sending', 'not_sent', 'succeeded')
        WHEN 'sending' THEN NEW.state IN ('created', 'not_sent', 'pending', 'unknown', 'succeeded', 'declined')
        WHEN 'pending' THEN NEW.state IN ('unknown', 'manual', 'succeeded', 'declined')
        WHEN 'unknown' THEN NEW.state IN ('pending', 'manual', 'succeeded', 'declined')
        WHEN 'manual' THEN NEW.state IN ('succeeded', 'declined')
        ELSE false
    END) THEN
        RAISE EXCEPTION 'a reversal does not move from % to %', OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_reversal_moves_forward';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_reversal_guard BEFORE UPDATE ON payment_reversal
    FOR EACH ROW EXECUTE FUNCTION payment_reversal_guard();
