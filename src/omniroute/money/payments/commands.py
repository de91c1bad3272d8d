"""The form of a payment: what can be refused without asking anybody."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec

from omniroute.kit.money import Money
from omniroute.money.payments.errors import MalformedPayment
from omniroute.money.payments.model import InitiatePayment, PaymentType
from omniroute.ports.rails import Party, PartyKind

REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")
NARRATION_MAX = 100
METADATA_BYTES_MAX = 4_096
_json = msgspec.json.Encoder(order="sorted").encode


def initiate(
    *,
    reference: str,
    type: PaymentType,  # noqa: A002 - the field's name
    amount: Money,
    source_code: str,
    payee: Party,
    narration: str = "",
    metadata: Mapping[str, Any] | None = None,
    send_after: datetime | None = None,
    connection: str | None = None,
    batch_id: UUID | None = None,
    line_number: int | None = None,
    schedule_id: UUID | None = None,
    approved: bool = False,
) -> InitiatePayment:
    """A payment to initiate.

    Raises: MalformedPayment.
    """
    if not REFERENCE.fullmatch(reference):
        raise MalformedPayment(
            "reference: 1 to 64 letters, digits and . _ : / -, the first a letter or digit", field="reference"
        )
    if type is PaymentType.COLLECTION:
        raise MalformedPayment("type: a collection comes in; it cannot be paid out", field="type")
    if amount.amount_minor <= 0:
        raise MalformedPayment("amount: more than nothing", field="amount_minor")
    if (type is PaymentType.INTERNAL_TRANSFER) != (payee.kind is PartyKind.LEDGER):
        raise MalformedPayment(
            "payee: an internal transfer goes to a ledger account, and nothing else does", field="payee"
        )
    if payee.kind is PartyKind.LEDGER and payee.identifier == source_code:
        raise MalformedPayment("payee: the account that pays cannot be the one that is paid", field="payee")
    if len(narration) > NARRATION_MAX or (narration and not narration.isprintable()):
        raise MalformedPayment(f"narration: up to {NARRATION_MAX} printable characters", field="narration")
    if metadata and len(_json(metadata)) > METADATA_BYTES_MAX:
        raise MalformedPayment(f"metadata: up to {METADATA_BYTES_MAX} bytes of JSON", field="metadata")
    assert send_after is None or send_after.tzinfo is not None
    return InitiatePayment(
        reference,
        type,
        amount,
        source_code,
        payee,
        narration,
        dict(metadata or {}),
        send_after,
        connection,
        batch_id,
        line_number,
        schedule_id,
        approved,
    )


def request_key(key: str) -> UUID:
    """What is kept of an idempotency key: its 128-bit hash."""
    return UUID(bytes=blake2b(f"payment:{key}".encode(), digest_size=16).digest())


def body_hash(command: InitiatePayment) -> UUID:
    """128-bit hash of what was asked: the same reference with the same content is the same payment."""
    payee = command.payee
    parts = [
        command.reference,
        command.type.value,
        str(command.amount.amount_minor),
        command.amount.currency,
        command.source_code,
        payee.kind.value,
        payee.identifier,
        payee.institution or "",
        payee.name or "",
        payee.country or "",
        payee.account or "",
        command.narration,
        command.connection or "",
        "" if command.send_after is None else command.send_after.astimezone(UTC).isoformat(),
    ]
    text = "\x1f".join(parts).encode() + b"\x1e" + _json(command.metadata)
    return UUID(bytes=blake2b(text, digest_size=16).digest())
