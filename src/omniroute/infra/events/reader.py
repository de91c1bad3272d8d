"""Pages of the log behind a cursor, and the history of one thing."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from omniroute.infra.events.cursor import Cursor, Cut
from omniroute.infra.events.model import Meta, Recorded
from omniroute.infra.events.store import SQL
from omniroute.infra.postgres import Tx
from omniroute.kit.refusal import Fault

_SKIP_MAX = 256  # Marks a reader may jump at once while it finds nothing of its own.


class StandbyCannotRead(Fault):
    """A standby does not know which transactions are open; read events from the primary."""


async def read(
    tx: Tx,
    cursor: Cursor,
    *,
    limit: int,
    types: Sequence[str] | None = None,
    subject: UUID | None = None,
    tenants: Sequence[UUID] | None = None,
    bare: bool = False,
) -> tuple[list[Recorded], Cursor]:
    """The next events after `cursor`, at most `limit`, and where to go on. None: all is read for now.

    In a tenant's transaction: that tenant's events. In a worker's transaction without tenant: everybody's.
    `types` are whole types or beginnings that end with a star (`ledger.*`); `tenants` (a worker's) narrows to these.
    `bare` leaves `data` empty where it would have to be derived.
    Each committed event is given once, never before its commit; events of one subject in the order of commits.

    Raises: StandbyCannotRead.
    """
    wanted_of: dict[str, object] = {"patterns": None if types is None else [_pattern(name) for name in types]}
    wanted_of["subject"] = subject
    query = SQL.read_tenant
    if tx.tenant_id is None:
        query, wanted_of["tenants"] = SQL.read_all, None if tenants is None else list(tenants)
    rows: list[Any] = []
    skip = 0
    latest = False
    while True:
        if cursor.is_done:
            if latest:
                break
            cut, latest = await next_cut(tx, cursor.seen, skip)
            cursor = Cursor(cursor.seen, cut)
        wanted = limit - len(rows)
        page = await tx.all(query, **window(cursor), limit=wanted, **wanted_of)
        rows += page
        if len(page) == wanted:
            cursor = Cursor(cursor.seen, cursor.until, page[-1].seq)
            break
        cursor = Cursor(cursor.until, cursor.until)
        skip = 0 if page else min(2 * skip + 1, _SKIP_MAX)
    return [_event(row, ()) for row in rows] if bare else await recorded(tx, rows), cursor


async def newest(tx: Tx, *, before: int | None, limit: int) -> list[Recorded]:
    """Events of the tenant from the latest one backwards, without data; `before` is the position of the last one seen.

    Positions do not follow the commits of unrelated subjects: who looks for an instant goes on a little beyond it.
    """
    return [_event(row, ()) for row in await tx.all(SQL.newest_events, before_seq=before, limit=limit)]


async def at(tx: Tx, positions: Sequence[int]) -> list[Recorded]:
    """Events of the tenant by position; those that do not exist (or are not seen) are left out."""
    return await recorded(tx, await tx.all(SQL.events_at, seqs=list(positions)))


async def history(tx: Tx, subject: UUID, *, limit: int, before: int | None = None) -> list[Recorded]:
    """What happened to one thing, newest first; `before` is the position of the last one shown.

    Events that are stored without data (ledger transactions) are not among them.
    """
    return await recorded(tx, await tx.all(SQL.subject_history, subject=subject, limit=limit, before_seq=before))


async def present(tx: Tx) -> Cursor:
    """A cursor that gives only what is committed from now on.

    Raises: StandbyCannotRead.
    """
    row = await tx.one_or_none(SQL.present_cut)
    if row is None or row.top is None:
        raise StandbyCannotRead("event readers need the primary")
    cut = Cut(row.top, tuple(row.open))
    return Cursor(cut, cut)


async def stirred(tx: Tx, seen: Cursor, tenants: Sequence[UUID]) -> tuple[frozenset[UUID], Cursor]:
    """Which of these tenants have events committed since `seen`, and the present: for who only wants to be woken.

    A worker's transaction. Whatever such an event tells is seen by every transaction that begins afterwards.

    Raises: StandbyCannotRead.
    """
    row = await tx.one_or_none(
        SQL.stirred_tenants, tenants=list(tenants), seen_top=seen.seen.top, seen_open=list(seen.seen.open)
    )
    if row is None:
        raise StandbyCannotRead("event readers need the primary")
    cut = Cut(row.top, tuple(row.open))
    return frozenset(row.tenants), Cursor(cut, cut)


async def next_cut(tx: Tx, seen: Cut, skip: int) -> tuple[Cut, bool]:
    """The end of the window that begins at `seen`, and whether it is the present."""
    row = await tx.one_or_none(SQL.next_cut, top=seen.top, skip=skip)
    if row is None or row.top is None:
        raise StandbyCannotRead("event readers need the primary")
    return Cut(row.top, tuple(row.open)), row.latest


def window(cursor: Cursor) -> dict[str, object]:
    """A cursor as query parameters."""
    return {
        "seen_top": cursor.seen.top,
        "seen_open": list(cursor.seen.open),
        "until_top": cursor.until.top,
        "until_open": list(cursor.until.open),
        "after_seq": cursor.after_seq,
    }


def _pattern(name: str) -> str:
    """A type, or a beginning with a star, as LIKE understands it."""
    head = name.removesuffix("*").replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
    return head + "%" if name.endswith("*") else head


async def recorded(tx: Tx, rows: Sequence[Any]) -> list[Recorded]:
    """Rows as events; data that is not stored is derived, one query a tenant."""
    missing: dict[UUID, list[Any]] = {}
    for row in rows:
        if row.data is None:
            missing.setdefault(row.tenant_id, []).append(row)
    details: dict[tuple[UUID, UUID], list[tuple[str, Any]]] = {}
    for tenant_id, derived in missing.items():
        found = await tx.all(
            SQL.event_details,
            tenant_id=tenant_id,
            types=[row.type for row in derived],
            subjects=[row.subject for row in derived],
        )
        for row in found:
            details.setdefault((tenant_id, row.subject), []).append((row.prefix, row.data))
    return [_event(row, details.get((row.tenant_id, row.subject), [])) for row in rows]


def _event(row: Any, details: Sequence[tuple[str, Any]]) -> Recorded:
    data = row.data
    if data is None:
        data = next((detail for prefix, detail in details if row.type.startswith(prefix)), {})
    return Recorded(
        tenant_id=row.tenant_id,
        position=row.seq,
        id=row.id,
        xid=row.xid,
        type=row.type,
        version=row.version,
        subject=row.subject,
        data=data,
        meta=Meta(row.correlation_id, row.causation_id, row.actor, row.channel),
        recorded_at=row.recorded_at,
    )
