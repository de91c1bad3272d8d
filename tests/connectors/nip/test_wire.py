"""NIP's messages: the bytes of the specification's samples, and nothing read that is not a message."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.connectors.nip.wire import (
    NAMESPACE,
    OPERATIONS,
    REQUESTS,
    amount_text,
    build_message,
    clean,
    parse_amount,
    parse_message,
    unwrap,
    unwrap_request,
    wrap,
)
from omniroute.kit.currency import EXPONENTS
from omniroute.kit.money import Money
from omniroute.kit.xml import read_xml
from omniroute.ports.rails import RailAnswerUnreadable
from tests.connectors.nip.stage import soap_reply
from tests.connectors.outside import spec

SAMPLES = (
    "010-NESingleRequest",
    "012-FTSingleCreditRequest",
    "014-FTSingleDebitRequest",
    "016-TSQuerySingleRequest",
    "018-BalanceEnquiryRequest",
    "020-FTAdviceCreditRequest",
    "022-FTAdviceDebitRequest",
)


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_official_sample_is_written_as_it_was_read_to_the_byte(sample: str) -> None:
    content = spec(f"nibss-nip/{sample}.xml").read_bytes()
    name, values = parse_message(content)
    assert name == sample.partition("-")[2]
    assert build_message(name, values) == content


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_elements_are_those_of_the_table_of_messages_in_its_order(name: str) -> None:
    table: Any = json.loads(spec("nibss-nip/message-fields.json").read_text())
    assert table["namespace_used"] == NAMESPACE
    entry = table["messages"][name]
    own = [field["name"] for field in entry["fields"]]
    inherited = {field["name"] for field in entry["inherited_fields"]}
    ours = REQUESTS[name]
    assert [field for field in ours if field in own] == own
    assert set(ours) - set(own) <= inherited
    needed = {field["name"] for field in entry["inherited_fields"] if field["required"]}
    assert needed <= set(ours)


def test_every_message_has_an_operation() -> None:
    assert set(REQUESTS) < set(OPERATIONS)


def test_a_message_with_an_element_too_few_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="NESingleRequest has exactly"):
        build_message("NESingleRequest", {"SessionID": "1"})


@given(st.dictionaries(st.sampled_from(REQUESTS["NESingleRequest"]), st.text(max_size=40), min_size=4))
def test_any_text_arrives_as_one_clean_line(values: dict[str, str]) -> None:
    name, found = parse_message(build_message("NESingleRequest", values))
    assert (name, found) == ("NESingleRequest", {key: clean(value) for key, value in values.items()})


@given(st.text(max_size=300), st.integers(0, 120))
def test_clean_text_is_short_and_of_one_line(text: str, longest: int) -> None:
    found = clean(text, longest)
    assert len(found) <= longest
    assert found == " ".join(found.split())
    found.encode()


@given(st.integers(0, 2**63 - 1), st.sampled_from(sorted(EXPONENTS)))
def test_amounts_come_back_as_they_went(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert parse_amount(amount_text(money), currency) == money


@pytest.mark.parametrize(
    ("written", "minor"),
    [("1000.00", 100_000), ("1000", 100_000), ("0.5", 50), (1000, 100_000), ("7.100000", 710), (" 7 ", 700)],
)
def test_amounts_are_read_leniently(written: object, minor: int) -> None:
    assert parse_amount(written, "NGN") == Money(minor, "NGN")


@pytest.mark.parametrize(
    "written",
    ["", "1,000.00", "1e3", "-1", "+1", "1.001", ".5", "5.", "NaN", "\u0665", "9" * 20, None, True, 1.5, [], {}, -3],
)
def test_an_amount_that_is_not_exact_is_none(written: object) -> None:
    with pytest.raises(RailAnswerUnreadable):
        parse_amount(written, "NGN")


def test_the_envelope_is_that_of_the_web_service() -> None:
    content = wrap("nameenquirysingleitem", "<a>&</a>")
    assert content == (
        b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        b'xmlns:core="http://core.nip.nibss/"><soapenv:Header/><soapenv:Body><core:nameenquirysingleitem>'
        b"<request>&lt;a&gt;&amp;&lt;/a&gt;</request></core:nameenquirysingleitem></soapenv:Body></soapenv:Envelope>"
    )
    wrapper = read_xml(content).children[1].children[0]
    assert (wrapper.name, wrapper.namespace) == ("nameenquirysingleitem", NAMESPACE)
    assert unwrap_request(content, "nameenquirysingleitem") == "<a>&</a>"


def test_an_answer_is_read_from_its_envelope() -> None:
    assert unwrap(soap_reply("x", "<a/>").body, "x") == "<a/>"


FAULT = (
    b'<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><S:Fault><faultstring>no</faultstring>'
    b"</S:Fault></S:Body></S:Envelope>"
)
LAUGHS = b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><S:Envelope>&c;</S:Envelope>'
OUTSIDE = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no", FAULT, LAUGHS, OUTSIDE, OUTSIDE.decode().encode("utf-16"), b"<a/>", soap_reply("y", "<a/>").body,
        soap_reply("x", "  ").body, soap_reply("x", "<a/>").body.replace(b"soap/envelope", b"other"),
        soap_reply("x", "<a/>").body.replace(b"</return>", b"</return><return>b</return>"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_unreadable(content: bytes) -> None:
    with pytest.raises(RailAnswerUnreadable):
        unwrap(content, "x")


@pytest.mark.parametrize("content", [LAUGHS, OUTSIDE, b"<a><b>00</b><b>51</b></a>", b"<a>", b"\x00"])
def test_a_message_that_says_two_things_or_reaches_outside_is_unreadable(content: bytes) -> None:
    with pytest.raises(RailAnswerUnreadable):
        parse_message(content)
