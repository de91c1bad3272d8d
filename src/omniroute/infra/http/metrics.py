"""What is counted of exchanges: by rail and operation, never by tenant."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)


class HttpMetrics:
    """Series in the registry of the process; made once a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "omniroute_rail_exchange_seconds",
            "Time of one try, connecting included.",
            ("rail", "operation"),
            buckets=BUCKETS,
            registry=registry,
        )
        self.exchanges = Counter(
            "omniroute_rail_exchanges_total",
            "Tries by what came of them: the class of the status, `failed` or `cancelled`; and whether bytes left.",
            ("rail", "operation", "outcome", "sent"),
            registry=registry,
        )
        self.in_flight = Gauge(
            "omniroute_rail_exchanges_in_flight", "Exchanges under way.", ("rail",), registry=registry
        )
        self.breakers_open = Gauge(
            "omniroute_rail_breakers_open",
            "Connections whose submits are stopped (open or half-open).",
            ("rail",),
            registry=registry,
        )
