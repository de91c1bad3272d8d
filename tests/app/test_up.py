"""`omniroute up`, from nothing to a clean end, and what other commands make of it."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.app.commands import Running, omniroute, running


@pytest.fixture(scope="module")
def system(folder: Path) -> Iterator[Running]:
    """A running system."""
    with running(folder, "up", "--port", "0", data_dir=str(folder / "data")) as process:
        assert process.url
        yield process


def test_it_answers(system: Running) -> None:
    assert httpx.get(system.url + "/health").json() == {"status": "ok"}
    ready = httpx.get(system.url + "/readiness")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    metrics = httpx.get(system.url + "/metrics").text
    assert "omniroute_ledger_waiting 0.0" in metrics
    assert "process_resident_memory_bytes" in metrics


def test_the_doctor_finds_nothing_wrong(system: Running, folder: Path) -> None:
    done = omniroute("doctor", "--json", data_dir=str(folder / "data"))
    report = json.loads(done.stdout)
    assert [item for item in report["findings"] if item["level"] == "problem"] == []
    assert (done.returncode, report["healthy"]) == (0, True)


def test_a_newcomer_is_not_told_of_triggers_nobody_asked_for(system: Running) -> None:
    assert "NOTIFICATION_SERVICE_URL" not in system.text


def test_other_commands_find_its_database(system: Running, folder: Path) -> None:
    status = omniroute("migrate", "--status", "--json", data_dir=str(folder / "data"))
    assert (status.returncode, json.loads(status.stdout)["pending"]) == (0, [])
    checked = omniroute("ledger", "check", "--json", data_dir=str(folder / "data"))
    assert (checked.returncode, json.loads(checked.stdout)["books_balance"]) == (0, True)
    verified = omniroute("audit", "verify", "--json", data_dir=str(folder / "data"))
    assert (verified.returncode, json.loads(verified.stdout)["intact"]) == (0, True)


def test_an_organisation_nobody_has_is_named(system: Running, folder: Path) -> None:
    done = omniroute("ledger", "accounts", "-o", "org_" + "0" * 26, data_dir=str(folder / "data"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "tenants.organisation_not_found" in done.stderr


def test_a_second_one_on_the_same_folder_is_refused(system: Running, folder: Path) -> None:
    done = omniroute("up", "--port", "0", data_dir=str(folder / "data"))
    assert done.returncode == 2
    assert "already runs" in done.stderr
    assert httpx.get(system.url + "/health").status_code == 200


def test_an_address_is_not_shared_with_another_one(system: Running, folder: Path) -> None:
    port = system.url.rpartition(":")[2]
    done = omniroute("up", "--port", port, data_dir=str(folder / "other"))
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert not (folder / "other").exists()


async def test_a_request_that_is_open_at_the_end_is_answered_and_the_key_is_shown_once(folder: Path) -> None:
    data = folder / "second"
    with running(folder, "up", "--port", "0", data_dir=str(data)) as first:
        url = first.url
        key = first.wait_for("Platform key").split()[-1]
        server = json.loads((data / "postgres/server.json").read_text())
        password = json.loads((data / "postgres/passwords.json").read_text())["omniroute_owner"]
        owner = f"postgresql://omniroute_owner:{password}@127.0.0.1:{server['port']}/omniroute"
        async with await psycopg.AsyncConnection.connect(owner) as holder, httpx.AsyncClient() as client:
            # The request waits for this lock while the process is told to stop.
            await holder.execute("LOCK TABLE omniroute.credential, omniroute.credential_secret")
            headers = {"Authorization": f"Bearer {key}"}
            asked = asyncio.create_task(client.get(url + "/v1/platform/ledger/accounts", headers=headers, timeout=30))
            await waiting_for_a_lock(holder)
            first.process.terminate()
            await asyncio.to_thread(first.wait_for, "draining")
            await holder.rollback()
            answer = await asked
        assert answer.status_code < 500
        assert await asyncio.to_thread(first.process.wait, 60) == 0
    assert key not in first.text.replace(f"organisations): {key}", "")

    with running(folder, "up", "--port", "0", data_dir=str(data)) as again:
        assert again.url
        assert "Platform key" not in again.text
        assert await asyncio.to_thread(again.stop) == 0


async def waiting_for_a_lock(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    """Until somebody waits for a lock."""
    for _ in range(1_000):
        found = await connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        row = await found.fetchone()
        if row and row[0]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")
