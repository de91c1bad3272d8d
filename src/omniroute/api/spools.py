"""Large answers: written to disk while the transaction is open, and from there to whoever asked, as slowly as he reads.

So no answer is larger than a piece in memory, nobody's reading keeps a transaction open, and what goes wrong is told
before the first byte.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO

from litestar.response.base import ASGIResponse

from omniroute.api.errors import AnswerTooLarge

IN_MEMORY = 1024 * 1024
PIECE = 256 * 1024
BYTES_MAX = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Spool:
    """A file to answer with. Whoever has it closes it."""

    file: BinaryIO
    byte_count: int

    async def pieces(self) -> AsyncIterator[bytes]:
        """Its content; it is closed afterwards."""
        with self.file:
            while piece := await asyncio.to_thread(self.file.read, PIECE):
                yield piece


async def spool(pieces: AsyncIterator[bytes], *, bytes_max: int = BYTES_MAX) -> Spool:
    """Write a file to answer with.

    Raises: AnswerTooLarge.
    """
    file: Any = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by whoever sends it
    size = 0
    try:
        gathered = bytearray()
        async for piece in pieces:
            gathered += piece
            size += len(piece)
            if size > bytes_max:
                raise AnswerTooLarge(bytes_max=bytes_max)
            if len(gathered) > PIECE:
                await asyncio.to_thread(file.write, bytes(gathered))
                gathered.clear()
        file.write(gathered)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return Spool(file, size)


class SpoolResponse(ASGIResponse):
    """Sends a spool piece by piece."""

    def __init__(self, spool: Spool, *, status_code: int, headers: dict[str, str]) -> None:
        super().__init__(status_code=status_code, headers=headers)
        self._spool = spool

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer; who hangs up ends it."""
        with self._spool.file:
            raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()]
            raw.append((b"content-length", str(self._spool.byte_count).encode()))
            await send({"type": "http.response.start", "status": self.status_code, "headers": raw})
            # The last piece says that it is the last: once all promised bytes are there the server listens no more, and
            # a further message would cost the caller his connection.
            left = self._spool.byte_count
            async for piece in self._spool.pieces():
                left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
            if self._spool.byte_count == 0:
                await send({"type": "http.response.body", "body": b""})
