"""What leaves the house, to the letter, and what never does."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.connectors.nip.cipher import PlainCipher
from omniroute.connectors.nip.rules import POLICY, QUERY_WINDOW
from omniroute.connectors.nip.wire import parse_message, unwrap_request
from omniroute.infra.http import ExchangeFailed, Reply, Sent
from omniroute.kit.money import Money
from omniroute.ports.rails import Duplicates, Holder, NotSent, Operation, Party, PartyKind, RailUnable
from tests.connectors.nip.stage import (
    ATTEMPT,
    ENQUIRY_REF,
    HOLDER,
    PAYEE,
    PUBLIC,
    REF,
    REST,
    REST_QUERIED,
    REST_TRANSFERRED,
    SECRET,
    SOAP,
    SOAP_PATH,
    TOKEN,
    body,
    cipher,
    message,
    order,
    pem,
    public_pem,
    queried,
    rest,
    soap,
    soap_reply,
    transferred,
)
from tests.connectors.outside import NOW, json_reply, lost, make_context

GOLDEN = Path(__file__).parent / "golden"
API = "/nipservice/v1/nip"


def golden(name: str) -> str:
    return (GOLDEN / name).read_text()


def sent_message(request: Any, operation: str) -> str:
    return PlainCipher().open(unwrap_request(request.body, operation)).decode() + "\n"


async def test_the_soap_messages_are_those_of_the_golden_files() -> None:
    http, context = soap({SOAP_PATH: transferred()})
    await SOAP.submit(context, order())
    http.script[SOAP_PATH] = queried()
    await SOAP.query(context, order(), None)
    http.script[SOAP_PATH] = soap_reply("nameenquirysingleitem", named())
    await SOAP.resolve_party(context, PAYEE, our_ref=ENQUIRY_REF)

    transfer, query, enquiry = http.requests
    assert sent_message(transfer, "fundtransfersingleitem_dc") == golden("FTSingleCreditRequest.xml")
    assert sent_message(query, "txnstatusquerysingleitem") == golden("TSQuerySingleRequest.xml")
    assert sent_message(enquiry, "nameenquirysingleitem") == golden("NESingleRequest.xml")
    assert [request.operation for request in http.requests] == [
        "nip.fundtransfersingleitem_dc", "nip.txnstatusquerysingleitem", "nip.nameenquirysingleitem",
    ]  # fmt: skip
    assert [(request.submit, request.safe) for request in http.requests] == [(True, False)] + [(False, False)] * 2
    assert dict(transfer.headers) == {"content-type": "text/xml; charset=utf-8", "soapaction": '""'}


def named(**changes: str) -> str:
    return message(
        "NESingleResponse",
        {
            "SessionID": ENQUIRY_REF, "DestinationInstitutionCode": "000002", "ChannelCode": "7",
            "AccountNumber": "2222002345", "AccountName": "Ajibade Oluwasegun",
            "BankVerificationNumber": "22222222226", "KYCLevel": "3", "ResponseCode": "00", **changes,
        },
    )  # fmt: skip


async def test_a_hidden_message_is_read_by_its_receiver_only() -> None:
    nibss = cipher("nibss", "bank")
    answer = nibss.seal(message("TSQuerySingleResponse", {"SessionID": REF, "ResponseCode": "00"}).encode())
    http, context = soap({SOAP_PATH: soap_reply("txnstatusquerysingleitem", answer)})
    secret = {**SECRET, "private_key": pem("bank")}
    context = make_context(
        http, context.credentials.endpoint,
        {**PUBLIC, "cipher": "hybrid", "peer_public_key": public_pem("nibss")}, secret,
    )  # fmt: skip

    result = await SOAP.query(context, order(), None)

    assert result.outcome == "succeeded"
    sealed = unwrap_request(http.requests[0].body, "txnstatusquerysingleitem")
    assert REF.encode() not in http.requests[0].body
    assert parse_message(nibss.open(sealed))[1]["SessionID"] == REF


async def test_status_queries_go_to_their_own_interface_where_there_is_one() -> None:
    http, context = soap({"POST /NIPWS/NIPTSQInterface": queried()}, tsq_endpoint="https://nip/NIPWS/NIPTSQInterface")
    await SOAP.query(context, order(), None)
    assert http.requests[0].url == "https://nip/NIPWS/NIPTSQInterface"


async def test_the_rest_bodies_are_those_of_the_golden_file() -> None:
    http, context = rest(
        {
            f"POST {API}/fundstransfer": json_reply(200, REST_TRANSFERRED),
            f"POST {API}/tsq": json_reply(200, REST_QUERIED),
            f"POST {API}/nameenquiry": json_reply(200, {"responseCode": "00", "accountName": "A", "sessionID": REF}),
        }
    )
    await REST.submit(context, order())
    await REST.query(context, order(), None)
    await REST.resolve_party(context, PAYEE, our_ref=ENQUIRY_REF)

    token, *calls = http.requests
    assert (token.safe, token.submit) == (True, False)
    assert token.body == (
        b"client_id=client-7&scope=client-7%2F.default&client_secret=CLIENT-SECRET&grant_type=client_credentials"
    )
    shown = [
        {"url": call.url, "headers": dict(call.headers), "body": json.loads(call.body), "submit": call.submit}
        for call in calls
    ]
    assert shown == json.loads(golden("rest.json"))
    assert len(http.sent("nip_rest.token")) == 1


async def test_words_are_cut_to_what_nip_takes() -> None:
    http, context = rest({f"POST {API}/fundstransfer": json_reply(200, REST_TRANSFERRED)})
    await REST.submit(context, order(narration="long \x00\n" * 60, payment_reference="R" * 80))
    assert len(body(http)["beneficiaryNarration"]) == 99
    assert "\x00" not in body(http)["beneficiaryNarration"]
    assert body(http)["paymentReference"] == "R" * 50


async def test_a_payer_of_the_order_stands_in_it() -> None:
    http, context = rest({f"POST {API}/fundstransfer": json_reply(200, REST_TRANSFERRED)})
    payer = Party(PartyKind.BANK_ACCOUNT, "0123456789", "058", "Depot Kano")
    await REST.submit(context, order(payer=payer))
    sent = body(http)
    assert (sent["originatorAccountName"], sent["originatorAccountNumber"]) == ("Depot Kano", "0123456789")
    assert (sent["InitiatorAccountName"], sent["originatorBankVerificationNumber"]) == ("Acme Foods & Sons", "")


# -- what does not leave --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        order(Money(99, "NGN")),
        order(Money(1_000_000_001, "NGN")),
        order(Money(0, "NGN")),
        order(Money(-100, "NGN")),
        order(Money(1_000, "UGX")),
        order(Money(1_000, "TND")),
        order(payee=Party(PartyKind.MSISDN, "2348012345678")),
        order(payee=Party(PartyKind.BANK_ACCOUNT, "123456789", "000002")),
        order(payee=Party(PartyKind.BANK_ACCOUNT, "\u0661" * 10, "000002")),
        order(payee=Party(PartyKind.BANK_ACCOUNT, "2222002345", "058")),
        order(payee=Party(PartyKind.BANK_ACCOUNT, "2222002345")),
    ],
)
async def test_what_nip_cannot_carry_is_refused_and_stays_here(wrong: Any) -> None:
    for rail, (http, context) in ((SOAP, soap({})), (REST, rest({}))):
        rail.check(order())
        with pytest.raises(RailUnable):
            rail.check(wrong)
        with pytest.raises(NotSent):
            await rail.submit(context, wrong)
        assert http.requests == []


@pytest.mark.parametrize(
    "holder",
    [
        None,
        Holder(PAYEE, "Ajibade", True),
        Holder(PAYEE, None, True, ENQUIRY_REF),
        Holder(Party(PartyKind.BANK_ACCOUNT, "2222002346", "000002"), "Ajibade", True, ENQUIRY_REF),
        Holder(Party(PartyKind.BANK_ACCOUNT, "2222002345", "000003"), "Ajibade", True, ENQUIRY_REF),
    ],
)
async def test_without_the_name_enquiry_of_this_account_nothing_is_sent(holder: Holder | None) -> None:
    for rail, (http, context) in ((SOAP, soap({})), (REST, rest({}))):
        with pytest.raises(NotSent):
            await rail.submit(context, order(holder=holder))
        assert http.requests == []


@pytest.mark.parametrize("setting", ["institution_code", "originator_name", "originator_account"])
async def test_a_connection_that_is_not_set_up_sends_nothing(setting: str) -> None:
    for rail, (http, context) in ((SOAP, soap({}, **{setting: ""})), (REST, rest({}, **{setting: ""}))):
        with pytest.raises(NotSent, match=setting):
            await rail.submit(context, order())
        assert http.requests == []


async def test_only_proof_makes_it_not_sent() -> None:
    for rail, (http, context), path in (
        (SOAP, soap({}), SOAP_PATH),
        (REST, rest({}), f"POST {API}/fundstransfer"),
    ):
        http.script[path] = lost(Sent.NO)
        with pytest.raises(NotSent):
            await rail.submit(context, order())
        http.script[path] = lost(Sent.MAYBE)
        with pytest.raises(ExchangeFailed):
            await rail.submit(context, order())


@pytest.mark.parametrize(
    "token",
    [
        lost(Sent.MAYBE), lost(Sent.NO), json_reply(500), json_reply(401, TOKEN), json_reply(200, {}),
        json_reply(200, {"access_token": 7}), json_reply(200, []), Reply(200, {}, b"<html>"),
    ],
)  # fmt: skip
async def test_without_a_token_the_order_was_not_sent(token: Reply | ExchangeFailed) -> None:
    http, context = rest({"POST /v2/reset": token})
    with pytest.raises(NotSent):
        await REST.submit(context, order())
    assert [request.operation for request in http.requests] == ["nip_rest.token"]


@pytest.mark.parametrize("life", ["3599", 3599, None, "x", -5, 10**30, "\u0665"])
async def test_a_token_lives_as_long_as_it_says_or_briefly(life: object) -> None:
    _, context = rest({"POST /v2/reset": json_reply(200, {"access_token": "T", "expires_in": life})})
    from omniroute.connectors.nip.rest import fetch_token

    token, ends_at = await fetch_token(context)
    expected = 3599 if life in ("3599", 3599) else 300
    assert (token, ends_at) == ("T", NOW + timedelta(seconds=expected))


async def test_a_refused_token_is_forgotten_and_proves_nothing() -> None:
    http, context = rest({f"POST {API}/fundstransfer": json_reply(401, {"message": "expired"})})
    assert (await REST.submit(context, order())).outcome == "unknown"
    http.script[f"POST {API}/fundstransfer"] = json_reply(200, REST_TRANSFERRED)
    assert (await REST.submit(context, order())).outcome == "succeeded"
    assert len(http.sent("nip_rest.token")) == 2


# -- references and policy ------------------------------------------------------------------------------------


def test_a_session_id_tells_institution_and_time_in_lagos() -> None:
    assert re.fullmatch(r"999001260302100000\d{12}", REF)
    new_year = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert SOAP.build_reference(PUBLIC, ATTEMPT, new_year)[6:18] == "270101003000"
    assert REST.build_reference(PUBLIC, ATTEMPT, NOW) == REF


@given(st.sets(st.uuids(), min_size=2, max_size=200))
def test_references_are_legal_repeatable_and_different(attempts: set[UUID]) -> None:
    made = {attempt: SOAP.build_reference(PUBLIC, attempt, NOW) for attempt in attempts}
    assert made == {attempt: SOAP.build_reference(PUBLIC, attempt, NOW) for attempt in attempts}
    assert len(set(made.values())) == len(attempts)
    assert all(re.fullmatch(r"[0-9]{30}", reference) for reference in made.values())


@pytest.mark.parametrize("code", ["", "99001", "9990011", "99900x", "\u0661" * 6])
def test_without_an_institution_code_there_is_no_reference(code: str) -> None:
    with pytest.raises(RailUnable):
        SOAP.build_reference({"institution_code": code}, ATTEMPT, NOW)


def test_the_policy_is_that_of_nibss() -> None:
    assert POLICY.query_after[:3] == (timedelta(seconds=60),) * 3
    assert sum(POLICY.query_after[:4], timedelta()) > QUERY_WINDOW  # The fourth is no status query any more.
    assert POLICY.query_for > 2 * POLICY.not_found_after
    assert (POLICY.not_found_times, POLICY.not_found_after) == (3, timedelta(hours=24))
    assert POLICY.not_found_needs_statement
    assert POLICY.duplicates is Duplicates.PAYS_AGAIN
    assert not POLICY.reversible
    for rail in (SOAP, REST):
        assert rail.policy() is POLICY
        assert rail.capabilities().currencies == {"NGN"}
    assert Operation.INSTITUTIONS in REST.capabilities().operations
    assert Operation.REVERSAL not in REST.capabilities().operations


async def test_no_secret_is_shown() -> None:
    http, context = rest({f"POST {API}/fundstransfer": json_reply(200, {**REST_TRANSFERRED, "bvn": "22222222226"})})
    soap_http, soap_context = soap({SOAP_PATH: transferred(ResponseMessage="done")})
    shown = repr(
        [
            await REST.submit(context, order()), await SOAP.submit(soap_context, order()),
            context.credentials, soap_context.credentials,
        ]
    )  # fmt: skip
    for hidden in (*SECRET.values(), "TOKEN-OF-THE-RAIL", "22222222226", "Ajibade", "Oluwasegun"):
        assert hidden not in shown
    assert {"authorization", "apikey", "client_secret"} <= http.requests[0].secrets
    assert {"request", "return", "BeneficiaryBankVerificationNumber"} <= soap_http.requests[0].secrets


def test_the_holder_of_the_stage_is_the_payee() -> None:
    assert HOLDER.party == PAYEE
