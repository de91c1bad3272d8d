"""Checking lines before anything moves: form, payee, references, the organisation's rules; then the sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from omniroute import ledger
from omniroute.infra.postgres import Int4Array, Int8Array, JsonbArray, TextArray, Tx
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.money import payments
from omniroute.money.batches import journal, store
from omniroute.money.batches.errors import DuplicateReference
from omniroute.money.batches.events import BatchValidated
from omniroute.money.batches.model import (
    LINE_REFERENCE_MAX,
    Batch,
    BatchState,
    FileLine,
    Funds,
    LineState,
    Problem,
    Sum,
)
from omniroute.money.institutions import normalise_payee
from omniroute.money.payments import InitiatePayment, PaymentType, Rulebook
from omniroute.money.payments.errors import MalformedPayment, PaymentExists, SourceNotFound
from omniroute.parties import tenants
from omniroute.ports.rails import Party

CHUNK = 1_000


async def zone_of(tx: Tx) -> ZoneInfo:
    """Where the days of files begin: in the organisation's own time zone."""
    return ZoneInfo((await tenants.get_organisation(tx)).time_zone)


def command_of(batch: Batch, row: Any, *, zone: tzinfo, now: datetime) -> InitiatePayment:
    """The payment that a line orders. Its day begins at midnight in `zone`; a day that has begun is now.

    Raises: MalformedPayment and what `normalise_payee` raises.
    """
    day = _begin(row.send_on, zone)
    if row.tries == 0 and len(row.reference) > LINE_REFERENCE_MAX:
        raise MalformedPayment(f"reference: up to {LINE_REFERENCE_MAX} characters in a batch", field="reference")
    return payments.initiate_payment(
        reference=row.reference if row.tries == 0 else f"{row.reference}-r{row.tries}",
        type=PaymentType(row.type),
        amount=Money(row.amount_minor, row.currency),
        source_code=_source(row.source_code),
        payee=normalise_payee(msgspec.convert(row.payee, Party), currency=row.currency),
        narration=row.narration,
        metadata=row.metadata,
        send_after=day if day is not None and day > now else None,
        connection=row.connection,
        batch_id=batch.batch_id,
        line_number=row.line_number,
        approved=True,
    )


def payment_of(line: FileLine, *, zone: tzinfo) -> InitiatePayment:
    """The payment that a line without a problem orders outside of any batch: it is approved, or not, by itself.

    The same line is the same payment on any day, so it does not depend on what day it is.

    Raises: MalformedPayment and what `normalise_payee` raises.
    """
    assert line.amount_minor is not None, "a line without a problem has an amount"
    assert line.currency is not None, "and a currency"
    assert line.type is not None, "and a type"
    return payments.initiate_payment(
        reference=line.reference or "",
        type=PaymentType(line.type),
        amount=Money(line.amount_minor, line.currency),
        source_code=_source(line.source),
        payee=normalise_payee(msgspec.convert(line.payee, Party), currency=line.currency),
        narration=line.narration,
        metadata=line.metadata,
        send_after=_begin(line.send_on, zone),
        connection=line.connection,
    )


def _source(code: str | None) -> str:
    if code is None:
        raise MalformedPayment(
            "source: the account that pays is missing, and none is named for all lines", field="source"
        )
    return code


def _begin(on: date | None, zone: tzinfo) -> datetime | None:
    return None if on is None else datetime.combine(on, time(), zone).astimezone(UTC)


def problem_of(refusal: Refusal) -> Problem:
    """A refusal as a line's problem."""
    field = refusal.facts.get("field")
    return Problem(refusal.code, refusal.detail, None if field is None else str(field))


@dataclass(frozen=True, slots=True)
class _Found:
    """What the check of a line has found."""

    number: int
    payee: Mapping[str, Any]
    problem: Problem | None = None
    fee_minor: int = 0
    rail: str | None = None
    approvals: int = 0


async def check(tx: Tx, batch_id: UUID, *, rules: Rulebook, now: datetime, today: date) -> Batch:
    """Check the next lines of a batch now, for somebody who waits for the report; nothing if they are checked already.

    Raises: BatchNotFound.
    """
    batch = await store.lock(tx, batch_id)
    if batch.state is not BatchState.DRAFT:
        return batch
    return (await check_lines(tx, batch, rules=rules, now=now, today=today))[1]


