"""`omniroute graphql dead-letters` and `redeliver`: what event triggers could not tell, and telling it again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

import typer

from omniroute import graphql
from omniroute.app import console
from omniroute.app.console import JsonOption
from omniroute.app.databases import app_database
from omniroute.app.places import with_database
from omniroute.app.settings import load_settings
from omniroute.infra.postgres import Tx
from omniroute.kit.clock import SystemClock
from omniroute.kit.refusal import Kind, Refusal
from omniroute.parties import tenants

T = TypeVar("T")

OrganisationOption = Annotated[str, typer.Option("--organisation", "-o", help="Its slug, or its id (org_...).")]
TriggerOption = Annotated[str | None, typer.Option("--trigger", help="Name of the event trigger.")]


class WhichLetters(Refusal):
    """Name the deliveries to send again by id, or all of a trigger with `--trigger`."""

    code = "app.which_letters"
    kind = Kind.INVALID


def dead_letters(
    context: typer.Context, organisation: OrganisationOption, trigger: TriggerOption = None, as_json: JsonOption = False
) -> None:
    """Show the deliveries of event triggers that failed for good, the oldest first, 1,000 at most."""

    async def look(tx: Tx) -> list[graphql.DeadLetter]:
        return await graphql.dead_letters(tx, trigger=trigger, limit=1_000)

    with console.reporting():
        found = _ask(context, organisation, look)
    rows: list[dict[str, object]] = [
        {
            "delivery": str(one.delivery_id),
            "trigger": one.trigger,
            "table": str(one.table),
            "row": str(one.subject),
            "tries": one.try_count,
            "reason": one.last_reason,
            "failed_at": one.failed_at,
        }
        for one in found
    ]
    if as_json:
        console.show_json([{**row, "failed_at": str(row["failed_at"])} for row in rows])
    elif rows:
        console.show_table(rows)
    else:
        console.say("no dead letters")


def redeliver(
    context: typer.Context,
    organisation: OrganisationOption,
    deliveries: Annotated[list[str] | None, typer.Argument(help="Ids of deliveries.")] = None,
    trigger: TriggerOption = None,
) -> None:
    """Send deliveries of event triggers again, with all their retries."""

    async def work(tx: Tx) -> int:
        now = SystemClock().now()
        if trigger is not None:
            return await graphql.redeliver_all(tx, trigger, now=now)
        for one in deliveries or ():
            await graphql.redeliver(tx, _uuid(one), now=now)
        return len(deliveries or ())

    with console.reporting():
        if bool(deliveries) == (trigger is not None):
            raise WhichLetters()
        count = _ask(context, organisation, work)
    console.say(f"{count} deliver{'y' if count == 1 else 'ies'} queued again")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise graphql.DeliveryNotFound() from None


def _ask(context: typer.Context, organisation: str, work: Callable[[Tx], Awaitable[T]]) -> T:
    async def run() -> T:
        async with app_database(with_database(load_settings(config=context.obj))) as db:
            tenant_id = await tenants.find_tenant(db, organisation)
            async with db.tx(tenant_id) as tx:
                await tenants.get_organisation(tx)  # An id nobody has is named, not shown as one without letters.
                return await work(tx)

    return asyncio.run(run())
