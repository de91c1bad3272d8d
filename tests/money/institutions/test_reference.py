"""Our tables against lists that others made."""

import gzip
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rapidfuzz import fuzz

from omniroute.money.institutions import directory, is_nuban, normalise_number, read_number
from omniroute.money.institutions.numbers import COUNTRIES

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "specs" / "reference"
_WORDS = re.compile(
    r"\b(bank|limited|plc|microfinance|mfb|mfbank|nigeria|kenya|ltd|of|company|the|finance|mortgage|payment|service|psb)\b"
)


@pytest.fixture
def reference() -> Path:
    if not FOLDER.exists():
        assert not os.environ.get("CI"), "the reference lists are missing"
        pytest.skip("no reference lists here")
    return FOLDER


def likeness(one: str, two: str) -> int:
    def bare(name: str) -> str:
        return " ".join(_WORDS.sub("", name.casefold().replace("-", " ")).split())

    return round(max(fuzz.token_set_ratio(bare(one), bare(two)), fuzz.partial_ratio(bare(one), bare(two))))


def test_check_digits_are_those_of_the_central_bank(reference: Path) -> None:
    vectors = json.loads((reference / "nuban-vectors.json").read_bytes())
    for vector in vectors["valid"]:
        assert is_nuban(vector["bank"], vector["nuban"]), vector
    for vector in vectors["invalid"]:
        assert not is_nuban(vector["bank"], vector["nuban"]), vector


DOUBTFUL = {"090629"}
"""The lists themselves disagree on whose this code is."""


@pytest.mark.parametrize("name", ["ng-banks-cbn-codes.json", "ng-banks-nip-codes.json"])
def test_a_code_in_both_lists_means_the_same_institution(reference: Path, name: str) -> None:
    compared = 0
    for row in json.loads((reference / name).read_bytes()):
        ours = directory().find("NG", row["code"])
        if ours is None or row["code"] in DOUBTFUL:
            continue
        compared += 1
        assert likeness(ours.name, row["name"]) >= 70, (row["code"], ours.name, row["name"])
    assert compared > 60


def test_every_commercial_bank_of_the_list_is_known(reference: Path) -> None:
    rows = json.loads((reference / "ng-banks-cbn-codes.json").read_bytes())
    banks = {row["code"]: row["name"] for row in rows if re.fullmatch(r"0\d\d|1\d\d|2[0-3]\d|30\d", row["code"])}
    missing = {code: name for code, name in banks.items() if directory().find("NG", code) is None}
    assert missing == {}


def test_kenyan_banks_are_those_of_the_list(reference: Path) -> None:
    lines = (reference / "ke-bank-branches.csv").read_text(encoding="utf-8").splitlines()[1:]
    banks = {line.split(",")[0]: line.split(",")[1].strip('"') for line in lines}
    for code, name in banks.items():
        ours = directory().find("KE", code)
        assert ours is not None, (code, name)
    assert {one.code for one in directory().search(country="KE")} == banks.keys()


def mobile_examples(reference: Path) -> Iterator[tuple[str, str, str]]:
    """Country, calling code and a mobile number of it."""
    text = gzip.decompress((reference / "phone-metadata-africa.xml.gz").read_bytes())
    for territory in ET.fromstring(text).iter("territory"):
        example = territory.findtext("mobile/exampleNumber")
        if example:
            yield territory.attrib["id"], territory.attrib["countryCode"], example.strip()


def test_example_numbers_of_every_country_are_mobile_numbers_there(reference: Path) -> None:
    seen = 0
    for country, calling, example in mobile_examples(reference):
        if country not in COUNTRIES:
            continue
        seen += 1
        assert COUNTRIES[country].calling == calling
        assert read_number(calling + example).country == country
        assert normalise_number(example, country).digits == calling + example
    assert seen >= 10


SAME = {
    "yas": {"yas", "tigo"}, "halotel": {"viettel"}, "telkom": {"telkom"}, "equitel": {"finserve"},
    "ttcl": {"tanzania telecom"}, "free": {"free"}, "camtel": {"camtel"},
}  # fmt: skip


def test_networks_by_first_digits_are_those_of_the_list(reference: Path) -> None:
    compared = 0
    for path in (reference / "carrier-prefixes").glob("*.txt"):
        rows = dict(
            line.split("|", 1) for line in path.read_text(encoding="utf-8").splitlines() if re.match(r"\d+\|", line)
        )
        numbering = next((one for one in COUNTRIES.values() if one.calling == path.stem), None)
        if numbering is None:
            continue
        for first, network in numbering.networks.items():
            longest = next((rows[whole[:n]] for whole in [path.stem + first] for n in range(len(whole), 3, -1)
                            if whole[:n] in rows), None)  # fmt: skip
            if longest is None:
                continue
            compared += 1
            told = longest.casefold()
            assert network in told.split() or told in SAME.get(network, set()), (path.stem, first, network, longest)
    assert compared > 100
