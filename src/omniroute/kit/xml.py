"""XML from strangers: elements, text and attributes, and nothing that reaches outside the document.

A document type declaration is refused before it is read: with it go external entities (files and addresses of ours),
internal ones (a few lines that unfold to gigabytes) and default attributes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from xml.parsers import expat

SIZE_MAX = 16 * 1024 * 1024
DEPTH_MAX = 64
ELEMENT_CHARS_MAX = 256 * 1024

_SEPARATOR = " "  # Cannot stand in a name; an address with one is no address.


class XmlUnreadable(ValueError):
    """Not well-formed, too large, too deep, or with a document type declaration."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element. `text` is what stands directly inside, as written; names are without prefix."""

    name: str
    namespace: str
    attributes: Mapping[str, str]
    text: str
    children: tuple["Element", ...]

    def all(self, name: str) -> tuple["Element", ...]:
        """The children of this name, in their order."""
        return tuple(child for child in self.children if child.name == name)

    def one(self, name: str) -> "Element | None":
        """The child of this name, None when there is none.

        Raises: XmlUnreadable when there are several: two answers are no answer.
        """
        found = self.all(name)
        if len(found) > 1:
            raise XmlUnreadable(f"{name} stands {len(found)} times in {self.name}")
        return found[0] if found else None


def read_xml(content: bytes, *, size_max: int = SIZE_MAX, depth_max: int = DEPTH_MAX) -> Element:
    """The root element of a document.

    Raises: XmlUnreadable.
    """
    if len(content) > size_max:
        raise XmlUnreadable(f"the document is larger than {size_max} bytes")
    reader = _Reader(depth_max)
    _parse(_parser(reader), content, last=True)
    assert reader.root is not None, "a document without an error has a root"
    return reader.root


def _parser(reader: "_Reader") -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_declaration
    return parser


def _parse(parser: expat.XMLParserType, content: bytes, last: bool) -> None:
    try:
        parser.Parse(content, last)
    except XmlUnreadable:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:  # LookupError: an encoding nobody knows.
        raise XmlUnreadable(str(error)) from error


@dataclass(frozen=True, slots=True)
class Opened:
    """A container has begun."""

    name: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Closed:
    """A container has ended."""

    name: str


class XmlStream:
    """Reads a document too large to hold. What stands directly in a container comes out, one element at a time.

    `containers` are names. Guarded as `read_xml` is; memory is bounded by what one element outside of them may hold.
    """

    def __init__(
        self, containers: frozenset[str], *, depth_max: int = DEPTH_MAX, element_chars_max: int = ELEMENT_CHARS_MAX
    ) -> None:
        self._reader = _StreamReader(containers, depth_max, element_chars_max)
        self._parser = _parser(self._reader)

    def feed(self, data: bytes, *, last: bool = False) -> list[Opened | Element | Closed]:
        """What this piece of the document completes, in its order.

        Raises: XmlUnreadable.
        """
        _parse(self._parser, data, last)
        found, self._reader.found = self._reader.found, []
        return found


def _refuse_declaration(*_: object) -> None:
    raise XmlUnreadable("document type declarations are not accepted")


class _Open:
    """An element whose end has not come yet."""

    __slots__ = ("attributes", "children", "name", "parts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.parts: list[str] = []
        self.children: list[Element] = []


class _Reader:
    def __init__(self, depth_max: int) -> None:
        self.depth_max = depth_max
        self.root: Element | None = None
        self._open: list[_Open] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) == self.depth_max:
            raise XmlUnreadable(f"elements are nested deeper than {self.depth_max}")
        self._open.append(_Open(name, attributes))

    def text(self, data: str) -> None:
        self._open[-1].parts.append(data)

    def end(self, _: str) -> None:
        done = self._open.pop()
        namespace, _, name = done.name.rpartition(_SEPARATOR)
        attributes = {key.rpartition(_SEPARATOR)[2]: value for key, value in done.attributes.items()}
        element = Element(name, namespace, attributes, "".join(done.parts), tuple(done.children))
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element


class _StreamReader(_Reader):
    """Lets go of every element as soon as it is told."""

    def __init__(self, containers: frozenset[str], depth_max: int, chars_max: int) -> None:
        super().__init__(depth_max)
        self.found: list[Opened | Element | Closed] = []
        self._containers, self._chars_max = containers, chars_max
        self._inside = 0  # Containers that are open. They are the outermost elements.
        self._chars = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, plain = name.rpartition(_SEPARATOR)
        if plain in self._containers and self._inside == len(self._open):
            self._inside += 1
            self.found.append(Opened(plain, namespace))
            super().start(name, {})
            return
        if not self._open:
            raise XmlUnreadable(f"the document is a {plain[:40]}")
        super().start(name, attributes)
        self._count(len(name) + sum(len(key) + len(value) for key, value in attributes.items()))

    def text(self, data: str) -> None:
        if len(self._open) > self._inside:  # Between the elements of a container there is nothing to keep.
            self._count(len(data))
            super().text(data)

    def end(self, name: str) -> None:
        if len(self._open) == self._inside:
            self._inside -= 1
            self._open.pop()
            self.found.append(Closed(name.rpartition(_SEPARATOR)[2]))
            return
        super().end(name)
        if len(self._open) == self._inside:
            parent = self._open[-1]
            self.found.append(parent.children.pop())
            self._chars = 0

    def _count(self, chars: int) -> None:
        self._chars += chars
        if self._chars > self._chars_max:
            raise XmlUnreadable(f"an element is larger than {self._chars_max} characters")
