"""`omniroute demo`, small: transfers over HTTP, a killed database, exact counts, and nothing left behind."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute.app.demo_client import Reply, Unexpected
from omniroute.app.demo_network import OVERSPENT_MINOR, Transfer, read_transfers, write_transfers
from omniroute.app.demo_payouts import write_payouts
from omniroute.app.demo_run import LOOKED_BACK, Sheet
from omniroute.sandbox.faults import MAGIC
from tests.app.commands import OMNIROUTE, PATIENCE_S, environment, omniroute

BOOKED = Reply(201, b'{"id":"txn_1"}', False, 1)
TOO_MUCH = Reply(422, b'{"code":"ledger.insufficient_funds"}', False, 1)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary folders are made; empty afterwards, or somebody left something behind."""
    with tempfile.TemporaryDirectory(prefix="omniroute-test-") as made:
        Path(made).chmod(0o711)
        monkeypatch.setenv("TMPDIR", made)
        yield Path(made)


def processes_of(folder: Path) -> list[str]:
    """Command lines that name the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and entry.parent.name != str(os.getpid()):
            found.append(line)
    return found


def test_every_transfer_is_booked_once_although_the_database_is_killed(folder: Path) -> None:
    done = omniroute("demo", "--transfers", "2000", "--kills", "1", "--payouts", "0", "--collections", "0", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["wrong"] == []
    assert figures["kills"] == 1
    assert figures["transfers"] == 2000
    # The file is the same at each run, and so is what the ledger makes of it.
    assert (figures["accepted"], figures["refused"]) == (1983, 17)
    assert figures["transactions"] == figures["accepted"]
    assert figures["replayed"] >= LOOKED_BACK
    assert figures["debits_minor"] == figures["credits_minor"] == 201914169940
    assert list(folder.iterdir()) == []
    assert processes_of(folder) == []


def test_every_payout_is_paid_once_or_says_why_not_although_the_worker_is_killed(folder: Path) -> None:
    done = omniroute(
        "demo",
        "--transfers",
        "100",
        "--kills",
        "0",
        "--payouts",
        "120",
        "--patience",
        "20",
        "--collections",
        "0",
        "--json",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    paid = json.loads(done.stdout)["payouts"]
    assert (paid["payments"], paid["wrong"], paid["debits_most"]) == (120, [], 1)
    assert paid["worker_killed_at"] >= 36
    assert paid["confirmed"] >= 36
    assert sum(group["payments"] for group in paid["groups"]) == 120
    for group in paid["groups"]:
        assert group["status"] == "confirmed" or group["reason"]
        assert group["next_step"] or group["status"] != "waiting"
    for one in paid["floats"]:
        assert one["books_minor"] == one["rail_minor"] - one["waiting_minor"]
    assert {one["connection"] for one in paid["floats"]} == {"nip", "mpesa", "mtn-momo", "airtel"}
    assert list(folder.iterdir()) == []
    assert processes_of(folder) == []


def test_what_retailers_pay_is_split_up_the_chain_and_reaches_the_manufacturer(folder: Path) -> None:
    done = omniroute("demo", "--transfers", "100", "--kills", "0", "--payouts", "0", "--collections", "30", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    collected = json.loads(done.stdout)["collected"]
    assert (collected["transfers"], collected["retailers"], collected["wrong"]) == (30, 20, [])
    parts = ("collectors_minor", "distributor_minor", "paid_out_minor")
    assert all(collected[part] > 0 for part in parts)
    assert sum(collected[part] for part in parts) == collected["paid_in_minor"]
    assert list(folder.iterdir()) == []
    assert processes_of(folder) == []


def test_a_file_of_payouts_is_the_same_at_each_run(folder: Path) -> None:
    first, second = folder / "first.csv", folder / "second.csv"
    write_payouts(first, 2_000)
    write_payouts(second, 2_000)
    assert first.read_bytes() == second.read_bytes()
    rows = [line.split(",") for line in first.read_text().splitlines()[1:]]
    assert len({row[5] for row in rows}) == 2_000
    unlucky = sum((row[5][-4:-1] if row[4] == "bank_account" else row[5][-3:]) in MAGIC for row in rows)
    assert 360 <= unlucky <= 440


def test_people_see_the_figures_and_that_the_books_balance(folder: Path) -> None:
    kept = folder / "kept"
    done = omniroute(
        "demo", "--transfers", "100", "--kills", "0", "--payouts", "0", "--collections", "0", "--data-dir", str(kept)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "books balance: ok"
    assert (kept / "transfers.csv").exists()
    again = omniroute("demo", "--transfers", "100", "--data-dir", str(kept))
    assert again.returncode == 2
    assert "app.demo_folder_not_empty" in again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_it_finds_nothing_left_behind(folder: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [OMNIROUTE, "demo", "--transfers", "20000", "--kills", "0"],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if "money in its wallets" in line:
                break
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(PATIENCE_S) == 130
    assert list(folder.iterdir()) == []
    assert processes_of(folder) == []


def test_a_file_is_the_same_at_each_run(folder: Path) -> None:
    first, second = folder / "first.csv", folder / "second.csv"
    write_transfers(first, 500)
    write_transfers(second, 500)
    assert first.read_bytes() == second.read_bytes()
    rows = read_transfers(first)
    assert (len(rows), len({row.key for row in rows})) == (500, 500)
    assert sum(row.is_overspent for row in rows) == 5


def sheet() -> Sheet:
    """Two rows, the second meant to be refused."""
    rows = [Transfer(f"row-{i}", "a", "b", amount, 0, "NGN") for i, amount in enumerate((1_00, OVERSPENT_MINOR))]
    return Sheet(rows)


def test_a_row_that_is_done_twice_is_noticed() -> None:
    seen = sheet()
    seen.record(0, BOOKED)
    seen.record(0, Reply(201, BOOKED.body, True, 3))
    assert (seen.accepted, seen.replayed, seen.retries, seen.wrong) == (1, 1, 2, [])
    seen.record(0, Reply(201, b'{"id":"txn_2"}', False, 1))
    assert seen.wrong == ["row-0 was answered differently when it was sent again", "row-0 was done twice"]
    assert seen.done == 1


def test_an_answer_that_was_not_meant_is_noticed() -> None:
    seen = sheet()
    seen.record(0, TOO_MUCH)
    seen.record(1, BOOKED)
    assert seen.wrong == ["row-0 was answered 422", "row-1 was answered 201"]
    with pytest.raises(Unexpected, match="row-1 was answered 500"):
        Sheet(seen.transfers).record(1, Reply(500, b"{}", False, 1))


def test_after_a_crash_the_latest_rows_are_sent_again() -> None:
    seen = sheet()
    assert [seen.take(), seen.take(), seen.take()] == [0, 1, None]
    seen.record(0, BOOKED)
    seen.look_back()
    assert [seen.take(), seen.take()] == [0, None]
