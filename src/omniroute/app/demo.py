"""`omniroute demo`: a network posts a file while its database is killed, pays another one over four rails that fail
while its worker is killed, collects from retailers for a manufacturer; and the books balance."""

import asyncio
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from omniroute.app import console
from omniroute.app.console import JsonOption
from omniroute.app.databases import app_database, open_vault, worker_database
from omniroute.app.demo_client import Connection
from omniroute.app.demo_collections import Collected, collect
from omniroute.app.demo_network import BRANCHES, CURRENCY, chart, opening, read_transfers, wallets, write_transfers
from omniroute.app.demo_payments import Desk, Payouts, pay
from omniroute.app.demo_programs import HOST, Programs, free_port, programs
from omniroute.app.demo_report import Figures, show
from omniroute.app.demo_run import CLIENTS, Sheet, crash, post_all
from omniroute.app.places import postgres_folder, with_server
from omniroute.app.settings import Settings
from omniroute.infra import postgres
from omniroute.infra.postgres import EmbeddedPostgres, load
from omniroute.kit import ids
from omniroute.kit.clock import SystemClock
from omniroute.kit.refusal import Kind, Refusal
from omniroute.ledger import checking, reads
from omniroute.parties import tenants

SQL = load("omniroute.app")
SLUG = "kano-foods"
EMAIL = "owner@kano-foods.example"
APPROVER = "approver@kano-foods.example"
COLLECTING_S = 120
"""How long is waited for transfers to be booked, and for the settlement to be paid."""
EXCHANGES_MAX = 40
"""With rails, that the worker has under way at once; so many its end can interrupt."""
PERMISSIONS = ["ledger.read", "ledger.post", "ledger.accounts.write", "payments.read", "batches.write"]
ORGANISATION = {
    "slug": SLUG, "name": "Kano Foods", "country": "NG", "currency": CURRENCY, "time_zone": "Africa/Lagos",
    "owner_email": EMAIL,
}  # fmt: skip


class FolderNotEmpty(Refusal):
    """The folder for the demonstration must be new or empty; nothing in it was touched."""

    code = "app.demo_folder_not_empty"
    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The organisation that posts."""

    organisation: str
    secret: str
    owner: str
    approver: str
    approver_id: str


@dataclass(frozen=True, slots=True)
class Screen:
    """Where people watch: a line a step, and a bar."""

    say: Callable[[str], None]
    bar: Callable[[str, int], None]
    advanced: Callable[[int], None]
    show: Callable[[str, int], None]


def demo(
    transfers: Annotated[int, typer.Option(min=100, help="Transfers in the file.")] = 100_000,
    kills: Annotated[int, typer.Option(min=0, max=20, help="How often the database is killed with -9.")] = 2,
    payouts: Annotated[int, typer.Option(min=0, help="Payouts in the second file; 0 leaves it out.")] = 2_000,
    patience: Annotated[int, typer.Option(min=1, help="Seconds to wait for what can be known of the payouts.")] = 75,
    collections: Annotated[int, typer.Option(min=0, help="Transfers that retailers send; 0 leaves them out.")] = 200,
    data_dir: Annotated[
        Path | None, typer.Option(help="An empty folder, kept afterwards; else a temporary one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Post a file of transfers while the database is killed, pay a file of payouts over rails that fail while the
    worker is killed, collect from retailers and settle with a manufacturer, then check the books.

    Exit code 1 says that they are wrong.
    """
    with console.reporting(), _folder(data_dir) as folder, _screen(quiet=as_json) as screen:
        figures = _run(_demo(folder, transfers, kills, payouts, collections, patience, screen))
    if as_json:
        console.show_json(asdict(figures))
    else:
        show(figures)
    raise typer.Exit(console.PROBLEMS if figures.wrong else console.OK)


