"""What Daraja answers at once: taken, refused at the gate, had before, or nothing that can be relied on."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.connectors.mpesa import MpesaConnector
from omniroute.infra.http import ExchangeFailed, Reply, Sent
from omniroute.kit.refusal import Fault
from omniroute.ports.rails import CodeClass, NotSent, Outcome, RailAnswerUnreadable, Result
from tests.connectors.mpesa import makers
from tests.connectors.mpesa.makers import REF, TAKEN, TILL, context, payout, reply

rail = MpesaConnector()


async def _submit(answer: Reply | ExchangeFailed) -> Result:
    here, _ = context([answer])
    return await rail.submit(here, payout())


def _error(code: str, message: str = "It failed") -> dict[str, str]:
    return {"requestId": "1c5b-4ba8-815c-1", "errorCode": code, "errorMessage": message}


async def test_taken_is_pending_never_paid() -> None:
    result = await _submit(reply(200, TAKEN))
    assert result.outcome is Outcome.PENDING
    assert (result.our_ref, result.provider_ref) == (REF, "AG_20261121_20106e9209f64bebd05b")
    assert (result.answer.code, result.receipt, result.amount) == ("0", None, None)


async def test_a_till_is_known_by_the_name_daraja_gave() -> None:
    here, _ = context([reply(200, TAKEN | {"OriginatorConversationID": "5118-111210482-1"})])
    result = await rail.submit(here, payout(TILL))
    assert (result.outcome, result.our_ref, result.provider_ref) == (Outcome.PENDING, None, "5118-111210482-1")


ERRORS = [
    (400, "400.002.02", Outcome.DECLINED),
    (400, "400.002.05", Outcome.DECLINED),
    (400, "400.003.02", Outcome.DECLINED),
    (401, "401.002.01", Outcome.NOT_SENT),
    (401, "401.003.01", Outcome.NOT_SENT),
    (400, "400.003.01", Outcome.NOT_SENT),
    (404, "404.001.03", Outcome.NOT_SENT),
    (401, "404.001.03", Outcome.NOT_SENT),
    (404, "404.001.04", Outcome.NOT_SENT),
    (404, "404.002.01", Outcome.NOT_SENT),
    (404, "404.003.01", Outcome.NOT_SENT),
    (405, "405.001", Outcome.NOT_SENT),
    (429, "500.003.02", Outcome.NOT_SENT),
    (429, "500.003.03", Outcome.NOT_SENT),
    (500, "500.002.1001", Outcome.UNKNOWN),
    (500, "500.001.1001", Outcome.UNKNOWN),
    (500, "500.003.1001", Outcome.UNKNOWN),
    (503, "00.002.1001", Outcome.UNKNOWN),
]


@pytest.mark.parametrize(("status", "code", "outcome"), ERRORS)
async def test_every_listed_error(status: int, code: str, outcome: Outcome) -> None:
    result = await _submit(reply(status, _error(code)))
    assert (result.outcome, result.answer.code, result.answer.message) == (outcome, code, "It failed")
    assert rail.codes()["submit"].find(code).outcome is outcome


def test_every_code_of_the_table_is_tried_here() -> None:
    tried = {code for _, code, _ in ERRORS} | {"0", "26", "500.002.1001/duplicate"}
    assert tried == set(rail.codes()["submit"].entries)


@pytest.mark.parametrize("code", ["500.003.02", "500.003.03", "405.001"])
async def test_a_server_that_failed_proves_nothing(code: str) -> None:
    result = await _submit(reply(500, _error(code)))
    assert (result.outcome, result.answer.code) == (Outcome.UNKNOWN, code)


@pytest.mark.parametrize("text", ["Duplicate OriginatorConversationID.", "DUPLICATE request", "Is a duplicate"])
async def test_a_duplicate_was_taken_before_and_is_asked_about(text: str) -> None:
    result = await _submit(reply(500, _error("500.002.1001", text)))
    assert result.outcome is Outcome.PENDING
    assert rail.codes()["submit"].find(result.answer.code).code_class is CodeClass.DUPLICATE


@pytest.mark.parametrize("text", ["System internal error.", "Service is currently under maintenance", ""])
async def test_the_same_code_with_another_text_says_nothing(text: str) -> None:
    assert (await _submit(reply(500, _error("500.002.1001", text)))).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "answer",
    [
        reply(500, b""),
        reply(502, b"<html>Bad gateway</html>"),
        reply(503, {"fault": {"faultstring": "x"}}),
        reply(200, b""),
        reply(200, b"{"),
        reply(200, b"[]"),
        reply(200, b"\xff"),
        reply(200, b"[" * 200_000),
        reply(200, b'{"ResponseCode": 1e999999999999999999999}'),
        reply(200, {"ResponseCode": "7777"}),
        reply(200, {"ResponseCode": True}),
        reply(200, {"ResponseCode": ["0"]}),
        reply(200, {"ResponseCode": "500.003.02"}),
        reply(200, {"ResponseCode": "400.002.02"}),
        reply(200, TAKEN | {"errorCode": "400.002.02"}),
        reply(400, TAKEN),
        reply(500, TAKEN),
        reply(202, TAKEN),
        reply(400, {"errorCode": "0"}),
        reply(400, {"errorCode": "499.999.99"}),
        reply(500, {"errorCode": "400.002.02"}),  # Something in between spoke, not the gateway.
        reply(200, {"errorCode": "404.001.03"}),
        reply(401, b""),
        reply(403, b""),
        reply(429, b""),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body[:40]!r}",
)
async def test_whatever_is_not_in_the_table_is_unknown(answer: Reply) -> None:
    assert (await _submit(answer)).outcome is Outcome.UNKNOWN


async def test_no_connection_is_not_sent_and_a_lost_one_is_not() -> None:
    with pytest.raises(NotSent):
        await _submit(ExchangeFailed("refused", sent=Sent.NO))
    with pytest.raises(ExchangeFailed):
        await _submit(ExchangeFailed("reset", sent=Sent.MAYBE))


@pytest.mark.parametrize(
    "answer", [reply(401, _error("401.002.01")), reply(404, _error("404.001.03")), reply(401, b"")]
)
async def test_a_refused_token_is_forgotten_and_the_order_not_sent_again(answer: Reply) -> None:
    tokens = makers.KeptTokens()
    here, daraja = context([answer], tokens=tokens)
    await rail.submit(here, payout())
    assert tokens.kept == {}
    assert [request.operation for request in daraja.requests] == ["mpesa.token", "mpesa.b2c"]


async def test_a_question_taken_is_asked_and_any_other_answer_tells_nothing() -> None:
    here, _ = context([reply(200, TAKEN)])
    assert (await rail.query(here, payout(), None)).outcome is Outcome.ASKED
    for answer in (reply(500, _error("500.002.1001", "Duplicate")), reply(400, _error("400.002.02")), reply(200, b"")):
        here, _ = context([answer])
        assert (await rail.query(here, payout(), None)).outcome is Outcome.UNKNOWN
    here, _ = context([ExchangeFailed("reset", sent=Sent.MAYBE)])
    with pytest.raises(Fault):
        await rail.query(here, payout(), None)


async def test_balances_come_later_or_not_at_all() -> None:
    here, _ = context([reply(200, TAKEN)])
    assert await rail.fetch_balances(here) == ()
    here, _ = context([reply(500, b"")])
    with pytest.raises(RailAnswerUnreadable):
        await rail.fetch_balances(here)


async def test_a_reversal_taken_is_pending() -> None:
    here, _ = context([reply(200, TAKEN | {"OriginatorConversationID": "71840-27539181-07"})])
    result = await rail.reverse(here, payout(TILL), "QKA81LK5CY", "R1")
    assert (result.outcome, result.our_ref) == (Outcome.PENDING, None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.sampled_from([200, 400, 401, 404, 429, 500, 503]), st.sampled_from(sorted(TAKEN)), json_values)
async def test_a_changed_acknowledgement_never_crashes_and_never_pays(status: int, name: str, value: Any) -> None:
    result = await _submit(reply(status, TAKEN | {name: value}))
    assert result.outcome in (Outcome.PENDING, Outcome.UNKNOWN)
    if status != 200:
        assert result.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("name", sorted(TAKEN))
async def test_a_missing_field_never_pays(name: str) -> None:
    result = await _submit(reply(200, {key: value for key, value in TAKEN.items() if key != name}))
    assert result.outcome is (Outcome.UNKNOWN if name == "ResponseCode" else Outcome.PENDING)


async def test_no_secret_reaches_what_is_kept() -> None:
    here, daraja = context([reply(200, TAKEN)])
    result = await rail.submit(here, payout())
    credential = daraja.body["SecurityCredential"]
    for secret in (*makers.SECRETS.values(), makers.TOKEN, credential):
        assert secret not in repr(result)
