"""Files as they come: every format, every encoding, and everything that can be wrong with them."""

import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import date

import pytest

from omniroute.kit.refusal import Refusal
from omniroute.money.batches.files import PaymentFile
from omniroute.money.batches.model import BatchFormat, Defaults, FileLine
from tests.money.batches.pain import credit, pain

NG = Defaults(currency="NGN", source="wallet:shop")
BANK = b"account_number,institution,payee_name,amount\n0123456789,058,Ad\xc3\xa9,10.50\n"


def read(
    content: bytes,
    format_: BatchFormat = BatchFormat.CSV,
    *,
    charset: str | None = None,
    defaults: Defaults = NG,
    lines_max: int = 100,
) -> list[FileLine]:
    """All lines of a file, taken in small pieces."""
    file = PaymentFile(io.BytesIO(content), format_, charset=charset, defaults=defaults, lines_max=lines_max)
    return [line for piece in iter(lambda: file.take(3), []) for line in piece]


def refused(content: bytes, format_: BatchFormat = BatchFormat.CSV, **options: object) -> str:
    """The code with which a file is refused."""
    with pytest.raises(Refusal) as caught:
        read(content, format_, **options)  # type: ignore[arg-type]
    return caught.value.code


def problem(content: bytes, format_: BatchFormat = BatchFormat.CSV, **options: object) -> tuple[str, str | None]:
    """Code and field of the problem of the only line."""
    (line,) = read(content, format_, **options)  # type: ignore[arg-type]
    assert line.problem is not None
    return line.problem.code, line.problem.field


@pytest.mark.parametrize(
    ("content", "charset"),
    [
        (BANK, None),
        (b"\xef\xbb\xbf" + BANK, None),
        (BANK.replace(b"\n", b"\r\n"), "utf-8"),
        (BANK.replace(b"\n", b"\r"), None),
        (BANK.replace(b",", b";"), None),
        (BANK.replace(b",", b"\t"), None),
        (b"\r\n\n" + BANK + b"\n,,,\n", None),
        (BANK.replace(b"Ad\xc3\xa9", b'"Ad\xc3\xa9"'), None),
        (BANK.replace(b"amount", b" Amount ").replace(b"payee_name", b'"PAYEE_NAME"'), None),
        (BANK.decode().encode("utf-16"), None),
        (b"\xfe\xff" + BANK.decode().encode("utf-16-be"), None),
        (BANK.decode().encode("cp1252"), None),
        (BANK.decode().encode("cp1252"), "ISO-8859-1"),
    ],
)  # fmt: skip
def test_a_table_is_read_however_it_was_saved(content: bytes, charset: str | None) -> None:
    (line,) = read(content, charset=charset)
    assert line.problem is None
    assert (line.amount_minor, line.currency, line.source) == (1_050, "NGN", "wallet:shop")
    payee = {"kind": "bank_account", "identifier": "0123456789", "institution": "058", "name": "Adé"}
    assert line.payee == payee


def test_quotes_hold_delimiters_quotes_and_line_breaks() -> None:
    content = b'amount,msisdn,narration,metadata.site\n1,2547000,"a ""b"", c\nd",Kano\n2,2547001,,\n'
    first, second = read(content)
    assert (first.narration, dict(first.metadata), first.number) == ('a "b", c\nd', {"site": "Kano"}, 1)
    assert (second.narration, dict(second.metadata), second.number) == ("", {}, 2)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "batches.empty_file"),
        (b"\n \n", "batches.empty_file"),
        (b"amount,msisdn\n", "batches.empty_file"),
        (b"amount,msisdn,send_onn\n1,2,3\n", "batches.unknown_column"),
        (b"amount,amount,msisdn\n1,1,2\n", "batches.unknown_column"),
        (b"amount,currency\n1,NGN\n", "batches.unknown_column"),
        (b"msisdn\n1\n", "batches.unknown_column"),
        (b"amount,msisdn,metadata.\n1,2,3\n", "batches.unknown_column"),
        (b'amount,msisdn\n1,"2\n3\n4', "batches.unreadable_file"),
        (b'amount,msisdn\n1,"2"x\n', "batches.unreadable_file"),
        (b"amount,msisdn\n1," + b"2" * 70_000, "batches.unreadable_file"),
        (b"amount,msisdn\n" + b"1,2\n" * 101, "batches.too_many_lines"),
        ("amount,msisdn\n1,2\n".encode("utf-16-le"), "batches.unknown_encoding"),
        ("amount,msisdn\n1,2\n".encode("utf-32"), "batches.unknown_encoding"),
        (b"\xff\xfea", "batches.unknown_encoding"),
        (b"\xef\xbb\xbfamount,msisdn\n1,\xff\n", "batches.unknown_encoding"),
        (b"amount,msisdn\n1,\x81\n", "batches.unknown_encoding"),
        (b"amount,msisdn\n1,\x00\n", "batches.unknown_encoding"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "batches.unknown_encoding"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(content: bytes, code: str) -> None:
    assert refused(content) == code


def test_a_charset_that_was_said_is_believed() -> None:
    assert refused(BANK.decode().encode("cp1252"), charset="utf-8") == "batches.unknown_encoding"
    assert refused(BANK, charset="koi8-r") == "batches.unknown_encoding"


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("1", "NGN", 100),
        ("1.5", "NGN", 150),
        ("0.01", "NGN", 1),
        ("007.10", "NGN", 710),
        ("1.100", "NGN", 110),
        ("12", "UGX", 12),
        ("12.000", "UGX", 12),
        ("1.234", "TND", 1_234),
        ("92233720368547758.07", "NGN", 2**63 - 1),
    ],
)
def test_amounts_are_exact(amount: str, currency: str, minor: int) -> None:
    (line,) = read(f"amount,currency,msisdn\n{amount},{currency},254700\n".encode())
    assert (line.amount_minor, line.problem) == (minor, None)


