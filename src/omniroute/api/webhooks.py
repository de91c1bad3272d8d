"""Outgoing webhooks over HTTP: endpoints, their secrets (shown once), the log of deliveries, sending again."""

from datetime import timedelta

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import PageOut, page, parse_id, shown
from omniroute.api.webhooks_shapes import (
    AttemptOut,
    CreateWebhookIn,
    DeliveriesIn,
    DeliveryDetailOut,
    DeliveryOut,
    IssuedWebhookOut,
    ReplaceWebhookIn,
    ReplayDeliveryIn,
    ReplayedOut,
    ReplayWebhookIn,
    RotateWebhookSecretIn,
    TestedOut,
    TestWebhookIn,
    WebhookOut,
    WebhooksIn,
    delivery_out,
    webhook_out,
)
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.parties import webhooks
from omniroute.parties.access import Permission
from omniroute.parties.webhooks import DeliveryStatus, EndpointStatus

_BASE = "/v1/{tenant}/webhooks"
_ONE = _BASE + "/{webhook}"
_DELIVERIES = "/v1/{tenant}/webhook-deliveries"
_DELIVERY = _DELIVERIES + "/{delivery}"


def _webhook(endpoint: webhooks.Endpoint) -> Reply:
    return Reply(webhook_out(endpoint), version=endpoint.version)


def _issued(issued: webhooks.IssuedEndpoint) -> Reply:
    content = IssuedWebhookOut(webhook=webhook_out(issued.endpoint), secret=issued.secret)
    return Reply(content, version=issued.endpoint.version)


_EXAMPLE = {
    "id": "whe_01jd3m8q4vv8k8x2n0c5t7yh6r", "url": "https://erp.kano-foods.example/omniroute",
    "description": "ERP", "event_types": ["payment.*"], "status": "active", "status_reason": None, "failure_count": 0,
    "failing_since": None, "delivered_at": None,
    "secrets": [{"created_at": "2026-11-21T08:00:00Z", "expires_at": None}],
    "version": 1, "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z",
}  # fmt: skip
_ISSUED = {"webhook": _EXAMPLE, "secret": "whsec_plJ3nmyCDGBKInavdOK15jsl0uW0oQB2xXZ5sB8wZz8="}
_DELIVERY_EXAMPLE = {
    "id": "whd_01jd3m8q4vv8k8x2n0c5t7yh6r", "webhook_id": "whe_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "event_id": "evt_01jd3m8q4vv8k8x2n0c5t7yh6r", "event_type": "payment.confirmed",
    "event_at": "2026-11-21T08:00:00Z", "position": 4711, "subject": "0193474a-2e9b-7a11-9e88-550caba3f8d8",
    "status": "pending", "is_manual": False, "attempt_count": 1, "next_attempt_at": "2026-11-21T08:00:05Z",
    "last_status": 503, "last_reason": "answered 503", "created_at": "2026-11-21T08:00:00Z", "finished_at": None,
}  # fmt: skip
_ATTEMPT_EXAMPLE = {
    "number": 1, "started_at": "2026-11-21T08:00:00Z", "duration_ms": 112, "status": 503, "reason": "answered 503",
    "reply": "maintenance",
}  # fmt: skip
_MALFORMED = ("webhooks.malformed", "http.private_address")
_CHANGING = ("webhooks.endpoint_not_found", "webhooks.stale_version")


@operation(
    "POST", _BASE, tag="Webhooks", status=201, permission=Permission.WEBHOOKS_WRITE, whole=True, body=CreateWebhookIn,
    reply=IssuedWebhookOut, versioned=True, idempotent=True, secret=True,
    example={"url": "https://erp.kano-foods.example/omniroute", "event_types": ["payment.*"], "description": "ERP"},
    refusals=(*_MALFORMED, "webhooks.too_many_endpoints"), example_reply=_ISSUED,
)  # fmt: skip
async def create_webhook(call: Call, tx: Tx, body: CreateWebhookIn) -> Reply:
    """Have events sent to an address from now on.

    A repeat with the same Idempotency-Key shows the secret again: its stored reply is sealed with that key.
    """
    command = webhooks.CreateEndpoint(body.url, tuple(body.event_types), body.description, body.paused)
    issued = await webhooks.create_endpoint(
        tx,
        command,
        vault=call.services.vault,
        loopback_allowed=call.services.loopback_webhooks_allowed,
        now=call.now,
        meta=call.meta,
    )
    return _issued(issued)


