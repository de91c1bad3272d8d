"""MTN MoMo on the wire: what we write, what its answers mean, and what must never count as paid."""

import dataclasses
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.connectors.mtn_momo import MtnMomo
from omniroute.connectors.mtn_momo.wire import ENVIRONMENTS, read_query, read_transfer, transfer_body
from omniroute.connectors.replies import amount, amount_text
from omniroute.infra.http import ExchangeFailed, Reply, Sent
from omniroute.kit.money import Money
from omniroute.kit.refusal import Fault
from omniroute.ports.rails import (
    CodeClass,
    NotSent,
    Outcome,
    Party,
    PartyKind,
    RailAnswerUnreadable,
    RailUnable,
    Trust,
)
from tests.connectors.outside import (
    NOW,
    ScriptedHttp,
    json_reply,
    lost,
    make_callback,
    make_context,
    make_payout,
    mutations,
    spec,
)

RAIL = MtnMomo()
GOLDEN = Path(__file__).parent / "golden"
ATTEMPT = uuid.UUID("01990000-0000-7000-8000-000000000001")
REF = RAIL.build_reference({}, ATTEMPT, NOW)
PAYOUT = make_payout(REF, Money(25_000, "UGX"), "256772123456")
PUBLIC = {"target_environment": "mtnuganda", "api_user": "0f1e2d3c"}
SECRET = {"api_key": "KEY-OF-THE-USER", "subscription_key": "SUBSCRIPTION-KEY"}
TOKEN = {"access_token": "TOKEN-OF-THE-RAIL", "token_type": "access_token", "expires_in": 3600}
TOKEN_PATH = "POST /disbursement/token/"
TRANSFER = "POST /disbursement/v1_0/transfer"
STATUS = f"GET /disbursement/v1_0/transfer/{REF}"
PAID = {
    "amount": "25000", "currency": "UGX", "financialTransactionId": "981569077", "externalId": REF,
    "payee": {"partyIdType": "MSISDN", "partyId": "256772123456"}, "payerMessage": "x", "status": "SUCCESSFUL",
}  # fmt: skip


def scripted(script: dict[str, Any], **public: str) -> tuple[ScriptedHttp, Any]:
    http = ScriptedHttp({TOKEN_PATH: json_reply(200, TOKEN), **script})
    return http, make_context(http, "https://momo.example.com", {**PUBLIC, **public}, SECRET)


async def test_the_order_is_written_as_the_golden_file_shows() -> None:
    http, context = scripted({TRANSFER: json_reply(202)})

    result = await RAIL.submit(context, PAYOUT)

    assert (result.outcome, result.amount, result.provider_ref) == (Outcome.PENDING, None, None)
    [token, order] = http.requests
    assert token.headers["Authorization"] == "Basic MGYxZTJkM2M6S0VZLU9GLVRIRS1VU0VS"
    assert (token.safe, token.submit, order.safe, order.submit) == (True, False, False, True)
    shown = {
        "method": order.method, "url": order.url, "headers": dict(order.headers), "body": json.loads(order.body),
    }  # fmt: skip
    assert shown == json.loads((GOLDEN / "transfer.json").read_text())


async def test_a_token_is_fetched_once_and_forgotten_when_refused() -> None:
    http, context = scripted({TRANSFER: json_reply(202), STATUS: json_reply(200, PAID)})
    await RAIL.submit(context, PAYOUT)
    assert (await RAIL.query(context, PAYOUT, None)).outcome is Outcome.SUCCEEDED
    assert len(http.sent("mtn_momo.token")) == 1

    http.script[TRANSFER] = json_reply(401, {"statusCode": 401, "message": "Access denied"})
    assert (await RAIL.submit(context, PAYOUT)).outcome is Outcome.NOT_SENT
    http.script[TRANSFER] = json_reply(202)
    await RAIL.submit(context, PAYOUT)
    assert len(http.sent("mtn_momo.token")) == 2


@pytest.mark.parametrize(
    "token",
    [lost(Sent.MAYBE), lost(Sent.NO), json_reply(500), json_reply(200, {}), Reply(200, {}, b"<html>"), json_reply(401)],
)
async def test_without_a_token_the_order_was_not_sent(token: Reply | ExchangeFailed) -> None:
    http, context = scripted({TOKEN_PATH: token})
    with pytest.raises(NotSent):
        await RAIL.submit(context, PAYOUT)
    assert http.sent("mtn_momo.transfer") == []
    with pytest.raises(Fault):
        await RAIL.query(context, PAYOUT, None)


