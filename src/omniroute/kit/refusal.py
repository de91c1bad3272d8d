"""What can go wrong, in two families that are never mixed.

    Refusal   a rule said no. Final for this input; rendered to the caller; never retried.
    Fault     a machine failed. May be retried within a bound when the work is idempotent.

Anything else that is raised is a mistake of ours: the unit of work crashes and someone is told.
"""

from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """What a refusal means to the caller. Doors translate a kind, never a single code."""

    INVALID = "invalid"  # The request itself is wrong; the same request can never succeed.
    UNAUTHENTICATED = "unauthenticated"  # We do not know who is asking.
    FORBIDDEN = "forbidden"  # We know who is asking, and they may not.
    NOT_FOUND = "not_found"  # Absent, or not the caller's to know of.
    CONFLICT = "conflict"  # Clashes with what already happened (duplicate, same key with another body).
    REFUSED = "refused"  # A business rule said no (limit, closed period, frozen account).
    PRECONDITION_FAILED = "precondition_failed"  # The thing changed since the caller read it.
    PRECONDITION_REQUIRED = "precondition_required"  # The caller must say which version it read.
    TOO_LARGE = "too_large"  # More than one request may carry.
    UNSUPPORTED = "unsupported"  # Content type we do not read.
    THROTTLED = "throttled"  # Too many; try again after `retry_after_s`.
    BUSY = "busy"  # We cannot take it now; nothing happened; try again after `retry_after_s`.


class Refusal(Exception):
    """A rule said no.

    A subclass sets `code` (`module.what`, stable for ever) and `kind`; its docstring is the public text.
    Facts are plain values (str, int, bool, None, lists of these) that tell the caller what to do.
    """

    code: ClassVar[str]
    kind: ClassVar[Kind]
    by_code: ClassVar[dict[str, type["Refusal"]]] = {}

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        super().__init_subclass__()
        if abstract:
            return
        known = Refusal.by_code.setdefault(cls.code, cls)
        assert known is cls or known.__qualname__ == cls.__qualname__, f"refusal code {cls.code} is taken by {known}"
        assert cls.__doc__, f"refusal {cls.code} needs a docstring: it is the public text"

    def __init__(self, detail: str | None = None, /, **facts: object) -> None:
        self.detail = detail or self.title()
        self.facts = facts
        super().__init__(f"{self.code}: {self.detail}")

    @classmethod
    def title(cls) -> str:
        """The first sentence of the docstring, on one line."""
        return " ".join((cls.__doc__ or "").split("\n\n")[0].split())


class Fault(Exception):
    """A machine failed (time-out, lost connection, deadlock). Nothing is known to have happened unless said."""
