"""Access tokens: fetched once, kept until shortly before their end."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from omniroute.infra.http import Tokens
from omniroute.kit.clock import FixedClock

START = datetime(2026, 11, 21, 8, tzinfo=UTC)


class Issuer:
    """Gives numbered tokens of one lifetime."""

    def __init__(self, clock: FixedClock, life_s: int = 3_600) -> None:
        self.clock = clock
        self.life = timedelta(seconds=life_s)
        self.fetches = 0
        self.go = asyncio.Event()
        self.go.set()
        self.fails = False

    async def __call__(self) -> tuple[str, datetime]:
        self.fetches += 1
        number = self.fetches
        await self.go.wait()
        if self.fails:
            raise ConnectionError
        return f"token-{number}", self.clock.now() + self.life


async def test_kept_until_a_minute_before_the_end() -> None:
    clock = FixedClock(START)
    tokens, issuer = Tokens(clock), Issuer(clock)
    assert await tokens.get("api", issuer) == "token-1"
    clock.at += timedelta(seconds=3_539)
    assert await tokens.get("api", issuer) == "token-1"
    clock.at += timedelta(seconds=1)
    assert await tokens.get("api", issuer) == "token-2"


async def test_a_short_life_is_used_up_to_nine_tenths() -> None:
    clock = FixedClock(START)
    tokens, issuer = Tokens(clock), Issuer(clock, life_s=30)
    await tokens.get("api", issuer)
    clock.at += timedelta(seconds=26)
    assert await tokens.get("api", issuer) == "token-1"
    clock.at += timedelta(seconds=1)
    assert await tokens.get("api", issuer) == "token-2"


async def test_many_at_once_fetch_once_even_if_the_first_goes_away() -> None:
    tokens, issuer = Tokens(FixedClock(START)), Issuer(FixedClock(START))
    issuer.go.clear()
    waiting = [asyncio.create_task(tokens.get("api", issuer)) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    issuer.go.set()
    got = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(got[0], asyncio.CancelledError)
    assert set(got[1:]) == {"token-1"}
    assert issuer.fetches == 1


async def test_names_are_apart_and_forget_fetches_anew() -> None:
    tokens, issuer = Tokens(FixedClock(START)), Issuer(FixedClock(START))
    assert await tokens.get("collection", issuer) == "token-1"
    assert await tokens.get("disbursement", issuer) == "token-2"
    tokens.forget("collection")
    assert await tokens.get("collection", issuer) == "token-3"
    assert await tokens.get("disbursement", issuer) == "token-2"
    assert "token" not in repr(tokens).replace("<Tokens", "")


async def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    tokens, issuer = Tokens(FixedClock(START)), Issuer(FixedClock(START))
    issuer.fails = True
    got = await asyncio.gather(*(tokens.get("api", issuer) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in got] == [ConnectionError] * 3
    issuer.fails = False
    assert await tokens.get("api", issuer) == "token-2"
    issuer.fails = True
    with pytest.raises(ConnectionError):
        await tokens.get("other", issuer)
