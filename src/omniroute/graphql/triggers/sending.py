"""One attempt to tell a receiver, and what its reply means. No database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

from omniroute.graphql.calling import Calls, NotSet
from omniroute.graphql.encoding import Slot, encode
from omniroute.graphql.triggers.definitions import Cron, Retry, Trigger
from omniroute.infra.http import ExchangeFailed

RETRY_AFTER_MAX = timedelta(hours=24)
REASON_CHARS_MAX = 500


@dataclass(frozen=True, slots=True)
class Parcel:
    """A claimed delivery with all that sending it needs. `tenant_id` None: a tick of a cron trigger."""

    tenant_id: UUID | None
    delivery_id: UUID
    trigger: str
    claim: int
    try_count: int
    address: str
    headers: tuple[Mapping[str, Any], ...] = field(repr=False)
    retry: Retry
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one attempt. `pause`: the receiver asked to be left alone that long."""

    delivered: bool
    status: int | None = None
    reason: str | None = None
    pause: timedelta | None = None


def event_body(row: Any, trigger: Trigger) -> bytes:
    """What Hasura sends of an event."""
    body = {
        "id": str(row.delivery_id),
        "created_at": _instant(row.happened_at),
        "trigger": {"name": row.trigger_name},
        "table": {"schema": row.table_schema, "name": row.table_name},
        "event": Slot(row.event),
        "delivery_info": {"max_retries": trigger.retry.retries, "current_retry": row.try_count - 1},
    }
    return encode(body).encode()


def tick_body(row: Any, cron: Cron) -> bytes:
    """What Hasura sends of a tick."""
    body = {
        "id": str(row.tick_id),
        "name": cron.name,
        "scheduled_time": _instant(row.scheduled_at),
        "created_at": _instant(row.created_at),
        "payload": cron.payload,
        "comment": cron.comment,
    }
    return encode(body).encode()


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


async def attempt(calls: Calls, parcel: Parcel, *, now: datetime) -> Result:
    """Send a parcel once and say what that means. Only 2xx means that it was taken."""
    try:
        reply = await calls.send(
            calls.address(parcel.address),
            parcel.body,
            operation="trigger",
            headers=calls.headers(parcel.headers),
            timeout_s=parcel.retry.timeout_s,
        )
    except NotSet as missing:
        return Result(False, reason=f"the variable {missing} is not set")
    except ExchangeFailed as failure:
        return Result(False, reason=str(failure)[:REASON_CHARS_MAX])
    if 200 <= reply.status < 300:
        return Result(True, reply.status)
    pause = _retry_after(reply.headers.get("retry-after"), now)
    return Result(False, reply.status, f"answered {reply.status}", pause)


def next_wait(retry: Retry, try_count: int, pause: timedelta | None) -> timedelta | None:
    """How long to wait after this many attempts; None: that was the last."""
    if try_count > retry.retries:
        return None
    return timedelta(seconds=retry.interval_s) if pause is None else min(pause, RETRY_AFTER_MAX)


def _retry_after(text: str | None, now: datetime) -> timedelta | None:
    text = (text or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 9:
        return timedelta(seconds=int(text))
    try:
        return max(timedelta(), parsedate_to_datetime(text) - now)
    except (ValueError, TypeError, OverflowError):
        return None
