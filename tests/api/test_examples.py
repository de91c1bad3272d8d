"""Examples of the document: one for every body and every reply in JSON, and each fits its schema."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from omniroute.api import openapi_document

DOCUMENT = openapi_document()


def _media() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, page in methods.items():
            for kind, media in page.get("requestBody", {}).get("content", {}).items():
                if "json" in kind and "schema" in media and media["schema"].get("format") != "binary":
                    yield f"{method} {path} body", media
            for status, answer in page["responses"].items():
                if status.startswith("2") and (media := answer.get("content", {}).get("application/json")):
                    yield f"{method} {path} {status}", media


MEDIA = dict(_media())


@pytest.mark.parametrize("name", MEDIA)
def test_an_example_fits_its_schema(name: str) -> None:
    media = MEDIA[name]
    if not media["schema"]:
        return  # Any JSON, as that of an engine or of a standard.
    schema = media["schema"] | {"components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(media["example"])
