"""Where a running embedded server is found by commands of another process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from omniroute.app.settings import Settings

if TYPE_CHECKING:
    from omniroute.infra.postgres import EmbeddedPostgres


def postgres_folder(settings: Settings) -> Path:
    """The folder of the embedded server."""
    return settings.data_folder / "postgres"


def with_server(settings: Settings, server: EmbeddedPostgres) -> Settings:
    """The same settings, pointing at this server: one login each for doors, migrations and background work."""
    return replace(
        settings,
        database_url=server.url("omniroute_app"),
        database_owner_url=server.url("omniroute_owner"),
        database_worker_url=server.url("omniroute_worker"),
    )


def with_running_server(settings: Settings) -> Settings:
    """The same settings; without a database they get that of the embedded server, if one runs in the data folder."""
    if settings.database_url:
        return settings
    folder = postgres_folder(settings)
    try:
        port = json.loads((folder / "server.json").read_text())["port"]
        passwords = json.loads((folder / "passwords.json").read_text())
    except (OSError, ValueError, KeyError):
        return settings
    if not (folder / "data" / "postmaster.pid").exists():
        return settings

    def url(role: str) -> str:
        return f"postgresql://{role}:{passwords[role]}@127.0.0.1:{port}/omniroute"

    return replace(
        settings,
        database_url=url("omniroute_app"),
        database_owner_url=url("omniroute_owner"),
        database_worker_url=url("omniroute_worker"),
    )


def with_database(settings: Settings) -> Settings:
    """The same settings, with a database.

    Raises: DatabaseUnavailable when none is set and no embedded server runs.
    """
    found = with_running_server(settings)
    if not found.database_url:
        from omniroute.infra.postgres import DatabaseUnavailable  # Slow to load: only for who is refused.

        raise DatabaseUnavailable(
            f"no database: set OMNIROUTE_DATABASE_URL, or start `omniroute up` (nothing runs in {settings.data_folder})"
        )
    return found
