"""What the doors count, by the name of the operation. Clients choose names, so only so many of them are told apart."""

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

NAMES_MAX = 200
NAME_LENGTH_MAX = 64
OTHER = "other"
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BOUNDS = [*(f"{float(bound)}" for bound in BUCKETS_S), "+Inf"]
_CODES = frozenset(
    {
        "ok", "validation-failed", "data-exception", "constraint-violation", "permission-error", "not-found",
        "depth-limit-exceeded", "node-limit-exceeded", "batch-limit-exceeded", "time-limit-exceeded", "not-supported",
        "parse-failed", "unexpected", "access-denied",
    }
)  # fmt: skip


class OperationTally(Collector):
    """Operations executed, how they went and how long they took. All on the event loop, so without locks."""

    def __init__(self, names_max: int = NAMES_MAX) -> None:
        self._names_max = names_max
        self._names: set[str] = set()
        self._outcomes: dict[tuple[str, str, str], int] = {}
        self._durations: dict[tuple[str, str], tuple[list[int], list[float]]] = {}

    def record(self, name: str | None, kind: str, code: str, seconds: float) -> None:
        """An operation has been answered. `code`: of its first error, or `ok`."""
        label = self._label(name or "", code)
        outcome = (label, kind, code if code in _CODES else OTHER)
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
        counts, total = self._durations.setdefault((label, kind), ([0] * len(_BOUNDS), [0.0]))
        counts[bisect_left(BUCKETS_S, seconds)] += 1
        total[0] += seconds

    def _label(self, name: str, code: str) -> str:
        """Empty for operations without a name. A name is only learnt from an operation that succeeded."""
        if not name or name in self._names:
            return name
        if code != "ok" or len(name) > NAME_LENGTH_MAX or len(self._names) >= self._names_max:
            return OTHER
        self._names.add(name)
        return name

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads."""
        outcomes = CounterMetricFamily(
            "omniroute_graphql_operations",
            "GraphQL operations answered, by how they went.",
            labels=("operation", "kind", "code"),
        )
        for labels, count in self._outcomes.items():
            outcomes.add_metric(labels, count)
        yield outcomes
        seconds = HistogramMetricFamily(
            "omniroute_graphql_operation_seconds", "Time to answer a GraphQL operation.", labels=("operation", "kind")
        )
        for pair, (counts, total) in self._durations.items():
            running, pairs = 0, []
            for bound, count in zip(_BOUNDS, counts, strict=True):
                running += count
                pairs.append((bound, running))
            seconds.add_metric(pair, pairs, total[0])
        yield seconds
