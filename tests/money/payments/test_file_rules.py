"""What the rules do not allow any more does not go into a file: it ends, unsent, and its money is free again."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from omniroute.infra.postgres import Database
from omniroute.kit.refusal import Refusal
from omniroute.money.payments import Payment
from omniroute.money.payments.errors import LimitExceeded, NoRoute
from omniroute.money.policies.errors import MoreApprovalsNeeded
from tests.money.payments import filing as filings
from tests.money.payments.filing import Filing
from tests.money.payments.house import WALLET

FULL = 1_000_000_00


class Strict:
    """Rules that have changed since payments were made: what is larger than `most` is refused now."""

    def __init__(self, most: int | None = None, refusal: Refusal | None = None) -> None:
        self.most, self.refusal = most, refusal or LimitExceeded(limit="single")
        self.asked_for: list[UUID] = []

    async def get(self, tenant_id: UUID) -> "Strict":
        self.asked_for.append(tenant_id)
        return self

    def recheck(self, payment: Payment) -> None:
        if self.most is not None and payment.amount.amount_minor > self.most:
            raise self.refusal


async def build(rules: Strict, tmp_path: Path, app_db: Database, worker_db: Database, owner_db: Database) -> Filing:
    return await filings.build(app_db, worker_db, owner_db, tmp_path, rules=rules)


@pytest.mark.parametrize(
    "refusal",
    [
        LimitExceeded(limit="single"),
        NoRoute("refused by the rule night", tried=["rule night: refused"]),
        MoreApprovalsNeeded(needed=2, asked_for=0),
    ],
    ids=lambda refusal: refusal.code,
)
async def test_what_is_not_allowed_any_more_is_not_in_the_file(
    refusal: Refusal, app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path
) -> None:
    rules = Strict(refusal=refusal)
    filing = await build(rules, tmp_path, app_db, worker_db, owner_db)
    house = filing.house
    house.rules.fee_minor = 50
    small, large = await house.initiated(filing.order(1_000), filing.order(9_000))
    rules.most = 5_000
    await filing.pass_time(hours=2, minutes=45)
    (file,) = await filing.files()
    assert (file.order_count, file.amount.amount_minor, rules.asked_for[0]) == (1, 1_000, house.tenant_id)
    ended = await house.now_stands(large)
    assert (ended.state, ended.reason) == ("failed", f"rules_refused: {refusal.code}")
    assert await house.attempts(large) == []
    assert await house.balances(WALLET, "float:neft") == [(FULL, FULL - 1_050), (0, -1_000)]
    await filing.pass_time(hours=2)
    assert await filing.stands([small, large]) == ["succeeded", "failed"]
    assert await house.balances(WALLET, "float:neft") == [(FULL - 1_050,) * 2, (-1_000,) * 2]
    assert -sum(move.amount_minor for move in house.world.movements) == 1_000


async def test_when_none_is_allowed_there_is_no_file(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path
) -> None:
    rules = Strict()
    filing = await build(rules, tmp_path, app_db, worker_db, owner_db)
    house = filing.house
    made = await house.initiated(filing.order(1_000), filing.order(9_000))
    rules.most = 0
    await filing.pass_time(hours=5)
    assert await filing.files() == []
    assert await filing.stands(made) == ["failed"] * 2
    assert await house.balances(WALLET, "float:neft") == [(FULL, FULL), (0, 0)]
    assert house.world.movements == []


async def test_a_file_made_at_once_obeys_the_rules_too(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also beyond the first file: those that ended do not stand in the way of the next."""
    rules = Strict()
    filing = await build(rules, tmp_path, app_db, worker_db, owner_db)
    house = filing.house
    files = house.links.links[filing.connection_id].files
    assert files is not None
    monkeypatch.setattr(files, "orders_max", 2)
    large = await house.initiated(*[filing.order(9_000) for _ in range(2)])
    small = await house.initiated(*[filing.order(1_000) for _ in range(3)])
    rules.most = 5_000
    made = await filing.sender.send_now(house.tenant_id, filing.connection_id)
    assert sorted(file.order_count for file in await filing.files()) == [1, 2]
    assert len(made) == 2
    assert await filing.stands(large + small) == ["failed"] * 2 + ["executing"] * 3
    assert await house.balances(WALLET, "float:neft") == [(FULL, FULL - 3_000), (0, -3_000)]


async def test_rules_that_changed_back_let_it_go(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path
) -> None:
    """They are looked at when the file is made, not before: while it waits nothing ends."""
    rules = Strict()
    filing = await build(rules, tmp_path, app_db, worker_db, owner_db)
    made = await filing.house.initiated(filing.order(9_000))
    rules.most = 5_000
    await filing.work()
    assert await filing.stands(made) == ["approved"]
    rules.most = None
    filing.house.clock.at += timedelta(hours=2, minutes=45)
    await filing.work()
    assert await filing.attempt_states(made) == ["pending"]
