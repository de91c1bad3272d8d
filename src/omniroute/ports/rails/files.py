"""Rails that take files and answer with files, hours later."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from omniroute.ports.rails.model import Result, StatementLine


@dataclass(frozen=True, slots=True)
class RailFile:
    """A file for the rail. `message_id` is unique for ever: the rail knows a repeat by it.

    `blocks`: which part of the file an order stands in, by our reference, where the rail may answer part by part.
    """

    message_id: str
    name: str
    content: bytes
    created_at: datetime
    blocks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """What an answer says about one file of ours. What is said of an order itself goes before what is said of its
    part of the file, and that before what is said of the whole file.
    """

    original_message_id: str
    results: tuple[tuple[str, Result], ...]  # By our reference.
    group: Result | None = None
    blocks: tuple[tuple[str, Result], ...] = ()


@dataclass(frozen=True, slots=True)
class FileNews:
    """What a file from the rail says: answers to files of ours, lines of our account's statement, or nothing."""

    answers: tuple[FileAnswer, ...] = ()
    lines: tuple[StatementLine, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSession:
    """When the rail next takes files: orders are collected from `collects_from` until `cut_off`."""

    collects_from: datetime
    cut_off: datetime
    answers_by: datetime
