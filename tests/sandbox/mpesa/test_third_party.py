"""A client that somebody else wrote pays, asks and is called back, over real HTTP, without knowing that we exist."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from mpesakit.account_balance import AccountBalanceResultCallback  # type: ignore[import-untyped]
from mpesakit.auth import TokenManager  # type: ignore[import-untyped]
from mpesakit.b2c import B2CCommandIDType  # type: ignore[import-untyped]
from mpesakit.business_paybill import BusinessPayBillResultCallback  # type: ignore[import-untyped]
from mpesakit.errors import MpesaApiException  # type: ignore[import-untyped]
from mpesakit.http_client import MpesaHttpClient  # type: ignore[import-untyped]
from mpesakit.mpesa_express.schemas import StkPushSimulateCallback  # type: ignore[import-untyped]
from mpesakit.reversal import ReversalResultCallback  # type: ignore[import-untyped]
from mpesakit.services import (  # type: ignore[import-untyped]
    B2BService,
    B2CService,
    BalanceService,
    C2BService,
    ReversalService,
    StkPushService,
    TransactionService,
)

from omniroute.sandbox.wire import WireServer
from tests.sandbox.mpesa.makers import RESULT, TIMED_OUT, Daraja, credential, told

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
WHERE = {"queue_timeout_url": TIMED_OUT, "result_url": RESULT}


class Stranger:
    """Their services, pointed at our sandbox."""

    def __init__(self, url: str, daraja: Daraja, *, secret: str | None = None) -> None:
        (connection,) = daraja.sandbox.connections()
        self._http = MpesaHttpClient("sandbox", trust_env=False)
        self._http.base_url = url
        self._tokens = TokenManager(
            consumer_key=connection.secret["consumer_key"],
            consumer_secret=secret or connection.secret["consumer_secret"],
            http_client=self._http,
        )
        self.daraja = daraja
        self.credential = credential(daraja.sandbox)

    def service(self, kind: Callable[..., Any]) -> Any:
        return kind(http_client=self._http, token_manager=self._tokens)

    async def pay(self, **changes: Any) -> Any:
        order = {
            "originator_conversation_id": "R1",
            "initiator_name": "testapi",
            "security_credential": self.credential,
            "command_id": B2CCommandIDType.BusinessPayment,
            "amount": 150,
            "party_a": "600992",
            "party_b": "254708374149",
            "remarks": "Week 47",
            **WHERE,
        }
        return await asyncio.to_thread(lambda: self.service(B2CService).send_payment(**(order | changes)))

    async def call(self, kind: Callable[..., Any], method: str, **arguments: Any) -> Any:
        who = {"initiator": "testapi", "security_credential": self.credential, "party_a": 600992, **WHERE}
        return await asyncio.to_thread(lambda: getattr(self.service(kind), method)(**(who | arguments)))


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    daraja = Daraja(charge_minor=5_00)
    async with WireServer(daraja.sandbox.handle) as server:
        yield Stranger(server.url, daraja)


async def test_their_client_pays_a_wallet(stranger: Stranger) -> None:
    reply = await stranger.pay()
    assert reply.is_successful()
    assert reply.OriginatorConversationID == "R1"
    (result,) = await stranger.daraja.later()
    assert told(result)["TransactionAmount"] == 150
    assert len(stranger.daraja.world.debits("mpesa", "R1")) == 1


async def test_their_client_is_told_of_a_duplicate(stranger: Stranger) -> None:
    await stranger.pay()
    with pytest.raises(MpesaApiException) as raised:
        await stranger.pay()
    assert raised.value.error.raw_response["errorCode"] == "500.002.1001"
    assert raised.value.error.error_message == "Duplicate OriginatorConversationID."


async def test_their_client_is_not_let_in_with_a_wrong_secret(stranger: Stranger) -> None:
    async with WireServer(stranger.daraja.sandbox.handle) as server:
        with pytest.raises(MpesaApiException) as raised:
            await Stranger(server.url, stranger.daraja, secret="wrong").pay()
    assert raised.value.error.raw_response["errorCode"] == "400.008.01"
    assert stranger.daraja.world.transfers() == []


async def test_their_client_pays_a_bill_and_reads_the_result(stranger: Stranger) -> None:
    reply = await stranger.call(
        B2BService,
        "paybill",
        amount=190,
        party_b=888880,
        account_reference="INV-7",
        requester="254708374149",
        remarks="ok",
    )
    assert reply.is_successful()
    (result,) = await stranger.daraja.later()
    # Their models want a list of reference items here, and one item elsewhere; the rail sends one.
    result["Result"]["ReferenceData"]["ReferenceItem"] = [result["Result"]["ReferenceData"]["ReferenceItem"]]
    read = BusinessPayBillResultCallback.model_validate(result)
    assert read.Result.TransactionID == stranger.daraja.world.transfers("mpesa")[0].rail_ref


async def test_their_client_asks_for_status_balance_and_reversal(stranger: Stranger) -> None:
    await stranger.pay()
    await stranger.call(
        B2BService, "paybill", amount=190, party_b=888880, account_reference="I", requester="254708374149", remarks="ok"
    )
    await stranger.daraja.later()
    asked = await stranger.call(
        TransactionService,
        "query_status",
        transaction_id=stranger.daraja.world.transfers("mpesa")[0].rail_ref,
        identifier_type=4,
        command_id="TransactionStatusQuery",
        remarks="ok",
    )
    assert asked.is_successful()
    assert told((await stranger.daraja.later())[0])["TransactionStatus"] == "Completed"
    asked = await stranger.call(BalanceService, "query", command_id="AccountBalance", identifier_type=4, remarks="ok")
    assert asked.is_successful()
    (balance,) = await stranger.daraja.later()
    assert AccountBalanceResultCallback.model_validate(balance).Result.ResultCode == 0
    bill = stranger.daraja.world.transfers("mpesa")[1]
    reply = await asyncio.to_thread(
        lambda: stranger.service(ReversalService).reverse(
            initiator="testapi",
            security_credential=stranger.credential,
            transaction_id=bill.rail_ref,
            amount=190,
            receiver_party=888880,
            remarks="ok",
            **WHERE,
        )
    )
    assert reply.is_successful()
    (reversal,) = await stranger.daraja.later()
    reversal["Result"]["ResultCode"] = str(reversal["Result"]["ResultCode"])  # Their model reads text only.
    assert ReversalResultCallback.model_validate(reversal).Result.ResultCode == "0"


async def test_their_client_prompts_a_customer(stranger: Stranger) -> None:
    reply = await asyncio.to_thread(
        lambda: stranger.service(StkPushService).push(
            business_short_code=600992,
            passkey=stranger.daraja.sandbox.till.passkey,
            transaction_type="CustomerPayBillOnline",
            amount=10,
            party_a="254708374149",
            party_b="600992",
            phone_number="254708374149",
            callback_url=RESULT,
            account_reference="INV-7",
            transaction_desc="Invoice",
        )
    )
    assert reply.is_successful()
    (result,) = await stranger.daraja.later()
    read = StkPushSimulateCallback.model_validate(result)
    assert read.Body.stkCallback.ResultCode == 0
    status = await asyncio.to_thread(
        lambda: stranger.service(StkPushService).query(
            business_short_code=600992,
            passkey=stranger.daraja.sandbox.till.passkey,
            checkout_request_id=reply.CheckoutRequestID,
        )
    )
    assert str(status.ResultCode) == "0"


async def test_their_client_registers_addresses(stranger: Stranger) -> None:
    reply = await asyncio.to_thread(
        lambda: stranger.service(C2BService).register_url(
            short_code=600992,
            response_type="Completed",
            confirmation_url="https://pay.test/c/1f/k/1",
            validation_url="https://pay.test/c/1f/w/1",
        )
    )
    assert reply.is_successful()
