"""Events as JSON: exact, and as their public schema says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from omniroute.infra.events import Event, event_schema, schema_documents
from omniroute.infra.events.encoding import event_data, plain
from omniroute.kit.ids import show
from omniroute.kit.money import Money


class Mood(StrEnum):
    GLAD = "glad"


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    share: Money


@dataclass(frozen=True, slots=True)
class EverythingHappened(Event):
    """All kinds of fields at once.

    Only the first sentence is public.
    """

    topic = "everything.happened"
    version = 3
    subject_prefix = "acc"
    id_prefixes = {"account_id": "acc", "branch_ids": "brn", "application_id": "app"}  # noqa: RUF012 - as modules write it
    account_id: UUID
    branch_ids: tuple[UUID, ...]
    application_id: UUID | None
    plain_id: UUID
    amount: Money
    large: int
    mood: Mood
    on: date
    at: datetime
    parts: list[Part]
    labels: Mapping[str, str]
    tags: frozenset[str]
    way: Literal["in", "out"]
    note: str | None
    flag: bool
    extra: Any

    @property
    def subject(self) -> UUID:
        return self.account_id


def example() -> EverythingHappened:
    one = UUID(int=1)
    return EverythingHappened(
        account_id=one,
        branch_ids=(one,),
        application_id=None,
        plain_id=one,
        amount=Money(2**53, "NGN"),
        large=-(2**63 - 1),
        mood=Mood.GLAD,
        on=date(2026, 3, 1),
        at=datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        parts=[Part("x", Money(5, "KES"))],
        labels={"a": "b"},
        tags=frozenset({"z", "y"}),
        way="in",
        note=None,
        flag=True,
        extra={"k": [1, "2", None]},
    )


def test_every_kind_of_field_exactly() -> None:
    assert event_data(example()) == {
        "account_id": show("acc", UUID(int=1)),
        "branch_ids": [show("brn", UUID(int=1))],
        "application_id": None,
        "plain_id": "00000000-0000-0000-0000-000000000001",
        "amount": {"amount_minor": "9007199254740992", "currency": "NGN"},
        "large": "-9223372036854775807",
        "mood": "glad",
        "on": "2026-03-01",
        "at": "2026-03-01T00:00:00.000000Z",
        "parts": [{"name": "x", "share": {"amount_minor": 5, "currency": "KES"}}],
        "labels": {"a": "b"},
        "tags": ["y", "z"],
        "way": "in",
        "note": None,
        "flag": True,
        "extra": {"k": [1, "2", None]},
    }


def test_the_schema_accepts_what_is_written_and_refuses_other() -> None:
    schema = event_schema(EverythingHappened)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    data = json.loads(json.dumps(event_data(example())))
    validator.validate(data)
    assert schema["description"] == "All kinds of fields at once."
    assert schema["required"] == list(data)
    for field, bad in [("account_id", "usr_1"), ("mood", "sad"), ("large", 2**60), ("way", "up"), ("amount", 5)]:
        assert not validator.is_valid(data | {field: bad})


@pytest.mark.parametrize("value", [0.5, [1.5], object(), datetime(2026, 1, 1), b"x"])  # noqa: DTZ001 - refused for it
def test_what_has_no_place_in_an_event(value: object) -> None:
    with pytest.raises(AssertionError):
        plain(value)


def test_instants_are_utc() -> None:
    assert plain(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000000Z"


def test_a_type_is_declared_once() -> None:
    with pytest.raises(AssertionError, match="is taken by"):

        class Again(Event):
            topic = "everything.happened"
            version = 3


def test_documents_name_our_events_and_no_others() -> None:
    documents = schema_documents()
    assert documents["docs/events.md"].startswith("# Events\n")
    assert "audit.events_retired" in documents["docs/events.md"]
    assert "docs/events/audit.events_retired.v1.json" in documents
    assert "everything.happened" not in "".join(documents)
    assert all(json.loads(text) for path, text in documents.items() if path.endswith(".json"))
