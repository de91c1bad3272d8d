-- Batches: a file of payments, checked line by line, approved as a whole, initiated in chunks that survive a crash.

CREATE TABLE payment_batch (
    tenant_id        uuid        NOT NULL,
    batch_id         uuid        NOT NULL,
    reference        text        NOT NULL,
    name             text        NOT NULL,
    state            text        NOT NULL,
    reason           text        NULL,
    branches         uuid[]      NULL,
    format           text        NOT NULL,
    file_name        text        NULL,
    byte_count       bigint      NOT NULL,
    content_hash     bytea       NOT NULL,
    on_invalid       text        NOT NULL,
    origin           jsonb       NOT NULL DEFAULT '{}',
    total_count      integer     NOT NULL,
    valid_count      integer     NOT NULL DEFAULT 0,
    invalid_count    integer     NOT NULL DEFAULT 0,
    totals           jsonb       NOT NULL DEFAULT '[]',
    funds            jsonb       NOT NULL DEFAULT '[]',
    tally            jsonb       NOT NULL DEFAULT '[]',
    tallied_at       timestamptz NULL,
    approvals_needed smallint    NOT NULL DEFAULT 1,
    approvals_given  smallint    NOT NULL DEFAULT 0,
    initiated_by     text        NOT NULL,
    submitted_by     text        NULL,
    expires_at       timestamptz NULL,
    settled          boolean     NOT NULL DEFAULT false,
    work_after       timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    completed_at     timestamptz NULL,
    version          integer     NOT NULL DEFAULT 1,
    CONSTRAINT payment_batch_pkey PRIMARY KEY (tenant_id, batch_id),
    CONSTRAINT payment_batch_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT payment_batch_reference_key UNIQUE (tenant_id, reference),
    CONSTRAINT payment_batch_reference_form CHECK (length(reference) BETWEEN 1 AND 48),
    CONSTRAINT payment_batch_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT payment_batch_state_known CHECK (state IN ('draft', 'validated', 'awaiting_approval', 'approved',
        'running', 'paused', 'completed', 'cancelled')),
    CONSTRAINT payment_batch_format_known CHECK (format IN ('csv', 'jsonl', 'pain.001')),
    CONSTRAINT payment_batch_on_invalid_known CHECK (on_invalid IN ('reject_batch', 'skip_lines')),
    CONSTRAINT payment_batch_counts CHECK (total_count > 0 AND valid_count >= 0 AND invalid_count >= 0
        AND valid_count + invalid_count <= total_count),
    CONSTRAINT payment_batch_approvals CHECK (approvals_needed > 0
        AND (approvals_given >= approvals_needed OR state IN ('draft', 'validated', 'awaiting_approval', 'cancelled'))),
    CONSTRAINT payment_batch_settled CHECK (state IN ('completed', 'cancelled') OR NOT settled),
    CONSTRAINT payment_batch_completed CHECK ((state IN ('completed', 'cancelled')) = (completed_at IS NOT NULL))
);
COMMENT ON COLUMN payment_batch.branches IS 'where whoever sent it in may pay from; NULL: the whole organisation';
COMMENT ON COLUMN payment_batch.settled IS 'nothing of it is under way any more';
-- The same file is paid once; a batch that was called off may come again.
CREATE UNIQUE INDEX payment_batch_content ON payment_batch (tenant_id, content_hash) WHERE state <> 'cancelled';
CREATE INDEX payment_batch_to_do ON payment_batch (tenant_id, work_after, batch_id)
    WHERE NOT settled AND state IN ('draft', 'awaiting_approval', 'approved', 'running', 'cancelled');
CREATE INDEX payment_batch_recent ON payment_batch (tenant_id, created_at, batch_id);
ALTER TABLE payment_batch ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_batch_tenant ON payment_batch TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR branches <@ current_branches()))
    WITH CHECK (tenant_id = current_tenant() AND (current_branches() IS NULL OR branches <@ current_branches()));
CREATE POLICY payment_batch_worker ON payment_batch FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON payment_batch TO omniroute_app, omniroute_worker;

