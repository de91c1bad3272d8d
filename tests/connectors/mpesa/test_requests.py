"""What we send to Daraja: golden bodies, valid against every schema there is, with no secret in the clear."""

import base64
import json
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from hypothesis import given, settings
from hypothesis import strategies as st
from mpesakit.account_balance import AccountBalanceRequest  # type: ignore[import-untyped]
from mpesakit.b2c import B2CRequest  # type: ignore[import-untyped]
from mpesakit.business_buy_goods import BusinessBuyGoodsRequest  # type: ignore[import-untyped]
from mpesakit.business_paybill import BusinessPayBillRequest  # type: ignore[import-untyped]
from mpesakit.reversal import ReversalRequest  # type: ignore[import-untyped]
from mpesakit.transaction_status import TransactionStatusRequest  # type: ignore[import-untyped]

from omniroute.connectors.mpesa import MpesaConnector, wire
from omniroute.infra.http import ExchangeFailed, Sent
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.ports.rails import NotSent, Outcome, Party, PartyKind, RailUnable
from tests.connectors.mpesa import makers
from tests.connectors.mpesa.makers import NOW, PAYBILL, REF, TAKEN, TILL, context, payout, reply

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
rail = MpesaConnector()
RECEIPT = "QKA81LK5CY"


async def _emit(what: str) -> tuple[str, dict[str, Any]]:
    """Path and body of one request of ours."""
    here, daraja = context([reply(200, TAKEN)])
    match what:
        case "wallet":
            await rail.submit(here, payout())
        case "till":
            await rail.submit(here, payout(TILL))
        case "paybill":
            await rail.submit(here, payout(PAYBILL))
        case "status":
            await rail.query(here, payout(), None)
        case "status by receipt":
            await rail.query(here, payout(TILL), RECEIPT)
        case "balance":
            await rail.fetch_balances(here)
        case "reversal":
            await rail.reverse(here, payout(TILL), RECEIPT, "R0000000000000000")
    request = daraja.requests[-1]
    return request.url.removeprefix("https://daraja.test"), daraja.body


