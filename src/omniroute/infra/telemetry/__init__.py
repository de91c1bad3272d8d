"""What a process tells about itself: log lines, metrics, traces.

start_logging("info", "json")        JSON lines on stderr, with correlation id and tenant, secrets redacted
with context(tenant=..., ...):       what every line and span in here carries
metrics = new_registry()             Prometheus; `render(metrics)` is the body of /metrics
with span("ledger.post", items=3):   OpenTelemetry when an endpoint is set, else nothing at all
"""

from omniroute.infra.telemetry.logs import context, logger, start_logging
from omniroute.infra.telemetry.metrics import CONTENT_TYPE, new_registry, render
from omniroute.infra.telemetry.traces import span, start_tracing, stop_tracing

__all__ = [
    "CONTENT_TYPE",
    "context",
    "logger",
    "new_registry",
    "render",
    "span",
    "start_logging",
    "start_tracing",
    "stop_tracing",
]
