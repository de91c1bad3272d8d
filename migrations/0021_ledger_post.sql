-- ledger_post: the only writer of transactions, entries, counters and holds.
--
-- One call books any batch in one round trip, with the exact outcome of its items one after the other:
--   1 fence      shared lock that a period close or a freeze of a deferred account takes exclusively
--   2 claims     idempotency keys and references, in one sorted INSERT; waits for the same key in flight
--   3 locks      counters of strict accounts, sorted; then holds, sorted; then reversal totals
--   4 fold       every item over arrays: build effects, apply, check limits, undo on refusal; no DML in the loop
--   5 write      one statement a table
-- What is true of the whole call (all accounts open, one currency, nothing held, no amount near the end of the range)
-- is asked once before the fold, which then leaves those questions out.
-- Locks are always taken in this order and sorted within each step, so two calls cannot deadlock.
--
-- Refusals, in order of precedence: key with another body, duplicate reference, unknown account, account not open,
-- currency mismatch, period closed, then for captures, voids and reversals their source (unknown, resolved, expired,
-- beyond what is left), then conditions, overflow, floor, ceiling; a refusal in a linked group refuses the group.
--
-- Arrays are 1-based. Items i = 1..n; the legs of item i are p_leg_*[p_leg_from[i] .. p_leg_to[i]], and p_leg_item leads
-- back. Arrays are taken apart by `SELECT unnest(a), unnest(b)`, side by side: as `FROM unnest(a, b)` each would be
-- copied into a store of its own first.
--   p_kind     p posting, h hold, c capture, v void, x expiry, r reversal
--   p_accounts every account that legs and conditions name, once, sorted; they refer to it by index
--   p_sources  holds and transactions that items resolve or reverse
--   p_source   item -> index into p_sources (0: none)
--   p_linked   items of one linked group share a number > 0 and stand together (0: alone)
--   p_leg_currency  of each leg, or one for all of them
--   p_amount   capture and reversal of a two-legged source: how much (NULL: all that is left)
--   p_final    capture: release what it leaves
--   p_late     a value date in a closed period moves to the next open one, the original date is kept
--   p_soft     the caller may post into soft-closed periods
--   p_cond_*   conditions on items: kind a (available >= value) or v (version = value)
--   Arrays of what few items have (references, metadata, conditions ...) may be NULL when no item has any.
--   p_at       the instant to book at; NULL: the clock, read after the locks are held
-- The answer, by item; NULL for the whole array where there is nothing to say:
--   o_code, o_facts     why it was refused (no item was)
--   o_replayed, o_txn   its key had an outcome already, and the transaction behind it (no key had)
--   o_value_on          where it was placed (all where they asked)
-- and by leg of postings and holds that were booked: o_leg_balance, o_leg_version (NULL: deferred).
CREATE FUNCTION ledger_post(
    p_tenant uuid, p_branches uuid[], p_accounts uuid[], p_sources uuid[],
    p_txn uuid[], p_kind "char"[], p_claim uuid[], p_hash uuid[], p_reference text[], p_ref_claim uuid[],
    p_value_on date[], p_late boolean[], p_soft boolean[], p_linked integer[], p_linked_id uuid[], p_source integer[],
    p_expires timestamptz[], p_group uuid[], p_final boolean[], p_amount bigint[], p_meta jsonb[],
    p_correlation uuid[], p_causation uuid[], p_actor text[], p_channel text[],
    p_leg_from integer[], p_leg_to integer[],
    p_leg_item integer[], p_leg_account integer[], p_leg_side integer[], p_leg_amount bigint[], p_leg_currency text[],
    p_cond_item integer[], p_cond_account integer[], p_cond_kind "char"[], p_cond_value bigint[],
    p_at timestamptz,
    OUT o_code text[], OUT o_facts jsonb[], OUT o_replayed boolean[], OUT o_txn uuid[], OUT o_value_on date[],
    OUT o_booked_at timestamptz, OUT o_leg_balance bigint[], OUT o_leg_version bigint[]
)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = omniroute, pg_temp
    -- One plan that is right for any statistics, none included: big tables are reached by `= ANY (keys)` on their
    -- index, and joined to the arguments by hash. A nested loop would read a whole tenant when it is thought small.
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off
    SET enable_nestloop = off
AS $$
DECLARE
    c_max CONSTANT bigint := 9223372036854775807;
    c_deferred CONSTANT bigint := 72057594037927936;
    n integer := cardinality(p_txn);
    n_legs integer := cardinality(p_leg_account);
    v_at timestamptz;
    v_rows bigint;
    v_booked boolean[];
    v_first date;
    v_last date;
    v_periods boolean;
    v_conditions boolean := cardinality(p_cond_item) > 0;
    v_alike boolean;
    v_held boolean;
    v_limited boolean;
    v_far boolean;
    v_linked boolean := p_linked IS NOT NULL;
    v_currency text;
    v_cond integer := 1;
    rec record;
    -- accounts
    accounts uuid[] := p_accounts;
    a_of integer[];
    v_ids uuid[];
    a_row tid[];
    v_same boolean;
    na integer;
    a_status "char"[]; a_currency text[]; a_normal integer[]; a_deferred boolean[];
    a_floor bigint[]; a_ceiling bigint[]; a_version bigint[]; a_version_was bigint[];
    pd bigint[]; pc bigint[]; hd bigint[]; hc bigint[];
    -- sources: kind h hold, t transaction; state 0 absent, 1 open, 2 resolved, 3 not of a kind that can be reversed
    s_kind "char"[]; s_state integer[]; s_expires timestamptz[]; s_from integer[]; s_to integer[];
    s_touched boolean[];
    nl integer := 0;
    sl_source integer[]; sl_leg integer[]; sl_account integer[]; sl_side integer[]; sl_amount bigint[]; sl_left bigint[];
    sl_taken bigint[]; sl_released bigint[];
    v_resolving boolean := cardinality(p_sources) > 0;
    -- legs of postings and holds, as they will be entries: the account as an index into accounts, the counters after it
    l_account integer[] := p_leg_account;
    l_debit_held bigint[]; l_credit_held bigint[];
    l_done integer;
    -- entries made of sources: layer 1 posted, 2 held; use 0 none, 1 captured, 2 released, 3 reversed
    ne integer := 0;
    e_item integer[] := '{}'; e_leg integer[] := '{}'; e_account integer[] := '{}'; e_side integer[] := '{}'; e_layer integer[] := '{}';
    e_amount bigint[] := '{}'; e_balance bigint[] := '{}'; e_version bigint[] := '{}'; e_hd bigint[] := '{}'; e_hc bigint[] := '{}';
    e_source_leg integer[] := '{}'; e_use integer[] := '{}';
    -- loop
    i integer; j integer; k integer; l integer; a integer; s integer; t integer;
    j0 integer; e0 integer; e1 integer; g integer := 0; g_first integer; g_entry integer; g_refused boolean := false; g_facts jsonb;
    v_code text; v_facts jsonb; v_kind "char"; v_side integer; v_amount bigint; v_left bigint; v_legs integer;
    v_balance bigint; v_available bigint; v_room bigint; v_date date; v_moved date;
    v_refused boolean := false; v_replayed boolean := false; v_earlier boolean; v_later boolean;
    v_xid bigint;
