"""All rails on one port, each under its name, and the handles that move clock, faults and funds.

http://127.0.0.1:8801/mpesa/...             a rail
GET  /_sandbox/connections?customer=        test credentials of every rail, where it can those of this customer alone
PUT  /_sandbox/faults                       {"seed": 7, "percent": 20, "query_percent": 5, "faults": [...]}
GET  /_sandbox/transfers?rail=&reference=   what became of orders
GET  /_sandbox/feed?rail=&account=          every movement of money: the rail's own statement
PUT  /_sandbox/funds                        {"rail", "account", "currency", "amount_minor"}
"""

import asyncio
import dataclasses
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from omniroute.sandbox.faults import Fault, FaultPlan
from omniroute.sandbox.rail import RailSandbox, TestConnection
from omniroute.sandbox.wire import WireCall, WireReply, WireServer
from omniroute.sandbox.world import World

HANDLES = "_sandbox"


class Sandbox:
    """A running sandbox: `async with Sandbox(world, rails) as sandbox: sandbox.url`."""

    def __init__(
        self,
        world: World,
        rails: Sequence[RailSandbox],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        moves_by_itself: bool = True,
    ) -> None:
        """`moves_by_itself` False: things happen only when a test calls `world.run_due`, or a rail answers."""
        self.world = world
        self._rails = {rail.rail: rail for rail in rails}
        self._server = WireServer(self.handle, host=host, port=port)
        self._moves_by_itself = moves_by_itself
        self._going: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._server.url

    @property
    def rails(self) -> list[RailSandbox]:
        """Every rail in it."""
        return list(self._rails.values())

    async def __aenter__(self) -> "Sandbox":
        await self._server.start()
        if self._moves_by_itself:
            self._going = asyncio.create_task(self.world.keep_going())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()
        if self._going is not None:
            self._going.cancel()
            with suppress(asyncio.CancelledError):
                await self._going
        await self.world.close()

    async def handle(self, call: WireCall) -> WireReply:
        """Answer one call."""
        name, _, rest = call.path.lstrip("/").partition("/")
        if name == HANDLES:
            return self._handle_control(call, rest)
        rail = self._rails.get(name)
        if rail is None:
            return _json(404, {"error": f"no rail {name!r} here", "rails": sorted(self._rails)})
        return await rail.handle(dataclasses.replace(call, path=f"/{rest}"))

    def _connections(self, customer: str | None) -> list[TestConnection]:
        """Raises: ValueError when the name is none that can stand in an address."""
        if customer is not None and not re.fullmatch("[A-Za-z0-9_-]{1,64}", customer):
            raise ValueError("customer: letters, digits, - and _")
        found: list[TestConnection] = []
        for rail in self.rails:
            own = getattr(rail, "connections_of", None)  # Few rails tell their customers apart.
            found += rail.connections() if customer is None or own is None else own(customer)
        return found

    def _addresses(self, one: dict[str, Any]) -> dict[str, Any]:
        """Where a connection's rail listens, and where its portal does."""
        rail = f"{self.url}/{one['rail']}"
        return {"endpoint": f"{rail}{one['path']}", "portal": one["portal"] and f"{rail}{one['portal']}"}

    def _handle_control(self, call: WireCall, what: str) -> WireReply:
        try:
            return self._control(call, what)
        except (KeyError, ValueError, TypeError) as error:
            return _json(400, {"error": str(error)})

    def _control(self, call: WireCall, what: str) -> WireReply:
        match call.method, what:
            case "GET", "connections":
                found = [dataclasses.asdict(one) for one in self._connections(call.query.get("customer"))]
                return _json(200, [{**one, **self._addresses(one)} for one in found])
            case "GET", "transfers":
                reference = call.query.get("reference")
                return _json(
                    200,
                    [
                        dataclasses.asdict(one)
                        for one in self.world.transfers(call.query.get("rail"))
                        if reference in (None, one.order.reference)
                    ],
                )
            case "GET", "feed":
                rail, account = call.query.get("rail"), call.query.get("account")
                return _json(
                    200,
                    [
                        dataclasses.asdict(one)
                        for one in self.world.movements
                        if rail in (None, one.rail) and account in (None, one.account)
                    ],
                )
            case "PUT", "faults":
                self.world.plan = _plan(json.loads(call.body))
                return _json(200, {"percent": self.world.plan.percent})
            case "PUT", "funds":
                data = json.loads(call.body)
                self.world.fund(data["rail"], data["account"], data["currency"], int(data["amount_minor"]))
                return _json(200, {})
        return _json(404, {"error": "no such handle"})


def _plan(data: dict[str, Any]) -> FaultPlan:
    plan = FaultPlan(
        seed=int(data.get("seed", 0)),
        percent=int(data.get("percent", 0)),
        query_percent=int(data.get("query_percent", 0)),
    )
    if "faults" in data:
        plan = dataclasses.replace(plan, faults=tuple(Fault(name) for name in data["faults"]))
    return plan


def _json(status: int, value: object) -> WireReply:
    return WireReply(status, json.dumps(value, default=str).encode())