@operation(
    "GET", _BASE, tag="Webhooks", permission=Permission.WEBHOOKS_READ, whole=True, query=WebhooksIn,
    reply=PageOut[WebhookOut], sorts=webhooks.ENDPOINTS.sorts,
    example_reply={"items": [_EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_webhooks(call: Call, tx: Tx, query: WebhooksIn) -> PageOut[WebhookOut]:
    """List webhook endpoints, the oldest first unless `sort` says otherwise."""
    found = await webhooks.list_endpoints(
        tx,
        status=None if query.status is None else EndpointStatus(query.status),
        sort=query.sort,
        cursor=query.cursor,
        limit=query.limit,
        now=call.now,
    )
    return page(found, webhook_out)


@operation(
    "GET", _ONE, tag="Webhooks", permission=Permission.WEBHOOKS_READ, whole=True, reply=WebhookOut, versioned=True,
    refusals=("webhooks.endpoint_not_found",), example_reply=_EXAMPLE,
)  # fmt: skip
async def get_webhook(call: Call, tx: Tx) -> Reply:
    """Show a webhook endpoint."""
    return _webhook(await webhooks.get_endpoint(tx, call.id("webhook"), now=call.now))


@operation(
    "PUT", _ONE, tag="Webhooks", permission=Permission.WEBHOOKS_WRITE, whole=True, body=ReplaceWebhookIn,
    reply=WebhookOut, versioned=True, changes_version=True, refusals=(*_CHANGING, *_MALFORMED),
    example={"url": "https://erp.kano-foods.example/omniroute", "event_types": ["payment.*", "connection.*"],
             "description": "ERP", "status": "active"},
    example_reply=_EXAMPLE | {"version": 2, "event_types": ["payment.*", "connection.*"]},
)  # fmt: skip
async def replace_webhook(call: Call, tx: Tx, body: ReplaceWebhookIn) -> Reply:
    """Change, pause, disable or activate a webhook endpoint."""
    command = webhooks.ReplaceEndpoint(body.url, tuple(body.event_types), body.description, EndpointStatus(body.status))
    endpoint = await webhooks.replace_endpoint(
        tx,
        call.id("webhook"),
        command,
        version=call.read_version,
        loopback_allowed=call.services.loopback_webhooks_allowed,
        now=call.now,
        meta=call.meta,
    )
    return _webhook(endpoint)


@operation(
    "DELETE", _ONE, tag="Webhooks", permission=Permission.WEBHOOKS_WRITE, whole=True, reply=WebhookOut, versioned=True,
    changes_version=True, refusals=_CHANGING,
    example_reply=_EXAMPLE | {"version": 2, "status": "deleted", "secrets": []},
)  # fmt: skip
async def delete_webhook(call: Call, tx: Tx) -> Reply:
    """Delete a webhook endpoint for ever.

    What waits for it is not sent, and its secrets sign no more.
    """
    endpoint = await webhooks.delete_endpoint(
        tx, call.id("webhook"), version=call.read_version, now=call.now, meta=call.meta
    )
    return _webhook(endpoint)


@operation(
    "POST", _ONE + "/rotations", tag="Webhooks", status=201, permission=Permission.WEBHOOKS_WRITE, whole=True,
    body=RotateWebhookSecretIn, reply=IssuedWebhookOut, versioned=True, changes_version=True, idempotent=True,
    secret=True, refusals=(*_CHANGING, "webhooks.malformed"), example={"overlap_hours": 24}, example_reply=_ISSUED,
)  # fmt: skip
async def rotate_webhook_secret(call: Call, tx: Tx, body: RotateWebhookSecretIn) -> Reply:
    """Give a webhook endpoint a new secret.

    Until the overlap is over each message carries a signature with every secret in force.
    """
    issued = await webhooks.rotate_secret(
        tx,
        call.id("webhook"),
        version=call.read_version,
        overlap=timedelta(hours=body.overlap_hours),
        vault=call.services.vault,
        now=call.now,
        meta=call.meta,
    )
    return _issued(issued)


@operation(
    "POST", _ONE + "/tests", tag="Webhooks", status=202, permission=Permission.WEBHOOKS_WRITE, whole=True,
    body=TestWebhookIn, reply=TestedOut, idempotent=True, refusals=("webhooks.endpoint_not_found",), example={},
    example_reply={"event_id": "evt_01jd3m8q4vv8k8x2n0c5t7yh6r"},
)  # fmt: skip
async def test_webhook(call: Call, tx: Tx, body: TestWebhookIn) -> TestedOut:
    """Send a test event to a webhook endpoint, also while it is paused or disabled."""
    event_id = await webhooks.send_test(tx, call.id("webhook"), meta=call.meta)
    return TestedOut(event_id=ids.show("evt", event_id))


@operation(
    "POST", _ONE + "/replays", tag="Webhooks", status=202, permission=Permission.WEBHOOKS_WRITE, whole=True,
    body=ReplayWebhookIn, reply=ReplayedOut, idempotent=True, example={"since": "2026-11-21T08:00:00Z"},
    refusals=("webhooks.endpoint_not_found", "webhooks.endpoint_disabled", "webhooks.replay_too_large"),
    example_reply={"queued_count": 42},
)  # fmt: skip
async def replay_webhook(call: Call, tx: Tx, body: ReplayWebhookIn) -> ReplayedOut:
    """Send again, in order, what a webhook endpoint did not take since an instant.

    What happened while it was disabled, or had chosen other types, is among it. At most 10,000 at a time.
    """
    count = await webhooks.replay_since(tx, call.id("webhook"), body.since, everything=body.everything, now=call.now)
    return ReplayedOut(queued_count=count)


@operation(
    "GET", _DELIVERIES, tag="Webhooks", permission=Permission.WEBHOOKS_READ, whole=True, query=DeliveriesIn,
    reply=PageOut[DeliveryOut], sorts=webhooks.DELIVERIES.sorts, refusals=("kit.malformed_id",),
    example_reply={"items": [_DELIVERY_EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_webhook_deliveries(call: Call, tx: Tx, query: DeliveriesIn) -> PageOut[DeliveryOut]:
    """List deliveries to webhook endpoints, the newest event first unless `sort` says otherwise."""
    found = await webhooks.list_deliveries(
        tx,
        endpoint_id=parse_id("whe", query.webhook_id),
        status=None if query.status is None else DeliveryStatus(query.status),
        event_type=query.event_type,
        subject=query.subject,
        sort=query.sort,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page(found, delivery_out)


@operation(
    "GET", _DELIVERY, tag="Webhooks", permission=Permission.WEBHOOKS_READ, whole=True, reply=DeliveryDetailOut,
    refusals=("webhooks.delivery_not_found",),
    example_reply={"delivery": _DELIVERY_EXAMPLE, "attempts": [_ATTEMPT_EXAMPLE]},
)  # fmt: skip
async def get_webhook_delivery(call: Call, tx: Tx) -> DeliveryDetailOut:
    """Show a delivery and its attempts."""
    delivery, attempts = await webhooks.get_delivery(tx, call.id("delivery"))
    return DeliveryDetailOut(delivery=delivery_out(delivery), attempts=[shown(AttemptOut, one, {}) for one in attempts])


@operation(
    "POST", _DELIVERY + "/replays", tag="Webhooks", status=202, permission=Permission.WEBHOOKS_WRITE, whole=True,
    body=ReplayDeliveryIn, reply=DeliveryOut, idempotent=True, example={},
    refusals=("webhooks.delivery_not_found", "webhooks.endpoint_not_found"),
    example_reply=_DELIVERY_EXAMPLE | {"is_manual": True},
)  # fmt: skip
async def replay_webhook_delivery(call: Call, tx: Tx, body: ReplayDeliveryIn) -> DeliveryOut:
    """Send a delivery again at once.

    One that ended goes out of turn, also while its endpoint is paused or disabled; one that waits gets its next
    attempt now. The message keeps its id.
    """
    return delivery_out(await webhooks.replay_delivery(tx, call.id("delivery"), now=call.now))
