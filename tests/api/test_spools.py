"""Large answers go over the disk, piece by piece."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from omniroute.api.errors import AnswerTooLarge
from omniroute.api.spools import IN_MEMORY, PIECE, Spool, SpoolResponse, spool

LINE = b"a line of a file,1250.50,NGN\r\n"


class Source:
    """Lines, and how many of them were asked for."""

    def __init__(self, count: int) -> None:
        self.count, self.given = count, 0

    async def lines(self) -> AsyncIterator[bytes]:
        for _ in range(self.count):
            self.given += 1
            yield LINE


@pytest.mark.parametrize("count", [0, 1, PIECE // len(LINE), 3 * IN_MEMORY // len(LINE)], ids=str)
async def test_what_is_written_is_what_is_sent(count: int) -> None:
    written = await spool(Source(count).lines())
    assert written.byte_count == count * len(LINE)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await SpoolResponse(written, status_code=200, headers={"content-type": "text/csv"})({}, None, send)
    start, *bodies = sent
    assert (start["status"], dict(start["headers"])[b"content-length"]) == (200, str(written.byte_count).encode())
    assert b"".join(one["body"] for one in bodies) == LINE * count
    assert [one.get("more_body", False) for one in bodies] == [True] * (len(bodies) - 1) + [False]
    assert max(len(one["body"]) for one in bodies) <= PIECE
    assert written.file.closed


async def test_an_answer_that_is_too_large_is_refused_as_soon_as_that_is_known() -> None:
    source = Source(1_000_000)
    with pytest.raises(AnswerTooLarge):
        await spool(source.lines(), bytes_max=10 * len(LINE))
    assert source.given == 11


async def test_nothing_stays_open_when_the_lines_end_in_a_fault() -> None:
    made: list[Any] = []

    async def lines() -> AsyncIterator[bytes]:
        yield LINE * (2 * IN_MEMORY // len(LINE))
        raise ConnectionError

    with pytest.raises(ConnectionError):
        made.append(await spool(lines()))
    assert made == []


async def test_who_hangs_up_leaves_nothing_open() -> None:
    written: Spool = await spool(Source(2 * IN_MEMORY // len(LINE)).lines())

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await SpoolResponse(written, status_code=200, headers={})({}, None, send)
    assert written.file.closed
