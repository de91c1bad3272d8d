"""`omniroute payments`: follow a payment, see what is unknown; without HTTP."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from omniroute.app import console
from omniroute.app.cli_ledger import OrganisationOption, ask
from omniroute.app.console import JsonOption
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.clock import SystemClock
from omniroute.kit.currency import exponent
from omniroute.kit.money import Money, decimal_text
from omniroute.money import payments
from omniroute.money.payments import AttemptState

WIDE = 120
"""Columns of a screen that has room for the rail's references; `show` tells them on any."""

payments_app = typer.Typer(help="Follow payments, and see what is unknown.", no_args_is_help=True)


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
        "holder": next((one.holder.name for one in reversed(attempts) if one.holder is not None), None),
        "rail": payment.rail,
        "route": list(payment.route.get("why") or []),
        "external_reference": standing.external_reference,
    }
    timeline: list[dict[str, object]] = [
        {
            "at": step.at,
            "state": step.state,
            "source": step.source.value,
            "reason": step.reason,
            "actor": step.actor,
        }
        for step in steps
    ]
    sends: list[dict[str, object]] = [
        {
            "attempt": attempt.number,
            "rail": attempt.rail,
            "our_ref": attempt.our_ref,
            "state": attempt.state.value,
            "code": attempt.code,
            "message": attempt.message,
            "queries": attempt.query_count,
            "next_query_at": attempt.next_query_at,
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
        console.show_table(sends, title="attempts", columns=_filled(sends))
    console.show_table(timeline, title="timeline", columns=_filled(timeline))


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
                "next_query_at": None if manual or attempt.next_query_at is None else attempt.next_query_at,
            }
        )
    if as_json:
        console.show_json(rows)
    elif rows:
        wide = console.out.width >= WIDE
        console.show_table(rows, columns=[name for name in rows[0] if wide or name != "our_ref"])
    console.err.print(f"{len(rows):,} unknown")


def _filled(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Columns in which something stands: a screen is narrow."""
    return [name for name in rows[0] if any(row[name] not in (None, "") for row in rows)]


def _decimal(amount: Money) -> str:
    return decimal_text(amount.amount_minor, exponent(amount.currency))
