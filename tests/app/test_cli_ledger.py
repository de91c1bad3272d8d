"""The ledger's commands keep the day of the organisation, wherever the machine stands."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from omniroute import ledger
from omniroute.app.calendar import day_in
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit import ids
from omniroute.kit.clock import SystemClock
from omniroute.parties import access, tenants
from tests.app.commands import omniroute

# Never on the same day: they are 25 hours apart.
EAST, WEST = "Pacific/Kiritimati", "Pacific/Pago_Pago"


@dataclass(frozen=True)
class Shop:
    """An organisation with two accounts."""

    id: UUID
    time_zone: str

    @property
    def today(self) -> date:
        """What day it is there."""
        return SystemClock().now().astimezone(ZoneInfo(self.time_zone)).date()


@pytest.fixture(params=[EAST, WEST])
async def shop(app_db: Database, request: pytest.FixtureRequest) -> Shop:
    """An organisation at an edge of the calendar."""
    zone, now, meta = request.param, SystemClock().now(), Meta(actor="test")
    slug = zone.rpartition("/")[2].lower().replace("_", "-")
    everything = frozenset(map(str, access.PLATFORM_PERMISSIONS))
    platform = access.Caller(tenants.PLATFORM_ID, "key_platform", tenants.PLATFORM_ID, "platform", everything)
    async with app_db.tx(tenants.PLATFORM_ID) as tx:
        command = tenants.CreateOrganisation(slug, slug, "KI", "USD", zone)
        made = await tenants.create_organisation(tx, command, caller=platform, now=now, meta=meta)
    async with app_db.tx(made.id) as tx:
        for code, kind in (("cash", ledger.AccountType.ASSET), ("sales", ledger.AccountType.INCOME)):
            await ledger.open_account(tx, ledger.OpenAccount(code, code, kind, "USD"), now=now, meta=meta)
    return Shop(made.id, zone)


async def test_posting_and_trial_balance_use_the_organisations_day(
    shop: Shop, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "sales.csv"
    file.write_text("debit,credit,amount_minor,currency\ncash,sales,250,USD\n")
    organisation = ids.show("org", shop.id)
    before = shop.today
    posted = omniroute("ledger", "post", str(file), "-o", organisation, "--json", database_url=database_url)
    assert posted.returncode == 0, posted.stderr
    assert json.loads(posted.stdout)["posted"] == 1
    shown = omniroute("ledger", "statement", "cash", "-o", organisation, "--json", database_url=database_url)
    (line,) = json.loads(shown.stdout)["lines"]
    balance = omniroute("ledger", "trial-balance", "-o", organisation, "--json", database_url=database_url)
    days = {str(before), str(shop.today)}  # Midnight may pass there meanwhile.

    assert line["value_on"] in days
    found = json.loads(balance.stdout)
    assert found["on"] in days
    assert [(row["code"], row["closing_minor"]) for row in found["rows"]] == [("cash", 250), ("sales", 250)]


def test_the_same_instant_is_another_day_elsewhere() -> None:
    at = datetime(2026, 3, 31, 10, 30, tzinfo=UTC)
    assert (day_in(EAST, at), day_in("UTC", at), day_in(WEST, at)) == (
        date(2026, 4, 1),
        date(2026, 3, 31),
        date(2026, 3, 30),
    )
