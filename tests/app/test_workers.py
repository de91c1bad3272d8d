"""Every background job can do its round, with the rights it has in production."""

from omniroute.app.settings import load_settings
from omniroute.app.wiring import opened
from omniroute.app.workers import jobs


async def test_every_job_does_a_round_with_the_rights_it_has(database_url: str) -> None:
    environment = {"OMNIROUTE_DATABASE_URL": database_url, "OMNIROUTE_EVENT_RETENTION_DAYS": "30"}
    async with opened(load_settings(environment)) as house:
        done = {job.name: await job.round(house) for job in jobs(house)}
    assert set(done) == {
        "holds.expire",
        "ledger.fold",
        "ledger.snapshot",
        "access.signing_key",
        "idempotency.purge",
        "events.inbox",
        "events.retain",
        "people.login_attempts",
    }
