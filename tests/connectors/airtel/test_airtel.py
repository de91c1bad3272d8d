"""Airtel Money on the wire: what we write, what its answers mean, and what must never count as paid."""

import base64
import dataclasses
import json
import re
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from hypothesis import given
from hypothesis import strategies as st

from omniroute.connectors.airtel import Airtel
from omniroute.connectors.airtel.pin import PADDINGS, encrypt_pin
from omniroute.connectors.airtel.wire import disbursement_body, read_query, read_submit
from omniroute.connectors.replies import amount
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

RAIL = Airtel()
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
).decode()  # fmt: skip
DER = base64.b64encode(
    KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
REF = RAIL.build_reference({}, uuid.UUID("01990000-0000-7000-8000-000000000001"), NOW)
PAYOUT = make_payout(REF, Money(500, "UGX"), "256700160185")
PUBLIC = {"country": "UG", "currency": "UGX", "client_id": "client-7", "pin_public_key": PEM}
SECRET = {"client_secret": "SECRET-OF-THE-CLIENT", "pin": "4711"}
TOKEN = {"access_token": "TOKEN-OF-THE-RAIL", "expires_in": "180", "token_type": "bearer"}
TOKEN_PATH = "POST /auth/oauth2/token"
SEND = "POST /standard/v1/disbursements/"
ENQUIRY = f"GET /standard/v1/disbursements/{REF}"


def answer(code: str | None, state: str | None = None, success: bool | None = True, ref: str = REF, **more: Any) -> Any:
    transaction = {"reference_id": "133412377178", "airtel_money_id": f"disburs-6EJL6CWF1D-{ref}", "id": ref}
    if state is not None:
        transaction["status"] = state
    status = {"response_code": code, "code": "200", "success": success, "result_code": "ESB000010", "message": "Jane"}
    return {"data": {"transaction": transaction} if state else {}, "status": status, **more}


def scripted(script: dict[str, Any], **public: str) -> tuple[ScriptedHttp, Any]:
    http = ScriptedHttp({TOKEN_PATH: json_reply(200, TOKEN), **script})
    return http, make_context(http, "https://airtel.example.com", {**PUBLIC, **public}, SECRET)


async def test_the_order_is_written_as_the_golden_file_shows() -> None:
    http, context = scripted({SEND: json_reply(200, answer("DP00900001006", "TIP"))})

    result = await RAIL.submit(context, PAYOUT)

    assert (result.outcome, result.provider_ref) == (Outcome.PENDING, f"disburs-6EJL6CWF1D-{REF}")
    [token, order] = http.requests
    assert json.loads(token.body) == {
        "client_id": "client-7", "client_secret": "SECRET-OF-THE-CLIENT", "grant_type": "client_credentials",
    }  # fmt: skip
    body = json.loads(order.body)
    pin = KEY.decrypt(base64.b64decode(body["pin"]), PADDINGS["pkcs1v15"])
    shown = {
        "method": order.method, "url": order.url, "headers": dict(order.headers),
        "body": {**body, "pin": f"decrypts to {pin.decode()}"},
    }  # fmt: skip
    assert shown == json.loads((Path(__file__).parent / "golden" / "disbursement.json").read_text())
    assert (order.submit, order.safe) == (True, False)


async def test_every_request_has_path_headers_and_fields_of_the_collection() -> None:
    collection = json.loads(spec("airtel-money/airtel_money.postman_collection.json").read_text())
    listed: dict[str, Any] = {}

    def walk(items: Any) -> None:
        for item in items:
            walk(item.get("item", []))
            if "request" in item:
                url = item["request"]["url"]
                raw = url["raw"] if isinstance(url, dict) else url
                path = re.sub(r":\w+", "*", raw.removeprefix("{{base_uri}}"))
                listed[f"{item['request']['method']} {path}"] = item["request"]

    walk(collection["item"])
    user = {"status": {"response_code": "DP02200000001", "success": True}, "data": {"is_barred": False}}
    balance = {"status": {"response_code": "DP02100000001"}, "data": {"balance": "5", "currency": "UGX"}}
    http, context = scripted(
        {
            SEND: json_reply(200, answer("DP00900001006", "TIP")), ENQUIRY: json_reply(200, answer("x", "TS")),
            "GET /users/700160185": json_reply(200, user), "GET /users/balance": json_reply(200, balance),
        }
    )  # fmt: skip
    await RAIL.submit(context, PAYOUT)
    await RAIL.query(context, PAYOUT, None)
    await RAIL.resolve_party(context, PAYOUT.payee, our_ref=REF)
    await RAIL.fetch_balances(context)
    enquiry = "/standard/v1/disbursements/"  # The collection asks for a payout where payments are; see the page.
    for request in http.requests:
        path = request.url.removeprefix("https://airtel.example.com").replace(REF, "*").replace("/700160185", "/*")
        found = listed.get(f"{request.method} {path.replace(enquiry + '*', '/standard/v1/payments/*')}")
        assert found is not None, path
        names = {header["key"].lower() for header in found.get("header", [])}
        assert names <= {name.lower() for name in request.headers}
        if request.body and "body" in found:
            assert shape(json.loads(found["body"]["raw"])) <= shape(json.loads(request.body)), path


def shape(body: Any, at: str = "") -> set[str]:
    if not isinstance(body, dict):
        return {f"{at}:{'number' if isinstance(body, int) else 'text'}"}
    return set().union(*(shape(value, f"{at}/{key}") for key, value in body.items()))


@pytest.mark.parametrize("padding", sorted(PADDINGS))
@pytest.mark.parametrize("key", [PEM, DER, f"  {DER[:64]}\n{DER[64:]}\n"])
def test_the_pin_is_encrypted_for_the_rail_alone(padding: str, key: str) -> None:
    first, second = encrypt_pin("4711", key, padding), encrypt_pin("4711", key, padding)
    assert first != second
    assert KEY.decrypt(base64.b64decode(first), PADDINGS[padding]) == b"4711"


@pytest.mark.parametrize(
    "public",
    [
        {"pin_public_key": ""},
        {"pin_public_key": "bm8ga2V5"},
        {"pin_public_key": "-----BEGIN PUBLIC KEY-----"},
        {"pin_padding": "rot13"},
        {"country": "KE"},
        {"currency": "KES"},
    ],
)
async def test_a_wrong_connection_sends_nothing(public: dict[str, str]) -> None:
    http, context = scripted({}, **public)
    with pytest.raises(NotSent):
        await RAIL.submit(context, PAYOUT)
    assert http.requests == []


async def test_version_2_and_signed_messages() -> None:
    http, context = scripted(
        {"POST /standard/v2/disbursements/": json_reply(200, answer("DP00900001001", "TS"))},
        disbursements="v2", message_signing="on",
    )  # fmt: skip
    assert (await RAIL.submit(context, PAYOUT)).outcome is Outcome.SUCCEEDED
    order = http.requests[-1]
    body = json.loads(order.body)
    assert (body["payee"]["currency"], body["transaction"]["type"]) == ("UGX", "B2C")
    key, start = (
        base64.b64decode(part)
        for part in KEY.decrypt(base64.b64decode(order.headers["x-key"]), PADDINGS["pkcs1v15"]).split(b":")
    )
    decryptor = Cipher(algorithms.AES(key), modes.CBC(start)).decryptor()
    padded = decryptor.update(base64.b64decode(order.headers["x-signature"])) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    assert unpadder.update(padded) + unpadder.finalize() == order.body


@pytest.mark.parametrize(
    "token", [lost(), lost(Sent.NO), json_reply(500), json_reply(400, {"error": "invalid_client"})]
)
async def test_without_a_token_the_order_was_not_sent(token: Reply | ExchangeFailed) -> None:
    http, context = scripted({TOKEN_PATH: token})
    with pytest.raises(NotSent):
        await RAIL.submit(context, PAYOUT)
    assert http.sent("airtel.disbursement") == []
    with pytest.raises(Fault):
        await RAIL.query(context, PAYOUT, None)


async def test_only_proof_makes_it_not_sent() -> None:
    http, context = scripted({SEND: lost(Sent.NO)})
    with pytest.raises(NotSent):
        await RAIL.submit(context, PAYOUT)
    http.script[SEND] = lost(Sent.MAYBE)
    with pytest.raises(ExchangeFailed):
        await RAIL.submit(context, PAYOUT)


async def test_a_refused_token_is_not_sent_and_fetched_anew() -> None:
    http, context = scripted({SEND: json_reply(403, {"error": "invalid_token", "error_description": "expired"})})
    for _ in range(2):
        assert (await RAIL.submit(context, PAYOUT)).outcome is Outcome.NOT_SENT
    assert len(http.sent("airtel.token")) == 2


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, answer("DP00900001001", "TS"), Outcome.SUCCEEDED),
        (200, answer("DP00900001001"), Outcome.PENDING),  # success: true is not paid.
        (200, answer("DP00800001006"), Outcome.PENDING),
        (200, answer("DP00900001001", "SUCCESS"), Outcome.PENDING),
        (200, answer("DP00900001001", "TS", ref="another"), Outcome.UNKNOWN),
        (200, answer("DP00900001001", "TS", success=False), Outcome.UNKNOWN),
        (200, answer("DP00900001001", "TS", success=None), Outcome.UNKNOWN),
        (200, answer("DP00900001006", "TS"), Outcome.UNKNOWN),
        (200, answer(None, "TS"), Outcome.UNKNOWN),
        (200, answer("DP00900001001", "TF"), Outcome.UNKNOWN),
        (200, answer("DP00900001000", "TA"), Outcome.UNKNOWN),
        (200, answer("DP00900001007", success=False), Outcome.DECLINED),
        (400, answer("DP00900001012", success=False), Outcome.DECLINED),
        (200, answer("DP00900001007", success=True), Outcome.UNKNOWN),
        (200, answer("DP00900001007", "TIP", success=False), Outcome.UNKNOWN),
        (500, answer("DP00900001007", success=False), Outcome.UNKNOWN),
        (502, None, Outcome.UNKNOWN),
        (200, answer("DP00900001014", success=False), Outcome.UNKNOWN),
        (200, answer("DP00900001015", success=False), Outcome.UNKNOWN),
        (200, answer("DP00900001017", success=False), Outcome.UNKNOWN),
        (200, answer("DP00900001099", success=False), Outcome.UNKNOWN),
        (200, {"status": {"success": False, "result_code": "ESB000008"}}, Outcome.DECLINED),
        (200, {"status": {"success": False, "result_code": "ESB000011"}}, Outcome.UNKNOWN),
        (400, {"status_message": "no partner", "status_code": "ROUTER110"}, Outcome.DECLINED),
        (400, {"status_code": "ROUTER117"}, Outcome.UNKNOWN),
        (401, None, Outcome.UNKNOWN),
        (429, None, Outcome.UNKNOWN),
        (404, None, Outcome.UNKNOWN),
    ],
)
async def test_what_the_answer_to_an_order_means(status: int, body: Any, outcome: Outcome) -> None:
    _, context = scripted({SEND: json_reply(status, body)})
    assert (await RAIL.submit(context, PAYOUT)).outcome is outcome


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code"),
    [
        (200, answer("DP00900001001", "TS"), Outcome.SUCCEEDED, "TS"),
        (200, answer("DP00900001001", "TF"), Outcome.DECLINED, "TF"),
        (200, answer("DP00900001007", "TF", success=False), Outcome.DECLINED, "DP00900001007"),
        (200, answer("DP00900001001", "TE"), Outcome.DECLINED, "TE"),
        (200, answer("DP00900001000", "TA"), Outcome.UNKNOWN, "TA"),
        (200, answer("DP00900001006", "TIP"), Outcome.PENDING, "TIP"),
        (200, answer("DP00900001001", "TS", ref="another"), Outcome.UNKNOWN, "DP00900001001"),
        (200, answer("DP00900001001", "TS", success=False), Outcome.UNKNOWN, "DP00900001001"),
        (200, answer("DP00900001001", "TX"), Outcome.UNKNOWN, "DP00900001001"),
        (200, answer("DP00900001001"), Outcome.UNKNOWN, "DP00900001001"),
        (200, answer("DP00900001007", success=False), Outcome.UNKNOWN, "DP00900001007"),
        (200, answer("DP00900001015", success=False), Outcome.NOT_FOUND, "DP00900001015"),
        (400, answer("DP00800001025", success=False), Outcome.NOT_FOUND, "DP00800001025"),
        (200, answer("DP00900001015", success=True), Outcome.UNKNOWN, "DP00900001015"),
        (200, answer("DP00900001015", "TS"), Outcome.UNKNOWN, "DP00900001015"),
        (500, answer("DP00900001015", success=False), Outcome.UNKNOWN, "DP00900001015"),
        (400, answer("DP00900001001", "TS"), Outcome.UNKNOWN, "DP00900001001"),
        (404, None, Outcome.UNKNOWN, "HTTP_404"),
    ],
)
async def test_what_the_answer_to_a_question_means(status: int, body: Any, outcome: Outcome, code: str) -> None:
    _, context = scripted({ENQUIRY: json_reply(status, body)})
    result = await RAIL.query(context, PAYOUT, None)
    assert (result.outcome, result.answer.code) == (outcome, code)


