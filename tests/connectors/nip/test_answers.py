"""What NIP's answers mean: only 00 is paid, only codes of the table are refusals, and damage is never either."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.connectors.nip.rules import CODES
from omniroute.infra.http import Reply
from omniroute.kit.money import Money
from omniroute.ports.rails import (
    CodeClass,
    NotSent,
    Outcome,
    Payout,
    RailAnswerUnreadable,
    RailUnable,
    Result,
)
from tests.connectors.nip.stage import (
    REF,
    REST,
    REST_QUERIED,
    REST_TRANSFERRED,
    SOAP,
    SOAP_PATH,
    TRANSFERRED,
    cipher,
    hidden,
    message,
    order,
    queried,
    rest,
    soap,
    soap_reply,
    transferred,
)
from tests.connectors.outside import json_reply, mutations, spec

API = "/nipservice/v1/nip"
OTHER = "999001260302100000000000000001"

NEVER_PROOF = ("01", "09", "21", "25", "26", "35", "68", "94", "96", "97", "99", "A1", "A4", "A5", "A9", "91", "92")
DECLINES = ("03", "05", "06", "07", "08", "12", "13", "14", "15", "16", "17", "18", "30", "34", "51", "57", "58", "61")
ABOUT_THE_QUERY = ("03", "12", "14", "15", "16", "17", "18", "30", "57", "58", "63", "65")


async def asked(phase: str, form: str, reply: Reply, payout: Payout | None = None) -> Result:
    """What a connector makes of this reply to a submit or a query."""
    payout = payout or order()
    if form == "soap":
        _, context = soap({SOAP_PATH: reply})
        return await (SOAP.submit(context, payout) if phase == "submit" else SOAP.query(context, payout, None))
    _, context = rest({f"POST {API}/fundstransfer": reply, f"POST {API}/tsq": reply})
    return await (REST.submit(context, payout) if phase == "submit" else REST.query(context, payout, None))


def coded(phase: str, form: str, code: str) -> Reply:
    """A whole, well-formed answer with this code."""
    if form == "soap":
        return transferred(ResponseCode=code) if phase == "submit" else queried(ResponseCode=code)
    return json_reply(200, {**(REST_TRANSFERRED if phase == "submit" else REST_QUERIED), "responseCode": code})


# -- codes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["soap", "rest"])
@pytest.mark.parametrize(
    ("phase", "codes", "outcome"),
    [
        ("submit", ("00",), Outcome.SUCCEEDED),
        ("submit", (*DECLINES, "63", "65"), Outcome.DECLINED),
        ("submit", (*NEVER_PROOF, "69", "70", "71"), Outcome.UNKNOWN),
        ("query", ("00",), Outcome.SUCCEEDED),
        ("query", ("25",), Outcome.NOT_FOUND),
        ("query", ("91", "92", "05", "06", "07", "08", "13", "34", "51", "61"), Outcome.DECLINED),
        ("query", ("01", "09", "26", "35", "68", "94", "96", "97", "99", "A9", *ABOUT_THE_QUERY), Outcome.UNKNOWN),
        ("submit", ("98", "0", "000", " 00x", "OK", "success", "1", "Z9"), Outcome.UNKNOWN),
        ("query", ("98", "0", "000", "OK", "success", "Z9"), Outcome.UNKNOWN),
    ],
)
async def test_each_code_has_its_outcome(form: str, phase: str, codes: tuple[str, ...], outcome: Outcome) -> None:
    for code in codes:
        result = await asked(phase, form, coded(phase, form, code))
        assert (result.outcome, result.answer.code) == (outcome, code.strip()), code


def test_every_documented_code_is_in_the_tables_in_our_own_words() -> None:
    listed: dict[str, str] = json.loads(spec("nibss-nip/response-codes.json").read_text())
    for phase in ("submit", "query"):
        assert set(listed) <= set(CODES[phase].entries), phase
    texts = {text.casefold() for text in listed.values()}
    for table in CODES.values():
        assert table.rail == "nip"
        for entry in table.entries.values():
            assert entry.operator.endswith("."), entry
            assert entry.customer.endswith("."), entry
            assert entry.operator.casefold().rstrip(".") not in texts


def test_classes_say_what_to_do_next() -> None:
    submit, query = CODES["submit"], CODES["query"]
    assert {submit.find(code).code_class for code in ("26", "94")} == {CodeClass.DUPLICATE}
    assert submit.find("51").code_class is CodeClass.FUNDS
    assert submit.find("61").code_class is CodeClass.LIMIT
    assert submit.find("07").code_class is CodeClass.HARD_DECLINE
    assert not submit.find("07").code_class.retriable
    assert query.find("91").code_class.retriable
    assert query.find("25").code_class is CodeClass.NOT_FOUND
    assert SOAP.codes() == CODES
    for phase, table in REST.codes().items():
        assert (table.rail, table.entries) == ("nip_rest", CODES[phase].entries)


@given(st.text(max_size=6).filter(lambda code: code not in CODES["submit"].entries))
def test_a_code_nobody_knows_is_unknown_in_every_phase(code: str) -> None:
    assert {table.find(code).outcome for table in CODES.values()} == {Outcome.UNKNOWN}


# -- which order ----------------------------------------------------------------------------------------------


async def test_a_definite_answer_names_the_order() -> None:
    for reply in (transferred(SessionID=""), transferred(SessionID="", ResponseCode="51")):
        result = await asked("submit", "soap", reply)
        assert (result.outcome, result.answer.message) == (Outcome.UNKNOWN, "the answer does not name the order")
    for code in ("51", "25"):
        result = await asked("query", "soap", queried(SessionID=OTHER, ResponseCode=code))
        assert (result.outcome, result.answer.message) == (Outcome.UNKNOWN, "the answer names another order")
    result = await asked("query", "soap", queried(SessionID=OTHER))
    assert (result.outcome, result.our_ref) == (Outcome.SUCCEEDED, OTHER)  # For the core to see and to stop.


async def test_what_was_echoed_is_told() -> None:
    for form, reply in (
        ("soap", transferred(Amount="999.00", BeneficiaryAccountNumber="0000000001")),
        ("rest", json_reply(200, {**REST_TRANSFERRED, "amount": "999", "beneficiaryAccountNumber": 1})),
    ):
        result = await asked("submit", form, reply)
        assert (result.outcome, result.amount, result.payee_identifier, result.our_ref) == (
            Outcome.SUCCEEDED, Money(99_900, "NGN"), "0000000001", REF,
        )  # fmt: skip


async def test_a_transaction_id_as_number_is_still_the_order() -> None:
    zeros = "000034" + REF[6:]
    reply = Reply(200, {}, b'{"responseCode": "00", "amount": 1000.00, "transactionId": %s}' % str(int(zeros)).encode())
    result = await asked("submit", "rest", reply, order(our_ref=zeros))
    assert (result.outcome, result.our_ref, result.amount) == (Outcome.SUCCEEDED, zeros, Money(100_000, "NGN"))


# -- damage ---------------------------------------------------------------------------------------------------


async def reads(phase: str, form: str, reply: Reply) -> Outcome:
    """The outcome; what is unreadable is unknown, and the core takes it so."""
    try:
        return (await asked(phase, form, reply)).outcome
    except NotSent:
        raise AssertionError("an answer is no proof that nothing was sent") from None
    except RailAnswerUnreadable:
        return Outcome.UNKNOWN


@pytest.mark.parametrize("phase", ["submit", "query"])
@pytest.mark.parametrize("code", ["51", "00", "25", "96"])
async def test_a_damaged_rest_answer_never_becomes_paid_or_refused(phase: str, code: str) -> None:
    whole = {**(REST_TRANSFERRED if phase == "submit" else REST_QUERIED), "responseCode": code}
    expected = await reads(phase, "rest", json_reply(200, whole))
    for label, changed in mutations(whole):
        outcome = await reads(phase, "rest", json_reply(200, changed))
        assert outcome in (expected, Outcome.UNKNOWN), label
        if label.startswith(("responseCode", "transactionId", "all")) and "control" not in label:
            assert outcome is Outcome.UNKNOWN or (expected is outcome is Outcome.SUCCEEDED and "trans" in label), label


@pytest.mark.parametrize("code", ["51", "00", "96"])
async def test_a_damaged_soap_answer_never_becomes_paid_or_refused(code: str) -> None:
    whole = {**TRANSFERRED, "ResponseCode": code}
    expected = await reads("submit", "soap", transferred(ResponseCode=code))

    async def read(values: Mapping[str, str], name: str = "FTSingleCreditResponse") -> Outcome:
        return await reads("submit", "soap", soap_reply("fundtransfersingleitem_dc", message(name, values)))

    for field in whole:
        for value in (None, "", "STRANGER", "<inner>x</inner>"):
            changed = {name: text for name, text in whole.items() if name != field}
            outcome = await read(changed if value is None else {**changed, field: value})
            assert outcome in (expected, Outcome.UNKNOWN), (field, value)
            if field == "ResponseCode":
                assert outcome is Outcome.UNKNOWN, value
    assert await read({**whole, "Unheard": "of"}) is expected
    assert await read(whole, "TSQuerySingleResponse") is Outcome.UNKNOWN
    assert await read(whole, "ErrorResponse") is Outcome.UNKNOWN
    twice = message("FTSingleCreditResponse", whole).replace("</Amount>", "</Amount><ResponseCode>00</ResponseCode>")
    assert await reads("submit", "soap", soap_reply("fundtransfersingleitem_dc", twice)) is Outcome.UNKNOWN


BODIES = (
    b"", b"<html>", b"{", b"[]", b"null", b"7", b'"00"', b"[" * 100_000, b"\xff\xfe", b"1" * 5_000,
    b'{"responseCode": "00", "responseCode": "00"}', b'{"responseCode": NaN}', b'{"responseCode": "00", "amount": 1e2}',
    b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
)  # fmt: skip


@pytest.mark.parametrize("form", ["soap", "rest"])
@pytest.mark.parametrize("phase", ["submit", "query"])
async def test_what_is_not_the_protocol_is_unknown(phase: str, form: str) -> None:
    for content in BODIES:
        for status in (200, 302, 400, 404, 429, 500, 503):
            assert await reads(phase, form, Reply(status, {}, content)) is Outcome.UNKNOWN, (status, content)


@pytest.mark.parametrize("form", ["soap", "rest"])
async def test_an_http_status_proves_nothing(form: str) -> None:
    for status in (500, 502, 503):
        for code in ("00", "51"):
            whole = coded("submit", form, code)
            result = await asked("submit", form, Reply(status, whole.headers, whole.body))
            assert (result.outcome, result.answer.raw) == (Outcome.UNKNOWN, {"status": status})


async def test_a_refusal_with_a_code_counts_by_its_code() -> None:
    refused = json_reply(400, {**REST_TRANSFERRED, "responseCode": "51"})
    assert (await asked("submit", "rest", refused)).outcome is Outcome.DECLINED
    nameless = json_reply(400, {"responseCode": "51", "message": "no"})
    assert (await asked("submit", "rest", nameless)).outcome is Outcome.UNKNOWN


async def test_an_answer_that_cannot_be_opened_is_unreadable() -> None:
    paid = message("FTSingleCreditResponse", TRANSFERRED)
    for sealed in (
        "garbage", "", paid,
        cipher("stranger", "bank").seal(paid.encode()),
        cipher("nibss", "stranger").seal(paid.encode()),
        cipher("nibss", "bank").seal(paid.encode())[:-8],
    ):  # fmt: skip
        with pytest.raises(RailAnswerUnreadable):
            await SOAP.submit(hidden({SOAP_PATH: soap_reply("fundtransfersingleitem_dc", sealed)}), order())
    whole = soap_reply("fundtransfersingleitem_dc", cipher("nibss", "bank").seal(paid.encode()))
    assert (await SOAP.submit(hidden({SOAP_PATH: whole}), order())).outcome is Outcome.SUCCEEDED


async def test_nip_has_no_way_back() -> None:
    for rail in (SOAP, REST):
        with pytest.raises(RailUnable):
            await rail.reverse(soap({})[1], order(), REF, OTHER)
