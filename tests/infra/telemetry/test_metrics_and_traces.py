"""Metrics are rendered for Prometheus; tracing costs nothing while it is off."""

import subprocess
import sys

from prometheus_client import Counter

from omniroute.infra.telemetry import new_registry, render, span


def test_metrics_are_rendered() -> None:
    registry = new_registry()
    Counter("omniroute_things", "Things.", ("kind",), registry=registry).labels("good").inc(2)
    text = render(registry).decode()
    assert 'omniroute_things_total{kind="good"} 2.0' in text
    assert "process_resident_memory_bytes" in text


def test_two_registries_do_not_know_each_other() -> None:
    first, second = new_registry(), new_registry()
    Counter("omniroute_things", "Things.", registry=first)
    assert b"omniroute_things" not in render(second)


def test_a_span_does_nothing_while_tracing_is_off() -> None:
    with span("anything", items=3):
        pass


def test_opentelemetry_is_not_imported_while_tracing_is_off() -> None:
    code = (
        "import sys; from omniroute.infra.telemetry import span, start_tracing\n"
        "start_tracing('', service='x', sample_percent=1)\n"
        "with span('x'): pass\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