@pytest.mark.parametrize("state", ["TS", "TF", "TA", "TIP"])
def test_a_damaged_answer_never_pays(state: str) -> None:
    for read, phase in ((read_submit, "submit"), (read_query, "query")):
        for label, changed in mutations(answer("DP00900001001", state)):
            result = read(Reply(200, {}, json.dumps(changed).encode()), RAIL.codes()[phase], REF)
            if result.outcome is Outcome.SUCCEEDED:
                assert (state, result.our_ref) == ("TS", REF), label
            repr(result).encode("utf-8")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff\xfe", b"null", b"1" * 5_000])
async def test_what_is_no_json_is_unknown(body: bytes) -> None:
    _, context = scripted({ENQUIRY: Reply(200, {}, body), SEND: Reply(200, {}, body)})
    assert (await RAIL.query(context, PAYOUT, None)).outcome is Outcome.UNKNOWN
    assert (await RAIL.submit(context, PAYOUT)).outcome is Outcome.UNKNOWN


def test_the_tables_are_whole() -> None:
    submit, query = RAIL.codes()["submit"], RAIL.codes()["query"]
    assert Outcome.SUCCEEDED not in {entry.outcome for entry in submit.entries.values()}
    assert {code for code, entry in query.entries.items() if entry.outcome is Outcome.SUCCEEDED} == {"TS"}
    for series in ("DP00800001", "DP00900001"):
        assert submit.find(f"{series}000").outcome is Outcome.UNKNOWN
        assert submit.find(f"{series}006").outcome is Outcome.PENDING
        assert submit.find(f"{series}007").code_class is CodeClass.FUNDS
    assert submit.find("DP00900001017").code_class is CodeClass.DUPLICATE
    assert submit.find("DP00900001777").outcome is Outcome.UNKNOWN
    for entry in [*submit.entries.values(), *query.entries.values()]:
        assert entry.operator.endswith(".")
        assert entry.customer.endswith(".")