async def test_only_proof_makes_it_not_sent() -> None:
    http, context = scripted({TRANSFER: lost(Sent.NO)})
    with pytest.raises(NotSent):
        await RAIL.submit(context, PAYOUT)
    http.script[TRANSFER] = lost(Sent.MAYBE)
    with pytest.raises(ExchangeFailed):
        await RAIL.submit(context, PAYOUT)


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code"),
    [
        (202, None, Outcome.PENDING, "HTTP_202"),
        (200, PAID, Outcome.UNKNOWN, "HTTP_200"),
        (202, PAID, Outcome.PENDING, "HTTP_202"),
        (409, {"code": "RESOURCE_ALREADY_EXIST", "message": "Duplicated"}, Outcome.PENDING, "RESOURCE_ALREADY_EXIST"),
        (400, None, Outcome.UNKNOWN, "HTTP_400"),
        (400, {"code": "REQUEST REJECTED/ BAD REQUEST"}, Outcome.UNKNOWN, "REQUEST_REJECTED_BAD_REQUEST"),
        (401, {"statusCode": 401}, Outcome.NOT_SENT, "HTTP_401"),
        (403, {"code": "FORBIDDEN IP"}, Outcome.UNKNOWN, "FORBIDDEN_IP"),
        (404, {"code": "PAYEE_NOT_FOUND"}, Outcome.UNKNOWN, "PAYEE_NOT_FOUND"),
        (429, None, Outcome.UNKNOWN, "HTTP_429"),
        (500, {"code": "NOT_ALLOWED"}, Outcome.UNKNOWN, "NOT_ALLOWED"),
        (500, {"code": "INTERNAL_PROCESSING_ERROR"}, Outcome.UNKNOWN, "INTERNAL_PROCESSING_ERROR"),
        (500, {"code": "NOT_ENOUGH_FUNDS"}, Outcome.UNKNOWN, "NOT_ENOUGH_FUNDS"),
        (503, {"code": "SERVICE_UNAVAILABLE"}, Outcome.UNKNOWN, "SERVICE_UNAVAILABLE"),
        (500, {"code": "RESOURCE_ALREADY_EXIST"}, Outcome.UNKNOWN, "RESOURCE_ALREADY_EXIST"),
    ],
)
async def test_the_status_of_the_answer_decides(status: int, body: Any, outcome: Outcome, code: str) -> None:
    _, context = scripted({TRANSFER: json_reply(status, body)})
    result = await RAIL.submit(context, PAYOUT)
    assert (result.outcome, result.answer.code) == (outcome, code)


async def test_a_paid_transfer_tells_whom_and_how_much() -> None:
    _, context = scripted({STATUS: json_reply(200, PAID)})
    result = await RAIL.query(context, PAYOUT, None)
    assert (result.outcome, result.amount, result.payee_identifier, result.our_ref, result.provider_ref) == (
        Outcome.SUCCEEDED, Money(25_000, "UGX"), "256772123456", REF, "981569077",
    )  # fmt: skip
    assert result.answer.raw == {
        "status": "SUCCESSFUL", "amount": "25000", "currency": "UGX", "financialTransactionId": "981569077",
        "payee": "...456",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (404, {"code": "RESOURCE_NOT_FOUND", "message": "Requested resource was not found."}, Outcome.NOT_FOUND),
        (404, {"code": "RESOURCE NOT FOUND"}, Outcome.NOT_FOUND),
        (404, {"statusCode": 404, "message": "Resource not found"}, Outcome.UNKNOWN),  # The gateway: a wrong address.
        (404, None, Outcome.UNKNOWN),
        (500, {"code": "RESOURCE_NOT_FOUND"}, Outcome.UNKNOWN),
        (500, {"code": "INTERNAL_PROCESSING_ERROR"}, Outcome.UNKNOWN),
        (503, PAID, Outcome.UNKNOWN),
        (202, PAID, Outcome.UNKNOWN),
        (401, None, Outcome.UNKNOWN),
        (200, {**PAID, "status": "FAILED"}, Outcome.DECLINED),
        (200, {**PAID, "status": "FAILED", "reason": "A_NEW_WORD"}, Outcome.UNKNOWN),
        (200, {**PAID, "status": "FAILED", "reason": "SUCCESSFUL"}, Outcome.UNKNOWN),
        (200, {**PAID, "status": "FAILED", "reason": {}}, Outcome.UNKNOWN),
        (200, {**PAID, "status": "FAILED", "reason": {"code": "PAYEE_NOT_FOUND", "message": "x"}}, Outcome.DECLINED),
        (200, {**PAID, "status": "PENDING"}, Outcome.PENDING),
        (200, {**PAID, "status": "PAYEE_NOT_FOUND"}, Outcome.UNKNOWN),
        (200, {**PAID, "status": "RESOURCE_NOT_FOUND"}, Outcome.UNKNOWN),
        (200, {**PAID, "status": "successful"}, Outcome.UNKNOWN),
        (200, {**PAID, "amount": None}, Outcome.UNKNOWN),
        (200, {**PAID, "amount": "25000.5"}, Outcome.UNKNOWN),
        (200, {**PAID, "currency": "XXX"}, Outcome.UNKNOWN),
        (200, {**PAID, "payee": None}, Outcome.UNKNOWN),
    ],
)
async def test_what_the_answer_to_a_question_means(status: int, body: Any, outcome: Outcome) -> None:
    _, context = scripted({STATUS: json_reply(status, body)})
    assert (await RAIL.query(context, PAYOUT, None)).outcome is outcome


