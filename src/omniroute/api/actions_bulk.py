"""Many payments as one action of a Hasura engine: a batch like any other, sent in as JSON lines."""

import io
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from omniroute.api.actions_form import Camel, shape
from omniroute.api.actions_payments import PaymentInput, payee_of
from omniroute.api.call import Call
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.money import batches
from omniroute.money.batches import Batch, BatchFormat, BatchState, FileKnown, OnInvalid, ReceiveBatch

MANY_MAX = 10_000
_FAILED = frozenset({"INVALID", "FAILED", "CANCELLED", "EXPIRED", "REVERSED"})


class BulkInput(Camel, kw_only=True):
    """Payments of one batch."""

    batch_id: UUID
    payments: Annotated[list[PaymentInput], Meta(min_length=1, max_length=MANY_MAX)]


async def process_bulk(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Send a batch in, have it checked, and ask for its approval; or tell how far it is, when it came in before.

    Raises: MalformedAction, BatchReferenceTaken and what else is refused of a batch.
    """
    asked = shape(given, BulkInput)
    batch_id = await _received(call, asked)
    rules = await call.services.payments.rulebooks.get(call.tenant_id)
    while True:
        async with _tx(call) as tx:
            batch = await batches.check(tx, batch_id, rules=rules, now=call.now, today=call.today)
            if batch.state is BatchState.VALIDATED and batch.valid_count:
                batch = await batches.submit(
                    tx, batch_id, actor=call.caller.subject, on_invalid=None, now=call.now, meta=call.meta
                )
            if batch.state is not BatchState.DRAFT:
                return await _told(tx, call, asked.batch_id, batch_id)


def _tx(call: Call) -> Any:
    return call.services.db.tx(call.tenant_id, branches=call.caller.branches)


async def _received(call: Call, asked: BulkInput) -> UUID:
    """The batch of these payments, stored now or before. Raises: FileKnown when they came in under another id."""
    reference = str(asked.batch_id)
    content = b"".join(msgspec.json.encode(_line(one), enc_hook=str) + b"\n" for one in asked.payments)
    upload = batches.Upload(io.BytesIO(content), len(content), sha256(content).digest(), BatchFormat.JSON_LINES)
    try:
        async with _tx(call) as tx:
            batch: Batch = await batches.receive(
                tx,
                upload,
                ReceiveBatch(reference=reference, on_invalid=OnInvalid.SKIP_LINES),
                actor=call.caller.subject,
                branches=call.caller.branches,
                now=call.now,
                meta=call.meta,
            )
    except FileKnown as known:
        told = known.facts.get("batch_id")
        if told is None:
            raise
        found = ids.parse("bat", str(told))
        async with _tx(call) as tx:
            if (await batches.find_batch(tx, found, now=call.now)).reference != reference:
                raise
        return found
    return batch.batch_id


def _line(asked: PaymentInput) -> dict[str, Any]:
    """A payment as a line of the file; what is wrong with it is told with its line."""
    payee = payee_of(asked.destination_account)
    source = asked.source_account if isinstance(asked.source_account, str) else asked.source_account.account_code
    return {
        "reference": asked.reference,
        "type": asked.type,
        "amount": None if asked.amount is None else str(asked.amount),
        "amount_minor": None if asked.amount_minor is None else str(asked.amount_minor),
        "currency": asked.currency,
        "source": source,
        "payee_kind": payee.kind,
        "identifier": payee.identifier,
        "institution": payee.institution,
        "payee_name": payee.name,
        "country": payee.country,
        "narration": asked.narration,
        "connection": asked.connection,
        "metadata": asked.metadata,
    }


async def _told(tx: Tx, call: Call, asked_id: UUID, batch_id: UUID) -> dict[str, Any]:
    batch = await batches.find_batch(tx, batch_id, now=call.now)
    failures: list[dict[str, str]] = []
    if batch.failed_count or batch.invalid_count:
        async for line in batches.all_lines(tx, batch_id):
            if batches.status_of(line) in _FAILED:
                error = batches.reason_of(line) or batches.status_of(line).lower()
                detail = f"{line.problem.detail} ({error})" if line.problem is not None else error
                failures.append({"reference": line.reference, "error": detail})
    return {
        "id": str(batch_id),
        "batchId": str(asked_id),
        "totalProcessed": batch.total_count,
        "successCount": batch.total_count - len(failures),
        "failedCount": len(failures),
        "failures": failures,
        "paymentBatchId": ids.show("bat", batch_id),
        "status": batch.state.value.upper(),
        "approvalsNeeded": batch.approvals_needed,
        "approvalsGiven": batch.approvals_given,
    }
