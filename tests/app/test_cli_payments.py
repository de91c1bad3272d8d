"""Paying from a file with the real commands: sandbox, worker and command line, each in a process of its own."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest

from omniroute import ledger
from omniroute.app.cli_ledger import MalformedFile
from omniroute.app.cli_pay import BadLines, read_payments
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit import ids
from omniroute.kit.clock import SystemClock
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import AccountType, Leg, OpenAccount, Side
from omniroute.money.batches import Defaults
from omniroute.money.payments import InitiatePayment
from omniroute.parties import access, tenants
from tests.api.paying import nuban
from tests.app.commands import Running, omniroute, running
from tests.money.batches.pain import credit, pain

HEAD = "reference,amount_minor,currency,source,payee_kind,identifier,institution,payee_name"


def line(reference: str, serial: int, amount: int = 150_000, **given: str) -> str:
    return ",".join(
        [reference, str(amount), "NGN", "wallet", "bank_account", nuban(serial), given.get("bank", "058"), ""]
    )


@dataclass(frozen=True)
class Shop:
    """An organisation with 1,000,000.00 NGN, connected to NIP in a sandbox."""

    organisation: str
    settings: dict[str, str]

    def run(self, *arguments: str) -> tuple[int, str]:
        done = omniroute(*arguments, "-o", self.organisation, **self.settings)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("sandbox")
    with running(folder, "sandbox", "--port", "0") as process:
        process.wait_for("Sandbox listens on")
        yield process


async def found_organisation(db: Database, slug: str) -> UUID:
    """Found an organisation of this name; its id."""
    everything = frozenset(map(str, access.PLATFORM_PERMISSIONS))
    platform = access.Caller(tenants.PLATFORM_ID, "key_platform", tenants.PLATFORM_ID, "platform", everything)
    async with db.tx(tenants.PLATFORM_ID) as tx:
        command = tenants.CreateOrganisation(slug, slug.title(), "NG", "NGN", "Africa/Lagos")
        now = SystemClock().now()
        return (await tenants.create_organisation(tx, command, caller=platform, now=now, meta=Meta(actor="test"))).id


@pytest.fixture(scope="module")
async def shop(app_db: Database, database_url: str, sandbox: Running, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    now, meta = SystemClock().now(), Meta(actor="test")
    made = await found_organisation(app_db, "payer")
    async with app_db.tx(made) as tx:
        await ledger.open_account(tx, OpenAccount("bank", "Bank", AccountType.ASSET, "NGN"), now=now, meta=meta)
        wallet = OpenAccount("wallet", "Wallet", AccountType.LIABILITY, "NGN", floor_minor=0)
        await ledger.open_account(tx, wallet, now=now, meta=meta)
        amount = Money(100_000_000, "NGN")
        legs = [
            Leg(ledger.account_id(made, "bank"), Side.DEBIT, amount),
            Leg(ledger.account_id(made, "wallet"), Side.CREDIT, amount),
        ]
        await ledger.post_one(tx, ledger.post_transaction(legs), today=now.date())
    settings = {"database_url": database_url, "secrets_dir": str(tmp_path_factory.mktemp("keys") / "keys")}
    assert omniroute("secrets", "add-key", **settings).returncode == 0
    found = Shop(ids.show("org", made), settings)
    code, text = found.run("connections", "add-sandbox", "nip", "NGN", "--url", sandbox.url)
    assert code == 0, text
    assert "float:nip" in text
    return found


def test_a_file_is_paid_and_paid_once(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "pay.csv"
    lines = [HEAD, *[line(f"file-{number}", 1_000 + number) for number in range(20)], line("file-poor", 7, 99_999_999)]
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n")  # As a spreadsheet writes it.
    with running(tmp_path, "worker", **shop.settings):
        code, text = shop.run("pay", str(file), "--wait", "60", "--json")
    said = json.loads(text)
    assert (code, said["initiated"], said["refused"], said["replayed"]) == (1, 20, 1, 0), text
    assert said["status"] == {"CONFIRMED": 20}
    assert [(one["line"], one["code"]) for one in said["refusals"]] == [(21, "ledger.insufficient_funds")]
    code, text = shop.run("pay", str(file), "--json")
    assert (json.loads(text)["initiated"], json.loads(text)["replayed"]) == (20, 20)

    code, text = shop.run("payments", "show", "file-3", "--json")
    shown = json.loads(text)
    assert (code, shown["status"], len(shown["attempts"])) == (0, "CONFIRMED", 1)
    assert shown["timeline"][0]["source"] == "request"
    by_slug = omniroute("payments", "show", "file-3", "-o", "payer", **shop.settings)
    code, text = by_slug.returncode, by_slug.stdout
    assert code == 0
    assert "timeline" in text
    assert "CONFIRMED" in text
    assert shown["attempts"][0]["our_ref"] in text, "it is never cut"
    assert shown["holder"]
    assert shop.run("payments", "show", "nowhere")[0] == 2
    code, text = shop.run("payments", "unknown")
    assert (code, "0 unknown" in text) == (0, True)
    code, text = shop.run("connections", "list", "--json")
    assert [one["code"] for one in json.loads(text)] == ["nip"]
    code, text = shop.run("ledger", "check")
    assert (code, "books balance: ok" in text) == (0, True)


async def test_a_rail_with_a_portal_is_told_where_to_call(app_db: Database, shop: Shop, sandbox: Running) -> None:
    collector = Shop(ids.show("org", await found_organisation(app_db, "collector")), shop.settings)
    code, text = collector.run("connections", "add-sandbox", "monnify", "NGN", "--url", sandbox.url)
    assert code == 0, text
    assert "float:monnify" in text
    async with httpx.AsyncClient(trust_env=False) as http:
        address: str = (await http.get(f"{sandbox.url}/monnify/of/{collector.organisation}/portal/callback")).json()[
            "url"
        ]
    tenant = ids.parse("org", collector.organisation).hex
    assert re.fullmatch(rf"http://[^/]+/webhooks/rails/{tenant}/[0-9a-f]{{32}}/portal/portal/[0-9a-f]{{32}}", address)


NG = Defaults(currency="NGN", source="wallet", country="NG")


def read(file: Path, content: bytes) -> list[tuple[int, InitiatePayment]]:
    file.write_bytes(content)
    return read_payments(file, NG, zone=ZoneInfo("Africa/Lagos"))


def test_files_are_those_of_batches(tmp_path: Path) -> None:
    names = "reference;amount;account_number;institution;payee_name;send_on"
    table = f"{names}\r\nW-1;1250.5;{nuban(1)};058;Ọlá;2026-03-02\r\n"
    (number, first), *_ = read(tmp_path / "a.csv", table.encode("utf-16"))
    assert (number, first.reference, first.amount, first.source_code) == (1, "W-1", Money(125_050, "NGN"), "wallet")
    assert (first.payee.identifier, first.payee.name) == (nuban(1), "Ọlá")
    assert first.send_after == datetime(2026, 3, 1, 23, tzinfo=UTC), "its day begins in Lagos"
    assert first.approved is False
    named = f'{{"reference": "W-1", "amount": 1250.5, "account_number": "{nuban(1)}", "institution": "058",'
    named += ' "payee_name": "Ọlá", "send_on": "2026-03-02"}'
    assert read(tmp_path / "a.jsonl", named.encode()) == [(1, first)]
    ((_, third),) = read(tmp_path / "a.xml", pain(credit("E-1", "12.50")))
    assert (third.reference, third.amount) == ("E-1", Money(1_250, "NGN"))


BAD_FILES = {
    "empty": ("a.csv", b"", "batches.empty_file"),
    "no payment": ("a.csv", HEAD.encode(), "batches.empty_file"),
    "columns": ("a.csv", b"reference,amount\nx,1\n", "batches.unknown_column"),
    "twice": ("a.csv", (HEAD + ",institution\n").encode(), "batches.unknown_column"),
    "no text": ("a.csv", (HEAD + "\n" + line("x", 1)).encode() + b"\x81", "batches.unknown_encoding"),
    "open quote": ("a.csv", (HEAD + '\n"x,1,NGN').encode(), "batches.unreadable_file"),
    "sum": ("a.xml", pain(credit("E-1", "1"), total="2"), "batches.control_sum_wrong"),
    "bomb": ("a.xml", b'<!DOCTYPE l [<!ENTITY a "ha">]><l>&a;</l>', "batches.unreadable_file"),
    "kind of file": ("a.pdf", HEAD.encode(), "app.malformed_file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_whole(name: str, tmp_path: Path) -> None:
    file, content, code = BAD_FILES[name]
    with pytest.raises(Refusal) as refused:
        read(tmp_path / file, content)
    assert refused.value.code == code


BAD_LINES = {
    "fields": ("x,1,NGN", "payments.malformed"),
    "check digit": (line("x", 1).replace(nuban(1), nuban(1)[:-1] + "9"), "institutions.wrong_check_digit"),
    "bank": (line("x", 2, bank="999"), "institutions.unknown"),
    "amount": (line("x", 1).replace("150000", "1500.00"), "kit.malformed_amount"),
    "kind": (line("x", 1).replace("bank_account", "purse"), "payments.malformed"),
    "reference": (line("", 1), "payments.malformed"),
    "reference twice": (line("good", 2), "batches.duplicate_reference"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_named_and_stops_the_file(name: str, tmp_path: Path) -> None:
    bad, code = BAD_LINES[name]
    with pytest.raises(BadLines) as refused:
        read(tmp_path / "bad.csv", "\n".join([HEAD, line("good", 1), bad, line("fine", 3)]).encode())
    assert [(one["line"], one["code"]) for one in refused.value.lines] == [(2, code)]


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    with file.open("wb") as out:
        out.truncate(200 * 1024 * 1024)
    with pytest.raises(MalformedFile, match="bytes"):
        read_payments(file, NG, zone=UTC)
    with pytest.raises(MalformedFile, match="no such file"):
        read_payments(tmp_path / "none.csv", NG, zone=UTC)


def test_a_refused_file_moves_nothing(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("\n".join([HEAD, line("good", 1), line("bad", 2, bank="999")]))
    before = shop.run("ledger", "balance", "wallet", "--json")
    code, text = shop.run("pay", str(file))
    assert (code, "institutions.unknown" in text, "1 bad lines" in text) == (2, True, True), text
    assert shop.run("payments", "show", "good")[0] == 2
    assert shop.run("ledger", "balance", "wallet", "--json") == before
