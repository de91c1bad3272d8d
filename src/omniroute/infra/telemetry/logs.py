"""Structured log lines on stderr: one JSON object a line, nothing secret in it."""

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO

import msgspec
import structlog

REDACTED = "[redacted]"
DEPTH_MAX = 6
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_SECRET_NAME = re.compile(
    r"password|passwd|secret|token|authorization|cookie|api_?key|credential|private|dsn", re.IGNORECASE
)
_SECRET_TEXT = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), r"\1 " + REDACTED),
    (re.compile(r"\b([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@]+@"), r"\1:" + REDACTED + "@"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED),
    (re.compile(r"(?i)\b(password|secret|token)=\S+"), r"\1=" + REDACTED),
)


def start_logging(level: str = "info", form: Literal["json", "text"] = "json", *, stream: TextIO | None = None) -> None:
    """Set up logging for this process, ours and that of libraries, to stderr (or `stream`)."""
    out = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    final = structlog.processors.JSONRenderer(serializer=_json) if form == "json" else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, final],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *names: _Lines(names[0] if names else "omniroute", out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared[:4],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                final,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak up only when something is wrong, unless we are looking for something.
    root.setLevel(LEVELS[level] if level in ("debug", "error") else logging.WARNING)


class _Lines(structlog.PrintLogger):
    """Writes lines, and knows whose they are."""

    def __init__(self, name: str, out: TextIO) -> None:
        super().__init__(out)
        self.name = name


def logger(name: str) -> Any:
    """A logger; its lines carry the context they are written in."""
    return structlog.get_logger(name)


@contextmanager
def context(**values: object) -> Iterator[None]:
    """Give every line written in here these values (`correlation_id`, `tenant`, ...)."""
    with structlog.contextvars.bound_contextvars(
        **{name: str(value) for name, value in values.items() if value is not None}
    ):
        yield


def redact(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take secrets out of a line: by the name of the value, and by the look of the text."""
    for name in list(line):
        line[name] = _clean(name, line[name], 0)
    return line


def _clean(name: str, value: Any, depth: int) -> Any:
    if _SECRET_NAME.search(name) and value not in (None, "", True, False):
        return REDACTED
    if isinstance(value, str):
        for pattern, instead in _SECRET_TEXT:
            value = pattern.sub(instead, value)
        return value
    if depth < DEPTH_MAX and isinstance(value, dict):
        return {key: _clean(str(key), item, depth + 1) for key, item in value.items()}
    if depth < DEPTH_MAX and isinstance(value, list | tuple):
        return [_clean("", item, depth + 1) for item in value]
    if value is None or isinstance(value, int | bool):
        return value
    return _clean("", repr(value) if isinstance(value, BaseException) else str(value), depth)


def _json(line: Any, **_options: Any) -> str:
    return msgspec.json.encode(line, enc_hook=str).decode()


def _name(lines: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record = line.get("_record")  # Set on lines of libraries.
    line["logger"] = record.name if record is not None else lines.name
    return line
