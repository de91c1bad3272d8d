"""Rows of tenants as values, violations of constraints as refusals, and work in another tenant's scope."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from psycopg import errors
from psycopg.pq import TransactionStatus

from omniroute.infra.postgres import Tx, load
from omniroute.kit.refusal import Refusal
from omniroute.parties.tenants.errors import (
    ApplicationCodeTaken,
    BranchCircle,
    BranchCodeTaken,
    BranchNotFound,
    LinkExists,
    OrganisationNotFound,
    SlugTaken,
)
from omniroute.parties.tenants.model import Application, Branch, Link, LinkStatus, Organisation, Status
from omniroute.parties.tenants.rules import read_branding, read_settings

SQL = load("omniroute.parties.tenants")
BRANCHES = SQL.listing("list_branches")
APPLICATIONS = SQL.listing("list_applications")
LINKS = SQL.listing("list_links")

VIOLATIONS: Mapping[str, type[Refusal]] = {
    "organisation_slug_key": SlugTaken,
    "branch_code_key": BranchCodeTaken,
    "branch_parent_fkey": BranchNotFound,
    "branch_no_circle": BranchCircle,
    "application_code_key": ApplicationCodeTaken,
    "application_branch_fkey": BranchNotFound,
    "organisation_link_live_key": LinkExists,
    "organisation_link_peer_fkey": OrganisationNotFound,
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


@asynccontextmanager
async def as_tenant(tx: Tx, tenant_id: UUID) -> AsyncIterator[Tx]:
    """The same transaction, working for another tenant: for what must change on both sides or not at all.

    Only what the platform does with an organisation and the two sides of a link need it.
    """
    before = await tx.one(SQL.current_scope)
    await tx.all(SQL.set_scope, tenant=str(tenant_id), branches="")
    try:
        yield Tx(tx.connection, tenant_id)
    finally:
        # After an error inside the database nothing can be said any more, and the rollback resets the scope.
        if tx.connection.info.transaction_status == TransactionStatus.INTRANS:
            await tx.all(SQL.set_scope, tenant=before.tenant, branches=before.branches)


def organisation_of(row: Any) -> Organisation:
    """A row of `organisation`."""
    return Organisation(
        id=row.tenant_id,
        slug=row.slug,
        name=row.name,
        country=row.country,
        currency=row.currency,
        time_zone=row.time_zone,
        residency=row.residency,
        status=Status(row.status),
        settings=read_settings(row.settings),
        custom=row.custom,
        branding=read_branding(row.branding),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def branch_of(row: Any) -> Branch:
    """A row of `branch`."""
    return Branch(*row)


def application_of(row: Any) -> Application:
    """A row of `application`."""
    return Application(*row)


def link_of(row: Any) -> Link:
    """A row of `organisation_link`."""
    return Link(
        id=row.id,
        peer_id=row.peer_id,
        peer_slug=row.peer_slug,
        peer_name=row.peer_name,
        side=row.side,
        relation=row.relation,
        status=LinkStatus(row.status),
        asked_scopes=tuple(row.asked_scopes),
        scopes=tuple(row.scopes),
        note=row.note,
        version=row.version,
        requested_at=row.requested_at,
        decided_at=row.decided_at,
        ended_at=row.ended_at,
    )
