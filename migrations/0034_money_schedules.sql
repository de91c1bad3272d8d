-- Schedules and standing orders: payments that happen by the calendar, once each, whatever the process does.

CREATE TABLE payment_schedule (
    tenant_id        uuid        NOT NULL,
    schedule_id      uuid        NOT NULL,
    reference        text        NOT NULL,
    state            text        NOT NULL,
    branch_id        uuid        NULL,
    source_account_id uuid       NOT NULL,
    terms            jsonb       NOT NULL,
    time_zone        text        NOT NULL,
    country          text        NOT NULL,
    rail             text        NULL,
    requested_by     text        NOT NULL,
    approvals_needed smallint    NOT NULL,
    approvals_given  smallint    NOT NULL DEFAULT 0,
    next_number      integer     NOT NULL DEFAULT 1,
    next_on          date        NULL,
    next_at          timestamptz NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    ended_at         timestamptz NULL,
    version          integer     NOT NULL DEFAULT 1,
    CONSTRAINT payment_schedule_pkey PRIMARY KEY (tenant_id, schedule_id),
    CONSTRAINT payment_schedule_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT payment_schedule_reference_key UNIQUE (tenant_id, reference),
    CONSTRAINT payment_schedule_reference_form CHECK (length(reference) BETWEEN 1 AND 48),
    CONSTRAINT payment_schedule_state_known CHECK (state IN ('awaiting_approval', 'active', 'paused', 'completed',
        'cancelled', 'rejected')),
    CONSTRAINT payment_schedule_needs_somebody CHECK (approvals_needed BETWEEN 1 AND 5),
    CONSTRAINT payment_schedule_approved_enough CHECK (state NOT IN ('active', 'paused', 'completed')
        OR approvals_given >= approvals_needed),
    CONSTRAINT payment_schedule_ended CHECK ((state IN ('completed', 'cancelled', 'rejected')) = (ended_at IS NOT NULL)),
    CONSTRAINT payment_schedule_planned CHECK (state NOT IN ('active', 'paused') OR next_at IS NOT NULL),
    CONSTRAINT payment_schedule_version_positive CHECK (version > 0)
);
CREATE INDEX payment_schedule_due ON payment_schedule (next_at, tenant_id, schedule_id)
    WHERE state IN ('active', 'paused');
CREATE INDEX payment_schedule_recent ON payment_schedule (tenant_id, created_at, schedule_id);
ALTER TABLE payment_schedule ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_schedule_tenant ON payment_schedule TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_id = ANY (current_branches())))
    WITH CHECK (tenant_id = current_tenant() AND (current_branches() IS NULL OR branch_id = ANY (current_branches())));
CREATE POLICY payment_schedule_worker ON payment_schedule FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT ON payment_schedule TO omniroute_app;
GRANT SELECT ON payment_schedule TO omniroute_worker;
-- What was approved never changes; another order is another schedule.
GRANT UPDATE (state, approvals_given, next_number, next_on, next_at, updated_at, ended_at, version) ON payment_schedule
    TO omniroute_app, omniroute_worker;

CREATE TABLE payment_schedule_approval (
    tenant_id   uuid        NOT NULL,
    schedule_id uuid        NOT NULL,
    approver    text        NOT NULL,
    approved    boolean     NOT NULL,
    comment     text        NULL,
    decided_at  timestamptz NOT NULL,
    CONSTRAINT payment_schedule_approval_pkey PRIMARY KEY (tenant_id, schedule_id, approver),
    CONSTRAINT payment_schedule_approval_schedule_fkey FOREIGN KEY (tenant_id, schedule_id)
        REFERENCES payment_schedule (tenant_id, schedule_id)
);
ALTER TABLE payment_schedule_approval ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_schedule_approval_tenant ON payment_schedule_approval TO omniroute_app
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR EXISTS (
        SELECT FROM payment_schedule s WHERE s.tenant_id = payment_schedule_approval.tenant_id
           AND s.schedule_id = payment_schedule_approval.schedule_id)))
    WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT ON payment_schedule_approval TO omniroute_app;
-- Maker and checker are two people, whatever the code thinks.
CREATE FUNCTION payment_schedule_approval_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payment_schedule s WHERE s.tenant_id = NEW.tenant_id AND s.schedule_id = NEW.schedule_id
                  AND s.requested_by = NEW.approver) THEN
        RAISE EXCEPTION 'who orders a schedule does not approve it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_schedule_approval_four_eyes';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_schedule_approval_guard BEFORE INSERT ON payment_schedule_approval
    FOR EACH ROW EXECUTE FUNCTION payment_schedule_approval_guard();

