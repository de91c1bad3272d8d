"""Credits at Monnify: what its books say counts, exactly or not at all; and when it was paid."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.connectors.monnify.wire import read_credit, read_time
from omniroute.connectors.replies import text
from omniroute.kit.money import Money
from omniroute.kit.refusal import Fault
from omniroute.ports.rails import (
    Credit,
    Outcome,
    Party,
    PartyKind,
    RailAnswerUnreadable,
    StatementLine,
)
from tests.connectors.monnify.stage import (
    CREDIT_ID,
    NO_TRANSACTION,
    PAID,
    RAIL,
    REF,
    SEARCH,
    STATUS,
    bad,
    good,
    scripted,
)
from tests.connectors.outside import NOW, json_reply, lost, mutations


async def found(body: Any) -> Credit | None:
    _, context = scripted({STATUS: good(body)})
    return await RAIL.find_credit(context, CREDIT_ID)


async def test_a_credit_is_told_as_the_books_have_it() -> None:
    credit = await found(PAID)
    assert credit == Credit(
        CREDIT_ID, REF, Money(300_000, "NGN"), Money(1_000, "NGN"), datetime(2021, 11, 17, 10, 28, 42, tzinfo=UTC),
        None, Party(PartyKind.BANK_ACCOUNT, "******2190", "000001", "EMEKA EZE", "NG"), None, "Adm", True,
    )  # fmt: skip


async def test_only_monnifys_word_says_that_there_is_no_credit() -> None:
    _, context = scripted({STATUS: NO_TRANSACTION})
    assert await RAIL.find_credit(context, CREDIT_ID) is None
    for kind in ("WEB_SDK", "OFFLINE_PAYMENT_AGENT", None):
        assert await found({**PAID, "product": {"type": kind, "reference": "x"}}) is None
    for reply in (
        lost(),
        json_reply(404),
        bad(404, "?"),
        bad(500, "no transaction matching"),
        json_reply(401),
        good({}),
    ):
        _, context = scripted({STATUS: reply})
        with pytest.raises(Fault):
            await RAIL.find_credit(context, CREDIT_ID)


@pytest.mark.parametrize(
    ("status", "settled"),
    [
        ("PAID", True), ("OVERPAID", True), ("PARTIALLY_PAID", True), ("PENDING", False), ("REVERSED", False),
        ("FAILED", False), ("EXPIRED", False), ("ABANDONED", False), ("CANCELLED", False), ("paid", False),
        ("PAID ", True), ("SETTLED", False), ("", False), (None, False), (1, False), (True, False),
    ],
)  # fmt: skip
async def test_booked_is_only_what_is_in_a_state_that_is_listed_as_paid(status: object, settled: bool) -> None:
    credit = await found({**PAID, "paymentStatus": status})
    assert credit is not None
    assert credit.settled is settled


@pytest.mark.parametrize(
    "fields",
    [
        {"transactionReference": "MNFY|another"}, {"transactionReference": None}, {"amountPaid": None},
        {"amountPaid": "3000.001"}, {"amountPaid": "3,000.00"}, {"amountPaid": "0.00"}, {"amountPaid": "-1"},
        {"amountPaid": "3e3"}, {"amountPaid": True}, {"currency": None}, {"currency": "XXX"}, {"paidOn": None},
        {"paidOn": "yesterday"}, {"paidOn": "31/02/2021 1:00:00 AM"}, {"product": {"type": "RESERVED_ACCOUNT"}},
        {"settlementAmount": "3000.01"}, {"settlementAmount": "-1"}, {"settlementAmount": "x"},
        {"settlementAmount": "2990.001"},
    ],
)  # fmt: skip
async def test_what_is_not_exact_is_a_fault_and_never_a_credit(fields: dict[str, Any]) -> None:
    with pytest.raises(RailAnswerUnreadable):
        await found({**PAID, **fields})


@pytest.mark.parametrize(("settled", "fee"), [(None, None), ("", None), ("3000.00", 0), (3000, 0), ("0", 300_000)])
async def test_the_fee_is_what_is_not_settled(settled: object, fee: int | None) -> None:
    credit = await found({**PAID, "settlementAmount": settled})
    assert credit is not None
    assert credit.fee == (None if fee is None else Money(fee, "NGN"))


@given(st.integers(1, 10**15), st.integers(0, 10**15))
def test_amounts_come_out_as_they_went_in(minor: int, kept: int) -> None:
    kept = min(kept, minor)
    written, settled = (f"{value // 100}.{value % 100:02}" for value in (minor, minor - kept))
    for spelled in (written, json.loads(written, parse_float=str), written.rstrip("0").rstrip(".")):
        data = {**PAID, "amountPaid": spelled, "settlementAmount": settled}
        credit = read_credit(data, RAIL.codes()["query"])
        assert (credit.amount, credit.fee) == (Money(minor, "NGN"), Money(kept, "NGN"))


@given(st.text(max_size=20))
def test_a_state_nobody_listed_books_nothing(state: str) -> None:
    listed = {code for code, entry in RAIL.codes()["query"].entries.items() if entry.outcome is Outcome.SUCCEEDED}
    credit = read_credit({**PAID, "paymentStatus": state}, RAIL.codes()["query"])
    assert credit.settled == (text(state) in listed)


def test_a_damaged_answer_is_a_fault_or_still_says_what_was_paid() -> None:
    for label, data in mutations(PAID):
        try:
            credit = read_credit(data, RAIL.codes()["query"]) if isinstance(data, dict) else None
        except RailAnswerUnreadable:
            continue
        if credit is not None and credit.settled:
            assert (credit.amount, credit.fee in (None, Money(1_000, "NGN"))) == (Money(300_000, "NGN"), True), label


async def test_missed_credits_are_listed_and_each_is_asked_about() -> None:
    listed = [
        {"transactionReference": CREDIT_ID, "paymentStatus": "PAID", "amountPaid": 9999},
        {"transactionReference": "MNFY|2", "paymentStatus": "EXPIRED"},
        {"transactionReference": "MNFY|3", "paymentStatus": "PAID"}, {"transactionReference": None}, "damage",
    ]  # fmt: skip
    third = good({**PAID, "transactionReference": "MNFY|3", "amountPaid": "broken"})
    http, context = scripted(
        {
            SEARCH: good({"content": listed, "last": False}),
            STATUS: good(PAID),
            "GET /api/v2/transactions/MNFY%7C3": third,
        }
    )
    since = NOW - timedelta(hours=1)
    page = await RAIL.fetch_credits(context, since, None)
    assert [credit.amount for credit in page.credits] == [Money(300_000, "NGN")]
    asked = parse_qs(urlsplit(http.sent("monnify.search")[0].url).query)
    until = int(NOW.timestamp()) * 1000 + 1
    assert asked == {
        "page": ["0"], "size": ["20"], "from": [str(int(since.timestamp()) * 1000)], "to": [str(until)],
    }  # fmt: skip
    assert page.cursor == f"{until}:1"
    await RAIL.fetch_credits(context, since, page.cursor)
    assert parse_qs(urlsplit(http.sent("monnify.search")[1].url).query)["page"] == ["1"]
    for reply in (json_reply(500), good({}), good({"content": {}}), lost()):
        http.script[SEARCH] = reply
        with pytest.raises(Fault):
            await RAIL.fetch_credits(context, since, None)
    http.script[SEARCH] = good({"content": listed, "last": True})
    http.script[STATUS] = lost()
    with pytest.raises(Fault):  # Nothing is known of one of them: the page is asked for again.
        await RAIL.fetch_credits(context, since, None)
    with pytest.raises(RailAnswerUnreadable):
        await RAIL.fetch_credits(context, since, "another cursor")


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2021-11-17 11:28:42.615", datetime(2021, 11, 17, 10, 28, 42, 615_000, UTC)),
        ("17/11/2021 3:48:10 PM", datetime(2021, 11, 17, 14, 48, 10, tzinfo=UTC)),
        ("17/11/2021 12:00:00 AM", datetime(2021, 11, 16, 23, 0, 0, tzinfo=UTC)),
        ("17/11/2021 12:00:00 PM", datetime(2021, 11, 17, 11, 0, 0, tzinfo=UTC)),
        ("26/02/2020 09:38:13 AM", datetime(2020, 2, 26, 8, 38, 13, tzinfo=UTC)),
        ("23/05/2019 18:21:33", datetime(2019, 5, 23, 17, 21, 33, tzinfo=UTC)),
        ("2019-07-24T14:12:27.000+0000", datetime(2019, 7, 24, 14, 12, 27, tzinfo=UTC)),
        ("2025-09-01T23:13:19Z", datetime(2025, 9, 1, 23, 13, 19, tzinfo=UTC)),
        ("31/02/2021 1:00:00 AM", None), ("17/11/2021 13:00:00 PM", None), ("11/17/2021 1:00:00 AM", None),
        ("17/11/2021 0:00:00 AM", None), ("", None), (None, None), ("soon", None), ("0001-01-01 00:00:00", None),
        (1637148490, None),
    ],
)  # fmt: skip
def test_times_are_those_of_lagos(written: object, at: datetime | None) -> None:
    assert read_time(written) == at


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading_of_times(written: str) -> None:
    found_ = read_time(written)
    assert found_ is None or found_.tzinfo is UTC


# -- statements -------------------------------------------------------------------------------------------------------

LINE = {  # As Monnify's pages show a transaction in a list.
    "customerDTO": {"email": "test@tester.com", "name": "Test Reserved Account", "merchantCode": "ALJKHDALASD"},
    "providerAmount": "0.21", "paymentMethod": "ACCOUNT_TRANSFER", "createdOn": "2019-07-24T14:12:27.000+0000",
    "amount": "100.00", "flagged": False, "fee": "0.79", "currencyCode": "NGN",
    "completedOn": "2019-07-24T14:12:28.000+0000", "paymentDescription": "Test Reserved Account",
    "paymentStatus": "PAID", "transactionReference": "MNFY|20190724141227|003374", "payableAmount": "100.00",
    "amountPaid": "100.00", "completed": True,
}  # fmt: skip


async def test_a_statement_has_what_was_settled_that_day_net_of_the_fee() -> None:
    strange = {**LINE, "paymentStatus": "ON_HOLD"}
    free = {**LINE, "transactionReference": "MNFY|2", "fee": 0}
    eaten = {**LINE, "transactionReference": "MNFY|3", "fee": 100}
    http, context = scripted({SEARCH: good({"content": [LINE, strange, "damage", free, eaten], "last": False})})
    page = await RAIL.fetch_statement(context, date(2019, 7, 24), None)
    at = datetime(2019, 7, 24, 14, 12, 28, tzinfo=UTC)
    assert page.lines == (
        StatementLine(
            "MNFY|20190724141227|003374", at, Money(9_921, "NGN"), True, None, "MNFY|20190724141227|003374",
            "Test Reserved Account",
        ),
        StatementLine("MNFY|2", at, Money(10_000, "NGN"), True, None, "MNFY|2", "Test Reserved Account"),
    )  # fmt: skip
    start = int(datetime(2019, 7, 24, tzinfo=UTC).timestamp()) * 1000
    asked = parse_qs(urlsplit(http.sent("monnify.search")[0].url).query)
    assert asked == {"page": ["0"], "size": ["100"], "from": [str(start)], "to": [str(start + 86_400_000 - 1)]}
    assert page.cursor == f"{start + 86_400_000 - 1}:1"
    http.script[SEARCH] = good({"content": [], "last": False})
    last = await RAIL.fetch_statement(context, date(2019, 7, 24), page.cursor)
    assert (last.lines, last.cursor) == ((), None)


@pytest.mark.parametrize(
    "fields",
    [
        {"fee": None}, {"fee": "100.01"}, {"fee": "-1"}, {"amountPaid": "1.001"}, {"completedOn": None},
        {"transactionReference": None}, {"currencyCode": "XXX"},
    ],
)  # fmt: skip
async def test_a_line_that_is_not_exact_makes_the_statement_unreadable(fields: dict[str, Any]) -> None:
    _, context = scripted({SEARCH: good({"content": [{**LINE, **fields}], "last": True})})
    with pytest.raises(RailAnswerUnreadable):
        await RAIL.fetch_statement(context, date(2019, 7, 24), None)
