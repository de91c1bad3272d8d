-- Indexes for the orders in which accounts and rates are listed, so that a page deep in a long list is found, not counted.
-- Lists of parties need none: a tenant has few branches, keys and people. Holds are listed by their ids, which grow
-- with time. The index on booking time is paid by every posting (1 of some 35 microseconds); it also finds the range of
-- `booked_from` and `booked_to`.
CREATE INDEX ledger_account_name_ix ON ledger_account (tenant_id, name, account_id);
CREATE INDEX ledger_account_opened_ix ON ledger_account (tenant_id, opened_at, account_id);
-- Every row has a booking time; the condition keeps the index from queries that do not ask for it. On a table without
-- statistics PostgreSQL 15 would rather read all of a tenant through it than use the keys that a posting names.
CREATE INDEX ledger_txn_booked_ix ON ledger_txn (tenant_id, booked_at, txn_id) WHERE booked_at IS NOT NULL;
CREATE INDEX ledger_rate_recorded_ix ON ledger_rate (tenant_id, recorded_at, rate_id);
CREATE INDEX ledger_rate_valid_ix ON ledger_rate (tenant_id, valid_from, rate_id);
