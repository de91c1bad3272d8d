"""`omniroute secrets`: the master keys under which stored credentials are sealed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol, TypeVar

import typer

from omniroute.app import console
from omniroute.app.console import JsonOption
from omniroute.app.databases import open_vault, worker_database
from omniroute.app.places import with_database
from omniroute.app.settings import load_settings
from omniroute.infra.postgres import Database
from omniroute.infra.secrets import Rotation, Vault
from omniroute.parties import access, webhooks

secrets = typer.Typer(help="Master keys of stored credentials.", no_args_is_help=True)
T = TypeVar("T")


class Reseal(Protocol):
    """Brings the secrets of one kind of record under the current master key."""

    async def __call__(self, db: Database, vault: Vault, *, reencrypt: bool = False) -> Rotation: ...


STORES: dict[str, Reseal] = {
    "signing keys": access.reseal_signing_keys,
    "webhook secrets": webhooks.reseal_secrets,
}


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


@secrets.command()
def rotate(
    context: typer.Context,
    reencrypt: Annotated[
        bool, typer.Option("--reencrypt", help="New data keys too, for when one may be known; opens every secret.")
    ] = False,
) -> None:
    """Bring stored secrets under the current master key. May be broken off and repeated. Exit code 1: one failed."""

    async def bring(vault: Vault) -> dict[str, Rotation]:
        async with worker_database(with_database(load_settings(config=context.obj))) as db:
            return {name: await reseal(db, vault, reencrypt=reencrypt) for name, reseal in STORES.items()}

    done = _with_vault(context, bring)
    rows = [
        {"secrets": name, "changed": it.changed, "current": it.current, "failed": len(it.failed)}
        for name, it in done.items()
    ]
    console.show_table(rows)
    failed = [(binding, code) for it in done.values() for binding, code in it.failed]
    for binding, code in failed:
        console.say(f"{binding.kind} {binding.record_id}: {code}")
    raise typer.Exit(console.PROBLEMS if failed else console.OK)


def _with_vault(context: typer.Context, work: Callable[[Vault], Awaitable[T]]) -> T:
    async def run() -> T:
        vault = open_vault(load_settings(config=context.obj))
        try:
            return await work(vault)
        finally:
            await vault.aclose()

    with console.reporting():
        return asyncio.run(run())
