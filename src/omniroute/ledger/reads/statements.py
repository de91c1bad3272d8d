"""Statements: the posted entries of an account in a range, with opening, running and closing balance.

Lines stand in booking order. Over booking times the running balance is that of the books at each entry; over value
dates it starts from the balance effective before the first date and ends at the one effective on the last, so that
late items stand where they count.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from omniroute.infra.postgres import Tx, load
from omniroute.kit.paging import (
    MalformedCursor,
    check_cursor,
    check_limit,
    decode_cursor,
    encode_cursor,
    fingerprint,
)
from omniroute.ledger.accounts import find_account
from omniroute.ledger.model import Account, Mode, Side, TxnKind
from omniroute.ledger.reads.balances import net
from omniroute.ledger.reads.errors import MalformedRange

SQL = load("omniroute.ledger.reads")

DATE_MIN, DATE_MAX = date(1, 1, 1), date(9999, 12, 31)
INSTANT_MIN = datetime(1, 1, 1, tzinfo=UTC)
INSTANT_MAX = datetime(9999, 12, 31, tzinfo=UTC)
_NO_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One posted entry; amounts in minor units, the balance on the account's normal side after this line."""

    transaction_id: UUID
    leg: int
    side: Side
    amount_minor: int
    balance_minor: int
    version: int | None
    booked_at: datetime
    value_on: date
    original_on: date | None
    kind: TxnKind
    reference: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """A page of lines, and the totals of the whole range; opening + net of the turnover = closing."""

    account: Account
    opening_minor: int
    closing_minor: int
    debit_minor: int
    credit_minor: int
    lines: list[StatementLine]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Range:
    """Value dates, both included; or booking times, the last left out."""

    from_on: date = DATE_MIN
    to_on: date = DATE_MAX
    booked_from: datetime = INSTANT_MIN
    booked_to: datetime = INSTANT_MAX

    @property
    def by_booking(self) -> bool:
        """Whether booking times, not value dates, bound it."""
        return (self.booked_from, self.booked_to) != (INSTANT_MIN, INSTANT_MAX)


def check_range(
    from_on: date | None, to_on: date | None, booked_from: datetime | None, booked_to: datetime | None
) -> Range:
    """A range from what was given; nothing given is everything.

    Raises: MalformedRange.
    """
    if (from_on or to_on) and (booked_from or booked_to):
        raise MalformedRange()
    found = Range(from_on or DATE_MIN, to_on or DATE_MAX, booked_from or INSTANT_MIN, booked_to or INSTANT_MAX)
    if found.from_on > found.to_on or found.booked_from > found.booked_to:
        raise MalformedRange("the range ends before it begins")
    return found


