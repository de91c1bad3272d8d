"""`omniroute graphql`: Hasura metadata, looked at before it is served."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from omniroute import graphql
from omniroute.app import console
from omniroute.app.cli_triggers import dead_letters, redeliver
from omniroute.app.console import JsonOption
from omniroute.app.databases import app_database
from omniroute.app.places import with_running_server
from omniroute.app.settings import Settings, load_settings
from omniroute.graphql import Catalog, Metadata

graphql_app = typer.Typer(
    help="Hasura metadata: what of it is served, what triggers could not tell.", no_args_is_help=True
)
graphql_app.command("dead-letters")(dead_letters)
graphql_app.command()(redeliver)


@graphql_app.command()
def check(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="Folder of metadata; left out: the one that is served.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Name everything in a metadata folder that is wrong or not served, and, with a database, what does not fit it.

    Exit code 2 says that there is something.
    """
    with console.reporting():
        settings = with_running_server(load_settings(config=context.obj))
        chosen = folder or _served(settings)
        metadata, found = graphql.parse_metadata(graphql.read_folder(chosen))
        catalog = asyncio.run(_catalog(settings, metadata)) if settings.database_url else None
        problems = graphql.check(metadata, found, catalog)
    if as_json:
        shown = [{"where": one.where, "what": one.what, "is_wrong": one.is_wrong} for one in problems]
        console.show_json({"folder": str(chosen), "compared_with_database": catalog is not None, "problems": shown})
    else:
        for one in problems:
            console.say(f"{'wrong     ' if one.is_wrong else 'not served'}  {one}")
        compared = "" if catalog is not None else "; not compared with a database, since none is set"
        console.say(f"{chosen}: {len(problems)} problem{'' if len(problems) == 1 else 's'}{compared}")
    raise typer.Exit(console.USAGE if problems else console.OK)


def _served(settings: Settings) -> Path:
    chosen = settings.graphql_metadata_dir
    return Path(chosen).expanduser().absolute() if chosen else graphql.product_metadata()


async def _catalog(settings: Settings, metadata: Metadata) -> Catalog:
    async with app_database(settings) as db:
        return await graphql.read_catalog(db, metadata)
