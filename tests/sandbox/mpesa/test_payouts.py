"""Orders, questions and reversals at the sandbox's Daraja: its shapes, its codes, its books."""

import json
from datetime import timedelta
from typing import Any

import pytest

from omniroute.sandbox.faults import Fault
from omniroute.sandbox.transfers import State
from omniroute.sandbox.wire import Drop, WireReply
from tests.sandbox.mpesa.makers import RESULT, TIMED_OUT, Daraja, credential, told

WALLET = "/mpesa/b2c/v3/paymentrequest"
BUSINESS = "/mpesa/b2b/v1/paymentrequest"
STATUS = "/mpesa/transactionstatus/v1/query"
BALANCE = "/mpesa/accountbalance/v1/query"
REVERSAL = "/mpesa/reversal/v1/request"


def data(reply: WireReply) -> dict[str, Any]:
    body = json.loads(reply.body)
    assert isinstance(body, dict)
    return body


async def test_a_token_is_given_for_the_right_login_and_ends() -> None:
    daraja = Daraja()
    assert data(await daraja.log_in())["expires_in"] == "3599"
    assert (await daraja.log_in(login="wrong:wrong")).status == 400
    assert data(await daraja.log_in(grant="password"))["errorCode"] == "400.008.02"
    assert (await daraja.post(WALLET, daraja.wallet(), token="nonsense")).status == 401
    assert (await daraja.post(WALLET, daraja.wallet())).status == 200
    daraja.clock.at += timedelta(hours=1)
    assert data(await daraja.post(WALLET, daraja.wallet()))["errorCode"] == "401.002.01"


async def test_a_wallet_is_paid_and_told() -> None:
    daraja = Daraja(charge_minor=5_00)
    taken = data(await daraja.post(WALLET, daraja.wallet()))
    assert (taken["ResponseCode"], taken["OriginatorConversationID"]) == ("0", "R1")
    assert taken["ConversationID"].startswith("AG_20260302_")
    (result,) = await daraja.later()
    assert daraja.heard[0].url == RESULT
    transfer = daraja.world.find("mpesa", "R1")
    assert transfer is not None
    body, parameters = result["Result"], told(result)
    assert (body["ResultType"], body["ResultCode"], body["TransactionID"]) == (0, 0, transfer.rail_ref)
    assert (body["ConversationID"], body["OriginatorConversationID"]) == (taken["ConversationID"], "R1")
    assert (parameters["TransactionAmount"], parameters["TransactionReceipt"]) == (150, transfer.rail_ref)
    assert parameters["ReceiverPartyPublicName"].startswith("254708374149 - ")
    assert parameters["TransactionCompletedDateTime"] == "02.03.2026 12:00:00"
    assert parameters["B2CUtilityAccountAvailableFunds"] == 10**10 - 155
    assert parameters["B2CChargesPaidAccountAvailableFunds"] == -5
    assert [(m.kind, m.amount_minor, m.account) for m in daraja.world.movements] == [
        ("debit", -150_00, "600992"),
        ("fee", -5_00, "600992"),
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Amount": 9}, 2),
        ({"Amount": 250_001}, 3),
        ({"PartyB": 254708374000}, "SFC_IC0003"),
        ({"InitiatorName": "somebody"}, 2001),
        ({"SecurityCredential": "bm90IGEgY3JlZGVudGlhbA=="}, 2001),
        ({"SecurityCredential": "not base64"}, 2001),
        ({"PartyA": 600000}, 2028),
    ],
)
async def test_what_m_pesa_refuses_is_told_by_callback_and_moves_nothing(changes: dict[str, Any], code: Any) -> None:
    daraja = Daraja()
    assert data(await daraja.post(WALLET, daraja.wallet(**changes)))["ResponseCode"] == "0"
    (result,) = await daraja.later()
    assert result["Result"]["ResultCode"] == code
    assert result["Result"]["TransactionID"].endswith("0000000")
    assert "ResultParameters" not in result["Result"]
    assert daraja.world.movements == []


