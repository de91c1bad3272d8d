"""The commands that run OmniRoute and look after it.

What they need is imported in them, when it is known that settings and command are right.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from omniroute.app import console
from omniroute.app.console import JsonOption
from omniroute.app.places import with_database
from omniroute.app.settings import Settings, load_settings
from omniroute.kit.clock import SystemClock

PortOption = Annotated[int | None, typer.Option("--port", help="Port to listen on; 0 takes a free one.")]
OnlyOption = Annotated[
    str | None, typer.Option("--only", help="Names with commas between them; a wrong one shows those there are.")
]
HostOption = Annotated[str | None, typer.Option("--host", help="Address to listen on.")]


def up(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option("--data", help="Folder of the embedded PostgreSQL.")] = None,
    host: HostOption = None,
    port: PortOption = None,
) -> None:
    """Run everything in one process: embedded PostgreSQL, migrations, HTTP and background work."""
    from omniroute.app import processes
    from omniroute.app.credentials import first_credential

    with console.reporting():
        settings = _listening(load_settings(config=context.obj), host, port)
        if data is not None:
            settings = replace(settings, data_dir=str(data))
        with processes.telemetry(settings, "omniroute"):
            processes.run(processes.up(settings, started=_started, first=first_credential, beside=_outside))


def serve(
    context: typer.Context,
    host: HostOption = None,
    port: PortOption = None,
    only: OnlyOption = None,
) -> None:
    """Answer HTTP over an existing, migrated database; with --only, for these modules (ledger, people, ...)."""
    with console.reporting():
        settings = _listening(with_database(load_settings(config=context.obj)), host, port)
        from omniroute.app import processes

        with processes.telemetry(settings, "omniroute-serve"):
            processes.run(processes.serve(settings, started=_started, only=_names(only)))


def worker(context: typer.Context, only: OnlyOption = None) -> None:
    """Do the background work: seal events, fold balances, expire holds, purge what is old. With --only, these jobs."""
    with console.reporting():
        settings = with_database(load_settings(config=context.obj))
        from omniroute.app import processes

        with processes.telemetry(settings, "omniroute-worker"):
            processes.run(processes.background(settings, started=_tells, only=_names(only)))


def migrate(
    context: typer.Context,
    only_status: Annotated[bool, typer.Option("--status", help="Show what is pending; change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the schema up to date. With --status, exit code 1 says that something is pending."""
    with console.reporting():
        settings = with_database(load_settings(config=context.obj))
        from omniroute.infra import postgres

        url = settings.database_owner_url or settings.database_url
        if only_status:
            seen = asyncio.run(postgres.status(url))
            if as_json:
                console.show_json({"applied": seen.applied, "pending": seen.pending})
            else:
                console.say(f"{len(seen.applied)} applied, {len(seen.pending)} pending")
                for name in seen.pending:
                    console.say(f"  pending  {name}")
            raise typer.Exit(console.PROBLEMS if seen.pending else console.OK)
        done = asyncio.run(postgres.migrate(url))
        if as_json:
            console.show_json({"applied": done})
        else:
            console.say("\n".join(f"applied  {name}" for name in done) or "nothing to do: the schema is up to date")


def examine(context: typer.Context, as_json: JsonOption = False) -> None:
    """Find and name what is wrong with this set-up. Exit code 1 says that something is."""

    from omniroute.app import doctor

    async def collect() -> list[doctor.Finding]:
        return [item async for item in doctor.examine(os.environ, context.obj, clock=SystemClock())]

    with console.reporting():
        found = asyncio.run(collect())
    wrong = [item for item in found if item.level == "problem"]
    if as_json:
        console.show_json({"healthy": not wrong, "findings": [asdict(item) for item in found]})
    else:
        marks = {"ok": "[green]ok     [/]", "warning": "[yellow]warning[/]", "problem": "[red]problem[/]"}
        for item in found:
            console.out.print(f"{marks[item.level]}  {escape(item.check)}: {escape(item.found)}")
            if item.advice:
                console.out.print(f"         -> {escape(item.advice)}")
    raise typer.Exit(console.PROBLEMS if wrong else console.OK)


def show_settings(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the settings this process would use; passwords stay hidden."""
    with console.reporting():
        shown = load_settings(config=context.obj).shown()
    if as_json:
        console.show_json(shown)
    else:
        console.show_table([{"setting": name, "value": str(value)} for name, value in shown.items()])


@asynccontextmanager
async def _outside(settings: Settings) -> AsyncIterator[None]:
    """The sandbox beside a system for trying things out; on other ports when its own are taken."""
    if settings.sandbox_port < 0:
        yield
        return
    from omniroute.app.cli_sandbox import outside

    async with AsyncExitStack() as stack:
        try:
            running = await stack.enter_async_context(outside(port=settings.sandbox_port))
        except OSError:
            running = await stack.enter_async_context(outside(port=0))
        console.say(f"Sandbox of rails on {running.url} (credentials: {running.url}/_sandbox/connections)")
        yield


def _listening(settings: Settings, host: str | None, port: int | None) -> Settings:
    if host is not None:
        settings = replace(settings, http_host=host)
    return settings if port is None else replace(settings, http_port=port)


def _names(only: str | None) -> list[str] | None:
    return None if only is None else [name.strip() for name in only.split(",") if name.strip()]


def _tells(url: str) -> None:
    console.say(f"The worker listens on {url} (/health, /readiness, /metrics)")


def _started(url: str) -> None:
    console.say(f"OmniRoute listens on {url} (documentation: {url}/docs)")