BEGIN
    IF p_tenant IS DISTINCT FROM coalesce(current_tenant(), p_tenant) THEN
        RAISE EXCEPTION 'the transaction works for another tenant' USING ERRCODE = 'insufficient_privilege';
    END IF;
    o_code := array_fill(NULL::text, ARRAY[n]);
    o_facts := array_fill(NULL::jsonb, ARRAY[n]);
    o_replayed := array_fill(false, ARRAY[n]);
    o_txn := p_txn;
    o_value_on := p_value_on;

    -- 1 fence
    PERFORM pg_advisory_xact_lock_shared(ledger_fence(p_tenant));

    -- 2 claims; a claim is ours when it names our transaction
    IF p_claim IS NOT NULL OR p_ref_claim IS NOT NULL THEN
        -- Nearly always all are new. ON CONFLICT looks for each before it inserts, so it is the second attempt.
        BEGIN
            INSERT INTO ledger_claim (tenant_id, claim_id, kind, txn_id, body_hash)
            SELECT p_tenant, w.claim_id, w.kind, w.txn_id, w.body_hash
              FROM ledger_claims(p_txn, p_claim, p_hash, p_ref_claim) w ORDER BY w.claim_id;
        EXCEPTION WHEN unique_violation THEN
            v_replayed := true;
        END;
        IF v_replayed THEN
            INSERT INTO ledger_claim (tenant_id, claim_id, kind, txn_id, body_hash)
            SELECT p_tenant, w.claim_id, w.kind, w.txn_id, w.body_hash
              FROM ledger_claims(p_txn, p_claim, p_hash, p_ref_claim) w ORDER BY w.claim_id
            ON CONFLICT DO NOTHING;
            -- A later statement, so that it sees what the INSERT waited for.
            FOR rec IN
                SELECT u.i, u.h, q.txn_id, q.body_hash, q.refusal, q.facts
                  FROM unnest(p_claim, p_hash, p_txn) WITH ORDINALITY u(c, h, x, i)
                  JOIN ledger_claim q ON q.tenant_id = p_tenant AND q.claim_id = ANY (p_claim) AND q.claim_id = u.c
                 WHERE q.txn_id IS DISTINCT FROM u.x
            LOOP
                IF rec.body_hash IS DISTINCT FROM rec.h THEN
                    o_code[rec.i] := 'ledger.key_reused';
                ELSE
                    o_replayed[rec.i] := true;
                    o_txn[rec.i] := rec.txn_id;
                    o_code[rec.i] := rec.refusal;
                    o_facts[rec.i] := rec.facts;
                END IF;
            END LOOP;
            FOR rec IN
                SELECT u.i, q.txn_id
                  FROM unnest(p_ref_claim, p_txn) WITH ORDINALITY u(r, x, i)
                  JOIN ledger_claim q ON q.tenant_id = p_tenant AND q.claim_id = ANY (p_ref_claim) AND q.claim_id = u.r
                 WHERE q.txn_id IS DISTINCT FROM u.x
            LOOP
                IF NOT o_replayed[rec.i] AND o_code[rec.i] IS NULL THEN
                    o_code[rec.i] := 'ledger.duplicate_reference';
                    o_facts[rec.i] := jsonb_build_object('transaction', rec.txn_id);
                END IF;
            END LOOP;
        END IF;
    END IF;

    -- 3 locks: what sources touch joins the accounts first, so that all counters are locked in one pass.
    -- p_accounts is sorted, and so is everything made of it.
    IF v_resolving THEN
        SELECT array_agg(u.account_id ORDER BY u.account_id) INTO accounts
          FROM (SELECT h.account_id FROM ledger_hold_leg h WHERE h.tenant_id = p_tenant AND h.hold_id = ANY (p_sources)
                UNION
                SELECT e.account_id FROM ledger_entry e WHERE e.tenant_id = p_tenant AND e.txn_id = ANY (p_sources)
                UNION
                SELECT unnest(p_accounts)) u;
    END IF;
    SELECT count(*), array_agg(account_id), array_agg(row_at),
           array_agg(CASE WHEN p_branches IS NULL OR branch_id = ANY (p_branches) THEN status ELSE 'u' END),
           array_agg(currency::text), array_agg(CASE normal_side WHEN 'd' THEN 1 ELSE -1 END), array_agg(false),
           array_agg(floor_minor), array_agg(ceiling_minor), array_agg(version),
           array_agg(posted_debit), array_agg(posted_credit), array_agg(pending_debit), array_agg(pending_credit)
      INTO na, v_ids, a_row, a_status, a_currency, a_normal, a_deferred, a_floor, a_ceiling, a_version, pd, pc, hd, hc
      FROM (SELECT *, ctid AS row_at FROM ledger_balance
             WHERE tenant_id = p_tenant AND account_id = ANY (accounts) AND NOT deferred
             ORDER BY account_id FOR NO KEY UPDATE) locked;
    IF na < coalesce(cardinality(accounts), 0) THEN
        -- Deferred ones are read unlocked, unknown ones are marked; all behind the strict ones.
        SELECT v_ids || array_agg(id),
               a_status || array_agg(CASE WHEN deferred AND (p_branches IS NULL OR branch_id = ANY (p_branches)) THEN status ELSE 'u' END),
               a_currency || array_agg(currency::text), a_normal || array_agg(CASE normal_side WHEN 'd' THEN 1 ELSE -1 END),
               a_deferred || array_agg(true), a_floor || array_agg(NULL::bigint), a_ceiling || array_agg(NULL::bigint),
               a_version || array_agg(0::bigint), pd || array_agg(0::bigint), pc || array_agg(0::bigint),
               hd || array_agg(0::bigint), hc || array_agg(0::bigint)
          INTO v_ids, a_status, a_currency, a_normal, a_deferred, a_floor, a_ceiling, a_version, pd, pc, hd, hc
          FROM (SELECT q.id, b.* FROM (SELECT unnest(accounts) AS id EXCEPT SELECT unnest(v_ids)) q
                  LEFT JOIN (SELECT * FROM ledger_balance
                              WHERE tenant_id = p_tenant AND account_id = ANY (accounts)) b ON b.account_id = q.id) rest;
    END IF;
    v_same := v_ids IS NOT DISTINCT FROM p_accounts;
    accounts := v_ids;
    a_version_was := a_version;
    IF NOT v_same THEN
        -- a_of: where an account that items name stands.
        SELECT array_agg(a.ix ORDER BY q.ix) INTO a_of
          FROM unnest(p_accounts) WITH ORDINALITY q(id, ix) JOIN unnest(accounts) WITH ORDINALITY a(id, ix) ON a.id = q.id;
        l_account := ARRAY(SELECT a_of[u.a] FROM unnest(p_leg_account) u(a));
        p_cond_account := ARRAY(SELECT a_of[u.a] FROM unnest(p_cond_account) u(a));
    END IF;

    IF v_resolving THEN
        PERFORM count(*) FROM (
            SELECT FROM ledger_hold WHERE tenant_id = p_tenant AND hold_id = ANY (p_sources)
             ORDER BY hold_id FOR NO KEY UPDATE) locked;
        -- Reversal totals have no row before the first reversal: the transaction's own row is the lock.
        PERFORM count(*) FROM (
            SELECT FROM ledger_txn WHERE tenant_id = p_tenant AND txn_id = ANY (p_sources) AND kind IN ('p', 'c')
             ORDER BY txn_id FOR NO KEY UPDATE) locked;
        s_kind := array_fill(NULL::"char", ARRAY[cardinality(p_sources)]);
        s_state := array_fill(0, ARRAY[cardinality(p_sources)]);
        s_expires := array_fill(NULL::timestamptz, ARRAY[cardinality(p_sources)]);
        s_from := s_state; s_to := array_fill(-1, ARRAY[cardinality(p_sources)]);
        s_touched := array_fill(false, ARRAY[cardinality(p_sources)]);
        FOR rec IN
            SELECT q.ix, x.kind, h.status, h.expires_at FROM unnest(p_sources) WITH ORDINALITY q(id, ix)
              JOIN ledger_txn x ON x.tenant_id = p_tenant AND x.txn_id = ANY (p_sources) AND x.txn_id = q.id
              LEFT JOIN (SELECT * FROM ledger_hold WHERE tenant_id = p_tenant AND hold_id = ANY (p_sources)) h ON h.hold_id = q.id
        LOOP
            s_kind[rec.ix] := CASE rec.kind WHEN 'h' THEN 'h' ELSE 't' END;
            s_state[rec.ix] := CASE WHEN rec.kind = 'h' AND rec.status = 'o' THEN 1 WHEN rec.kind = 'h' THEN 2
                                    WHEN rec.kind IN ('p', 'c') THEN 1 ELSE 3 END;
            s_expires[rec.ix] := rec.expires_at;
        END LOOP;
        FOR rec IN
            SELECT w.*, a.ix AS a FROM (
                SELECT q.ix, h.leg, h.account_id, h.side, h.amount_minor,
                       h.captured_minor AS taken, h.released_minor AS released
                  FROM unnest(p_sources) WITH ORDINALITY q(id, ix)
                  JOIN ledger_hold_leg h ON h.tenant_id = p_tenant AND h.hold_id = ANY (p_sources) AND h.hold_id = q.id
                UNION ALL
                SELECT q.ix, e.leg, e.account_id, e.side, e.amount_minor, coalesce(r.reversed_minor, 0), 0
                  FROM unnest(p_sources) WITH ORDINALITY q(id, ix)
                  JOIN ledger_entry e ON e.tenant_id = p_tenant AND e.txn_id = ANY (p_sources) AND e.txn_id = q.id AND e.layer = 'p'
                  LEFT JOIN (SELECT * FROM ledger_reversal_leg WHERE tenant_id = p_tenant AND txn_id = ANY (p_sources)) r
                    ON r.txn_id = e.txn_id AND r.leg = e.leg) w
              JOIN unnest(accounts) WITH ORDINALITY a(id, ix) ON a.id = w.account_id
             ORDER BY w.ix, w.leg
        LOOP
            nl := nl + 1;
            sl_source[nl] := rec.ix; sl_leg[nl] := rec.leg; sl_account[nl] := rec.a;
            sl_side[nl] := CASE rec.side WHEN 'd' THEN 1 ELSE -1 END; sl_amount[nl] := rec.amount_minor;
            sl_taken[nl] := rec.taken; sl_released[nl] := rec.released;
            sl_left[nl] := rec.amount_minor - rec.taken - rec.released;
            IF s_to[rec.ix] < 0 THEN s_from[rec.ix] := nl; END IF;
            s_to[rec.ix] := nl;
        END LOOP;
    END IF;

    v_at := coalesce(p_at, clock_timestamp());
    o_booked_at := v_at;
    SELECT min(d), max(d) INTO v_first, v_last FROM (SELECT unnest(p_value_on) AS d) u;
    v_periods := EXISTS (SELECT FROM ledger_period WHERE tenant_id = p_tenant AND status <> 'open'
                            AND starts_on <= v_last AND ends_on >= v_first);
    v_alike := array_remove(a_status, 'o') = '{}' AND cardinality(p_leg_currency) = 1
               AND array_remove(a_currency, p_leg_currency[1]) = '{}';
    v_held := v_resolving OR 'h' = ANY (p_kind) OR array_remove(hd || hc, 0) <> '{}';
    v_limited := array_remove(a_floor || a_ceiling, NULL) <> '{}';
    -- Far from the end of the range even if everything in the call lands on one account.
    v_far := NOT v_resolving AND (SELECT sum(u.m) FROM (SELECT unnest(p_leg_amount) AS m) u) <= c_deferred
             AND (SELECT max(greatest(u.d + u.hd, u.c + u.hc))
                    FROM (SELECT unnest(pd) AS d, unnest(hd) AS hd, unnest(pc) AS c, unnest(hc) AS hc) u) <= c_max / 2;
    o_leg_balance := array_fill(NULL::bigint, ARRAY[n_legs]);
    o_leg_version := o_leg_balance; l_debit_held := o_leg_balance; l_credit_held := o_leg_balance;

    -- 4 fold
    FOR i IN 1..n LOOP
        IF v_linked THEN
            IF p_linked[i] <> g OR p_linked[i] = 0 THEN
                g := p_linked[i]; g_first := i; g_entry := ne; g_refused := false;
            END IF;
        END IF;
        CONTINUE WHEN o_replayed[i] AND o_code[i] IS NULL;
        v_code := o_code[i];
        v_facts := o_facts[i];
        v_kind := p_kind[i];
        e0 := ne; l_done := p_leg_from[i] - 1;
        <<item>>
        BEGIN
            EXIT item WHEN v_code IS NOT NULL;
            IF g_refused THEN
                v_code := 'ledger.linked_refused'; v_facts := g_facts;
                EXIT item;
            END IF;

            -- Legs as given: known, open, of the currency that was written.
            IF NOT v_alike THEN
                FOR l IN p_leg_from[i]..p_leg_to[i] LOOP
                    a := l_account[l];
                    IF a_status[a] <> 'o' THEN
                        IF a_status[a] = 'u' THEN v_code := 'ledger.unknown_account';
                        ELSIF a_status[a] = 'f' THEN v_code := 'ledger.account_frozen';
                        ELSE v_code := 'ledger.account_closed'; END IF;
                        v_facts := jsonb_build_object('account', accounts[a]);
                        EXIT item;
                    END IF;
                    v_currency := CASE cardinality(p_leg_currency) WHEN 1 THEN p_leg_currency[1] ELSE p_leg_currency[l] END;
                    IF v_currency <> a_currency[a] THEN
                        v_code := 'ledger.currency_mismatch';
                        v_facts := jsonb_build_object('account', accounts[a], 'account_currency', a_currency[a], 'currency', v_currency);
                        EXIT item;
                    END IF;
                END LOOP;
            END IF;

            IF v_periods THEN
                v_date := p_value_on[i];
                SELECT * INTO v_moved, v_code
                  FROM ledger_place(p_tenant, v_date, coalesce(p_late[i], false), coalesce(p_soft[i], false));
                IF v_code IS NOT NULL THEN
                    v_facts := jsonb_build_object('value_on', v_date);
                    EXIT item;
                END IF;
                o_value_on[i] := v_moved;
            END IF;

            -- What captures, releases and reversals do, as entries to come. Legs of postings and holds are that already.
            IF v_resolving AND v_kind NOT IN ('p', 'h') THEN
                s := p_source[i]; e1 := ne;
                IF s_state[s] = 0 OR (v_kind <> 'r' AND s_kind[s] = 't') THEN
                    v_code := CASE v_kind WHEN 'r' THEN 'ledger.unknown_transaction' ELSE 'ledger.unknown_hold' END;
                    EXIT item;
                END IF;
                IF s_state[s] = 3 OR (v_kind = 'r' AND s_kind[s] = 'h') THEN v_code := 'ledger.not_reversible'; EXIT item; END IF;
                FOR l IN s_from[s]..s_to[s] LOOP
                    -- A hold may always be let go; money moves only on open accounts.
                    a := sl_account[l];
                    IF a_status[a] = 'u' THEN
                        v_code := CASE v_kind WHEN 'r' THEN 'ledger.unknown_transaction' ELSE 'ledger.unknown_hold' END;
                        EXIT item;
                    END IF;
                    IF a_status[a] <> 'o' AND v_kind IN ('c', 'r') THEN
                        v_code := CASE a_status[a] WHEN 'f' THEN 'ledger.account_frozen' ELSE 'ledger.account_closed' END;
                        v_facts := jsonb_build_object('account', accounts[a]);
                        EXIT item;
                    END IF;
                END LOOP;
                IF s_state[s] = 2 THEN v_code := 'ledger.hold_resolved'; EXIT item; END IF;
                IF v_kind = 'c' AND s_expires[s] <= v_at THEN
                    v_code := 'ledger.hold_expired';
                    v_facts := jsonb_build_object('expired_at', to_jsonb(s_expires[s]));
                    EXIT item;
                END IF;
                IF v_kind = 'x' AND (s_expires[s] IS NULL OR s_expires[s] > v_at) THEN
                    v_code := 'ledger.hold_not_expired'; EXIT item;
                END IF;
                v_legs := s_to[s] - s_from[s] + 1;
                IF p_amount[i] IS NOT NULL AND v_legs <> 2 THEN v_code := 'ledger.legs_needed'; EXIT item; END IF;
                k := 0;
                FOR l IN s_from[s]..s_to[s] LOOP
                    v_left := sl_left[l];
                    IF v_kind = 'v' OR v_kind = 'x' THEN
                        v_amount := 0;
                    ELSIF p_amount[i] IS NOT NULL THEN
                        v_amount := p_amount[i];
                    ELSIF p_leg_to[i] >= p_leg_from[i] THEN
                        -- Explicit legs name the source's legs by account and side; several of one kind are used up in order.
                        v_amount := 0;
                        FOR j IN p_leg_from[i]..p_leg_to[i] LOOP
                            IF l_account[j] = sl_account[l] AND p_leg_side[j] = sl_side[l] THEN
                                v_amount := p_leg_amount[j]; v_earlier := false; v_later := false;
                                FOR t IN s_from[s]..s_to[s] LOOP
                                    IF t <> l AND sl_account[t] = sl_account[l] AND sl_side[t] = sl_side[l] THEN
                                        IF t > l THEN v_later := true;
                                        ELSE v_earlier := true; v_amount := v_amount - least(v_amount, sl_left[t]); END IF;
                                    END IF;
                                END LOOP;
                                IF v_later THEN v_amount := least(v_amount, v_left); END IF;
                                IF NOT v_earlier THEN k := k + 1; END IF;
                                EXIT;
                            END IF;
                        END LOOP;
                    ELSE
                        v_amount := v_left;
                    END IF;
                    IF v_amount > v_left THEN
                        v_code := CASE WHEN v_kind = 'r' AND v_left = 0 THEN 'ledger.already_reversed'
                                       WHEN v_kind = 'r' THEN 'ledger.reversal_above_original'
                                       ELSE 'ledger.capture_above_hold' END;
                        v_facts := jsonb_build_object('left_minor', v_left, 'asked_minor', v_amount);
                        EXIT item;
                    END IF;
                    IF v_kind = 'r' THEN
                        IF v_amount > 0 THEN
                            e1 := e1 + 1;
                            e_item[e1] := i; e_leg[e1] := e1 - e0; e_account[e1] := sl_account[l]; e_side[e1] := -sl_side[l];
                            e_layer[e1] := 1; e_amount[e1] := v_amount; e_source_leg[e1] := l; e_use[e1] := 3;
                        END IF;
                        CONTINUE;
                    END IF;
                    IF v_amount > 0 THEN
                        e1 := e1 + 1;
                        e_item[e1] := i; e_leg[e1] := e1 - e0; e_account[e1] := sl_account[l]; e_side[e1] := sl_side[l];
                        e_layer[e1] := 2; e_amount[e1] := -v_amount; e_source_leg[e1] := l; e_use[e1] := 1;
                        e1 := e1 + 1;
                        e_item[e1] := i; e_leg[e1] := e1 - e0; e_account[e1] := sl_account[l]; e_side[e1] := sl_side[l];
                        e_layer[e1] := 1; e_amount[e1] := v_amount; e_source_leg[e1] := 0;
                    END IF;
                    IF v_left > v_amount AND (v_kind IN ('v', 'x') OR p_final[i]) THEN
                        e1 := e1 + 1;
                        e_item[e1] := i; e_leg[e1] := e1 - e0; e_account[e1] := sl_account[l]; e_side[e1] := sl_side[l];
                        e_layer[e1] := 2; e_amount[e1] := v_amount - v_left; e_source_leg[e1] := l; e_use[e1] := 2;
                    END IF;
                END LOOP;
                IF p_amount[i] IS NULL AND k <> p_leg_to[i] - p_leg_from[i] + 1 THEN
                    v_code := 'ledger.leg_not_in_source'; EXIT item;
                END IF;
                IF e1 = e0 THEN
                    v_code := CASE v_kind WHEN 'r' THEN 'ledger.already_reversed' ELSE 'ledger.hold_resolved' END;
                    EXIT item;
                END IF;
            END IF;

            -- Conditions speak of the state before this item.
            IF v_conditions THEN
                WHILE v_cond <= cardinality(p_cond_item) AND p_cond_item[v_cond] < i LOOP v_cond := v_cond + 1; END LOOP;
                k := v_cond;
                WHILE k <= cardinality(p_cond_item) AND p_cond_item[k] = i LOOP
                    a := p_cond_account[k];
                    IF a_status[a] = 'u' THEN
                        v_code := 'ledger.unknown_account'; v_facts := jsonb_build_object('account', accounts[a]); EXIT item;
                    END IF;
                    IF a_deferred[a] THEN
                        v_code := 'ledger.condition_on_deferred'; v_facts := jsonb_build_object('account', accounts[a]); EXIT item;
                    END IF;
                    v_available := CASE a_normal[a] WHEN 1 THEN pd[a] - pc[a] - hc[a] ELSE pc[a] - pd[a] - hd[a] END;
                    IF (p_cond_kind[k] = 'a' AND v_available < p_cond_value[k]) OR (p_cond_kind[k] = 'v' AND a_version[a] <> p_cond_value[k]) THEN
                        v_code := 'ledger.condition_failed';
                        v_facts := jsonb_build_object('account', accounts[a], 'available_minor', v_available, 'version', a_version[a]);
                        EXIT item;
                    END IF;
                    k := k + 1;
                END LOOP;
            END IF;

            -- Apply all legs, or all entries, then look at the limits once.
            IF v_kind = 'p' OR v_kind = 'h' THEN
                FOR l IN p_leg_from[i]..p_leg_to[i] LOOP
                    a := l_account[l]; v_amount := p_leg_amount[l];
                    IF NOT v_far THEN
                        -- What of a deferred account is not folded yet is not seen here: it stops at half of the range,
                        -- and a leg at 2^56, so that no pile of increments can reach the end.
                        IF (a_deferred[a] AND (v_amount > c_deferred OR v_amount > c_max / 2 - greatest(pd[a], pc[a])))
                           OR v_amount > (CASE p_leg_side[l] WHEN 1 THEN c_max - pd[a] - greatest(hd[a], 0) ELSE c_max - pc[a] - greatest(hc[a], 0) END) THEN
                            v_code := 'ledger.balance_overflow'; v_facts := jsonb_build_object('account', accounts[a]); EXIT item;
                        END IF;
                    END IF;
                    IF v_kind = 'p' THEN
                        IF p_leg_side[l] = 1 THEN pd[a] := pd[a] + v_amount; ELSE pc[a] := pc[a] + v_amount; END IF;
                    ELSE
                        IF p_leg_side[l] = 1 THEN hd[a] := hd[a] + v_amount; ELSE hc[a] := hc[a] + v_amount; END IF;
                    END IF;
                    IF NOT a_deferred[a] THEN
                        a_version[a] := a_version[a] + 1;
                        o_leg_version[l] := a_version[a];
                        o_leg_balance[l] := a_normal[a] * (pd[a] - pc[a]);
                        IF v_held THEN l_debit_held[l] := hd[a]; l_credit_held[l] := hc[a]; END IF;
                    END IF;
                    l_done := l;
                END LOOP;
                IF v_limited THEN
                    FOR l IN p_leg_from[i]..p_leg_to[i] LOOP
                        a := l_account[l];
                        IF p_leg_side[l] <> a_normal[a] THEN
                            v_available := CASE a_normal[a] WHEN 1 THEN pd[a] - pc[a] - hc[a] ELSE pc[a] - pd[a] - hd[a] END;
                            IF v_available < a_floor[a] THEN
                                v_code := 'ledger.insufficient_funds';
                                v_facts := jsonb_build_object('account', accounts[a], 'floor_minor', a_floor[a], 'short_minor', a_floor[a]::numeric - v_available);
                                EXIT item;
                            END IF;
                        ELSIF a_ceiling[a] IS NOT NULL THEN
                            v_room := CASE a_normal[a] WHEN 1 THEN pd[a] - pc[a] + hd[a] ELSE pc[a] - pd[a] + hc[a] END;
                            IF v_room > a_ceiling[a] THEN
                                v_code := 'ledger.ceiling_exceeded';
                                v_facts := jsonb_build_object('account', accounts[a], 'ceiling_minor', a_ceiling[a], 'over_minor', v_room::numeric - a_ceiling[a]);
                                EXIT item;
                            END IF;
                        END IF;
                    END LOOP;
                END IF;
                EXIT item;
            END IF;
            FOR k IN e0 + 1..e1 LOOP
                a := e_account[k]; v_amount := e_amount[k];
                IF a_deferred[a] AND (v_amount > c_deferred OR v_amount > c_max / 2 - greatest(pd[a], pc[a])) THEN
                    v_code := 'ledger.balance_overflow'; v_facts := jsonb_build_object('account', accounts[a]); EXIT item;
                END IF;
                IF e_side[k] = 1 THEN
                    IF v_amount > c_max - pd[a] - greatest(hd[a], 0) THEN
                        v_code := 'ledger.balance_overflow'; v_facts := jsonb_build_object('account', accounts[a]); EXIT item;
                    END IF;
                    IF e_layer[k] = 1 THEN pd[a] := pd[a] + v_amount; ELSE hd[a] := hd[a] + v_amount; END IF;
                ELSE
                    IF v_amount > c_max - pc[a] - greatest(hc[a], 0) THEN
                        v_code := 'ledger.balance_overflow'; v_facts := jsonb_build_object('account', accounts[a]); EXIT item;
                    END IF;
                    IF e_layer[k] = 1 THEN pc[a] := pc[a] + v_amount; ELSE hc[a] := hc[a] + v_amount; END IF;
                END IF;
                IF a_deferred[a] THEN
                    e_balance[k] := NULL; e_version[k] := NULL; e_hd[k] := NULL; e_hc[k] := NULL;
                ELSE
                    a_version[a] := a_version[a] + 1;
                    e_balance[k] := CASE a_normal[a] WHEN 1 THEN pd[a] - pc[a] ELSE pc[a] - pd[a] END;
                    e_version[k] := a_version[a]; e_hd[k] := hd[a]; e_hc[k] := hc[a];
                END IF;
                ne := k;
                l := e_source_leg[k];
                IF l > 0 THEN
                    sl_left[l] := sl_left[l] - abs(v_amount);
                    IF e_use[k] = 2 THEN sl_released[l] := sl_released[l] + abs(v_amount);
                    ELSE sl_taken[l] := sl_taken[l] + abs(v_amount); END IF;
                END IF;
            END LOOP;
            FOR k IN e0 + 1..e1 LOOP
                a := e_account[k];
                IF a_floor[a] IS NOT NULL AND e_side[k] <> a_normal[a] AND e_amount[k] > 0 THEN
                    v_available := CASE a_normal[a] WHEN 1 THEN pd[a] - pc[a] - hc[a] ELSE pc[a] - pd[a] - hd[a] END;
                    IF v_available < a_floor[a] THEN
                        v_code := 'ledger.insufficient_funds';
                        v_facts := jsonb_build_object('account', accounts[a], 'floor_minor', a_floor[a], 'short_minor', a_floor[a]::numeric - v_available);
                        EXIT item;
                    END IF;
                END IF;
                IF a_ceiling[a] IS NOT NULL AND e_side[k] = a_normal[a] AND e_amount[k] > 0 THEN
                    v_room := CASE a_normal[a] WHEN 1 THEN pd[a] - pc[a] + hd[a] ELSE pc[a] - pd[a] + hc[a] END;
                    IF v_room > a_ceiling[a] THEN
                        v_code := 'ledger.ceiling_exceeded';
                        v_facts := jsonb_build_object('account', accounts[a], 'ceiling_minor', a_ceiling[a], 'over_minor', v_room::numeric - a_ceiling[a]);
                        EXIT item;
                    END IF;
                END IF;
            END LOOP;

            -- A hold of which nothing is left is resolved.
            s_touched[s] := true;
            IF s_kind[s] = 'h' THEN
                v_left := 0;
                FOR l IN s_from[s]..s_to[s] LOOP v_left := greatest(v_left, sl_left[l]); END LOOP;
                IF v_left = 0 THEN s_state[s] := 2; END IF;
            END IF;
        END item;

        IF v_code IS NOT NULL THEN
            v_refused := true;
            -- Undo this item, or all of its group.
            j0 := i;
            IF g > 0 THEN
                IF NOT g_refused THEN
                    j0 := g_first;
                    g_facts := jsonb_build_object('item', i - g_first, 'code', v_code);
                    FOR j IN g_first..i - 1 LOOP
                        IF NOT o_replayed[j] THEN
                            o_code[j] := 'ledger.linked_refused';
                            o_facts[j] := g_facts;
                        END IF;
                    END LOOP;
                    g_refused := true;
                END IF;
                e0 := g_entry;
            END IF;
            FOR l IN p_leg_from[j0]..l_done LOOP
                j := p_leg_item[l];
                CONTINUE WHEN o_replayed[j] OR p_kind[j] NOT IN ('p', 'h');
                a := l_account[l]; v_amount := p_leg_amount[l];
                IF p_kind[j] = 'p' THEN
                    IF p_leg_side[l] = 1 THEN pd[a] := pd[a] - v_amount; ELSE pc[a] := pc[a] - v_amount; END IF;
                ELSE
                    IF p_leg_side[l] = 1 THEN hd[a] := hd[a] - v_amount; ELSE hc[a] := hc[a] - v_amount; END IF;
                END IF;
                IF NOT a_deferred[a] THEN a_version[a] := a_version[a] - 1; END IF;
            END LOOP;
            FOR k IN REVERSE ne..e0 + 1 LOOP
                a := e_account[k]; v_amount := e_amount[k];
                IF e_side[k] = 1 THEN
                    IF e_layer[k] = 1 THEN pd[a] := pd[a] - v_amount; ELSE hd[a] := hd[a] - v_amount; END IF;
                ELSE
                    IF e_layer[k] = 1 THEN pc[a] := pc[a] - v_amount; ELSE hc[a] := hc[a] - v_amount; END IF;
                END IF;
                IF NOT a_deferred[a] THEN a_version[a] := a_version[a] - 1; END IF;
                l := e_source_leg[k];
                IF l > 0 THEN
                    sl_left[l] := sl_left[l] + abs(v_amount);
                    IF e_use[k] = 2 THEN sl_released[l] := sl_released[l] - abs(v_amount);
                    ELSE sl_taken[l] := sl_taken[l] - abs(v_amount); END IF;
                    IF s_state[sl_source[l]] = 2 THEN s_state[sl_source[l]] := 1; END IF;
                END IF;
            END LOOP;
            ne := e0;
            o_code[i] := v_code;
            o_facts[i] := v_facts;
        END IF;
    END LOOP;

    -- 5 write
    IF v_refused THEN
        -- A refused item leaves its reference free; its key remembers the refusal.
        DELETE FROM ledger_claim q USING unnest(p_ref_claim, p_txn, o_code) u(r, x, code)
         WHERE q.tenant_id = p_tenant AND q.claim_id = ANY (p_ref_claim) AND q.claim_id = u.r AND q.txn_id = u.x AND u.code IS NOT NULL;
        UPDATE ledger_claim q SET txn_id = NULL, refusal = u.code, facts = u.facts
          FROM unnest(p_claim, p_txn, o_code, o_facts) u(c, x, code, facts)
         WHERE q.tenant_id = p_tenant AND q.claim_id = ANY (p_claim) AND q.claim_id = u.c AND q.txn_id = u.x AND u.code IS NOT NULL;
    END IF;
    IF v_refused OR v_replayed THEN
        v_booked := ARRAY(SELECT u.code IS NULL AND NOT u.replayed FROM (SELECT unnest(o_code) AS code, unnest(o_replayed) AS replayed) u);
        IF NOT true = ANY (v_booked) THEN
            RETURN;
        END IF;
    ELSE
        v_booked := array_fill(true, ARRAY[n]);
    END IF;

    INSERT INTO ledger_txn (tenant_id, txn_id, kind, value_on, original_on, booked_at, source_id, linked_id, reference, meta)
    SELECT p_tenant, u.x, u.kind, u.placed, nullif(u.value_on, u.placed), v_at, p_sources[u.source], u.linked_id, u.reference, u.meta
      FROM (SELECT unnest(p_txn) AS x, unnest(p_kind) AS kind, unnest(p_value_on) AS value_on, unnest(o_value_on) AS placed,
                   unnest(p_source) AS source, unnest(p_linked_id) AS linked_id, unnest(p_reference) AS reference,
                   unnest(p_meta) AS meta, unnest(v_booked) AS booked) u
     WHERE u.booked;

    INSERT INTO ledger_entry (tenant_id, txn_id, account_id, amount_minor, balance_after, pending_debit_after, pending_credit_after,
                              version, booked_at, value_on, leg, side, layer, currency)
    SELECT p_tenant, p_txn[u.item], accounts[u.account], u.amount, u.balance,
           CASE WHEN v_held THEN u.hd WHEN u.version IS NOT NULL THEN 0 END,
           CASE WHEN v_held THEN u.hc WHEN u.version IS NOT NULL THEN 0 END,
           u.version, v_at, o_value_on[u.item], u.l - p_leg_from[u.item] + 1,
           CASE u.side WHEN 1 THEN 'd' ELSE 'c' END::"char", CASE p_kind[u.item] WHEN 'h' THEN 'h' ELSE 'p' END::"char", a_currency[u.account]
      FROM (SELECT generate_series(1, n_legs) AS l, unnest(p_leg_item) AS item, unnest(l_account) AS account, unnest(p_leg_side) AS side,
                   unnest(p_leg_amount) AS amount, unnest(o_leg_balance) AS balance, unnest(o_leg_version) AS version,
                   unnest(l_debit_held) AS hd, unnest(l_credit_held) AS hc) u
     WHERE v_booked[u.item] AND p_kind[u.item] IN ('p', 'h');
    IF ne > 0 THEN
        INSERT INTO ledger_entry (tenant_id, txn_id, account_id, amount_minor, balance_after, pending_debit_after, pending_credit_after,
                                  version, booked_at, value_on, leg, side, layer, currency)
        SELECT p_tenant, p_txn[u.item], accounts[u.account], u.amount, u.balance, u.hd, u.hc, u.version, v_at, o_value_on[u.item], u.leg,
               CASE u.side WHEN 1 THEN 'd' ELSE 'c' END::"char", CASE u.layer WHEN 1 THEN 'p' ELSE 'h' END::"char", a_currency[u.account]
          FROM (SELECT unnest(e_item[1:ne]) AS item, unnest(e_leg[1:ne]) AS leg, unnest(e_account[1:ne]) AS account, unnest(e_side[1:ne]) AS side,
                       unnest(e_layer[1:ne]) AS layer, unnest(e_amount[1:ne]) AS amount, unnest(e_balance[1:ne]) AS balance,
                       unnest(e_version[1:ne]) AS version, unnest(e_hd[1:ne]) AS hd, unnest(e_hc[1:ne]) AS hc) u;
    END IF;

    -- The rows that were locked, where they are: no second search of the index. Each must be found.
    UPDATE ledger_balance b
       SET posted_debit = u.pd, posted_credit = u.pc, pending_debit = u.hd, pending_credit = u.hc, version = u.version
      FROM (SELECT unnest(accounts) AS id, unnest(pd) AS pd, unnest(pc) AS pc, unnest(hd) AS hd, unnest(hc) AS hc,
                   unnest(a_version) AS version, unnest(a_version_was) AS was) u
     WHERE b.ctid = ANY (a_row) AND b.tenant_id = p_tenant AND b.account_id = u.id AND u.version > u.was;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    IF v_rows <> (SELECT count(*) FROM (SELECT unnest(a_version) AS version, unnest(a_version_was) AS was) u WHERE u.version > u.was) THEN
        RAISE EXCEPTION 'an account that was locked is not where it was';
    END IF;

    IF true = ANY (a_deferred) THEN
        INSERT INTO ledger_delta (tenant_id, account_id, value_on, posted_debit, posted_credit, pending_debit, pending_credit, entry_count)
        SELECT p_tenant, accounts[u.account], o_value_on[u.item],
               coalesce(sum(u.amount) FILTER (WHERE u.layer = 1 AND u.side = 1), 0), coalesce(sum(u.amount) FILTER (WHERE u.layer = 1 AND u.side = -1), 0),
               coalesce(sum(u.amount) FILTER (WHERE u.layer = 2 AND u.side = 1), 0), coalesce(sum(u.amount) FILTER (WHERE u.layer = 2 AND u.side = -1), 0),
               count(*)
          FROM (SELECT w.item, w.account, w.side, CASE p_kind[w.item] WHEN 'h' THEN 2 ELSE 1 END AS layer, w.amount
                  FROM (SELECT unnest(p_leg_item) AS item, unnest(l_account) AS account, unnest(p_leg_side) AS side, unnest(p_leg_amount) AS amount) w
                 WHERE v_booked[w.item] AND p_kind[w.item] IN ('p', 'h')
                UNION ALL
                SELECT unnest(e_item[1:ne]), unnest(e_account[1:ne]), unnest(e_side[1:ne]), unnest(e_layer[1:ne]), unnest(e_amount[1:ne])) u
         WHERE a_deferred[u.account]
         GROUP BY 2, 3;
    END IF;

    IF 'h' = ANY (p_kind) THEN
        INSERT INTO ledger_hold (tenant_id, hold_id, group_id, created_at, expires_at)
        SELECT p_tenant, u.x, u.grp, v_at, u.expires
          FROM (SELECT unnest(p_txn) AS x, unnest(p_kind) AS kind, unnest(p_group) AS grp, unnest(p_expires) AS expires, unnest(v_booked) AS booked) u
         WHERE u.kind = 'h' AND u.booked;
        INSERT INTO ledger_hold_leg (tenant_id, hold_id, leg, account_id, side, amount_minor)
        SELECT p_tenant, p_txn[u.item], u.l - p_leg_from[u.item] + 1, accounts[u.account], CASE u.side WHEN 1 THEN 'd' ELSE 'c' END::"char", u.amount
          FROM (SELECT generate_series(1, n_legs) AS l, unnest(p_leg_item) AS item, unnest(l_account) AS account, unnest(p_leg_side) AS side,
                       unnest(p_leg_amount) AS amount) u
         WHERE v_booked[u.item] AND p_kind[u.item] = 'h';
    END IF;
    IF v_resolving THEN
        UPDATE ledger_hold h SET status = CASE u.state WHEN 2 THEN 'c' ELSE 'o' END::"char"
          FROM unnest(p_sources, s_kind, s_state, s_touched) u(id, kind, state, touched)
         WHERE h.tenant_id = p_tenant AND h.hold_id = ANY (p_sources) AND h.hold_id = u.id AND u.kind = 'h' AND u.touched;
        UPDATE ledger_hold_leg h SET captured_minor = u.taken, released_minor = u.released
          FROM unnest(sl_source, sl_leg, sl_taken, sl_released) u(source, leg, taken, released)
         WHERE h.tenant_id = p_tenant AND h.hold_id = ANY (p_sources) AND h.hold_id = p_sources[u.source] AND h.leg = u.leg
           AND s_kind[u.source] = 'h' AND s_touched[u.source];
        INSERT INTO ledger_reversal_leg (tenant_id, txn_id, leg, amount_minor, reversed_minor)
        SELECT p_tenant, p_sources[u.source], u.leg, u.amount, u.taken
          FROM unnest(sl_source, sl_leg, sl_amount, sl_taken) u(source, leg, amount, taken)
         WHERE s_kind[u.source] = 't' AND s_touched[u.source] AND u.taken > 0
        ON CONFLICT (tenant_id, txn_id, leg) DO UPDATE SET reversed_minor = excluded.reversed_minor;
    END IF;

    v_xid := event_xid();
    INSERT INTO event_log (tenant_id, id, xid, type, version, subject, correlation_id, causation_id, actor, channel, recorded_at)
    SELECT p_tenant, u.x, v_xid,
           CASE u.kind WHEN 'p' THEN 'ledger.transaction.posted' WHEN 'h' THEN 'ledger.transaction.held'
                       WHEN 'c' THEN 'ledger.transaction.captured' WHEN 'v' THEN 'ledger.transaction.voided'
                       WHEN 'x' THEN 'ledger.transaction.expired' ELSE 'ledger.transaction.reversed' END,
           1, u.x, u.correlation, u.causation, u.actor, u.channel, v_at
      FROM (SELECT unnest(p_txn) AS x, unnest(p_kind) AS kind, unnest(p_correlation) AS correlation, unnest(p_causation) AS causation,
                   unnest(p_actor) AS actor, unnest(p_channel) AS channel, unnest(v_booked) AS booked) u
     WHERE u.booked;

    -- An answer that says nothing need not be read.
    IF NOT (v_refused OR v_replayed) THEN
        o_code := NULL; o_facts := NULL; o_replayed := NULL; o_txn := NULL;
    END IF;
    IF NOT v_periods THEN
        o_value_on := NULL;
    END IF;
