"""Named SQL: what a module's queries.sql may look like."""

import sys
from pathlib import Path

import pytest

from omniroute.infra.postgres import load


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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-- name: one\nSELECT 1;", "needs a sentence"),
        ("-- name: one\n-- Once.\nSELECT 1;\n-- name: one\n-- Twice.\nSELECT 2;", "stands twice"),
        ("-- name: one\n-- Once.\nSELECT 1;\n-- name:two\n-- Lost.\nSELECT 2;", "cannot read '-- name:two'"),
    ],
)
def test_mistakes_are_named(package: Path, text: str, said: str) -> None:
    (package / "queries.sql").write_text(text)
    with pytest.raises(AssertionError, match=said):
        load(package.name)
