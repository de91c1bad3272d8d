-- name: tenants
-- Every tenant that has accounts.
SELECT DISTINCT tenant_id FROM ledger_account ORDER BY tenant_id

-- name: without_time_limit
-- Checks of large books take longer than a request may, and wait for their reader.
SELECT set_config('statement_timeout', '0', true) AS statement_limit, set_config('idle_in_transaction_session_timeout', '0', true) AS idle_limit

-- name: set_tenant
-- The tenant of this transaction.
SELECT set_config('omniroute.tenant_id', %(tenant)s, true)

-- name: state_hash
-- The fingerprint now: counters, and increments not folded yet.
SELECT sha256(coalesce(string_agg(ledger_state_line(a.account_id, a.code, a.type, a.normal_side::text, a.currency::text, a.mode,
           b.posted_debit + coalesce(d.pd, 0), b.posted_credit + coalesce(d.pc, 0), b.pending_debit + coalesce(d.hd, 0), b.pending_credit + coalesce(d.hc, 0)), '' ORDER BY a.account_id), ''))
  FROM ledger_account a
  JOIN ledger_balance b ON b.tenant_id = a.tenant_id AND b.account_id = a.account_id
  LEFT JOIN (SELECT account_id, sum(posted_debit) AS pd, sum(posted_credit) AS pc, sum(pending_debit) AS hd, sum(pending_credit) AS hc
               FROM ledger_delta WHERE tenant_id = %(tenant)s GROUP BY account_id) d ON d.account_id = a.account_id
 WHERE a.tenant_id = %(tenant)s

-- name: state_hash_at
-- The fingerprint at an instant, of the accounts that had moved.
SELECT sha256(coalesce(string_agg(ledger_state_line(a.account_id, a.code, a.type, a.normal_side::text, a.currency::text, a.mode, e.pd, e.pc, e.hd, e.hc), '' ORDER BY a.account_id), ''))
  FROM ledger_account a
  JOIN (SELECT account_id, coalesce(sum(amount_minor) FILTER (WHERE layer = 'p' AND side = 'd'), 0) AS pd, coalesce(sum(amount_minor) FILTER (WHERE layer = 'p' AND side = 'c'), 0) AS pc,
               coalesce(sum(amount_minor) FILTER (WHERE layer = 'h' AND side = 'd'), 0) AS hd, coalesce(sum(amount_minor) FILTER (WHERE layer = 'h' AND side = 'c'), 0) AS hc
          FROM ledger_entry WHERE tenant_id = %(tenant)s AND booked_at <= %(at)s GROUP BY account_id) e ON e.account_id = a.account_id
 WHERE a.tenant_id = %(tenant)s

-- name: replay
-- The fingerprint from the log alone.
SELECT o_hash, o_accounts, o_transactions FROM ledger_replay(%(tenant)s, %(at)s)

-- name: transaction_unbalanced
-- Debits equal credits in every transaction, currency and layer.
SELECT 'transaction ' || ledger_public_id('txn', txn_id) AS place,
       format('%%s, %%s layer: debits less credits are %%s', currency, CASE layer WHEN 'p' THEN 'posted' ELSE 'held' END,
              sum(CASE side WHEN 'd' THEN amount_minor ELSE -amount_minor END)) AS detail
  FROM ledger_entry WHERE tenant_id = %(tenant)s
 GROUP BY txn_id, currency, layer HAVING sum(CASE side WHEN 'd' THEN amount_minor ELSE -amount_minor END) <> 0

-- name: transaction_incomplete
-- Every transaction has at least two entries, numbered from 1 without a gap.
SELECT 'transaction ' || ledger_public_id('txn', x.txn_id) AS place, format('%%s entries, the last is leg %%s', coalesce(e.entries, 0), coalesce(e.last, 0)) AS detail
  FROM ledger_txn x LEFT JOIN (SELECT txn_id, count(*) AS entries, max(leg) AS last, min(leg) AS first FROM ledger_entry WHERE tenant_id = %(tenant)s GROUP BY txn_id) e USING (txn_id)
 WHERE x.tenant_id = %(tenant)s AND (coalesce(e.entries, 0) < 2 OR e.entries <> e.last OR e.first <> 1)

