"""The `omniroute` command line. What each exit code means stands in console.py."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from omniroute import __version__
from omniroute.app import console
from omniroute.app.lazy import Lazy, LazyGroup


class Commands(LazyGroup):
    """Every command. The sentences are those with which the commands explain themselves."""

    lazy: ClassVar[Mapping[str, Lazy]] = {
        "up": Lazy(
            "omniroute.app.cli_system",
            "up",
            "Run everything in one process: embedded PostgreSQL, migrations, HTTP and background work.",
        ),
        "serve": Lazy(
            "omniroute.app.cli_system",
            "serve",
            "Answer HTTP over an existing, migrated database; with --only, for these modules (ledger, people, ...).",
        ),
        "worker": Lazy(
            "omniroute.app.cli_system",
            "worker",
            "Do the background work: seal events, fold balances, expire holds, purge what is old. With --only, these "
            "jobs.",
        ),
        "migrate": Lazy(
            "omniroute.app.cli_system",
            "migrate",
            "Bring the schema up to date. With --status, exit code 1 says that something is pending.",
        ),
        "doctor": Lazy(
            "omniroute.app.cli_system",
            "examine",
            "Find and name what is wrong with this set-up. Exit code 1 says that something is.",
        ),
        "settings": Lazy(
            "omniroute.app.cli_system",
            "show_settings",
            "Show the settings this process would use; passwords stay hidden.",
        ),
        "ledger": Lazy("omniroute.app.cli_ledger", "ledger", "Look at the books, check them, and post from a file."),
        "audit": Lazy("omniroute.app.cli_audit", "audit", "Proofs that nothing was changed after it was recorded."),
        "secrets": Lazy("omniroute.app.cli_secrets", "secrets", "Master keys of stored credentials."),
        "graphql": Lazy(
            "omniroute.app.cli_graphql",
            "graphql_app",
            "Hasura metadata: what of it is served, what triggers could not tell.",
        ),
        "docs": Lazy("omniroute.app.cli_documents", "docs", "Documents generated from the code."),
        "openapi": Lazy("omniroute.app.cli_documents", "openapi", "Print the OpenAPI 3.1 document."),
        "demo": Lazy(
            "omniroute.app.demo",
            "demo",
            "Post a file of transfers while the database is killed, pay a file of payouts over rails that fail while "
            "the worker is killed, collect from retailers and settle with a manufacturer, then check the books.",
        ),
        "sandbox": Lazy(
            "omniroute.app.cli_sandbox",
            "sandbox",
            "Run every rail on this machine, as the outside world would be; with faults, if you like.",
        ),
        "connections": Lazy("omniroute.app.cli_connections", "connections_app", "Bank connections of an organisation."),
        "payments": Lazy("omniroute.app.cli_payments", "payments_app", "Follow payments, and see what is unknown."),
        "pay": Lazy(
            "omniroute.app.cli_pay",
            "pay",
            "Initiate the payments of a file, in its order. Exit code 1 says that some were refused, or failed.",
        ),
    }


app = typer.Typer(
    name="omniroute",
    cls=Commands,
    help="Moves money for distribution networks, on books that cannot be wrong.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def start(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.")] = None,
) -> None:
    """Remember where the settings are; each command reads them itself."""
    context.obj = config


@app.command()
def version() -> None:
    """Print the version."""
    console.say(__version__)


def main() -> None:
    """Entry point of the `omniroute` script."""
    app()


if __name__ == "__main__":
    main()
