"""Accounts at Monnify: what we ask for, and what counts as opened, found, refused, closed or unknown."""

import base64
import dataclasses
import json
from typing import Any

import pytest

from omniroute.infra.http import ExchangeFailed, Reply, Sent
from omniroute.kit.refusal import Fault
from omniroute.ports.rails import (
    NotSent,
    RailAnswerUnreadable,
    RailUnable,
)
from tests.connectors.monnify.stage import (
    ACCOUNT,
    API_KEY,
    CLOSE,
    FIND,
    GOLDEN,
    LOGIN,
    NO_ACCOUNT,
    OPEN,
    RAIL,
    REF,
    SAME,
    SECRET_KEY,
    WANTED,
    bad,
    good,
    scripted,
)
from tests.connectors.outside import json_reply, lost, spec


async def test_the_order_for_an_account_is_written_as_the_golden_file_shows() -> None:
    http, context = scripted({OPEN: good(ACCOUNT)})
    made = await RAIL.open_account(context, WANTED)
    assert (made.our_ref, made.provider_ref, made.account_number, made.bank_code, made.bank_name) == (
        REF, "NWA7DMJ0W2UDK1KN5SLF", "6254727989", "50515", "Moniepoint Microfinance Bank",
    )  # fmt: skip
    assert (made.account_name, made.currency, made.active) == ("Mam", "NGN", True)
    [token, order] = http.requests
    login = base64.b64encode(f"{API_KEY}:{SECRET_KEY}".encode()).decode()
    assert token.headers["Authorization"] == f"Basic {login}"
    shown = {
        "method": order.method, "url": order.url, "headers": dict(order.headers), "body": json.loads(order.body),
    }  # fmt: skip
    assert shown == json.loads((GOLDEN / "open_account.json").read_text())


async def test_a_bank_is_asked_for_where_one_is_wanted_and_else_all() -> None:
    http, context = scripted({OPEN: good(ACCOUNT)})
    made = await RAIL.open_account(context, dataclasses.replace(WANTED, bank_code="035"))
    assert (made.bank_code, made.account_number) == ("035", "7206930470")
    assert json.loads(http.requests[-1].body)["preferredBanks"] == ["035"]
    http, context = scripted({OPEN: good(ACCOUNT)}, preferred_bank="")
    made = await RAIL.open_account(context, WANTED)
    body = json.loads(http.requests[-1].body)
    assert (body["getAllAvailableBanks"], "preferredBanks" in body, made.bank_code) == (True, False, "035")


async def test_the_account_of_version_1_is_read_too() -> None:
    old = {name: value for name, value in ACCOUNT.items() if name != "accounts"}
    old |= {"accountNumber": "9879377424", "bankName": "Providus Bank", "bankCode": "101"}
    _, context = scripted({FIND: good(old)})
    found = await RAIL.find_account(context, REF)
    assert found is not None
    assert (found.account_number, found.bank_code, found.account_name) == ("9879377424", "101", "Mam")


@pytest.mark.parametrize("status", ["INACTIVE", "DEALLOCATED", "", None, "active"])
async def test_only_an_active_account_takes_money(status: str | None) -> None:
    _, context = scripted({FIND: good({**ACCOUNT, "status": status})})
    found = await RAIL.find_account(context, REF)
    assert found is not None
    assert not found.active


async def test_a_second_try_finds_the_account_of_the_first() -> None:
    http, context = scripted({OPEN: SAME, FIND: good(ACCOUNT)})
    made = await RAIL.open_account(context, WANTED)
    assert made.account_number == "6254727989"
    assert len(http.sent("monnify.open_account")) == 1


@pytest.mark.parametrize(
    "reply",
    [
        SAME, bad(422, "Invalid contract code supplied."), bad(400, "Field contractCode cannot be null"),
        bad(403, "Could not Authorize merchant"),
        bad(422, "You cannot reserve more than 1 account(s) for a customer", "R42"),
    ],
)  # fmt: skip
async def test_monnifys_own_no_is_final_where_no_account_is_there(reply: Reply) -> None:
    _, context = scripted({OPEN: reply, FIND: NO_ACCOUNT})
    with pytest.raises(RailUnable):
        await RAIL.open_account(context, WANTED)


