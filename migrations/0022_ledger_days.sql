-- What reads stand on: turnover per account and value date, folded behind the postings; daily snapshots; and the
-- change of an accounting period's status.
--
--   deferred accounts  increments in ledger_delta are added to ledger_balance and to the day, and deleted, in one statement
--   strict accounts    entries above the account's mark in ledger_fold are added to the day, and the mark is moved
-- A read adds what is not folded yet (ledger_movement, in one statement), so it is exact whether the folder runs or not.

-- Posted turnover of one account on one value date, as far as it is folded.
-- first_version, last_version: where the day's entries of a strict account lie; a statement over dates reads only these.
CREATE TABLE ledger_balance_day (
    tenant_id     uuid   NOT NULL,
    account_id    uuid   NOT NULL,
    value_on      date   NOT NULL,
    debit_minor   bigint NOT NULL,
    credit_minor  bigint NOT NULL,
    first_version bigint,
    last_version  bigint,
    CONSTRAINT ledger_balance_day_pk PRIMARY KEY (tenant_id, account_id, value_on),
    CONSTRAINT ledger_balance_day_minor_ck CHECK (debit_minor >= 0 AND credit_minor >= 0)
) WITH (fillfactor = 80);

-- How far a strict account is folded: every entry up to this version is in its days.
CREATE TABLE ledger_fold (
    tenant_id  uuid   NOT NULL,
    account_id uuid   NOT NULL,
    version    bigint NOT NULL,
    CONSTRAINT ledger_fold_pk PRIMARY KEY (tenant_id, account_id),
    CONSTRAINT ledger_fold_version_ck CHECK (version >= 0)
) WITH (fillfactor = 60);

-- What was known of an account at the end of a day (everything booked before known_until). Never changes: made only
-- after the fence has shown that no posting of that day is still under way.
CREATE TABLE ledger_snapshot (
    tenant_id      uuid        NOT NULL,
    account_id     uuid        NOT NULL,
    on_date        date        NOT NULL,
    known_until    timestamptz NOT NULL,
    version        bigint,
    posted_debit   numeric NOT NULL,
    posted_credit  numeric NOT NULL,
    pending_debit  numeric NOT NULL,
    pending_credit numeric NOT NULL,
    CONSTRAINT ledger_snapshot_pk PRIMARY KEY (tenant_id, account_id, on_date)
);
CREATE TABLE ledger_snapshot_day (
    tenant_id   uuid        NOT NULL,
    on_date     date        NOT NULL,
    known_until timestamptz NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ledger_snapshot_day_pk PRIMARY KEY (tenant_id, on_date)
);

