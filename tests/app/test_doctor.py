"""The doctor names what is wrong with a database, and says what to do."""

from datetime import timedelta
from pathlib import Path

import pytest

from omniroute.app import doctor
from omniroute.infra.postgres import Database
from omniroute.kit.clock import Clock, FixedClock, SystemClock


async def findings(url: str, *, clock: Clock | None = None, **settings: str) -> dict[str, doctor.Finding]:
    """What the doctor says about this database, by check; a problem hides what is well."""
    environment = {"OMNIROUTE_DATABASE_URL": url} | {
        f"OMNIROUTE_{name.upper()}": text for name, text in settings.items()
    }
    found: dict[str, doctor.Finding] = {}
    async for item in doctor.examine(environment, None, clock=clock or SystemClock()):
        if found.get(item.check) is None or item.level != "ok":
            found[item.check] = item
    return found


async def test_a_migrated_database_is_well(database_url: str) -> None:
    found = await findings(database_url)
    for check in ("settings", "database", "version", "roles", "migrations", "guards", "event order", "clock"):
        assert found[check].level == "ok", found[check]


async def test_a_superuser_is_warned_about(database_url: str) -> None:
    found = await findings(database_url)
    assert (found["login"].level, "superuser" in found["login"].advice) == ("warning", True)


async def test_a_clock_that_is_off_is_named(database_url: str) -> None:
    found = await findings(database_url, clock=FixedClock(SystemClock().now() - timedelta(minutes=5)))
    assert found["clock"].level == "problem"
    assert "chrony" in found["clock"].advice


async def test_a_full_disk_is_named(database_url: str, tmp_path: Path) -> None:
    found = await findings(database_url, data_dir=str(tmp_path), disk_free_bytes_min=str(1 << 49))
    assert found["disk"].level == "problem"


@pytest.mark.parametrize(
    ("harm", "repair", "words"),
    [
        ("ALTER TABLE organisation DISABLE ROW LEVEL SECURITY", "ALTER TABLE organisation ENABLE ROW LEVEL SECURITY",
         "organisation: row-level security is off"),
        ("GRANT DELETE ON ledger_entry TO omniroute_app", "REVOKE DELETE ON ledger_entry FROM omniroute_app",
         "ledger_entry: omniroute_app may change or delete rows"),
    ],
)  # fmt: skip
async def test_a_weakened_guard_is_named(
    database_url: str, owner_db: Database, harm: str, repair: str, words: str
) -> None:
    async with owner_db.tx() as tx:
        await tx.connection.execute(harm.encode())
    try:
        found = await findings(database_url)
    finally:
        async with owner_db.tx() as tx:
            await tx.connection.execute(repair.encode())
    assert (found["guards"].level, found["guards"].found) == ("problem", words)
