"""The HTTP metrics of a process, counted as plain numbers and shaped for Prometheus only when it asks.

All of it happens on the event loop, so no lock is needed; the library's own counters take one for every step, which
is more than a hot operation has to spare.
"""

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BOUNDS = [*(f"{float(bound)}" for bound in BUCKETS_S), "+Inf"]
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Durations:
    """How long the answers of one route took."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.sum_s = 0.0

    def cumulated(self) -> list[tuple[str, int]]:
        """Each bound with the number of answers up to it."""
        total, pairs = 0, []
        for bound, count in zip(_BOUNDS, self.counts, strict=True):
            total += count
            pairs.append((bound, total))
        return pairs


class Tally(Collector):
    """Requests answered, how long that took, and how many are being worked."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._answered: dict[tuple[str, str, int], int] = {}
        self._durations: dict[tuple[str, str], Durations] = {}

    def record(self, method: str, route: str, status: int, seconds: float) -> str:
        """One request has been answered; the method under which it is counted."""
        if method not in _METHODS:
            method = "other"
        key = (method, route, status)
        answered = self._answered
        if key not in answered:
            answered[key] = 0
            self._durations.setdefault(key[:2], Durations())
        answered[key] += 1
        durations = self._durations[method, route]
        durations.counts[bisect_left(BUCKETS_S, seconds)] += 1
        durations.sum_s += seconds
        return method

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads."""
        requests = CounterMetricFamily(
            "omniroute_http_requests", "Requests answered.", labels=("method", "route", "status")
        )
        for (method, route, status), count in self._answered.items():
            requests.add_metric((method, route, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily("omniroute_http_request_seconds", "Time to answer.", labels=("method", "route"))
        for labels, durations in self._durations.items():
            seconds.add_metric(labels, durations.cumulated(), durations.sum_s)
        yield seconds
        yield GaugeMetricFamily("omniroute_http_requests_in_flight", "Requests being worked.", value=self.in_flight)
