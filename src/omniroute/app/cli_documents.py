"""`omniroute docs` and `omniroute openapi`: documents made from the code."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from omniroute import api
from omniroute.app import console, documents

docs = typer.Typer(help="Documents generated from the code.", no_args_is_help=True)

FolderOption = Annotated[Path | None, typer.Option("--folder", help="Root of the checkout.")]


@docs.command()
def build(folder: FolderOption = None) -> None:
    """Write docs/errors.md, docs/events.md, docs/events/, docs/settings.md and docs/openapi.json."""
    changed = documents.write(folder or documents.root())
    console.say("\n".join(f"wrote {path}" for path in changed) or "nothing changed")


@docs.command()
def check(folder: FolderOption = None) -> None:
    """Compare the generated documents with the code. Exit code 1 says that they differ."""
    wrong = documents.drift(folder or documents.root())
    for path in wrong:
        console.say(f"{path} is not what the code says; run `make docs`")
    raise typer.Exit(console.PROBLEMS if wrong else console.OK)


def openapi() -> None:
    """Print the OpenAPI 3.1 document."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(api.openapi_document()), indent=2).decode() + "\n")
