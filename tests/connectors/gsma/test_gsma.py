"""The GSMA Mobile Money API on the wire: every request judged by its document, every answer read for what it is."""

import dataclasses
import json
import uuid
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.connectors.gsma import Gsma
from omniroute.connectors.gsma.wire import CURRENCIES, read_link, read_state, read_transaction, transaction_body
from omniroute.connectors.replies import amount
from omniroute.infra.http import ExchangeFailed, Reply, Sent
from omniroute.kit.money import Money
from omniroute.kit.refusal import Fault
from omniroute.ports.rails import (
    EventKind,
    NotSent,
    Outcome,
    Party,
    PartyKind,
    RailAnswerUnreadable,
    RailUnable,
    Trust,
)
from tests.connectors.gsma.document import document
from tests.connectors.outside import (
    NOW,
    ScriptedHttp,
    json_reply,
    lost,
    make_callback,
    make_context,
    make_payout,
    mutations,
)

RAIL = Gsma()
ENDPOINT = "https://mm.example.com/simulator/v1.2/mm"
REF = RAIL.build_reference({}, uuid.UUID("01990000-0000-7000-8000-000000000001"), NOW)
SERVER_ID = "6b1f4b0e-93c5-4f4e-8a8e-9f0f4cbd2b11"
PAYOUT = make_payout(REF, Money(1_550, "GHS"), "233555123456")
PUBLIC = {"account_type": "organisationid", "account": "ORG-7", "client_id": "omni"}
SECRET = {"api_key": "KEY-OF-THE-API", "consumer_key": "consumer", "consumer_secret": "SECRET-OF-THE-CONSUMER"}
SEND = "POST /transactions/type/disbursement"
RESPONSE, STATE, TRANSACTION = f"GET /responses/{REF}", f"GET /requeststates/{SERVER_ID}", "GET /transactions/TX7"
PENDING = {"serverCorrelationId": SERVER_ID, "status": "pending", "notificationMethod": "callback"}
PAID = {
    "transactionReference": "TX7", "transactionStatus": "completed", "amount": "15.50", "currency": "GHS",
    "type": "disbursement", "creditParty": [{"key": "msisdn", "value": "+233555123456"}],
    "debitParty": [{"key": "organisationid", "value": "ORG-7"}],
    "requestingOrganisationTransactionReference": REF, "transactionReceipt": "R-1",
    "fees": [{"feeType": "p2p", "feeAmount": "0.10", "feeCurrency": "GHS"}] * 2,
    "modificationDate": "2026-03-02T09:00:05+00:00",
}  # fmt: skip
MISSING = {"errorCategory": "identification", "errorCode": "identifierError"}


def error(code: str, category: str = "businessRule") -> dict[str, str]:
    return {"errorCategory": category, "errorCode": code, "errordescription": "no"}


def scripted(script: dict[str, Any], **public: str) -> tuple[ScriptedHttp, Any]:
    http = ScriptedHttp(script)
    return http, make_context(http, ENDPOINT, {**PUBLIC, **public}, SECRET)


async def test_the_order_is_written_as_the_golden_file_shows() -> None:
    http, context = scripted({SEND: json_reply(202, PENDING)})

    result = await RAIL.submit(context, PAYOUT)

    assert (result.outcome, result.provider_ref) == (Outcome.PENDING, SERVER_ID)
    [order] = http.requests
    shown = {
        "method": order.method, "url": order.url, "headers": dict(order.headers), "body": json.loads(order.body),
    }  # fmt: skip
    assert shown == json.loads((Path(__file__).parent / "golden" / "disbursement.json").read_text())
    assert shown["headers"]["X-Content-Hash"] == sha256(order.body).hexdigest()
    assert (order.submit, order.safe) == (True, False)


