"""Looking at files."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from omniroute.infra.postgres import Tx, read_page
from omniroute.kit.money import Money
from omniroute.kit.paging import Page
from omniroute.money.payments.files.answers import SQL

FILES = SQL.listing("list_files")


class RailFileState(StrEnum):
    """Where a file stands; see the picture in the charter of the package."""

    MADE = "made"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    DOUBTFUL = "doubtful"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class RailFileView:
    """A file as people see it. `answer_code`: what the bank said of the whole of it."""

    file_id: UUID
    connection_id: UUID
    message_id: str
    name: str
    state: RailFileState
    order_count: int
    amount: Money
    cut_off: datetime
    answers_by: datetime
    tries: int
    detail: str | None
    created_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None
    answer_code: str | None


async def find_file(tx: Tx, file_id: UUID) -> RailFileView | None:
    """One file; None when there is none."""
    row = await tx.one_or_none(SQL.find_file, tenant=tx.tenant, file=file_id)
    return None if row is None else _view(row)


async def file_content(tx: Tx, file_id: UUID) -> bytes | None:
    """What was, or will be, handed to the bank; None when there is no such file."""
    row = await tx.one_or_none(SQL.file_content, tenant=tx.tenant, file=file_id)
    return None if row is None else bytes(row.content)


async def list_files(
    tx: Tx,
    *,
    connection_id: UUID | None = None,
    state: RailFileState | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[RailFileView]:
    """A page of files. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx, FILES, sort=sort, limit=limit, cursor=cursor, tenant=tx.tenant, connection=connection_id, state=state
    )
    return page.map(_view)


def _view(row: Any) -> RailFileView:
    return RailFileView(
        file_id=row.file_id,
        connection_id=row.connection_id,
        message_id=row.message_id,
        name=row.name,
        state=RailFileState(row.state),
        order_count=row.order_count,
        amount=Money(row.amount_minor, row.currency),
        cut_off=row.cut_off,
        answers_by=row.answers_by,
        tries=row.tries,
        detail=row.detail,
        created_at=row.created_at,
        sent_at=row.sent_at,
        answered_at=row.answered_at,
        answer_code=row.answer_code,
    )