@dataclass(frozen=True, slots=True)
class Frame:
    """What a statement's lines lie in: totals, and for a strict account the versions (the first left out)."""

    account: Account
    range: Range
    opening_minor: int
    debit_minor: int
    credit_minor: int
    after_version: int = 0
    until_version: int = 0

    @property
    def closing_minor(self) -> int:
        """Opening and turnover."""
        return self.opening_minor + net(self.account.normal_side, self.debit_minor, self.credit_minor)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: after this entry, with this running balance."""

    running_minor: int
    version: int = 0
    booked_at: datetime = INSTANT_MIN
    transaction_id: UUID = _NO_ID
    leg: int = 0


async def find_frame(tx: Tx, account: UUID, within: Range) -> Frame:
    """Opening balance and turnover of a range.

    Raises: AccountNotFound.
    """
    found = await find_account(tx, account)
    scope: dict[str, Any] = {"tenant": tx.tenant, "account": account}
    strict = found.mode is Mode.STRICT
    if not within.by_booking:
        row = await tx.one(SQL.turnover, **scope, from_on=within.from_on, to_on=within.to_on)
        opening = net(found.normal_side, row.debit_before, row.credit_before)
        if not strict:
            return Frame(found, within, opening, int(row.debit), int(row.credit))
        lie = await tx.one(SQL.versions_of_dates, **scope, from_on=within.from_on, to_on=within.to_on)
        return Frame(found, within, opening, int(row.debit), int(row.credit), lie.first - 1, lie.last)
    if strict:
        after = await _version_before(tx, scope, within.booked_from)
        until = await _version_before(tx, scope, within.booked_to)
        at = await tx.one_or_none(SQL.balance_at_version, **scope, version=after)
        row = await tx.one(SQL.strict_turnover, **scope, after=after, until=until)
        opening = 0 if at is None else at.balance_after
        return Frame(found, within, opening, int(row.debit), int(row.credit), after, until)
    before = await tx.one(SQL.deferred_turnover, **scope, booked_from=None, booked_to=within.booked_from)
    row = await tx.one(SQL.deferred_turnover, **scope, booked_from=within.booked_from, booked_to=within.booked_to)
    opening = net(found.normal_side, before.debit, before.credit)
    return Frame(found, within, opening, int(row.debit), int(row.credit))


async def _version_before(tx: Tx, scope: dict[str, Any], instant: datetime) -> int:
    if instant == INSTANT_MIN:
        return 0
    # The last version booked strictly before the instant.
    version: int = await tx.value(SQL.version_at, **scope, at=instant - timedelta(microseconds=1))
    return version


async def read_lines(tx: Tx, frame: Frame, start: Position, limit: int) -> list[StatementLine]:
    """The next lines of a statement, at most `limit`."""
    within = frame.range
    scope: dict[str, Any] = {
        "tenant": tx.tenant,
        "account": frame.account.account_id,
        "from_on": within.from_on,
        "to_on": within.to_on,
        "limit": limit,
    }
    if frame.account.mode is Mode.STRICT:
        rows = await tx.all(
            SQL.strict_lines, **scope, after=max(start.version, frame.after_version), until=frame.until_version
        )
    else:
        rows = await tx.all(
            SQL.deferred_lines,
            **scope,
            booked_from=max(within.booked_from, start.booked_at),
            booked_to=within.booked_to,
            after_at=start.booked_at,
            after_txn=start.transaction_id,
            after_leg=start.leg,
        )
    return _run(frame.account, start.running_minor, rows)


def _run(account: Account, running: int, rows: Sequence[Any]) -> list[StatementLine]:
    lines = []
    for row in rows:
        side = Side.DEBIT if row.side == "d" else Side.CREDIT
        running += row.amount_minor if side is account.normal_side else -row.amount_minor
        lines.append(
            StatementLine(
                row.txn_id,
                row.leg,
                side,
                row.amount_minor,
                running,
                row.version,
                row.booked_at,
                row.value_on,
                row.original_on,
                TxnKind(row.kind),
                row.reference,
            )
        )
    return lines


def after(line: StatementLine) -> Position:
    """The position behind a line."""
    return Position(line.balance_minor, line.version or 0, line.booked_at, line.transaction_id, line.leg)


async def statement(
    tx: Tx,
    account: UUID,
    *,
    from_on: date | None = None,
    to_on: date | None = None,
    booked_from: datetime | None = None,
    booked_to: datetime | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Statement:
    """A page of an account's posted entries, over value dates (both included) or booking times (the last left out).

    Raises: AccountNotFound, MalformedRange, MalformedCursor, ForeignCursor, LimitOutOfRange.
    """
    size = check_limit(limit)
    within = check_range(from_on, to_on, booked_from, booked_to)
    # The running balance in a cursor is true for this account and range only.
    of = fingerprint("statement", {"account": account, **asdict(within)})
    after_line = None if cursor is None else _position(cursor, of)
    frame = await find_frame(tx, account, within)
    lines = await read_lines(tx, frame, after_line or Position(frame.opening_minor), size + 1)
    following = _cursor(lines[size - 1], of) if len(lines) > size else None
    return Statement(
        frame.account,
        frame.opening_minor,
        frame.closing_minor,
        frame.debit_minor,
        frame.credit_minor,
        lines[:size],
        following,
    )


def _cursor(line: StatementLine, of: str) -> str:
    return encode_cursor(
        of, str(line.balance_minor), line.version or 0, line.booked_at.isoformat(), str(line.transaction_id), line.leg
    )


def _position(cursor: str, of: str) -> Position:
    check_cursor(cursor, of)
    _, running, version, booked_at, transaction_id, leg = decode_cursor(cursor, str, str, int, str, str, int)
    try:
        position = Position(
            int(running), int(version), datetime.fromisoformat(str(booked_at)), UUID(str(transaction_id)), int(leg)
        )
    except ValueError as error:
        raise MalformedCursor() from error
    if position.booked_at.tzinfo is None or not 0 <= position.version < 2**63 or not 0 <= position.leg < 2**31:
        raise MalformedCursor()
    return position