@pytest.mark.parametrize(
    "amount",
    ["0", "0.00", "-1", "+1", "1,5", "1 000", "1e3", ".5", "5.", "1.005", "NaN", "٣", "92233720368547758.08", "9" * 30],
)
def test_amounts_that_are_none_are_told(amount: str) -> None:
    assert problem(f'amount,msisdn\n"{amount}",254700\n'.encode())[0] in ("payments.malformed", "kit.malformed_amount")


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("1,1,NGN,254,,,", "amount"),
        (",,NGN,254,,,", "amount"),
        (",1,XXX,254,,,", "currency"),
        (",1,NGN,254,bird,,", "payee_kind"),
        (",1,NGN,254,bank_account,,", "payee_kind"),
        (",1,NGN,254,,someday,", "send_on"),
        (",1,NGN,254,,2026-02-30,", "send_on"),
        (",1,NGN,254,,,GIFT", "type"),
        (",1,NGN,254,,,COLLECTION", "type"),
        (",1,NGN,,,,", "identifier"),
        (f",1,NGN,{'2' * 501},,,", "msisdn"),
    ],
)
def test_fields_that_make_no_sense_are_told_with_the_line(row: str, field: str) -> None:
    content = f"amount_minor,amount,currency,msisdn,payee_kind,send_on,type\n{row}\n"
    assert problem(content.encode())[1] == field


def lines(*values: object) -> bytes:
    return b"\n".join(json.dumps(value).encode() for value in values)


def test_json_lines() -> None:
    first, second, third = read(
        lines(
            {"amount": "10.50", "msisdn": "254700", "metadata": {"week": 7, "x": {"y": 1.5}}, "send_on": "2026-05-01"},
            {"amount_minor": 1050, "identifier": "400200", "payee_kind": "paybill", "bill_account": "A1"},
            {"amount": 10.5, "currency": "KES", "msisdn": "254700", "narration": None},
        ),
        BatchFormat.JSON_LINES,
    )
    assert (first.amount_minor, first.send_on) == (1_050, date(2026, 5, 1))
    assert dict(first.metadata) == {"week": 7, "x": '{"y": "1.5"}'}
    assert dict(second.payee) == {"kind": "paybill", "identifier": "400200", "account": "A1"}
    assert (third.amount_minor, third.currency) == (1_050, "KES")


@pytest.mark.parametrize(
    "value",
    [
        {"amount": "1", "msisdn": 254700},
        {"amount": "1", "msisdn": "254700", "send_onn": "2026-01-01"},
        {"amount": True, "msisdn": "254700"},
        {"amount": 1e30, "msisdn": "254700"},
        {"amount": "1", "msisdn": "254\x00"},
        {"amount": "1", "msisdn": "254\ud800"},
        {"amount": "1", "msisdn": "254", "metadata": [1]},
        {"amount": "1", "msisdn": "254", "metadata": {"a": "\x00"}},
        {"amount": "1", "msisdn": "254", "narration": {"a": 1}},
        [1],
    ],
)
def test_json_that_makes_no_sense_is_told_with_the_line(value: object) -> None:
    good = {"amount": "1", "msisdn": "254700"}
    told = read(lines(good, value, good), BatchFormat.JSON_LINES)
    assert [line.problem is None for line in told] == [True, False, True]


def test_a_broken_line_of_json_does_not_hide_the_others() -> None:
    content = lines({"amount": "1", "msisdn": "254"}) + b'\n{"amount": NaN}\n{"a\n{"a":1,"a":2}\n' + b"[" * 9_000
    told = read(content, BatchFormat.JSON_LINES)
    assert [line.problem is None for line in told] == [True, False, False, False, False]