-- name: entry_orphaned
-- Every entry belongs to a transaction and an account.
SELECT format('entry %%s leg %%s', ledger_public_id('txn', e.txn_id), e.leg) AS place,
       CASE WHEN x.txn_id IS NULL THEN 'its transaction does not exist' ELSE 'its account does not exist' END AS detail
  FROM ledger_entry e
  LEFT JOIN ledger_txn x ON x.tenant_id = e.tenant_id AND x.txn_id = e.txn_id
  LEFT JOIN ledger_account a ON a.tenant_id = e.tenant_id AND a.account_id = e.account_id
 WHERE e.tenant_id = %(tenant)s AND (x.txn_id IS NULL OR a.account_id IS NULL)

-- name: entry_copy_differs
-- Times of an entry are its transaction's, its currency is its account's, and it has a version when the account is strict.
SELECT format('entry %%s leg %%s', ledger_public_id('txn', e.txn_id), e.leg) AS place,
       concat_ws(', ', CASE WHEN e.booked_at <> x.booked_at THEN 'booked_at' END, CASE WHEN e.value_on <> x.value_on THEN 'value_on' END,
                 CASE WHEN e.currency <> a.currency THEN 'currency' END, CASE WHEN (e.version IS NULL) <> (a.mode = 'deferred') THEN 'version' END) || ' differs' AS detail
  FROM ledger_entry e
  JOIN ledger_txn x ON x.tenant_id = e.tenant_id AND x.txn_id = e.txn_id
  JOIN ledger_account a ON a.tenant_id = e.tenant_id AND a.account_id = e.account_id
 WHERE e.tenant_id = %(tenant)s
   AND (e.booked_at <> x.booked_at OR e.value_on <> x.value_on OR e.currency <> a.currency OR (e.version IS NULL) <> (a.mode = 'deferred'))

-- name: currency_not_conserved
-- Over all accounts debits equal credits, in every currency and layer.
SELECT 'currency ' || b.currency AS place,
       format('posted debits less credits are %%s, held %%s', sum(b.posted_debit + coalesce(d.pd, 0)) - sum(b.posted_credit + coalesce(d.pc, 0)),
              sum(b.pending_debit + coalesce(d.hd, 0)) - sum(b.pending_credit + coalesce(d.hc, 0))) AS detail
  FROM ledger_balance b
  LEFT JOIN (SELECT account_id, sum(posted_debit) AS pd, sum(posted_credit) AS pc, sum(pending_debit) AS hd, sum(pending_credit) AS hc
               FROM ledger_delta WHERE tenant_id = %(tenant)s GROUP BY account_id) d USING (account_id)
 WHERE b.tenant_id = %(tenant)s
 GROUP BY b.currency
HAVING sum(b.posted_debit + coalesce(d.pd, 0)) <> sum(b.posted_credit + coalesce(d.pc, 0))
    OR sum(b.pending_debit + coalesce(d.hd, 0)) <> sum(b.pending_credit + coalesce(d.hc, 0))