async def check_lines(
    tx: Tx, batch: Batch, *, rules: Rulebook, now: datetime, today: date, chunk: int = CHUNK
) -> tuple[int, Batch]:
    """Check the next lines of a draft; how many they were, and the batch. With the last one the draft is VALIDATED."""
    rows = await tx.all(
        store.SQL.next_lines, tenant=tx.tenant, batch=batch.batch_id, state=LineState.RECEIVED.value, limit=chunk
    )
    if rows:
        found = await _check(tx, batch, rows, rules=rules, now=now, today=today)
        await tx.execute(
            store.SQL.set_checked,
            tenant=tx.tenant,
            batch=batch.batch_id,
            line_number=Int4Array.of([one.number for one in found]),
            state=TextArray.of([(LineState.INVALID if one.problem else LineState.VALID).value for one in found]),
            payee=JsonbArray.of([msgspec.json.encode(one.payee) for one in found]),
            fee_minor=Int8Array.of([one.fee_minor for one in found]),
            rail=TextArray.of([one.rail for one in found]),
            problem=JsonbArray.of([store.problem_json(one.problem) for one in found]),
        )
        needed = max(batch.approvals_needed, *[one.approvals for one in found])
        if needed > batch.approvals_needed:
            batch = await store.update(tx, replace(batch, approvals_needed=needed), work_after=now, now=now)
    if len(rows) == chunk:
        return len(rows), batch
    return len(rows), await _finish(tx, batch, now=now)


async def _check(
    tx: Tx, batch: Batch, rows: Sequence[Any], *, rules: Rulebook, now: datetime, today: date
) -> list[_Found]:
    references = [row.reference for row in rows]
    given: dict[str, object] = {"batch": batch.batch_id, "references": references}
    repeats = await tx.all(store.SQL.repeated_references, tenant=tx.tenant, **given)
    first = {row.reference: row.first for row in repeats}
    taken = {row.reference for row in await tx.all(store.SQL.taken_references, tenant=tx.tenant, references=references)}
    codes = {row.source_code for row in rows if row.source_code is not None}
    accounts = await ledger.find_accounts(tx, [ledger.account_id(tx.tenant, code) for code in codes])
    zone = await zone_of(tx)
    found: list[_Found] = []
    for row in rows:
        try:
            if first.get(row.reference, row.line_number) < row.line_number:
                raise DuplicateReference(
                    f"line {first[row.reference]} has the reference {row.reference}, too", field="reference"
                )
            if row.reference in taken:
                raise PaymentExists(f"there is a payment {row.reference} already", field="reference")
            command = command_of(batch, row, zone=zone, now=now)
            _check_source(tx.tenant, accounts, command, batch.branches)
            decision = rules.decide(command, actor=batch.initiated_by, now=now, today=today)
        except Refusal as refusal:
            found.append(_Found(row.line_number, row.payee, problem_of(refusal)))
            continue
        payee = msgspec.to_builtins(command.payee)
        found.append(_Found(row.line_number, payee, None, decision.fee_minor, decision.rail, decision.approvals_needed))
    return found


def _check_source(
    tenant_id: UUID,
    accounts: Mapping[UUID, ledger.Account],
    command: InitiatePayment,
    branches: tuple[UUID, ...] | None,
) -> None:
    """Raises: SourceNotFound, MalformedPayment."""
    code, currency = command.source_code, command.amount.currency
    account = accounts.get(ledger.account_id(tenant_id, code))
    if account is None or (branches is not None and account.branch_id not in branches):
        raise SourceNotFound(f"there is no account {code} to pay from", field="source")
    if account.currency != currency:
        raise MalformedPayment(f"{code} is kept in {account.currency}, not in {currency}", field="currency")


async def _finish(tx: Tx, batch: Batch, *, now: datetime) -> Batch:
    """All lines are checked: count, sum up, look at the accounts that will pay."""
    rows = await tx.all(store.SQL.sums_of_lines, tenant=tx.tenant, batch=batch.batch_id)
    counts: dict[str, int] = {}
    totals: dict[str, tuple[int, int]] = {}
    needed: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[row.state] = counts.get(row.state, 0) + row.count
        if row.currency is not None:
            count, amount = totals.get(row.currency, (0, 0))
            totals[row.currency] = (count + row.count, amount + int(row.amount_minor))
        if row.state == LineState.VALID:
            key = (row.source_code, row.currency)
            needed[key] = needed.get(key, 0) + int(row.amount_minor) + int(row.fee_minor)
    ids = {code: ledger.account_id(tx.tenant, code) for code, _ in needed}
    balances = await ledger.find_balances(tx, list(ids.values()))
    available = {code: balances[ids[code]].available_minor if ids[code] in balances else 0 for code in ids}
    validated = replace(
        batch,
        state=BatchState.VALIDATED,
        valid_count=counts.get(LineState.VALID, 0),
        invalid_count=counts.get(LineState.INVALID, 0),
        totals=tuple(Sum(currency, count, amount) for currency, (count, amount) in totals.items()),
        funds=tuple(Funds(code, currency, sum_, available[code]) for (code, currency), sum_ in needed.items()),
        tally=await store.tally(tx, batch.batch_id),
        tallied_at=now,
    )
    validated = await store.update(tx, validated, work_after=now, now=now)
    await journal.tell(tx, BatchValidated, validated, journal.WORKER)
    return validated
