"""Rows of people as values."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from psycopg import errors

from omniroute.infra.postgres import Tx, load
from omniroute.kit.refusal import Refusal
from omniroute.parties.people.errors import EmailTaken, InvitationExists
from omniroute.parties.people.model import Invitation, Member

SQL = load("omniroute.parties.people")
INVITATIONS = SQL.listing("list_invitations")
MEMBERS = SQL.listing("list_members")

VIOLATIONS: Mapping[str, type[Refusal]] = {
    "invitation_pending_key": InvitationExists,
    "person_email_key": EmailTaken,
}


@asynccontextmanager
async def refusing(tx: Tx) -> AsyncIterator[None]:
    """A part of the transaction in which a violated constraint becomes the refusal of its name."""
    try:
        async with tx.savepoint():
            yield
    except errors.IntegrityError as error:
        refusal = VIOLATIONS.get(error.diag.constraint_name or "")
        if refusal is None:
            raise
        raise refusal() from error


def member_of(row: Any) -> Member:
    """A membership with its person."""
    return Member(row.id, row.email, row.name, row.status, row.version, row.joined_at)


def invitation_of(row: Any, *, now: datetime) -> Invitation:
    """A row of `invitation`; a pending one whose time is over shows as expired."""
    return Invitation(
        id=row.id,
        email=row.email,
        role_ids=tuple(row.role_ids),
        branch_ids=None if row.branch_ids is None else tuple(row.branch_ids),
        status="expired" if row.status == "pending" and row.expires_at <= now else row.status,
        invited_by=row.invited_by,
        user_id=row.user_id,
        version=row.version,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
