"""Makers of tenants, people and callers; and the whole state of their tables, to compare."""

import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.ids import show, uuid7
from omniroute.kit.refusal import Refusal
from omniroute.parties import access, people, tenants
from omniroute.parties.access import BUILT_IN, OWNER, PLATFORM_PERMISSIONS, Caller, CreateKey, IssuedKey, Permission
from omniroute.parties.people import AcceptInvitation, Member, Passwords
from omniroute.parties.tenants import PLATFORM_ID, Branch, CreateOrganisation

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
META = Meta(actor="usr_test", channel="test")
QUICK = Passwords(time_cost=1, memory_cost_kib=8, parallelism=1)
PASSWORD = "correct horse battery"

TABLES = (
    "organisation", "branch", "application", "organisation_link",
    "membership", "invitation",
    "role", "credential", "credential_secret", "role_grant", "session", "oidc_provider",
)  # fmt: skip


@dataclass(frozen=True)
class Org:
    """A tenant, and its owner as a caller."""

    db: Database
    id: UUID
    slug: str
    owner: Caller

    async def branch(self, code: str, parent: Branch | None = None) -> Branch:
        """A branch of this tenant."""
        async with self.db.tx(self.id) as tx:
            return await tenants.create_branch(
                tx,
                code=code,
                name=code.title(),
                parent_id=None if parent is None else parent.id,
                caller=self.owner,
                now=NOW,
                meta=META,
            )

    async def key(self, *permissions: Permission, caller: Caller | None = None, **wanted: Any) -> IssuedKey:
        """An API key of this tenant."""
        command = replace(CreateKey("key", permissions or (Permission.LEDGER_READ,)), **wanted)
        async with self.db.tx(self.id) as tx:
            return await access.create_key(tx, command, caller=caller or self.owner, now=NOW, meta=META)

    async def role_id(self, name: str) -> UUID:
        """The id of a role by its name."""
        async with self.db.tx(self.id) as tx:
            return (await access.find_role(tx, name)).id

    async def member(
        self, email: str, *roles: str, branches: Sequence[UUID] | None = None, password: str = PASSWORD
    ) -> Member:
        """A person who was invited with these roles and accepted."""
        role_ids = [await self.role_id(name) for name in roles or ("user",)]
        async with self.db.tx(self.id) as tx:
            issued = await people.invite(
                tx, email=email, role_ids=role_ids, branch_ids=branches, caller=self.owner, now=NOW, meta=META
            )
        command = AcceptInvitation(issued.token.text, password, "Ada Obi")
        return await people.accept_invitation(
            self.db, command, source=secrets.token_hex(4), passwords=QUICK, now=NOW, meta=META
        )


def make_caller(tenant_id: UUID, permissions: Collection[str], **more: Any) -> Caller:
    """A caller with these permissions in the whole organisation, unless told otherwise."""
    subject_id = uuid7()
    caller = Caller(tenant_id, show("usr", subject_id), subject_id, "user", frozenset(permissions))
    return replace(caller, **more)


def make_platform_caller() -> Caller:
    """The platform's key, as a caller."""
    return make_caller(PLATFORM_ID, PLATFORM_PERMISSIONS, kind="platform")


async def make_organisation(db: Database, **changes: Any) -> Org:
    """A tenant with a slug of its own."""
    slug = f"org-{secrets.token_hex(5)}"
    command = CreateOrganisation(slug, "Acme Foods", "KE", "KES", "Africa/Nairobi")
    async with db.tx() as tx:
        made = await tenants.create_organisation(
            tx,
            replace(command, **changes),
            caller=make_platform_caller(),
            now=NOW,
            meta=META,
        )
    return Org(db, made.id, made.slug, make_caller(made.id, BUILT_IN[OWNER][1]))


@contextmanager
def refuses(code: str) -> Iterator[None]:
    """What stands inside must be refused with exactly this code."""
    with pytest.raises(Refusal) as refused:
        yield
    assert refused.value.code == code


async def state(owner_db: Database) -> dict[str, list[str]]:
    """Every row of parties and of the event log, as text."""
    found = {}
    async with owner_db.connection() as connection:
        for table in (*TABLES, "person", "event_log"):
            query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(sql.Identifier(table))
            found[table] = [row[0] for row in await (await connection.execute(query)).fetchall()]
    return found


async def topics(owner_db: Database, tenant_id: UUID) -> list[str]:
    """Types of a tenant's events, in order."""
    async with owner_db.connection() as connection:
        cursor = await connection.execute("SELECT type FROM event_log WHERE tenant_id = %s ORDER BY seq", [tenant_id])
        return [row[0] for row in await cursor.fetchall()]
