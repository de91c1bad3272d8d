"""Named SQL: what a module's queries.sql may look like."""

import sys
from pathlib import Path

import pytest

from omniroute.infra.postgres import load
from omniroute.kit.paging import UnknownSort


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / f"queries_of_{tmp_path.name.replace('-', '_')}"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    return folder


def test_names_sentences_and_text(package: Path) -> None:
    (package / "queries.sql").write_text(
        "-- Words before the first name are nobody's.\n\n"
        "-- name: find_it\n-- Find it,\n-- or nothing.\nSELECT 1 -- inside\n WHERE n = %(n)s;\n\n"
        "-- name: drop_it\n-- Drop it.\nDELETE FROM it;\n"
    )
    queries = load(package.name)
    assert sorted(queries.by_name) == ["drop_it", "find_it"]
    assert queries.find_it.doc == "Find it, or nothing."
    assert queries.find_it.text == b"SELECT 1 -- inside\n WHERE n = %(n)s"
    with pytest.raises(AttributeError, match="no query named lose_it"):
        _ = queries.lose_it


def test_a_query_may_be_planned_anew_each_time(package: Path) -> None:
    (package / "queries.sql").write_text(
        "-- name: find_it\n-- Find it.\nSELECT 1;\n-- name: count_all\n-- Count.\n-- plan: anew\nSELECT 2;\n"
    )
    queries = load(package.name)
    assert (queries.find_it.prepare, queries.count_all.prepare) == (None, False)
    assert (queries.count_all.doc, queries.count_all.text) == ("Count.", b"SELECT 2")


LISTING = """-- name: list_it
-- A page.
-- sort: -at = i.made_at::timestamptz
-- sort: code = i.code::text unique
-- then: i.id::uuid
SELECT i.id, i.code, i.made_at FROM it i WHERE true AND {after} ORDER BY {order} LIMIT %(limit)s
"""


def test_a_listing_is_two_statements_an_order(package: Path) -> None:
    (package / "queries.sql").write_text(LISTING)
    queries = load(package.name)
    listing = queries.listing("list_it")
    assert listing.sorts == ("-at", "at", "code", "-code")
    assert listing.order(None).sort == "-at"
    assert len(queries.by_name) == 8
    begin = b"SELECT i.id, i.code, i.made_at FROM it i WHERE true AND "
    at, code = listing.order("-at"), listing.order("code")
    assert at.first.text == begin + b"true ORDER BY i.made_at DESC, i.id DESC LIMIT %(limit)s"
    assert at.after.text == (
        begin + b"(i.made_at, i.id) < (%(after_0)s::timestamptz, %(after_1)s::uuid)"
        b" ORDER BY i.made_at DESC, i.id DESC LIMIT %(limit)s"
    )
    assert code.after.text == begin + b"(i.code) > (%(after_0)s::text) ORDER BY i.code ASC LIMIT %(limit)s"
    with pytest.raises(UnknownSort) as refused:
        listing.order("i.code")
    assert refused.value.facts == {"sort": "i.code", "allowed": ["-at", "at", "code", "-code"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LISTING.replace("-- then: i.id::uuid\n", ""), "tells equal items apart"),
        (LISTING.replace("code = i.code", "code: i.code"), "cannot read '-- sort: code: i.code::text unique'"),
        (LISTING.replace("{order}", "i.id"), "needs {after} and {order} once"),
        ("-- name: one\nSELECT 1;", "needs a sentence"),
        ("-- name: one\n-- Once.\nSELECT 1;\n-- name: one\n-- Twice.\nSELECT 2;", "stands twice"),
        ("-- name: one\n-- Once.\nSELECT 1;\n-- name:two\n-- Lost.\nSELECT 2;", "cannot read '-- name:two'"),
        ("-- name: one\n-- Once.\n-- plan: never\nSELECT 1;", "cannot read '-- plan: never'"),
    ],
)
def test_mistakes_are_named(package: Path, text: str, said: str) -> None:
    (package / "queries.sql").write_text(text)
    with pytest.raises(AssertionError, match=said):
        load(package.name)