# -- references, amounts, limits ------------------------------------------------------------------------------


@given(st.sets(st.uuids(), min_size=2, max_size=50))
def test_references_are_letters_and_digits_repeatable_and_different(attempts: set[uuid.UUID]) -> None:
    made = {attempt: RAIL.build_reference({}, attempt, NOW) for attempt in attempts}
    assert made == {attempt: RAIL.build_reference({}, attempt, NOW) for attempt in attempts}
    assert len(set(made.values())) == len(attempts)
    assert all(re.fullmatch(r"[0-9a-f]{32}", reference) for reference in made.values())


@given(st.integers(1, 10**15), st.sampled_from(["UGX", "XAF", "KES", "ZMW", "TND"]), st.sampled_from(["v1", "v2"]))
def test_amounts_come_back_as_they_went(minor: int, currency: str, version: str) -> None:
    money = Money(minor, currency)
    body = disbursement_body(make_payout(REF, money, "256700160185"), "700160185", "x", version)
    written = json.loads(body, parse_float=Decimal)["transaction"]["amount"]
    assert isinstance(written, int | Decimal)
    assert b"E" not in body.split(b'"amount":')[1].split(b",")[0]
    assert amount(str(written), currency) == money


def test_whole_amounts_are_written_whole() -> None:
    for minor, text in ((50_000, b'"amount":500,'), (50_025, b'"amount":500.25,'), (5, b'"amount":0.05,')):
        assert text in disbursement_body(make_payout(REF, Money(minor, "KES"), "x"), "7", "x", "v1")