async def test_every_request_is_valid_by_the_document() -> None:
    account = "/accounts/organisationid/ORG-7"
    payee = "/accounts/msisdn/%2B233555123456"
    entry = {
        key: PAID[key]
        for key in ("transactionReference", "transactionStatus", "amount", "currency", "creditParty", "debitParty")
    }
    replies = {
        SEND: json_reply(202, PENDING), RESPONSE: json_reply(200, {"link": "/transactions/TX7"}),
        STATE: json_reply(200, {**PENDING, "status": "completed", "objectReference": "TX7"}),
        TRANSACTION: json_reply(200, PAID), "POST /transactions/TX7/reversals": json_reply(202, PENDING),
        f"GET {payee}/status": json_reply(200, {"accountStatus": "available"}),
        f"GET {payee}/accountname": json_reply(200, {"name": {"fullName": "Ama Mensah"}}),
        f"GET {account}/balance": json_reply(200, {"availableBalance": "1.00", "currency": "GHS"}),
        f"GET {account}/statemententries": json_reply(200, [{**entry, "creationDate": "2026-03-02T08:00:00Z"}]),
        "GET /heartbeat": json_reply(200, {"serviceStatus": "available"}),
    }  # fmt: skip
    http, context = scripted(replies)
    await RAIL.submit(context, PAYOUT)
    await RAIL.query(context, PAYOUT, None)
    await RAIL.query(context, PAYOUT, SERVER_ID)
    await RAIL.query(context, PAYOUT, "TX7")
    await RAIL.reverse(context, PAYOUT, "TX7", RAIL.build_reference({}, uuid.uuid4(), NOW))
    await RAIL.resolve_party(context, PAYOUT.payee, our_ref=REF)
    await RAIL.fetch_balances(context)
    await RAIL.fetch_statement(context, NOW.date(), None)
    await RAIL.heartbeat(context)
    used = {document().check_request(request, ENDPOINT) for request in http.requests}
    assert used == {
        "POST /transactions/type/{transactionType}", "GET /responses/{clientCorrelationId}",
        "GET /requeststates/{serverCorrelationId}", "GET /transactions/{transactionReference}",
        "POST /transactions/{transactionReference}/reversals", "GET /accounts/{identifierType}/{identifier}/status",
        "GET /accounts/{identifierType}/{identifier}/accountname",
        "GET /accounts/{identifierType}/{identifier}/balance",
        "GET /accounts/{identifierType}/{identifier}/statemententries", "GET /heartbeat",
    }  # fmt: skip
    for name, reply in replies.items():
        method, path = name.split(" ")
        document().check_reply(document().find(method, path.replace("%2B", "+")), reply.status, reply.body)


async def test_a_token_is_used_where_the_operator_gives_one() -> None:
    token = json_reply(200, {"access_token": "TOKEN-OF-THE-RAIL", "expires_in": "3599"})
    http, context = scripted(
        {"POST /oauth/token": token, SEND: json_reply(202, PENDING)}, token_url="https://auth.example.com/oauth/token"
    )
    await RAIL.submit(context, PAYOUT)
    await RAIL.submit(context, PAYOUT)
    assert [request.operation for request in http.requests] == ["gsma.token", "gsma.transaction", "gsma.transaction"]
    assert http.requests[1].headers["Authorization"] == "Bearer TOKEN-OF-THE-RAIL"
    http.script[SEND] = json_reply(401, error("clientAuthorisationError", "authorisation"))
    assert (await RAIL.submit(context, PAYOUT)).outcome is Outcome.NOT_SENT
    http.script["POST /oauth/token"] = lost()
    with pytest.raises(NotSent):
        await RAIL.submit(context, PAYOUT)
    with pytest.raises(Fault):
        await RAIL.query(context, PAYOUT, None)


async def test_only_proof_makes_it_not_sent() -> None:
    http, context = scripted({SEND: lost(Sent.NO)})
    with pytest.raises(NotSent):
        await RAIL.submit(context, PAYOUT)
    http.script[SEND] = lost(Sent.MAYBE)
    with pytest.raises(ExchangeFailed):
        await RAIL.submit(context, PAYOUT)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (202, PENDING, Outcome.PENDING),
        (202, {**PENDING, "status": "completed"}, Outcome.PENDING),
        (202, {**PENDING, "status": "failed"}, Outcome.DECLINED),
        (202, {**PENDING, "status": "failed", "error": error("insufficientFunds")}, Outcome.DECLINED),
        (202, {**PENDING, "status": "failed", "error": error("somethingNew")}, Outcome.UNKNOWN),
        (202, {**PENDING, "status": "failed", "error": {}}, Outcome.UNKNOWN),
        (202, {**PENDING, "status": "new"}, Outcome.UNKNOWN),
        (202, {"status": "pending"}, Outcome.UNKNOWN),
        (202, None, Outcome.UNKNOWN),
        (201, PAID, Outcome.SUCCEEDED),
        (201, {**PAID, "transactionStatus": "pending"}, Outcome.PENDING),
        (201, {**PAID, "transactionStatus": "shiny"}, Outcome.UNKNOWN),
        (201, {**PAID, "transactionStatus": "insufficientFunds"}, Outcome.DECLINED),
        (200, PAID, Outcome.UNKNOWN),
        (400, error("insufficientFunds"), Outcome.DECLINED),
        (400, error("dailyValueLimitExceeded"), Outcome.DECLINED),
        (404, error("identifierError", "identification"), Outcome.DECLINED),
        (400, error("insufficientFunds", "internal"), Outcome.UNKNOWN),
        (400, {"errorCode": "insufficientFunds"}, Outcome.UNKNOWN),
        (400, error("duplicateRequest"), Outcome.UNKNOWN),
        (400, error("genericError"), Outcome.UNKNOWN),
        (400, error("completed"), Outcome.UNKNOWN),
        (400, error("pending"), Outcome.UNKNOWN),
        (401, error("clientAuthorisationError", "authorisation"), Outcome.NOT_SENT),
        (401, None, Outcome.UNKNOWN),
        (404, None, Outcome.UNKNOWN),
        (500, error("insufficientFunds"), Outcome.UNKNOWN),
        (503, error("genericError", "serviceUnavailable"), Outcome.UNKNOWN),
    ],
)
async def test_what_the_answer_to_an_order_means(status: int, body: Any, outcome: Outcome) -> None:
    _, context = scripted({SEND: json_reply(status, body)})
    assert (await RAIL.submit(context, PAYOUT)).outcome is outcome


