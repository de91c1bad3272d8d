"""`omniroute secrets`: the master keys under which stored credentials are sealed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer

from omniroute.app import console
from omniroute.app.console import JsonOption
from omniroute.app.settings import load_settings
from omniroute.app.wiring import open_vault
from omniroute.infra.secrets import Vault

secrets = typer.Typer(help="Master keys of stored credentials.", no_args_is_help=True)
T = TypeVar("T")


@secrets.command()
def keys(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the master keys by their ids, the oldest first; the current one seals."""

    async def look(vault: Vault) -> tuple[tuple[str, ...], str]:
        return await vault.keys.key_ids(), await vault.keys.current_key_id()

    found, current = _with_vault(context, look)
    if as_json:
        console.show_json({"keys": list(found), "current": current})
    else:
        console.show_table([{"key": key_id, "current": key_id == current} for key_id in found])


@secrets.command("add-key")
def add_key(context: typer.Context) -> None:
    """Make a master key, also the first. It seals from now on; what older keys sealed still opens."""
    console.say(f"{_with_vault(context, lambda vault: vault.keys.add_key())} is the current key")


def _with_vault(context: typer.Context, work: Callable[[Vault], Awaitable[T]]) -> T:
    async def run() -> T:
        vault = open_vault(load_settings(config=context.obj))
        try:
            return await work(vault)
        finally:
            await vault.aclose()

    with console.reporting():
        return asyncio.run(run())
