"""Asynchronous calls of actions as rows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from omniroute.infra.postgres import Tx, load
from omniroute.infra.secrets import Binding, Vault
from omniroute.kit.ids import uuid7

SQL = load("omniroute.graphql.actions")


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A call to be made. `given` and the headers it passes on are JSON."""

    name: str
    requested_by: str
    given: str
    session: Mapping[str, str]
    document: str


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a call. `output` and `error` are JSON."""

    action_id: UUID
    created_at: datetime
    output: str | None
    error: str | None


def binding(tenant_id: UUID, action_id: UUID) -> Binding:
    """The record the headers of a call are sealed for."""
    return Binding(tenant_id, "graphql_action", action_id)


async def insert(tx: Tx, asked: NewRequest, passed: Mapping[str, str], *, vault: Vault | None, now: datetime) -> UUID:
    """Store a call; its id. Headers are credentials: they are stored sealed, or not at all."""
    action_id = uuid7()
    sealed = await vault.seal_fields(binding(tx.tenant, action_id), passed) if vault and passed else None
    await tx.execute(
        SQL.insert_action,
        tenant=tx.tenant,
        action=action_id,
        name=asked.name,
        requested_by=asked.requested_by,
        given=asked.given,
        session=json.dumps(dict(asked.session)),
        document=asked.document.encode(errors="replace").decode(),
        headers=sealed,
        now=now,
    )
    return action_id


async def find(tx: Tx, action_id: UUID, name: str, asker: str | None) -> Found | None:
    """A call of the asker's own; of anybody in the organisation when `asker` is None."""
    row = await tx.one_or_none(SQL.find_action, tenant=tx.tenant, action=action_id, name=name, asker=asker)
    return None if row is None else Found(row.action_id, row.created_at, row.output, row.error)


def value_of(found: Found) -> Any:
    """The output, every digit kept."""
    return None if found.output is None else json.loads(found.output, parse_float=Decimal)


def as_uuid(value: Any) -> UUID | None:
    """A UUID, if it is one."""
    try:
        return UUID(str(value))
    except ValueError:
        return None
