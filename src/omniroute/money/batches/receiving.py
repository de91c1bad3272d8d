"""Taking a file in: read as a stream, stored as lines, all in one transaction. Nothing moves, nothing is promised."""

import asyncio
import re
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO
from uuid import UUID

from psycopg import errors as pg

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.currency import exponent
from omniroute.kit.ids import uuid7
from omniroute.money.batches import journal, store
from omniroute.money.batches.errors import BatchReferenceTaken, FileKnown, MalformedBatch
from omniroute.money.batches.events import BatchReceived
from omniroute.money.batches.files import PaymentFile
from omniroute.money.batches.model import LINES_MAX, REFERENCE_MAX, Batch, BatchFormat, Defaults, OnInvalid
from omniroute.money.payments import PaymentType

CHUNK = 1_000
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,47}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has arrived whole, and what was said about it. `digest` is SHA-256 of its bytes."""

    file: BinaryIO
    byte_count: int
    digest: bytes
    format: BatchFormat
    charset: str | None = None
    file_name: str | None = None


@dataclass(frozen=True, slots=True)
class ReceiveBatch:
    """How the payments of a file are meant. `repeat_of`: the same file was paid before, and is to be paid again."""

    reference: str | None = None
    name: str | None = None
    on_invalid: OnInvalid = OnInvalid.REJECT_BATCH
    defaults: Defaults = field(default_factory=Defaults)
    repeat_of: UUID | None = None


async def receive(
    tx: Tx,
    upload: Upload,
    command: ReceiveBatch,
    *,
    actor: str,
    branches: tuple[UUID, ...] | None,
    now: datetime,
    meta: Meta,
    lines_max: int = LINES_MAX,
) -> Batch:
    """Store a file as a batch whose lines are to be checked. Holds one chunk of it in memory at a time.

    Raises: MalformedBatch, FileKnown, BatchReferenceTaken, EmptyFile, TooManyLines, UnreadableFile, UnknownEncoding,
        UnknownColumn, ControlSumWrong, UnknownCurrency.
    """
    _check(command)
    batch_id = uuid7()
    reference = command.reference or ids.show("bat", batch_id)
    content_hash = _content_hash(upload, command)
    known = await tx.one_or_none(store.SQL.find_content, tenant=tx.tenant, content_hash=content_hash)
    if known is not None:
        raise FileKnown(batch_id=ids.show("bat", known.batch_id))
    try:
        async with tx.savepoint():
            await tx.execute(
                store.SQL.insert_batch,
                tenant=tx.tenant,
                batch=batch_id,
                reference=reference,
                name=command.name or upload.file_name or reference,
                branches=None if branches is None else list(branches),
                format=upload.format.value,
                file_name=upload.file_name,
                byte_count=upload.byte_count,
                content_hash=content_hash,
                on_invalid=command.on_invalid.value,
                initiated_by=actor,
                now=now,
            )
    except pg.UniqueViolation as error:
        if error.diag.constraint_name == "payment_batch_content":
            raise FileKnown() from error
        raise BatchReferenceTaken(reference=reference) from error
    file = PaymentFile(
        upload.file, upload.format, charset=upload.charset, defaults=command.defaults, lines_max=lines_max
    )
    while lines := await asyncio.to_thread(file.take, CHUNK):
        await store.insert_lines(tx, batch_id, reference, lines)
    row = await tx.one(
        store.SQL.finish_receiving,
        tenant=tx.tenant,
        batch=batch_id,
        total_count=file.count,
        origin=store.jsonb(file.origin),
    )
    batch = store.batch_of(row)
    await journal.tell(tx, BatchReceived, batch, meta)
    return batch


def _check(command: ReceiveBatch) -> None:
    defaults = command.defaults
    if command.reference is not None and not _REFERENCE.fullmatch(command.reference):
        raise MalformedBatch(
            f"reference: 1 to {REFERENCE_MAX} letters, digits and . _ : / -, the first a letter or digit",
            field="reference",
        )
    if command.name is not None and not (1 <= len(command.name) <= 200 and command.name.isprintable()):
        raise MalformedBatch("name: 1 to 200 printable characters", field="name")
    if defaults.type not in [one.value for one in PaymentType if one is not PaymentType.COLLECTION]:
        raise MalformedBatch("type: not one of those that are paid out", field="type")
    if defaults.country is not None and not _COUNTRY.fullmatch(defaults.country):
        raise MalformedBatch("country: two capital letters (ISO 3166)", field="country")
    if defaults.currency is not None:
        exponent(defaults.currency)


def _content_hash(upload: Upload, command: ReceiveBatch) -> bytes:
    """What tells a file from others. One that is meant to be paid again differs by what it repeats."""
    if command.repeat_of is None:
        return upload.digest
    return sha256(upload.digest + command.repeat_of.bytes).digest()
