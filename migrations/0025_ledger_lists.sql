-- Indexes for the orders in which accounts and rates are listed, so that a page deep in a long list is found, not counted.
-- Lists of parties need none: a tenant has few branches, keys and people. Transactions and holds are listed by their
-- ids, which grow with time: another index would be paid by every posting.
CREATE INDEX ledger_account_name_ix ON ledger_account (tenant_id, name, account_id);
CREATE INDEX ledger_account_opened_ix ON ledger_account (tenant_id, opened_at, account_id);
CREATE INDEX ledger_rate_recorded_ix ON ledger_rate (tenant_id, recorded_at, rate_id);
CREATE INDEX ledger_rate_valid_ix ON ledger_rate (tenant_id, valid_from, rate_id);
