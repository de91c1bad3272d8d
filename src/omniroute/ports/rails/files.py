"""Rails that take files and answer with files, hours later."""

from dataclasses import dataclass
from datetime import datetime

from omniroute.ports.rails.model import Result


@dataclass(frozen=True, slots=True)
class RailFile:
    """A file for the rail. `message_id` is unique for ever: the rail knows a repeat by it."""

    message_id: str
    name: str
    content: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """What an answer file says. `results` by our reference; `group`: said of every payment of the file not named."""

    original_message_id: str
    results: tuple[tuple[str, Result], ...]
    group: Result | None = None
