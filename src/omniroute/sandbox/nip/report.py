"""The settlement report: every movement on an account on one day, as CSV, by page."""

import csv
import io
from datetime import date

from omniroute.sandbox.nip.switch import LAGOS, Switch, naira
from omniroute.sandbox.transfers import Movement
from omniroute.sandbox.wire import WireCall, WireReply

TOKEN = "settlement-report-token"  # noqa: S105 - of the sandbox, shown to everybody
PAGE_LINES = 5_000


def settlement(switch: Switch, account: str, call: WireCall) -> WireReply:
    """Answer `GET .../settlement?date=2026-03-02&cursor=...` or `?session=...`."""
    if call.headers.get("authorization") != f"Bearer {TOKEN}":
        return WireReply(401, b"who are you?\n", "text/plain")
    session = call.query.get("session")
    if session is not None:
        return _table(switch, switch.settled(account, session), {})
    try:
        day, start = date.fromisoformat(call.query.get("date", "")), int(call.query.get("cursor") or 0)
    except ValueError:
        return WireReply(400, b"no such day or page\n", "text/plain")
    booked = switch.statement(account, day)
    more = {"next-cursor": str(start + PAGE_LINES)} if len(booked) > start + PAGE_LINES else {}
    return _table(switch, booked[start : start + PAGE_LINES], more)


def _table(switch: Switch, lines: list[Movement], more: dict[str, str]) -> WireReply:
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(("Line", "SettledAt", "SessionID", "Direction", "Amount", "BalanceAfter", "Narration"))
    for line in lines:
        out.writerow(
            (
                line.number, line.at.astimezone(LAGOS).isoformat(), line.reference,
                "D" if line.amount_minor < 0 else "C", naira(abs(line.amount_minor)),
                naira(line.balance_after_minor) if line.balance_after_minor >= 0 else "", f"{line.kind} {line.payee}",
            )
        )  # fmt: skip
    headers = {"settled-until": switch.world.clock.now().isoformat(), **more}
    return WireReply(200, text.getvalue().encode(), "text/csv", headers)