@pytest.mark.parametrize(
    "reply",
    [
        lost(), json_reply(500), json_reply(200), json_reply(200, {}), good(None), good({}), good([]),
        good({**ACCOUNT, "accountReference": "another"}), good({**ACCOUNT, "accounts": []}),
        good({**ACCOUNT, "currencyCode": "USD"}), good({**ACCOUNT, "currencyCode": None}),
        bad(500, "oops"), bad(429, "Too many requests"), bad(422, "Service unavailable"),
        bad(400, "There was an error processing the request, Please try again later..."),
        json_reply(404, {"error": "Not Found"}), json_reply(403), Reply(200, {}, b"<html>"),
        json_reply(200, {"requestSuccessful": True, "responseCode": "99", "responseBody": ACCOUNT}),
        json_reply(200, {"requestSuccessful": "true", "responseCode": "0", "responseBody": ACCOUNT}),
        json_reply(201, {"requestSuccessful": True, "responseCode": "0", "responseBody": ACCOUNT}),
    ],
)  # fmt: skip
async def test_everything_else_means_unknown(reply: Any) -> None:
    _, context = scripted({OPEN: reply, FIND: NO_ACCOUNT})
    with pytest.raises((ExchangeFailed, RailAnswerUnreadable)):
        await RAIL.open_account(context, WANTED)


async def test_a_refusal_behind_which_nobody_can_look_is_unknown() -> None:
    _, context = scripted({OPEN: SAME, FIND: lost()})
    with pytest.raises(ExchangeFailed):
        await RAIL.open_account(context, WANTED)


@pytest.mark.parametrize("token", [lost(), lost(Sent.NO), json_reply(500), good({}), json_reply(401)])
async def test_without_a_token_nothing_was_sent(token: Any) -> None:
    http, context = scripted({LOGIN: token})
    with pytest.raises(NotSent):
        await RAIL.open_account(context, WANTED)
    with pytest.raises(NotSent):
        await RAIL.close_account(context, REF)
    with pytest.raises(Fault):
        await RAIL.find_account(context, REF)
    assert {request.operation for request in http.requests} == {"monnify.token"}


async def test_a_refused_token_is_forgotten() -> None:
    gone = json_reply(401, {"error": "invalid_token", "error_description": "Access token expired"})
    http, context = scripted({OPEN: gone, FIND: gone, CLOSE: gone})
    with pytest.raises(NotSent):
        await RAIL.open_account(context, WANTED)
    with pytest.raises(RailAnswerUnreadable):
        await RAIL.find_account(context, REF)
    with pytest.raises(NotSent):
        await RAIL.close_account(context, REF)
    http.script.update({OPEN: good(ACCOUNT)})
    await RAIL.open_account(context, WANTED)
    assert len(http.sent("monnify.token")) == 4


@pytest.mark.parametrize(
    "reply", [lost(), json_reply(404), json_reply(404, {"error": "no route"}), bad(404, "?"), good({})]
)
async def test_an_account_is_missing_only_by_monnifys_own_word(reply: Any) -> None:
    _, context = scripted({FIND: reply})
    with pytest.raises((ExchangeFailed, RailAnswerUnreadable)):
        await RAIL.find_account(context, REF)
    _, context = scripted({FIND: NO_ACCOUNT})
    assert await RAIL.find_account(context, REF) is None


async def test_closing_is_done_when_it_is_closed() -> None:
    for reply in (good(ACCOUNT), NO_ACCOUNT):
        _, context = scripted({CLOSE: reply})
        await RAIL.close_account(context, REF)
    for unclear in (
        lost(),
        json_reply(500),
        json_reply(404),
        good({**ACCOUNT, "accountReference": "x"}),
        bad(422, "no"),
    ):
        _, context = scripted({CLOSE: unclear})
        with pytest.raises((ExchangeFailed, RailAnswerUnreadable)):
            await RAIL.close_account(context, REF)


def test_what_we_ask_for_keeps_to_the_fields_of_monnifys_own_library() -> None:
    fields = json.loads(spec("monnify/request-fields.json").read_text())["requests"]["reservedAccountSchema"]
    body = json.loads((GOLDEN / "open_account.json").read_text())["body"]
    needed = {name for name, rule in fields.items() if rule["required"]} - {"allowedPaymentSources"}
    assert needed <= set(body) <= set(fields)  # Sources that may pay are needed only where they are restricted.
    for name, value in body.items():
        rule = fields[name]
        kinds = {"string": str, "boolean": bool, "array": list}
        assert isinstance(value, kinds[rule["type"]]), name
        if isinstance(value, str):
            assert rule.get("min", 0) <= len(value) <= rule.get("length", 100), name
