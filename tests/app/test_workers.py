"""Every background job can do its round, with the rights it has in production."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from omniroute.app.gateway_work import gateway_work
from omniroute.app.settings import load_settings
from omniroute.app.wiring import opened
from omniroute.app.workers import GATEWAY_JOBS, JOB_NAMES, JOBS, UnknownJob, select_jobs, work
from tests.app.commands import omniroute, running


async def test_every_job_does_a_round_with_the_rights_it_has(database_url: str, tmp_path: Path) -> None:
    environment = {
        "OMNIROUTE_DATABASE_URL": database_url,
        "OMNIROUTE_EVENT_RETENTION_DAYS": "30",
        "OMNIROUTE_SECRETS_DIR": str(tmp_path / "keys"),
    }
    async with opened(load_settings(environment), create_keys=True) as house, gateway_work(house) as gateway:
        assert gateway is not None
        assert gateway.working is not None
        jobs = [*JOBS, *(job.of(gateway) for job in GATEWAY_JOBS)]
        done = {job.name: await job.round(house) for job in jobs}
    assert set(done) == {
        "payments.send",
        "batches.advance",
        "payments.files",
        "payments.ask",
        "payments.hear",
        "payments.recover",
        "payments.expire",
        "payments.reversals",
        "schedules.run",
        "settlement.run",
        "atc.expire",
        "collections.accounts",
        "collections.credits",
        "collections.fetch",
        "desk.expire",
        "payments.statements",
        "reconciliation.run",
        "connections.watch",
        "webhooks.feed",
        "webhooks.deliver",
        "webhooks.purge",
        "graphql.actions",
        "graphql.feed",
        "graphql.deliver",
        "graphql.cron",
        "graphql.purge",
        "holds.expire",
        "ledger.fold",
        "ledger.snapshot",
        "ledger.keys",
        "access.signing_key",
        "idempotency.purge",
        "events.inbox",
        "events.retain",
        "people.login_attempts",
    }


TRACKED = """- name: default
  kind: postgres
  tables:
    - table: {schema: omniroute, name: branch}
"""
HEARD_BY_NOBODY = """      event_triggers:
        - {name: never, definition: {insert: {columns: '*'}}, webhook: 'https://nobody.example/'}
"""


async def test_background_work_follows_metadata_that_are_read_again(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "metadata"
    environment = {
        "OMNIROUTE_DATABASE_URL": database_url,
        "OMNIROUTE_SECRETS_DIR": str(tmp_path / "keys"),
        "OMNIROUTE_GRAPHQL_METADATA_DIR": str(folder),
    }
    async with opened(load_settings(environment), create_keys=True) as house, gateway_work(house) as gateway:
        assert gateway is not None
        deliver = next(job for job in GATEWAY_JOBS if job.name == "graphql.deliver").of(gateway)
        assert gateway.working is None  # There are none yet.
        assert await deliver.round(house) == 0
        (folder / "databases").mkdir(parents=True)
        (folder / "version.yaml").write_text("version: 3\n")
        (folder / "databases" / "databases.yaml").write_text(TRACKED)
        os.kill(os.getpid(), signal.SIGHUP)
        for _ in range(6_000):
            if gateway.working is not None:
                break
            await asyncio.sleep(0.01)
        first = gateway.working
        assert first is not None
        assert first.problems == ()
        (folder / "databases" / "databases.yaml").write_text(TRACKED + HEARD_BY_NOBODY)
        await gateway.read_again()
        second = gateway.working
        assert second is not first
        assert second is not None
        assert [one.where for one in second.problems] != []
        assert await deliver.round(house) == 0
        (folder / "version.yaml").write_text("version: 1\n")
        await gateway.read_again()
        assert gateway.working is second


def test_jobs_are_chosen_by_name_and_by_family() -> None:
    assert select_jobs(["ledger"]) == {name for name in JOB_NAMES if name.startswith("ledger.")}
    assert select_jobs(["audit.chain", "holds.expire"]) == {"audit.chain", "holds.expire"}
    assert select_jobs(JOB_NAMES) == JOB_NAMES


@pytest.mark.parametrize("names", [["leger"], ["ledger.fold", "fold"], [], ["ledger.fol"]])
def test_a_job_that_is_none_is_refused_with_the_list(names: list[str]) -> None:
    with pytest.raises(UnknownJob) as refused:
        select_jobs(names)
    assert refused.value.facts["known"] == sorted(JOB_NAMES)
    assert refused.value.facts["unknown"] == [name for name in names if name != "ledger.fold"]
    assert "ledger.fold, ledger." in str(refused.value)


async def test_only_the_chosen_jobs_run(database_url: str) -> None:
    environment = {"OMNIROUTE_DATABASE_URL": database_url}
    async with opened(load_settings(environment)) as house:
        stop = asyncio.Event()
        working = asyncio.create_task(work(house, stop, select_jobs(["holds", "ledger.fold"])))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running = {task.get_name() for task in asyncio.all_tasks()}
        stop.set()
        await working
    assert running & JOB_NAMES == {"holds.expire", "ledger.fold"}


async def test_a_worker_tells_about_itself(database_url: str, tmp_path: Path) -> None:
    settings = {"database_url": database_url, "data_dir": str(tmp_path), "worker_http_port": "0"}
    with running(tmp_path, "worker", "--only", "ledger.fold", **settings) as worker:
        url = await asyncio.to_thread(lambda: worker.url)
        assert url.startswith("http://127.0.0.1:")
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await client.get("/health")).json() == {"status": "ok"}
            ready = await client.get("/readiness")
            assert (ready.status_code, ready.json()["checks"]) == (200, {"database": "ok", "disk": "ok"})
            metrics = (await client.get("/metrics")).text
            assert 'omniroute_job_items_total{job="ledger.fold"}' in metrics
            worker.process.send_signal(signal.SIGHUP)  # It has nothing to read again, and lives on.
            other = await client.get("/v1/any/branches")
            assert (other.status_code, other.json()["code"]) == (404, "api.not_served_here")
        found = await asyncio.to_thread(omniroute, "doctor", "--json", **settings)
        told = {one["check"]: one["found"] for one in json.loads(found.stdout)["findings"]}
        assert "1 worker is there" in told["workers"]
        assert await asyncio.to_thread(worker.stop) == 0


async def test_a_worker_that_cannot_listen_says_so_and_ends(database_url: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = {"database_url": database_url, "data_dir": str(tmp_path)}
        port = str(taken.getsockname()[1])
        done = await asyncio.to_thread(omniroute, "worker", "--only", "ledger.fold", worker_http_port=port, **settings)
    assert done.returncode != 0