-- name: balance_differs
-- Counters, with what is not folded, are the sum of the account's entries.
SELECT 'account ' || ledger_public_id('acc', account_id) AS place,
       format('counters (posted d/c, held d/c, entries) are %%s, entries give %%s', kept, made) AS detail
  FROM (SELECT b.account_id,
               concat_ws('/', trunc(b.posted_debit + coalesce(d.pd, 0)), trunc(b.posted_credit + coalesce(d.pc, 0)), trunc(b.pending_debit + coalesce(d.hd, 0)),
                         trunc(b.pending_credit + coalesce(d.hc, 0)), trunc(b.version + coalesce(d.n, 0))) AS kept,
               concat_ws('/', trunc(coalesce(e.pd, 0)), trunc(coalesce(e.pc, 0)), trunc(coalesce(e.hd, 0)), trunc(coalesce(e.hc, 0)), trunc(coalesce(e.n, 0)::numeric)) AS made
          FROM ledger_balance b
          LEFT JOIN (SELECT account_id, sum(posted_debit) AS pd, sum(posted_credit) AS pc, sum(pending_debit) AS hd, sum(pending_credit) AS hc, sum(entry_count) AS n
                       FROM ledger_delta WHERE tenant_id = %(tenant)s GROUP BY account_id) d USING (account_id)
          LEFT JOIN (SELECT account_id, sum(amount_minor) FILTER (WHERE layer = 'p' AND side = 'd') AS pd, sum(amount_minor) FILTER (WHERE layer = 'p' AND side = 'c') AS pc,
                            sum(amount_minor) FILTER (WHERE layer = 'h' AND side = 'd') AS hd, sum(amount_minor) FILTER (WHERE layer = 'h' AND side = 'c') AS hc, count(*) AS n
                       FROM ledger_entry WHERE tenant_id = %(tenant)s GROUP BY account_id) e USING (account_id)
         WHERE b.tenant_id = %(tenant)s) w
 WHERE kept <> made

-- name: version_gap
-- Versions of a strict account count 1, 2, 3 without a gap.
SELECT format('account %%s version %%s', ledger_public_id('acc', account_id), version) AS place, format('it should be version %%s', ordinal) AS detail
  FROM (SELECT account_id, version, row_number() OVER w AS ordinal, version - coalesce(lag(version) OVER w, 0) AS step
          FROM ledger_entry WHERE tenant_id = %(tenant)s AND version IS NOT NULL
        WINDOW w AS (PARTITION BY account_id ORDER BY version)) s
 WHERE step <> 1

-- name: chain_broken
-- Counters after an entry are those after the one before, and the entry. Where one value is wrong, one row is named.
SELECT format('account %%s version %%s', ledger_public_id('acc', account_id), version) AS place,
       concat_ws(', ', CASE WHEN balance_after <> balance_was + balance_step AND balance_after <> balance_sum THEN format('balance_after is %%s, the one before gives %%s', balance_after, balance_was + balance_step) END,
                 CASE WHEN pending_debit_after <> debit_was + debit_step AND pending_debit_after <> debit_sum THEN format('pending_debit_after is %%s, the one before gives %%s', pending_debit_after, debit_was + debit_step) END,
                 CASE WHEN pending_credit_after <> credit_was + credit_step AND pending_credit_after <> credit_sum THEN format('pending_credit_after is %%s, the one before gives %%s', pending_credit_after, credit_was + credit_step) END) AS detail
  FROM (SELECT s.*, coalesce(lag(balance_after) OVER w, 0)::numeric AS balance_was, coalesce(lag(pending_debit_after) OVER w, 0)::numeric AS debit_was,
               coalesce(lag(pending_credit_after) OVER w, 0)::numeric AS credit_was,
               sum(balance_step) OVER w AS balance_sum, sum(debit_step) OVER w AS debit_sum, sum(credit_step) OVER w AS credit_sum
          FROM (SELECT e.account_id, e.version, e.balance_after, e.pending_debit_after, e.pending_credit_after,
                       CASE WHEN e.layer = 'p' THEN CASE WHEN e.side = a.normal_side THEN e.amount_minor ELSE -e.amount_minor END ELSE 0 END AS balance_step,
                       CASE WHEN e.layer = 'h' AND e.side = 'd' THEN e.amount_minor ELSE 0 END AS debit_step,
                       CASE WHEN e.layer = 'h' AND e.side = 'c' THEN e.amount_minor ELSE 0 END AS credit_step
                  FROM ledger_entry e JOIN ledger_account a ON a.tenant_id = e.tenant_id AND a.account_id = e.account_id
                 WHERE e.tenant_id = %(tenant)s AND e.version IS NOT NULL) s
        WINDOW w AS (PARTITION BY account_id ORDER BY version)) c
 WHERE (balance_after <> balance_was + balance_step AND balance_after <> balance_sum)
    OR (pending_debit_after <> debit_was + debit_step AND pending_debit_after <> debit_sum)
    OR (pending_credit_after <> credit_was + credit_step AND pending_credit_after <> credit_sum)

