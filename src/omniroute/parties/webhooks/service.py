"""Making and changing endpoints. A secret is shown once and sealed before it reaches the database."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from omniroute.infra.events import Meta, append, present
from omniroute.infra.postgres import Database, Tx, read_page
from omniroute.infra.secrets import Binding, Rotation, Vault, rotate
from omniroute.kit.ids import uuid7
from omniroute.kit.paging import Page
from omniroute.parties.webhooks import events
from omniroute.parties.webhooks.errors import (
    EndpointChanged,
    EndpointNotFound,
    MalformedWebhook,
    TooManyEndpoints,
)
from omniroute.parties.webhooks.model import (
    ENDPOINTS_MAX,
    OVERLAP_MAX,
    CreateEndpoint,
    Endpoint,
    EndpointStatus,
    IssuedEndpoint,
    ReplaceEndpoint,
)
from omniroute.parties.webhooks.rules import check_address, check_description, check_types
from omniroute.parties.webhooks.signing import make_secret
from omniroute.parties.webhooks.store import ENDPOINTS, SQL, binding, endpoint_of, find_secrets


async def create_endpoint(
    tx: Tx, command: CreateEndpoint, *, vault: Vault, loopback_allowed: bool, now: datetime, meta: Meta
) -> IssuedEndpoint:
    """Have events that are committed from now on sent to an address. The answer holds the secret, never seen again.

    Raises: MalformedWebhook, PrivateAddress, TooManyEndpoints; KeysUnavailable, BadKeys.
    """
    url = check_address(command.url, loopback_allowed=loopback_allowed)
    types = check_types(command.event_types)
    description = check_description(command.description)
    if await tx.value(SQL.count_endpoints, tenant=tx.tenant) >= ENDPOINTS_MAX:
        raise TooManyEndpoints(endpoints_max=ENDPOINTS_MAX)
    cut = (await present(tx)).until
    endpoint_id = uuid7()
    row = await tx.one(
        SQL.insert_endpoint,
        tenant=tx.tenant,
        endpoint=endpoint_id,
        url=url,
        description=description,
        types=list(types),
        status=(EndpointStatus.PAUSED if command.paused else EndpointStatus.ACTIVE).value,
        top=cut.top,
        open=list(cut.open),
        now=now,
    )
    secret = await _add_secret(tx, endpoint_id, vault, now)
    endpoint = endpoint_of(row)
    await append(tx, told(events.EndpointCreated, endpoint), meta)
    return IssuedEndpoint(await _with_secrets(tx, endpoint, now), secret)


async def get_endpoint(tx: Tx, endpoint_id: UUID, *, now: datetime) -> Endpoint:
    """One endpoint. Raises: EndpointNotFound."""
    return await _with_secrets(tx, await find_endpoint(tx, endpoint_id), now)


async def list_endpoints(
    tx: Tx,
    *,
    status: EndpointStatus | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    now: datetime,
) -> Page[Endpoint]:
    """A page of endpoints. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx,
        ENDPOINTS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        status=None if status is None else status.value,
    )
    secrets = await find_secrets(tx, [row.endpoint_id for row in page.items], now)
    return page.map(lambda row: endpoint_of(row, secrets.get(row.endpoint_id, ())))


async def replace_endpoint(
    tx: Tx,
    endpoint_id: UUID,
    command: ReplaceEndpoint,
    *,
    version: int,
    loopback_allowed: bool,
    now: datetime,
    meta: Meta,
) -> Endpoint:
    """Change an endpoint; what waits for it goes to the new address. Made active again, it goes on where it stood.

    Raises: EndpointNotFound, EndpointChanged, MalformedWebhook, PrivateAddress.
    """
    old = await find_endpoint(tx, endpoint_id)
    if command.status is EndpointStatus.DELETED:
        raise MalformedWebhook("status: active, paused or disabled", field="status", expected="another status")
    row = await tx.one_or_none(
        SQL.update_endpoint,
        tenant=tx.tenant,
        endpoint=endpoint_id,
        version=version,
        url=check_address(command.url, loopback_allowed=loopback_allowed),
        description=check_description(command.description),
        types=list(check_types(command.event_types)),
        status=command.status.value,
        reason="by_hand" if command.status is EndpointStatus.DISABLED else None,
        now=now,
    )
    if row is None:
        raise EndpointChanged(version=old.version)
    endpoint = endpoint_of(row)
    await append(tx, told(events.EndpointUpdated, endpoint), meta)
    return await _with_secrets(tx, endpoint, now)


