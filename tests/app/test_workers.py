"""Every background job can do its round, with the rights it has in production."""

import asyncio
from pathlib import Path

import pytest

from omniroute.app.settings import load_settings
from omniroute.app.wiring import opened
from omniroute.app.workers import JOB_NAMES, JOBS, UnknownJob, select_jobs, work


async def test_every_job_does_a_round_with_the_rights_it_has(database_url: str, tmp_path: Path) -> None:
    environment = {
        "OMNIROUTE_DATABASE_URL": database_url,
        "OMNIROUTE_EVENT_RETENTION_DAYS": "30",
        "OMNIROUTE_SECRETS_DIR": str(tmp_path / "keys"),
    }
    async with opened(load_settings(environment), create_keys=True) as house:
        done = {job.name: await job.round(house) for job in JOBS}
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
        "desk.expire",
        "payments.statements",
        "connections.watch",
        "webhooks.feed",
        "webhooks.deliver",
        "webhooks.purge",
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
