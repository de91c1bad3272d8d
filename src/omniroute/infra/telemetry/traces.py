"""Traces through OpenTelemetry. Off by default: then nothing of it is even imported, and a span costs a dictionary."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_tracer: Any = None
_provider: Any = None


def start_tracing(endpoint: str, *, service: str, sample_percent: int) -> None:
    """Send spans to an OTLP/HTTP collector; an empty endpoint leaves tracing off."""
    global _tracer, _provider
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    _provider = TracerProvider(
        resource=Resource.create({"service.name": service}),
        sampler=ParentBased(TraceIdRatioBased(sample_percent / 100)),
    )
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces")))
    _tracer = _provider.get_tracer("omniroute")


def stop_tracing() -> None:
    """Send what is still waiting, and switch tracing off."""
    global _tracer, _provider
    if _provider is not None:
        _provider.shutdown()
    _tracer = _provider = None


@contextmanager
def span(name: str, **attributes: str | int | bool) -> Iterator[None]:
    """A span around a piece of work; nothing when tracing is off. An exception is recorded and goes on."""
    if _tracer is None:
        yield
        return
    with _tracer.start_as_current_span(name, attributes=attributes):
        yield
