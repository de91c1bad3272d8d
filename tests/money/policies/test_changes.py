"""Changing policies: who may, what a second person decides, and that payments follow."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg import errors as pg

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.ids import show, uuid7
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import Leg, Side
from omniroute.money import payments, policies
from omniroute.money.payments import Initiated, PaymentState
from omniroute.money.policies import (
    Action,
    ApprovalRule,
    ChangeStatus,
    Draft,
    FeeRule,
    LimitRule,
    Period,
    PolicyRulebooks,
    RouteRule,
    Rule,
    When,
)
from omniroute.money.policies.model import RULES
from omniroute.parties.access import Caller
from tests.money.payments import house as houses
from tests.money.payments.house import META, WALLET, House
from tests.money.policies.makers import GTB, TODAY

NAIRA = When(currency="NGN")
DAILY = LimitRule(Period.DAY, amount_max_minor=10_000)


class Organisation:
    """An organisation with two people, a key, and rules read anew at every call."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ada, self.bayo = self.caller("user"), self.caller("user")
        self.key = self.caller("api_key")
        rails = {connector.rail: connector for connector in house.connectors}
        self.books = PolicyRulebooks(house.db, rails, clock=house.clock, cached_for=timedelta(0))

    def caller(self, kind: str) -> Caller:
        who = uuid7()
        prefix = "usr" if kind == "user" else "key"
        return Caller(self.house.tenant_id, show(prefix, who), who, kind, frozenset())  # type: ignore[arg-type]

    async def propose(
        self, rule: Rule, when: When = NAIRA, *, by: Caller | None = None, **given: Any
    ) -> policies.Change:
        async with self.house.db.tx(self.house.tenant_id) as tx:
            return await policies.create_policy(
                tx, draft(rule, when, **given), caller=by or self.ada, now=self.house.clock.now(), meta=META
            )

    async def approve(self, change: policies.Change, by: Caller) -> policies.Change:
        async with self.house.db.tx(self.house.tenant_id) as tx:
            return await policies.approve_change(tx, change.change_id, caller=by, now=self.house.clock.now(), meta=META)

    async def in_force(self, rule: Rule, when: When = NAIRA, **given: Any) -> policies.Policy:
        change = await self.propose(rule, when, **given)
        if change.status is ChangeStatus.PROPOSED:
            await self.approve(change, self.bayo)
        return await self.policy(change.policy_id)

    async def policy(self, policy_id: UUID) -> policies.Policy:
        async with self.house.db.tx(self.house.tenant_id) as tx:
            return await policies.get_policy(tx, policy_id)

    async def standing(self) -> list[tuple[str, str, int]]:
        """All that the database holds of policies: name, status, version."""
        async with self.house.db.tx(self.house.tenant_id) as tx:
            found = await policies.list_policies(tx, limit=500)
        return [(policy.name, policy.status, policy.version) for policy in found.items]

    async def topics(self) -> list[str]:
        async with self.house.worker.tx(self.house.tenant_id, readonly=True) as tx:
            rows = await tx.connection.execute(
                "SELECT type FROM event_log WHERE tenant_id = %s AND type LIKE 'payment_policy.%%' ORDER BY seq",
                [self.house.tenant_id],
            )
            return [row[0] for row in await rows.fetchall()]

    async def pay(self, *amounts: int, actor: str = "usr_maker", today: date = TODAY) -> list[str]:
        """Ask for a payment of each amount, together; the state of each, or the code of its refusal."""
        orders = [self.house.order(amount_minor=amount, party=GTB) for amount in amounts]
        rules = await self.books.get(self.house.tenant_id)
        async with self.house.db.tx(self.house.tenant_id) as tx:
            outcomes = await payments.initiate(
                tx,
                [payments.Request(one, actor, None, META) for one in orders],
                rules=rules,
                now=self.house.clock.now(),
                today=today,
            )
        return [
            outcome.payment.state.value if isinstance(outcome, Initiated) else outcome.refusal.code
            for outcome in outcomes
        ]


