"""`omniroute audit`: was anything changed after it was recorded?"""

import asyncio
from typing import Annotated

import typer

from omniroute.app import console
from omniroute.app.console import JsonOption
from omniroute.app.databases import worker_database
from omniroute.app.places import with_database
from omniroute.app.settings import load_settings
from omniroute.infra import events
from omniroute.kit import ids
from omniroute.parties import tenants

audit = typer.Typer(help="Proofs that nothing was changed after it was recorded.", no_args_is_help=True)

OrganisationOption = Annotated[
    str | None,
    typer.Option("--organisation", "-o", help="Its slug, or its id (org_...); left out: every organisation."),
]


@audit.command()
def verify(context: typer.Context, organisation: OrganisationOption = None, as_json: JsonOption = False) -> None:
    """Compare every sealed event with its block; name each that differs. Exit code 1: one does."""

    async def look() -> tuple[list[events.Finding], events.Verified]:
        verified = events.Verified()
        async with worker_database(with_database(load_settings(config=context.obj))) as db:
            tenant_id = None if organisation is None else await tenants.find_tenant(db, organisation)
            found = [item async for item in events.verify(db, tenant_id, verified=verified)]
        return found, verified

    with console.reporting():
        findings, verified = asyncio.run(look())
    rows: list[dict[str, object]] = [
        {
            "organisation": ids.show("org", item.tenant_id),
            "damage": str(item.damage),
            "table": item.table,
            "key": item.key,
            "block_number": item.block_number,
            "position": item.position,
            "event": None if item.event_id is None else ids.show("evt", item.event_id),
            "detail": item.detail,
        }
        for item in findings
    ]
    counts = {
        "organisations": verified.tenant_count, "blocks": verified.block_count, "events": verified.event_count
    }  # fmt: skip
    if as_json:
        console.show_json({"intact": not rows, **counts, "findings": rows})
    else:
        if rows:
            console.show_table(rows)
        told = ", ".join(f"{count:,} {name if count != 1 else name[:-1]}" for name, count in counts.items())
        console.say(f"audit chain: {f'{len(rows)} findings' if rows else 'intact'} ({told})")
    raise typer.Exit(console.PROBLEMS if rows else console.OK)
