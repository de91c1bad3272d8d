"""Whose account it is, what ours holds, and whom NIP can pay: a true answer, a refusal or a fault."""

from typing import Any

import pytest

from omniroute.connectors.nip.rules import EnquiryUnanswered
from omniroute.kit.money import Money
from omniroute.kit.refusal import Fault
from omniroute.ports.rails import (
    EventKind,
    Outcome,
    RailAnswerUnreadable,
    RailUnable,
    Trust,
)
from tests.connectors.nip.stage import (
    ENQUIRY_REF,
    PAYEE,
    REF,
    REST,
    SOAP,
    SOAP_PATH,
    cipher,
    hidden,
    message,
    rest,
    soap,
    soap_reply,
)
from tests.connectors.outside import json_reply, make_callback, mutations

API = "/nipservice/v1/nip"
OTHER = "999001260302100000000000000001"


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