async def test_a_lost_reply_is_found_again() -> None:
    http, context = scripted(
        {RESPONSE: json_reply(200, {"link": "/transactions/TX7"}), TRANSACTION: json_reply(200, PAID)}
    )
    result = await RAIL.query(context, PAYOUT, None)
    assert (result.outcome, result.amount, result.fee) == (Outcome.SUCCEEDED, Money(1_550, "GHS"), Money(20, "GHS"))
    assert (result.payee_identifier, result.our_ref, result.provider_ref) == ("233555123456", REF, "TX7")
    assert result.finalised_at == datetime(2026, 3, 2, 9, 0, 5, tzinfo=UTC)
    assert result.answer.raw["payee"] == "...456"
    http.script[RESPONSE] = json_reply(404, MISSING)
    assert (await RAIL.query(context, PAYOUT, None)).outcome is Outcome.NOT_FOUND
    for status, body in ((404, None), (404, {"error": "no route"}), (500, MISSING), (200, {}), (401, MISSING)):
        http.script[RESPONSE] = json_reply(status, body)
        assert (await RAIL.query(context, PAYOUT, None)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("/transactions/TX7", ("transactions", "TX7")),
        ("transactions/TX7/", ("transactions", "TX7")),
        ("https://evil.example.com/v1/transactions/TX%2F7?x=1", ("transactions", "TX/7")),
        (f"/v1.2/mm/requeststates/{SERVER_ID}", ("requeststates", SERVER_ID)),
        ("/accounts/msisdn/1", None),
        ("/transactions", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_a_link_is_read_and_never_followed(link: Any, found: Any) -> None:
    assert read_link({"link": link}) == found


async def test_a_request_is_followed_to_its_transaction() -> None:
    http, context = scripted({STATE: json_reply(200, PENDING)})
    assert (await RAIL.query(context, PAYOUT, SERVER_ID)).outcome is Outcome.PENDING
    http.script[STATE] = json_reply(200, {**PENDING, "status": "failed", "error": error("identifierError")})
    declined = await RAIL.query(context, PAYOUT, SERVER_ID)
    assert (declined.outcome, declined.answer.code) == (Outcome.DECLINED, "identifierError")
    http.script[STATE] = json_reply(200, {**PENDING, "status": "completed"})
    http.script[RESPONSE] = json_reply(200, {"link": f"/requeststates/{SERVER_ID}"})
    assert (await RAIL.query(context, PAYOUT, SERVER_ID)).outcome is Outcome.UNKNOWN
    http.script[RESPONSE] = json_reply(200, {"link": "/transactions/TX7"})
    http.script[TRANSACTION] = json_reply(200, PAID)
    assert (await RAIL.query(context, PAYOUT, SERVER_ID)).outcome is Outcome.SUCCEEDED
    http.script[TRANSACTION] = json_reply(404, MISSING)  # It was there before: gone is not unpaid.
    assert (await RAIL.query(context, PAYOUT, SERVER_ID)).outcome is Outcome.UNKNOWN
    http.script[STATE] = json_reply(404, MISSING)
    http.script[f"GET /transactions/{SERVER_ID}"] = json_reply(200, {**PAID, "transactionStatus": "reversed"})
    assert (await RAIL.query(context, PAYOUT, SERVER_ID)).outcome is Outcome.REVERSED
    http.script[STATE] = json_reply(503)
    assert (await RAIL.query(context, PAYOUT, SERVER_ID)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (202, PENDING, Outcome.PENDING),
        (201, {"transactionStatus": "completed", "transactionReference": "REV1"}, Outcome.REVERSED),
        (201, {"transactionStatus": "shiny"}, Outcome.UNKNOWN),
        (400, error("incorrectState"), Outcome.UNKNOWN),
        (400, error("requestDeclined"), Outcome.DECLINED),
        (500, None, Outcome.UNKNOWN),
    ],
)
async def test_reversals(status: int, body: Any, outcome: Outcome) -> None:
    http, context = scripted({"POST /transactions/TX7/reversals": json_reply(status, body)})
    assert (await RAIL.reverse(context, PAYOUT, "TX7", REF)).outcome is outcome
    assert http.requests[0].headers["X-CorrelationID"] == REF
    http.script["POST /transactions/TX7/reversals"] = lost(Sent.NO)
    with pytest.raises(NotSent):
        await RAIL.reverse(context, PAYOUT, "TX7", REF)


def test_every_error_of_the_document_has_its_place() -> None:
    listed = document().data["components"]["schemas"]["errorObject"]["properties"]["errorCode"]["enum"]
    for phase in ("submit", "query"):
        assert set(listed) <= set(RAIL.codes()[phase].entries)
        for entry in RAIL.codes()[phase].entries.values():
            assert entry.operator.endswith(".")
            assert entry.customer.endswith(".")
    assert RAIL.codes()["submit"].find("aNewOne").outcome is Outcome.UNKNOWN
    assert set(document().data["components"]["schemas"]["currency"]["enum"]) >= CURRENCIES


@pytest.mark.parametrize("state", ["completed", "pending", "failed"])
def test_a_damaged_answer_never_pays(state: str) -> None:
    table = RAIL.codes()["query"]
    for label, changed in mutations({**PAID, "transactionStatus": state}):
        data = changed if isinstance(changed, dict) else {}
        result = read_transaction(data, table)
        if result.outcome is Outcome.SUCCEEDED:
            assert (state, result.amount is None, result.payee_identifier is None) == ("completed", False, False), label
        repr(result).encode("utf-8")
    failed = {**PENDING, "status": "failed", "error": error("insufficientFunds")}
    for label, changed in [*mutations(PENDING), *mutations(failed)]:
        outcome = read_state(changed if isinstance(changed, dict) else {}, table).outcome
        assert outcome in (Outcome.PENDING, Outcome.DECLINED, Outcome.UNKNOWN), label


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff\xfe", b"null", b"[1]"])
async def test_what_is_no_json_is_unknown(body: bytes) -> None:
    replies = {name: Reply(200, {}, body) for name in (SEND, RESPONSE, STATE, TRANSACTION)}
    _, context = scripted({**replies, "GET /statemententries": Reply(200, {}, body)})
    assert (await RAIL.submit(context, PAYOUT)).outcome is Outcome.UNKNOWN
    for provider_ref in (None, SERVER_ID, "TX7"):
        assert (await RAIL.query(context, PAYOUT, provider_ref)).outcome is Outcome.UNKNOWN
    with pytest.raises(RailAnswerUnreadable):
        await RAIL.fetch_statement(context, NOW.date(), None)


# -- references, amounts, limits ------------------------------------------------------------------------------


@given(st.sets(st.uuids(), min_size=2, max_size=50))
def test_references_are_uuids_repeatable_and_different(attempts: set[uuid.UUID]) -> None:
    made = {attempt: RAIL.build_reference({}, attempt, NOW) for attempt in attempts}
    assert made == {attempt: RAIL.build_reference({}, attempt, NOW) for attempt in attempts}
    assert len(set(made.values())) == len(attempts)
    assert all(str(uuid.UUID(reference)) == reference for reference in made.values())


@given(st.integers(1, 10**15), st.sampled_from(["UGX", "RWF", "GHS", "KES", "TND", "KWD"]))
def test_amounts_come_back_as_they_went(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    body = json.loads(transaction_body(make_payout(REF, money, "233555123456"), "organisationid", "ORG-7", NOW))
    document().check_schema("requestTransactionType", body)
    assert amount(body["amount"], body["currency"]) == money
    told = read_transaction({**PAID, "amount": body["amount"], "currency": currency}, RAIL.codes()["query"])
    assert (told.outcome, told.amount) == (Outcome.SUCCEEDED, money)


@given(st.text(max_size=400), st.text(min_size=1, max_size=64))
def test_any_narration_is_valid_by_the_document(narration: str, reference: str) -> None:
    payout = make_payout(REF, Money(5, "GHS"), "233555123456", narration=narration, payment_reference=reference)
    document().check_schema("requestTransactionType", json.loads(transaction_body(payout, "accountid", "7", NOW)))


@pytest.mark.parametrize(
    "payout",
    [
        make_payout(REF, Money(0, "GHS"), "233555123456"),
        make_payout(REF, Money(5, "SLE"), "233555123456"),
        make_payout(REF, Money(10**18, "UGX"), "233555123456"),
        make_payout(REF, Money(5, "GHS"), "+233555123456"),
        make_payout(REF, Money(5, "GHS"), "055512"),
        dataclasses.replace(PAYOUT, payee=Party(PartyKind.WALLET, "")),
        dataclasses.replace(PAYOUT, payee=Party(PartyKind.BANK_ACCOUNT, "0123456789", "058")),
    ],
)
def test_what_the_rail_cannot_carry_is_refused(payout: Any) -> None:
    RAIL.check(PAYOUT)
    RAIL.check(dataclasses.replace(PAYOUT, payee=Party(PartyKind.WALLET, "w/7")))
    with pytest.raises(RailUnable):
        RAIL.check(payout)


# -- accounts, statement, calls -------------------------------------------------------------------------------

STATUS = "GET /accounts/msisdn/%2B233555123456/status"
NAME = "GET /accounts/msisdn/%2B233555123456/accountname"


async def test_holders_are_told_with_name() -> None:
    http, context = scripted({STATUS: json_reply(200, {"accountStatus": "available"}), NAME: json_reply(500)})
    holder = await RAIL.resolve_party(context, PAYOUT.payee, our_ref=REF)
    assert (holder.active, holder.name) == (True, None)
    http.script[STATUS] = json_reply(200, {"accountStatus": "unavailable"})
    http.script[NAME] = json_reply(200, {"name": {"title": "Mrs", "firstName": "Ama", "lastName": "Mensah"}})
    holder = await RAIL.resolve_party(context, PAYOUT.payee, our_ref=REF)
    assert (holder.active, holder.name) == (False, "Ama Mensah")
    http.script[STATUS] = json_reply(404, MISSING)
    with pytest.raises(RailUnable):
        await RAIL.resolve_party(context, PAYOUT.payee, our_ref=REF)
    for reply in (json_reply(404), json_reply(200, {}), json_reply(503, MISSING)):
        http.script[STATUS] = reply
        with pytest.raises(RailAnswerUnreadable):
            await RAIL.resolve_party(context, PAYOUT.payee, our_ref=REF)
    http.script["GET /accounts/walletid/w%2F7/status"] = json_reply(200, {"accountStatus": "available"})
    http.script["GET /accounts/walletid/w%2F7/accountname"] = json_reply(200, {})
    await RAIL.resolve_party(context, Party(PartyKind.WALLET, "w/7"), our_ref=REF)


async def test_every_balance_is_told() -> None:
    path = "GET /accounts/organisationid/ORG-7/balance"
    http, context = scripted(
        {path: json_reply(200, {"currentBalance": "15.00", "availableBalance": "12.5", "currency": "GHS"})}
    )
    found = [(balance.kind, balance.amount.amount_minor) for balance in await RAIL.fetch_balances(context)]
    assert found == [("current", 1_500), ("available", 1_250)]
    for body in ({}, {"currentBalance": "15.001", "currency": "GHS"}, {"currentBalance": "1"}):
        http.script[path] = json_reply(200, body)
        with pytest.raises(RailAnswerUnreadable):
            await RAIL.fetch_balances(context)


def entry(number: int, at: str, **changes: Any) -> dict[str, Any]:
    fields = {
        "transactionReference": f"TX{number}", "creditParty": PAID["creditParty"], "debitParty": PAID["debitParty"],
        "transactionStatus": "completed", "amount": "1.00", "currency": "GHS", "creationDate": at,
        "customData": [{"key": "ourReference", "value": f"ref-{number}"}],
    }  # fmt: skip
    return {**fields, **changes}


async def test_the_statement_is_read_whole_page_by_page() -> None:
    entries = [
        entry(1, "2026-03-02T00:00:00Z"),
        entry(2, "2026-03-02T10:00:00+01:00", creditParty=PAID["debitParty"], debitParty=PAID["creditParty"]),
        entry(3, "2026-03-02T10:00:00Z", transactionStatus="pending"),
        entry(4, "2026-03-03T00:00:00Z"),
    ]
    path = "GET /accounts/organisationid/ORG-7/statemententries"
    http, context = scripted({path: json_reply(200, entries, **{"x-records-available-count": "5"})})
    page = await RAIL.fetch_statement(context, NOW.date(), None)
    assert [(line.line_id, line.credit, line.our_ref) for line in page.lines] == [
        ("TX1", False, "ref-1"),
        ("TX2", True, "ref-2"),
    ]
    assert page.lines[1].booked_at == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert page.cursor == "4"
    http.script[path] = json_reply(200, entries[:1], **{"x-records-available-count": "5"})
    assert (await RAIL.fetch_statement(context, NOW.date(), page.cursor)).cursor is None
    assert "offset=4" in http.requests[-1].url
    damage: list[dict[str, Any]] = [
        {"amount": None}, {"creationDate": "yesterday"}, {"creditParty": PAID["debitParty"]}, {"debitParty": []},
    ]  # fmt: skip
    for change in damage:
        http.script[path] = json_reply(
            200, [entry(1, "2026-03-02T00:00:00Z"), entry(2, "2026-03-02T00:00:00Z", **change)]
        )
        with pytest.raises(RailAnswerUnreadable):
            await RAIL.fetch_statement(context, NOW.date(), None)


async def test_the_heartbeat_is_told() -> None:
    body = {"serviceStatus": "degraded", "delay": 2500.0, "plannedRestorationTime": "2026-03-02T12:00:00Z"}
    http, context = scripted({"GET /heartbeat": json_reply(200, body)})
    heart = await RAIL.heartbeat(context)
    assert (heart.is_available, heart.delay_ms, heart.restored_at) == (
        False,
        2500,
        datetime(2026, 3, 2, 12, tzinfo=UTC),
    )
    http.script["GET /heartbeat"] = json_reply(200, {})
    with pytest.raises(RailAnswerUnreadable):
        await RAIL.heartbeat(context)


def test_a_call_is_a_hint_and_a_forged_one_nothing() -> None:
    _, context = scripted({})
    body = json.dumps(PAID).encode()
    [event] = RAIL.read_callback(context, make_callback(body, REF))
    assert (event.trust, event.kind, event.result.outcome, event.result.our_ref) == (
        Trust.HINT, EventKind.PAYOUT_RESULT, Outcome.SUCCEEDED, REF,
    )  # fmt: skip
    [again] = RAIL.read_callback(context, make_callback(json.dumps(PAID, indent=1).encode(), REF))
    assert again.key == event.key
    [failed] = RAIL.read_callback(context, make_callback(json.dumps(error("insufficientFunds")).encode(), REF))
    assert (failed.result.outcome, failed.result.our_ref, failed.key == event.key) == (Outcome.DECLINED, REF, False)
    [forged] = RAIL.read_callback(context, make_callback(body, REF, authentic=False))
    assert forged.trust is Trust.REJECTED
    [other] = RAIL.read_callback(context, make_callback(body, REF, purpose="reversal"))
    assert other.kind is EventKind.OTHER
    for damaged in (b"no json", b"{}", b"[]"):
        with pytest.raises(RailAnswerUnreadable):
            RAIL.read_callback(context, make_callback(damaged, REF))
    assert RAIL.acknowledge(make_callback(body)).status == 204


async def test_no_secret_and_no_name_is_in_evidence() -> None:
    paid = {**PAID, "recipientKyc": {"subjectName": {"fullName": "Jane"}}, "descriptionText": "Jane"}
    http, context = scripted({SEND: json_reply(201, paid), TRANSACTION: json_reply(200, paid)})
    shown = repr([await RAIL.submit(context, PAYOUT), await RAIL.query(context, PAYOUT, "TX7"), context.credentials])
    for secret in ("KEY-OF-THE-API", "SECRET-OF-THE-CONSUMER", "Jane"):
        assert secret not in shown
    for request in http.requests:
        assert {"authorization", "x-api-key"} <= request.secrets


async def test_what_the_rail_has_not_is_refused() -> None:
    _, context = scripted({})
    with pytest.raises(RailUnable):
        await RAIL.list_institutions(context)