async def test_the_credential_is_opened_and_read() -> None:
    daraja = Daraja()
    wrong = credential(daraja.sandbox, "Sandbox#Initiator2")
    await daraja.post(WALLET, daraja.wallet(SecurityCredential=wrong))
    assert (await daraja.later())[0]["Result"]["ResultCode"] == 2001


async def test_without_funds_nothing_is_paid() -> None:
    daraja = Daraja(funds_minor=200_00)
    await daraja.post(WALLET, daraja.wallet())
    await daraja.post(WALLET, daraja.wallet(OriginatorConversationID="R2"))
    assert sorted(body["Result"]["ResultCode"] for body in await daraja.later()) == [0, 1]
    assert daraja.world.balance("mpesa", "600992", "KES") == 50_00


async def test_a_reference_is_taken_once() -> None:
    daraja = Daraja()
    await daraja.post(WALLET, daraja.wallet())
    for amount in (150, 20):
        again = await daraja.post(WALLET, daraja.wallet(Amount=amount))
        assert again.status == 500
        assert data(again)["errorCode"] == "500.002.1001"
        assert data(again)["errorMessage"] == "Duplicate OriginatorConversationID."
    assert len(await daraja.later()) == 1
    assert len(daraja.world.debits("mpesa", "R1")) == 1


async def test_a_bill_paid_twice_is_paid_twice() -> None:
    daraja = Daraja()
    first, second = [data(await daraja.post(BUSINESS, daraja.business())) for _ in range(2)]
    assert first["OriginatorConversationID"] != second["OriginatorConversationID"]
    results = await daraja.later()
    assert [told(result)["Amount"] for result in results] == ["150.00", "150.00"]
    assert told(results[0])["ReceiverPartyPublicName"] == "888880\u2013 Biller Company"
    assert {m.account for m in daraja.world.movements} == {"600992-working"}
    assert daraja.world.balance("mpesa", "600992-working", "KES") == 10**12 - 300_00


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OriginatorConversationID", ""),
        ("InitiatorName", None),
        ("SecurityCredential", ""),
        ("CommandID", "TakeTheMoney"),
        ("Amount", "10.5"),
        ("Amount", 0),
        ("Amount", -5),
        ("Amount", True),
        ("Amount", 10.0),
        ("PartyA", "6"),
        ("PartyB", "0708374149"),
        ("PartyB", "256701234567"),
        ("Remarks", "x"),
        ("Remarks", "x" * 101),
        ("ResultURL", "ftp://pay.test/"),
        ("ResultURL", "https://pay.test/mpesa/result"),
        ("ResultURL", "https://pay.test/r/status-QUERY"),
        ("QueueTimeOutURL", "https://safaricom.test/"),
    ],
)
async def test_the_gateway_names_the_field_it_does_not_take(name: str, value: Any) -> None:
    daraja = Daraja()
    refused = await daraja.post(WALLET, daraja.wallet(**{name: value}))
    assert refused.status == 400
    assert data(refused)["errorCode"] == "400.002.02"
    assert data(refused)["errorMessage"] == f"Bad Request - Invalid {name}"
    assert await daraja.later() == []
    assert daraja.world.transfers() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff"])
async def test_what_is_no_object_is_no_request(body: bytes) -> None:
    daraja = Daraja()
    assert data(await daraja.post(WALLET, body))["errorCode"] == "400.002.05"


async def test_an_unknown_path_is_not_found() -> None:
    assert (await Daraja().post("/mpesa/b2c/v9/paymentrequest", {})).status == 404


# -- questions ------------------------------------------------------------------------------------------------


