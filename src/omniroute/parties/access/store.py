"""Rows of access as values, and violations of constraints as refusals."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from psycopg import errors

from omniroute.infra.postgres import Tx, load
from omniroute.kit.refusal import Refusal
from omniroute.parties.access.errors import GrantExists, HolderNotFound, ProviderExists, RoleNameTaken
from omniroute.parties.access.model import Grant, Key, KeySecret, Provider, Role

SQL = load("omniroute.parties.access")
KEYS = SQL.listing("list_credentials")
ROLES = SQL.listing("list_roles")
GRANTS = SQL.listing("list_grants")
PROVIDERS = SQL.listing("list_providers")

VIOLATIONS: Mapping[str, type[Refusal]] = {
    "role_name_key": RoleNameTaken,
    "role_grant_once": GrantExists,
    "role_grant_role_fkey": HolderNotFound,
    "role_grant_member_fkey": HolderNotFound,
    "role_grant_credential_fkey": HolderNotFound,
    "role_grant_branch_fkey": HolderNotFound,
    "credential_application_fkey": HolderNotFound,
    "oidc_provider_once": ProviderExists,
}


@asynccontextmanager
async def refusing(tx: Tx, violations: Mapping[str, type[Refusal]] = VIOLATIONS) -> AsyncIterator[None]:
    """A part of the transaction in which a violated constraint becomes the refusal of its name."""
    try:
        async with tx.savepoint():
            yield
    except errors.IntegrityError as error:
        refusal = violations.get(error.diag.constraint_name or "")
        if refusal is None:
            raise
        raise refusal() from error


def role_of(row: Any) -> Role:
    """A row of `role`."""
    return Role(row.id, row.name, row.description, frozenset(row.permissions), row.is_builtin, row.status, row.version)


def grant_of(row: Any) -> Grant:
    """A row of `role_grant` with its role's name."""
    return Grant(
        row.id,
        row.role_id,
        row.role_name,
        row.user_id,
        row.credential_id,
        row.branch_id,
        row.granted_by,
        row.created_at,
    )


def key_of(row: Any) -> Key:
    """A row of `credential` with its secrets' public halves."""
    return Key(
        id=row.id,
        kind=row.kind,
        name=row.name,
        mode=row.mode,
        permissions=frozenset(row.permissions),
        branch_ids=None if row.branch_ids is None else tuple(row.branch_ids),
        application_id=row.application_id,
        created_by=row.created_by,
        status=row.status,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        secrets=tuple(
            KeySecret(
                s["lookup"],
                datetime.fromisoformat(s["created_at"]),
                None if s["expires_at"] is None else datetime.fromisoformat(s["expires_at"]),
            )
            for s in row.secrets
        ),
    )


def provider_of(row: Any) -> Provider:
    """A row of `oidc_provider`."""
    return Provider(
        row.id, row.name, row.issuer, row.audience, row.jwks_uri, row.jwks, tuple(row.algorithms), row.role_claim,
        row.role_map, row.clock_skew_s, row.status, row.version,
    )  # fmt: skip
