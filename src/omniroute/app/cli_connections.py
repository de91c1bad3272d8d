"""`omniroute connections`: list bank connections, and connect to the rails of a running sandbox."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

import httpx
import typer
from prometheus_client import CollectorRegistry

from omniroute.app import console
from omniroute.app.cli_ledger import OrganisationOption, ask
from omniroute.app.console import JsonOption
from omniroute.app.databases import app_database, open_vault
from omniroute.app.places import with_database
from omniroute.app.rails import connectors
from omniroute.app.settings import Settings, load_settings
from omniroute.app.wiring import callback_base
from omniroute.infra.events import Meta
from omniroute.infra.http import RailClients
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.secrets import Vault
from omniroute.kit import ids
from omniroute.kit.clock import SystemClock
from omniroute.kit.refusal import Kind, Refusal
from omniroute.money import connections
from omniroute.money.connections import PORTAL, BankConnection, ConnectionLinks, CreateConnection
from omniroute.parties import tenants

connections_app = typer.Typer(help="Bank connections of an organisation.", no_args_is_help=True)


class NoSuchRail(Refusal):
    """The sandbox has no such rail in this currency; the detail lists what it has."""

    code = "app.no_such_rail"
    kind = Kind.NOT_FOUND


@connections_app.command("list")
def show_connections(context: typer.Context, organisation: OrganisationOption, as_json: JsonOption = False) -> None:
    """List the connections that are not closed, with the health of their rails."""

    async def look(tx: Tx) -> list[BankConnection]:
        return await connections.open_connections(tx)

    with console.reporting():
        found = ask(context, organisation, look)
    rows: list[dict[str, object]] = [
        {
            "id": ids.show("con", one.connection_id),
            "code": one.code,
            "rail": one.rail,
            "currency": one.currency,
            "status": one.status.value,
            "health": one.health.value,
            "reason": one.health_reason,
            "float": one.float_code,
        }
        for one in found
    ]
    if as_json:
        console.show_json(rows)
    else:
        console.show_table(rows)


@connections_app.command("add-sandbox")
def add_sandbox(
    context: typer.Context,
    rail: Annotated[str, typer.Argument(help="Name of the rail, such as nip or mpesa.")],
    currency: Annotated[str, typer.Argument(help="Its currency, such as NGN.")],
    organisation: OrganisationOption,
    code: Annotated[
        str | None, typer.Option("--code", help="Code of the connection; left out: that of the rail.")
    ] = None,
    url: Annotated[str, typer.Option("--url", help="Where the sandbox listens.")] = "http://127.0.0.1:8801",
) -> None:
    """Connect an organisation to a rail of a running sandbox, with its test credentials."""

    async def run() -> BankConnection:
        settings = load_settings(config=context.obj)
        found = await _offered(url, rail, currency, organisation)
        command = CreateConnection(
            code or rail, f"{rail} (sandbox)", rail, currency, found["endpoint"], found["public"], found["secret"]
        )
        vault = open_vault(settings)
        try:
            async with app_database(with_database(settings)) as db:
                tenant_id = await tenants.find_tenant(db, organisation)
                async with db.tx(tenant_id) as tx:
                    await tenants.get_organisation(tx)
                    created = await connections.create_connection(
                        tx,
                        command,
                        rails=connectors(),
                        vault=vault,
                        now=SystemClock().now(),
                        meta=Meta(actor="operator", channel="cli"),
                    )
                if found.get("portal"):
                    await _set_portal(found["portal"], await _address(db, settings, vault, tenant_id, created))
                return created
        finally:
            await vault.aclose()

    with console.reporting():
        made = asyncio.run(run())
    console.say(
        f"{made.code} {ids.show('con', made.connection_id)}: {made.rail} {made.currency}, float {made.float_code}"
    )


async def _address(db: Database, settings: Settings, vault: Vault, tenant_id: UUID, connection: BankConnection) -> str:
    """Where the rail may call us about everything."""
    clients = RailClients(clock=SystemClock(), registry=CollectorRegistry())
    links = ConnectionLinks(
        db, connectors(), vault=vault, clients=clients, clock=SystemClock(), public_url=callback_base(settings)
    )
    try:
        link = await links.get(tenant_id, connection.connection_id)
        return link.context.callback_url(PORTAL, PORTAL)
    finally:
        await clients.aclose()


async def _set_portal(portal: str, address: str) -> None:
    """What a person does in the rail's portal: say where it shall call. Raises: OSError."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            (await client.put(portal, json={"url": address})).raise_for_status()
    except httpx.HTTPError as error:
        raise ConnectionError(f"the connection is there, but its portal at {portal} is not: {error}") from error


async def _offered(url: str, rail: str, currency: str, customer: str) -> dict[str, Any]:
    """Raises: NoSuchRail, OSError."""
    address = f"{url.rstrip('/')}/_sandbox/connections"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            offered = (await client.get(address, params={"customer": customer})).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise ConnectionError(f"no sandbox at {url}: {error}") from error
    for one in offered:
        if (one["rail"], one["currency"]) == (rail, currency):
            found: dict[str, Any] = one
            return found
    there = sorted({f"{one['rail']} {one['currency']}" for one in offered})
    raise NoSuchRail(f"no {rail} in {currency}; there are: {', '.join(there)}")
