"""What is written: valid against the published schemas, exact to the minor unit, in characters every bank takes."""

from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.connectors.iso20022 import (
    LAGOS,
    Debtor,
    Head,
    amount_text,
    control_sum,
    plain,
    read_amount,
    uetr,
    write_pacs_008,
    write_pain_001,
)
from omniroute.kit.money import Money
from omniroute.kit.xml import read_xml
from omniroute.ports.rails import PartyKind, RailUnable
from tests.connectors.iso20022.filing import CREDENTIALS, FILE_ID, NEFT, NOW, RTGS, order, payee, validate, write

GOLDEN = Path(__file__).parent / "golden"
HEAD = Head("F1", NOW.astimezone(LAGOS), Debtor("Acme", "0102030405", "000014"), "NIBSS")
amounts = st.integers(1, 10**12)
currencies = st.sampled_from(["NGN", "UGX", "JPY", "KWD", "TND", "KES"])
words = st.text(st.characters(codec="utf-8"), max_size=60)


def test_a_neft_file_is_as_it_was() -> None:
    orders = [
        order(number=1),
        order(minor=1, number=2, purpose="SUPPLIER_PAYMENT", narration=""),
        order(minor=999_999_999, number=3, purpose="CUSTOMER_REFUND", payee=payee(institution="GTBINGLA")),
        order(minor=50, number=4),
    ]
    file = NEFT.build_file(CREDENTIALS, orders, now=NOW, file_id=FILE_ID)
    assert file.content == (GOLDEN / "neft.xml").read_bytes()
    assert file.name == f"neft-20260302-103015-{file.message_id}.xml"
    assert len(set(file.blocks.values())) == 3
    assert file.blocks[orders[0].our_ref] == file.blocks[orders[3].our_ref]
    validate(file.content, "pain.001.001.09")


def test_an_rtgs_message_is_as_it_was() -> None:
    made = order(RTGS, 20_000_000_00, number=5)
    file = RTGS.build_file(CREDENTIALS, [made], now=NOW, file_id=FILE_ID)
    assert file.content == (GOLDEN / "rtgs.xml").read_bytes()
    validate(file.content, "pacs.008.001.08")
    other = write(RTGS, [made], bank="GTBINGLAXXX", instructed_bank="CBNINGLA", clearing_system="CBNRTGS")
    validate(other, "pacs.008.001.08")


def test_the_same_file_id_makes_the_same_bytes_and_another_another_message_id() -> None:
    orders = [order(), order()]
    first = NEFT.build_file(CREDENTIALS, orders, now=NOW, file_id=FILE_ID)
    assert NEFT.build_file(CREDENTIALS, orders, now=NOW, file_id=FILE_ID) == first
    ids = {
        NEFT.build_file(CREDENTIALS, orders[:1], now=NOW, file_id=UUID(int=number)).message_id
        for number in range(1, 200)
    }
    assert len(ids) == 199
    assert all(len(one) <= 35 and one.isalnum() for one in ids)


@given(st.uuids(), st.uuids())
def test_references_are_legal_and_differ_with_the_attempt(one: UUID, other: UUID) -> None:
    for connector in (NEFT, RTGS):
        first = connector.build_reference({}, one, NOW)
        assert len(first) == 33
        assert first.isalnum()
        assert first == connector.build_reference({}, one, NOW)
        assert (first == connector.build_reference({}, other, NOW)) == (one == other)
    name = UUID(uetr(first))
    assert (name.version, name.variant) == (4, "specified in RFC 4122")
    assert uetr(first) == str(name)


@given(amounts, currencies)
def test_amounts_of_any_currency_come_back_as_they_were(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert read_amount(amount_text(money), currency) == money


@given(st.lists(st.tuples(st.integers(1, 10**12), currencies), min_size=1, max_size=20))
def test_the_control_sum_is_exact(parts: list[tuple[int, str]]) -> None:
    moneys = [Money(minor, currency) for minor, currency in parts]
    assert Decimal(control_sum(moneys)) == sum(Decimal(amount_text(money)) for money in moneys)


@given(st.lists(st.tuples(amounts, currencies), min_size=1, max_size=5), words, words)
def test_whatever_is_written_is_valid(parts: list[tuple[int, str]], name: str, narration: str) -> None:
    who = payee(name=f"Ada {name}")
    orders = [order(amount=Money(minor, code), payee=who, narration=narration) for minor, code in parts]
    content, blocks = write_pain_001(HEAD, orders)
    validate(content, "pain.001.001.09")
    assert set(blocks) == {one.our_ref for one in orders}
    validate(write_pacs_008(HEAD, orders[:1], system="NGRTGS", instructed=None), "pacs.008.001.08")
    told = [
        read_amount(amount.text, amount.attributes["Ccy"])
        for block in read_xml(content).children[0].all("PmtInf")
        for one in block.all("CdtTrfTxInf")
        for amount in one.all("Amt")[0].all("InstdAmt")
    ]
    assert told == [one.amount for one in orders]


@given(words)
def test_words_are_plain_and_stay_so(text: str) -> None:
    found = plain(text, 35)
    assert len(found) <= 35
    assert found.isascii()
    assert not found.startswith("/")
    assert plain(found, 35) == found


def test_a_file_of_many_is_whole() -> None:
    orders = [order(minor=100 + number) for number in range(500)]
    content = write(NEFT, orders)
    header = read_xml(content).children[0].all("GrpHdr")[0]
    assert header.all("NbOfTxs")[0].text == "500"
    assert header.all("CtrlSum")[0].text == f"{sum(one.amount.amount_minor for one in orders) // 100}.50"
    with pytest.raises(RailUnable):
        write(NEFT, [])
    with pytest.raises(RailUnable):
        write(RTGS, [order(RTGS), order(RTGS)])


@pytest.mark.parametrize(
    "changes",
    [
        {"payee": payee(identifier="123456789")},
        {"payee": payee(identifier="01234 6789")},
        {"payee": payee(institution=None)},
        {"payee": payee(institution="GT BANK")},
        {"payee": payee(name=None)},
        {"payee": payee(name="日本")},
        {"amount": Money(100, "KES")},
        {"amount": Money(1_000_000_001, "NGN")},
    ],
)  # fmt: skip
def test_what_a_file_cannot_carry_is_refused_before(changes: dict[str, Any]) -> None:
    bad = order(**changes)
    with pytest.raises(RailUnable):
        NEFT.check(bad)
    with pytest.raises(RailUnable):
        write(NEFT, [order(), bad])


def test_other_payees_and_settings_that_are_not_whole_are_refused() -> None:
    wallet = payee()
    with pytest.raises(RailUnable):
        NEFT.check(order(payee=type(wallet)(PartyKind.MSISDN, "2348012345678")))
    for public in ({"debtor_name": "€"}, {"account": ""}, {"bank": "XX"}, {"account": "01 02"}):
        with pytest.raises(RailUnable):
            write(NEFT, [order()], **public)


def test_nothing_secret_stands_in_a_file() -> None:
    assert b"SECRET" not in write(NEFT, [order()])
    assert "SECRET" not in repr(CREDENTIALS)
