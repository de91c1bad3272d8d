"""Both sides of a connection, as lists to be matched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from omniroute.infra.postgres import Tx
from omniroute.money.connections.errors import ConnectionNotFound
from omniroute.money.reconciliation.errors import RangeTooLarge
from omniroute.money.reconciliation.model import ITEMS_MAX, Entry, EntryKey, Line, Rules
from omniroute.money.reconciliation.store import SQL, fees_of

REFS = (
    "our_ref", "provider_ref", "receipt", "session_id", "credit_id", "end_to_end_id", "uetr", "bank_reference",
)  # fmt: skip
ACCOUNTS = ("account", "account_number", "msisdn", "till")
SETTLEMENT = "settlement_id"
"""What the metadata of a posting may say about it, by these names."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a run over a connection stands on. `run_until`: how far the statement had been read at the last one."""

    connection_id: UUID
    currency: str
    float_account_id: UUID
    statement_until: datetime | None
    run_until: datetime | None
    time_zone: str
    rules: Rules
    version: int


async def find_ground(tx: Tx, connection_id: UUID) -> Ground:
    """Raises: ConnectionNotFound."""
    row = await tx.one_or_none(SQL.find_ground, tenant=tx.tenant, connection=connection_id)
    if row is None:
        raise ConnectionNotFound()
    rules = Rules(row.window_days, row.tolerance_minor, fees_of(row.fees))
    return Ground(
        row.connection_id,
        row.currency,
        row.float_account_id,
        row.statement_until,
        row.run_until,
        row.time_zone,
        rules,
        row.version,
    )


async def load_entries(tx: Tx, ground: Ground, first: date, last: date) -> list[Any]:
    """Rows of postings of these days, those that have their match as well. Raises: RangeTooLarge."""
    rows = await tx.all(
        SQL.load_entries,
        tenant=tx.tenant,
        connection=ground.connection_id,
        account=ground.float_account_id,
        first=first,
        last=last,
        limit=ITEMS_MAX + 1,
    )
    _check(rows)
    return rows


def entries_of(rows: Sequence[Any]) -> list[Entry]:
    """Postings with every name a bank may know them by."""
    with_fee = {row.payment for row in rows if row.payment is not None and ":rail-fee:" in (_reference(row) or "")}
    return [_entry(row, with_fee) for row in rows]


def _reference(row: Any) -> str | None:
    text: str | None = row.of_reference or row.reference
    return text


def _entry(row: Any, with_fee: set[str]) -> Entry:
    """`with_fee`: payments whose fee is booked already."""
    said: dict[str, Any] = (row.of_meta or {}) | (row.meta or {})
    told = [str(said[name]) for name in REFS if isinstance(said.get(name), str | int)]
    named = (row.our_ref, row.provider_ref, row.receipt, row.session_id, row.provider_credit_id, *told)
    ours = (
        row.our_ref,
        row.session_id,
        row.provider_credit_id,
        said.get("our_ref"),
        row.payment,
        None if row.payment else row.reference,
    )
    numbers = (row.payee, row.account_number, *[said.get(name) for name in ACCOUNTS])
    groups = (row.message_id, said.get(SETTLEMENT))
    is_fee = ":rail-fee:" in (_reference(row) or "")
    return Entry(
        EntryKey(row.txn_id, row.leg),
        row.amount_minor,
        row.currency,
        row.value_on,
        row.booked_at,
        _texts(named),
        _texts(ours),
        frozenset() if is_fee else _texts(numbers),
        _texts(groups),
        None if is_fee or row.reverses or row.payment in with_fee else row.rail_fee_minor,
        row.reverses,
        row.claimed,
    )


def _texts(values: Any) -> frozenset[str]:
    return frozenset(value.strip() for value in values if isinstance(value, str) and value.strip())


async def load_lines(tx: Tx, ground: Ground, first: date, last: date) -> list[Any]:
    """Rows of lines of these days that nothing claims. Raises: RangeTooLarge."""
    zone = ZoneInfo(ground.time_zone)
    rows = await tx.all(
        SQL.load_lines,
        tenant=tx.tenant,
        connection=ground.connection_id,
        time_zone=ground.time_zone,
        **{
            "from": datetime.combine(first, time(), zone).astimezone(UTC),
            "to": datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC),
        },
        limit=ITEMS_MAX + 1,
    )
    _check(rows)
    return rows


def lines_of(rows: Sequence[Any]) -> list[Line]:
    """Lines as they are matched."""
    return [
        Line(
            row.line_id,
            row.amount_minor,
            row.currency,
            row.on_day,
            row.booked_at,
            _texts((row.our_ref, row.provider_ref, row.line_id)),
            row.narration,
        )
        for row in rows
    ]


def _check(rows: list[Any]) -> None:
    if len(rows) > ITEMS_MAX:
        raise RangeTooLarge(items_max=ITEMS_MAX)


async def load_apart(tx: Tx, ground: Ground) -> frozenset[tuple[EntryKey, str]]:
    """Pairs that are not to be made again."""
    rows = await tx.all(SQL.load_apart, tenant=tx.tenant, connection=ground.connection_id)
    return frozenset((EntryKey(row.txn_id, row.leg), row.line_id) for row in rows)
