"""Rows of webhooks as values."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from omniroute.infra.events import Recorded
from omniroute.infra.postgres import BoolArray, Int8Array, TextArray, TimestampArray, Tx, UuidArray, load
from omniroute.infra.secrets import Binding
from omniroute.kit.ids import uuid7
from omniroute.parties.webhooks.model import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    SecretInfo,
)

SQL = load("omniroute.parties.webhooks")
ENDPOINTS = SQL.listing("list_endpoints")
DELIVERIES = SQL.listing("list_deliveries")


def binding(tenant_id: UUID, secret_id: UUID) -> Binding:
    """What a signing secret is sealed for."""
    return Binding(tenant_id, "webhook_secret", secret_id)


def endpoint_of(row: Any, secrets: Sequence[SecretInfo] = ()) -> Endpoint:
    """A row of `webhook_endpoint`."""
    return Endpoint(
        endpoint_id=row.endpoint_id,
        url=row.url,
        description=row.description,
        event_types=tuple(row.event_types),
        status=EndpointStatus(row.status),
        status_reason=row.status_reason,
        failure_count=row.failure_count,
        failing_since=row.failing_since,
        delivered_at=row.delivered_at,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        secrets=tuple(secrets),
    )


def delivery_of(row: Any) -> Delivery:
    """A row of `webhook_delivery`."""
    return Delivery(
        delivery_id=row.delivery_id,
        endpoint_id=row.endpoint_id,
        event_id=row.event_id,
        event_type=row.event_type,
        event_at=row.event_at,
        position=row.event_seq,
        subject=row.subject,
        status=DeliveryStatus(row.status),
        is_manual=row.is_manual,
        attempt_count=row.attempt_count,
        next_attempt_at=row.next_attempt_at,
        last_status=row.last_status,
        last_reason=row.last_reason,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def attempt_of(row: Any) -> Attempt:
    """A row of `webhook_attempt`."""
    return Attempt(*row)


async def find_secrets(tx: Tx, endpoints: Sequence[UUID], now: datetime) -> Mapping[UUID, list[SecretInfo]]:
    """What is known of the secrets in force, by endpoint."""
    found: dict[UUID, list[SecretInfo]] = {}
    for row in await tx.all(SQL.list_secrets, tenant=tx.tenant, endpoints=list(endpoints), now=now):
        found.setdefault(row.endpoint_id, []).append(SecretInfo(row.secret_id, row.created_at, row.expires_at))
    return found


async def queue(tx: Tx, wanted: Sequence[tuple[UUID, Recorded, bool]], now: datetime) -> int:
    """Queue events for endpoints: (endpoint, event, out of turn). How many were new."""
    if not wanted:
        return 0
    return await tx.execute(
        SQL.queue_deliveries,
        tenant=tx.tenant,
        now=now,
        deliveries=UuidArray.of([uuid7() for _ in wanted]),
        endpoints=UuidArray.of([endpoint for endpoint, _, _ in wanted]),
        events=UuidArray.of([event.id for _, event, _ in wanted]),
        seqs=Int8Array.of([event.position for _, event, _ in wanted]),
        types=TextArray.of([event.type for _, event, _ in wanted]),
        instants=TimestampArray.of([event.recorded_at for _, event, _ in wanted]),
        subjects=UuidArray.of([event.subject for _, event, _ in wanted]),
        manual=BoolArray.of([manual for _, _, manual in wanted]),
    )
