"""What outgoing webhooks look like over HTTP."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from omniroute.api.shapes import In, Instant, ListIn, Out, shown
from omniroute.kit import ids
from omniroute.parties import webhooks

WebhookId = Annotated[
    str,
    Meta(
        pattern="^whe_[0-7][0-9a-hjkmnp-tv-z]{25}$",
        description="A webhook endpoint.",
        examples=["whe_01jd3m8q4vv8k8x2n0c5t7yh6r"],
    ),
]
Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2000,
        description="An https address that everybody can reach.",
        examples=["https://erp.kano-foods.example/omniroute"],
    ),
]
EventTypes = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=100, examples=["payment.*"])]],
    Meta(
        min_length=1,
        max_length=100,
        description="Types of events, beginnings with a star (`payment.*`), or `*`.",
        examples=[["payment.*"]],
    ),
]
Description = Annotated[str, Meta(max_length=500)]
EventType = Annotated[str, Meta(min_length=1, max_length=100, description="A whole type.")]


class CreateWebhookIn(In):
    """A new endpoint. `paused`: events queue until it is made active."""

    url: Url
    event_types: EventTypes
    description: Description = ""
    paused: bool = False


class ReplaceWebhookIn(In):
    """The endpoint as it shall be. `active` again, it goes on with what waits."""

    url: Url
    event_types: EventTypes
    description: Description
    status: Literal["active", "paused", "disabled"]


class RotateWebhookSecretIn(In):
    """How long messages are signed with the older secrets too."""

    overlap_hours: Annotated[int, Meta(ge=0, le=720)] = 24


class TestWebhookIn(In):
    """Nothing is to be said."""


class ReplayDeliveryIn(In):
    """Nothing is to be said."""


class ReplayWebhookIn(In):
    """Since when. `everything`: also what the endpoint took."""

    since: Instant
    everything: bool = False


class WebhooksIn(ListIn):
    """Which endpoints."""

    status: Literal["active", "paused", "disabled"] | None = None


class DeliveriesIn(ListIn):
    """Which deliveries. `subject` is the UUID of what the events are about."""

    webhook_id: WebhookId | None = None
    status: Literal["pending", "delivered", "failed"] | None = None
    event_type: EventType | None = None
    subject: UUID | None = None


class WebhookSecretOut(Out):
    """A secret in force, without itself."""

    created_at: Instant
    expires_at: Instant | None


class WebhookOut(Out):
    """An endpoint. `failing_since`: nothing got through since then."""

    id: str
    url: str
    description: str
    event_types: list[str]
    status: Literal["active", "paused", "disabled", "deleted"]
    status_reason: Literal["by_hand", "gone", "failing"] | None
    failure_count: int
    failing_since: Instant | None
    delivered_at: Instant | None
    secrets: list[WebhookSecretOut]
    version: int
    created_at: Instant
    updated_at: Instant


class IssuedWebhookOut(Out):
    """An endpoint and its secret, which is shown now and never again."""

    webhook: WebhookOut
    secret: str


class TestedOut(Out):
    """The event that is on its way; its delivery appears in the log at once."""

    event_id: str


class ReplayedOut(Out):
    """How many deliveries are on their way again."""

    queued_count: int


class DeliveryOut(Out):
    """One event on its way to one endpoint. `position` grows along the events of a subject."""

    id: str
    webhook_id: str
    event_id: str
    event_type: str
    event_at: Instant
    position: int
    subject: UUID
    status: Literal["pending", "delivered", "failed"]
    is_manual: bool
    attempt_count: int
    next_attempt_at: Instant | None
    last_status: int | None
    last_reason: str | None
    created_at: Instant
    finished_at: Instant | None


class AttemptOut(Out):
    """One try. `reply` has its first 2,048 characters; `status` is null when no whole reply came."""

    number: int
    started_at: Instant
    duration_ms: int
    status: int | None
    reason: str | None
    reply: str | None


class DeliveryDetailOut(Out):
    """A delivery with its attempts, the first one first."""

    delivery: DeliveryOut
    attempts: list[AttemptOut]


def webhook_out(endpoint: webhooks.Endpoint) -> WebhookOut:
    """An endpoint as shown."""
    return shown(
        WebhookOut,
        endpoint,
        {},
        id=ids.show("whe", endpoint.endpoint_id),
        event_types=list(endpoint.event_types),
        secrets=[shown(WebhookSecretOut, one, {}) for one in endpoint.secrets],
    )


def delivery_out(delivery: webhooks.Delivery) -> DeliveryOut:
    """A delivery as shown."""
    return shown(
        DeliveryOut,
        delivery,
        {"event_id": "evt"},
        id=ids.show("whd", delivery.delivery_id),
        webhook_id=ids.show("whe", delivery.endpoint_id),
    )