async def _demo(
    folder: Path, count: int, kills: int, payouts: int, collections: int, patience_s: int, screen: Screen
) -> Figures:
    started = time.monotonic()
    settings = Settings(
        data_dir=str(folder), http_host=HOST, http_port=free_port(), payment_exchanges_max=EXCHANGES_MAX
    )
    file = folder / "transfers.csv"
    write_transfers(file, count)
    sheet = Sheet(read_transfers(file))
    screen.say(f"{count:,} transfers between {len(wallets())} wallets written to {file}")
    await open_vault(settings, create=True).aclose()  # The master key under which credentials of rails are sealed.
    async with EmbeddedPostgres(postgres_folder(settings)) as server:
        settings = with_server(settings, server)
        await postgres.migrate(settings.database_owner_url)
        screen.say("PostgreSQL runs, durable, and is migrated")
        async with programs(settings, folder) as running:
            if payouts or collections:
                running.start_sandbox()
            serving = await running.serve()
            screen.say(f"the HTTP server listens on http://{HOST}:{settings.http_port}")
            enrolled = await _enrol(settings, screen)
            ready = time.monotonic()
            await _post(settings, enrolled, sheet, server, kills, screen)
            posted = time.monotonic()
            transactions = await _transactions(settings, enrolled)
            paid = await _pay(settings, enrolled, running, folder, payouts, patience_s, screen) if payouts else None
            collected = await _collect(settings, enrolled, running, collections, screen) if collections else None
            screen.say("checking the books")
            figures = await _figures(
                settings,
                enrolled,
                sheet,
                paid,
                collected,
                transactions=transactions,
                set_up_s=ready - started,
                posting_s=posted - ready,
            )
            await running.stop(serving)
    return figures


async def _post(
    settings: Settings, enrolled: Enrolled, sheet: Sheet, server: EmbeddedPostgres, kills: int, screen: Screen
) -> None:
    screen.bar(f"posting, {CLIENTS} clients", len(sheet.transfers))
    async with asyncio.TaskGroup() as group:
        crashing = group.create_task(crash(sheet, server, kills, said=screen.say))
        await post_all(
            sheet,
            host=HOST,
            port=settings.http_port,
            secret=enrolled.secret,
            path=f"/v1/{SLUG}/ledger/transactions",
            advanced=lambda sheet: screen.advanced(sheet.done),
        )
        await crashing


async def _pay(
    settings: Settings,
    enrolled: Enrolled,
    running: Programs,
    folder: Path,
    count: int,
    patience_s: int,
    screen: Screen,
) -> Payouts:
    screen.bar("paying", count)
    async with worker_database(settings) as db:
        return await pay(
            _desk(settings, enrolled),
            db,
            running,
            folder,
            count,
            patience_s=patience_s,
            clock=SystemClock(),
            say=screen.say,
            show=screen.show,
        )


async def _collect(settings: Settings, enrolled: Enrolled, running: Programs, count: int, screen: Screen) -> Collected:
    screen.bar("collecting", count)
    async with worker_database(settings) as db:
        return await collect(
            _desk(settings, enrolled), db, running, count, patience_s=COLLECTING_S, say=screen.say, show=screen.show
        )


def _desk(settings: Settings, enrolled: Enrolled) -> Desk:
    return Desk(
        host=HOST,
        port=settings.http_port,
        slug=SLUG,
        tenant_id=ids.parse("org", enrolled.organisation),
        key=enrolled.secret,
        owner=enrolled.owner,
        approver=enrolled.approver,
        approver_id=enrolled.approver_id,
    )


async def _transactions(settings: Settings, enrolled: Enrolled) -> int:
    """How many transfers the ledger has."""
    tenant_id = ids.parse("org", enrolled.organisation)
    async with worker_database(settings) as db, db.tx(tenant_id, readonly=True) as tx:
        books = await tx.one(SQL.turnover_of_organisation, tenant=tenant_id)
    return int(books.transactions) - len(wallets())


async def _enrol(settings: Settings, screen: Screen) -> Enrolled:
    """Open the organisation over HTTP: owner, branches, accounts, an API key, and money in every wallet."""
    async with app_database(settings) as db:
        platform = await tenants.bootstrap_platform(db, now=SystemClock().now())
    assert platform is not None, "the database is new"
    async with Connection(HOST, settings.http_port, platform.secret.text) as host:
        opened = await host.create("/v1/organisations", ORGANISATION, key="open-organisation")
    session = await _join(settings, opened["invitation_token"], EMAIL, "Owner")
    base = f"/v1/{SLUG}"
    async with Connection(HOST, settings.http_port, session["token"]) as owner:
        branch_ids: dict[str, str] = {}
        for code, name, region in BRANCHES:
            body = {"code": code, "name": name, "region": region}
            branch_ids[code] = (await owner.create(f"{base}/branches", body, key=f"branch-{code}"))["id"]
        issued = await owner.create(
            f"{base}/keys",
            {"name": "demo", "permissions": PERMISSIONS},
            key="key",
        )
        roles = await owner.get(f"{base}/roles?limit=500")
        role = next(one["id"] for one in roles["items"] if one["name"] == "approver")
        # Another person: the owner and the key the owner made are one.
        invited = await owner.create(f"{base}/invitations", {"email": APPROVER, "role_ids": [role]}, key="invite")
    approver = await _join(settings, invited["token"], APPROVER, "Approver")
    enrolled = Enrolled(
        opened["organisation"]["id"], issued["secret"], session["token"], approver["token"], approver["user_id"]
    )
    accounts = chart(branch_ids)
    async with Connection(HOST, settings.http_port, enrolled.secret) as till:
        for account in accounts:
            await till.create(f"{base}/ledger/accounts", account, key=f"account-{account['code']}")
        await till.create(f"{base}/ledger/batches", opening(), key="opening")
    screen.say(f"{SLUG} has {len(BRANCHES)} branches, {len(accounts)} accounts, an API key, and money in its wallets")
    return enrolled


