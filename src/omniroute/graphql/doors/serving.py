"""The engine in use. Metadata that is read again replaces it as a whole; requests under way finish on the old one."""

import asyncio
from collections.abc import Awaitable, Callable

from omniroute.graphql.doors.allow_list import AllowList
from omniroute.graphql.doors.rates import Rates
from omniroute.graphql.engine import Engine

Open = Callable[[], Awaitable[Engine]]


class Serving:
    """What the doors ask at every request: the engine, the allow list if it is on, and what they count."""

    def __init__(self, engine: Engine, opens: Open, *, allow_list: bool) -> None:
        self._opens = opens
        self._listed = allow_list
        self._reloading = asyncio.Lock()
        self.rates = Rates()
        self._take(engine)

    @classmethod
    async def open(cls, opens: Open, *, allow_list: bool = False) -> "Serving":
        """Serve what `opens` gives.

        Raises: what `opens` raises.
        """
        return cls(await opens(), opens, allow_list=allow_list)

    def _take(self, engine: Engine) -> None:
        self.engine = engine
        self.allow_list = AllowList(engine.metadata, engine.limits) if self._listed else None

    async def reload(self) -> None:
        """Read metadata and database again. What was served is served on when that fails.

        Raises: what `opens` raises.
        """
        async with self._reloading:
            self._take(await self._opens())
