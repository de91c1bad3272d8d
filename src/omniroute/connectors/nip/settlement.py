"""The settlement report: what NIBSS really moved on our account, and the last word on payments nobody can find.

NIBSS leaves its reports at a participant's portal or file drop, in a form agreed with each; there is no public one. We
read one table, which an operator's job or the sandbox serves over HTTPS; its address may be relative to the endpoint:

    GET {settlement_url}?date=2026-03-02&cursor=...     Authorization: Bearer {settlement_token}
    GET {settlement_url}?session=999001260302...        what moved under one session id, on any day

    Line,SettledAt,SessionID,Direction,Amount,BalanceAfter,Narration
    17,2026-03-02T09:15:00+01:00,000034260302091500123456789012,D,1000.00,250000.00,transfer

A day is one of Lagos. `Direction` is D (out of our account) or C. A `next-cursor` header says that there is more, a
`settled-until` header up to when everything that moved is in the report.
"""

import csv
import io
from dataclasses import replace
from datetime import date, datetime
from urllib.parse import urlencode, urljoin

from omniroute.connectors.nip import rules
from omniroute.connectors.nip.wire import parse_amount
from omniroute.connectors.replies import instant, send_order
from omniroute.infra.http import Reply, Request
from omniroute.ports.rails import (
    Answer,
    Context,
    Outcome,
    Payout,
    RailAnswerUnreadable,
    RailUnable,
    Result,
    StatementLine,
    StatementPage,
)

COLUMNS = ("Line", "SettledAt", "SessionID", "Direction", "Amount", "BalanceAfter", "Narration")


async def fetch(context: Context, day: date, cursor: str | None) -> StatementPage:
    """One page of a day's report.

    Raises: RailUnable when the connection does not say where the report lies; NotSent, Fault.
    """
    reply = await _get(context, {"date": day.isoformat()} | ({"cursor": cursor} if cursor else {}))
    return StatementPage(parse_report(reply.body), reply.headers.get("next-cursor") or None)


def decides(context: Context, payout: Payout) -> bool:
    """The time of status queries for this order is over, and there is a report to look into."""
    over = context.clock.now() >= payout.created_at + rules.QUERY_WINDOW
    return over and bool(context.credentials.public.get("settlement_url"))


async def look_up(context: Context, payout: Payout) -> Result:
    """What the report says of one order. Not found is said only when the report covers the whole query window.

    Raises: Fault.
    """
    reply = await _get(context, {"session": payout.our_ref})
    lines = [line for line in parse_report(reply.body) if line.our_ref == payout.our_ref]
    debits = [line for line in lines if not line.credit]
    given_back = sum(line.amount.amount_minor for line in lines if line.credit)
    told = Result(
        Outcome.UNKNOWN, Answer(None, "from the settlement report", {"lines": len(lines)}), our_ref=payout.our_ref
    )
    if not lines:
        until = instant(reply.headers.get("settled-until"))
        if until is None or until < payout.created_at + rules.QUERY_WINDOW:
            return replace(told, answer=Answer(None, "the settlement report is not complete yet"))
        return replace(told, outcome=Outcome.NOT_FOUND)
    if len(debits) != 1 or given_back not in (0, debits[0].amount.amount_minor):
        return replace(told, answer=Answer(None, "the settlement report shows more than one payment", told.answer.raw))
    outcome = Outcome.REVERSED if given_back else Outcome.SUCCEEDED
    return replace(told, outcome=outcome, amount=debits[0].amount, finalised_at=debits[0].booked_at)


async def _get(context: Context, asked: dict[str, str]) -> Reply:
    """Raises: RailUnable when the connection does not say where the report lies; NotSent, Fault."""
    address = context.credentials.public.get("settlement_url")
    if not address:
        raise RailUnable("the connection does not say where its settlement report lies (settlement_url)")
    token = context.credentials.secret.get("settlement_token")
    reply = await send_order(
        context,
        Request(
            method="GET",
            url=f"{urljoin(context.credentials.endpoint, address)}?{urlencode(asked)}",
            operation="nip.settlement",
            headers={"accept": "text/csv"} | ({"authorization": f"Bearer {token}"} if token else {}),
            safe=True,
            connect_timeout_s=rules.CONNECT_TIMEOUT_S,
            read_timeout_s=rules.READ_TIMEOUT_S,
        ),
    )
    if reply.status != 200:
        raise rules.ServerFailed(reply.status)
    return reply


def parse_report(content: bytes) -> tuple[StatementLine, ...]:
    """The lines of a report. A report with one unreadable line is none at all: what is missing would look unpaid.

    Raises: RailAnswerUnreadable.
    """
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise RailAnswerUnreadable(f"the settlement report has other columns than {','.join(COLUMNS)}")
        return tuple(_line(row) for row in reader)
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise RailAnswerUnreadable(f"the settlement report cannot be read: {error}") from error


def _line(row: dict[str, str]) -> StatementLine:
    booked_at = datetime.fromisoformat(row["SettledAt"])
    if len(row) != len(COLUMNS) or booked_at.tzinfo is None or row["Direction"] not in ("C", "D") or not row["Line"]:
        raise ValueError(f"line {row['Line']!r}")
    balance = row["BalanceAfter"]
    return StatementLine(
        line_id=row["Line"],
        booked_at=booked_at,
        amount=parse_amount(row["Amount"], rules.CURRENCY),
        credit=row["Direction"] == "C",
        our_ref=row["SessionID"] or None,
        provider_ref=None,
        narration=row["Narration"],
        balance_after=parse_amount(balance, rules.CURRENCY) if balance else None,
        value_on=booked_at.astimezone(rules.LAGOS).date(),
    )
