"""Paying from a file with the real commands: sandbox, worker and command line, each in a process of its own."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from omniroute import ledger
from omniroute.app.cli_ledger import MalformedFile
from omniroute.app.cli_payments import read_payments
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit import ids
from omniroute.kit.clock import SystemClock
from omniroute.kit.money import Money
from omniroute.ledger import AccountType, Leg, OpenAccount, Side
from omniroute.parties import access, tenants
from tests.api.paying import nuban
from tests.app.commands import Running, omniroute, running

HEAD = "reference,amount_minor,currency,source,payee_kind,payee,institution,name"


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


@pytest.fixture(scope="module")
async def shop(app_db: Database, database_url: str, sandbox: Running, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    now, meta = SystemClock().now(), Meta(actor="test")
    everything = frozenset(map(str, access.PLATFORM_PERMISSIONS))
    platform = access.Caller(tenants.PLATFORM_ID, "key_platform", tenants.PLATFORM_ID, "platform", everything)
    async with app_db.tx(tenants.PLATFORM_ID) as tx:
        command = tenants.CreateOrganisation("payer", "Payer", "NG", "NGN", "Africa/Lagos")
        made = await tenants.create_organisation(tx, command, caller=platform, now=now, meta=meta)
    async with app_db.tx(made.id) as tx:
        await ledger.open_account(tx, OpenAccount("bank", "Bank", AccountType.ASSET, "NGN"), now=now, meta=meta)
        wallet = OpenAccount("wallet", "Wallet", AccountType.LIABILITY, "NGN", floor_minor=0)
        await ledger.open_account(tx, wallet, now=now, meta=meta)
        amount = Money(100_000_000, "NGN")
        legs = [
            Leg(ledger.account_id(made.id, "bank"), Side.DEBIT, amount),
            Leg(ledger.account_id(made.id, "wallet"), Side.CREDIT, amount),
        ]
        await ledger.post_one(tx, ledger.post_transaction(legs), today=now.date())
    settings = {"database_url": database_url, "secrets_dir": str(tmp_path_factory.mktemp("keys") / "keys")}
    assert omniroute("secrets", "add-key", **settings).returncode == 0
    found = Shop(ids.show("org", made.id), settings)
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
    assert [one["line"] for one in said["refusals"]] == [22]
    code, text = shop.run("pay", str(file), "--json")
    assert (json.loads(text)["initiated"], json.loads(text)["replayed"]) == (20, 20)

    code, text = shop.run("payments", "show", "file-3", "--json")
    shown = json.loads(text)
    assert (code, shown["status"], len(shown["attempts"])) == (0, "CONFIRMED", 1)
    assert shown["timeline"][0]["source"] == "request"
    code, text = shop.run("payments", "show", "file-3")
    assert code == 0
    assert "timeline" in text
    assert "CONFIRMED" in text
    assert shop.run("payments", "show", "nowhere")[0] == 2
    code, text = shop.run("payments", "unknown")
    assert (code, "0 unknown" in text) == (0, True)
    code, text = shop.run("connections", "list", "--json")
    assert [one["code"] for one in json.loads(text)] == ["nip"]
    code, text = shop.run("ledger", "check")
    assert (code, "books balance: ok" in text) == (0, True)


BAD = {
    "empty": (b"", "0 bytes"),
    "no payment": (HEAD.encode(), "no payment in it"),
    "columns": (b"reference,amount\nx,1\n", "missing amount_minor"),
    "twice": ((HEAD + ",name\n").encode(), "twice"),
    "other encoding": ((HEAD + "\n").encode() + line("x", 1).encode() + "é".encode("latin-1"), "not UTF-8"),
    "utf-16": ((HEAD + "\n" + line("x", 1)).encode("utf-16"), "not UTF-8"),
    "open quote": ((HEAD + '\n"x,1,NGN').encode(), "line"),
    "fields": ((HEAD + "\nx,1,NGN").encode(), "line 2: the number of fields"),
    "check digit": ((HEAD + "\n" + line("x", 1).replace(nuban(1), nuban(1)[:-1] + "x")).encode(), "line 2"),
    "bank": ((HEAD + "\n" + line("ok", 1) + "\n" + line("x", 2, bank="999")).encode(), "line 3"),
    "amount": ((HEAD + "\n" + line("x", 1).replace("150000", "1500.00")).encode(), "line 2"),
    "kind": ((HEAD + "\n" + line("x", 1).replace("bank_account", "purse")).encode(), "line 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_whole_with_its_lines(name: str, tmp_path: Path) -> None:
    content, told = BAD[name]
    file = tmp_path / "bad.csv"
    file.write_bytes(content)
    with pytest.raises(MalformedFile) as refused:
        read_payments(file)
    assert told in refused.value.detail


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    with file.open("wb") as out:
        out.truncate(200 * 1024 * 1024)
    with pytest.raises(MalformedFile, match="as a batch"):
        read_payments(file)


def test_a_refused_file_moves_nothing(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("\n".join([HEAD, line("good", 1), line("bad", 2, bank="999")]))
    before = shop.run("ledger", "balance", "wallet", "--json")
    assert shop.run("pay", str(file))[0] == 2
    assert shop.run("payments", "show", "good")[0] == 2
    assert shop.run("ledger", "balance", "wallet", "--json") == before