GOLDEN = {
    "wallet": (
        "/mpesa/b2c/v3/paymentrequest",
        {
            "OriginatorConversationID": REF,
            "InitiatorName": "testapi",
            "CommandID": "BusinessPayment",
            "Amount": 150,
            "PartyA": 600992,
            "PartyB": 254708374149,
            "Remarks": "Week 47",
            "QueueTimeOutURL": f"https://pay.test/c/0123456789abcdef/t/{REF}",
            "ResultURL": f"https://pay.test/c/0123456789abcdef/r/{REF}",
            "Occassion": "PAY-1",
        },
    ),
    "till": (
        "/mpesa/b2b/v1/paymentrequest",
        {
            "Initiator": "testapi",
            "CommandID": "BusinessBuyGoods",
            "SenderIdentifierType": 4,
            "RecieverIdentifierType": 4,
            "Amount": 150,
            "PartyA": 600992,
            "PartyB": 600000,
            "AccountReference": REF[-13:],
            "Remarks": "Week 47",
            "QueueTimeOutURL": f"https://pay.test/c/0123456789abcdef/t/{REF}",
            "ResultURL": f"https://pay.test/c/0123456789abcdef/m/{REF}",
        },
    ),
    "paybill": (
        "/mpesa/b2b/v1/paymentrequest",
        {
            "Initiator": "testapi",
            "CommandID": "BusinessPayBill",
            "SenderIdentifierType": 4,
            "RecieverIdentifierType": 4,
            "Amount": 150,
            "PartyA": 600992,
            "PartyB": 888880,
            "AccountReference": "INV-7",
            "Remarks": "Week 47",
            "QueueTimeOutURL": f"https://pay.test/c/0123456789abcdef/t/{REF}",
            "ResultURL": f"https://pay.test/c/0123456789abcdef/m/{REF}",
        },
    ),
    "status": (
        "/mpesa/transactionstatus/v1/query",
        {
            "Initiator": "testapi",
            "CommandID": "TransactionStatusQuery",
            "OriginalConversationID": REF,
            "PartyA": 600992,
            "IdentifierType": 4,
            "ResultURL": f"https://pay.test/c/0123456789abcdef/s/{REF}",
            "QueueTimeOutURL": f"https://pay.test/c/0123456789abcdef/l/{REF}",
            "Remarks": "Status",
        },
    ),
    "status by receipt": (
        "/mpesa/transactionstatus/v1/query",
        {
            "Initiator": "testapi",
            "CommandID": "TransactionStatusQuery",
            "TransactionID": RECEIPT,
            "PartyA": 600992,
            "IdentifierType": 4,
            "ResultURL": f"https://pay.test/c/0123456789abcdef/p/{REF}",
            "QueueTimeOutURL": f"https://pay.test/c/0123456789abcdef/l/{REF}",
            "Remarks": "Status",
        },
    ),
    "balance": (
        "/mpesa/accountbalance/v1/query",
        {
            "Initiator": "testapi",
            "CommandID": "AccountBalance",
            "PartyA": 600992,
            "IdentifierType": 4,
            "Remarks": "Balance",
            "QueueTimeOutURL": "https://pay.test/c/0123456789abcdef/l/B20261121090000000000",
            "ResultURL": "https://pay.test/c/0123456789abcdef/b/B20261121090000000000",
        },
    ),
    "reversal": (
        "/mpesa/reversal/v1/request",
        {
            "Initiator": "testapi",
            "CommandID": "TransactionReversal",
            "TransactionID": RECEIPT,
            "Amount": 150,
            "ReceiverParty": 600000,
            "RecieverIdentifierType": "11",
            "ResultURL": "https://pay.test/c/0123456789abcdef/v/R0000000000000000",
            "QueueTimeOutURL": "https://pay.test/c/0123456789abcdef/t/R0000000000000000",
            "Remarks": "Week 47",
        },
    ),
}


@pytest.mark.parametrize("what", GOLDEN)
async def test_requests_are_as_the_golden_ones(what: str) -> None:
    path, body = await _emit(what)
    credential = body.pop("SecurityCredential")
    assert (path, body) == GOLDEN[what]
    assert makers.key_pair()[0].decrypt(base64.b64decode(credential), PKCS1v15()) == b"Initiator#Pa55"


THEIR_MODELS = {
    "wallet": B2CRequest,
    "till": BusinessBuyGoodsRequest,
    "paybill": BusinessPayBillRequest,
    "status": TransactionStatusRequest,
    "status by receipt": TransactionStatusRequest,
    "balance": AccountBalanceRequest,
    "reversal": ReversalRequest,
}


@pytest.mark.parametrize("what", THEIR_MODELS)
async def test_a_client_that_others_wrote_takes_our_requests_for_its_own(what: str) -> None:
    _, body = await _emit(what)
    made = THEIR_MODELS[what].model_validate(body).model_dump(exclude_none=True)
    assert made == {name: value for name, value in body.items() if name in made}
    assert set(body) - set(made) <= {"Occassion"}  # Safaricom's spelling; theirs is right, and ignored by the rail.


async def test_all_that_says_who_we_are_is_marked_secret() -> None:
    here, daraja = context([reply(200, TAKEN)])
    await rail.submit(here, payout())
    order = daraja.requests[-1]
    assert {"SecurityCredential", "ResultURL", "QueueTimeOutURL", "access_token"} <= order.secrets
    assert order.headers["authorization"] == f"Bearer {makers.TOKEN}"
    for secret in (*makers.SECRETS.values(), makers.TOKEN):
        assert secret.encode() not in order.body
        assert secret not in order.url


