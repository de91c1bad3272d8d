"""What is counted of webhooks: never by organisation or address."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)


class WebhookMetrics:
    """Series in the registry of the process; made once a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "omniroute_webhook_attempts",
            "Attempts by what came of them: the class of the status, `no_reply` or `not_sent`.",
            ("outcome",),
            registry=registry,
        )
        self.deliveries = Counter(
            "omniroute_webhook_deliveries",
            "Deliveries that ended: `delivered`, or `failed` after the last attempt.",
            ("outcome",),
            registry=registry,
        )
        self.seconds = Histogram(
            "omniroute_webhook_attempt_seconds", "Time of one attempt.", buckets=BUCKETS, registry=registry
        )
        self.lateness = Histogram(
            "omniroute_webhook_lateness_seconds",
            "From the event to the attempt that delivered it.",
            buckets=(0.5, 1, 2.5, 5, 10, 60, 600, 3_600, 36_000, 360_000),
            registry=registry,
        )
        self.in_flight = Gauge("omniroute_webhook_in_flight", "Attempts under way.", registry=registry)
        self.disabled = Counter(
            "omniroute_webhook_endpoints_disabled", "Endpoints we stopped sending to.", ("reason",), registry=registry
        )
