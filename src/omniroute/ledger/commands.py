"""What one can ask the ledger to book. Each maker checks the form; the posting function checks the state."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from hashlib import blake2b
from typing import Any, TypedDict, Unpack
from uuid import UUID

import msgspec

from omniroute.infra.events import Meta
from omniroute.kit.money import MINOR_MAX, MalformedAmount
from omniroute.ledger.errors import (
    AmountNotPositive,
    LegsMissing,
    MalformedKey,
    MalformedReference,
    MetadataTooLarge,
    Unbalanced,
)
from omniroute.ledger.model import Condition, Leg, Side, TxnKind

LEGS_MAX = 1_000
NO_META = Meta()
METADATA_BYTES_MAX = 16 * 1024

_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_REFERENCE = re.compile(r"[^\x00-\x1f\x7f]{1,128}")
_encode_json = msgspec.json.Encoder(order="sorted").encode


class Command(msgspec.Struct, frozen=True, dict=True):
    """One item of a batch. Make it with the functions below, which check its form.

    `key`: idempotency key; the first outcome, refusal included, is the outcome of every repeat.
    `value_on` None: the tenant's business day at booking time.
    `linked`: items with the same number > 0 stand together in the batch and are booked all or none.
    `late`: a value date in a closed period moves to the next open one. `may_soft`: may post into soft-closed periods.
    """

    kind: TxnKind
    value_on: date | None
    legs: tuple[Leg, ...] = ()
    source_id: UUID | None = None
    amount_minor: int | None = None
    final: bool = False
    expires_at: datetime | None = None
    group_id: UUID | None = None
    reference: str | None = None
    metadata_json: bytes | None = None
    conditions: tuple[Condition, ...] = ()
    late: bool = False
    key: str | None = None
    may_soft: bool = False
    linked: int = 0
    meta: Meta = NO_META

    @property
    def body_hash(self) -> bytes:
        """128-bit hash of what was asked, before any id or time of ours: equal bodies have equal hashes."""
        parts = [self.kind, str(self.value_on), self.reference or "", "l" if self.late else ""]
        for leg in self.legs:
            amount = leg.amount
            parts.append(f"{leg.account_id.int:x} {leg.side} {amount.amount_minor} {amount.currency}")
        if self.kind is not TxnKind.POST or self.conditions:
            parts += (str(self.source_id), str(self.amount_minor), str(self.final), str(self.group_id))
            parts.append("" if self.expires_at is None else self.expires_at.isoformat())
            parts += [f"{c.account_id.hex} {c.available_min_minor} {c.version}" for c in self.conditions]
        text = "\x1f".join(parts).encode() + b"\x1e" + (self.metadata_json or b"")
        return blake2b(text, digest_size=16).digest()


def claim_digest(kind: str, text: str) -> bytes:
    """128-bit hash under which a key (`k`) or a reference (`r`) is claimed."""
    return blake2b(f"{kind}:{text}".encode(), digest_size=16).digest()


def claim_id(kind: str, text: str) -> UUID:
    """The same as the id of the row."""
    return UUID(bytes=claim_digest(kind, text))


def check_legs(legs: Sequence[Leg]) -> None:
    """Refuse legs that cannot be booked whatever the state: too few, not positive, not balanced.

    Raises: LegsMissing, AmountNotPositive, MalformedAmount, Unbalanced.
    """
    if not 2 <= len(legs) <= LEGS_MAX:
        raise LegsMissing(legs=len(legs), legs_min=2, legs_max=LEGS_MAX)
    if len(legs) == 2:
        one, two = legs
        if one.amount == two.amount and one.side is not two.side and one.amount.amount_minor > 0:
            return  # Nearly all there are.
    sums: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for leg in legs:
        amount = leg.amount
        if amount.amount_minor <= 0:
            raise AmountNotPositive(amount_minor=amount.amount_minor, account=leg.label)
        totals[amount.currency] += amount.amount_minor
        sums[amount.currency] += amount.amount_minor if leg.side is Side.DEBIT else -amount.amount_minor
    for currency, difference in sums.items():
        if difference:
            raise Unbalanced(currency=currency, debits_minus_credits_minor=str(difference))
        if totals[currency] // 2 > MINOR_MAX:
            raise MalformedAmount(amount_minor=str(totals[currency] // 2))


def check_texts(key: str | None, reference: str | None) -> None:
    """Refuse keys and references that cannot be stored and repeated exactly.

    Raises: MalformedKey, MalformedReference.
    """
    if key is not None and not _KEY.fullmatch(key):
        raise MalformedKey(length=len(key))
    if reference is not None and not (_REFERENCE.fullmatch(reference) and _is_text(reference)):
        raise MalformedReference(length=len(reference))


def _is_text(value: str) -> bool:
    """Half of a surrogate pair cannot be stored; JSON can smuggle one in."""
    return not any("\ud800" <= char <= "\udfff" for char in value)


def _metadata(metadata: Mapping[str, Any] | None) -> bytes | None:
    if not metadata:
        return None
    try:
        text = _encode_json(metadata)
    except UnicodeEncodeError as error:
        raise MetadataTooLarge("the metadata holds half a character, which is no text") from error
    if len(text) > METADATA_BYTES_MAX:
        raise MetadataTooLarge(bytes=len(text), bytes_max=METADATA_BYTES_MAX)
    # An escaped backslash before u0000 is a backslash, no NUL.
    if b"\\u0000" in text.replace(rb"\\", b""):
        raise MetadataTooLarge("the metadata holds a NUL character, which PostgreSQL cannot store")
    return text


def post_transaction(
    legs: Sequence[Leg],
    *,
    value_on: date | None = None,
    reference: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    conditions: Sequence[Condition] = (),
    late: bool = False,
    key: str | None = None,
    may_soft: bool = False,
    linked: int = 0,
    meta: Meta | None = None,
) -> Command:
    """Book legs that balance in each currency.

    Raises: LegsMissing, AmountNotPositive, MalformedAmount, Unbalanced, MalformedKey, MalformedReference,
    MetadataTooLarge.
    """
    check_legs(legs)
    check_texts(key, reference)
    return Command(
        TxnKind.POST,
        value_on,
        tuple(legs),
        reference=reference,
        metadata_json=_metadata(metadata),
        conditions=tuple(conditions),
        late=late,
        key=key,
        may_soft=may_soft,
        linked=linked,
        meta=meta or NO_META,
    )


def place_hold(
    legs: Sequence[Leg],
    *,
    value_on: date | None = None,
    expires_at: datetime | None = None,
    group_id: UUID | None = None,
    reference: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    conditions: Sequence[Condition] = (),
    key: str | None = None,
    may_soft: bool = False,
    linked: int = 0,
    meta: Meta | None = None,
) -> Command:
    """Set money aside on both sides; every limit counts it from now on. An account stands once on each side.

    Raises: as post_transaction.
    """
    check_legs(legs)
    check_texts(key, reference)
    if len({(leg.account_id, leg.side) for leg in legs}) < len(legs):
        raise LegsMissing("an account may stand only once on each side of a hold", legs=len(legs))
    assert expires_at is None or expires_at.tzinfo is not None
    return Command(
        TxnKind.HOLD,
        value_on,
        tuple(legs),
        expires_at=expires_at,
        group_id=group_id,
        reference=reference,
        metadata_json=_metadata(metadata),
        conditions=tuple(conditions),
        key=key,
        may_soft=may_soft,
        linked=linked,
        meta=meta or NO_META,
    )


def _check_part(amount_minor: int | None, legs: Sequence[Leg]) -> None:
    if legs:
        if amount_minor is not None:
            raise LegsMissing("give either an amount or legs", legs=len(legs))
        check_legs(legs)
        if len({(leg.account_id, leg.side) for leg in legs}) < len(legs):
            raise LegsMissing("an account may stand only once on each side", legs=len(legs))
    if amount_minor is not None and amount_minor <= 0:
        raise AmountNotPositive(amount_minor=amount_minor)


class Booking(TypedDict, total=False):
    """How a part of a hold or transaction is booked; what is left out is not asked for."""

    value_on: date | None
    reference: str | None
    metadata: Mapping[str, Any] | None
    late: bool
    key: str | None
    may_soft: bool
    linked: int
    meta: Meta | None


def _part_of(
    kind: TxnKind, source_id: UUID, amount_minor: int | None, legs: Sequence[Leg], booking: Booking, *, final: bool
) -> Command:
    _check_part(amount_minor, legs)
    key, reference = booking.get("key"), booking.get("reference")
    check_texts(key, reference)
    return Command(
        kind,
        booking.get("value_on"),
        tuple(legs),
        source_id=source_id,
        amount_minor=amount_minor,
        final=final,
        reference=reference,
        metadata_json=_metadata(booking.get("metadata")),
        late=booking.get("late", False),
        key=key,
        may_soft=booking.get("may_soft", False),
        linked=booking.get("linked", 0),
        meta=booking.get("meta") or NO_META,
    )


def capture_hold(
    hold_id: UUID,
    *,
    amount_minor: int | None = None,
    legs: Sequence[Leg] = (),
    final: bool = False,
    **booking: Unpack[Booking],
) -> Command:
    """Post what is left of a hold, or a part of it (an amount for two legs, else legs). `final` releases the rest.

    Raises: LegsMissing, AmountNotPositive, Unbalanced, MalformedKey, MalformedReference, MetadataTooLarge.
    """
    return _part_of(TxnKind.CAPTURE, hold_id, amount_minor, legs, booking, final=final)


def void_hold(
    hold_id: UUID,
    *,
    value_on: date | None = None,
    expired: bool = False,
    key: str | None = None,
    linked: int = 0,
    meta: Meta | None = None,
) -> Command:
    """Release all that is left of a hold. `expired`: because its deadline has passed (refused before that).

    Raises: MalformedKey.
    """
    check_texts(key, None)
    kind = TxnKind.EXPIRE if expired else TxnKind.VOID
    # Letting go moves no posted money, so no period stands against it.
    return Command(
        kind, value_on, source_id=hold_id, late=True, key=key, may_soft=True, linked=linked, meta=meta or NO_META
    )


def reverse_transaction(
    transaction_id: UUID,
    *,
    amount_minor: int | None = None,
    legs: Sequence[Leg] = (),
    **booking: Unpack[Booking],
) -> Command:
    """Book the opposite of what is left of a transaction, or of a part. Legs are written as in the original.

    Raises: LegsMissing, AmountNotPositive, Unbalanced, MalformedKey, MalformedReference, MetadataTooLarge.
    """
    return _part_of(TxnKind.REVERSE, transaction_id, amount_minor, legs, booking, final=False)