-- name: account_copy_differs
-- What a posting reads of an account beside its counters is what the account is.
SELECT 'account ' || ledger_public_id('acc', account_id) AS place,
       CASE WHEN b.currency IS NULL THEN 'it has no counters' WHEN a.currency IS NULL THEN 'it has counters but no description'
            ELSE concat_ws(', ', CASE WHEN a.currency <> b.currency THEN 'currency' END, CASE WHEN a.normal_side <> b.normal_side THEN 'normal_side' END,
                           CASE WHEN (a.mode = 'deferred') <> b.deferred THEN 'mode' END, CASE WHEN a.branch_id IS DISTINCT FROM b.branch_id THEN 'branch_id' END) || ' differs' END AS detail
  FROM (SELECT * FROM ledger_account WHERE tenant_id = %(tenant)s) a
  FULL JOIN (SELECT * FROM ledger_balance WHERE tenant_id = %(tenant)s) b USING (account_id)
 WHERE a.currency IS NULL OR b.currency IS NULL OR a.currency <> b.currency OR a.normal_side <> b.normal_side
    OR (a.mode = 'deferred') <> b.deferred OR a.branch_id IS DISTINCT FROM b.branch_id

-- name: limit_passed
-- Every account is within its floor and ceiling, holds included.
SELECT 'account ' || ledger_public_id('acc', account_id) AS place, format('available %%s, with room taken %%s; floor %%s, ceiling %%s', available, reached, floor_minor, ceiling_minor) AS detail
  FROM (SELECT account_id, floor_minor, ceiling_minor,
               CASE normal_side WHEN 'd' THEN posted_debit::numeric - posted_credit - pending_credit ELSE posted_credit::numeric - posted_debit - pending_debit END AS available,
               CASE normal_side WHEN 'd' THEN posted_debit::numeric - posted_credit + pending_debit ELSE posted_credit::numeric - posted_debit + pending_credit END AS reached
          FROM ledger_balance WHERE tenant_id = %(tenant)s) b
 WHERE available < floor_minor OR reached > ceiling_minor

-- name: day_differs
-- Folded days are the sum of the entries that are folded.
SELECT format('account %%s on %%s', ledger_public_id('acc', account_id), value_on) AS place, format('kept %%s/%%s, entries give %%s/%%s',
              coalesce(y.debit_minor, 0), coalesce(y.credit_minor, 0), coalesce(e.debit, 0), coalesce(e.credit, 0)) AS detail
  FROM (SELECT * FROM ledger_balance_day WHERE tenant_id = %(tenant)s) y
  FULL JOIN (SELECT account_id, value_on, sum(debit) AS debit, sum(credit) AS credit, min(version) AS first_version, max(version) AS last_version
               FROM (SELECT n.account_id, n.value_on, n.version, CASE n.side WHEN 'd' THEN n.amount_minor ELSE 0 END AS debit, CASE n.side WHEN 'c' THEN n.amount_minor ELSE 0 END AS credit
                       FROM ledger_entry n LEFT JOIN ledger_fold f ON f.tenant_id = n.tenant_id AND f.account_id = n.account_id
                      WHERE n.tenant_id = %(tenant)s AND n.layer = 'p' AND (n.version IS NULL OR n.version <= f.version)
                     UNION ALL
                     SELECT account_id, value_on, NULL, -posted_debit, -posted_credit FROM ledger_delta WHERE tenant_id = %(tenant)s) m
              GROUP BY account_id, value_on HAVING sum(debit) <> 0 OR sum(credit) <> 0) e USING (account_id, value_on)
 WHERE coalesce(y.debit_minor, 0) <> coalesce(e.debit, 0) OR coalesce(y.credit_minor, 0) <> coalesce(e.credit, 0)
    OR y.first_version IS DISTINCT FROM e.first_version OR y.last_version IS DISTINCT FROM e.last_version

