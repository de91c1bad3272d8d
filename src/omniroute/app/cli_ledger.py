"""`omniroute ledger`: look at the books, check them, and post from a file, without HTTP."""

import asyncio
import csv
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from omniroute import ledger as books
from omniroute.app import console
from omniroute.app.calendar import day_in
from omniroute.app.console import JsonOption
from omniroute.app.databases import app_database, worker_database
from omniroute.app.places import with_database
from omniroute.app.settings import load_settings
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.clock import SystemClock
from omniroute.kit.currency import exponent
from omniroute.kit.money import Money, decimal_text, parse_amount
from omniroute.kit.refusal import Kind, Refusal
from omniroute.ledger import checking, reads
from omniroute.parties import tenants

ledger = typer.Typer(help="Look at the books, check them, and post from a file.", no_args_is_help=True)

T = TypeVar("T")

BATCH = 500
COLUMNS = ("debit", "credit", "amount_minor", "currency")
OPTIONAL = ("key", "reference", "value_on")

OrganisationOption = Annotated[str, typer.Option("--organisation", "-o", help="Its slug, or its id (org_...).")]
AccountArgument = Annotated[str, typer.Argument(help="Code of the account.")]


class MalformedFile(Refusal):
    """A file to post cannot be read; the line and the reason are named, and nothing of the file was posted."""

    code = "app.malformed_file"
    kind = Kind.INVALID


def ask(context: typer.Context, organisation: str, work: Callable[[Tx], Awaitable[T]], *, readonly: bool = True) -> T:
    """Do something in a transaction of this organisation."""

    async def run() -> T:
        async with app_database(with_database(load_settings(config=context.obj))) as db:
            tenant_id = await tenants.find_tenant(db, organisation)
            async with db.tx(tenant_id, readonly=readonly) as tx:
                await tenants.get_organisation(tx)  # An id nobody has is named, not shown as empty books.
                return await work(tx)

    return asyncio.run(run())


async def today(tx: Tx) -> date:
    """The present day of the transaction's organisation.

    Raises: tenants.OrganisationNotFound.
    """
    return day_in((await tenants.get_organisation(tx)).time_zone, SystemClock().now())


