"""`omniroute sandbox`: every rail on this machine, with books of its own and faults on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import typer

from omniroute.app import console
from omniroute.app.console import JsonOption
from omniroute.app.signals import stop_on_signal
from omniroute.kit.refusal import Kind, Refusal
from omniroute.sandbox.airtel import AirtelSandbox
from omniroute.sandbox.bank_files import NeftSandbox, RtgsSandbox
from omniroute.sandbox.callbacks import Deliver
from omniroute.sandbox.faults import FaultPlan
from omniroute.sandbox.gsma import GsmaSandbox
from omniroute.sandbox.monnify import MonnifySandbox
from omniroute.sandbox.mpesa import MpesaSandbox
from omniroute.sandbox.mtn_momo import MtnMomoSandbox
from omniroute.sandbox.nip import NipRestSandbox, NipSandbox
from omniroute.sandbox.rail import RailSandbox
from omniroute.sandbox.server import Sandbox
from omniroute.sandbox.wire import WireServer
from omniroute.sandbox.world import World

PORT = 8801
SESSION = timedelta(seconds=10)
"""How long banks that take files need to settle; hours would be true, and nobody would wait for them."""


class BadPercent(Refusal):
    """The share of faults is a number from 0 to 100."""

    code = "app.bad_percent"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Outside:
    """A running sandbox: all rails under one address, and each under an address of its own."""

    sandbox: Sandbox
    alone: dict[str, str]

    @property
    def url(self) -> str:
        """All rails, each under its name."""
        return self.sandbox.url

    def connections(self) -> list[dict[str, Any]]:
        """What somebody needs to connect, rail by rail; nothing of it is worth hiding."""
        return [
            {
                "rail": one.rail,
                "currency": one.currency,
                "account": one.account,
                "endpoint": f"{self.url}/{one.rail}{one.path}",
                "own_endpoint": f"{self.alone[one.rail]}{one.path}",
                "public": dict(one.public),
                "secret": dict(one.secret),
                "portal": one.portal and f"{self.url}/{one.rail}{one.portal}",
            }
            for rail in self.sandbox.rails
            for one in rail.connections()
        ]


def rails(world: World) -> list[RailSandbox]:
    """Every rail there is."""
    return [
        NipSandbox(world),
        NipRestSandbox(world),
        MpesaSandbox(world),
        MtnMomoSandbox(world),
        AirtelSandbox(world),
        GsmaSandbox(world),
        NeftSandbox(world, takes=SESSION),
        RtgsSandbox(world, takes=SESSION),
        MonnifySandbox(world),
    ]


@asynccontextmanager
async def outside(
    *, host: str = "127.0.0.1", port: int = 0, seed: int = 0, percent: int = 0, deliver: Deliver | None = None
) -> AsyncIterator[Outside]:
    """A sandbox that runs as long as this block. `port` 0: free ones; else it and those after it.

    `deliver` replaces the HTTP of callbacks.

    Raises: OSError when it cannot listen there.
    """
    world = World(plan=FaultPlan(seed=seed, percent=percent), deliver=deliver)
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(world, rails(world), host=host, port=port))
        alone: dict[str, str] = {}
        for number, rail in enumerate(sandbox.rails, start=1):
            own = WireServer(rail.handle, host=host, port=port + number if port else 0)
            alone[rail.rail] = (await stack.enter_async_context(own)).url
        yield Outside(sandbox, alone)


def sandbox(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", help="All rails on this port, each alone on one of the next; 0 takes free ones.")
    ] = PORT,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same faults.")] = 0,
    faults: Annotated[int, typer.Option("--faults", help="Percent of the orders with which something goes wrong.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Run every rail on this machine, as the outside world would be; with faults, if you like."""

    async def run() -> None:
        stop = stop_on_signal()
        async with outside(host=host, port=port, seed=seed, percent=faults) as running:
            show(running, as_json=as_json)
            await stop.wait()

    with console.reporting():
        if not 0 <= faults <= 100:
            raise BadPercent(percent=faults)
        asyncio.run(run())


def show(running: Outside, *, as_json: bool = False) -> None:
    """Where everything is."""
    if as_json:
        console.show_json({"url": running.url, "connections": running.connections()})
        return
    found = running.connections()
    for name, alone in running.alone.items():
        currencies = sorted({str(one["currency"]) for one in found if one["rail"] == name})
        console.say(f"{name:9} {running.url}/{name}  or alone on {alone}  ({', '.join(currencies)})")
    console.say(f"Sandbox listens on {running.url} (credentials: {running.url}/_sandbox/connections)")