-- name: fold_ahead
-- No account is folded further than it was booked.
SELECT 'account ' || ledger_public_id('acc', f.account_id) AS place, format('folded to %%s, booked to %%s', f.version, coalesce(b.version, 0)) AS detail
  FROM ledger_fold f LEFT JOIN ledger_balance b ON b.tenant_id = f.tenant_id AND b.account_id = f.account_id
 WHERE f.tenant_id = %(tenant)s AND (b.deferred OR f.version > coalesce(b.version, 0))

-- name: snapshot_differs
-- Each snapshot is the one before and what was booked since.
SELECT format('account %%s on %%s', ledger_public_id('acc', s.account_id), s.on_date) AS place,
       format('posted moved by %%s/%%s since the last, entries give %%s/%%s', s.d_debit, s.d_credit, m.posted_debit, m.posted_credit) AS detail
  FROM (SELECT x.*, posted_debit - coalesce(lag(posted_debit) OVER w, 0) AS d_debit, posted_credit - coalesce(lag(posted_credit) OVER w, 0) AS d_credit,
               pending_debit - coalesce(lag(pending_debit) OVER w, 0) AS h_debit, pending_credit - coalesce(lag(pending_credit) OVER w, 0) AS h_credit,
               lag(version) OVER w AS version_was, lag(known_until) OVER w AS known_was
          FROM ledger_snapshot x WHERE tenant_id = %(tenant)s
        WINDOW w AS (PARTITION BY account_id ORDER BY on_date)) s
  JOIN ledger_balance b ON b.tenant_id = %(tenant)s AND b.account_id = s.account_id
 CROSS JOIN LATERAL ledger_booked(%(tenant)s, s.account_id, b.deferred, s.version_was, s.known_was, s.known_until) m
 WHERE (s.d_debit, s.d_credit, s.h_debit, s.h_credit) IS DISTINCT FROM (m.posted_debit, m.posted_credit, m.pending_debit, m.pending_credit)
    OR (NOT b.deferred AND s.version <> coalesce(s.version_was, 0) + m.entry_count)

-- name: period_turnover_differs
-- The turnover kept of a closed period is what counts in it.
SELECT format('period %%s account %%s', p.name, ledger_public_id('acc', w.account_id)) AS place, format('kept %%s/%%s, days give %%s/%%s', w.kept_debit, w.kept_credit, w.debit, w.credit) AS detail
  FROM ledger_period p
 CROSS JOIN LATERAL (
        SELECT account_id, coalesce(t.debit_minor, 0) AS kept_debit, coalesce(t.credit_minor, 0) AS kept_credit, coalesce(m.debit, 0) AS debit, coalesce(m.credit, 0) AS credit
          FROM (SELECT * FROM ledger_period_turnover WHERE tenant_id = p.tenant_id AND period_id = p.period_id) t
          FULL JOIN (SELECT account_id, sum(debit_minor) AS debit, sum(credit_minor) AS credit FROM ledger_movement
                      WHERE tenant_id = p.tenant_id AND value_on BETWEEN p.starts_on AND p.ends_on GROUP BY account_id) m USING (account_id)) w
 WHERE p.tenant_id = %(tenant)s AND p.status IN ('closed', 'sealed') AND (w.kept_debit <> w.debit OR w.kept_credit <> w.credit)

-- name: period_entry_late
-- Nothing is booked into a period after it was closed.
SELECT format('entry %%s leg %%s', ledger_public_id('txn', e.txn_id), e.leg) AS place, format('booked after period %%s was closed', p.name) AS detail
  FROM ledger_period p
  JOIN ledger_period_closing c ON c.tenant_id = p.tenant_id AND c.period_id = p.period_id
  JOIN ledger_entry e ON e.tenant_id = p.tenant_id AND e.value_on BETWEEN p.starts_on AND p.ends_on AND e.booked_at > c.closed_at
 WHERE p.tenant_id = %(tenant)s AND p.status IN ('closed', 'sealed')

-- name: seal_differs
-- Each seal is the hash of what it sealed.
SELECT 'period ' || p.name AS place, 'the seal is not the hash of its turnover and the seal before' AS detail
  FROM ledger_period p WHERE p.tenant_id = %(tenant)s AND p.status = 'sealed' AND p.state_hash IS DISTINCT FROM ledger_seal_hash(p.tenant_id, p.period_id)