@ledger.command()
def check(
    context: typer.Context,
    organisation: Annotated[str | None, typer.Option("--organisation", "-o", help="Left out: every one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare everything the books keep twice, online; name what differs and where. Exit code 1 says something does."""

    async def run() -> list[checking.Finding]:
        async with worker_database(with_database(load_settings(config=context.obj))) as db:
            tenant_id = None if organisation is None else await tenants.find_tenant(db, organisation)
            return [item async for item in checking.check(db, tenant_id)]

    with console.reporting():
        found = asyncio.run(run())
    rows = [
        {"organisation": ids.show("org", item.tenant_id), "what": item.what, "where": item.where, "detail": item.detail}
        for item in found
    ]
    if as_json:
        console.show_json({"books_balance": not rows, "findings": rows})
    else:
        if rows:
            console.show_table(rows)
        console.say("books balance: " + (f"NO, {len(rows)} findings" if rows else "ok"))
    raise typer.Exit(console.PROBLEMS if rows else console.OK)


@ledger.command()
def accounts(
    context: typer.Context,
    organisation: OrganisationOption,
    prefix: Annotated[str | None, typer.Option(help="Only codes that start like this.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List accounts in order of their code."""

    async def look(tx: Tx) -> list[books.Account]:
        found: list[books.Account] = []
        cursor = None
        while True:
            page = await books.list_accounts(tx, prefix=prefix, limit=500, cursor=cursor)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    with console.reporting():
        found = ask(context, organisation, look)
    rows = [
        {
            "code": account.code,
            "name": account.name,
            "type": str(account.type),
            "currency": account.currency,
            "mode": str(account.mode),
            "status": str(account.status),
        }
        for account in found
    ]
    if as_json:
        console.show_json(rows)
    else:
        console.show_table(rows, columns=("code", "name", "type", "currency", "mode", "status"))


@ledger.command()
def balance(
    context: typer.Context, account: AccountArgument, organisation: OrganisationOption, as_json: JsonOption = False
) -> None:
    """Show what an account holds now, and what of it is available."""

    async def look(tx: Tx) -> books.Balance:
        found = await books.find_account(tx, books.account_id(tx.tenant, account))
        return (await books.find_balances(tx, [found.account_id]))[found.account_id]

    with console.reporting():
        found = ask(context, organisation, look)
    if as_json:
        console.show_json(
            {
                "account": account,
                "currency": found.currency,
                "posted_minor": found.posted_minor,
                "available_minor": found.available_minor,
                "version": found.version,
            }
        )
        return
    decimals = exponent(found.currency)
    console.say(f"posted     {found.currency} {decimal_text(found.posted_minor, decimals)}")
    console.say(f"available  {found.currency} {decimal_text(found.available_minor, decimals)}")


@ledger.command()
def statement(
    context: typer.Context,
    account: AccountArgument,
    organisation: OrganisationOption,
    limit: Annotated[int, typer.Option(help="Lines to show, 1 to 500.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was booked on an account, with its running balance, the oldest first."""

    async def look(tx: Tx) -> reads.Statement:
        return await reads.statement(tx, books.account_id(tx.tenant, account), limit=limit, cursor=cursor)

    with console.reporting():
        found = ask(context, organisation, look)
    rows = [
        {
            "booked_at": line.booked_at.isoformat(timespec="seconds"),
            "value_on": str(line.value_on),
            "transaction": ids.show("txn", line.transaction_id),
            "side": str(line.side),
            "amount_minor": line.amount_minor,
            "balance_minor": line.balance_minor,
            "reference": line.reference,
        }
        for line in found.lines
    ]
    totals = {
        "opening_minor": found.opening_minor,
        "debit_minor": found.debit_minor,
        "credit_minor": found.credit_minor,
        "closing_minor": found.closing_minor,
    }
    if as_json:
        console.show_json({"account": account, **totals, "lines": rows, "next_cursor": found.next_cursor})
        return
    console.show_table(rows, title=f"{account} {found.account.currency}")
    console.say(", ".join(f"{name.removesuffix('_minor')} {value:,}" for name, value in totals.items()))
    if found.next_cursor:
        console.say(f"more: --cursor {found.next_cursor}")


@ledger.command("trial-balance")
def trial_balance(
    context: typer.Context,
    organisation: OrganisationOption,
    on: Annotated[str | None, typer.Option(help="Value date, YYYY-MM-DD; left out: the organisation's today.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show turnover and balance of every account. Exit code 1 says that debits and credits differ."""

    async def look(tx: Tx) -> reads.TrialBalance:
        try:
            day = date.fromisoformat(on) if on else await today(tx)
        except ValueError:
            raise typer.BadParameter("expected YYYY-MM-DD", param_hint="--on") from None
        return await reads.trial_balance(tx, to_on=day)

    with console.reporting():
        found = ask(context, organisation, look)
    rows = [
        {
            "code": row.code,
            "currency": row.currency,
            "debit_minor": row.debit_minor,
            "credit_minor": row.credit_minor,
            "closing_minor": row.closing_minor,
            "side": str(row.normal_side),
        }
        for row in found.rows
    ]
    net: dict[str, int] = {}
    for row in found.rows:
        net[row.currency] = net.get(row.currency, 0) + row.debit_minor - row.credit_minor
    balanced = not any(net.values())
    if as_json:
        console.show_json({"on": str(found.to_on), "balanced": balanced, "rows": rows})
    else:
        console.show_table(rows, title=f"trial balance on {found.to_on}")
        console.say("books balance: " + ("ok" if balanced else f"NO, debits less credits: {net}"))
    raise typer.Exit(console.OK if balanced else console.PROBLEMS)


@ledger.command()
def post(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="CSV with debit, credit, amount_minor, currency [, key, reference, value_on].")
    ],
    organisation: OrganisationOption,
    as_json: JsonOption = False,
) -> None:
    """Post the transfers of a CSV file, in its order. Exit code 1 says that some were refused.

    The whole file is read first. Repeating a file whose lines have keys posts nothing twice.
    """

    async def run() -> list[tuple[int, books.Outcome]]:
        outcomes: list[books.Outcome] = []
        async with app_database(with_database(load_settings(config=context.obj))) as db:
            tenant_id = await tenants.find_tenant(db, organisation)
            commands = read_transfers(file, tenant_id)
            for start in range(0, len(commands), BATCH):
                batch = commands[start : start + BATCH]

                async def book(tx: Tx, batch: list[books.Command] = batch) -> list[books.Outcome]:
                    return await books.post(tx, batch, today=await today(tx))

                keyed = all(command.key for command in batch)
                outcomes += await db.run(book, tenant_id=tenant_id, idempotent=keyed)
        return list(enumerate(outcomes, start=2))

    with console.reporting():
        outcomes = asyncio.run(run())
    refused: list[dict[str, object]] = [
        {"line": line, "code": outcome.refusal.code, "detail": outcome.refusal.detail}
        for line, outcome in outcomes
        if isinstance(outcome, books.Refused)
    ]
    replayed = sum(outcome.replayed for _, outcome in outcomes)
    counts = {"posted": len(outcomes) - len(refused), "refused": len(refused), "replayed": replayed}
    if as_json:
        console.show_json({**counts, "refusals": refused})
    else:
        if refused:
            console.show_table(refused)
        console.say(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    raise typer.Exit(console.PROBLEMS if refused else console.OK)


def read_transfers(file: Path, tenant_id: UUID) -> list[books.Command]:
    """The commands of a CSV file, one a line.

    Raises: MalformedFile, OSError.
    """
    with file.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines, strict=True)
        names = reader.fieldnames or []
        missing = [name for name in COLUMNS if name not in names]
        unknown = [name for name in names if name not in (*COLUMNS, *OPTIONAL)]
        if missing or unknown:
            wrong = f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(unknown)}"
            raise MalformedFile(
                f"{file}: columns are {', '.join(COLUMNS)} and {', '.join(OPTIONAL)} if you like; {wrong}"
            )
        try:
            return [_transfer(file, reader.line_num, row, tenant_id) for row in reader]
        except (csv.Error, UnicodeDecodeError) as error:
            raise MalformedFile(f"{file}, line {reader.line_num}: {error}") from error


def _transfer(file: Path, line: int, row: dict[str | Any, str | Any], tenant_id: UUID) -> books.Command:
    if None in row or None in row.values():
        raise MalformedFile(f"{file}, line {line}: the number of fields is not that of the first line")
    try:
        amount = Money(parse_amount(row["amount_minor"]), row["currency"])
        sides = ((books.Side.DEBIT, row["debit"]), (books.Side.CREDIT, row["credit"]))
        return books.post_transaction(
            [books.Leg(books.account_id(tenant_id, code), side, amount, code) for side, code in sides],
            value_on=date.fromisoformat(row["value_on"]) if row.get("value_on") else None,
            reference=row.get("reference") or None,
            key=row.get("key") or None,
            meta=Meta(actor="operator", channel="cli"),
        )
    except Refusal as refusal:
        raise MalformedFile(f"{file}, line {line}: {refusal.detail}", line=line) from refusal
    except ValueError as error:
        raise MalformedFile(f"{file}, line {line}: {error}", line=line) from error
