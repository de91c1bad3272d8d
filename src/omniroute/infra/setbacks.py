"""Rounds over the work of many organisations: an item that cannot be done is its own trouble.

    trouble = Setbacks(clock)
    found = await tx.all(SQL.due, without=trouble.waiting(), ...)
    async with trouble.of(item_id, tenant=..., batch=...):
        await ...                       # what this raises is logged, and the item put off

It is put off longer each time. A database that is away is nobody's trouble in particular: that ends the round.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Hashable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from omniroute.infra.postgres import DatabaseUnavailable
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault, Refusal

log = logger("omniroute.workers")

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 60, 300, 900))
FORGET = timedelta(hours=1)
"""How long after its turn an item is remembered that did not come again: somebody else has done it, or ended it."""


async def together(tasks: Iterable[Awaitable[T]]) -> list[T]:
    """All at once: one that hangs keeps nobody else waiting, and none is left behind unheard.

    Raises: what the first of them raised, when all have ended.
    """
    done: list[T] = []
    for one in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(one, BaseException):
            raise one
        done.append(one)
    return done


class Setbacks(Generic[K]):
    """The items of one process that could not be done, and when each is tried again. After a start all are tried."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[K, tuple[int, datetime]] = {}

    def waiting(self) -> list[K]:
        """Those that are not to be tried now."""
        now = self._clock.now()
        self._failed = {key: failed for key, failed in self._failed.items() if failed[1] + FORGET > now}
        return [key for key, (_, again_at) in self._failed.items() if again_at > now]

    @asynccontextmanager
    async def of(self, key: K, **ids: UUID | int) -> AsyncIterator[None]:
        """Work on one item; what it raises ends here. `ids` tell people which it was.

        Raises: DatabaseUnavailable.
        """
        told = {name: str(value) for name, value in ids.items()}
        try:
            yield
        except DatabaseUnavailable:
            raise
        except (Fault, Refusal) as why:
            again_at = self._put_off(key)
            log.warning("an item is put off", fault=str(why), again_at=again_at.isoformat(), **told)
        except Exception:
            again_at = self._put_off(key)
            log.exception("an item ended in a way nobody foresaw and is put off", again_at=again_at.isoformat(), **told)
        else:
            self._failed.pop(key, None)

    def _put_off(self, key: K) -> datetime:
        count = self._failed[key][0] + 1 if key in self._failed else 1
        again_at = self._clock.now() + PAUSES[min(count, len(PAUSES)) - 1]
        self._failed[key] = count, again_at
        return again_at