async def test_a_question_is_answered_by_callback_with_two_codes() -> None:
    daraja = Daraja(charge_minor=22_40)
    await daraja.post(WALLET, daraja.wallet())
    await daraja.later()
    taken = data(await daraja.post(STATUS, daraja.question(OriginalConversationID="R1")))
    assert taken["OriginatorConversationID"] != "R1"
    (answer,) = await daraja.later()
    parameters = told(answer)
    assert answer["Result"]["ResultCode"] == 0
    assert answer["Result"]["OriginatorConversationID"] == taken["OriginatorConversationID"]
    assert parameters["TransactionStatus"] == "Completed"
    assert (parameters["OriginatorConversationID"], parameters["Amount"]) == ("R1", "150")
    assert parameters["DebitPartyCharges"] == "Fee For B2C Payment|KES|22.40"
    assert parameters["FinalisedTime"] == "20260302120000"
    by_receipt = daraja.question(TransactionID=parameters["ReceiptNo"])
    await daraja.post(STATUS, by_receipt)
    assert told((await daraja.later())[0]) == parameters


async def test_what_failed_and_what_nobody_knows_is_told() -> None:
    daraja = Daraja()
    await daraja.post(WALLET, daraja.wallet(Amount=9))
    await daraja.later()
    await daraja.post(STATUS, daraja.question(OriginalConversationID="R1"))
    assert told((await daraja.later())[0])["TransactionStatus"] == "Declined"
    daraja.world.fund("mpesa", "600992", "KES", 0)
    await daraja.post(WALLET, daraja.wallet(OriginatorConversationID="R2"))
    await daraja.post(STATUS, daraja.question(OriginalConversationID="R2"))
    assert sorted(told(body).get("TransactionStatus", "") for body in await daraja.later()) == ["", "Pending"]
    await daraja.post(STATUS, daraja.question(OriginalConversationID="R2"))
    assert told((await daraja.later())[0])["TransactionStatus"] == "Failed"
    await daraja.post(STATUS, daraja.question(OriginalConversationID="R-NEVER"))
    (answer,) = await daraja.later()
    assert (answer["Result"]["ResultCode"], told(answer)) == (2032, {})
    assert data(await daraja.post(STATUS, daraja.question()))["errorCode"] == "400.002.02"


async def test_a_question_by_a_stranger_tells_nothing() -> None:
    daraja = Daraja()
    await daraja.post(WALLET, daraja.wallet())
    await daraja.later()
    await daraja.post(STATUS, daraja.question(OriginalConversationID="R1", Initiator="somebody"))
    (answer,) = await daraja.later()
    assert (answer["Result"]["ResultCode"], told(answer)) == (2001, {})


async def test_balances_are_those_of_the_books() -> None:
    daraja = Daraja(charge_minor=5_00)
    await daraja.post(WALLET, daraja.wallet())
    await daraja.post(BUSINESS, daraja.business())
    await daraja.later()
    await daraja.post(BALANCE, daraja.question(CommandID="AccountBalance"))
    (answer,) = await daraja.later()
    accounts = dict(account.split("|KES|") for account in told(answer)["AccountBalance"].split("&"))
    assert accounts["Utility Account"] == "9999999845.00|9999999845.00|0.00|0.00"
    assert accounts["Working Account"] == "9999999845.00|9999999845.00|0.00|0.00"
    assert accounts["Charges Paid Account"] == "-10.00|-10.00|0.00|0.00"


