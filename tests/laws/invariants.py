"""What must be true of one tenant's tables at any instant, said in SQL."""

from uuid import UUID

from omniroute.infra.postgres import Database

_INVARIANTS = {
    "debits equal credits, posted and held apart": """
        SELECT currency, layer FROM ledger_entry WHERE tenant_id = %(t)s GROUP BY 1, 2
        HAVING sum(CASE side WHEN 'd' THEN amount_minor ELSE -amount_minor END) <> 0""",
    "every transaction balances": """
        SELECT txn_id FROM ledger_entry WHERE tenant_id = %(t)s GROUP BY txn_id, currency, layer
        HAVING sum(CASE side WHEN 'd' THEN amount_minor ELSE -amount_minor END) <> 0""",
    "counters, with what is not folded yet, are the fold of the entries": """
        SELECT b.account_id FROM ledger_balance b
          LEFT JOIN LATERAL (SELECT
                 coalesce(sum(amount_minor) FILTER (WHERE side = 'd' AND layer = 'p'), 0) AS pd,
                 coalesce(sum(amount_minor) FILTER (WHERE side = 'c' AND layer = 'p'), 0) AS pc,
                 coalesce(sum(amount_minor) FILTER (WHERE side = 'd' AND layer = 'h'), 0) AS hd,
                 coalesce(sum(amount_minor) FILTER (WHERE side = 'c' AND layer = 'h'), 0) AS hc
                 FROM ledger_entry e WHERE e.tenant_id = b.tenant_id AND e.account_id = b.account_id) e ON true
          LEFT JOIN LATERAL (SELECT coalesce(sum(posted_debit), 0) AS pd, coalesce(sum(posted_credit), 0) AS pc,
                 coalesce(sum(pending_debit), 0) AS hd, coalesce(sum(pending_credit), 0) AS hc
                 FROM ledger_delta d WHERE d.tenant_id = b.tenant_id AND d.account_id = b.account_id) d ON true
         WHERE b.tenant_id = %(t)s
           AND (b.posted_debit + d.pd, b.posted_credit + d.pc, b.pending_debit + d.hd, b.pending_credit + d.hc)
               IS DISTINCT FROM (e.pd, e.pc, e.hd, e.hc)""",
    "versions have no gap and end at the account's": """
        SELECT b.account_id FROM ledger_balance b
          LEFT JOIN ledger_entry e ON e.tenant_id = b.tenant_id AND e.account_id = b.account_id
         WHERE b.tenant_id = %(t)s AND NOT b.deferred GROUP BY b.account_id, b.version
        HAVING b.version <> count(e.version) OR b.version <> coalesce(max(e.version), 0)
               OR coalesce(min(e.version), 1) <> 1""",
    "each balance follows from the one before": """
        SELECT account_id, version FROM (
            SELECT e.account_id, e.version, e.balance_after,
                   sum(CASE WHEN e.layer = 'h' THEN 0 WHEN e.side = b.normal_side THEN e.amount_minor
                            ELSE -e.amount_minor END) OVER (PARTITION BY e.account_id ORDER BY e.version) AS balance
              FROM ledger_entry e JOIN ledger_balance b USING (tenant_id, account_id)
             WHERE e.tenant_id = %(t)s AND NOT b.deferred) chain
         WHERE balance_after <> balance""",
    "a hold resolves once, and its legs stand in the held layer": """
        SELECT h.hold_id FROM ledger_hold h JOIN ledger_hold_leg l USING (tenant_id, hold_id)
         WHERE h.tenant_id = %(t)s GROUP BY h.hold_id, h.status
        HAVING (h.status = 'c') <> (sum(l.amount_minor - l.captured_minor - l.released_minor) = 0)""",
    "pending counters are what is left of holds": """
        SELECT account_id FROM (
            SELECT b.account_id, b.pending_debit + b.pending_credit + coalesce((
                     SELECT sum(pending_debit + pending_credit) FROM ledger_delta d
                      WHERE d.tenant_id = b.tenant_id AND d.account_id = b.account_id), 0) AS pending,
                   coalesce((SELECT sum(amount_minor - captured_minor - released_minor) FROM ledger_hold_leg l
                      WHERE l.tenant_id = b.tenant_id AND l.account_id = b.account_id), 0) AS left_of_holds
              FROM ledger_balance b WHERE b.tenant_id = %(t)s) both_ways
         WHERE pending <> left_of_holds""",
    "reversals add up to their running total": """
        SELECT x.source_id FROM ledger_txn x JOIN ledger_entry e USING (tenant_id, txn_id)
         WHERE x.tenant_id = %(t)s AND x.kind = 'r' GROUP BY x.source_id
        HAVING sum(e.amount_minor) <> (SELECT sum(reversed_minor) FROM ledger_reversal_leg r
                                        WHERE r.tenant_id = %(t)s AND r.txn_id = x.source_id)""",
    "one event for each transaction, none for anything else": """
        SELECT coalesce(x.txn_id, v.id) FROM (SELECT * FROM ledger_txn WHERE tenant_id = %(t)s) x
          FULL JOIN (SELECT * FROM event_log WHERE tenant_id = %(t)s AND type LIKE 'ledger.transaction.%%') v
                 ON v.subject = x.txn_id
         GROUP BY 1 HAVING count(x.txn_id) <> 1 OR count(v.id) <> 1""",
    "references stand once, and where their claim says": """
        SELECT reference FROM ledger_txn x LEFT JOIN ledger_claim c
               ON c.tenant_id = x.tenant_id AND c.txn_id = x.txn_id AND c.kind = 'r'
         WHERE x.tenant_id = %(t)s AND reference IS NOT NULL
         GROUP BY reference HAVING count(DISTINCT x.txn_id) <> 1 OR count(c.claim_id) <> 1""",
    "keys and references name transactions that exist": """
        SELECT claim_id FROM ledger_claim c WHERE tenant_id = %(t)s AND txn_id IS NOT NULL
           AND NOT EXISTS (SELECT FROM ledger_txn x WHERE x.tenant_id = c.tenant_id AND x.txn_id = c.txn_id)""",
    "every transaction has entries": """
        SELECT txn_id FROM ledger_txn x WHERE tenant_id = %(t)s
           AND NOT EXISTS (SELECT FROM ledger_entry e WHERE e.tenant_id = x.tenant_id AND e.txn_id = x.txn_id)""",
    "the order of events is the order of versions": """
        SELECT account_id, version FROM (
            SELECT e.account_id, e.version, v.seq, max(v.seq) OVER (
                       PARTITION BY e.account_id ORDER BY e.version ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                   ) AS seq_before
              FROM ledger_entry e JOIN event_log v ON v.tenant_id = e.tenant_id AND v.subject = e.txn_id
             WHERE e.tenant_id = %(t)s AND e.version IS NOT NULL) ordered
         WHERE seq < seq_before""",
}


async def check_invariants(owner_db: Database, tenant_id: UUID) -> None:
    """Fails with the law that is broken and where."""
    async with owner_db.tx() as tx:
        for law, query in _INVARIANTS.items():
            rows = await (await tx.connection.execute(query, {"t": tenant_id})).fetchall()
            assert not rows, f"{law}: {rows[:5]}"
