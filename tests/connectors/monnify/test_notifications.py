"""What Monnify notifies us of: signed or not, what it says, and that it moves nothing by itself."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.connectors.monnify.wire import is_signed, sign
from omniroute.kit.money import Money
from omniroute.money.payments.callbacks import HEADERS_KEPT
from omniroute.ports.rails import (
    Credit,
    EventKind,
    Outcome,
    Party,
    PartyKind,
    RailAnswerUnreadable,
    Trust,
)
from tests.connectors.monnify.stage import CREDIT_ID, NOTIFIED, RAIL, REF, SECRET_KEY, call, changed, read
from tests.connectors.outside import NOW, mutations, spec


def test_a_notification_is_read_with_all_it_says() -> None:
    [event] = read(NOTIFIED)
    assert (event.kind, event.trust, event.result.outcome, event.result.provider_ref) == (
        EventKind.CREDIT, Trust.VERIFIED, Outcome.SUCCEEDED, CREDIT_ID,
    )  # fmt: skip
    assert event.credit == Credit(
        CREDIT_ID, REF, Money(300_000, "NGN"), Money(1_000, "NGN"), datetime(2021, 11, 17, 10, 28, 42, 615_000, UTC),
        "6000140770", Party(PartyKind.BANK_ACCOUNT, "0065432190", None, "Emeka Eze", "NG"),
        "e6cV1smlpkwG38Cg6d5F9B2PRnIq5FqA", "Adm", True,
    )  # fmt: skip
    assert event.occurred_at == event.credit.paid_at
    assert event.result.our_ref is None  # It names no order.


@pytest.mark.parametrize(
    ("signature", "authentic", "trust"),
    [
        (None, True, Trust.VERIFIED), (sign(SECRET_KEY, json.dumps(NOTIFIED).encode()).upper(), True, Trust.VERIFIED),
        (None, False, Trust.HINT), ("", True, Trust.REJECTED), ("", False, Trust.REJECTED),
        ("0" * 128, True, Trust.REJECTED), (sign("another", json.dumps(NOTIFIED).encode()), True, Trust.REJECTED),
        ("\u00e9", True, Trust.REJECTED),
    ],
)  # fmt: skip
def test_signature_and_address_say_how_far_it_may_be_believed(
    signature: str | None, authentic: bool, trust: Trust
) -> None:
    [event] = read(NOTIFIED, signature=signature, authentic=authentic)
    assert event.trust is trust


def test_without_a_key_nothing_is_signed_and_the_signature_is_kept_for_later() -> None:
    body = b"{}"
    assert not is_signed("", body, sign("", body))
    assert not is_signed(SECRET_KEY, body, None)
    assert "monnify-signature" in HEADERS_KEPT  # A call is looked at after it was stored.


@given(st.binary(max_size=200), st.text(min_size=1, max_size=40), st.data())
def test_one_changed_byte_breaks_the_signature(body: bytes, key: str, data: st.DataObject) -> None:
    signature = sign(key, body)
    assert is_signed(key, body, signature)
    at = data.draw(st.integers(0, len(body)))
    assert not is_signed(key, body[:at] + b"x" + body[at:], signature)
    assert not is_signed(key + "x", body, signature)
    assert not is_signed(key, body, signature[:-1])


def test_what_comes_again_has_the_same_key_and_a_new_state_another() -> None:
    [first], [again] = read(NOTIFIED), read(json.dumps(NOTIFIED, indent=1).encode())
    [other], [reversed_] = read(changed(transactionReference="MNFY|2")), read(changed(paymentStatus="REVERSED"))
    assert first.key == again.key
    assert len({first.key, other.key, reversed_.key}) == 3


def test_what_cannot_be_read_in_a_notification_is_still_asked_about() -> None:
    [event] = read(changed(amountPaid="lots"))
    assert (event.kind, event.credit, event.result.provider_ref) == (EventKind.CREDIT, None, CREDIT_ID)
    assert event.result.outcome is Outcome.UNKNOWN
    [event] = read(changed(paidOn="a while ago"))
    assert event.credit is not None
    assert event.credit.paid_at == NOW


@pytest.mark.parametrize(
    "event",
    [
        "SUCCESSFUL_DISBURSEMENT", "FAILED_DISBURSEMENT", "REVERSED_DISBURSEMENT", "SUCCESSFUL_REFUND", "FAILED_REFUND",
        "SETTLEMENT", "MANDATE_UPDATE", "ACCOUNT_ACTIVITY", "LOW_BALANCE_ALERT", "REJECTED_PAYMENT", "something new",
    ],
)  # fmt: skip
def test_other_events_are_stored_and_move_nothing(event: str) -> None:
    [heard] = read({**NOTIFIED, "eventType": event})
    assert (heard.kind, heard.credit, heard.result.outcome) == (EventKind.OTHER, None, Outcome.UNKNOWN)


def test_every_event_and_sample_of_the_specification_is_read() -> None:
    data = json.loads(spec("monnify/webhooks.json").read_text())
    assert data["signature"]["header"] == "monnify-signature"
    sample = data["sample_SUCCESSFUL_TRANSACTION"]
    [event] = read(sample)
    assert (event.kind, event.trust, event.credit) == (EventKind.OTHER, Trust.VERIFIED, None)  # An agent took cash.
    sample["eventData"]["product"]["type"] = "RESERVED_ACCOUNT"
    [event] = read(sample)
    assert event.credit is not None
    assert (event.credit.amount, event.credit.fee) == (Money(7_800_000, "NGN"), Money(40_000, "NGN"))
    assert event.credit.paid_at == datetime(2021, 11, 17, 14, 48, 10, tzinfo=UTC)
    for name in data["events"]:
        [event] = read({"eventType": name, "eventData": {"reference": "x"}})
        assert event.kind is EventKind.OTHER


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 50_000, b'{"eventType": "SUCCESSFUL_TRANSACTION"}', b"<a>",
        b'{"eventType": 7, "eventData": []}', b'{"eventData": {"product": {}}}', b'{"eventType": "x", "eventData": {}}',
    ],
)  # fmt: skip
def test_what_is_no_notification_is_unreadable(body: bytes) -> None:
    with pytest.raises(RailAnswerUnreadable):
        read(body)
    assert RAIL.acknowledge(call(body)).status == 200


def test_a_damaged_notification_never_says_another_amount() -> None:
    for label, data in mutations(NOTIFIED):
        try:
            events = read(data)
        except RailAnswerUnreadable:
            continue
        for event in events:
            if event.credit is not None and event.credit.settled:
                assert event.credit.amount == Money(300_000, "NGN"), label
            "".join(map(str, event.result.answer.raw.values())).encode("utf-8")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(["PAID", "NGN", "3000.00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(NOTIFIED["eventData"])), JSON, max_size=4), st.booleans())
def test_whatever_is_sent_is_read_or_unreadable_and_never_another_failure(fields: dict[str, Any], signed: bool) -> None:
    try:
        [event] = read(changed(**fields), signature=None if signed else "00")
    except RailAnswerUnreadable:
        return
    assert event.trust is (Trust.VERIFIED if signed else Trust.REJECTED)
    if event.credit is not None:
        assert event.credit.amount.amount_minor >= 0
        assert event.credit.fee is None or 0 <= event.credit.fee.amount_minor <= event.credit.amount.amount_minor
        assert event.credit.credit_id == event.result.provider_ref
    json.dumps(event.result.answer.raw).encode()