def draft(rule: Rule, when: When = NAIRA, **given: Any) -> Draft:
    kind = next(kind for kind, shape in RULES.items() if isinstance(rule, shape))
    return Draft(kind, given.get("name", kind.value), given.get("position", 10), when, rule)


@pytest.fixture
async def us(app_db: Database, worker_db: Database, owner_db: Database) -> Organisation:
    return Organisation(await houses.build(app_db, worker_db, owner_db))


async def test_a_route_is_in_force_at_once_and_payments_follow(us: Organisation) -> None:
    assert await us.pay(5_000) == ["approved"]
    change = await us.propose(RouteRule((), otherwise="refuse"))
    assert (change.status, change.action, change.decided_by) == (ChangeStatus.ACTIVE, Action.CREATE, None)
    before = await us.house.balances(WALLET)
    assert await us.pay(5_000) == ["payments.no_route"]
    assert await us.house.balances(WALLET) == before
    assert await us.topics() == ["payment_policy.changed"]


async def test_a_fee_is_held_with_the_payment(us: Organisation) -> None:
    await us.in_force(FeeRule(flat_minor=50, basis_points=100))
    full = (await us.house.balances(WALLET))[0][0]
    assert await us.pay(5_000) == ["approved"]
    assert await us.house.balances(WALLET) == [(full, full - 5_100)]


async def test_a_limit_waits_for_a_second_person(us: Organisation) -> None:
    change = await us.propose(DAILY)
    assert change.status is ChangeStatus.PROPOSED
    assert await us.standing() == []
    assert await us.pay(10_001) == ["approved"]
    decided = await us.approve(change, us.bayo)
    assert (decided.status, decided.decided_by) == (ChangeStatus.ACTIVE, us.bayo.subject)
    assert await us.standing() == [("limit", "active", 1)]
    assert await us.topics() == ["payment_policy.change_proposed", "payment_policy.changed"]
    assert await us.pay(10_001) == ["payments.limit_exceeded"]
    assert await us.pay(10_000) == ["approved"]


async def test_who_proposed_does_not_decide(us: Organisation) -> None:
    change = await us.propose(DAILY)
    with pytest.raises(Refusal) as refused:
        await us.approve(change, us.ada)
    assert refused.value.code == "policies.proposer_decides"
    assert await us.standing() == []
    assert await us.topics() == ["payment_policy.change_proposed"]


async def test_a_key_does_not_decide(us: Organisation) -> None:
    change = await us.propose(DAILY)
    with pytest.raises(Refusal) as refused:
        await us.approve(change, us.key)
    assert refused.value.code == "policies.person_needed"
    assert await us.standing() == []


@pytest.mark.parametrize("who", ["maker", "other"])
async def test_who_made_the_key_that_proposed_does_not_decide(us: Organisation, owner_db: Database, who: str) -> None:
    async with owner_db.tx(us.house.tenant_id) as tx:
        await tx.connection.execute(
            "INSERT INTO credential (tenant_id, id, kind, name, mode, permissions, created_by, created_at, updated_at)"
            " VALUES (%s, %s, 'api_key', 'k', 'live', '{}', %s, now(), now())",
            [us.house.tenant_id, us.key.subject_id, us.ada.subject],
        )
    change = await us.propose(DAILY, by=us.key)
    if who == "other":
        assert (await us.approve(change, us.bayo)).status is ChangeStatus.ACTIVE
        return
    with pytest.raises(Refusal) as refused:
        await us.approve(change, us.ada)
    assert refused.value.code == "policies.proposer_decides"
    assert await us.standing() == []


async def test_the_database_knows_who_made_the_key(us: Organisation) -> None:
    async with us.house.db.tx(us.house.tenant_id) as tx:
        await tx.connection.execute(
            "INSERT INTO credential (tenant_id, id, kind, name, mode, permissions, created_by, created_at, updated_at)"
            " VALUES (%s, %s, 'api_key', 'k', 'live', '{}', %s, now(), now())",
            [us.house.tenant_id, us.key.subject_id, us.ada.subject],
        )
    change = await us.propose(DAILY, by=us.key)
    with pytest.raises(pg.IntegrityConstraintViolation, match="who proposes"):
        async with us.house.db.tx(us.house.tenant_id) as tx:
            await tx.connection.execute(
                "UPDATE payment_policy_change SET status = 'active', decided_by = %s, decided_at = now()"
                " WHERE tenant_id = %s AND change_id = %s",
                [us.ada.subject, us.house.tenant_id, change.change_id],
            )


