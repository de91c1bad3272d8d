"""Payees as people write them, and what is refused on paper."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.kit.refusal import Refusal
from omniroute.money.institutions import (
    check_digit,
    check_payee,
    directory,
    is_nuban,
    network_of,
    normalise_number,
    normalise_payee,
    read_number,
)
from omniroute.money.institutions.numbers import COUNTRIES
from omniroute.ports.rails import Party, PartyKind

BANK, MSISDN = PartyKind.BANK_ACCOUNT, PartyKind.MSISDN
GTB = Party(BANK, "0016563228", "000013", None, "NG")


def party(kind: PartyKind, identifier: str, institution: str | None = None, country: str | None = None) -> Party:
    return Party(kind, identifier, institution, None, country)


@pytest.mark.parametrize(
    ("given_", "currency", "kept"),
    [
        (party(BANK, "0016563228", "000013", "NG"), "NGN", GTB),
        (party(BANK, "0016563228", "058"), "NGN", GTB),
        (party(BANK, " 0016 5632-28 ", "058", "NG"), "NGN", GTB),
        (party(BANK, "8031234567", "305"), "NGN", party(BANK, "8031234567", "100004", "NG")),
        (party(BANK, "0240123456789", "68"), "KES", party(BANK, "0240123456789", "68", "KE")),
        (party(BANK, "gb33 bukb 2020 1555 5555 55", "BUKBGB22", "GB"), "GBP",
         party(BANK, "GB33BUKB20201555555555", "BUKBGB22", "GB")),
        (party(MSISDN, "0712 345 678"), "KES", party(MSISDN, "254712345678", None, "KE")),
        (party(MSISDN, "712345678"), "KES", party(MSISDN, "254712345678", None, "KE")),
        (party(MSISDN, "+254 (712) 345-678"), "KES", party(MSISDN, "254712345678", None, "KE")),
        (party(MSISDN, "00254712345678"), "KES", party(MSISDN, "254712345678", None, "KE")),
        (party(MSISDN, "254712345678", " Safaricom "), "KES", party(MSISDN, "254712345678", "safaricom", "KE")),
        (party(MSISDN, "08031234567"), "NGN", party(MSISDN, "2348031234567", None, "NG")),
        (party(MSISDN, "0241234567", None, "GH"), "GHS", party(MSISDN, "233241234567", None, "GH")),
        (party(MSISDN, "0772123456"), "UGX", party(MSISDN, "256772123456", None, "UG")),
        (party(MSISDN, "0754123456"), "TZS", party(MSISDN, "255754123456", None, "TZ")),
        (party(MSISDN, "0788123456"), "RWF", party(MSISDN, "250788123456", None, "RW")),
        (party(MSISDN, "0712345678", None, "CI"), "XOF", party(MSISDN, "2250712345678", None, "CI")),
        (party(MSISDN, "0712345678", None, "ZA"), "ZAR", party(MSISDN, "27712345678", None, "ZA")),
        (party(MSISDN, "+46733123450"), "EUR", party(MSISDN, "46733123450", None, None)),
        (party(PartyKind.TILL, "522 522"), "KES", party(PartyKind.TILL, "522522", None, "KE")),
    ],
)  # fmt: skip
def test_payees_are_kept_in_one_form(given_: Party, currency: str, kept: Party) -> None:
    assert normalise_payee(given_, currency=currency) == kept
    assert normalise_payee(kept, currency=currency) == kept


@pytest.mark.parametrize(
    ("given_", "currency", "code"),
    [
        (replace(GTB, identifier="0016563229"), "NGN", "wrong_check_digit"),
        (replace(GTB, institution="000014"), "NGN", "wrong_check_digit"),
        (replace(GTB, identifier="016563228"), "NGN", "malformed_payee"),
        (replace(GTB, identifier="00016563228"), "NGN", "malformed_payee"),
        (replace(GTB, identifier="001656322A"), "NGN", "malformed_payee"),
        (replace(GTB, identifier="٠٠١٦٥٦٣٢٢٨"), "NGN", "malformed_payee"),
        (replace(GTB, institution="999123"), "NGN", "unknown"),
        (replace(GTB, institution="58"), "NGN", "unknown"),
        (replace(GTB, institution=None), "NGN", "malformed_payee"),
        (replace(GTB, institution="030"), "NGN", "closed"),
        (replace(GTB, country="KE"), "KES", "unknown"),
        (replace(GTB, country="Nigeria"), "NGN", "malformed_payee"),
        (replace(GTB, name="A\nB"), "NGN", "malformed_payee"),
        (party(BANK, "", "058"), "NGN", "malformed_payee"),
        (party(MSISDN, "+254712345678", None, "UG"), "UGX", "wrong_country"),
        (party(MSISDN, "+254712345678"), "UGX", "wrong_country"),
        (party(MSISDN, "071234567"), "KES", "malformed_payee"),
        (party(MSISDN, "07123456789"), "KES", "malformed_payee"),
        (party(MSISDN, "0202345678"), "KES", "malformed_payee"),  # A desk in Nairobi.
        (party(MSISDN, "0712x45678"), "KES", "malformed_payee"),
        (party(MSISDN, "0712345678", "vodafone"), "KES", "malformed_payee"),
        (party(MSISDN, "0712345678"), "USD", "malformed_payee"),  # Nobody knows where.
        (party(MSISDN, "0772123456", "airtel"), "UGX", "other_network"),
        (party(PartyKind.TILL, "123"), "KES", "malformed_payee"),
        (party(PartyKind.PAYBILL, "12345A"), "KES", "malformed_payee"),
    ],
)
def test_what_cannot_be_right_is_refused(given_: Party, currency: str, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        normalise_payee(given_, currency=currency)
    assert refused.value.code == f"institutions.{code}"


def test_a_payee_that_was_not_brought_into_form_is_refused_at_the_check() -> None:
    for wrong in (
        replace(GTB, institution="058"),
        replace(GTB, institution="058", country=None),
        replace(GTB, identifier="001656 3228"),
        party(MSISDN, "0712345678", None, "KE"),
        party(MSISDN, "+254712345678", None, "KE"),
    ):
        with pytest.raises(Refusal):
            check_payee(wrong, currency="NGN" if wrong.kind is BANK else "KES")


def test_where_numbers_move_what_is_said_counts_and_elsewhere_the_digits() -> None:
    assert network_of(party(MSISDN, "254733345678")) == "airtel"
    moved = normalise_payee(party(MSISDN, "0733345678", "safaricom"), currency="KES")
    assert network_of(moved) == "safaricom"
    with pytest.raises(Refusal) as refused:
        normalise_payee(party(MSISDN, "0752123456", "mtn"), currency="UGX")
    assert refused.value.facts == {"network": "airtel", "institution": "mtn"}
    assert network_of(party(BANK, "0016563228", "000013")) is None


@given(serial=st.from_regex(r"[0-9]{9}", fullmatch=True), code=st.sampled_from(["011", "058", "50211", "090267"]))
def test_exactly_one_digit_fits_and_every_single_mistake_is_seen(serial: str, code: str) -> None:
    account = serial + str(check_digit(code, serial))
    assert is_nuban(code, account)
    for place in range(10):
        for digit in "0123456789":
            if digit != account[place]:
                assert not is_nuban(code, account[:place] + digit + account[place + 1 :])


@given(country=st.sampled_from(sorted(COUNTRIES)), data=st.data())
def test_a_mobile_number_is_read_the_same_however_it_is_written(country: str, data: st.DataObject) -> None:
    numbering = COUNTRIES[country]
    national = data.draw(st.from_regex(numbering.mobile, fullmatch=True).filter(str.isascii))
    digits = numbering.calling + national
    for written in (digits, "+" + digits, "00" + digits, f"+{numbering.calling} {national[:3]} {national[3:]}"):
        assert normalise_number(written, None if written.startswith(("+", "00")) else country).digits == digits
    local = normalise_number(numbering.trunk + national, country)
    assert local.country == country
    assert local.digits == digits or national.startswith(numbering.calling)
    assert read_number(digits).country == country


@given(text=st.text(max_size=40))
def test_no_text_is_more_than_refused(text: str) -> None:
    for kind in (BANK, MSISDN, PartyKind.TILL):
        try:
            kept = normalise_payee(party(kind, text, "058" if kind is BANK else None), currency="NGN")
        except Refusal:
            continue
        assert normalise_payee(kept, currency="NGN") == kept


def test_codes_are_unique_and_banks_that_promise_a_check_digit_have_what_it_takes() -> None:
    everybody = directory().search()
    assert len({(one.country, one.code) for one in everybody}) == len(everybody)
    for one in everybody:
        assert one.code.isdigit()
        assert len(one.code) == (6 if one.country == "NG" else 2), one
        assert not one.check_digit or (one.national_code is not None and len(one.national_code) == 3), one
        assert one.successor is None or directory().find(one.country, one.successor), one


def test_institutions_are_found_by_code_national_code_and_letters() -> None:
    assert [one.code for one in directory().search(country="NG", text="058")] == ["000013"]
    assert [one.code for one in directory().search(country="NG", text="guaranty")] == ["000013"]
    assert [one.code for one in directory().search(country="KE", text="equity")] == ["68"]
    assert directory().search(country="FR") == []