-- Maker and checker are two people, whatever the code thinks; what came in never changes.
CREATE FUNCTION payment_batch_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.reference, NEW.content_hash, NEW.initiated_by, NEW.branches) IS DISTINCT FROM
       (OLD.reference, OLD.content_hash, OLD.initiated_by, OLD.branches) THEN
        RAISE EXCEPTION 'what came in as a batch never changes' USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'payment_batch_fixed';
    END IF;
    IF NEW.state <> OLD.state AND NOT (CASE OLD.state
        WHEN 'draft' THEN NEW.state IN ('validated', 'cancelled')
        WHEN 'validated' THEN NEW.state IN ('awaiting_approval', 'cancelled')
        WHEN 'awaiting_approval' THEN NEW.state IN ('approved', 'cancelled')
        WHEN 'approved' THEN NEW.state IN ('running', 'paused', 'cancelled')
        WHEN 'running' THEN NEW.state IN ('paused', 'completed', 'cancelled')
        WHEN 'paused' THEN NEW.state IN ('running', 'cancelled')
        WHEN 'completed' THEN NEW.state = 'running'
        ELSE false
    END) THEN
        RAISE EXCEPTION 'a batch does not move from % to %', OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_batch_moves_forward';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_batch_guard BEFORE UPDATE ON payment_batch
    FOR EACH ROW EXECUTE FUNCTION payment_batch_guard();

-- Written by the hundred thousand, in the transaction of their batch: no foreign key asks for each of them again.
CREATE TABLE payment_batch_line (
    tenant_id    uuid        NOT NULL,
    batch_id     uuid        NOT NULL,
    line_number  integer     NOT NULL,
    state        text        NOT NULL,
    reference    text        NOT NULL,
    type         text        NOT NULL,
    amount_minor bigint      NULL,
    currency     text        NULL,
    source_code  text        NULL,
    payee        jsonb       NOT NULL,
    narration    text        NOT NULL DEFAULT '',
    send_on      date        NULL,
    connection   text        NULL,
    metadata     jsonb       NOT NULL DEFAULT '{}',
    origin       jsonb       NULL,
    fee_minor    bigint      NOT NULL DEFAULT 0,
    rail         text        NULL,
    problem      jsonb       NULL,
    payment_id   uuid        NULL,
    tries        smallint    NOT NULL DEFAULT 0,
    CONSTRAINT payment_batch_line_pkey PRIMARY KEY (tenant_id, batch_id, line_number),
    CONSTRAINT payment_batch_line_state_known CHECK (state IN ('received', 'valid', 'invalid', 'initiated', 'refused',
        'cancelled')),
    CONSTRAINT payment_batch_line_number_positive CHECK (line_number > 0),
    CONSTRAINT payment_batch_line_complete CHECK (state IN ('received', 'invalid', 'cancelled')
        OR (amount_minor IS NOT NULL AND currency IS NOT NULL AND source_code IS NOT NULL)),
    CONSTRAINT payment_batch_line_initiated CHECK (state <> 'initiated' OR payment_id IS NOT NULL),
    CONSTRAINT payment_batch_line_explained CHECK (state NOT IN ('invalid', 'refused') OR problem IS NOT NULL)
);
-- What is still to be checked, or to be initiated, the first first.
CREATE INDEX payment_batch_line_to_do ON payment_batch_line (tenant_id, batch_id, state, line_number)
    WHERE state IN ('received', 'valid');
CREATE INDEX payment_batch_line_reference ON payment_batch_line (tenant_id, batch_id, reference, line_number);
ALTER TABLE payment_batch_line ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_batch_line_tenant ON payment_batch_line TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR EXISTS (
        SELECT FROM payment_batch b WHERE b.tenant_id = payment_batch_line.tenant_id
           AND b.batch_id = payment_batch_line.batch_id)))
    WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE ON payment_batch_line TO omniroute_app, omniroute_worker;

CREATE TABLE payment_batch_approval (
    tenant_id  uuid        NOT NULL,
    batch_id   uuid        NOT NULL,
    approver   text        NOT NULL,
    approved   boolean     NOT NULL,
    comment    text        NULL,
    decided_at timestamptz NOT NULL,
    CONSTRAINT payment_batch_approval_pkey PRIMARY KEY (tenant_id, batch_id, approver),
    CONSTRAINT payment_batch_approval_batch_fkey FOREIGN KEY (tenant_id, batch_id)
        REFERENCES payment_batch (tenant_id, batch_id)
);
ALTER TABLE payment_batch_approval ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_batch_approval_tenant ON payment_batch_approval TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR EXISTS (
        SELECT FROM payment_batch b WHERE b.tenant_id = payment_batch_approval.tenant_id
           AND b.batch_id = payment_batch_approval.batch_id)))
    WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON payment_batch_approval TO omniroute_app, omniroute_worker;
CREATE FUNCTION payment_batch_approval_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payment_batch b WHERE b.tenant_id = NEW.tenant_id AND b.batch_id = NEW.batch_id
                  AND NEW.approver IN (b.initiated_by, b.submitted_by)) THEN
        RAISE EXCEPTION 'who sent a batch in does not approve it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_batch_approval_four_eyes';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_batch_approval_guard BEFORE INSERT ON payment_batch_approval
    FOR EACH ROW EXECUTE FUNCTION payment_batch_approval_guard();