-- Turnover of each account in a closed period. Nothing can be booked there any more, so it stays true.
CREATE TABLE ledger_period_turnover (
    tenant_id    uuid        NOT NULL,
    period_id    uuid        NOT NULL,
    account_id   uuid        NOT NULL,
    debit_minor  bigint NOT NULL,
    credit_minor bigint NOT NULL,
    CONSTRAINT ledger_period_turnover_pk PRIMARY KEY (tenant_id, period_id, account_id)
);
CREATE TABLE ledger_period_closing (
    tenant_id      uuid        NOT NULL,
    period_id      uuid        NOT NULL,
    closed_at      timestamptz NOT NULL,
    CONSTRAINT ledger_period_closing_pk PRIMARY KEY (tenant_id, period_id)
);
-- Transactions that carried income and expenses to retained earnings; profit and loss leaves them out.
CREATE TABLE ledger_closing_txn (
    tenant_id uuid NOT NULL,
    txn_id    uuid NOT NULL,
    period_id uuid NOT NULL,
    CONSTRAINT ledger_closing_txn_pk PRIMARY KEY (tenant_id, txn_id)
);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['ledger_balance_day', 'ledger_fold', 'ledger_snapshot', 'ledger_period_turnover'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY %1$I ON %2$I TO omniroute_app, omniroute_worker USING (tenant_id = current_tenant() '
                       'AND (current_branches() IS NULL OR EXISTS (SELECT FROM ledger_balance b '
                       'WHERE b.tenant_id = %2$I.tenant_id AND b.account_id = %2$I.account_id)))', t || '_tenant', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['ledger_snapshot_day', 'ledger_period_closing', 'ledger_closing_txn'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY %I ON %I TO omniroute_app, omniroute_worker USING (tenant_id = current_tenant())', t || '_tenant', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['ledger_balance_day', 'ledger_fold', 'ledger_snapshot', 'ledger_period_turnover',
                             'ledger_snapshot_day', 'ledger_period_closing', 'ledger_closing_txn'] LOOP
        EXECUTE format('CREATE POLICY %I ON %I FOR SELECT TO omniroute_worker USING (true)', t || '_worker', t);
        EXECUTE format('GRANT SELECT ON %I TO omniroute_app, omniroute_worker', t);
    END LOOP;
END $$;

-- What a strict account booked after the mark, by value date. Its settings keep it on the index whatever the
-- planner believes about the mark.
CREATE FUNCTION ledger_tail(p_tenant uuid, p_account uuid, p_mark bigint)
    RETURNS TABLE (value_on date, debit_minor bigint, credit_minor bigint)
    LANGUAGE sql STABLE ROWS 5
    SET search_path = omniroute, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    SELECT e.value_on, CASE e.side WHEN 'd' THEN e.amount_minor ELSE 0 END, CASE e.side WHEN 'c' THEN e.amount_minor ELSE 0 END
      FROM ledger_entry e
     WHERE e.tenant_id = p_tenant AND e.account_id = p_account AND e.version > p_mark AND e.layer = 'p'
$$;

-- Every posted movement: folded days, and what is not folded yet. Read it in one statement.
CREATE VIEW ledger_movement WITH (security_invoker = true) AS
SELECT tenant_id, account_id, value_on, debit_minor, credit_minor FROM ledger_balance_day
UNION ALL
SELECT b.tenant_id, b.account_id, t.value_on, t.debit_minor, t.credit_minor
  FROM ledger_balance b
  LEFT JOIN ledger_fold f ON f.tenant_id = b.tenant_id AND f.account_id = b.account_id
 CROSS JOIN LATERAL ledger_tail(b.tenant_id, b.account_id, coalesce(f.version, 0)) t
 WHERE NOT b.deferred AND b.version > coalesce(f.version, 0)
UNION ALL
SELECT tenant_id, account_id, value_on, posted_debit, posted_credit FROM ledger_delta;
GRANT SELECT ON ledger_movement TO omniroute_app, omniroute_worker;

-- The last version of a strict account that was booked at or before an instant (0: none). Booking instants of one
-- account rise with its versions, because the clock is read while its lock is held: halving finds it in a few probes.
CREATE FUNCTION ledger_version_at(p_tenant uuid, p_account uuid, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql STABLE SET search_path = omniroute, pg_temp SET enable_seqscan = off AS $$
DECLARE
    low bigint := 0;
    high bigint;
    middle bigint;
    seen timestamptz;
BEGIN
    SELECT version INTO high FROM ledger_balance WHERE tenant_id = p_tenant AND account_id = p_account;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        SELECT booked_at INTO seen FROM ledger_entry WHERE tenant_id = p_tenant AND account_id = p_account AND version = middle;
        IF seen <= p_at THEN low := middle; ELSE high := middle - 1; END IF;
    END LOOP;
    RETURN low;
END $$;

-- Deferred accounts: move increments into the counters and the days; how many were moved.
CREATE FUNCTION ledger_fold_deferred(p_tenant uuid, p_limit integer) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
DECLARE
    moved bigint;
BEGIN
    PERFORM ledger_check_tenant(p_tenant);
    -- One folder a tenant; the statement below begins after the wait, so it sees what the other has done.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_tenant::text, 7262));
    WITH gone AS (
        DELETE FROM ledger_delta d
         WHERE d.tenant_id = p_tenant
           AND d.ctid = ANY (ARRAY(SELECT x.ctid FROM ledger_delta x WHERE x.tenant_id = p_tenant LIMIT p_limit))
        RETURNING d.*
    ), counters AS (
        UPDATE ledger_balance b
           SET posted_debit = b.posted_debit + s.posted_debit, posted_credit = b.posted_credit + s.posted_credit,
               pending_debit = b.pending_debit + s.pending_debit, pending_credit = b.pending_credit + s.pending_credit,
               version = b.version + s.entry_count
          FROM (SELECT account_id, sum(posted_debit) AS posted_debit, sum(posted_credit) AS posted_credit,
                       sum(pending_debit) AS pending_debit, sum(pending_credit) AS pending_credit, sum(entry_count) AS entry_count
                  FROM gone GROUP BY account_id) s
         WHERE b.tenant_id = p_tenant AND b.account_id = s.account_id
    ), days AS (
        INSERT INTO ledger_balance_day AS y (tenant_id, account_id, value_on, debit_minor, credit_minor)
        SELECT p_tenant, account_id, value_on, sum(posted_debit), sum(posted_credit) FROM gone
         GROUP BY account_id, value_on HAVING sum(posted_debit) > 0 OR sum(posted_credit) > 0
        ON CONFLICT (tenant_id, account_id, value_on) DO UPDATE
           SET debit_minor = y.debit_minor + excluded.debit_minor, credit_minor = y.credit_minor + excluded.credit_minor
    )
    SELECT count(*) INTO moved FROM gone;
    RETURN moved;
END $$;

-- Strict accounts: add entries above the mark to the days and move the mark; how many entries were added.
CREATE FUNCTION ledger_fold_strict(p_tenant uuid, p_limit integer) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = omniroute, pg_temp SET enable_mergejoin = off AS $$
DECLARE
    added bigint;
BEGIN
    PERFORM ledger_check_tenant(p_tenant);
    PERFORM pg_advisory_xact_lock(hashtextextended(p_tenant::text, 7262));
    WITH behind AS MATERIALIZED (
        SELECT b.account_id, coalesce(f.version, 0) AS mark, least(b.version, coalesce(f.version, 0) + p_limit) AS upto
          FROM ledger_balance b LEFT JOIN ledger_fold f ON f.tenant_id = b.tenant_id AND f.account_id = b.account_id
         WHERE b.tenant_id = p_tenant AND NOT b.deferred AND b.version > coalesce(f.version, 0)
         LIMIT greatest(p_limit / 16, 1)
    ), chosen AS MATERIALIZED (
        SELECT * FROM (SELECT *, sum(upto - mark) OVER (ORDER BY account_id) - (upto - mark) AS before FROM behind) s WHERE before < p_limit
    ), news AS MATERIALIZED (
        SELECT c.account_id, e.value_on, sum(CASE e.side WHEN 'd' THEN e.amount_minor ELSE 0 END) AS debit,
               sum(CASE e.side WHEN 'c' THEN e.amount_minor ELSE 0 END) AS credit,
               min(e.version) AS first_version, max(e.version) AS last_version
          FROM chosen c CROSS JOIN LATERAL (
                SELECT * FROM ledger_entry n WHERE n.tenant_id = p_tenant AND n.account_id = c.account_id
                   AND n.version > c.mark AND n.version <= c.upto AND n.layer = 'p' OFFSET 0) e
         GROUP BY c.account_id, e.value_on
    ), days AS (
        INSERT INTO ledger_balance_day AS y (tenant_id, account_id, value_on, debit_minor, credit_minor, first_version, last_version)
        SELECT p_tenant, account_id, value_on, debit, credit, first_version, last_version FROM news
        ON CONFLICT (tenant_id, account_id, value_on) DO UPDATE
           SET debit_minor = y.debit_minor + excluded.debit_minor, credit_minor = y.credit_minor + excluded.credit_minor,
               first_version = least(y.first_version, excluded.first_version), last_version = greatest(y.last_version, excluded.last_version)
    ), marks AS (
        INSERT INTO ledger_fold AS k (tenant_id, account_id, version)
        SELECT p_tenant, account_id, upto FROM chosen
        ON CONFLICT (tenant_id, account_id) DO UPDATE SET version = excluded.version
    )
    SELECT coalesce(sum(upto - mark), 0) INTO added FROM chosen;
    RETURN added;
END $$;

-- The guarded functions below work for the transaction's tenant only; one without a tenant is background work.
CREATE FUNCTION ledger_check_tenant(p_tenant uuid) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = omniroute, pg_temp AS $$
BEGIN
    IF p_tenant IS DISTINCT FROM current_tenant() THEN
        RAISE EXCEPTION 'the transaction works for another tenant' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF current_branches() IS NOT NULL THEN
        RAISE EXCEPTION 'this is work for the whole tenant' USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

-- Daily snapshot of what was known at the end of a day. false: it exists already, or the day is not over.
-- Call ledger_wait_for_postings in an earlier transaction.
CREATE FUNCTION ledger_take_snapshot(p_tenant uuid, p_date date) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
DECLARE
    v_until timestamptz := (p_date + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    PERFORM ledger_check_tenant(p_tenant);
    IF v_until >= clock_timestamp() THEN RETURN false; END IF;
    INSERT INTO ledger_snapshot_day (tenant_id, on_date, known_until) VALUES (p_tenant, p_date, v_until) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN false; END IF;
    -- Each from the account's last snapshot on; an account that did not move since has none of its own for this day.
    INSERT INTO ledger_snapshot (tenant_id, account_id, on_date, known_until, version, posted_debit, posted_credit, pending_debit, pending_credit)
    SELECT p_tenant, b.account_id, p_date, v_until, CASE WHEN b.deferred THEN NULL ELSE coalesce(s.version, 0) + m.entry_count END,
           coalesce(s.posted_debit, 0) + m.posted_debit, coalesce(s.posted_credit, 0) + m.posted_credit,
           coalesce(s.pending_debit, 0) + m.pending_debit, coalesce(s.pending_credit, 0) + m.pending_credit
      FROM ledger_balance b
      LEFT JOIN LATERAL (
            SELECT * FROM ledger_snapshot x WHERE x.tenant_id = p_tenant AND x.account_id = b.account_id AND x.on_date < p_date
             ORDER BY x.on_date DESC LIMIT 1) s ON true
     CROSS JOIN LATERAL ledger_booked(p_tenant, b.account_id, b.deferred, s.version, s.known_until, v_until) m
     WHERE b.tenant_id = p_tenant AND m.entry_count > 0;
    RETURN true;
END $$;

-- Turnover of an account booked from one instant (a strict account: above one version) until before another.
CREATE FUNCTION ledger_booked(p_tenant uuid, p_account uuid, p_deferred boolean, p_version bigint, p_from timestamptz, p_until timestamptz,
                              OUT posted_debit numeric, OUT posted_credit numeric, OUT pending_debit numeric, OUT pending_credit numeric,
                              OUT entry_count bigint)
    LANGUAGE plpgsql STABLE SET search_path = omniroute, pg_temp SET enable_seqscan = off AS $$
DECLARE
    v_last bigint;
BEGIN
    IF p_deferred THEN
        SELECT coalesce(sum(e.amount_minor) FILTER (WHERE e.layer = 'p' AND e.side = 'd'), 0), coalesce(sum(e.amount_minor) FILTER (WHERE e.layer = 'p' AND e.side = 'c'), 0),
               coalesce(sum(e.amount_minor) FILTER (WHERE e.layer = 'h' AND e.side = 'd'), 0), coalesce(sum(e.amount_minor) FILTER (WHERE e.layer = 'h' AND e.side = 'c'), 0), count(*)
          INTO posted_debit, posted_credit, pending_debit, pending_credit, entry_count
          FROM ledger_entry e
         WHERE e.tenant_id = p_tenant AND e.account_id = p_account AND e.version IS NULL
           AND e.booked_at >= coalesce(p_from, '-infinity') AND e.booked_at < p_until;
    ELSE
        v_last := ledger_version_at(p_tenant, p_account, p_until - interval '1 microsecond');
        SELECT coalesce(sum(e.amount_minor) FILTER (WHERE e.layer = 'p' AND e.side = 'd'), 0), coalesce(sum(e.amount_minor) FILTER (WHERE e.layer = 'p' AND e.side = 'c'), 0),
               coalesce(sum(e.amount_minor) FILTER (WHERE e.layer = 'h' AND e.side = 'd'), 0), coalesce(sum(e.amount_minor) FILTER (WHERE e.layer = 'h' AND e.side = 'c'), 0), count(*)
          INTO posted_debit, posted_credit, pending_debit, pending_credit, entry_count
          FROM ledger_entry e
         WHERE e.tenant_id = p_tenant AND e.account_id = p_account AND e.version > coalesce(p_version, 0) AND e.version <= v_last;
    END IF;
END $$;

-- Returns when every posting that was under way has ended. Later ones read a later clock.
CREATE FUNCTION ledger_wait_for_postings(p_tenant uuid) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
BEGIN
    PERFORM ledger_check_tenant(p_tenant);
    PERFORM pg_advisory_xact_lock(ledger_fence(p_tenant));
END $$;

-- A new period. Refused (NULL) when it overlaps another.
CREATE FUNCTION ledger_create_period(p_tenant uuid, p_period uuid, p_name text, p_from date, p_to date, p_by text) RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
DECLARE
    v_at timestamptz := clock_timestamp();
BEGIN
    PERFORM ledger_check_tenant(p_tenant);
    PERFORM pg_advisory_xact_lock(hashtextextended(p_tenant::text, 7263));
    IF EXISTS (SELECT FROM ledger_period WHERE tenant_id = p_tenant AND (name = p_name OR (starts_on <= p_to AND ends_on >= p_from))) THEN
        RETURN NULL;
    END IF;
    INSERT INTO ledger_period (tenant_id, period_id, name, starts_on, ends_on, changed_at, changed_by)
    VALUES (p_tenant, p_period, p_name, p_from, p_to, v_at, p_by);
    RETURN v_at;
END $$;

-- Take a period for a change: no posting of the tenant is under way, and none begins before the commit.
CREATE FUNCTION ledger_lock_period(p_tenant uuid, p_period uuid) RETURNS SETOF ledger_period
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
BEGIN
    PERFORM ledger_check_tenant(p_tenant);
    PERFORM pg_advisory_xact_lock(ledger_fence(p_tenant));
    RETURN QUERY SELECT * FROM ledger_period WHERE tenant_id = p_tenant AND period_id = p_period FOR NO KEY UPDATE;
END $$;

-- What a period's seal stands for: each account's turnover in it, in order.
CREATE FUNCTION ledger_period_root(p_tenant uuid, p_period uuid) RETURNS bytea
    LANGUAGE sql STABLE SET search_path = omniroute, pg_temp AS $$
    SELECT sha256(coalesce(string_agg(sha256(convert_to(account_id::text || '|' || debit_minor || '|' || credit_minor, 'UTF8')), '' ORDER BY account_id), ''))
      FROM ledger_period_turnover WHERE tenant_id = p_tenant AND period_id = p_period
$$;
CREATE FUNCTION ledger_seal_hash(p_tenant uuid, p_period uuid) RETURNS bytea
    LANGUAGE sql STABLE SET search_path = omniroute, pg_temp AS $$
    SELECT sha256(convert_to('omniroute seal 1|' || p.tenant_id || '|' || p.period_id || '|' || to_char(p.starts_on, 'YYYY-MM-DD') || '|'
                             || to_char(p.ends_on, 'YYYY-MM-DD') || '|', 'UTF8')
                  || coalesce((SELECT q.state_hash FROM ledger_period q WHERE q.tenant_id = p_tenant AND q.ends_on < p.starts_on
                                ORDER BY q.ends_on DESC LIMIT 1), '\x')
                  || ledger_period_root(p_tenant, p_period))
      FROM ledger_period p WHERE p.tenant_id = p_tenant AND p.period_id = p_period
$$;

-- Change a period's status; what stands in the way, or NULL.
--   open <-> soft_closed -> closed -> sealed;  open -> closed;  closed -> soft_closed
CREATE FUNCTION ledger_set_period(p_tenant uuid, p_period uuid, p_status text, p_by text) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
DECLARE
    p ledger_period;
    v_folded bigint;
BEGIN
    SELECT * INTO p FROM ledger_lock_period(p_tenant, p_period);
    IF p.period_id IS NULL THEN RETURN 'ledger.period_not_found'; END IF;
    IF (p.status, p_status) NOT IN (('open', 'soft_closed'), ('soft_closed', 'open'), ('open', 'closed'), ('soft_closed', 'closed'),
                                    ('closed', 'soft_closed'), ('closed', 'sealed')) THEN
        RETURN 'ledger.period_transition';
    END IF;
    IF p_status = 'sealed' AND EXISTS (SELECT FROM ledger_period q WHERE q.tenant_id = p_tenant AND q.ends_on < p.starts_on AND q.status <> 'sealed') THEN
        RETURN 'ledger.period_out_of_order';
    END IF;
    IF p_status = 'closed' THEN
        LOOP
            v_folded := ledger_fold_deferred(p_tenant, 100000) + ledger_fold_strict(p_tenant, 100000);
            EXIT WHEN v_folded = 0;
        END LOOP;
        INSERT INTO ledger_period_turnover (tenant_id, period_id, account_id, debit_minor, credit_minor)
        SELECT p_tenant, p_period, account_id, sum(debit_minor), sum(credit_minor) FROM ledger_balance_day
         WHERE tenant_id = p_tenant AND value_on BETWEEN p.starts_on AND p.ends_on GROUP BY account_id;
        INSERT INTO ledger_period_closing (tenant_id, period_id, closed_at) VALUES (p_tenant, p_period, clock_timestamp());
    ELSIF p.status = 'closed' AND p_status = 'soft_closed' THEN
        DELETE FROM ledger_period_turnover WHERE tenant_id = p_tenant AND period_id = p_period;
        DELETE FROM ledger_period_closing WHERE tenant_id = p_tenant AND period_id = p_period;
    END IF;
    UPDATE ledger_period
       SET status = p_status, changed_at = clock_timestamp(), changed_by = p_by, revision = revision + 1,
           state_hash = CASE p_status WHEN 'sealed' THEN ledger_seal_hash(p_tenant, p_period) END
     WHERE tenant_id = p_tenant AND period_id = p_period;
    RETURN NULL;
END $$;

-- Remember that a transaction carried a period's result to retained earnings; only while that period may still be closed.
CREATE FUNCTION ledger_mark_closing(p_tenant uuid, p_period uuid, p_txn uuid) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
BEGIN
    PERFORM ledger_check_tenant(p_tenant);
    INSERT INTO ledger_closing_txn (tenant_id, txn_id, period_id)
    SELECT x.tenant_id, x.txn_id, p.period_id FROM ledger_txn x JOIN ledger_period p ON p.tenant_id = x.tenant_id
     WHERE x.tenant_id = p_tenant AND x.txn_id = p_txn AND p.period_id = p_period AND p.status IN ('open', 'soft_closed')
       AND x.value_on = p.ends_on;
END $$;

-- A fingerprint of the books: every account and its turnover, in order. A replay of the log gives the same.
CREATE FUNCTION ledger_state_line(p_account uuid, p_code text, p_type text, p_side text, p_currency text, p_mode text,
                                  p_pd numeric, p_pc numeric, p_hd numeric, p_hc numeric) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN sha256(convert_to(concat_ws('|', p_account, p_code, p_type, p_side, p_currency, p_mode, trunc(p_pd), trunc(p_pc), trunc(p_hd), trunc(p_hc)), 'UTF8'));

REVOKE ALL ON FUNCTION ledger_tail, ledger_version_at, ledger_fold_deferred, ledger_fold_strict, ledger_check_tenant, ledger_take_snapshot, ledger_booked,
    ledger_wait_for_postings, ledger_create_period, ledger_lock_period, ledger_period_root, ledger_seal_hash, ledger_set_period, ledger_mark_closing,
    ledger_state_line FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_tail, ledger_version_at, ledger_check_tenant, ledger_booked, ledger_wait_for_postings, ledger_period_root,
    ledger_seal_hash, ledger_state_line TO omniroute_app, omniroute_worker;
GRANT EXECUTE ON FUNCTION ledger_fold_deferred, ledger_fold_strict, ledger_take_snapshot TO omniroute_worker;
GRANT EXECUTE ON FUNCTION ledger_create_period, ledger_lock_period, ledger_set_period, ledger_mark_closing TO omniroute_app;
