"""`omniroute pay`: the payments of a file, without HTTP. The files are those of batches."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from omniroute.app import console
from omniroute.app.calendar import BusinessDays
from omniroute.app.cli_ledger import BATCH, MalformedFile, OrganisationOption
from omniroute.app.console import JsonOption
from omniroute.app.databases import app_database, worker_database
from omniroute.app.places import with_database
from omniroute.app.rails import connectors
from omniroute.app.settings import load_settings
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.clock import SystemClock
from omniroute.kit.refusal import Kind, Refusal
from omniroute.money import batches, payments
from omniroute.money.batches import BYTES_MAX, BatchFormat, Defaults, FileLine, PaymentFile
from omniroute.money.payments import InitiatePayment, NotInitiated, PaymentState
from omniroute.money.policies import PolicyRulebooks
from omniroute.parties import tenants

FORMATS = {
    ".csv": BatchFormat.CSV,
    ".tsv": BatchFormat.CSV,
    ".txt": BatchFormat.CSV,
    ".jsonl": BatchFormat.JSON_LINES,
    ".ndjson": BatchFormat.JSON_LINES,
    ".xml": BatchFormat.PAIN_001,
}
PROBLEMS_SHOWN = 20
LOOK_S = 0.5
ACTOR = "operator"
META = Meta(actor=ACTOR, channel="cli")

Outcomes = list[tuple[int, str, payments.InitiateOutcome]]
Row = dict[str, object]


class BadLines(MalformedFile):
    """Lines of the file are wrong, and nothing of it was paid."""

    code = "app.bad_lines"
    kind = Kind.INVALID

    def __init__(self, file: Path, lines: Sequence[Row]) -> None:
        self.lines = lines
        first = lines[0]
        told = f"{file}: {len(lines):,} bad lines, and nothing is paid; line {first['line']}: {first['detail']}"
        super().__init__(told, lines=len(lines))


def pay(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            help=f"CSV (.csv, .tsv), JSON lines (.jsonl) or pain.001 (.xml). Columns: {', '.join(batches.COLUMNS)}, "
            "metadata.NAME; a reference, an amount and a payee are needed."
        ),
    ],
    organisation: OrganisationOption,
    source: Annotated[str | None, typer.Option("--source", help="Account that pays, where a line names none.")] = None,
    currency: Annotated[str | None, typer.Option("--currency", help="Where a line names none.")] = None,
    country: Annotated[str | None, typer.Option("--country", help="Of payees, where a line names none.")] = None,
    wait: Annotated[int, typer.Option("--wait", help="Follow them for so many seconds; a worker must run.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Initiate the payments of a file, in its order. Exit code 1 says that some were refused, or failed.

    The whole file is read first, and a bad line stops all of it. Repeating a file pays nothing twice: a reference is
    one payment for ever.
    """
    defaults = Defaults(currency=currency, source=source, country=country)
    with console.reporting():
        try:
            outcomes, standings = asyncio.run(_pay(context, file, defaults, organisation, wait, quiet=as_json))
        except BadLines as bad:
            _show_lines(bad.lines, as_json)
            raise
    refused: list[Row] = [
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
            _show_lines(refused, as_json)
        console.say(", ".join(f"{count:,} {name}" for name, count in counts.items()))
        if stands:
            console.say(", ".join(f"{count:,} {name}" for name, count in stands.items()))
    failed = any(standing.payment.state is PaymentState.FAILED for standing in standings)
    raise typer.Exit(console.PROBLEMS if refused or failed else console.OK)


async def _pay(
    context: typer.Context, file: Path, defaults: Defaults, organisation: str, wait_s: int, *, quiet: bool
) -> tuple[Outcomes, list[payments.Standing]]:
    settings, clock = with_database(load_settings(config=context.obj)), SystemClock()
    async with app_database(settings) as db, worker_database(settings) as worker_db:
        tenant_id = await tenants.find_tenant(db, organisation)
        async with db.tx(tenant_id, readonly=True) as tx:
            zone = ZoneInfo((await tenants.get_organisation(tx)).time_zone)
        commands = read_payments(file, defaults, zone=zone)
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
                requests = [payments.Request(command, ACTOR, None, META) for _, command in chunk]
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


def read_payments(file: Path, defaults: Defaults, *, zone: tzinfo) -> list[tuple[int, InitiatePayment]]:
    """The payments of a file with their numbers in it; days begin at midnight in `zone`.

    Raises: MalformedFile, BadLines, what `PaymentFile.take` raises, OSError.
    """
    kind = FORMATS.get(file.suffix.casefold())
    if kind is None:
        raise MalformedFile(f"{file}: what is in it tells its name, which ends in {', '.join(FORMATS)}")
    if not file.is_file():
        raise MalformedFile(f"{file}: there is no such file")
    size = file.stat().st_size
    if size > BYTES_MAX:
        raise MalformedFile(f"{file}: {size:,} bytes; a file has up to {BYTES_MAX:,}")
    found: list[tuple[int, InitiatePayment]] = []
    first: dict[str, int] = {}
    bad: list[Row] = []
    with file.open("rb") as content:
        reader = PaymentFile(content, kind, charset=None, defaults=defaults)
        while lines := reader.take(BATCH):
            for line in lines:
                try:
                    if (problem := _problem(line, first)) is None:
                        found.append((line.number, batches.payment_of(line, zone=zone)))
                        continue
                except Refusal as refusal:
                    problem = refusal.code, refusal.detail
                code, detail = problem
                bad.append({"line": line.number, "reference": line.reference, "code": code, "detail": detail})
    if bad:
        raise BadLines(file, bad)
    return found


def _problem(line: FileLine, first: dict[str, int]) -> tuple[str, str] | None:
    """What the file says wrongly in this line. Without a reference, repeating the file would pay again."""
    if line.problem is not None:
        return line.problem.code, line.problem.detail
    if line.reference is None:
        return "payments.malformed", "reference: is missing, and a payment is known by it for ever"
    if first.setdefault(line.reference, line.number) != line.number:
        return "batches.duplicate_reference", f"line {first[line.reference]} has the same one"
    return None


def _show_lines(rows: Sequence[Row], as_json: bool) -> None:
    """Lines of the file that went wrong, for people the first of them."""
    if as_json:
        console.show_json({"refusals": rows})
        return
    console.show_table(rows[:PROBLEMS_SHOWN])
    if len(rows) > PROBLEMS_SHOWN:
        console.say(f"and {len(rows) - PROBLEMS_SHOWN:,} more; --json tells all of them")