-- One row for each date of a schedule: it is planned once, and paid once or not at all.
CREATE TABLE payment_occurrence (
    tenant_id    uuid        NOT NULL,
    schedule_id  uuid        NOT NULL,
    number       integer     NOT NULL,
    nominal_on   date        NOT NULL,
    due_on       date        NOT NULL,
    due_at       timestamptz NOT NULL,
    reference    text        NOT NULL,
    state        text        NOT NULL,
    reason       text        NULL,
    detail       text        NULL,
    amount_minor bigint      NULL,
    payment_id   uuid        NULL,
    tries        smallint    NOT NULL DEFAULT 0,
    try_at       timestamptz NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    CONSTRAINT payment_occurrence_pkey PRIMARY KEY (tenant_id, schedule_id, number),
    CONSTRAINT payment_occurrence_schedule_fkey FOREIGN KEY (tenant_id, schedule_id)
        REFERENCES payment_schedule (tenant_id, schedule_id),
    CONSTRAINT payment_occurrence_day_key UNIQUE (tenant_id, schedule_id, nominal_on),
    CONSTRAINT payment_occurrence_payment_key UNIQUE (tenant_id, payment_id),
    CONSTRAINT payment_occurrence_state_known CHECK (state IN ('due', 'initiated', 'skipped', 'failed')),
    CONSTRAINT payment_occurrence_paid_by CHECK ((state = 'initiated') = (payment_id IS NOT NULL)),
    CONSTRAINT payment_occurrence_tried CHECK ((state = 'due') = (try_at IS NOT NULL)),
    CONSTRAINT payment_occurrence_reasoned CHECK (state NOT IN ('skipped', 'failed') OR reason IS NOT NULL)
);
CREATE INDEX payment_occurrence_due ON payment_occurrence (try_at, tenant_id, schedule_id, number) WHERE state = 'due';
ALTER TABLE payment_occurrence ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_occurrence_tenant ON payment_occurrence TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant() AND (current_branches() IS NULL OR EXISTS (
        SELECT FROM payment_schedule s WHERE s.tenant_id = payment_occurrence.tenant_id
           AND s.schedule_id = payment_occurrence.schedule_id)))
    WITH CHECK (tenant_id = current_tenant());
CREATE POLICY payment_occurrence_worker ON payment_occurrence FOR SELECT TO omniroute_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON payment_occurrence TO omniroute_app, omniroute_worker;

-- What an organisation knows better than the calendar of its country.
CREATE TABLE payment_calendar_day (
    tenant_id uuid    NOT NULL,
    day       date    NOT NULL,
    name      text    NOT NULL,
    is_open   boolean NOT NULL,
    CONSTRAINT payment_calendar_day_pkey PRIMARY KEY (tenant_id, day),
    CONSTRAINT payment_calendar_day_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id),
    CONSTRAINT payment_calendar_day_name_length CHECK (length(name) BETWEEN 1 AND 100)
);
COMMENT ON COLUMN payment_calendar_day.is_open IS 'true: a business day although the calendar says otherwise';
ALTER TABLE payment_calendar_day ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_calendar_day_tenant ON payment_calendar_day TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, DELETE ON payment_calendar_day TO omniroute_app;
GRANT SELECT ON payment_calendar_day TO omniroute_worker;

CREATE TABLE payment_cut_off (
    tenant_id uuid NOT NULL,
    rail      text NOT NULL,
    at        time NOT NULL,
    CONSTRAINT payment_cut_off_pkey PRIMARY KEY (tenant_id, rail),
    CONSTRAINT payment_cut_off_organisation_fkey FOREIGN KEY (tenant_id) REFERENCES organisation (tenant_id)
);
COMMENT ON COLUMN payment_cut_off.at IS 'local time after which an order over this rail counts for the next business day';
ALTER TABLE payment_cut_off ENABLE ROW LEVEL SECURITY;
CREATE POLICY payment_cut_off_tenant ON payment_cut_off TO omniroute_app, omniroute_worker
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, DELETE ON payment_cut_off TO omniroute_app;
GRANT SELECT ON payment_cut_off TO omniroute_worker;
