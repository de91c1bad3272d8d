"""The reference for people: every operation stands in a section that says what it is about."""

from omniroute.api import openapi_document


def test_every_section_is_described() -> None:
    document = openapi_document()
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    used = {tag for methods in document["paths"].values() for page in methods.values() for tag in page["tags"]}
    assert used == described
