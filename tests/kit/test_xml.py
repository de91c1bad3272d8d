"""XML from strangers reaches nothing of ours and costs nothing to refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.kit.xml import DEPTH_MAX, Closed, Element, Opened, XmlStream, XmlUnreadable, read_xml

LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<lolz>&c;</lolz>"""
OUTSIDE = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'


def test_names_text_attributes_and_order_are_kept() -> None:
    root = read_xml(b'<?xml version="1.0"?><n:a xmlns:n="urn:n" k="1"><b>x &lt; y</b><c/><b><![CDATA[<z>]]></b></n:a>')
    assert (root.name, root.namespace, dict(root.attributes)) == ("a", "urn:n", {"k": "1"})
    assert [(child.name, child.text) for child in root.children] == [("b", "x < y"), ("c", ""), ("b", "<z>")]
    assert [child.text for child in root.all("b")] == ["x < y", "<z>"]
    assert root.one("c") is not None
    assert root.one("d") is None


def test_two_where_one_is_meant_is_no_answer() -> None:
    with pytest.raises(XmlUnreadable, match="b stands 2 times in a"):
        read_xml(b"<a><b>00</b><b>51</b></a>").one("b")


@pytest.mark.parametrize(
    "content",
    [
        LAUGHS,
        OUTSIDE,
        OUTSIDE.decode().encode("utf-16"),
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>',
        b"<a>&x;</a>",
        b"",
        b"no",
        b"<a>",
        b"<a/><b/>",
        b"\xff\xfe",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b"<a>\x00</a>",
        b"<a>" * (DEPTH_MAX + 1) + b"</a>" * (DEPTH_MAX + 1),
    ],
)
def test_what_reaches_outside_or_is_broken_is_refused(content: bytes) -> None:
    with pytest.raises(XmlUnreadable):
        read_xml(content)


def test_size_is_bounded() -> None:
    assert read_xml(b"<a>12</a>", size_max=9).text == "12"
    with pytest.raises(XmlUnreadable, match="larger than 8 bytes"):
        read_xml(b"<a>12</a>", size_max=8)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        read_xml(content)
    except XmlUnreadable:
        return


CONTAINERS = frozenset({"file", "part"})


def stream(content: bytes, size: int = 7) -> list[Opened | Element | Closed]:
    """What a stream tells when it gets a document in pieces."""
    reader = XmlStream(CONTAINERS, element_chars_max=1_000)
    found: list[Opened | Element | Closed] = []
    for start in range(0, len(content), size):
        found += reader.feed(content[start : start + size])
    return found + reader.feed(b"", last=True)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_stream_tells_what_stands_in_containers_one_by_one(size: int) -> None:
    content = b'<file xmlns="urn:f"> <head><id>1</id></head> <part><line n="1">a</line> <line>b</line></part></file>'
    found = stream(content, size)
    shape = [one.name if isinstance(one, Element) else f"{type(one).__name__} {one.name}" for one in found]
    assert shape == ["Opened file", "head", "Opened part", "line", "line", "Closed part", "Closed file"]
    elements = [one for one in found if isinstance(one, Element)]
    assert [child.text for child in elements[0].children] == ["1"]
    assert [(one.text, dict(one.attributes)) for one in elements[1:]] == [("a", {"n": "1"}), ("b", {})]


@pytest.mark.parametrize(
    "content",
    [
        LAUGHS,
        OUTSIDE,
        b"<other/>",
        b"<file><line>",
        b"<file></part>",
        b"<file><line>" + b"x" * 1_001 + b"</line></file>",
        b"<file><line>" + b"<x/>" * 1_001 + b"</line></file>",
        b"<file><line>" + b"<x>" * DEPTH_MAX,
        b"",
    ],
)
def test_a_stream_is_as_guarded(content: bytes) -> None:
    with pytest.raises(XmlUnreadable):
        stream(content)