async def _join(settings: Settings, invitation: str, email: str, name: str) -> Any:
    """Accept an invitation and log in; the session."""
    password = secrets.token_urlsafe(16)
    async with Connection(HOST, settings.http_port) as nobody:
        accepted = {"token": invitation, "password": password, "name": name}
        await nobody.create("/v1/invitations/accept", accepted, key=f"accept-{email}")
        login = {"email": email, "password": password, "organisation": SLUG}
        return await nobody.create("/v1/sessions", login, key=f"log-in-{email}")


async def _figures(
    settings: Settings,
    enrolled: Enrolled,
    sheet: Sheet,
    paid: Payouts | None,
    collected: Collected | None,
    *,
    transactions: int,
    set_up_s: float,
    posting_s: float,
) -> Figures:
    tenant_id = ids.parse("org", enrolled.organisation)
    wrong = [*sheet.wrong, *(paid.wrong if paid else ()), *(collected.wrong if collected else ())]
    async with worker_database(settings) as db:
        async with db.tx(tenant_id, readonly=True) as tx:
            books = await tx.one(SQL.turnover_of_organisation, tenant=tenant_id)
            # The organisation's business day may be ahead of ours.
            tomorrow = SystemClock().now().date() + timedelta(days=1)
            totals = (await reads.trial_balance(tx, to_on=tomorrow)).totals
        wrong += [f"{one.what}: {one.where}: {one.detail}" async for one in checking.check(db, tenant_id)]
    if transactions != sheet.accepted:
        wrong.append(f"{sheet.accepted:,} transfers were accepted, but the ledger has {transactions:,}")
    for currency, total in totals.items():
        if total.debit_minor != total.credit_minor:
            debit, credit = total.debit_minor, total.credit_minor
            wrong.append(f"the trial balance in {currency} has debits of {debit:,} and credits of {credit:,}")
    everything = sum(total.debit_minor for total in totals.values())
    if not books.debits == books.credits == everything:
        wrong.append(f"the entries add up to debits of {books.debits:,} and credits of {books.credits:,}")
    meant = sum(transfer.is_overspent for transfer in sheet.transfers)
    if sheet.refused != meant:
        wrong.append(f"{sheet.refused:,} transfers were refused, {meant:,} were meant to be")
    return Figures(
        transfers=len(sheet.transfers),
        accepted=sheet.accepted,
        refused=sheet.refused,
        replayed=sheet.replayed,
        retries=sheet.retries,
        kills=sheet.kills,
        set_up_s=round(set_up_s),
        posting_s=round(posting_s),
        rate_per_s=round(len(sheet.transfers) / posting_s),
        transactions=transactions,
        debits_minor=totals[CURRENCY].debit_minor,
        credits_minor=totals[CURRENCY].credit_minor,
        payouts=paid,
        collected=collected,
        wrong=tuple(wrong),
    )


# -- what it starts, it stops -----------------------------------------------------------------------------------------


def _run(main: Any) -> Figures:
    """Run to the end; Ctrl-C and SIGTERM undo what was started first."""

    async def stoppable() -> Figures:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        figures: Figures = await main
        return figures

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(stoppable())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        if wanted.exists() and any(wanted.iterdir()):
            raise FolderNotEmpty(folder=str(wanted))
        wanted.mkdir(parents=True, exist_ok=True)
        yield wanted.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="omniroute-demo-"))
    folder.chmod(0o711)  # The server's own user passes through, when we are root.
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _screen(*, quiet: bool) -> Iterator[Screen]:
    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console.out, disable=quiet) as progress:
        tasks: list[TaskID] = []

        def advanced(done: int) -> None:
            if done % 50 == 0 or done == progress.tasks[-1].total:
                progress.update(tasks[-1], completed=done)

        yield Screen(
            say=lambda text: None if quiet else progress.console.print(text, highlight=False),
            bar=lambda text, total: tasks.append(progress.add_task(text, total=total)),
            advanced=advanced,
            show=lambda text, done: progress.update(tasks[-1], description=text, completed=done),
        )
