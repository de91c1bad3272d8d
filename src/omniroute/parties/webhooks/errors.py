"""Refusals of webhooks."""

from omniroute.kit.refusal import Kind, Refusal


class MalformedWebhook(Refusal):
    """A field of the webhook endpoint is malformed; `field` and `expected` say which."""

    code = "webhooks.malformed"
    kind = Kind.INVALID


class EndpointNotFound(Refusal):
    """There is no such webhook endpoint in this organisation."""

    code = "webhooks.endpoint_not_found"
    kind = Kind.NOT_FOUND


class EndpointChanged(Refusal):
    """The webhook endpoint changed since you read it; read it again and decide anew."""

    code = "webhooks.stale_version"
    kind = Kind.PRECONDITION_FAILED


class TooManyEndpoints(Refusal):
    """The organisation has as many webhook endpoints as it may; delete one that is not needed."""

    code = "webhooks.too_many_endpoints"
    kind = Kind.REFUSED


class EndpointDisabled(Refusal):
    """The webhook endpoint is disabled; make it active, then replay what it missed."""

    code = "webhooks.endpoint_disabled"
    kind = Kind.REFUSED


class DeliveryNotFound(Refusal):
    """There is no such delivery in this organisation, or it left the log."""

    code = "webhooks.delivery_not_found"
    kind = Kind.NOT_FOUND


class ReplayTooLarge(Refusal):
    """More events happened since that instant than one replay may queue; choose a later one. Nothing was queued."""

    code = "webhooks.replay_too_large"
    kind = Kind.TOO_LARGE