-- name: hold_leg_differs
-- What a hold says was captured and released is what its captures and releases booked; its amount is what was held.
SELECT format('hold %%s leg %%s', ledger_public_id('hld', l.hold_id), l.leg) AS place,
       format('held %%s, captured %%s, released %%s; entries give %%s, %%s, %%s', l.amount_minor, l.captured_minor, l.released_minor,
              coalesce(h.amount_minor, 0), coalesce(e.captured, 0), coalesce(e.let_go, 0) - coalesce(e.captured, 0)) AS detail
  FROM ledger_hold_leg l
  LEFT JOIN ledger_entry h ON h.tenant_id = l.tenant_id AND h.txn_id = l.hold_id AND h.leg = l.leg AND h.account_id = l.account_id AND h.side = l.side AND h.layer = 'h'
  LEFT JOIN (SELECT x.source_id, n.account_id, n.side, sum(n.amount_minor) FILTER (WHERE n.layer = 'p') AS captured, -sum(n.amount_minor) FILTER (WHERE n.layer = 'h') AS let_go
               FROM ledger_txn x JOIN ledger_entry n ON n.tenant_id = x.tenant_id AND n.txn_id = x.txn_id
              WHERE x.tenant_id = %(tenant)s AND x.kind IN ('c', 'v', 'x')
              GROUP BY x.source_id, n.account_id, n.side) e ON e.source_id = l.hold_id AND e.account_id = l.account_id AND e.side = l.side
 WHERE l.tenant_id = %(tenant)s
   AND (l.amount_minor IS DISTINCT FROM h.amount_minor OR l.captured_minor <> coalesce(e.captured, 0)
        OR l.captured_minor + l.released_minor <> coalesce(e.let_go, 0))

-- name: hold_status_differs
-- A hold is open exactly while something of it is left.
SELECT 'hold ' || ledger_public_id('hld', h.hold_id) AS place, format('it is %%s and %%s is left', CASE h.status WHEN 'o' THEN 'open' ELSE 'resolved' END, coalesce(l.rest, 0)) AS detail
  FROM ledger_hold h
  LEFT JOIN (SELECT hold_id, sum(amount_minor - captured_minor - released_minor) AS rest FROM ledger_hold_leg WHERE tenant_id = %(tenant)s GROUP BY hold_id) l USING (hold_id)
 WHERE h.tenant_id = %(tenant)s AND (h.status = 'o') <> (coalesce(l.rest, 0) > 0)

-- name: pending_differs
-- What an account has pending is what is left of its holds.
SELECT 'account ' || ledger_public_id('acc', account_id) AS place, format('pending %%s/%%s, holds leave %%s/%%s', hd, hc, coalesce(l.debit, 0), coalesce(l.credit, 0)) AS detail
  FROM (SELECT b.account_id, b.pending_debit + coalesce(sum(d.pending_debit), 0) AS hd, b.pending_credit + coalesce(sum(d.pending_credit), 0) AS hc
          FROM ledger_balance b LEFT JOIN ledger_delta d ON d.tenant_id = b.tenant_id AND d.account_id = b.account_id
         WHERE b.tenant_id = %(tenant)s GROUP BY b.account_id, b.pending_debit, b.pending_credit) b
  LEFT JOIN (SELECT account_id, coalesce(sum(amount_minor - captured_minor - released_minor) FILTER (WHERE side = 'd'), 0) AS debit,
                    coalesce(sum(amount_minor - captured_minor - released_minor) FILTER (WHERE side = 'c'), 0) AS credit
               FROM ledger_hold_leg WHERE tenant_id = %(tenant)s GROUP BY account_id) l USING (account_id)
 WHERE hd <> coalesce(l.debit, 0) OR hc <> coalesce(l.credit, 0)

