"""The settlement report: read whole or not at all, and the last word on an order."""

import dataclasses
from datetime import UTC, date, datetime, timedelta

import pytest

from omniroute.connectors.nip.settlement import parse_report
from omniroute.infra.http import Reply
from omniroute.kit.clock import FixedClock
from omniroute.kit.money import Money
from omniroute.kit.refusal import Fault
from omniroute.ports.rails import (
    Outcome,
    RailAnswerUnreadable,
    RailUnable,
)
from tests.connectors.nip.stage import (
    REF,
    REST,
    SOAP,
    SOAP_PATH,
    order,
    queried,
    rest,
    soap,
)
from tests.connectors.outside import NOW

API = "/nipservice/v1/nip"
OTHER = "999001260302100000000000000001"

REPORT = (
    "Line,SettledAt,SessionID,Direction,Amount,BalanceAfter,Narration\r\n"
    f'17,2026-03-02T10:15:00+01:00,{REF},D,1000.00,250000.00,"rent, March"\r\n'
    "18,2026-03-02T23:30:00Z,,C,50.00,,reversal\r\n"
)


async def test_the_settlement_report_is_read_by_page() -> None:
    page = Reply(200, {"next-cursor": "18"}, REPORT.encode())
    for rail, (http, context) in (
        (SOAP, soap({"GET /report": page}, settlement_url="https://bank.example.com/report")),
        (REST, rest({"GET /report": page}, settlement_url="https://bank.example.com/report")),
    ):
        found = await rail.fetch_statement(context, date(2026, 3, 2), "7")
        assert http.requests[-1].url == "https://bank.example.com/report?date=2026-03-02&cursor=7"
        assert found.cursor == "18"
        first, second = found.lines
        assert (first.our_ref, first.amount, first.credit) == (REF, Money(100_000, "NGN"), False)
        assert (first.booked_at, first.balance_after) == (
            datetime(2026, 3, 2, 9, 15, tzinfo=UTC), Money(25_000_000, "NGN"),
        )  # fmt: skip
        assert (second.our_ref, second.credit, second.balance_after, second.value_on) == (
            None, True, None, date(2026, 3, 3),
        )  # fmt: skip


LATER = NOW + timedelta(hours=24)
HEAD, PAID, BACK = REPORT.splitlines()[0], REPORT.splitlines()[1], f"19,2026-03-03T09:00:00Z,{REF},C,1000.00,,back"


@pytest.mark.parametrize(
    ("lines", "until", "outcome"),
    [
        ([], LATER, Outcome.NOT_FOUND),
        ([], LATER - timedelta(seconds=1), Outcome.UNKNOWN),
        ([], None, Outcome.UNKNOWN),
        ([PAID], None, Outcome.SUCCEEDED),
        ([PAID.replace(REF, OTHER)], LATER, Outcome.NOT_FOUND),
        ([PAID, BACK], None, Outcome.REVERSED),
        ([PAID, BACK.replace("1000.00", "1.00")], LATER, Outcome.UNKNOWN),
        ([PAID, PAID], LATER, Outcome.UNKNOWN),
        ([BACK], LATER, Outcome.UNKNOWN),
    ],
)
@pytest.mark.parametrize("form", ["soap", "rest"])
async def test_after_a_day_the_report_answers(
    form: str, lines: list[str], until: datetime | None, outcome: Outcome
) -> None:
    headers = {} if until is None else {"settled-until": until.isoformat()}
    script = {"GET /report": Reply(200, headers, "\r\n".join([HEAD, *lines, ""]).encode())}
    rail, (http, context) = (SOAP, soap(script, settlement_url="/report")) if form == "soap" else (
        REST, rest(script, settlement_url="/report")
    )  # fmt: skip
    context = dataclasses.replace(context, clock=FixedClock(LATER))

    result = await rail.query(context, order(), None)

    assert (result.outcome, result.our_ref) == (outcome, REF)
    assert result.amount == (Money(100_000, "NGN") if lines[:1] == [PAID] and outcome != "unknown" else None)
    assert [request.url for request in http.requests] == [f"https://nip.example.com/report?session={REF}"]


async def test_before_a_day_is_over_or_without_a_report_nip_is_asked() -> None:
    for at, public in ((LATER - timedelta(seconds=1), {"settlement_url": "/report"}), (LATER, {})):
        _, context = soap({SOAP_PATH: queried()}, **public)
        result = await SOAP.query(dataclasses.replace(context, clock=FixedClock(at)), order(), None)
        assert result.outcome is Outcome.SUCCEEDED


async def test_without_a_report_the_rail_says_so() -> None:
    _, context = soap({})
    with pytest.raises(RailUnable):
        await SOAP.fetch_statement(context, date(2026, 3, 2), None)
    _, context = soap({"GET /report": Reply(404, {}, b"")}, settlement_url="https://bank.example.com/report")
    with pytest.raises(Fault):
        await SOAP.fetch_statement(context, date(2026, 3, 2), None)


@pytest.mark.parametrize(
    "content",
    [
        "", "a,b\n1,2\n", REPORT + "19\r\n", REPORT + "19,yesterday,,D,1.00,,x\r\n",
        REPORT + "19,2026-03-02T10:15:00,,D,1.00,,no zone\r\n", REPORT + "19,2026-03-02T10:15:00Z,,X,1.00,,x\r\n",
        REPORT + "19,2026-03-02T10:15:00Z,,D,-1.00,,x\r\n", REPORT + "19,2026-03-02T10:15:00Z,,D,,,x\r\n",
        REPORT + "19,2026-03-02T10:15:00Z,,D,1.00,,x,more\r\n", REPORT + ',2026-03-02T10:15:00Z,,D,1.00,,x\r\n',
        REPORT + '19,2026-03-02T10:15:00Z,,D,1.00,,"cut',
    ],
)  # fmt: skip
def test_a_report_with_one_bad_line_is_none(content: str) -> None:
    """What is missing from a report looks unpaid."""
    with pytest.raises(RailAnswerUnreadable):
        parse_report(content.encode())
    with pytest.raises(RailAnswerUnreadable):
        parse_report(b"\xff" + content.encode())
