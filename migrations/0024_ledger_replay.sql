-- Point-in-time replay: the books rebuilt from the log into empty tables of the session's temporary schema.

-- Accounts come from their events, balances from the entries of every transaction that has an event; nothing is read
-- from the counters. Run it in a REPEATABLE READ transaction. p_at NULL: everything; otherwise accounts that had moved
-- by then, with what was booked until then.
CREATE FUNCTION ledger_replay(p_tenant uuid, p_at timestamptz, OUT o_hash bytea, OUT o_accounts bigint, OUT o_transactions bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = omniroute, pg_temp AS $$
BEGIN
    CREATE TEMPORARY TABLE replay_account (account_id uuid PRIMARY KEY, code text, type text, side text, currency text, mode text) ON COMMIT DROP;
    CREATE TEMPORARY TABLE replay_balance (account_id uuid PRIMARY KEY, pd numeric, pc numeric, hd numeric, hc numeric) ON COMMIT DROP;
    INSERT INTO pg_temp.replay_account
    SELECT subject, data ->> 'code', data ->> 'type', left(data ->> 'normal_side', 1), data ->> 'currency', data ->> 'mode'
      FROM event_log WHERE tenant_id = p_tenant AND type = 'ledger.account.opened';
    WITH entries AS (
        SELECT e.account_id, e.txn_id, e.side, e.layer, e.amount_minor FROM event_log v
          JOIN ledger_entry e ON e.tenant_id = v.tenant_id AND e.txn_id = v.subject
         WHERE v.tenant_id = p_tenant AND v.type LIKE 'ledger.transaction.%' AND (p_at IS NULL OR v.recorded_at <= p_at)
    ), sums AS (
        INSERT INTO pg_temp.replay_balance
        SELECT account_id, coalesce(sum(amount_minor) FILTER (WHERE layer = 'p' AND side = 'd'), 0), coalesce(sum(amount_minor) FILTER (WHERE layer = 'p' AND side = 'c'), 0),
               coalesce(sum(amount_minor) FILTER (WHERE layer = 'h' AND side = 'd'), 0), coalesce(sum(amount_minor) FILTER (WHERE layer = 'h' AND side = 'c'), 0)
          FROM entries GROUP BY account_id
    )
    SELECT count(DISTINCT txn_id) INTO o_transactions FROM entries;
    SELECT sha256(coalesce(string_agg(ledger_state_line(a.account_id, a.code, a.type, a.side, a.currency, a.mode,
                                                        coalesce(b.pd, 0), coalesce(b.pc, 0), coalesce(b.hd, 0), coalesce(b.hc, 0)), '' ORDER BY account_id), '')), count(*)
      INTO o_hash, o_accounts
      FROM pg_temp.replay_account a LEFT JOIN pg_temp.replay_balance b USING (account_id)
     WHERE p_at IS NULL OR b.account_id IS NOT NULL;
END $$;
REVOKE ALL ON FUNCTION ledger_replay FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_replay TO omniroute_worker;