def test_every_reason_of_the_rail_declines_inside_failed_only() -> None:
    listed = [
        line.removeprefix("- code: ").strip()
        for line in spec("mtn-momo/decline-codes.yml").read_text().splitlines()
        if line.startswith("- code: ")
    ]
    assert len(listed) >= 18
    table = RAIL.codes()["query"]
    waiting = {"ONGOING", "PENDING", "DELAYED"}
    for reason in listed:
        inside = read_transfer({**PAID, "status": "FAILED", "reason": reason}, table)
        assert inside.outcome is (Outcome.PENDING if reason in waiting else Outcome.DECLINED), reason
        assert read_query(json_reply(500, {"code": reason}), table).outcome is Outcome.UNKNOWN
    for entry in [*table.entries.values(), *RAIL.codes()["submit"].entries.values()]:
        assert entry.operator.endswith(".")
        assert entry.customer.endswith(".")
    assert table.find("NOT_ENOUGH_FUNDS").code_class is CodeClass.FUNDS


def test_official_samples_are_read_without_error() -> None:
    table = RAIL.codes()["query"]
    folder = spec("mtn-momo")
    read = 0
    for path in sorted(folder.glob("mocks/*.json")) + sorted(folder.glob("js-sdk-samples/*.json")):
        data = json.loads(path.read_text())
        for body in [entry["body"] for entry in data] if isinstance(data, list) else [data]:
            result = read_query(json_reply(200, body), table)
            assert (result.outcome is Outcome.SUCCEEDED) == ("payee" in body and body.get("status") == "SUCCESSFUL")
            RAIL.read_callback(scripted({})[1], make_callback(json.dumps(body).encode()))
            read += 1
    assert read > 50


@pytest.mark.parametrize(
    ("name", "money", "payee"),
    [
        ("mocks/TransferStatus.json", Money(100, "UGX"), "4609274685"),
        ("mocks/DepositStatus.json", Money(100, "UGX"), "4609274685"),
        ("js-sdk-samples/disbursements-getTransferStatus.json", Money(500, "EUR"), "0248888736"),
    ],
)
def test_samples_tell_amount_and_payee(name: str, money: Money, payee: str) -> None:
    data = json.loads(spec(f"mtn-momo/{name}").read_text())
    body = data[-1]["body"] if isinstance(data, list) else data
    result = read_transfer_of(body)
    assert (result.outcome, result.amount, result.payee_identifier) == (Outcome.SUCCEEDED, money, payee)


def read_transfer_of(body: Any) -> Any:
    return read_query(Reply(200, {}, json.dumps(body).encode()), RAIL.codes()["query"])


@pytest.mark.parametrize("status", ["SUCCESSFUL", "PENDING", "FAILED"])
def test_a_damaged_answer_never_pays(status: str) -> None:
    sample = {**PAID, "status": status, "reason": "PAYEE_NOT_FOUND"}
    for label, changed in mutations(sample):
        result = read_transfer_of(changed)
        if result.outcome is Outcome.SUCCEEDED:  # What it told of amount and payee is there to be compared.
            assert (status, result.amount is None, result.payee_identifier is None) == ("SUCCESSFUL", False, False), (
                label
            )
        "".join(map(str, result.answer.raw.values())).encode("utf-8")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff\xfe", b'{"amount": NaN}', b"1" * 5_000])