@pytest.mark.parametrize("content", [b"", b"  \n", b"hello", b"[]", b'{"a":"' + b"x" * 70_000 + b'"}'])
def test_what_is_no_json_lines_is_refused(content: bytes) -> None:
    assert refused(content, BatchFormat.JSON_LINES) in ("batches.empty_file", "batches.unreadable_file")


@pytest.mark.parametrize("version", ["03", "09", "10", "11"])
def test_pain_001(version: str) -> None:
    content = pain(credit("E1", "10.50"), credit("NOTPROVIDED", "2000"), version=version, day="2026-05-01")
    first, second = read(content, BatchFormat.PAIN_001, defaults=Defaults())
    assert (first.reference, first.amount_minor, first.currency) == ("E1", 1_050, "NGN")
    assert (first.source, first.send_on, first.narration) == ("wallet:shop", date(2026, 5, 1), "Salary")
    payee = {
        "kind": "bank_account",
        "identifier": "0000000018",
        "institution": "058",
        "name": "Ada & Co",
        "country": "NG",
    }
    assert first.payee == payee
    assert first.origin == {"info_id": "P1", "instruction_id": "I-E1", "end_to_end_id": "E1"}
    assert (second.reference, second.amount_minor) == (None, 200_000)


def test_pain_001_with_other_kinds_of_payees() -> None:
    wallet = credit("E1", "1", account="<Othr><Id>254700</Id><SchmeNm><Prtry>MSISDN</Prtry></SchmeNm></Othr>")
    iban = credit("E2", "1", account="<IBAN>ES9121000418450200051332</IBAN>")
    proxy = credit("E3", "1", after="<Prxy><Tp><Cd>TELE</Cd></Tp><Id>+254-700</Id></Prxy>")
    told = read(pain(wallet, iban, proxy, version="09"), BatchFormat.PAIN_001)
    assert [(line.payee["kind"], line.payee["identifier"]) for line in told] == [
        ("msisdn", "254700"),
        ("bank_account", "ES9121000418450200051332"),
        ("msisdn", "+254-700"),
    ]


def bad_pains() -> Iterator[tuple[bytes, str]]:
    good = credit("E1", "10.00")
    yield pain(good, count=2), "batches.control_sum_wrong"
    yield pain(good, total="10.01"), "batches.control_sum_wrong"
    yield pain(good, group_total="9.99"), "batches.control_sum_wrong"
    yield pain(good, group_count=7), "batches.control_sum_wrong"
    yield pain(good)[:-40], "batches.unreadable_file"
    yield pain(good, version="02"), "batches.unreadable_file"
    yield pain(good).replace(b"pain.001", b"pain.008"), "batches.unreadable_file"
    yield pain(good, count="many"), "batches.unreadable_file"
    yield pain(good, total="NaN"), "batches.unreadable_file"
    yield pain(), "batches.empty_file"
    yield pain(good).replace(b"GrpHdr", b"Header"), "batches.unreadable_file"
    yield b"<html/>", "batches.unreadable_file"
    yield b"amount,msisdn\n1,2\n", "batches.unreadable_file"
    yield b"", "batches.empty_file"
    laughs = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    outside = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    for declaration, entity in ((laughs, b"&b;"), (outside, b"&x;")):
        yield (
            pain(good).replace(b"<Document", declaration + b"<Document").replace(b"Salary", entity),
            ("batches.unreadable_file"),
        )


@pytest.mark.parametrize(("content", "code"), list(bad_pains()))
def test_a_pain_001_that_makes_no_sense_is_refused(content: bytes, code: str) -> None:
    assert refused(content, BatchFormat.PAIN_001) == code


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (pain(credit("E1", "10,00"), total="0", group_total="0"), "payments.malformed"),
        (pain(credit("E1", "10.001"), total="10.001", group_total="10.001"), "payments.malformed"),
        (pain(credit("E1", "10", currency="XXX")), "kit.unknown_currency"),
        (pain(credit("E1", "10")).replace(b"TRF", b"CHK"), "payments.malformed"),
        (pain(credit("E1", "10"), day="01.05.2026"), "payments.malformed"),
        (pain(credit("E1", "10").replace("CdtrAcct", "Else")), "payments.malformed"),
        (pain(credit("E1", "10").replace("InstdAmt", "EqvtAmt"), total="0", group_total="0"), "payments.malformed"),
    ],
)
def test_a_payment_in_a_pain_001_that_makes_no_sense_is_told(content: bytes, code: str) -> None:
    assert problem(content, BatchFormat.PAIN_001)[0] == code


def test_a_file_is_never_held_whole() -> None:
    content = b"amount,account_number,institution\n" + b"10.50,0123456789,058\n" * 50_000
    file = PaymentFile(io.BytesIO(content), BatchFormat.CSV, charset=None, defaults=NG, lines_max=50_000)
    file.take(1_000)
    tracemalloc.start()
    while file.take(1_000):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert file.count == 50_000
    assert peak < 4 * 1024 * 1024
