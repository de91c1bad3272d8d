"""Rows in every table that the gateway shows: for each corner (a branch of an organisation) one of each kind."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from omniroute.infra.postgres import Database
from omniroute.kit.ids import show

AT = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)  # In Lagos it is the next day already.
_NAMES = UUID("00000000-0000-8000-8000-000000000000")


@dataclass(frozen=True)
class Corner:
    """A branch of an organisation. `mark` stands in every row of it that has a text."""

    slug: str
    number: int

    @property
    def mark(self) -> str:
        return f"{self.slug}-{self.number}"

    @property
    def tenant_id(self) -> UUID:
        return uuid5(_NAMES, self.slug)

    def id(self, noun: str) -> UUID:
        """The id of its one thing of a kind."""
        return uuid5(_NAMES, f"{self.mark} {noun}")

    @property
    def branch_id(self) -> UUID:
        return self.id("branch")


async def plant_organisation(owner: Database, slug: str) -> None:
    corner = Corner(slug, 0)
    async with owner.tx(corner.tenant_id) as tx:
        await tx.connection.execute(ORGANISATION, {"tenant": corner.tenant_id, "slug": slug, "at": AT})


async def plant(owner: Database, corner: Corner) -> None:
    """One row of everything."""
    maker, checker = show("usr", corner.id("maker")), show("usr", corner.id("checker"))
    nouns = (
        "branch maker role grant account txn connection payment attempt step exception batch schedule request endpoint "
        "delivery event hold float run match unmatched partner grantee atc scope tier collected gathered "
        "settlement virtual vledger credit arrival"
    )
    given = {
        "tenant": corner.tenant_id, "mark": corner.mark, "at": AT, "by": maker, "checked_by": checker,
        **{noun: corner.id(noun) for noun in nouns.split()},
    }  # fmt: skip
    async with owner.tx(corner.tenant_id) as tx:
        for statement in ROWS:
            await tx.connection.execute(statement, given)


ORGANISATION = """
INSERT INTO organisation (tenant_id, slug, name, country, currency, time_zone, residency, created_at, updated_at)
VALUES (%(tenant)s, %(slug)s, %(slug)s, 'NG', 'NGN', 'Africa/Lagos', 'any', %(at)s, %(at)s)"""

ROWS = [
    """INSERT INTO branch (tenant_id, id, code, name, created_at, updated_at)
       VALUES (%(tenant)s, %(branch)s, %(mark)s, %(mark)s, %(at)s, %(at)s)""",
    """INSERT INTO person (id, email, name, password_hash, created_at, updated_at)
       VALUES (%(maker)s, %(mark)s || '@shop.example', %(mark)s, 'SECRET-' || %(mark)s, %(at)s, %(at)s)""",
    """INSERT INTO membership (tenant_id, user_id, joined_at, updated_at)
       VALUES (%(tenant)s, %(maker)s, %(at)s, %(at)s)""",
    """INSERT INTO role (tenant_id, id, name, permissions, created_at, updated_at)
       VALUES (%(tenant)s, %(role)s, 'r_' || replace(%(mark)s, '-', '_'), '{}', %(at)s, %(at)s)""",
    """INSERT INTO role_grant (tenant_id, id, role_id, user_id, branch_id, granted_by, created_at)
       VALUES (%(tenant)s, %(grant)s, %(role)s, %(maker)s, %(branch)s, %(by)s, %(at)s)""",
    """INSERT INTO partner (tenant_id, partner_id, code, kind, name, phone, email, account, external_refs, created_at,
                            updated_at)
       VALUES (%(tenant)s, %(partner)s, %(mark)s, 'MANUFACTURER', %(mark)s, '+2348012345678', 'ap@mill.example',
               '{"kind": "bank_account", "identifier": "0123456785", "institution": "000013", "name": "Kano Mills",
                 "country": "NG", "account": null}', '{"erp": "C-7"}', %(at)s, %(at)s)""",
    """INSERT INTO ledger_account (tenant_id, account_id, code, name, type, normal_side, currency, mode, branch_id,
                                   opened_at)
       VALUES (%(tenant)s, %(account)s, %(mark)s, %(mark)s, 'liability', 'c', 'NGN', 'strict', %(branch)s, %(at)s)""",
    """INSERT INTO ledger_balance (tenant_id, account_id, branch_id, posted_debit, posted_credit, pending_debit,
                                   version, currency, normal_side, deferred)
       VALUES (%(tenant)s, %(account)s, %(branch)s, 100, 100100, 25, 2, 'NGN', 'c', false)""",
    """INSERT INTO ledger_txn (tenant_id, txn_id, kind, value_on, booked_at, reference)
       VALUES (%(tenant)s, %(txn)s, 'p', '2026-03-02', %(at)s, %(mark)s)""",
    """INSERT INTO ledger_entry (tenant_id, txn_id, account_id, amount_minor, balance_after, version, booked_at,
                                 value_on, leg, side, layer, currency)
       VALUES (%(tenant)s, %(txn)s, %(account)s, 100, -100, 1, %(at)s, '2026-03-02', 0, 'd', 'p', 'NGN'),
              (%(tenant)s, %(txn)s, %(account)s, 100, 0, 2, %(at)s, '2026-03-02', 1, 'c', 'p', 'NGN')""",
    """INSERT INTO bank_connection (tenant_id, connection_id, code, name, rail, bank_code, currency, endpoint, public,
                                    sealed, operations, float_account_id, created_at, updated_at)
       VALUES (%(tenant)s, %(connection)s, %(mark)s, %(mark)s, 'nip', '000013', 'NGN', 'https://bank.example',
               '{"client": "SECRET"}', 'SECRET', '{payout,statement}', %(float)s, %(at)s, %(at)s)""",
    """INSERT INTO payment (tenant_id, payment_id, reference, type, state, amount_minor, currency, fee_minor, branch_id,
                            source_account_id, source_code, payee, narration, metadata, body_hash, rail,
                            connection_ids, hold_id, approvals_needed, approvals_given, attempt_count, batch_id,
                            line_number, schedule_id, send_after, initiated_by, created_at, updated_at)
       VALUES (%(tenant)s, %(payment)s, %(mark)s, 'SUPPLIER_PAYMENT', 'executing', 150050, 'NGN', 2550, %(branch)s,
               %(account)s, %(mark)s, '{"kind": "bank_account", "identifier": "0123456785", "institution": "000013",
               "name": "Amina Bello", "country": "NG", "account": null}', 'March', '{"order": "7"}', %(payment)s, 'nip',
               ARRAY[%(connection)s], %(hold)s, 1, 1, 1, %(batch)s, 1, %(schedule)s, %(at)s, %(by)s, %(at)s, %(at)s)""",
    """INSERT INTO payment_attempt (tenant_id, attempt_id, payment_id, number, rail, connection_id, our_ref,
                                    provider_ref, state, code, message, claimed_by, lease_until, sent_at, next_query_at,
                                    rail_fee_minor, created_at, updated_at)
       VALUES (%(tenant)s, %(attempt)s, %(payment)s, 1, 'nip', %(connection)s, 'our-' || %(mark)s,
               'their-' || %(mark)s, 'pending', '09', 'in progress', 'worker', %(at)s, %(at)s, %(at)s, 1000, %(at)s,
               %(at)s)""",
    """INSERT INTO payment_step (tenant_id, payment_id, step_id, at, state, source, actor)
       VALUES (%(tenant)s, %(payment)s, %(step)s, %(at)s, 'executing/created', 'worker', 'worker:' || %(mark)s)""",
    """INSERT INTO payment_approval (tenant_id, payment_id, approver, approved, comment, decided_at)
       VALUES (%(tenant)s, %(payment)s, %(checked_by)s, true, %(mark)s, %(at)s)""",
    """INSERT INTO payment_exception (tenant_id, exception_id, payment_id, attempt_id, kind, detail, opened_at)
       VALUES (%(tenant)s, %(exception)s, %(payment)s, %(attempt)s, 'contradiction', '{}', %(at)s)""",
    """INSERT INTO payment_batch (tenant_id, batch_id, reference, name, state, branches, format, byte_count,
                                  content_hash, on_invalid, total_count, valid_count, totals, tally, initiated_by,
                                  submitted_by, approvals_given, work_after, created_at, updated_at)
       VALUES (%(tenant)s, %(batch)s, %(mark)s, %(mark)s, 'running', ARRAY[%(branch)s], 'csv', 1,
               convert_to(%(mark)s, 'UTF8'), 'skip_lines', 4, 4,
               '[{"currency": "NGN", "count": 4, "amount_minor": 600200}]',
               '[{"line": "initiated", "payment": "succeeded", "currency": "NGN", "count": 1, "amount_minor": 150050},
                 {"line": "initiated", "payment": "failed", "currency": "NGN", "count": 1, "amount_minor": 150050},
                 {"line": "refused", "payment": null, "currency": "NGN", "count": 1, "amount_minor": 150050},
                 {"line": "initiated", "payment": "executing", "currency": "NGN", "count": 1, "amount_minor": 150050}]',
               %(by)s, %(by)s, 1, %(at)s, %(at)s, %(at)s)""",
    """INSERT INTO payment_batch_line (tenant_id, batch_id, line_number, state, reference, type, amount_minor, currency,
                                       source_code, payee, payment_id)
       VALUES (%(tenant)s, %(batch)s, 1, 'initiated', %(mark)s, 'SUPPLIER_PAYMENT', 150050, 'NGN', %(mark)s,
               '{"kind": "msisdn", "identifier": "2348012345678", "institution": "MTN"}', %(payment)s)""",
    """INSERT INTO payment_batch_approval (tenant_id, batch_id, approver, approved, comment, decided_at)
       VALUES (%(tenant)s, %(batch)s, %(checked_by)s, true, %(mark)s, %(at)s)""",
    """INSERT INTO payment_schedule (tenant_id, schedule_id, reference, state, branch_id, source_account_id, terms,
                                     time_zone, country, requested_by, approvals_needed, approvals_given, next_on,
                                     next_at, created_at, updated_at)
       VALUES (%(tenant)s, %(schedule)s, %(mark)s, 'active', %(branch)s, %(account)s,
               '{"type": "WORKER_PAYOUT", "currency": "UGX", "amount_minor": 5000, "source_code": "wallet",
                 "payee": {"kind": "ledger", "identifier": "wallet:other"}, "recurrence": {"every": "month"}}',
               'Africa/Lagos', 'NG', %(by)s, 1, 1, '2026-04-01', %(at)s, %(at)s, %(at)s)""",
    """INSERT INTO payment_occurrence (tenant_id, schedule_id, number, nominal_on, due_on, due_at, reference, state,
                                       amount_minor, payment_id, created_at, updated_at)
       VALUES (%(tenant)s, %(schedule)s, 1, '2026-03-01', '2026-03-02', %(at)s, %(mark)s, 'initiated', 5000,
               %(payment)s, %(at)s, %(at)s)""",
    """INSERT INTO approval_request (tenant_id, request_id, kind, subject_id, payment_id, branch_id, payload, evidence,
                                     requested_by, approvals_needed, created_at, expires_at)
       VALUES (%(tenant)s, %(request)s, 'release', %(payment)s, %(payment)s, %(branch)s, '{}', '{}', %(by)s, 1, %(at)s,
               %(at)s)""",
    """INSERT INTO approval_decision (tenant_id, request_id, approver, approved, comment, decided_at)
       VALUES (%(tenant)s, %(request)s, %(checked_by)s, true, %(mark)s, %(at)s)""",
    """INSERT INTO rail_statement_line (tenant_id, connection_id, line_id, booked_at, amount_minor, currency, credit,
                                        our_ref, provider_ref, narration, read_at)
       VALUES (%(tenant)s, %(connection)s, %(mark)s, %(at)s, 150050, 'NGN', false, 'our-' || %(mark)s, NULL, 'March',
               %(at)s)""",
    """INSERT INTO reconciliation_run (tenant_id, run_id, connection_id, start_on, end_on, rule_version, started_by,
                                       created_at, counts)
       VALUES (%(tenant)s, %(run)s, %(connection)s, '2026-03-03', '2026-03-03', '1', %(by)s, %(at)s, '{}')""",
    """INSERT INTO reconciliation_match (tenant_id, match_id, connection_id, run_id, kind, state, found_by,
                                         rule_version, currency, book_minor, bank_minor, evidence, proposed_by,
                                         created_at)
       VALUES (%(tenant)s, %(match)s, %(connection)s, %(run)s, 'auto', 'matched', 1, '1', 'NGN', -150050, -150050,
               '{}', %(by)s, %(at)s)""",
    """INSERT INTO reconciliation_line_claim (tenant_id, match_id, connection_id, line_id, amount_minor)
       VALUES (%(tenant)s, %(match)s, %(connection)s, %(mark)s, -150050)""",
    """INSERT INTO reconciliation_exception (tenant_id, exception_id, connection_id, kind, txn_id, leg, expected_minor,
                                             currency, dated_on, run_id, opened_at)
       VALUES (%(tenant)s, %(unmatched)s, %(connection)s, 'missing_at_bank', %(txn)s, 0, 100, 'NGN', '2026-03-02',
               %(run)s, %(at)s)""",
    """INSERT INTO webhook_endpoint (tenant_id, endpoint_id, url, event_types, since_top, since_open, created_at,
                                     updated_at)
       VALUES (%(tenant)s, %(endpoint)s, 'https://shop.example/' || %(mark)s, '{payment.*}', 0, '{}', %(at)s,
               %(at)s)""",
    """INSERT INTO webhook_secret (tenant_id, secret_id, endpoint_id, sealed, created_at)
       VALUES (%(tenant)s, %(endpoint)s, %(endpoint)s, 'SECRET', %(at)s)""",
    """INSERT INTO webhook_delivery (tenant_id, delivery_id, endpoint_id, event_id, event_seq, event_type, event_at,
                                     subject, next_attempt_at, created_at)
       VALUES (%(tenant)s, %(delivery)s, %(endpoint)s, %(event)s, 1, 'payment.sent', %(at)s, %(payment)s, %(at)s,
               %(at)s)""",
    """INSERT INTO partner (tenant_id, partner_id, code, kind, name, created_at, updated_at)
       VALUES (%(tenant)s, %(grantee)s, %(mark)s || '-grantee', 'DISTRIBUTOR', %(mark)s, %(at)s, %(at)s)""",
    """INSERT INTO atc_grant (tenant_id, grant_id, reference, grantor_id, grantee_id, scope, collection_type, currency,
                              max_amount_minor, cumulative_limit_minor, collected_account_id, commission_type,
                              min_commission_minor, settlement_frequency, settlement_day, settlement_delay_days,
                              settlement_account, status, effective_from, depth, created_by, created_at, updated_at)
       VALUES (%(tenant)s, %(atc)s, %(mark)s, %(partner)s, %(grantee)s, 'PRODUCT_CATEGORY', 'CASH', 'NGN', 500050,
               900000, %(collected)s, 'TIERED_PERCENTAGE', 100, 'WEEKLY', 5, 2, '{"kind": "bank_account",
               "identifier": "0123456785", "institution": "000013", "name": "Amina Bello", "country": "NG"}',
               'pending_approval', %(at)s, 0, %(by)s, %(at)s, %(at)s)""",
    """INSERT INTO atc_scope (tenant_id, scope_id, grant_id, scope_type, scope_values, created_at)
       VALUES (%(tenant)s, %(scope)s, %(atc)s, 'PRODUCT_CATEGORY', ARRAY[%(mark)s], %(at)s)""",
    """INSERT INTO atc_commission_tier (tenant_id, tier_id, grant_id, tier_number, min_minor, rate_ppm, created_at)
       VALUES (%(tenant)s, %(tier)s, %(atc)s, 1, 0, 25000, %(at)s)""",
    """INSERT INTO atc_collection (tenant_id, collection_id, root_collection_id, level, is_top, grant_id, grantee_id,
                                   reference, body_hash, collected_from_id, collection_method, source, currency,
                                   gross_minor, commission_minor, net_minor, collected_on, due_on, transaction_id,
                                   latitude, longitude, notes, recorded_by, created_at)
       VALUES (%(tenant)s, %(gathered)s, %(gathered)s, 0, true, %(atc)s, %(grantee)s, %(mark)s, %(txn)s, %(partner)s,
               'CASH', 'in_hand', 'NGN', 500050, 12501, 487549, '2026-03-03', '2026-03-05', %(txn)s, 6.5244, 3.3792,
               %(mark)s, %(by)s, %(at)s)""",
    """UPDATE atc_collection SET remitted_minor = gross_minor, funded_at = %(at)s
        WHERE tenant_id = %(tenant)s AND collection_id = %(gathered)s""",
    """INSERT INTO atc_settlement_batch (tenant_id, batch_id, reference, grant_id, grantor_id, currency, cause,
                                         period_start, period_end, collection_count, gross_minor, commission_minor,
                                         net_minor, fee_minor, state, payment_id, requested_by, created_at, updated_at)
       VALUES (%(tenant)s, %(settlement)s, %(mark)s, %(atc)s, %(partner)s, 'NGN', 'calendar',
               %(at)s - interval '1 week', %(at)s, 1, 500050, 12501, 487549, 2550, 'processing', %(payment)s,
               'system:settlement', %(at)s, %(at)s)""",
    """INSERT INTO atc_settlement_item (tenant_id, batch_id, collection_id, gross_minor, commission_minor, net_minor)
       VALUES (%(tenant)s, %(settlement)s, %(gathered)s, 500050, 12501, 487549)""",
    """INSERT INTO virtual_account (tenant_id, virtual_account_id, reference, our_ref, connection_id, status, owner_id,
                                    owner_type, currency, wanted_name, customer_name, customer_email, account_number,
                                    bank_code, bank_name, account_name, ledger_account_id, collection_rules, metadata,
                                    requested_by, created_at, updated_at, opened_at)
       VALUES (%(tenant)s, %(virtual)s, %(mark)s, 'our-' || %(mark)s, %(connection)s, 'active', %(partner)s, 'CUSTOMER',
               'NGN', %(mark)s, %(mark)s, 'nkechi@stores.example', '62547' || %(mark)s, '50515', 'Moniepoint', %(mark)s,
               %(vledger)s, '{"min_minor": 10050}', '{"order": "7"}', %(by)s, %(at)s, %(at)s, %(at)s)""",
    """INSERT INTO ledger_balance (tenant_id, account_id, branch_id, posted_credit, posted_debit, version, currency,
                                   normal_side, deferred)
       VALUES (%(tenant)s, %(vledger)s, %(branch)s, 250050, 0, 1, 'NGN', 'c', false),
              (%(tenant)s, %(credit)s, %(branch)s, 0, 250050, 0, 'NGN', 'd', true)""",
    """INSERT INTO ledger_entry (tenant_id, txn_id, account_id, amount_minor, balance_after, version, booked_at,
                                 value_on, leg, side, layer, currency)
       VALUES (%(tenant)s, %(arrival)s, %(vledger)s, 250050, 250050, 1, %(at)s, '2026-03-02', 0, 'c', 'p', 'NGN'),
              (%(tenant)s, %(arrival)s, %(credit)s, 250050, NULL, NULL, %(at)s, '2026-03-02', 1, 'd', 'p', 'NGN')""",
    """INSERT INTO virtual_account_credit (tenant_id, credit_id, connection_id, provider_credit_id, our_ref,
                                           virtual_account_id, amount_minor, fee_minor, currency, session_id, narration,
                                           paid_at, received_at, transaction_id, credited_transaction_id, state,
                                           updated_at)
       VALUES (%(tenant)s, %(credit)s, %(connection)s, 'their-' || %(mark)s, 'our-' || %(mark)s, %(virtual)s, 250050,
               1000, 'NGN', 'session-' || %(mark)s, 'March', %(at)s, %(at)s, %(arrival)s, %(arrival)s, 'booked',
               %(at)s)""",
]
