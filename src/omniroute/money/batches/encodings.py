"""Which characters the bytes of a file stand for. Said by the sender or found out; never guessed among many."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from omniroute.money.batches.errors import UnknownEncoding

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, None),
    (codecs.BOM_UTF32_BE, None),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAID = {
    "utf-8": "utf-8-sig",
    "utf8": "utf-8-sig",
    "us-ascii": "utf-8-sig",
    "utf-16": "utf-16",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
    "iso-8859-1": "cp1252",  # As every browser reads it.
}
_PIECE = 256 * 1024


def find_encoding(file: BinaryIO, said: str | None) -> str:
    """The codec to read this file with; the file is read through once to be sure of it, and is then at its start.

    Raises: UnknownEncoding.
    """
    if said is not None and said.casefold() not in _SAID:
        raise UnknownEncoding(f"charset {said[:40]} is not read here", charset=said[:40], allowed=sorted(_SAID))
    file.seek(0)
    start = file.read(4)
    marked = next((codec for mark, codec in _MARKS if start.startswith(mark)), "")
    if marked is None:
        raise UnknownEncoding("the file is UTF-32")
    encoding = marked or (_SAID[said.casefold()] if said else "utf-8-sig")
    if encoding == "utf-16" and not marked:
        raise UnknownEncoding("UTF-16 is read with a byte order mark only")
    at = _first_wrong(file, encoding)
    if at is None:
        return encoding
    if marked or said:
        raise UnknownEncoding(f"byte {at + 1} is not {marked or said}", byte=at + 1)
    if _has_nul(file):
        raise UnknownEncoding("the file looks like UTF-16 without a byte order mark")
    if _first_wrong(file, "cp1252") is not None:
        raise UnknownEncoding(f"byte {at + 1} is not UTF-8, and the file is not Windows-1252 either", byte=at + 1)
    return "cp1252"


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE):
        yield piece
    file.seek(0)


def _first_wrong(file: BinaryIO, encoding: str) -> int | None:
    """About where the file stops being text in this encoding, or None. NUL is no text."""
    decoder = codecs.getincrementaldecoder(encoding)()
    read = 0
    for piece in _pieces(file):
        try:
            text = decoder.decode(piece)
        except UnicodeDecodeError as error:
            return read + error.start
        if "\x00" in text:
            return read + max(piece.find(b"\x00"), 0)
        read += len(piece)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return read
    return None


def _has_nul(file: BinaryIO) -> bool:
    found = any(b"\x00" in piece for piece in _pieces(file))
    file.seek(0)
    return found