END $$;

-- The claims of a call: its keys and its references.
CREATE FUNCTION ledger_claims(p_txn uuid[], p_claim uuid[], p_hash uuid[], p_ref_claim uuid[])
    RETURNS TABLE (claim_id uuid, kind "char", txn_id uuid, body_hash uuid)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT u.c, 'k'::"char", u.x, u.h FROM (SELECT unnest(p_claim) AS c, unnest(p_txn) AS x, unnest(p_hash) AS h) u WHERE u.c IS NOT NULL
    UNION ALL
    SELECT u.r, 'r'::"char", u.x, NULL::uuid FROM (SELECT unnest(p_ref_claim) AS r, unnest(p_txn) AS x) u WHERE u.r IS NOT NULL
$$;

-- Where a value date is booked: itself, or the next open date for late items; or why not.
CREATE FUNCTION ledger_place(p_tenant uuid, p_value_on date, p_late boolean, p_soft boolean, OUT o_date date, OUT o_code text)
    LANGUAGE plpgsql STABLE SET search_path = omniroute, pg_temp AS $$
DECLARE
    found_status text;
    found_end date;
BEGIN
    o_date := p_value_on;
    LOOP
        SELECT status, ends_on INTO found_status, found_end FROM ledger_period
         WHERE tenant_id = p_tenant AND starts_on <= o_date AND ends_on >= o_date;
        EXIT WHEN NOT FOUND OR found_status = 'open' OR (found_status = 'soft_closed' AND p_soft AND o_date = p_value_on);
        IF NOT p_late THEN
            o_code := CASE found_status WHEN 'soft_closed' THEN 'ledger.period_soft_closed' ELSE 'ledger.period_closed' END;
            EXIT;
        END IF;
        o_date := found_end + 1;
    END LOOP;