async def test_the_database_wants_four_eyes_too(us: Organisation) -> None:
    change = await us.propose(DAILY)
    for decided_by in (us.ada.subject, None):
        with pytest.raises(pg.CheckViolation, match="four_eyes"):
            async with us.house.db.tx(us.house.tenant_id) as tx:
                await tx.connection.execute(
                    "UPDATE payment_policy_change SET status = 'active', decided_by = %s, decided_at = now()"
                    " WHERE tenant_id = %s AND change_id = %s",
                    [decided_by, us.house.tenant_id, change.change_id],
                )


async def test_a_proposal_is_decided_once(us: Organisation) -> None:
    change = await us.propose(DAILY)
    await us.approve(change, us.bayo)
    with pytest.raises(Refusal) as refused:
        await us.approve(change, us.caller("user"))
    assert (refused.value.code, refused.value.facts) == ("policies.proposal_decided", {"status": "active"})
    assert await us.standing() == [("limit", "active", 1)]


async def test_a_proposal_may_be_turned_down_or_taken_back(us: Organisation) -> None:
    for who in (us.bayo, us.ada):
        change = await us.propose(DAILY)
        async with us.house.db.tx(us.house.tenant_id) as tx:
            rejected = await policies.reject_change(
                tx, change.change_id, caller=who, comment="too low", now=us.house.clock.now(), meta=META
            )
        assert (rejected.status, rejected.comment) == (ChangeStatus.REJECTED, "too low")
        with pytest.raises(Refusal) as refused:
            await us.approve(change, us.bayo)
        assert refused.value.code == "policies.proposal_decided"
    assert await us.standing() == []


async def test_a_limit_is_raised_and_ended_by_two_people(us: Organisation) -> None:
    limit = await us.in_force(DAILY)
    assert await us.pay(10_000, 1) == ["approved", "payments.limit_exceeded"]
    async with us.house.db.tx(us.house.tenant_id) as tx:
        change = await policies.replace_policy(
            tx,
            limit.policy_id,
            draft(LimitRule(Period.DAY, amount_max_minor=10_001)),
            version=1,
            caller=us.bayo,
            now=us.house.clock.now(),
            meta=META,
        )
    assert await us.pay(1) == ["payments.limit_exceeded"]
    await us.approve(change, us.ada)
    assert await us.pay(1, 1) == ["approved", "payments.limit_exceeded"]
    async with us.house.db.tx(us.house.tenant_id) as tx:
        change = await policies.retire_policy(
            tx, limit.policy_id, version=2, caller=us.ada, now=us.house.clock.now(), meta=META
        )
    assert await us.pay(1) == ["payments.limit_exceeded"]
    await us.approve(change, us.bayo)
    assert await us.pay(1) == ["approved"]
    assert await us.standing() == [("limit", "retired", 3)]


async def test_a_proposal_against_an_older_policy_cannot_be_agreed_to(us: Organisation) -> None:
    limit = await us.in_force(DAILY)
    changes = []
    for most in (20_000, 30_000):
        async with us.house.db.tx(us.house.tenant_id) as tx:
            rule = LimitRule(Period.DAY, amount_max_minor=most)
            changes.append(
                await policies.replace_policy(
                    tx, limit.policy_id, draft(rule), version=1, caller=us.ada, now=us.house.clock.now(), meta=META
                )
            )
    await us.approve(changes[1], us.bayo)
    with pytest.raises(Refusal) as refused:
        await us.approve(changes[0], us.bayo)
    assert refused.value.code == "policies.changed"
    assert (await us.policy(limit.policy_id)).rule == LimitRule(Period.DAY, amount_max_minor=30_000)