async def test_an_order_is_a_submit_and_a_question_is_safe_to_repeat() -> None:
    here, daraja = context([reply(200, TAKEN)] * 2)
    await rail.submit(here, payout())
    await rail.query(here, payout(), None)
    token, order, question = daraja.requests
    assert (token.safe, token.submit) == (True, False)
    assert (order.safe, order.submit) == (False, True)
    assert (question.safe, question.submit) == (True, False)


@settings(deadline=None)
@given(st.uuids(), st.uuids())
def test_references_are_short_legal_and_differ(one: UUID, other: UUID) -> None:
    made = rail.build_reference({}, one, NOW)
    assert made == rail.build_reference({"shortcode": "1"}, one, NOW)
    assert len(made) < 20
    assert made.isascii()
    assert made.isalnum()
    assert not any(word in made.lower() for word in wire.REFUSED_IN_ADDRESSES)
    assert (made == rail.build_reference({}, other, NOW)) == (one == other)


def test_fifty_thousand_references_differ() -> None:
    assert len({rail.build_reference({}, uuid7(), NOW) for _ in range(50_000)}) == 50_000


@pytest.mark.parametrize("word", ["mpesa", "Safaricom", "exec", "cmd", "sql", "Query"])
async def test_an_address_with_a_refused_word_stops_the_order_at_home(word: str) -> None:
    here, daraja = context(callback_url=lambda purpose, ref: f"https://{word}.test/{purpose}/{ref}")
    with pytest.raises(NotSent, match="callback address"):
        await rail.submit(here, payout())
    assert daraja.requests == []


# -- amounts and payees ---------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.sampled_from(["KES", "UGX", "NGN", "KWD", "TND"]), st.integers(-1_000, 40_000_000))
async def test_what_is_sent_is_what_was_ordered_or_nothing_is_sent(currency: str, amount_minor: int) -> None:
    amount = Money(amount_minor, currency)
    carried = currency == "KES" and amount_minor % 100 == 0 and 1_000 <= amount_minor <= 25_000_000
    here, daraja = context([reply(200, TAKEN)])
    if not carried:
        with pytest.raises(RailUnable):
            rail.check(payout(amount=amount))
        with pytest.raises(NotSent):
            await rail.submit(here, payout(amount=amount))
        assert daraja.requests == []
        return
    rail.check(payout(amount=amount))
    await rail.submit(here, payout(amount=amount))
    sent = daraja.body["Amount"]
    assert type(sent) is int
    for form in (sent, str(sent), f"{sent}.0", f"{sent}.00"):
        assert wire.read_amount(form) == amount


@pytest.mark.parametrize(
    "payee",
    [
        Party(PartyKind.MSISDN, "0708374149"),
        Party(PartyKind.MSISDN, "+254708374149"),
        Party(PartyKind.MSISDN, "256701234567"),
        Party(PartyKind.MSISDN, "25470837414"),
        Party(PartyKind.MSISDN, "25470837414\u0661"),
        Party(PartyKind.TILL, "12"),
        Party(PartyKind.TILL, "12345x"),
        Party(PartyKind.PAYBILL, "888880"),
        Party(PartyKind.PAYBILL, "888880", account="A" * 14),
        Party(PartyKind.PAYBILL, "888880", account="INV<7>"),
        Party(PartyKind.BANK_ACCOUNT, "0123456789", institution="058"),
    ],
)
async def test_payees_of_other_networks_are_refused(payee: Party) -> None:
    here, daraja = context()
    with pytest.raises(RailUnable):
        rail.check(payout(payee))
    with pytest.raises(NotSent):
        await rail.submit(here, payout(payee))
    assert daraja.requests == []


@settings(deadline=None)
@given(st.text(max_size=200))
async def test_texts_are_made_harmless(text: str) -> None:
    here, daraja = context([reply(200, TAKEN)])
    await rail.submit(here, payout(narration=text, payment_reference=text))
    remarks, occasion = daraja.body["Remarks"], daraja.body.get("Occassion", "x")
    assert 2 <= len(remarks) <= 100
    assert 1 <= len(occasion) <= 100
    assert all(letter.isalnum() or letter in " -_./" for letter in remarks + occasion)
    assert (remarks + occasion).isascii()