END $$;

-- The fence of a tenant, as an advisory lock number (a clash only waits).
CREATE FUNCTION ledger_fence(p_tenant uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE RETURN hashtextextended(p_tenant::text, 7261);

REVOKE ALL ON FUNCTION ledger_post FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_post TO omniroute_app, omniroute_worker;
GRANT EXECUTE ON FUNCTION ledger_fence TO omniroute_app, omniroute_worker;

-- Limits of a strict account, judged against its counters under the same lock as postings.
CREATE FUNCTION ledger_set_limits(p_tenant uuid, p_account uuid, p_floor bigint, p_ceiling bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
BEGIN
    IF p_tenant IS DISTINCT FROM current_tenant() THEN
        RAISE EXCEPTION 'the transaction works for another tenant' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM FROM ledger_balance WHERE tenant_id = p_tenant AND account_id = p_account FOR NO KEY UPDATE;
    UPDATE ledger_balance SET floor_minor = p_floor, ceiling_minor = p_ceiling
     WHERE tenant_id = p_tenant AND account_id = p_account AND NOT deferred
       AND (p_floor IS NULL OR p_floor <= CASE normal_side WHEN 'd' THEN posted_debit - posted_credit - pending_credit
                                               ELSE posted_credit - posted_debit - pending_debit END)
       AND (p_ceiling IS NULL OR p_ceiling >= CASE normal_side WHEN 'd' THEN posted_debit - posted_credit + pending_debit
                                                   ELSE posted_credit - posted_debit + pending_credit END);
    RETURN FOUND;
END $$;

-- Status of an account. The exclusive fence waits for calls in flight, which read the status of deferred accounts unlocked.
CREATE FUNCTION ledger_set_status(p_tenant uuid, p_account uuid, p_status "char") RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = omniroute, pg_temp AS $$
BEGIN
    IF p_tenant IS DISTINCT FROM current_tenant() THEN
        RAISE EXCEPTION 'the transaction works for another tenant' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(ledger_fence(p_tenant));
    PERFORM FROM ledger_balance WHERE tenant_id = p_tenant AND account_id = p_account FOR NO KEY UPDATE;
    UPDATE ledger_balance b SET status = p_status
     WHERE tenant_id = p_tenant AND account_id = p_account AND status <> 'c'
       AND (p_status <> 'c'
            OR (SELECT b.posted_debit + coalesce(sum(d.posted_debit), 0) = b.posted_credit + coalesce(sum(d.posted_credit), 0)
                   AND b.pending_debit + coalesce(sum(d.pending_debit), 0) = 0
                   AND b.pending_credit + coalesce(sum(d.pending_credit), 0) = 0
                  FROM ledger_delta d WHERE d.tenant_id = p_tenant AND d.account_id = p_account));
    RETURN FOUND;
END $$;

REVOKE ALL ON FUNCTION ledger_set_limits, ledger_set_status FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_set_limits, ledger_set_status TO omniroute_app;

-- What the events of transactions say, derived from the rows; and digests of those rows, sealed with the events.
-- 26 characters of Crockford base 32, as kit/ids.py prints them; written out, because a loop costs ten times as much.
CREATE FUNCTION ledger_public_id(p_prefix text, p_id uuid) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT p_prefix || '_' ||
           substr(a, (((h >> 61) & 7) + 1)::integer, 1) || substr(a, (((h >> 56) & 31) + 1)::integer, 1) || substr(a, (((h >> 51) & 31) + 1)::integer, 1) ||
           substr(a, (((h >> 46) & 31) + 1)::integer, 1) || substr(a, (((h >> 41) & 31) + 1)::integer, 1) || substr(a, (((h >> 36) & 31) + 1)::integer, 1) ||
           substr(a, (((h >> 31) & 31) + 1)::integer, 1) || substr(a, (((h >> 26) & 31) + 1)::integer, 1) || substr(a, (((h >> 21) & 31) + 1)::integer, 1) ||
           substr(a, (((h >> 16) & 31) + 1)::integer, 1) || substr(a, (((h >> 11) & 31) + 1)::integer, 1) || substr(a, (((h >> 6) & 31) + 1)::integer, 1) ||
           substr(a, (((h >> 1) & 31) + 1)::integer, 1) || substr(a, ((((h << 4) & 31) | ((l >> 60) & 15)) + 1)::integer, 1) || substr(a, (((l >> 55) & 31) + 1)::integer, 1) ||
           substr(a, (((l >> 50) & 31) + 1)::integer, 1) || substr(a, (((l >> 45) & 31) + 1)::integer, 1) || substr(a, (((l >> 40) & 31) + 1)::integer, 1) ||
           substr(a, (((l >> 35) & 31) + 1)::integer, 1) || substr(a, (((l >> 30) & 31) + 1)::integer, 1) || substr(a, (((l >> 25) & 31) + 1)::integer, 1) ||
           substr(a, (((l >> 20) & 31) + 1)::integer, 1) || substr(a, (((l >> 15) & 31) + 1)::integer, 1) || substr(a, (((l >> 10) & 31) + 1)::integer, 1) ||
           substr(a, (((l >> 5) & 31) + 1)::integer, 1) || substr(a, (((l >> 0) & 31) + 1)::integer, 1)
      FROM (SELECT '0123456789abcdefghjkmnpqrstvwxyz' AS a,
                   ('x' || encode(substring(uuid_send(p_id) FROM 1 FOR 8), 'hex'))::bit(64)::bigint AS h,
                   ('x' || encode(substring(uuid_send(p_id) FROM 9 FOR 8), 'hex'))::bit(64)::bigint AS l OFFSET 0) u
$$;

-- A number while every JSON reader keeps it exactly, else text.
CREATE FUNCTION ledger_json_amount(p_amount bigint) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN p_amount BETWEEN -9007199254740991 AND 9007199254740991 THEN to_jsonb(p_amount) ELSE to_jsonb(p_amount::text) END;

CREATE FUNCTION ledger_txn_detail(p_tenant uuid, p_subjects uuid[]) RETURNS TABLE (subject uuid, data jsonb)
    LANGUAGE sql STABLE SET search_path = omniroute, pg_temp AS $$
    SELECT x.txn_id, jsonb_build_object(
               'transaction_id', ledger_public_id('txn', x.txn_id),
               'kind', CASE x.kind WHEN 'p' THEN 'posting' WHEN 'h' THEN 'hold' WHEN 'c' THEN 'capture' WHEN 'v' THEN 'void'
                                   WHEN 'x' THEN 'expiry' ELSE 'reversal' END,
               'value_on', x.value_on, 'original_on', x.original_on,
               'booked_at', to_char(x.booked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'source_id', ledger_public_id('txn', x.source_id), 'linked_id', ledger_public_id('grp', x.linked_id),
               'reference', x.reference, 'metadata', coalesce(x.meta, '{}'), 'entries', e.entries)
      FROM ledger_txn x
      JOIN LATERAL (
            SELECT jsonb_agg(jsonb_build_object(
                       'leg', n.leg, 'account_id', ledger_public_id('acc', n.account_id),
                       'side', CASE n.side WHEN 'd' THEN 'debit' ELSE 'credit' END,
                       'layer', CASE n.layer WHEN 'p' THEN 'posted' ELSE 'held' END,
                       'amount_minor', ledger_json_amount(n.amount_minor), 'currency', n.currency,
                       'balance_after_minor', ledger_json_amount(n.balance_after), 'version', n.version) ORDER BY n.leg) AS entries
              FROM ledger_entry n WHERE n.tenant_id = x.tenant_id AND n.txn_id = x.txn_id) e ON true
     WHERE x.tenant_id = p_tenant AND x.txn_id = ANY (p_subjects)
$$;

-- Explicit columns in a fixed order: a column added later does not change what was sealed.
CREATE FUNCTION ledger_txn_evidence(p_tenant uuid, p_subjects uuid[])
    RETURNS TABLE (subject uuid, ordinal integer, row_name text, digest bytea)
    LANGUAGE sql STABLE SET search_path = omniroute, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' AS $$
    SELECT x.txn_id, 0, 'ledger_txn ' || x.txn_id,
           sha256(convert_to(ROW(1, x.tenant_id, x.txn_id, x.kind, x.value_on, x.original_on, x.booked_at, x.source_id,
                                 x.linked_id, x.reference, x.meta)::text, 'UTF8'))
      FROM ledger_txn x WHERE x.tenant_id = p_tenant AND x.txn_id = ANY (p_subjects)
    UNION ALL
    SELECT e.txn_id, e.leg, 'ledger_entry ' || e.txn_id || ' leg ' || e.leg,
           sha256(convert_to(ROW(1, e.tenant_id, e.txn_id, e.leg, e.account_id, e.side, e.layer, e.amount_minor, e.currency,
                                 e.balance_after, e.pending_debit_after, e.pending_credit_after, e.version, e.booked_at, e.value_on)::text, 'UTF8'))
      FROM ledger_entry e WHERE e.tenant_id = p_tenant AND e.txn_id = ANY (p_subjects)
$$;
INSERT INTO event_source (prefix, detail_function, evidence_function)
VALUES ('ledger.transaction.', 'ledger_txn_detail', 'ledger_txn_evidence');
GRANT EXECUTE ON FUNCTION ledger_public_id, ledger_json_amount, ledger_txn_detail, ledger_txn_evidence TO omniroute_app, omniroute_worker;