@pytest.mark.parametrize("version", [0, 2])
async def test_a_change_names_the_version_it_saw(us: Organisation, version: int) -> None:
    fee = await us.in_force(FeeRule(50))
    now = us.house.clock.now()
    async with us.house.db.tx(us.house.tenant_id) as tx:
        with pytest.raises(Refusal) as replaced:
            await policies.replace_policy(
                tx, fee.policy_id, draft(FeeRule(60)), version=version, caller=us.ada, now=now, meta=META
            )
        with pytest.raises(Refusal) as retired:
            await policies.retire_policy(tx, fee.policy_id, version=version, caller=us.ada, now=now, meta=META)
    assert replaced.value.code == retired.value.code == "policies.changed"
    assert await us.policy(fee.policy_id) == fee


async def test_a_policy_of_one_kind_does_not_become_another(us: Organisation) -> None:
    fee = await us.in_force(FeeRule(50))
    async with us.house.db.tx(us.house.tenant_id) as tx:
        with pytest.raises(Refusal, match="a fee policy stays one"):
            await policies.replace_policy(
                tx, fee.policy_id, draft(DAILY), version=1, caller=us.ada, now=us.house.clock.now(), meta=META
            )
    assert await us.policy(fee.policy_id) == fee


async def test_names_are_unique_among_those_in_force(us: Organisation) -> None:
    fee = await us.in_force(FeeRule(50))
    with pytest.raises(Refusal) as refused:
        await us.propose(FeeRule(60))
    assert refused.value.code == "policies.name_taken"
    async with us.house.db.tx(us.house.tenant_id) as tx:
        await policies.retire_policy(tx, fee.policy_id, version=1, caller=us.ada, now=us.house.clock.now(), meta=META)
    await us.propose(FeeRule(60))
    assert sorted(await us.standing()) == [("fee", "active", 1), ("fee", "retired", 2)]


async def test_a_route_names_connections_that_exist(us: Organisation) -> None:
    with pytest.raises(Refusal, match="there is no connection gone"):
        await us.propose(RouteRule(("toy", "gone")))
    assert await us.standing() == []
    assert (await us.propose(RouteRule(("toy",)))).status is ChangeStatus.ACTIVE


async def test_a_payment_that_needs_approval_waits_and_expires(us: Organisation) -> None:
    await us.in_force(ApprovalRule(1, expires_after_s=3600), When(currency="NGN", amount_from_minor=10_000))
    assert await us.pay(9_999, 10_000) == ["approved", "awaiting_approval"]
    us.house.clock.at += timedelta(hours=1)
    assert await us.house.dispatcher.expire() == 1


async def test_a_limit_of_a_month_outlasts_the_day(us: Organisation) -> None:
    await us.in_force(LimitRule(Period.MONTH, count_max=2), When())
    assert await us.pay(1, today=date(2026, 3, 2)) == ["approved"]
    assert await us.pay(1, 1, today=date(2026, 3, 31)) == ["approved", "payments.limit_exceeded"]
    assert await us.pay(1, today=date(2026, 4, 1)) == ["approved"]


