"""Generated documents are what the code says."""

from pathlib import Path

from openapi_spec_validator import validate

from omniroute import api
from omniroute.app import documents
from tests.house.tree import ROOT


def test_generated_documents_equal_the_code() -> None:
    assert documents.drift(ROOT) == []


def test_drift_is_seen_and_mended(tmp_path: Path) -> None:
    documents.write(tmp_path)
    assert documents.drift(tmp_path) == []
    (tmp_path / "docs/settings.md").write_text("something else")
    (tmp_path / "docs/events/nobody.said.v1.json").write_text("{}")
    assert documents.drift(tmp_path) == ["docs/events/nobody.said.v1.json", "docs/settings.md"]
    documents.write(tmp_path)
    assert documents.drift(tmp_path) == []


def test_the_openapi_document_is_valid() -> None:
    validate(api.openapi_document())