@pytest.mark.parametrize(
    "payout",
    [
        make_payout(REF, Money(0, "UGX"), "256700160185"),
        make_payout(REF, Money(5, "KES"), "256700160185"),
        make_payout(REF, Money(5, "UGX"), "0700160185"),
        make_payout(REF, Money(5, "UGX"), "+256700160185"),
        make_payout(REF, Money(5, "UGX"), "46700160185"),
        make_payout(REF, Money(5, "UGX"), "2560700160185"),
        make_payout(REF, Money(5, "UGX"), "256070016018"),
        make_payout(REF, Money(5, "XAF"), "242741234567"),
        make_payout(REF, Money(5, "NGN"), "234802123456"),
        make_payout(REF, Money(5, "UGX"), "256700160185/x"),
        dataclasses.replace(PAYOUT, payee=Party(PartyKind.BANK_ACCOUNT, "0123456789", "058")),
    ],
)
def test_what_the_rail_cannot_carry_is_refused(payout: Any) -> None:
    RAIL.check(PAYOUT)
    with pytest.raises(RailUnable):
        RAIL.check(payout)


# -- holders, balance, calls ----------------------------------------------------------------------------------

USER = {
    "data": {"first_name": "Jane", "last_name": "Okello", "grade": "SUBS", "is_barred": False, "msisdn": "700160185"},
    "status": {"response_code": "DP02200000001", "code": "200", "success": True, "result_code": "ESB000010"},
}