-- name: reversal_differs
-- The running total of what was reversed is what reversals booked.
SELECT format('transaction %%s account %%s', ledger_public_id('txn', source_id), ledger_public_id('acc', account_id)) AS place,
       format('kept %%s, reversals give %%s', coalesce(k.kept, 0), coalesce(r.made, 0)) AS detail
  FROM (SELECT l.txn_id AS source_id, e.account_id, e.side, sum(l.reversed_minor) AS kept
          FROM ledger_reversal_leg l JOIN ledger_entry e ON e.tenant_id = l.tenant_id AND e.txn_id = l.txn_id AND e.leg = l.leg
         WHERE l.tenant_id = %(tenant)s GROUP BY 1, 2, 3) k
  FULL JOIN (SELECT x.source_id, n.account_id, CASE n.side WHEN 'd' THEN 'c' ELSE 'd' END::"char" AS side, sum(n.amount_minor) AS made
               FROM ledger_txn x JOIN ledger_entry n ON n.tenant_id = x.tenant_id AND n.txn_id = x.txn_id
              WHERE x.tenant_id = %(tenant)s AND x.kind = 'r' GROUP BY 1, 2, 3) r USING (source_id, account_id, side)
 WHERE coalesce(k.kept, 0) <> coalesce(r.made, 0)

-- name: claim_dangling
-- A key or reference that was used stands for a transaction that exists.
SELECT 'claim ' || q.claim_id AS place, format('its transaction %%s does not exist', ledger_public_id('txn', q.txn_id)) AS detail
  FROM ledger_claim q LEFT JOIN ledger_txn x ON x.tenant_id = q.tenant_id AND x.txn_id = q.txn_id
 WHERE q.tenant_id = %(tenant)s AND q.txn_id IS NOT NULL AND x.txn_id IS NULL

-- name: reference_unclaimed
-- Every reference is claimed, so that nobody can use it again.
SELECT 'transaction ' || ledger_public_id('txn', x.txn_id) AS place, 'its reference is not claimed' AS detail
  FROM ledger_txn x LEFT JOIN ledger_claim q ON q.tenant_id = x.tenant_id AND q.txn_id = x.txn_id AND q.kind = 'r'
 WHERE x.tenant_id = %(tenant)s AND x.reference IS NOT NULL AND q.txn_id IS NULL

-- name: event_missing
-- Every transaction has exactly one event, of its kind. Those that retention removed are let pass.
SELECT 'transaction ' || ledger_public_id('txn', x.txn_id) AS place, format('%%s events, of its kind %%s', coalesce(v.events, 0), coalesce(v.fitting, 0)) AS detail
  FROM ledger_txn x
  LEFT JOIN (SELECT e.subject, count(*) AS events, count(*) FILTER (WHERE e.type = 'ledger.transaction.' || CASE q.kind WHEN 'p' THEN 'posted' WHEN 'h' THEN 'held'
                    WHEN 'c' THEN 'captured' WHEN 'v' THEN 'voided' WHEN 'x' THEN 'expired' ELSE 'reversed' END) AS fitting
               FROM event_log e JOIN ledger_txn q ON q.tenant_id = e.tenant_id AND q.txn_id = e.subject
              WHERE e.tenant_id = %(tenant)s AND e.type LIKE 'ledger.transaction.%%' GROUP BY e.subject) v ON v.subject = x.txn_id
 WHERE x.tenant_id = %(tenant)s AND (coalesce(v.events, 0) <> 1 OR v.fitting <> 1)
   AND (v.events > 0 OR x.booked_at >= coalesce((SELECT max((data ->> 'before')::timestamptz) FROM event_log
                                                  WHERE tenant_id = %(tenant)s AND type = 'audit.events_retired'), '-infinity'))

-- name: event_surplus
-- Every event of a transaction has its transaction.
SELECT 'event_log seq=' || v.seq AS place, format('%%s of a transaction that does not exist', v.type) AS detail
  FROM event_log v LEFT JOIN ledger_txn x ON x.tenant_id = v.tenant_id AND x.txn_id = v.subject
 WHERE v.tenant_id = %(tenant)s AND v.type LIKE 'ledger.transaction.%%' AND x.txn_id IS NULL
