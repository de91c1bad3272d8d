"""One attempt: the message as Standard Webhooks has it, and what its reply means. No database."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from omniroute.infra import events
from omniroute.infra.events import Recorded
from omniroute.infra.http import ExchangeFailed, HttpClient, PrivateAddress, Request, Sent
from omniroute.kit import ids
from omniroute.parties.webhooks.errors import MalformedWebhook
from omniroute.parties.webhooks.model import REPLY_CHARS_KEPT
from omniroute.parties.webhooks.rules import check_address, read_retry_after
from omniroute.parties.webhooks.signing import sign

REPLY_BYTES_MAX = 262_144
OPERATION = "webhook"


class Verdict(StrEnum):
    """What an attempt means for its delivery."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"  # 410: nobody is there any more.
    LOST = "lost"  # The event left the log; there is nothing to send.


@dataclass(frozen=True, slots=True)
class Parcel:
    """A claimed delivery with all that sending it needs. `event` None: it is not in the log any more."""

    tenant_id: UUID
    delivery_id: UUID
    endpoint_id: UUID
    subject: UUID
    is_manual: bool
    try_count: int
    claim: int
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    event: Recorded | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one attempt. `pause`: the receiver asked to be left alone that long."""

    verdict: Verdict
    outcome: str
    status: int | None = None
    reason: str | None = None
    reply: str | None = None
    pause: timedelta | None = None


def body_of(event: Recorded) -> bytes:
    """The message: our envelope, which is a CloudEvent in JSON."""
    return json.dumps(events.envelope(event), separators=(",", ":"), ensure_ascii=False).encode()


def request_for(parcel: Parcel, event: Recorded, *, now: datetime, timeout_s: int) -> Request:
    """The signed request of an attempt. Its id is the event's: the same in every attempt and replay."""
    body = body_of(event)
    message_id = ids.show("evt", event.id)
    timestamp = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "OmniRoute-Webhooks",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(parcel.secrets, message_id, timestamp, body),
        "webhook-sequence": str(event.position),
    }
    return Request(
        "POST",
        parcel.url,
        OPERATION,
        headers,
        body,
        connect_timeout_s=min(5, timeout_s),
        read_timeout_s=timeout_s,
        secrets=frozenset({"webhook-signature"}),
        deadline_s=timeout_s,
        response_bytes_max=REPLY_BYTES_MAX,
    )


async def attempt(http: HttpClient, parcel: Parcel, *, now: datetime, timeout_s: int, loopback_allowed: bool) -> Result:
    """Send a parcel once and say what that means."""
    if parcel.event is None:
        return Result(Verdict.LOST, "not_sent", reason="the event is no longer in the log")
    if not parcel.secrets:
        return Result(Verdict.FAILED, "not_sent", reason="the signing secret cannot be opened")
    try:
        check_address(parcel.url, loopback_allowed=loopback_allowed)
        reply = await http.exchange(request_for(parcel, parcel.event, now=now, timeout_s=timeout_s))
    except (PrivateAddress, MalformedWebhook) as refusal:
        return Result(Verdict.FAILED, "not_sent", reason=refusal.detail)
    except ExchangeFailed as failure:
        outcome = "not_sent" if failure.sent is Sent.NO else "no_reply"
        return Result(Verdict.FAILED, outcome, reason=str(failure)[:500])
    outcome = f"{reply.status // 100}xx"
    text = kept(reply.body)
    if 200 <= reply.status < 300:
        return Result(Verdict.DELIVERED, outcome, reply.status, reply=text)
    if reply.status == 410:
        return Result(Verdict.GONE, outcome, reply.status, "the receiver says that it is gone (410)", text)
    reason = f"answered {reply.status}"
    if 300 <= reply.status < 400:
        reason += "; redirects are not followed"
    pause = read_retry_after(reply.headers.get("retry-after"), now)
    return Result(Verdict.FAILED, outcome, reply.status, reason, text, pause)


def kept(body: bytes) -> str:
    """The beginning of a reply, as text that can be stored."""
    text = body[: 4 * REPLY_CHARS_KEPT].decode("utf-8", "replace").replace("\x00", "\ufffd")
    return text[:REPLY_CHARS_KEPT]