async def test_holders_are_told_with_name() -> None:
    http, context = scripted({"GET /standard/v1/users/700160185": json_reply(200, USER)})
    holder = await RAIL.resolve_party(context, PAYOUT.payee, our_ref=REF)
    assert (holder.name, holder.active, holder.kyc_level) == ("Jane Okello", True, "SUBS")
    assert http.requests[-1].headers["X-Country"] == "UG"


async def test_a_number_without_account_is_refused_and_silence_is_a_fault() -> None:
    path = "GET /standard/v1/users/700160185"
    http, context = scripted({path: json_reply(200, {"status": {"response_code": "DP02200000000", "success": False}})})
    with pytest.raises(RailUnable):
        await RAIL.resolve_party(context, PAYOUT.payee, our_ref=REF)
    with pytest.raises(RailUnable):
        await RAIL.resolve_party(context, Party(PartyKind.MSISDN, "254700160185"), our_ref=REF)
    for reply in (json_reply(500, {}), json_reply(200, {}), json_reply(200, {**USER, "data": {}})):
        http.script[path] = reply
        with pytest.raises(RailAnswerUnreadable):
            await RAIL.resolve_party(context, PAYOUT.payee, our_ref=REF)


@pytest.mark.parametrize(("balance", "minor"), [("65252", 65_252), (65252, 65_252), ("65252.00", 65_252)])
async def test_the_balance_is_read(balance: object, minor: int) -> None:
    path = "GET /standard/v1/users/balance"
    body = {"data": {"balance": balance, "currency": "UGX"}, "status": {"response_code": "DP02100000001"}}
    http, context = scripted({path: json_reply(200, body)})
    assert [found.amount for found in await RAIL.fetch_balances(context)] == [Money(minor, "UGX")]
    for reply in (json_reply(200, {}), json_reply(503, body), json_reply(200, {**body, "data": {"balance": "1.5"}})):
        http.script[path] = reply
        with pytest.raises(RailAnswerUnreadable):
            await RAIL.fetch_balances(context)


@pytest.mark.parametrize("authentic", [True, False])
def test_a_call_is_never_more_than_a_hint(authentic: bool) -> None:
    _, context = scripted({})
    call = {
        "transaction": {"id": REF, "message": "Paid", "status_code": "TS", "airtel_money_id": "MP210603.1234.L06941"}
    }
    [event] = RAIL.read_callback(context, make_callback(json.dumps(call).encode(), authentic=authentic))
    assert (event.trust, event.result.outcome, event.result.our_ref) == (Trust.HINT, Outcome.SUCCEEDED, REF)
    [again] = RAIL.read_callback(context, make_callback(json.dumps(call, indent=2).encode()))
    assert again.key == event.key
    call["transaction"]["status_code"] = "DP00900001007"
    [other] = RAIL.read_callback(context, make_callback(json.dumps(call).encode()))
    assert (other.result.outcome, other.key == event.key) == (Outcome.UNKNOWN, False)
    for body in (b"no json", b"{}", b'{"transaction": 7}'):
        with pytest.raises(RailAnswerUnreadable):
            RAIL.read_callback(context, make_callback(body))


async def test_no_secret_and_no_name_is_in_evidence() -> None:
    http, context = scripted(
        {SEND: json_reply(200, answer("DP00900001001", "TS")), ENQUIRY: json_reply(200, answer("x", "TS"))}
    )
    shown = repr([await RAIL.submit(context, PAYOUT), await RAIL.query(context, PAYOUT, None), context.credentials])
    for secret in ("SECRET-OF-THE-CLIENT", "4711", "TOKEN-OF-THE-RAIL", "Jane"):
        assert secret not in shown
    assert b"4711" not in http.requests[-2].body.split(b'"pin"')[1][:10]
    for request in http.requests:
        assert {"authorization", "client_secret", "pin"} <= request.secrets


async def test_what_the_rail_has_not_is_refused() -> None:
    _, context = scripted({})
    with pytest.raises(RailUnable):
        await RAIL.reverse(context, PAYOUT, "1", REF)
    with pytest.raises(RailUnable):
        await RAIL.fetch_statement(context, NOW.date(), None)
    with pytest.raises(RailUnable):
        await RAIL.list_institutions(context)
