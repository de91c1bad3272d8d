-- Two people are two people: a key acts for the person who made it, wherever one asks and another decides.

-- The uuid behind an id as it is shown (a prefix, and 26 characters of Crockford's base 32); NULL for anything else.
CREATE FUNCTION id_behind(p_shown text) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN p_shown ~ '_[0-7][0-9a-hjkmnp-tv-z]{25}$' THEN (
        WITH shown AS (
            SELECT string_agg((strpos('0123456789abcdefghjkmnpqrstvwxyz', c) - 1)::bit(5)::text, '' ORDER BY n) AS bits
              FROM unnest(string_to_array(right(p_shown, 26), NULL)) WITH ORDINALITY AS letter (c, n)
        )
        SELECT string_agg(to_hex(substr(shown.bits, 3 + 4 * digit, 4)::bit(4)::integer), '' ORDER BY digit)::uuid
          FROM shown, generate_series(0, 31) AS digit
    ) END
$$;

-- The person behind a caller of this organisation: who made the key, or the key that made it, and so on. Whoever has no
-- person behind them (the first key of an organisation, and what it made) is themselves.
CREATE FUNCTION person_of(p_subject text) RETURNS text
    LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
    WITH RECURSIVE behind AS (
        SELECT p_subject AS subject, 0 AS steps
        UNION ALL
        SELECT c.created_by, behind.steps + 1
          FROM behind JOIN credential c ON c.tenant_id = current_tenant() AND c.id = id_behind(behind.subject)
         WHERE NOT starts_with(behind.subject, 'usr_') AND behind.steps < 50
    )
    SELECT coalesce((SELECT subject FROM behind WHERE starts_with(subject, 'usr_') LIMIT 1), p_subject)
$$;
GRANT EXECUTE ON FUNCTION id_behind(text), person_of(text) TO omniroute_app, omniroute_worker;

-- Each person has one word, by whatever way they come.
ALTER TABLE payment_approval ADD COLUMN person text NULL;
ALTER TABLE payment_batch_approval ADD COLUMN person text NULL;
ALTER TABLE payment_schedule_approval ADD COLUMN person text NULL;
ALTER TABLE approval_decision ADD COLUMN person text NULL;
CREATE UNIQUE INDEX payment_approval_one_word ON payment_approval (tenant_id, payment_id, person);
CREATE UNIQUE INDEX payment_batch_approval_one_word ON payment_batch_approval (tenant_id, batch_id, person);
CREATE UNIQUE INDEX payment_schedule_approval_one_word ON payment_schedule_approval (tenant_id, schedule_id, person);
CREATE UNIQUE INDEX approval_decision_one_word ON approval_decision (tenant_id, request_id, person);

CREATE OR REPLACE FUNCTION payment_approval_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.person := person_of(NEW.approver);
    IF EXISTS (SELECT FROM payment p WHERE p.tenant_id = NEW.tenant_id AND p.payment_id = NEW.payment_id
                  AND person_of(p.initiated_by) = NEW.person) THEN
        RAISE EXCEPTION 'who initiated a payment does not approve it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_approval_four_eyes';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION payment_batch_approval_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.person := person_of(NEW.approver);
    IF EXISTS (SELECT FROM payment_batch b WHERE b.tenant_id = NEW.tenant_id AND b.batch_id = NEW.batch_id
                  AND NEW.person IN (person_of(b.initiated_by), person_of(b.submitted_by))) THEN
        RAISE EXCEPTION 'who sent a batch in does not approve it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_batch_approval_four_eyes';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION payment_schedule_approval_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.person := person_of(NEW.approver);
    IF EXISTS (SELECT FROM payment_schedule s WHERE s.tenant_id = NEW.tenant_id AND s.schedule_id = NEW.schedule_id
                  AND person_of(s.requested_by) = NEW.person) THEN
        RAISE EXCEPTION 'who orders a schedule does not approve it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_schedule_approval_four_eyes';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION approval_decision_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.person := person_of(NEW.approver);
    IF EXISTS (SELECT FROM approval_request r WHERE r.tenant_id = NEW.tenant_id AND r.request_id = NEW.request_id
                  AND person_of(r.requested_by) = NEW.person) THEN
        RAISE EXCEPTION 'who asks for an act does not decide on it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_decision_four_eyes';
    END IF;
    RETURN NEW;
END $$;

-- Limits and approvals of payments change only when another person has agreed.
CREATE FUNCTION payment_policy_change_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF person_of(NEW.proposed_by) = person_of(NEW.decided_by) THEN
        RAISE EXCEPTION 'who proposes a change does not put it in force'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payment_policy_change_two_people';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_policy_change_guard BEFORE UPDATE ON payment_policy_change
    FOR EACH ROW WHEN (NEW.status = 'active' AND OLD.status <> 'active' AND NEW.kind IN ('limit', 'approval')
                       AND NEW.proposed_by <> NEW.decided_by)
    EXECUTE FUNCTION payment_policy_change_guard();

-- A rail may move more than was ordered: what was too much waits in suspense.
ALTER TABLE payment_exception DROP CONSTRAINT payment_exception_kind_known;
ALTER TABLE payment_exception ADD CONSTRAINT payment_exception_kind_known CHECK (kind IN ('late_success',
    'integrity_mismatch', 'contradiction', 'given_up_asking', 'books_refused', 'reversed_by_rail', 'paid_more'));