async def test_an_approved_payment_is_looked_at_again_under_the_rules_of_now(us: Organisation) -> None:
    await us.in_force(ApprovalRule(1))
    assert await us.pay(5_000) == ["awaiting_approval"]
    async with us.house.db.tx(us.house.tenant_id) as tx:
        payment = (await payments.list_payments(tx)).items[0].payment
    await us.in_force(LimitRule(Period.PAYMENT, amount_max_minor=4_999))
    before = await us.house.balances(WALLET)
    rules = await us.books.get(us.house.tenant_id)
    async with us.house.db.tx(us.house.tenant_id) as tx:
        (answer,) = await payments.approve(
            tx,
            [payment.payment_id],
            actor="usr_checker",
            recheck=rules.recheck,
            now=us.house.clock.now(),
            today=TODAY,
            meta=META,
        )
    assert isinstance(answer, Refusal)
    assert answer.code == "payments.limit_exceeded"
    assert (await us.house.now_stands(payment)).state is PaymentState.AWAITING_APPROVAL
    assert await us.house.balances(WALLET) == before


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (LimitRule(Period.PAYMENT, amount_max_minor=4_999), "rules_refused: payments.limit_exceeded"),
        (RouteRule((), otherwise="refuse"), "rules_refused: payments.no_route"),
        (ApprovalRule(1), "rules_refused: policies.more_approvals_needed"),
        (LimitRule(Period.PAYMENT, amount_max_minor=5_000), None),
    ],
)
async def test_what_the_rules_do_not_allow_any_more_does_not_leave(
    us: Organisation, rule: Rule, reason: str | None
) -> None:
    house = us.house
    await us.in_force(LimitRule(Period.DAY, amount_max_minor=5_000), name="day")
    before = await house.balances(WALLET, "float:toy")
    assert await us.pay(5_000) == ["approved"]
    await us.in_force(rule)
    house.dispatcher = payments.Dispatcher(
        house.worker, house.links, clock=house.clock, business_day=houses.today, worker_id="w", rules=us.books
    )
    await house.rounds(2)
    async with house.db.tx(house.tenant_id) as tx:
        payment = (await payments.list_payments(tx)).items[0].payment
    if reason is None:
        assert payment.state is PaymentState.SUCCEEDED
        return
    assert (payment.state, payment.reason, payment.attempt_count) == (PaymentState.FAILED, reason, 0)
    assert await house.balances(WALLET, "float:toy") == before
    assert house.connectors[0].submits == []
    if isinstance(rule, LimitRule):  # What the day had let through is free again.
        async with house.db.tx(house.tenant_id) as tx:
            used = await tx.connection.execute("SELECT used_minor, used_count FROM payment_limit_use")
            assert await used.fetchall() == [(0, 0)]


async def test_policies_of_one_organisation_are_nobody_elses(
    us: Organisation, app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    fee = await us.in_force(FeeRule(50))
    change = await us.propose(DAILY)
    them = Organisation(await houses.build(app_db, worker_db, owner_db))
    assert await them.standing() == []
    assert await them.pay(5_000) == ["approved"]
    async with them.house.db.tx(them.house.tenant_id) as tx:
        for ask in (
            policies.get_policy(tx, fee.policy_id),
            policies.get_change(tx, change.change_id),
            policies.approve_change(tx, change.change_id, caller=them.ada, now=houses.START, meta=META),
            policies.retire_policy(tx, fee.policy_id, version=1, caller=them.ada, now=houses.START, meta=META),
        ):
            with pytest.raises(Refusal, match="not_found"):
                await ask
        assert (await policies.list_changes(tx)).items == []
        read = await tx.connection.execute("SELECT count(*) FROM payment_policy")
        assert await read.fetchone() == (0,)
    assert await us.standing() == [("fee", "active", 1)]


async def test_rules_are_kept_for_seconds_and_read_again(us: Organisation) -> None:
    rails = {connector.rail: connector for connector in us.house.connectors}
    books = PolicyRulebooks(us.house.db, rails, clock=us.house.clock)
    tenant_id = us.house.tenant_id
    first = await books.get(tenant_id)
    await us.in_force(FeeRule(50))
    assert await books.get(tenant_id) is first
    us.house.clock.at += timedelta(seconds=5)
    command = us.house.order(party=GTB)
    today = TODAY
    now = us.house.clock.now()
    assert (await books.get(tenant_id)).decide(command, actor="usr_1", now=now, today=today).fee_minor == 50
    await us.in_force(FeeRule(70), position=1, name="other")
    books.forget(tenant_id)
    assert (await books.get(tenant_id)).decide(command, actor="usr_1", now=now, today=today).fee_minor == 70


async def test_floats_are_read_with_the_rules(us: Organisation) -> None:
    await us.in_force(RouteRule(("toy",), otherwise="refuse", float_covers=True))
    assert await us.pay(5_000) == ["payments.no_route"]
    legs = [
        Leg(us.house.id("float:toy"), Side.DEBIT, Money(5_000, "NGN")),
        Leg(us.house.id("bank"), Side.CREDIT, Money(5_000, "NGN")),
    ]
    async with us.house.db.tx(us.house.tenant_id) as tx:
        await ledger.post_one(tx, ledger.post_transaction(legs), today=TODAY)
    assert await us.pay(5_000) == ["approved"]
