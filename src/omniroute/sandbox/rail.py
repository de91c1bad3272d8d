"""What every rail of the sandbox is: a name, test credentials, and an answer to each call."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from omniroute.sandbox.wire import WireCall, WireReply
from omniroute.sandbox.world import World


@dataclass(frozen=True, slots=True)
class TestConnection:
    """What somebody needs to connect to a rail of the sandbox; the names are those of the rail's connector.

    `account` and `currency` name the account at the rail that pays. None of it is worth hiding. `portal`: where the
    address for the rail's calls is set, on rails that take one for everything.
    """

    __test__ = False  # No test case, whatever pytest makes of the name.

    rail: str
    path: str
    account: str
    currency: str
    public: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict)
    portal: str | None = None


class RailSandbox(Protocol):
    """A rail. Made with the world it moves money in: `NipSandbox(world)`."""

    rail: str
    world: World

    async def handle(self, call: WireCall) -> WireReply:
        """Answer one call; `call.path` is below the rail's own prefix. Raises: Drop."""
        ...

    def connections(self) -> list[TestConnection]:
        """Test credentials, at least one set for each currency the demo uses."""
        ...


Route = Callable[[WireCall, Mapping[str, str]], Awaitable[WireReply]]


class Router:
    """Finds the route of a call: `router.add("GET", "/v1/transfer/{ref}", self._status)`."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Route]] = []

    def add(self, method: str, pattern: str, route: Route) -> None:
        """`{name}` stands for one part of the path."""
        parts = re.split(r"\{(\w+)\}", pattern)
        text = "".join(f"(?P<{part}>[^/]+)" if i % 2 else re.escape(part) for i, part in enumerate(parts))
        self._routes.append((method, re.compile(text), route))

    async def dispatch(self, call: WireCall, not_found: WireReply) -> WireReply:
        """The answer of the first route that fits."""
        for method, pattern, route in self._routes:
            found = pattern.fullmatch(call.path) if method == call.method else None
            if found is not None:
                return await route(call, found.groupdict())
        return not_found


def magic_digits(payee: str, *, check_digit: bool = False) -> str:
    """The three digits of a payee's number that order a fault; `check_digit`: its last digit is one (NUBAN)."""
    return payee[-4:-1] if check_digit else payee[-3:]
