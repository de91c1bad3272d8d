"""A file of payments as a stream of lines, whatever it is written in."""

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from omniroute.money.batches.encodings import find_encoding
from omniroute.money.batches.errors import EmptyFile, TooManyLines
from omniroute.money.batches.jsonlines import read_json_lines
from omniroute.money.batches.model import LINES_MAX, BatchFormat, Defaults, FileLine
from omniroute.money.batches.pain001 import Pain001, read_pain001
from omniroute.money.batches.tables import read_csv


class PaymentFile:
    """A file being read. Call `take` in a thread: reading is work. `origin` is complete with the last line."""

    def __init__(
        self,
        file: BinaryIO,
        format_: BatchFormat,
        *,
        charset: str | None,
        defaults: Defaults,
        lines_max: int = LINES_MAX,
    ) -> None:
        self._file, self._format, self._charset = file, format_, charset
        self._defaults, self._lines_max = defaults, lines_max
        self._told = Pain001()
        self._lines: Iterator[FileLine] | None = None
        self.count = 0

    @property
    def origin(self) -> dict[str, str]:
        """What the header of the file says about it."""
        return self._told.origin

    def take(self, count: int) -> list[FileLine]:
        """The next lines; none when there are no more.

        Raises: EmptyFile, TooManyLines, UnreadableFile, UnknownEncoding, UnknownColumn, ControlSumWrong.
        """
        if self._lines is None:
            self._lines = self._open()
        taken = list(islice(self._lines, count))
        self.count += len(taken)
        if self.count > self._lines_max:
            raise TooManyLines(f"a batch has up to {self._lines_max} payments", lines_max=self._lines_max)
        if self.count == 0:
            raise EmptyFile()
        return taken

    def _open(self) -> Iterator[FileLine]:
        self._file.seek(0)
        if not self._file.read(1):
            raise EmptyFile("the file has 0 bytes")
        if self._format is BatchFormat.PAIN_001:
            return read_pain001(self._file, self._defaults, self._told)  # XML names its encoding itself.
        encoding = find_encoding(self._file, self._charset)
        self._file.seek(0)
        if self._format is BatchFormat.CSV:
            return read_csv(self._file, encoding, self._defaults)
        return read_json_lines(self._file, encoding, self._defaults)
