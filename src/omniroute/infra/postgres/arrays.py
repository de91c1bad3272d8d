"""PostgreSQL arrays in binary form, built fast: a batch is a few dozen arrays of a few hundred elements.

The driver's own list adapter looks at every element; here the element type is known. The layout is that of
`array_send` in PostgreSQL: dimensions, has-null flag, element type, length, lower bound, then each element
as a 4-byte length (-1 for NULL) and its bytes.
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import ClassVar
from uuid import UUID

from psycopg import adapters
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_NULL = b"\xff\xff\xff\xff"
_EPOCH_DAY = date(2000, 1, 1).toordinal()
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_LENGTH_16 = b"\x00\x00\x00\x10"
_LENGTH_1 = b"\x00\x00\x00\x01"
_TRUE = b"\x00\x00\x00\x01\x01"
_FALSE = b"\x00\x00\x00\x01\x00"


class PgArray:
    """One array parameter, already in wire form."""

    __slots__ = ("wire",)
    oid: ClassVar[int]
    element_oid: ClassVar[int]

    def __init__(self, count: int, body: bytes, *, has_null: bool = False) -> None:
        if count == 0:
            self.wire = struct.pack(">iii", 0, 0, self.element_oid)
        else:
            self.wire = struct.pack(">iiiii", 1, has_null, self.element_oid, count, 1) + body

    @classmethod
    def nulls(cls, count: int) -> "PgArray":
        """An array of `count` NULLs."""
        return cls(count, _NULL * count, has_null=True)


class UuidArray(PgArray):
    """uuid[]"""

    __slots__ = ()
    oid, element_oid = 2951, 2950

    @classmethod
    def of(cls, values: Sequence[UUID | None]) -> PgArray:
        return cls.of_bytes([None if v is None else v.bytes for v in values])

    @classmethod
    def of_bytes(cls, values: Sequence[bytes | None]) -> PgArray:
        """From the 16 bytes of each."""
        parts = [_NULL if v is None else _LENGTH_16 + v for v in values]
        return cls(len(values), b"".join(parts), has_null=_NULL in parts)


class Int4Array(PgArray):
    """integer[]"""

    __slots__ = ()
    oid, element_oid = 1007, 23

    @classmethod
    def of(cls, values: Sequence[int]) -> PgArray:
        flat = [4] * (2 * len(values))
        flat[1::2] = values
        return cls(len(values), struct.pack(f">{len(flat)}i", *flat))


class Int8Array(PgArray):
    """bigint[]"""

    __slots__ = ()
    oid, element_oid = 1016, 20

    @classmethod
    def of(cls, values: Sequence[int]) -> PgArray:
        flat = [8] * (2 * len(values))
        flat[1::2] = values
        return cls(len(values), struct.pack(">" + "iq" * len(values), *flat))

    @classmethod
    def of_nullable(cls, values: Sequence[int | None]) -> PgArray:
        return cls(
            len(values),
            b"".join([_NULL if v is None else struct.pack(">iq", 8, v) for v in values]),
            has_null=None in values,
        )


class BoolArray(PgArray):
    """boolean[]"""

    __slots__ = ()
    oid, element_oid = 1000, 16

    @classmethod
    def of(cls, values: Sequence[bool]) -> PgArray:
        return cls(len(values), b"".join([_TRUE if v else _FALSE for v in values]))


class CharArray(PgArray):
    """ "char"[]: one byte each."""

    __slots__ = ()
    oid, element_oid = 1002, 18

    @classmethod
    def of(cls, values: Sequence[str]) -> PgArray:
        return cls(len(values), b"".join([_LENGTH_1 + v.encode() for v in values]))


class TextArray(PgArray):
    """text[]"""

    __slots__ = ()
    oid, element_oid = 1009, 25

    @classmethod
    def of(cls, values: Sequence[str | None]) -> PgArray:
        return cls(len(values), _sized([None if v is None else v.encode() for v in values]), has_null=None in values)


class JsonbArray(PgArray):
    """jsonb[], from JSON text."""

    __slots__ = ()
    oid, element_oid = 3807, 3802

    @classmethod
    def of(cls, values: Sequence[bytes | None]) -> PgArray:
        # jsonb_recv wants a version byte, 1, before the text.
        return cls(len(values), _sized([None if v is None else b"\x01" + v for v in values]), has_null=None in values)


class DateArray(PgArray):
    """date[]"""

    __slots__ = ()
    oid, element_oid = 1182, 1082

    @classmethod
    def of(cls, values: Sequence[date]) -> PgArray:
        flat = [4] * (2 * len(values))
        flat[1::2] = [v.toordinal() - _EPOCH_DAY for v in values]
        return cls(len(values), struct.pack(f">{len(flat)}i", *flat))


class TimestampArray(PgArray):
    """timestamptz[]"""

    __slots__ = ()
    oid, element_oid = 1185, 1184

    @classmethod
    def of(cls, values: Sequence[datetime | None]) -> PgArray:
        return cls(
            len(values),
            b"".join([_NULL if v is None else struct.pack(">iq", 8, _micros(v)) for v in values]),
            has_null=None in values,
        )


def _micros(at: datetime) -> int:
    span = at - _EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def _sized(values: Iterable[bytes | None]) -> bytes:
    return b"".join([_NULL if v is None else len(v).to_bytes(4) + v for v in values])


class _PgArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: PgArray) -> Buffer:
        return obj.wire


for _cls in (
    UuidArray,
    Int4Array,
    Int8Array,
    BoolArray,
    CharArray,
    TextArray,
    JsonbArray,
    DateArray,
    TimestampArray,
):
    adapters.register_dumper(_cls, type(f"{_cls.__name__}Dumper", (_PgArrayDumper,), {"oid": _cls.oid}))
