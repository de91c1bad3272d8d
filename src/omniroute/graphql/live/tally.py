"""What live queries count."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(eq=False)
class LiveTally(Collector):
    """Numbers of one process. All on the event loop, so without locks."""

    connections: dict[str, int] = field(default_factory=dict)
    """Open ones, by sub-protocol."""
    subscriptions: dict[str, int] = field(default_factory=lambda: {"live": 0, "stream": 0})
    messages_in: int = 0
    messages_out: int = 0
    asked: int = 0
    """Statements."""
    failed: int = 0
    """Statements that found no database."""
    closed: dict[int, int] = field(default_factory=dict)
    """Connections we closed, by code."""

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads."""
        connections = GaugeMetricFamily(
            "omniroute_graphql_connections", "Open WebSocket connections.", labels=("protocol",)
        )
        for protocol, count in self.connections.items():
            connections.add_metric((protocol,), count)
        yield connections
        subscriptions = GaugeMetricFamily(
            "omniroute_graphql_subscriptions", "Subscriptions that run.", labels=("kind",)
        )
        for kind, count in self.subscriptions.items():
            subscriptions.add_metric((kind,), count)
        yield subscriptions
        messages = CounterMetricFamily("omniroute_graphql_messages", "Messages over WebSocket.", labels=("direction",))
        messages.add_metric(("in",), self.messages_in)
        messages.add_metric(("out",), self.messages_out)
        yield messages
        statements = CounterMetricFamily(
            "omniroute_graphql_live_statements", "Statements for subscriptions.", labels=("outcome",)
        )
        statements.add_metric(("answered",), self.asked)
        statements.add_metric(("failed",), self.failed)
        yield statements
        closed = CounterMetricFamily(
            "omniroute_graphql_connections_closed", "Connections closed by the server.", labels=("code",)
        )
        for code, count in self.closed.items():
            closed.add_metric((str(code),), count)
        yield closed
