"""Webhooks: the events of an organisation, sent to where it wants them, signed as Standard Webhooks has it.

    endpoint   active <-> paused <-> disabled ; disabled by us on 410 or after days of failures ; -> deleted
    delivery   pending -> delivered | failed ; sent again by hand: -> pending

`feed` queues committed events for the endpoints that want them, each once. A `Courier` sends: at least once, in the
order of each subject, until a reply of 2xx or the end of the schedule. `webhook-id` is the event's id in every attempt.
"""

from omniroute.parties.webhooks.courier import Courier, CourierLimits
from omniroute.parties.webhooks.deliveries import (
    get_delivery,
    list_deliveries,
    purge,
    replay_delivery,
    replay_since,
)
from omniroute.parties.webhooks.errors import (
    DeliveryNotFound,
    EndpointChanged,
    EndpointDisabled,
    EndpointNotFound,
    MalformedWebhook,
    ReplayTooLarge,
    TooManyEndpoints,
)
from omniroute.parties.webhooks.feeding import CONSUMER, feed
from omniroute.parties.webhooks.metrics import WebhookMetrics
from omniroute.parties.webhooks.model import (
    Attempt,
    CreateEndpoint,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    IssuedEndpoint,
    ReplaceEndpoint,
    SecretInfo,
)
from omniroute.parties.webhooks.service import (
    create_endpoint,
    delete_endpoint,
    get_endpoint,
    list_endpoints,
    replace_endpoint,
    reseal_secrets,
    rotate_secret,
    send_test,
)
from omniroute.parties.webhooks.store import DELIVERIES, ENDPOINTS

__all__ = [
    "CONSUMER",
    "DELIVERIES",
    "ENDPOINTS",
    "Attempt",
    "Courier",
    "CourierLimits",
    "CreateEndpoint",
    "Delivery",
    "DeliveryNotFound",
    "DeliveryStatus",
    "Endpoint",
    "EndpointChanged",
    "EndpointDisabled",
    "EndpointNotFound",
    "EndpointStatus",
    "IssuedEndpoint",
    "MalformedWebhook",
    "ReplaceEndpoint",
    "ReplayTooLarge",
    "SecretInfo",
    "TooManyEndpoints",
    "WebhookMetrics",
    "create_endpoint",
    "delete_endpoint",
    "feed",
    "get_delivery",
    "get_endpoint",
    "list_deliveries",
    "list_endpoints",
    "purge",
    "replace_endpoint",
    "replay_delivery",
    "replay_since",
    "reseal_secrets",
    "rotate_secret",
    "send_test",
]