async def test_what_is_no_json_is_unknown(body: bytes) -> None:
    _, context = scripted({STATUS: Reply(200, {}, body), TRANSFER: Reply(500, {}, body)})
    assert (await RAIL.query(context, PAYOUT, None)).outcome is Outcome.UNKNOWN
    assert (await RAIL.submit(context, PAYOUT)).outcome is Outcome.UNKNOWN


async def test_a_question_nobody_answers_is_a_fault() -> None:
    _, context = scripted({STATUS: lost()})
    with pytest.raises(ExchangeFailed):
        await RAIL.query(context, PAYOUT, None)


# -- references, amounts, limits ------------------------------------------------------------------------------


@given(st.sets(st.uuids(), min_size=2, max_size=50))
def test_references_are_version_4_repeatable_and_different(attempts: set[uuid.UUID]) -> None:
    made = {attempt: RAIL.build_reference({}, attempt, NOW) for attempt in attempts}
    assert made == {attempt: RAIL.build_reference({}, attempt, NOW) for attempt in attempts}
    assert len(set(made.values())) == len(attempts)
    assert {uuid.UUID(reference).version for reference in made.values()} == {4}
    assert {uuid.UUID(reference).variant for reference in made.values()} == {uuid.RFC_4122}
    assert all(str(uuid.UUID(reference)) == reference for reference in made.values())


