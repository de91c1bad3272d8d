"""From the bytes of a request to what is asked: one operation, or a batch of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from omniroute.graphql.doors.errors import HttpRefused


class Written(float):
    """A number with a fraction that remembers its digits: PostgreSQL gets them as they were written."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "Written":
        one = super().__new__(cls, text)
        one.text = text
        return one

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Asked:
    """One operation to execute."""

    document: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    operation_name: str | None = None


def read_json(body: bytes) -> Any:
    """The JSON value of a body.

    Raises: HttpRefused (400).
    """
    try:
        value = json.loads(body.decode(), parse_float=Written, parse_constant=_no_constant)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # Half of a surrogate pair cannot be text anywhere.
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        raise HttpRefused(400, f"the body is not JSON: {what}", code="invalid-json") from error
    return value


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def read_post(body: bytes, batch_max: int) -> Asked | list[Asked]:
    """What a POST asks: an object, or a list of such objects.

    Raises: HttpRefused (400).
    """
    value = read_json(body)
    if not isinstance(value, list):
        return asked_in(value)
    if not value:
        raise HttpRefused(400, "the batch is empty", code="parse-failed")
    if len(value) > batch_max:
        raise HttpRefused(
            400, f"the batch has {len(value)} operations; {batch_max} are allowed", code="batch-limit-exceeded"
        )
    return [asked_in(item, f"$[{place}]") for place, item in enumerate(value)]


def asked_in(value: Any, path: str = "$") -> Asked:
    """The operation that an object asks for.

    Raises: HttpRefused (400).
    """
    if not isinstance(value, Mapping):
        raise HttpRefused(400, "expected an object, or a list of objects", code="parse-failed", path=path)
    document = value.get("query")
    if not isinstance(document, str):
        raise _wrong("query", "a string", path)
    variables = _object(value, "variables", path)
    _object(value, "extensions", path)
    name = value.get("operationName")
    if name is not None and not isinstance(name, str):
        raise _wrong("operationName", "a string or null", path)
    return Asked(document, variables, name or None)


def _object(value: Mapping[str, Any], member: str, path: str) -> dict[str, Any]:
    found = value.get(member)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _wrong(member, "an object or null", path)
    return found


def _wrong(member: str, expected: str, path: str) -> HttpRefused:
    return HttpRefused(400, f"{member} must be {expected}", code="parse-failed", path=f"{path}.{member}")


def read_get(query_string: bytes) -> Asked:
    """What the parameters of a GET ask; `variables` and `extensions` are JSON.

    Raises: HttpRefused (400).
    """
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError as error:
        raise HttpRefused(400, "the parameters cannot be read", code="parse-failed") from error
    given: dict[str, Any] = dict(pairs)
    if len(given) != len(pairs):
        raise HttpRefused(400, "a parameter is given twice", code="parse-failed")
    for member in ("variables", "extensions"):
        if given.get(member):
            given[member] = read_json(given[member].encode())
        else:
            given.pop(member, None)
    return asked_in(given)