async def test_wages_are_sent_as_wages() -> None:
    here, daraja = context([reply(200, TAKEN)] * 2)
    await rail.submit(here, payout(purpose="WORKER_PAYOUT"))
    assert daraja.body["CommandID"] == "SalaryPayment"
    here, daraja = context([reply(200, TAKEN)], credentials=makers.credentials(wallet_command="PromotionPayment"))
    await rail.submit(here, payout(purpose="WORKER_PAYOUT"))
    assert daraja.body["CommandID"] == "PromotionPayment"


@pytest.mark.parametrize("missing", ["shortcode", "initiator_name", "certificate"])
async def test_a_connection_without_its_settings_sends_nothing(missing: str) -> None:
    here, daraja = context(credentials=makers.credentials(**{missing: ""}))
    with pytest.raises(NotSent, match=missing):
        await rail.submit(here, payout())
    assert daraja.requests == []


async def test_a_damaged_certificate_sends_nothing() -> None:
    here, daraja = context(credentials=makers.credentials(certificate="-----BEGIN CERTIFICATE-----\nAAAA\n"))
    with pytest.raises(NotSent, match="certificate"):
        await rail.submit(here, payout())
    assert daraja.requests == []


async def test_what_daraja_cannot_do_is_refused() -> None:
    here, daraja = context()
    with pytest.raises(RailUnable):
        await rail.resolve_party(here, makers.WALLET, our_ref=REF)
    with pytest.raises(RailUnable):
        await rail.fetch_statement(here, NOW.date(), None)
    with pytest.raises(RailUnable):
        await rail.list_institutions(here)
    with pytest.raises(RailUnable):
        await rail.reverse(here, payout(), RECEIPT, "R1")  # A wallet keeps what it got.
    with pytest.raises(RailUnable):
        await rail.reverse(here, payout(TILL), "AG_20261121_2010", "R1")
    assert daraja.requests == []


async def test_an_order_daraja_never_named_cannot_be_asked_for() -> None:
    here, daraja = context()
    assert (await rail.query(here, payout(TILL), None)).outcome is Outcome.UNKNOWN
    assert daraja.requests == []


async def test_no_token_means_not_sent() -> None:
    for failure in (
        ExchangeFailed("reset", sent=Sent.MAYBE),
        reply(400, {"requestId": "1", "errorCode": "400.008.01", "errorMessage": "Invalid Authentication passed"}),
        reply(400, b""),
        reply(200, b"<html>"),
        reply(200, {"expires_in": "3599"}),
        reply(200, {"access_token": "line\nbreak", "expires_in": "3599"}),
        reply(503, {"access_token": "x", "expires_in": "3599"}),
    ):
        here, daraja = context()
        daraja.replies = [failure]
        with pytest.raises(NotSent) as raised:
            await rail.submit(here, payout())
        assert [request.operation for request in daraja.requests] == ["mpesa.token"]
        for secret in makers.SECRETS.values():
            assert secret not in str(raised.value)


async def test_a_token_is_kept_as_long_as_daraja_says() -> None:
    tokens = makers.KeptTokens()
    here, daraja = context([reply(200, TAKEN)] * 2, tokens=tokens)
    await rail.submit(here, payout())
    await rail.submit(here, payout())
    assert [request.operation for request in daraja.requests] == ["mpesa.token", "mpesa.b2c", "mpesa.b2c"]
    assert (tokens.ends["access"] - NOW).total_seconds() == 3599
    login = daraja.requests[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(login) == b"key-9d1f:hush-3c77"
    assert daraja.requests[0].url == "https://daraja.test/oauth/v1/generate?grant_type=client_credentials"
    assert json.loads(daraja.requests[1].body) != {}