async def test_a_bill_can_be_reversed_once_and_a_wallet_never() -> None:
    daraja = Daraja()
    await daraja.post(BUSINESS, daraja.business())
    await daraja.post(WALLET, daraja.wallet())
    await daraja.later()
    bill, wallet = daraja.world.transfers("mpesa")

    async def reverse(receipt: str, amount: int = 150, receiver: int = 888880) -> Any:
        body = daraja.question(
            CommandID="TransactionReversal",
            TransactionID=receipt,
            Amount=amount,
            ReceiverParty=receiver,
            RecieverIdentifierType="11",
        )
        assert data(await daraja.post(REVERSAL, body))["ResponseCode"] == "0"
        (answer,) = await daraja.later()
        return answer["Result"]["ResultCode"]

    assert await reverse(bill.rail_ref, amount=149) == "R000002"
    assert await reverse(bill.rail_ref, receiver=888881) == "R000002"
    assert await reverse(wallet.rail_ref) == "R000002"
    assert await reverse("QKA81LK5CY") == "R000002"
    assert bill.state is State.SUCCEEDED
    assert await reverse(bill.rail_ref) == 0
    assert await reverse(bill.rail_ref) == "R000001"
    assert {transfer.rail_ref: transfer.state for transfer in daraja.world.transfers("mpesa")} == {
        bill.rail_ref: State.REVERSED,
        wallet.rail_ref: State.SUCCEEDED,
    }
    assert daraja.world.balance("mpesa", "600992-working", "KES") == 10**12


# -- faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.LOST_REQUEST, Fault.ERROR_BEFORE])
async def test_before_nothing_happened(fault: Fault) -> None:
    daraja = Daraja()
    if fault is Fault.LOST_REQUEST:
        with pytest.raises(Drop):
            await daraja.post(WALLET, daraja.wallet(), fault=fault)
    else:
        assert (await daraja.post(WALLET, daraja.wallet(), fault=fault)).status == 500
    assert await daraja.later() == []
    assert daraja.world.find("mpesa", "R1") is None


@pytest.mark.parametrize("fault", [Fault.LOST_REPLY, Fault.ERROR_AFTER, Fault.SLOW])
async def test_after_it_happened(fault: Fault) -> None:
    daraja = Daraja()
    if fault is Fault.LOST_REPLY:
        with pytest.raises(Drop):
            await daraja.post(WALLET, daraja.wallet(), fault=fault)
    else:
        await daraja.post(WALLET, daraja.wallet(), fault=fault)
    assert len(await daraja.later()) == 1
    assert len(daraja.world.debits("mpesa", "R1")) == 1


async def test_late_success_comes_after_the_gateway_gave_up() -> None:
    daraja = Daraja()
    await daraja.post(WALLET, daraja.wallet(), fault=Fault.LATE_SUCCESS)
    await daraja.later()
    assert [request.url for request in daraja.heard] == [TIMED_OUT]
    await daraja.post(STATUS, daraja.question(OriginalConversationID="R1"))
    assert (await daraja.later())[0]["Result"]["ResultCode"] == 2032
    assert (await daraja.post(WALLET, daraja.wallet())).status == 500  # Nobody finds it, and still it is a duplicate.
    (result,) = await daraja.later(timedelta(days=2))
    assert result["Result"]["ResultCode"] == 0
    assert len(daraja.world.debits("mpesa", "R1")) == 1


async def test_callbacks_come_twice_early_never_or_with_another_amount() -> None:
    daraja = Daraja()
    await daraja.post(WALLET, daraja.wallet(), fault=Fault.EARLY_CALLBACK)
    assert len(daraja.heard) == 1
    for number, (fault, count) in enumerate([(Fault.DUPLICATE_CALLBACK, 3), (Fault.LOST_CALLBACK, 0)]):
        await daraja.post(WALLET, daraja.wallet(OriginatorConversationID=f"F{number}"), fault=fault)
        heard = await daraja.later(timedelta(minutes=6))
        heard += await daraja.later(timedelta(minutes=6))
        assert len(heard) == count
    await daraja.post(WALLET, daraja.wallet(OriginatorConversationID="F9"), fault=Fault.WRONG_AMOUNT)
    (result,) = await daraja.later()
    assert told(result)["TransactionAmount"] == 151
    assert daraja.world.debits("mpesa", "F9")[0].amount_minor == -150_00


async def test_a_fault_nobody_knows_is_refused() -> None:
    daraja = Daraja()
    assert (await daraja.post(WALLET, daraja.wallet(), fault="earthquake")).status == 400
