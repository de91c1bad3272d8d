"""What NIP's answers mean: only 00 is paid, only codes of the table are refusals, and damage is never either."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.connectors.nip.rules import CODES, EnquiryUnanswered
from omniroute.connectors.nip.settlement import parse_report
from omniroute.infra.http import Reply
from omniroute.kit.clock import FixedClock
from omniroute.kit.money import Money
from omniroute.kit.refusal import Fault
from omniroute.ports.rails import (
    CodeClass,
    Context,
    EventKind,
    NotSent,
    Outcome,
    Payout,
    RailAnswerUnreadable,
    RailUnable,
    Result,
    Trust,
)
from tests.connectors.nip.stage import (
    ENQUIRY_REF,
    PAYEE,
    REF,
    REST,
    REST_QUERIED,
    REST_TRANSFERRED,
    SECRET,
    SOAP,
    SOAP_PATH,
    TRANSFERRED,
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
from tests.connectors.outside import NOW, json_reply, make_callback, make_context, mutations, spec

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


def hidden(script: Mapping[str, Any]) -> Context:
    """A connection under the hybrid cipher."""
    http, context = soap(script)
    public = {**context.credentials.public, "cipher": "hybrid", "peer_public_key": public_pem("nibss")}
    return make_context(http, context.credentials.endpoint, public, {**SECRET, "private_key": pem("bank")})


# -- enquiries ------------------------------------------------------------------------------------------------

REST_NAMED = {
    "responseCode": "00", "sessionID": "999999220608140828280645462287", "transactionId": ENQUIRY_REF,
    "channelCode": "1", "destinationInstitutionCode": "000002", "accountNumber": "2222002345",
    "bankVerificationNumber": "33333333332", "accountName": "vee Test", "kycLevel": "1",
}  # fmt: skip
NAMED = {
    "SessionID": ENQUIRY_REF, "DestinationInstitutionCode": "000002", "ChannelCode": "7", "AccountNumber": "2222002345",
    "AccountName": "vee Test", "BankVerificationNumber": "33333333332", "KYCLevel": "1", "ResponseCode": "00",
}  # fmt: skip


async def enquired(form: str, **changes: str) -> Any:
    """What the connectors make of the answer to a name enquiry."""
    if form == "soap":
        values = {**NAMED, **changes}
        _, context = soap({SOAP_PATH: soap_reply("nameenquirysingleitem", message("NESingleResponse", values))})
        return await SOAP.resolve_party(context, PAYEE, our_ref=ENQUIRY_REF)
    renamed = {name[:1].lower() + name[1:]: value for name, value in changes.items()}
    if "sessionID" in renamed:
        renamed["transactionId"] = renamed.pop("sessionID")
    _, context = rest({f"POST {API}/nameenquiry": json_reply(200, {**REST_NAMED, **renamed})})
    return await REST.resolve_party(context, PAYEE, our_ref=ENQUIRY_REF)


@pytest.mark.parametrize(("form", "proof"), [("soap", ENQUIRY_REF), ("rest", "999999220608140828280645462287")])
async def test_a_holder_is_told_with_what_the_transfer_must_quote(form: str, proof: str) -> None:
    holder = await enquired(form)
    assert (holder.party, holder.name, holder.active, holder.enquiry_ref, holder.kyc_level) == (
        PAYEE, "vee Test", True, proof, "1",
    )  # fmt: skip
    assert holder.details == {"bank_verification_number": "33333333332"}


@pytest.mark.parametrize("form", ["soap", "rest"])
async def test_no_account_is_a_refusal_and_no_answer_a_fault(form: str) -> None:
    for code in ("07", "16", "25"):
        with pytest.raises(RailUnable):
            await enquired(form, ResponseCode=code)
    dormant = await enquired(form, ResponseCode="06")
    assert (dormant.active, dormant.enquiry_ref) == (False, None)
    for code in ("91", "96", "97", "26", "63", "A1", "98", "", "0"):
        with pytest.raises(EnquiryUnanswered):
            await enquired(form, ResponseCode=code)
    with pytest.raises(EnquiryUnanswered):
        await enquired(form, AccountName="")
    for changes in ({"SessionID": OTHER}, {"AccountNumber": "2222002346"}):
        with pytest.raises(RailAnswerUnreadable):
            await enquired(form, **changes)


async def test_every_damaged_enquiry_is_a_holder_of_this_account_or_a_fault() -> None:
    for label, changed in mutations(REST_NAMED):
        _, context = rest({f"POST {API}/nameenquiry": json_reply(200, changed)})
        try:
            holder = await REST.resolve_party(context, PAYEE, our_ref=ENQUIRY_REF)
        except (Fault, RailUnable):
            continue
        assert (holder.party, holder.active) == (PAYEE, True), label
        assert holder.name, label
        assert holder.enquiry_ref, label


# -- balance, institutions, settlement ------------------------------------------------------------------------


async def test_the_balance_is_read() -> None:
    values = {"SessionID": REF, "TargetAccountNumber": "3333002345", "AvailableBalance": "561100555602.82"}
    answer = soap_reply("balanceenquiry", message("BalanceEnquiryResponse", {**values, "ResponseCode": "00"}))
    http, context = soap({SOAP_PATH: answer})
    [balance] = await SOAP.fetch_balances(context)
    assert (balance.kind, balance.amount) == ("available", Money(56_110_055_560_282, "NGN"))
    assert b"AUTHORISATION-CODE" in http.requests[0].body

    _, context = rest(
        {f"POST {API}/balanceenquiry": json_reply(200, {"responseCode": "00", "availableBalance": "561100555602.82"})}
    )
    [balance] = await REST.fetch_balances(context)
    assert balance.amount == Money(56_110_055_560_282, "NGN")


@pytest.mark.parametrize(
    "answer", [{"responseCode": "00"}, {"responseCode": "00", "availableBalance": "x"}, {"responseCode": "63"}, {}],
)  # fmt: skip
async def test_no_balance_is_a_fault(answer: dict[str, str]) -> None:
    _, context = rest({f"POST {API}/balanceenquiry": json_reply(200, answer)})
    with pytest.raises(Fault):
        await REST.fetch_balances(context)


async def test_institutions_are_listed() -> None:
    listed = [
        {"institutionCode": "999001", "institutionName": "ADH", "category": 3, "categoryCode": "3"},
        {"institutionCode": 2, "institutionName": "BBB"}, {"institutionName": "no code"}, {},
    ]  # fmt: skip
    http, context = rest({f"GET {API}/institutions": json_reply(200, listed)})
    found = await REST.list_institutions(context)
    assert [(one.code, one.name, one.country) for one in found] == [("999001", "ADH", "NG"), ("000002", "BBB", "NG")]
    assert (http.requests[-1].safe, http.requests[-1].body) == (True, b"")
    wrong: tuple[Any, ...] = ({}, None, [7], "x")
    for answer in wrong:
        http.script[f"GET {API}/institutions"] = json_reply(200, answer)
        with pytest.raises(Fault):
            await REST.list_institutions(context)
    with pytest.raises(RailUnable):
        await SOAP.list_institutions(context)


PUSHED = (
    "<FinancialInstitutionListRequest><Header><BatchNumber>000001</BatchNumber><NumberOfRecords>2</NumberOfRecords>"
    "<ChannelCode>1</ChannelCode><TransactionLocation/></Header>"
    "<Record><InstitutionCode>000001</InstitutionCode><InstitutionName>One</InstitutionName><Category>2</Category></Record>"
    "<Record><InstitutionCode>000002</InstitutionCode><InstitutionName>Two</InstitutionName><Category>2</Category></Record>"
    "</FinancialInstitutionListRequest>"
)


def test_the_pushed_list_of_institutions_is_read_and_believed_when_signed() -> None:
    from omniroute.connectors.nip.wire import wrap

    _, plain = soap({})
    call = wrap("financialinstitutionlist", PUSHED)
    [event] = SOAP.read_callback(plain, make_callback(call))
    assert (event.kind, event.trust, event.key) == (EventKind.OTHER, Trust.HINT, "institutions:000001")
    assert event.result.answer.raw["institutions"] == {"000001": "One", "000002": "Two"}
    assert event.result.outcome is Outcome.UNKNOWN
    [forged] = SOAP.read_callback(plain, make_callback(call, authentic=False))
    assert forged.trust is Trust.REJECTED

    sealed = wrap("financialinstitutionlist", cipher("nibss", "bank").seal(PUSHED.encode()))
    [signed] = SOAP.read_callback(hidden({}), make_callback(sealed))
    assert signed.trust is Trust.VERIFIED
    for content in (call, b"", wrap("nameenquirysingleitem", PUSHED), wrap("financialinstitutionlist", "<a/>")):
        with pytest.raises(RailAnswerUnreadable):
            SOAP.read_callback(hidden({}), make_callback(content))
    with pytest.raises(RailAnswerUnreadable):
        REST.read_callback(plain, make_callback(b"{}"))
    assert (SOAP.acknowledge(make_callback(call)).status, REST.acknowledge(make_callback(b"")).status) == (200, 200)


REPORT = (
    "Line,SettledAt,SessionID,Direction,Amount,BalanceAfter,Narration\r\n"
    f'17,2026-03-02T10:15:00+01:00,{REF},D,1000.00,250000.00,"rent, March"\r\n'
    "18,2026-03-02T23:30:00Z,,C,50.00,,reversal\r\n"
)


async def test_the_settlement_report_is_read_by_page() -> None:
    page = Reply(200, {"next-cursor": "18"}, REPORT.encode())
    for rail, (http, context) in (
        (SOAP, soap({"GET /report": page}, settlement_url="https://bank.example.com/report")),
        (REST, rest({"GET /report": page}, settlement_url="https://bank.example.com/report")),
    ):
        found = await rail.fetch_statement(context, date(2026, 3, 2), "7")
        assert http.requests[-1].url == "https://bank.example.com/report?date=2026-03-02&cursor=7"
        assert found.cursor == "18"
        first, second = found.lines
        assert (first.our_ref, first.amount, first.credit) == (REF, Money(100_000, "NGN"), False)
        assert (first.booked_at, first.balance_after) == (
            datetime(2026, 3, 2, 9, 15, tzinfo=UTC), Money(25_000_000, "NGN"),
        )  # fmt: skip
        assert (second.our_ref, second.credit, second.balance_after, second.value_on) == (
            None, True, None, date(2026, 3, 3),
        )  # fmt: skip


LATER = NOW + timedelta(hours=24)
HEAD, PAID, BACK = REPORT.splitlines()[0], REPORT.splitlines()[1], f"19,2026-03-03T09:00:00Z,{REF},C,1000.00,,back"


@pytest.mark.parametrize(
    ("lines", "until", "outcome"),
    [
        ([], LATER, Outcome.NOT_FOUND),
        ([], LATER - timedelta(seconds=1), Outcome.UNKNOWN),
        ([], None, Outcome.UNKNOWN),
        ([PAID], None, Outcome.SUCCEEDED),
        ([PAID.replace(REF, OTHER)], LATER, Outcome.NOT_FOUND),
        ([PAID, BACK], None, Outcome.REVERSED),
        ([PAID, BACK.replace("1000.00", "1.00")], LATER, Outcome.UNKNOWN),
        ([PAID, PAID], LATER, Outcome.UNKNOWN),
        ([BACK], LATER, Outcome.UNKNOWN),
    ],
)
@pytest.mark.parametrize("form", ["soap", "rest"])
async def test_after_a_day_the_report_answers(
    form: str, lines: list[str], until: datetime | None, outcome: Outcome
) -> None:
    headers = {} if until is None else {"settled-until": until.isoformat()}
    script = {"GET /report": Reply(200, headers, "\r\n".join([HEAD, *lines, ""]).encode())}
    rail, (http, context) = (SOAP, soap(script, settlement_url="/report")) if form == "soap" else (
        REST, rest(script, settlement_url="/report")
    )  # fmt: skip
    context = dataclasses.replace(context, clock=FixedClock(LATER))

    result = await rail.query(context, order(), None)

    assert (result.outcome, result.our_ref) == (outcome, REF)
    assert result.amount == (Money(100_000, "NGN") if lines[:1] == [PAID] and outcome != "unknown" else None)
    assert [request.url for request in http.requests] == [f"https://nip.example.com/report?session={REF}"]


async def test_before_a_day_is_over_or_without_a_report_nip_is_asked() -> None:
    for at, public in ((LATER - timedelta(seconds=1), {"settlement_url": "/report"}), (LATER, {})):
        _, context = soap({SOAP_PATH: queried()}, **public)
        result = await SOAP.query(dataclasses.replace(context, clock=FixedClock(at)), order(), None)
        assert result.outcome is Outcome.SUCCEEDED


async def test_without_a_report_the_rail_says_so() -> None:
    _, context = soap({})
    with pytest.raises(RailUnable):
        await SOAP.fetch_statement(context, date(2026, 3, 2), None)
    _, context = soap({"GET /report": Reply(404, {}, b"")}, settlement_url="https://bank.example.com/report")
    with pytest.raises(Fault):
        await SOAP.fetch_statement(context, date(2026, 3, 2), None)


@pytest.mark.parametrize(
    "content",
    [
        "", "a,b\n1,2\n", REPORT + "19\r\n", REPORT + "19,yesterday,,D,1.00,,x\r\n",
        REPORT + "19,2026-03-02T10:15:00,,D,1.00,,no zone\r\n", REPORT + "19,2026-03-02T10:15:00Z,,X,1.00,,x\r\n",
        REPORT + "19,2026-03-02T10:15:00Z,,D,-1.00,,x\r\n", REPORT + "19,2026-03-02T10:15:00Z,,D,,,x\r\n",
        REPORT + "19,2026-03-02T10:15:00Z,,D,1.00,,x,more\r\n", REPORT + ',2026-03-02T10:15:00Z,,D,1.00,,x\r\n',
        REPORT + '19,2026-03-02T10:15:00Z,,D,1.00,,"cut',
    ],
)  # fmt: skip
def test_a_report_with_one_bad_line_is_none(content: str) -> None:
    """What is missing from a report looks unpaid."""
    with pytest.raises(RailAnswerUnreadable):
        parse_report(content.encode())
    with pytest.raises(RailAnswerUnreadable):
        parse_report(b"\xff" + content.encode())


async def test_nip_has_no_way_back() -> None:
    for rail in (SOAP, REST):
        with pytest.raises(RailUnable):
            await rail.reverse(soap({})[1], order(), REF, OTHER)
