"""Charts of accounts: every template opens, opens again as the same, and hangs together."""

import pytest

from omniroute.infra.postgres import Database
from omniroute.kit.currency import UnknownCurrency
from omniroute.kit.ids import uuid7
from omniroute.ledger import Mode, charts
from tests.ledger.makers import META, NOW


@pytest.mark.parametrize("name", charts.TEMPLATES)
async def test_a_chart_opens_and_opens_again_as_the_same(name: str, app_db: Database) -> None:
    tenant_id = uuid7()
    async with app_db.tx(tenant_id) as tx:
        opened = await charts.apply_template(tx, name, currency="NGN", prefix="x:", owner_ref="o1", now=NOW, meta=META)
    async with app_db.tx(tenant_id) as tx:
        again = await charts.apply_template(tx, name, currency="NGN", prefix="x:", owner_ref="o1", now=NOW, meta=META)
        await charts.apply_template(tx, name, currency="KES", now=NOW, meta=META)
    assert again == opened
    seen = {account.account_id for account in opened}
    assert len(seen) == len(charts.TEMPLATES[name])
    for account in opened:
        assert account.code.startswith("x:")
        assert account.parent_id is None or account.parent_id in seen
        assert account.mode is Mode.STRICT or account.floor_minor is None
        assert "wallet" not in account.code or (account.mode, account.floor_minor) == (Mode.STRICT, 0)


async def test_an_unknown_chart_or_currency_opens_nothing(app_db: Database) -> None:
    async with app_db.tx(uuid7()) as tx:
        with pytest.raises(charts.UnknownTemplate):
            await charts.apply_template(tx, "bank", currency="NGN", now=NOW, meta=META)
        with pytest.raises(UnknownCurrency):
            await charts.apply_template(tx, "rider", currency="XXX", now=NOW, meta=META)
        cursor = await tx.connection.execute("SELECT count(*) FROM ledger_account")
        assert (await cursor.fetchone())[0] == 0  # type: ignore[index]  # count(*) has a row