async def delete_endpoint(tx: Tx, endpoint_id: UUID, *, version: int, now: datetime, meta: Meta) -> Endpoint:
    """Send nothing to an endpoint any more, and forget its secrets. Its log stays as long as other logs.

    Raises: EndpointNotFound, EndpointChanged.
    """
    old = await find_endpoint(tx, endpoint_id)
    row = await tx.one_or_none(
        SQL.update_endpoint,
        tenant=tx.tenant,
        endpoint=endpoint_id,
        version=version,
        url=old.url,
        description=old.description,
        types=list(old.event_types),
        status=EndpointStatus.DELETED.value,
        reason=None,
        now=now,
    )
    if row is None:
        raise EndpointChanged(version=old.version)
    await tx.execute(SQL.end_secrets, tenant=tx.tenant, endpoint=endpoint_id, ends=now)
    endpoint = endpoint_of(row)
    await append(tx, told(events.EndpointDeleted, endpoint), meta)
    return endpoint


async def rotate_secret(
    tx: Tx, endpoint_id: UUID, *, version: int, overlap: timedelta, vault: Vault, now: datetime, meta: Meta
) -> IssuedEndpoint:
    """Give an endpoint a new secret; until `overlap` is over each message is signed with the older ones too.

    Raises: EndpointNotFound, EndpointChanged, MalformedWebhook; KeysUnavailable, BadKeys.
    """
    if not timedelta() <= overlap <= OVERLAP_MAX:
        raise MalformedWebhook("overlap: 0 to 30 days", field="overlap_hours", expected="0 to 720")
    old = await find_endpoint(tx, endpoint_id)
    row = await tx.one_or_none(SQL.touch_endpoint, tenant=tx.tenant, endpoint=endpoint_id, version=version, now=now)
    if row is None:
        raise EndpointChanged(version=old.version)
    await tx.execute(SQL.end_secrets, tenant=tx.tenant, endpoint=endpoint_id, ends=now + overlap)
    secret = await _add_secret(tx, endpoint_id, vault, now)
    endpoint = endpoint_of(row)
    await append(tx, told(events.EndpointSecretRotated, endpoint), meta)
    return IssuedEndpoint(await _with_secrets(tx, endpoint, now), secret)


async def send_test(tx: Tx, endpoint_id: UUID, *, meta: Meta) -> UUID:
    """Have `webhook_endpoint.tested` sent to this endpoint alone, also while it is paused or disabled; the event's id.

    Raises: EndpointNotFound.
    """
    endpoint = await find_endpoint(tx, endpoint_id)
    return await append(tx, told(events.EndpointTested, endpoint), meta)


async def disable(tx: Tx, endpoint_id: UUID, *, reason: str, now: datetime, meta: Meta) -> bool:
    """Stop sending to an endpoint by ourselves; whether it was on."""
    row = await tx.one_or_none(SQL.disable_endpoint, tenant=tx.tenant, endpoint=endpoint_id, reason=reason, now=now)
    if row is None:
        return False
    await append(tx, told(events.EndpointDisabled, endpoint_of(row)), meta)
    return True


async def reseal_secrets(db: Database, vault: Vault, *, reencrypt: bool = False) -> Rotation:
    """Bring signing secrets of all organisations under the current master key. `db` is the background's.

    Raises: KeysUnavailable, BadKeys.
    """

    async def records() -> AsyncIterator[tuple[Binding, bytes]]:
        async with db.tx() as tx:
            rows = await tx.all(SQL.all_sealed_secrets)
        for row in rows:
            yield binding(row.tenant_id, row.secret_id), bytes(row.sealed)

    async def save(record: Binding, before: bytes, after: bytes) -> bool:
        async with db.tx(record.tenant_id) as tx:
            return bool(
                await tx.execute(
                    SQL.reseal_secret, tenant=tx.tenant, secret=record.record_id, before=before, after=after
                )
            )

    return await rotate(vault, records(), save, reencrypt=reencrypt)


async def find_endpoint(tx: Tx, endpoint_id: UUID) -> Endpoint:
    """One endpoint, without its secrets. Raises: EndpointNotFound."""
    row = await tx.one_or_none(SQL.find_endpoint, tenant=tx.tenant, endpoint=endpoint_id)
    if row is None:
        raise EndpointNotFound()
    return endpoint_of(row)


def told(kind: type[events.EndpointEvent], endpoint: Endpoint) -> events.EndpointEvent:
    """The event of an endpoint as it stands."""
    return kind(
        endpoint.endpoint_id,
        endpoint.description,
        list(endpoint.event_types),
        endpoint.status.value,
        endpoint.status_reason,
    )


async def _add_secret(tx: Tx, endpoint_id: UUID, vault: Vault, now: datetime) -> str:
    secret, secret_id = make_secret(), uuid7()
    sealed = await vault.seal(binding(tx.tenant, secret_id), secret.encode())
    await tx.execute(
        SQL.insert_secret, tenant=tx.tenant, secret=secret_id, endpoint=endpoint_id, sealed=sealed, now=now
    )
    return secret


async def _with_secrets(tx: Tx, endpoint: Endpoint, now: datetime) -> Endpoint:
    found = await find_secrets(tx, [endpoint.endpoint_id], now)
    return replace(endpoint, secrets=tuple(found.get(endpoint.endpoint_id, ())))
