"""Ids are ordered and typed at the doors; cursors are ours or refused."""

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.kit.ids import MalformedId, parse, show, uuid7
from omniroute.kit.paging import (
    LimitOutOfRange,
    MalformedCursor,
    check_limit,
    decode_cursor,
    encode_cursor,
    fingerprint,
)


def test_new_ids_grow() -> None:
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {(value.version, value.variant) for value in made} == {(7, "specified in RFC 4122")}


@given(st.uuids())
def test_a_public_id_leads_back(value: UUID) -> None:
    text = show("txn", value)
    assert len(text) == 30
    assert parse("txn", text) == value


@pytest.mark.parametrize(
    "text", ["", "txn_", "acc_" + "0" * 26, "txn_" + "0" * 25, "txn_" + "u" * 26, "txn_" + "z" * 26]
)
def test_another_kind_of_id_is_refused(text: str) -> None:
    with pytest.raises(MalformedId):
        parse("txn", text)


@given(st.text(), st.integers())
def test_a_cursor_leads_back(text: str, number: int) -> None:
    assert decode_cursor(encode_cursor(text, number), str, int) == [text, number]


@given(st.text(max_size=60))
def test_a_strange_cursor_is_refused(text: str) -> None:
    with pytest.raises(MalformedCursor):
        decode_cursor(text + "!", str)


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(MalformedCursor):
        decode_cursor(encode_cursor("a", 1), int, str)


def test_a_cursor_nested_without_end_is_refused() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 100_000).decode().rstrip("=")
    with pytest.raises(MalformedCursor):
        decode_cursor(deep, str)


def test_a_fingerprint_is_of_what_was_asked() -> None:
    one = fingerprint("list", {"sort": "name", "status": None})
    assert one == fingerprint("list", {"sort": "name"})
    others = [fingerprint("other", {"sort": "name"}), fingerprint("list", {"sort": "-name"}), fingerprint("list", {})]
    assert len({one, *others}) == 4


def test_the_page_size_has_limits() -> None:
    assert (check_limit(None), check_limit(500)) == (50, 500)
    for wrong in (0, -1, 501):
        with pytest.raises(LimitOutOfRange):
            check_limit(wrong)
