"""What Daraja calls us with: results are hints, answers to our questions are believed, forgeries move nothing."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.connectors.mpesa import MpesaConnector, wire
from omniroute.kit.money import Money
from omniroute.ports.rails import EventKind, Outcome, RailAnswerUnreadable, RailEvent, Trust
from tests.connectors.mpesa.makers import REF, callback, context, dumps, found, only, paid, refused

rail = MpesaConnector()
PURPOSES = "rmtspbvl"


def read(purpose: str, body: Any, **other: Any) -> RailEvent:
    here, _ = context()
    return only(rail.read_callback(here, callback(purpose, body, **other)))


# -- results that come by themselves --------------------------------------------------------------------------


def test_a_paid_order_is_a_hint_with_all_there_is_to_compare() -> None:
    event = read("r", paid())
    assert (event.kind, event.trust, event.result.outcome) == (
        EventKind.PAYOUT_RESULT,
        Trust.HINT,
        Outcome.SUCCEEDED,
    )
    assert (event.result.our_ref, event.result.receipt) == (REF, "SG632NMUAB")
    assert event.result.provider_ref == "AG_20261121_20106e9209f64bebd05b"
    assert (event.result.amount, event.result.payee_identifier) == (Money(150_00, "KES"), "254708374149")
    assert event.occurred_at == event.result.finalised_at == datetime(2026, 11, 21, 9, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("code", sorted(rail.codes()["callback"].entries))
@pytest.mark.parametrize("as_number", [False, True])
def test_every_result_code_by_itself(code: str, as_number: bool) -> None:
    sent: Any = int(code) if as_number and code.isdigit() else code
    entry = rail.codes()["callback"].find(code)
    result = read("r", paid(sent) if code == "0" else refused(sent)).result
    assert (result.outcome, result.answer.code) == (entry.outcome, code)
    assert (entry.outcome is Outcome.SUCCEEDED) == (code == "0")


@pytest.mark.parametrize("code", [-1, 7, 999, 424242, "SFC_NEW", "", None, True, [0], {"code": 0}, "0.0", "00"])
@pytest.mark.parametrize("purpose", ["r", "m", "v"])
def test_a_code_nobody_listed_is_unknown(code: Any, purpose: str) -> None:
    assert read(purpose, paid(code)).result.outcome is Outcome.UNKNOWN
    assert read(purpose, refused(code)).result.outcome is Outcome.UNKNOWN


def test_refused_with_the_receipt_of_a_payment_is_unknown() -> None:
    assert read("r", paid(2001)).result.outcome is Outcome.UNKNOWN


def test_the_receipt_of_a_refused_request_is_none() -> None:
    result = read("r", refused(2001)).result
    assert (result.outcome, result.receipt, result.amount) == (Outcome.DECLINED, None, None)


@pytest.mark.parametrize("kind", [1, "1", None, "x"])
def test_a_result_that_is_not_the_last_word_is_unknown(kind: Any) -> None:
    assert read("r", paid(ResultType=kind)).result.outcome is Outcome.UNKNOWN
    held_back = {"Result": refused(2001)["Result"] | {"ResultType": kind}}
    assert read("r", held_back).result.outcome is Outcome.UNKNOWN


def test_the_result_for_a_till_is_known_by_its_address() -> None:
    body = paid(OriginatorConversationID="5118-111210482-1")
    result = read("m", body).result
    assert (result.outcome, result.our_ref, result.provider_ref) == (Outcome.SUCCEEDED, REF, "SG632NMUAB")
    assert read("r", body).result.our_ref == "5118-111210482-1"  # Another order's result at this one's address shows.


def test_time_outs_are_unknown_whatever_they_say() -> None:
    for body in (paid(), refused(1), {"Result": None}, b"", b"not json", b"{}"):
        event = read("t", body)
        assert (event.kind, event.trust) == (EventKind.TIMED_OUT, Trust.HINT)
        assert (event.result.outcome, event.result.our_ref) == (Outcome.UNKNOWN, REF)
        event = read("l", body)
        assert (event.kind, event.result.outcome) == (EventKind.OTHER, Outcome.UNKNOWN)


# -- answers to our questions ---------------------------------------------------------------------------------


def test_a_completed_order_is_verified() -> None:
    event = read("s", found())
    assert (event.kind, event.trust, event.result.outcome) == (
        EventKind.QUERY_RESULT,
        Trust.VERIFIED,
        Outcome.SUCCEEDED,
    )
    assert (event.result.our_ref, event.result.receipt) == (REF, "SG632NMUAB")
    assert event.result.provider_ref == "AG_20261121_20106e9209f64bebd05b"
    assert (event.result.amount, event.result.fee) == (Money(150_00, "KES"), Money(22_40, "KES"))
    assert event.result.payee_identifier == "254708374149"
    assert event.result.finalised_at == datetime(2026, 11, 21, 9, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("status", sorted(rail.codes()["query"].entries))
def test_every_status(status: str) -> None:
    entry = rail.codes()["query"].find(status)
    result = read("s", found(status)).result
    assert (result.outcome, result.answer.code) == (entry.outcome, status)
    assert (entry.outcome is Outcome.SUCCEEDED) == (status == "Completed")


@pytest.mark.parametrize("status", ["completed", "Expired", "Success", "0", "", None, 0, True, ["Completed"]])
def test_a_status_nobody_listed_is_unknown(status: Any) -> None:
    assert read("s", found(status)).result.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("code", [*sorted(rail.codes()["callback"].entries), "2032", "7777", "SFC_NEW"])
def test_a_question_that_failed_tells_nothing_of_the_order(code: str) -> None:
    """The trap: the outer code is that of the question. 2001 there does not mean that the payment was refused."""
    if code == "0":
        return
    for body in (refused(code), {"Result": found()["Result"] | {"ResultCode": code}}):
        event = read("s", body)
        assert event.result.outcome is (Outcome.NOT_FOUND if code == "2032" else Outcome.UNKNOWN)
        assert event.result.our_ref == REF
        assert event.result.amount is None


def test_the_outer_zero_alone_does_not_pay() -> None:
    body = found()
    del body["Result"]["ResultParameters"]
    assert read("s", body).result.outcome is Outcome.UNKNOWN
    assert read("s", paid()).result.outcome is Outcome.UNKNOWN  # A result of an order, sent to the wrong address.


def test_an_answer_about_another_order_names_that_one() -> None:
    assert read("s", found(OriginatorConversationID="R-ANOTHER")).result.our_ref == "R-ANOTHER"


def test_an_order_without_a_name_of_ours_is_known_by_its_address() -> None:
    result = read("p", found(OriginatorConversationID="5118-111210482-1")).result
    assert (result.outcome, result.our_ref, result.provider_ref) == (Outcome.SUCCEEDED, REF, "SG632NMUAB")
    result = read("p", found("Pending", OriginatorConversationID="5118-1", ReceiptNo=None)).result
    assert (result.outcome, result.our_ref, result.provider_ref) == (Outcome.PENDING, REF, "5118-1")


def test_names_with_blanks_and_other_nestings_are_read() -> None:
    spaced = copy.deepcopy(found())
    for item in spaced["Result"]["ResultParameters"]["ResultParameter"]:
        item["Key"] = item["Key"].replace("ConversationID", " Conversation ID").strip()
    flat = copy.deepcopy(found())
    flat["Result"]["ResultParameters"] = flat["Result"]["ResultParameters"]["ResultParameter"]
    turned = copy.deepcopy(found())
    turned["Result"]["ResultParameter"] = {
        "ResultParameters": turned["Result"].pop("ResultParameters")["ResultParameter"]
    }
    for body in (spaced, flat, turned):
        assert read("s", body).result == read("s", found()).result


def test_a_parameter_with_two_values_has_none() -> None:
    body = found()
    body["Result"]["ResultParameters"]["ResultParameter"].append({"Key": "TransactionStatus", "Value": "Failed"})
    assert read("s", body).result.outcome is Outcome.UNKNOWN
    body = found()
    body["Result"]["ResultParameters"]["ResultParameter"].append({"Key": "Amount", "Value": "999"})
    assert (read("s", body).result.outcome, read("s", body).result.amount) == (Outcome.UNKNOWN, None)


@pytest.mark.parametrize("amount", ["", "abc", "-150", "1,500", "150.001", None, True, [150], "1e3", 10**30, "NaN"])
def test_paid_without_a_readable_amount_is_unknown(amount: Any) -> None:
    assert read("s", found(Amount=amount)).result.outcome is Outcome.UNKNOWN


def test_a_masked_number_is_no_number() -> None:
    assert read("s", found(CreditPartyName="2547****149 - John Doe")).result.payee_identifier is None
    assert read("s", found(CreditPartyName="254708374149")).result.payee_identifier == "254708374149"
    assert read("s", found(CreditPartyName="000000\u2013 Biller")).result.payee_identifier == "000000"


def test_charges_are_summed() -> None:
    charges = "Fee|KES|22.40&Levy|KES|1"
    assert read("s", found(DebitPartyCharges=charges)).result.fee == Money(23_40, "KES")
    for unreadable in ("", "Fee|USD|1", "Fee|KES", "Fee|KES|x"):
        assert read("s", found(DebitPartyCharges=unreadable)).result.fee is None


# -- reversals and balances -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(rail.codes()["reversal"].entries))
def test_every_reversal_code(code: str) -> None:
    event = read("v", refused(code))
    entry = rail.codes()["reversal"].find(code)
    assert (event.result.outcome, event.result.our_ref, event.trust) == (entry.outcome, REF, Trust.HINT)


def test_balances_are_read_and_damaged_ones_left_out() -> None:
    value = (
        "Working Account|KES|9.00|7.50|0.00|0.00&Utility Account|KES|5|x|0|0&Odd|USD|1|1|1|1&Charges|KES|-1|-1.5|0|0"
    )
    body = paid(ResultParameters={"ResultParameter": [{"Key": "AccountBalance", "Value": value}]})
    event = read("b", body)
    assert (event.kind, event.trust) == (EventKind.BALANCE, Trust.VERIFIED)
    assert {one.kind: one.amount.amount_minor for one in event.balances} == {"Working Account": 750, "Charges": -150}
    assert read("b", refused(18)).balances == ()


# -- forged, damaged, repeated --------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", [*PURPOSES, "x", ""])
@pytest.mark.parametrize("body", [dumps(paid()), dumps(found()), b"junk"])
def test_a_forged_call_moves_nothing(purpose: str, body: bytes) -> None:
    event = read(purpose, body, authentic=False)
    assert (event.trust, event.result.outcome) == (Trust.REJECTED, Outcome.UNKNOWN)
    assert (event.result.our_ref, event.result.amount, event.balances) == (None, None, ())


@pytest.mark.parametrize("purpose", "rmspbv")
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"Result": []}', b"\xff\xfe", b"[" * 200_000, b"<x/>"])
def test_a_damaged_call_is_told_apart(purpose: str, body: bytes) -> None:
    with pytest.raises(RailAnswerUnreadable):
        read(purpose, body)


def test_an_address_that_we_never_gave_is_unreadable() -> None:
    with pytest.raises(RailAnswerUnreadable):
        read("x", paid())


def test_a_repeat_has_the_same_key_and_anything_else_another() -> None:
    first = read("r", paid())
    again = json.dumps(json.loads(dumps(paid())), indent=2, sort_keys=True).encode()
    assert read("r", again).key == first.key
    others = {read("r", paid(1)).key, read("m", paid()).key, read("r", paid(), ref="R2").key, read("t", b"x").key}
    assert len(others | {first.key}) == 5


def test_the_acknowledgement_is_the_one_daraja_wants() -> None:
    ack = rail.acknowledge(callback("r", paid()))
    assert (ack.status, ack.content_type) == (200, "application/json")
    assert json.loads(ack.body) == {"ResultCode": 0, "ResultDesc": "Accepted"}


def test_names_of_people_are_cut_in_what_is_kept() -> None:
    for purpose, body in (("r", paid()), ("s", found())):
        kept = repr(read(purpose, body).result.answer.raw)
        assert "254708374149 J. D." in kept
        assert "OHN" not in kept.upper().replace("J.", "")


def test_what_a_database_cannot_keep_is_taken_out() -> None:
    event = read("s", found(CreditPartyName="254708374149 - \x00JOHN \x00DOE", ReasonType="a\x00b"))
    event_text = json.dumps(dict(event.result.answer.raw))
    assert "\\u0000" not in event_text
    assert "\\u0000" not in json.dumps(read("r", paid(ResultDesc="\x00no")).result.answer.message)


def _mutations(body: Any) -> Iterator[tuple[str, Any]]:
    """The body with one field missing, null, renamed, doubled or turned from number to text and back."""

    def walk(node: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        yield path
        children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for name, child in children:
            yield from walk(child, (*path, name))

    for path in list(walk(body, ()))[1:]:
        for how in ("drop", "null", "text", "number", "list", "object", "unknown"):
            mutated = copy.deepcopy(body)
            parent = mutated
            for step in path[:-1]:
                parent = parent[step]
            old = parent[path[-1]]
            if how == "drop":
                del parent[path[-1]]
            else:
                changed = {"null": None, "text": str(old), "list": [old], "object": {"a": old}, "unknown": "\u2603"}
                parent[path[-1]] = len(str(old)) if how == "number" else changed[how]
            yield f"{how} {path}", mutated


def _try(purpose: str, body: Any) -> RailEvent | None:
    try:
        return read(purpose, body)
    except RailAnswerUnreadable:
        return None


def test_no_change_of_a_refused_order_makes_it_paid() -> None:
    for purpose, body in (("r", refused(2001)), ("m", refused(1)), ("s", found("Failed")), ("s", refused("2032"))):
        for what, mutated in _mutations(body):
            event = _try(purpose, mutated)
            assert event is None or event.result.outcome is not Outcome.SUCCEEDED, what


def test_a_changed_paid_order_is_paid_only_with_all_its_proof() -> None:
    whole = {purpose: read(purpose, body).result for purpose, body in (("r", paid()), ("s", found()))}
    for purpose, body in (("r", paid()), ("s", found())):
        for what, mutated in _mutations(body):
            event = _try(purpose, mutated)
            if event is not None and event.result.outcome is Outcome.SUCCEEDED:
                assert event.result.receipt == whole[purpose].receipt, what
                assert event.result.amount is not None, what
                assert event.trust is (Trust.HINT if purpose == "r" else Trust.VERIFIED)
            if event is not None:
                assert event.result.outcome in (Outcome.SUCCEEDED, Outcome.UNKNOWN), what


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode), st.sampled_from(PURPOSES))
def test_noise_never_crashes(body: bytes, purpose: str) -> None:
    event = _try(purpose, body)
    assert event is None or event.result.outcome is Outcome.UNKNOWN


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(2007, 3, 6), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - Nairobi's clock
def test_times_are_nairobis(at: datetime) -> None:
    at = at.replace(microsecond=0)
    expected = at.replace(tzinfo=UTC) - timedelta(hours=3)
    assert wire.read_time(at.strftime("%Y%m%d%H%M%S")) == expected
    assert wire.read_time(int(at.strftime("%Y%m%d%H%M%S"))) == expected
    assert wire.read_time(at.strftime("%d.%m.%Y %H:%M:%S")) == expected


@pytest.mark.parametrize("value", ["", "2026", "99999999999999", None, True, 12.5, "21/11/2026 12:00:05", 10**40])
def test_what_is_no_time_is_none(value: Any) -> None:
    assert wire.read_time(value) is None


def test_the_policy_never_trusts_the_rail_with_a_repeat() -> None:
    policy = rail.policy()
    assert policy.duplicates.value == "pays_again"
    assert not policy.callbacks_signed
    assert policy.not_found_after > timedelta(days=2)