@given(st.integers(1, 10**15), st.sampled_from(["UGX", "XOF", "KES", "GHS", "TND", "EUR"]))
def test_amounts_come_back_as_they_went(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    written = json.loads(transfer_body(make_payout(REF, money, "256772123456")))
    assert isinstance(written["amount"], str)
    assert amount(written["amount"], written["currency"]) == money
    assert amount_text(money) == written["amount"]
    told = read_transfer_of({**PAID, "amount": written["amount"], "currency": currency})
    assert (told.outcome, told.amount) == (Outcome.SUCCEEDED, money)


@pytest.mark.parametrize(
    ("written", "currency", "minor"),
    [
        ("5.0", "EUR", 500), ("5", "EUR", 500), (5, "EUR", 500), ("5.00", "UGX", 5), ("0.125", "TND", 125),
        ("-3", "EUR", -300),
        ("5.001", "EUR", None), ("5,00", "EUR", None), ("1e3", "EUR", None), ("", "EUR", None), ("5", "", None),
        (True, "EUR", None), ("9" * 17, "EUR", None), ("\u0665", "EUR", None), ("5.", "EUR", None), (".5", "EUR", None),
    ],
)  # fmt: skip
def test_amounts_are_read_exactly_or_not_at_all(written: object, currency: str, minor: int | None) -> None:
    assert amount(written, currency) == (None if minor is None else Money(minor, currency))


@pytest.mark.parametrize(
    "payout",
    [
        make_payout(REF, Money(0, "UGX"), "256772123456"),
        make_payout(REF, Money(-5, "UGX"), "256772123456"),
        make_payout(REF, Money(5, "KES"), "254722123456"),
        make_payout(REF, Money(5, "UGX"), "0772123456"),
        make_payout(REF, Money(5, "UGX"), "+256772123456"),
        make_payout(REF, Money(5, "UGX"), "256772123456/../x"),
        dataclasses.replace(PAYOUT, payee=Party(PartyKind.BANK_ACCOUNT, "0123456789", "058")),
    ],
)
def test_what_the_rail_cannot_carry_is_refused(payout: Any) -> None:
    RAIL.check(PAYOUT)
    with pytest.raises(RailUnable):
        RAIL.check(payout)


async def test_an_order_in_another_currency_than_the_environment_stays_here() -> None:
    for environment in ("mtnghana", "sandbox", "nowhere"):
        http, context = scripted({}, target_environment=environment)
        with pytest.raises(NotSent):
            await RAIL.submit(context, PAYOUT)
        assert http.requests == []
    assert {currency for _, currency in ENVIRONMENTS.values()} == RAIL.capabilities().currencies


async def test_an_address_of_another_host_than_registered_is_left_out() -> None:
    http, context = scripted({TRANSFER: json_reply(202)}, callback_host="elsewhere.example.com")
    await RAIL.submit(context, PAYOUT)
    assert "X-Callback-Url" not in http.requests[-1].headers


# -- holders, balance, calls ----------------------------------------------------------------------------------

PARTY = Party(PartyKind.MSISDN, "256772123456")
ACTIVE = "GET /accountholder/msisdn/256772123456/active"
INFO = "GET /accountholder/msisdn/256772123456/basicuserinfo"


@pytest.mark.parametrize(("result", "active"), [(True, True), ("1", True), (1, True), (False, False), ("false", False)])
async def test_holders_are_told_with_name(result: object, active: bool) -> None:
    sample = json.loads(spec("mtn-momo/mocks/BasicUserInfo.json").read_text())
    _, context = scripted({ACTIVE: json_reply(200, {"result": result}), INFO: json_reply(200, sample)})
    holder = await RAIL.resolve_party(context, PARTY, our_ref=REF)
    assert (holder.name, holder.active) == ("Sand Box", active)


async def test_a_number_without_account_is_refused_and_silence_is_a_fault() -> None:
    http, context = scripted({ACTIVE: json_reply(404, {"code": "RESOURCE_NOT_FOUND"})})
    with pytest.raises(RailUnable):
        await RAIL.resolve_party(context, PARTY, our_ref=REF)
    for reply in (json_reply(500, {"code": "NOT_ALLOWED"}), json_reply(200, {}), json_reply(404)):
        http.script[ACTIVE] = reply
        with pytest.raises(RailAnswerUnreadable):
            await RAIL.resolve_party(context, PARTY, our_ref=REF)
    http.script[ACTIVE] = json_reply(200, {"result": True})
    http.script[INFO] = json_reply(403)
    assert (await RAIL.resolve_party(context, PARTY, our_ref=REF)).name is None


@pytest.mark.parametrize(
    ("name", "minor"), [("mocks/Balance.json", 100_000), ("mocks/GetAccBalance.json", 0)],
)  # fmt: skip
async def test_the_balance_is_read(name: str, minor: int) -> None:
    sample = json.loads(spec(f"mtn-momo/{name}").read_text())
    http, context = scripted({"GET /account/balance": json_reply(200, sample)})
    [balance] = await RAIL.fetch_balances(context)
    assert balance.amount == Money(minor, "EUR")
    http.script["GET /account/balance"] = json_reply(200, {"availableBalance": "x", "currency": "EUR"})
    with pytest.raises(RailAnswerUnreadable):
        await RAIL.fetch_balances(context)


def test_a_call_is_a_hint_and_a_forged_one_nothing() -> None:
    _, context = scripted({})
    body = json.dumps(PAID).encode()
    [event] = RAIL.read_callback(context, make_callback(body, REF))
    assert (event.trust, event.result.outcome, event.result.our_ref) == (Trust.HINT, Outcome.SUCCEEDED, REF)
    [again] = RAIL.read_callback(context, make_callback(json.dumps(PAID, indent=1).encode(), REF))
    assert again.key == event.key
    [other] = RAIL.read_callback(context, make_callback(json.dumps({**PAID, "status": "PENDING"}).encode(), REF))
    assert other.key != event.key
    [forged] = RAIL.read_callback(context, make_callback(body, REF, authentic=False))
    assert forged.trust is Trust.REJECTED
    with pytest.raises(RailAnswerUnreadable):
        RAIL.read_callback(context, make_callback(b"no json", REF))
    assert RAIL.acknowledge(make_callback(body)).status == 200


async def test_no_secret_and_no_name_is_in_evidence() -> None:
    http, context = scripted(
        {TRANSFER: json_reply(500, {"code": "X", "message": "no"}), STATUS: json_reply(200, {**PAID, "payer": "Jane"})}
    )
    shown = repr([await RAIL.submit(context, PAYOUT), await RAIL.query(context, PAYOUT, None), context.credentials])
    for secret in ("KEY-OF-THE-USER", "SUBSCRIPTION-KEY", "TOKEN-OF-THE-RAIL", "Jane"):
        assert secret not in shown
    for request in http.requests:
        assert {"authorization", "ocp-apim-subscription-key"} <= request.secrets


async def test_what_the_rail_has_not_is_refused() -> None:
    _, context = scripted({})
    with pytest.raises(RailUnable):
        await RAIL.reverse(context, PAYOUT, "1", REF)
    with pytest.raises(RailUnable):
        await RAIL.fetch_statement(context, NOW.date(), None)
    with pytest.raises(RailUnable):
        await RAIL.list_institutions(context)
