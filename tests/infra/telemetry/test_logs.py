"""Log lines: one JSON object each, with their context, without secrets."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog

from omniroute.infra.telemetry import context, logger, start_logging


@pytest.fixture
def stream() -> Iterator[StringIO]:
    """Where the lines go; logging is as before afterwards."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    out = StringIO()
    start_logging("info", "json", stream=out)
    yield out
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def lines(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_its_context(stream: StringIO) -> None:
    with context(correlation_id="c-1", tenant="org_1", branch=None):
        logger("omniroute.test").info("posted", item_count=3)
    logger("omniroute.test").info("outside")
    first, second = lines(stream)
    assert {name: first[name] for name in ("event", "level", "logger", "correlation_id", "tenant", "item_count")} == {
        "event": "posted", "level": "info", "logger": "omniroute.test", "correlation_id": "c-1", "tenant": "org_1",
        "item_count": 3,
    }  # fmt: skip
    assert first["timestamp"].endswith("Z")
    assert "branch" not in first
    assert "tenant" not in second


def test_less_severe_lines_are_left_out(stream: StringIO) -> None:
    logger("omniroute.test").debug("whispered")
    assert lines(stream) == []


@pytest.mark.parametrize(
    "values",
    [
        {"password": "open-sesame"},
        {"api_key": "open-sesame"},
        {"headers": {"Authorization": "open-sesame"}},
        {"header": "Bearer open-sesame.signature"},
        {"url": "postgresql://owner:open-sesame@db/omniroute"},
        {"detail": "login failed, password=open-sesame host=db"},
        {"items": [{"secret": "open-sesame"}]},
        {"error": ValueError("postgresql://owner:open-sesame@db")},
    ],
)
def test_secrets_are_taken_out(stream: StringIO, values: dict[str, Any]) -> None:
    logger("omniroute.test").info("something", **values)
    assert "open-sesame" not in stream.getvalue()
    assert "[redacted]" in stream.getvalue()


def test_secrets_in_a_traceback_are_taken_out(stream: StringIO) -> None:
    try:
        raise ValueError("cannot connect to postgresql://owner:open-sesame@db/omniroute")
    except ValueError:
        logger("omniroute.test").exception("crashed")
    (line,) = lines(stream)
    assert "ValueError" in line["exception"]
    assert "open-sesame" not in stream.getvalue()


def test_libraries_write_the_same_lines(stream: StringIO) -> None:
    logging.getLogger("psycopg.pool").warning("reconnecting to %s", "postgresql://owner:open-sesame@db/x")
    (line,) = lines(stream)
    assert (line["level"], line["logger"]) == ("warning", "psycopg.pool")
    assert line["event"] == "reconnecting to postgresql://owner:[redacted]@db/x"
