"""`omniroute pay` and `omniroute payments`: pay from a file, follow a payment, see what is unknown; without HTTP."""

import asyncio
import csv
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from omniroute.app import console
from omniroute.app.calendar import BusinessDays
from omniroute.app.cli_ledger import BATCH, MalformedFile, OrganisationOption, ask
from omniroute.app.console import JsonOption
from omniroute.app.databases import app_database, worker_database
from omniroute.app.places import with_database
from omniroute.app.rails import connectors
from omniroute.app.settings import load_settings
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, Tx
from omniroute.kit import ids
from omniroute.kit.clock import SystemClock
from omniroute.kit.currency import exponent
from omniroute.kit.money import Money, decimal_text, parse_amount
from omniroute.kit.refusal import Refusal
from omniroute.money import institutions, payments
from omniroute.money.payments import AttemptState, InitiatePayment, NotInitiated, PaymentState, PaymentType
from omniroute.money.policies import PolicyRulebooks
from omniroute.ports.rails import Party, PartyKind

payments_app = typer.Typer(help="Follow payments, and see what is unknown.", no_args_is_help=True)

COLUMNS = ("reference", "amount_minor", "currency", "source", "payee_kind", "payee")
OPTIONAL = ("type", "institution", "name", "country", "bill", "narration", "connection", "send_after")
FILE_BYTES_MAX = 64 * 1024 * 1024
PROBLEMS_SHOWN = 20
LOOK_S = 0.5
ACTOR = "operator"


