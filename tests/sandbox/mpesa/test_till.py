"""What customers pay at the sandbox's Daraja: prompts, paybill payments and the pull list."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox.mpesa.makers import Daraja

PROMPT = "/mpesa/stkpush/v1/processrequest"
ASK = "/mpesa/stkpushquery/v1/query"
STAMP = "20260302120000"


def _password(daraja: Daraja, passkey: str | None = None) -> str:
    return base64.b64encode(f"600992{passkey or daraja.sandbox.till.passkey}{STAMP}".encode()).decode()


def _prompt(daraja: Daraja, **changes: Any) -> dict[str, Any]:
    return {
        "BusinessShortCode": 600992,
        "Password": _password(daraja),
        "Timestamp": STAMP,
        "TransactionType": "CustomerPayBillOnline",
        "Amount": 10,
        "PartyA": 254708374149,
        "PartyB": 600992,
        "PhoneNumber": 254708374149,
        "CallBackURL": "https://pay.test/c/1f/k/1",
        "AccountReference": "INV-7",
        "TransactionDesc": "Invoice",
    } | changes


def _question(daraja: Daraja, checkout_id: str) -> dict[str, Any]:
    return {
        "BusinessShortCode": 600992,
        "Password": _password(daraja),
        "Timestamp": STAMP,
        "CheckoutRequestID": checkout_id,
    }


async def test_a_prompt_is_paid_asked_about_and_told() -> None:
    daraja = Daraja()
    taken = json.loads((await daraja.post(PROMPT, _prompt(daraja))).body)
    checkout_id = taken["CheckoutRequestID"]
    assert (taken["ResponseCode"], checkout_id[:6]) == ("0", "ws_CO_")
    running = await daraja.post(ASK, _question(daraja, checkout_id))
    assert (running.status, json.loads(running.body)["errorCode"]) == (500, "500.001.1001")
    (result,) = await daraja.later()
    callback = result["Body"]["stkCallback"]
    items = {item["Name"]: item.get("Value") for item in callback["CallbackMetadata"]["Item"]}
    assert (callback["ResultCode"], items["Amount"], items["PhoneNumber"]) == (0, 10, 254708374149)
    answer = json.loads((await daraja.post(ASK, _question(daraja, checkout_id))).body)
    assert answer["ResultCode"] == "0"
    assert daraja.world.balance("mpesa", "600992", "KES") == 10**12 + 10_00


@pytest.mark.parametrize(("digits", "code"), [("001", 1), ("019", 1019), ("032", 1032), ("037", 1037), ("201", 2001)])
async def test_customers_refuse_in_known_ways(digits: str, code: int) -> None:
    daraja = Daraja()
    await daraja.post(PROMPT, _prompt(daraja, PhoneNumber=f"254708374{digits}"))
    (result,) = await daraja.later()
    assert result["Body"]["stkCallback"]["ResultCode"] == code
    assert "CallbackMetadata" not in result["Body"]["stkCallback"]
    assert daraja.sandbox.till.received == []


async def test_the_same_again_within_two_minutes_is_refused() -> None:
    daraja = Daraja()
    for _ in range(2):
        await daraja.post(PROMPT, _prompt(daraja))
    assert [body["Body"]["stkCallback"]["ResultCode"] for body in await daraja.later()] == [0, 17]


async def test_a_wrong_passkey_is_refused() -> None:
    daraja = Daraja()
    refused = await daraja.post(PROMPT, _prompt(daraja, Password=_password(daraja, "other")))
    assert (refused.status, json.loads(refused.body)["errorMessage"]) == (500, "Wrong credentials")
    assert await daraja.later() == []


async def test_payments_are_confirmed_pulled_and_given_back() -> None:
    daraja = Daraja()
    register = {
        "ShortCode": "600992",
        "ResponseType": "Completed",
        "ConfirmationURL": "https://pay.test/c/1f/k/2",
        "ValidationURL": "https://pay.test/c/1f/w/2",
    }
    assert json.loads((await daraja.post("/mpesa/c2b/v2/registerurl", register)).body)["ResponseCode"] == "0"
    payment = {
        "ShortCode": 600992,
        "CommandID": "CustomerPayBillOnline",
        "Amount": 200,
        "Msisdn": 254708374149,
        "BillRefNumber": "INV-8",
    }
    await daraja.post("/mpesa/c2b/v2/simulate", payment)
    (confirmation,) = await daraja.later()
    assert (confirmation["TransAmount"], confirmation["BillRefNumber"]) == ("200.00", "INV-8")
    assert (confirmation["MSISDN"], confirmation["TransTime"]) == ("2547*****149", "20260302120000")
    window = {
        "ShortCode": "600992",
        "StartDate": "2026-03-01 00:00:00",
        "EndDate": "2026-03-03 00:00:00",
        "OffSetValue": "0",
    }
    assert (await daraja.post("/pulltransactions/v1/query", window)).status == 400
    pull = {
        "ShortCode": "600992",
        "RequestType": "Pull",
        "NominatedNumber": "254722000000",
        "CallBackURL": "https://pay.test/c/1f/k/3",
    }
    assert json.loads((await daraja.post("/pulltransactions/v1/register", pull)).body)["ResponseStatus"] == "1000"
    pulled = json.loads((await daraja.post("/pulltransactions/v1/query", window)).body)
    ((row,),) = pulled["Response"]
    assert (row["transactionId"], row["amount"]) == (confirmation["TransID"], "200.00")
    back = daraja.question(
        CommandID="TransactionReversal",
        TransactionID=row["transactionId"],
        Amount=200,
        ReceiverParty=600992,
        RecieverIdentifierType="11",
    )
    codes = []
    for _ in range(2):
        await daraja.post("/mpesa/reversal/v1/request", back)
        codes.append((await daraja.later())[0]["Result"]["ResultCode"])
    assert codes == [0, "R000001"]
    assert daraja.world.balance("mpesa", "600992", "KES") == 10**12
    daraja.clock.at += timedelta(hours=47)
    daraja._token = ""
    assert json.loads((await daraja.post("/pulltransactions/v1/query", window)).body)["ResponseCode"] == "1000"
    daraja.clock.at += timedelta(hours=2)
    daraja._token = ""
    assert json.loads((await daraja.post("/pulltransactions/v1/query", window)).body)["ResponseCode"] == "1001"
