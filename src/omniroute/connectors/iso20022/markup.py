"""Writing XML: the few characters that mean something are escaped, nothing else can go wrong."""

from typing import NewType
from xml.sax.saxutils import escape, quoteattr

Markup = NewType("Markup", str)
"""Well-formed XML."""


def leaf(name: str, text: str, **attributes: str) -> Markup:
    """An element with text."""
    written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return Markup(f"<{name}{written}>{escape(text)}</{name}>")


def node(name: str, *children: Markup | None) -> Markup:
    """An element with elements; None is left out."""
    return Markup(f"<{name}>{''.join(child for child in children if child is not None)}</{name}>")


def document(message: str, body: Markup) -> bytes:
    """A whole document of this message, e.g. `pain.001.001.09`."""
    start = f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{message}">'
    return f"{start}{body}</Document>\n".encode()
