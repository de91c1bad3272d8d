"""The only table from refusal to HTTP status, and the body of a problem (RFC 9457).

A problem body is a pure function of the refusal: no time, no request id, so that a stored one can be repeated
byte for byte. The correlation id travels in a header.
"""

from math import ceil

import msgspec

from omniroute.api.spools import Spool
from omniroute.kit.refusal import Kind, Refusal

STATUS: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.PRECONDITION_FAILED: 412,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED: 415,
    Kind.REFUSED: 422,
    Kind.PRECONDITION_REQUIRED: 428,
    Kind.THROTTLED: 429,
    Kind.BUSY: 503,
}
assert STATUS.keys() == set(Kind)

METHOD_NOT_ALLOWED = 405
INTERNAL = 500
PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER_S = 1

Headers = tuple[tuple[str, str], ...]


class Answer(msgspec.Struct, frozen=True):
    """What goes back on the wire: a body, or a `file` that is too large for one."""

    status: int
    headers: Headers
    body: bytes
    file: Spool | None = None


def _members(code: str, title: str, status: int, detail: str, facts: dict[str, object]) -> dict[str, object]:
    page = {"type": f"/docs/errors#{code}", "title": title, "status": status, "detail": detail, "code": code}
    return page | {name: _plain(value) for name, value in facts.items() if name not in page}


def _body(code: str, title: str, status: int, detail: str, facts: dict[str, object]) -> bytes:
    return msgspec.json.encode(_members(code, title, status, detail, facts))


def problem_body(refusal: Refusal) -> dict[str, object]:
    """The members of a problem, for a result inside a larger answer."""
    status = STATUS[refusal.kind]
    return _members(refusal.code, refusal.title(), status, refusal.detail, refusal.facts)


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int | bool):
        # Beyond 2^53 a JSON reader may lose digits.
        return str(value) if isinstance(value, int) and abs(value) >= 2**53 else value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return str(value)


def problem(refusal: Refusal) -> Answer:
    """The answer to a refused request."""
    status = STATUS[refusal.kind]
    headers: list[tuple[str, str]] = [("content-type", PROBLEM_TYPE)]
    if refusal.kind is Kind.UNAUTHENTICATED:
        headers.append(("www-authenticate", 'Bearer realm="omniroute"'))
    if refusal.kind in (Kind.THROTTLED, Kind.BUSY):
        wait = refusal.facts.get("retry_after_s")
        # Retry-After is whole seconds, and zero would invite a storm.
        seconds = max(RETRY_AFTER_S, ceil(wait)) if isinstance(wait, int | float) else RETRY_AFTER_S
        headers.append(("retry-after", str(seconds)))
    body = _body(refusal.code, refusal.title(), status, refusal.detail, refusal.facts)
    return Answer(status, tuple(headers), body)


def method_not_allowed(allowed: list[str]) -> Answer:
    """The address exists, the method does not."""
    body = _body(
        "api.method_not_allowed",
        "This address does not know the method; `allowed` lists those it knows.",
        METHOD_NOT_ALLOWED,
        "This address does not know the method.",
        {"allowed": allowed},
    )
    headers = (("content-type", PROBLEM_TYPE), ("allow", ", ".join(allowed)))
    return Answer(METHOD_NOT_ALLOWED, headers, body)


def internal_error() -> Answer:
    """A mistake of ours. Says nothing of its cause; the correlation id in the header finds it in the log."""
    title = "Something went wrong on our side; it has been recorded under the correlation id in the header."
    return Answer(INTERNAL, (("content-type", PROBLEM_TYPE),), _body("api.internal_error", title, INTERNAL, title, {}))