def pay(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            help=f"CSV with {', '.join(COLUMNS)} [, {', '.join(OPTIONAL)}]; payee_kind is bank_account, msisdn, till, "
            "paybill, wallet or ledger; payee its number."
        ),
    ],
    organisation: OrganisationOption,
    wait: Annotated[int, typer.Option("--wait", help="Follow them for so many seconds; a worker must run.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Initiate the payments of a CSV file, in its order. Exit code 1 says that some were refused, or failed.

    The whole file is read first, and a bad line stops all of it. Repeating a file pays nothing twice: a reference is
    one payment for ever.
    """
    with console.reporting():
        outcomes, standings = asyncio.run(_pay(context, file, organisation, wait, quiet=as_json))
    refused: list[dict[str, object]] = [
        {"line": line, "reference": reference, "code": outcome.refusal.code, "detail": outcome.refusal.detail}
        for line, reference, outcome in outcomes
        if isinstance(outcome, NotInitiated)
    ]
    replayed = sum(isinstance(one, payments.Initiated) and one.replayed for _, _, one in outcomes)
    counts = {"initiated": len(outcomes) - len(refused), "refused": len(refused), "replayed": replayed}
    stands = dict(sorted(Counter(standing.status.value for standing in standings).items()))
    if as_json:
        console.show_json({**counts, "status": stands, "refusals": refused})
    else:
        if refused:
            console.show_table(refused[:PROBLEMS_SHOWN])
        console.say(", ".join(f"{count:,} {name}" for name, count in counts.items()))
        console.say(", ".join(f"{count:,} {name}" for name, count in stands.items()))
    failed = any(standing.payment.state is PaymentState.FAILED for standing in standings)
    raise typer.Exit(console.PROBLEMS if refused or failed else console.OK)


Outcomes = list[tuple[int, str, payments.InitiateOutcome]]


async def _pay(
    context: typer.Context, file: Path, organisation: str, wait_s: int, *, quiet: bool
) -> tuple[Outcomes, list[payments.Standing]]:
    tenant_id = ids.parse("org", organisation)
    commands = read_payments(file)
    settings, clock = with_database(load_settings(config=context.obj)), SystemClock()
    meta = Meta(actor=ACTOR, channel="cli")
    async with app_database(settings) as db, worker_database(settings) as worker_db:
        days = BusinessDays(worker_db, clock)
        await days.refresh()
        initiator = payments.Initiator(
            db, PolicyRulebooks(db, connectors(), clock=clock), clock=clock, business_day=days
        )
        outcomes: Outcomes = []
        with _progress(quiet) as progress:
            bar = progress.add_task("initiated", total=len(commands))
            for start in range(0, len(commands), BATCH):
                chunk = commands[start : start + BATCH]
                requests = [payments.Request(command, ACTOR, None, meta) for _, command in chunk]
                answers = await initiator.initiate_all(tenant_id, requests)
                outcomes += [(line, c.reference, one) for (line, c), one in zip(chunk, answers, strict=True)]
                progress.advance(bar, len(chunk))
            made = [one.payment.payment_id for _, _, one in outcomes if isinstance(one, payments.Initiated)]
            standings = await _follow(db, tenant_id, made, wait_s, progress)
        await initiator.close()
    return outcomes, standings


async def _follow(
    db: Database, tenant_id: UUID, payment_ids: Sequence[UUID], wait_s: int, progress: Progress
) -> list[payments.Standing]:
    """How payments stand: now, or when all are over, or when the wait is."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait_s
    bar = progress.add_task("finished", total=len(payment_ids), visible=wait_s > 0)
    while True:
        async with db.tx(tenant_id, readonly=True) as tx:
            found = await payments.find_payments(tx, payment_ids)
        over = sum(one.payment.state.is_final or one.payment.state is PaymentState.NEEDS_REVIEW for one in found)
        progress.update(bar, completed=over)
        if over == len(payment_ids) or loop.time() >= end:
            return found
        await asyncio.sleep(LOOK_S)


def _progress(quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console.err,
        disable=quiet,
    )


def read_payments(file: Path) -> list[tuple[int, InitiatePayment]]:
    """The payments of a CSV file with the lines they stand on.

    Raises: MalformedFile, naming every bad line, OSError.
    """
    size = file.stat().st_size
    if not 0 < size <= FILE_BYTES_MAX:
        raise MalformedFile(f"{file}: {size:,} bytes; a file has 1 to {FILE_BYTES_MAX:,}. Send larger ones as a batch")
    found: list[tuple[int, InitiatePayment]] = []
    problems: list[str] = []
    with file.open(newline="", encoding="utf-8-sig") as lines:
        try:
            reader = csv.DictReader(lines, strict=True)
            _check_columns(file, reader.fieldnames or [])
            for row in reader:
                try:
                    found.append((reader.line_num, _payment(row)))
                except (Refusal, ValueError) as error:
                    detail = error.detail if isinstance(error, Refusal) else str(error)
                    problems.append(f"line {reader.line_num}: {detail}")
        except UnicodeDecodeError as error:
            raise MalformedFile(f"{file}: not UTF-8; save it as CSV UTF-8") from error
        except csv.Error as error:
            raise MalformedFile(f"{file}, line {reader.line_num}: {error}") from error
    if problems:
        more = f" and {len(problems) - PROBLEMS_SHOWN:,} more" if len(problems) > PROBLEMS_SHOWN else ""
        raise MalformedFile(f"{file}: {'; '.join(problems[:PROBLEMS_SHOWN])}{more}", problems=problems[:500])
    if not found:
        raise MalformedFile(f"{file}: there is no payment in it")
    return found


def _check_columns(file: Path, names: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if name not in names]
    unknown = [name for name in names if name not in (*COLUMNS, *OPTIONAL)]
    if missing or unknown or len(set(names)) != len(names):
        wrong = f"missing {', '.join(missing)}" if missing else f"unknown or twice {', '.join(unknown or names)}"
        raise MalformedFile(f"{file}: columns are {', '.join(COLUMNS)} and {', '.join(OPTIONAL)} if you like; {wrong}")


def _payment(row: dict[str | Any, str | Any]) -> InitiatePayment:
    if None in row or None in row.values():
        raise ValueError("the number of fields is not that of the first line")
    given = {name: text.strip() for name, text in row.items()}
    kind = PartyKind(given["payee_kind"])
    party = Party(
        kind,
        given["payee"],
        given.get("institution") or None,
        given.get("name") or None,
        given.get("country") or None,
        given.get("bill") or None,
    )
    currency = given["currency"]
    at = given.get("send_after")
    return payments.initiate_payment(
        reference=given["reference"],
        type=PaymentType(given.get("type") or "BULK_DISBURSEMENT"),
        amount=Money(parse_amount(given["amount_minor"]), currency),
        source_code=given["source"],
        payee=party if kind is PartyKind.LEDGER else institutions.normalise_payee(party, currency=currency),
        narration=given.get("narration") or "",
        send_after=_instant(at) if at else None,
        connection=given.get("connection") or None,
    )


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("send_after: an instant with its offset, as 2026-11-21T08:00:00+01:00")
    return at


@payments_app.command("show")
def show_payment(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(help="Reference of the payment, or its id (pay_...).")],
    organisation: OrganisationOption,
    as_json: JsonOption = False,
) -> None:
    """Show a payment and all that happened to it."""

    async def look(tx: Tx) -> tuple[payments.Standing, list[payments.Attempt], list[payments.Step]]:
        if reference.startswith("pay_"):
            found = await payments.find_payment(tx, ids.parse("pay", reference))
        else:
            found = await payments.find_by_reference(tx, reference)
        payment_id = found.payment.payment_id
        return found, await payments.find_attempts(tx, payment_id), await payments.find_steps(tx, payment_id)

    with console.reporting():
        standing, attempts, steps = ask(context, organisation, look)
    payment = standing.payment
    facts: dict[str, object] = {
        "id": ids.show("pay", payment.payment_id),
        "reference": payment.reference,
        "status": standing.status.value,
        "state": payment.state.value,
        "reason": standing.reason,
        "amount": f"{payment.amount.currency} {_decimal(payment.amount)}",
        "source": payment.source_code,
        "payee": " ".join(filter(None, (payment.payee.identifier, payment.payee.institution, payment.payee.name))),
        "rail": payment.rail,
        "route": list(payment.route.get("why") or []),
        "external_reference": standing.external_reference,
    }
    timeline = [
        {
            "at": step.at.isoformat(timespec="milliseconds"),
            "state": step.state,
            "source": step.source.value,
            "reason": step.reason,
            "actor": step.actor,
        }
        for step in steps
    ]
    sends = [
        {
            "attempt": attempt.number,
            "rail": attempt.rail,
            "our_ref": attempt.our_ref,
            "state": attempt.state.value,
            "code": attempt.code,
            "message": attempt.message,
            "queries": attempt.query_count,
            "next_query_at": attempt.next_query_at and attempt.next_query_at.isoformat(timespec="seconds"),
        }
        for attempt in attempts
    ]
    if as_json:
        console.show_json({**facts, "attempts": sends, "timeline": timeline})
        return
    for name, value in facts.items():
        text = "; ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
        console.say(f"{name.replace('_', ' '):20} {text}")
    if sends:
        console.show_table(sends, title="attempts")
    console.show_table(timeline, title="timeline")


@payments_app.command("unknown")
def show_unknown(context: typer.Context, organisation: OrganisationOption, as_json: JsonOption = False) -> None:
    """List payments whose outcome nobody knows: how old, who looks after them, when we ask next."""

    async def look(tx: Tx) -> list[payments.Standing]:
        found: list[payments.Standing] = []
        cursor = None
        while True:
            page = await payments.list_unknown(tx, sort=None, limit=500, cursor=cursor)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    now = SystemClock().now()
    with console.reporting():
        found = ask(context, organisation, look)
    rows: list[dict[str, object]] = []
    for one in found:
        attempt = one.attempt
        assert attempt is not None, "it is the attempt that is unknown"
        manual = attempt.state is AttemptState.MANUAL
        age = now - (attempt.sent_at or attempt.created_at)
        rows.append(
            {
                "reference": one.payment.reference,
                "amount": f"{one.payment.amount.currency} {_decimal(one.payment.amount)}",
                "rail": attempt.rail,
                "our_ref": attempt.our_ref,
                "age": str(age).partition(".")[0],
                "owner": "operator" if manual else "worker",
                "queries": attempt.query_count,
                "next_query_at": None
                if manual or attempt.next_query_at is None
                else attempt.next_query_at.isoformat(timespec="seconds"),
            }
        )
    if as_json:
        console.show_json(rows)
    elif rows:
        console.show_table(rows)
    console.err.print(f"{len(rows):,} unknown")


def _decimal(amount: Money) -> str:
    return decimal_text(amount.amount_minor, exponent(amount.currency))
