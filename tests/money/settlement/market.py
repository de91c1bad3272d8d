"""A maker, a depot and a van in one market: what they collect, remit and are paid, on a clock that is set by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import Leg, Side
from omniroute.money import atc, settlement
from omniroute.money.atc import (
    Collection,
    CollectionRequest,
    CollectionType,
    Commission,
    CommissionType,
    CreateGrant,
    Frequency,
    Grant,
    RecordCollection,
    Recorded,
    ScopeKind,
    SettlementTerms,
)
from omniroute.money.payments import StatementReader
from omniroute.money.settlement import RecordRemittance, Remittance, SettlementBatch, SettlementRunner
from omniroute.parties import partners
from omniroute.parties.partners import CreatePartner, PartnerKind
from omniroute.ports.rails import Party, PartyKind, StatementLine, StatementPage
from omniroute.sandbox.faults import FaultPlan
from tests.money.atc.network import Network
from tests.money.payments.house import META, House, Rules, build
from tests.parties.makers import Org, make_caller

ZONE = ZoneInfo("Africa/Lagos")
BANK = Party(PartyKind.BANK_ACCOUNT, "0123456789", "000014", "Maker", "NG")
FLOAT = "float:toy"
_numbers = count(1)


def percent(rate: int) -> Commission:
    return Commission(CommissionType.PERCENTAGE, rate_ppm=rate * 10_000)


@dataclass
class Books:
    """Finds the rules of the house."""

    rules: Rules

    async def get(self, tenant_id: UUID) -> Rules:
        return self.rules


@dataclass
class Market:
    """The maker's grant to the depot (10 percent), the depot's to the van (5 percent), and a shop that pays."""

    house: House
    owner: Database
    maker: UUID
    depot: UUID
    van: UUID
    shop: UUID
    upper: Grant
    lower: Grant

    @property
    def now(self) -> datetime:
        return self.house.clock.at

    def today(self, tenant_id: UUID | None = None) -> date:
        return self.now.astimezone(ZONE).date()

    def runner(self) -> SettlementRunner:
        """A process of its own."""
        return SettlementRunner(
            self.house.worker, Books(self.house.rules), clock=self.house.clock, business_day=self.today
        )

    async def rounds(self) -> None:
        """Settle and pay until there is nothing more to do just now."""
        runner = self.runner()
        while await runner.round() + await self.house.rounds():
            await self.house.world.run_due()

    async def collect(self, amount_minor: int, grant: Grant, method: CollectionType, **terms: Any) -> Collection:
        """The collector's level of something collected from the shop."""
        command = RecordCollection(f"C{next(_numbers)}", amount_minor, self.shop, method, grant.grant_id, **terms)

        async def work(tx: Any) -> Any:
            request = CollectionRequest(command, "usr_collector", META)
            return await atc.record_collections(tx, [request], now=self.now, today=self.today())

        (outcome,) = await self.house.db.run(work, tenant_id=self.house.tenant_id, idempotent=True)
        assert isinstance(outcome, Recorded), outcome
        return outcome.levels[0]

    async def cash(self, amount_minor: int, grant: Grant | None = None) -> Collection:
        """In the collector's hand."""
        return await self.collect(amount_minor, grant or self.lower, CollectionType.CASH)

    async def sale(self, amount_minor: int, grant: Grant | None = None) -> Collection:
        """The shop has sold for so much over us, and it is collected from that: it is with us."""
        await self.house_owes(self.shop, amount_minor)
        return await self.collect(amount_minor, grant or self.upper, CollectionType.CREDIT_AGAINST_PURCHASE)

    async def house_owes(self, partner_id: UUID, amount_minor: int) -> None:
        amount, id_ = Money(amount_minor, "NGN"), self.house.id
        async with self.house.db.tx(self.house.tenant_id) as tx:
            await partners.open_accounts(tx, [partner_id], "NGN", now=self.now, meta=META)
            legs = [
                Leg(id_(FLOAT), Side.DEBIT, amount),
                Leg(id_(partners.payable(partner_id, "NGN")), Side.CREDIT, amount),
            ]
            await ledger.post_one(tx, ledger.post_transaction(legs, meta=META), today=self.today())

    async def credit(self, owner_id: UUID, amount_minor: int, session: str) -> UUID:
        """A credit on a virtual account of a partner's, as if a provider had told us."""
        org = Org(self.house.db, self.house.tenant_id, "", make_caller(self.house.tenant_id, ()))
        return await Network(self.house.db, self.owner, org).credit(owner_id, amount_minor, session)

    async def given_back(self, payment_id: UUID) -> None:
        """The statement of the rail says that it has given a paid payment back."""
        (paid,) = await self.rows(
            "SELECT a.our_ref, p.amount_minor FROM payment p JOIN payment_attempt a USING (tenant_id, payment_id)"
            " WHERE p.tenant_id = %(tenant)s AND p.payment_id = %(payment)s",
            payment=payment_id,
        )
        line = StatementLine(
            f"back-{paid.our_ref}", self.now, Money(paid.amount_minor, "NGN"), True, paid.our_ref, "RAIL1", "returned"
        )

        async def fetch(context: object, day: object, cursor: object) -> StatementPage:
            return StatementPage((line,), None)

        house = self.house
        house.connectors[0].fetch_statement = fetch  # type: ignore[method-assign]
        reader = StatementReader(house.worker, house.links, clock=house.clock, business_day=self.today)
        await reader.read(house.tenant_id, house.rules.connection_ids[0])

    async def remit(self, partner_id: UUID, paid: int, kept: int = 0, **terms: Any) -> Remittance:
        """Money paid in over the connection, unless told otherwise."""
        if paid and "credit" not in terms:
            terms.setdefault("connection_id", self.house.rules.connection_ids[0])
        reference = terms.pop("reference", f"R{next(_numbers)}")
        command = RecordRemittance(reference, partner_id, Money(paid, "NGN"), kept, **terms)
        async with self.house.db.tx(self.house.tenant_id) as tx:
            return await settlement.record_remittance(
                tx, command, actor="usr_cashier", now=self.now, today=self.today(), meta=META
            )

    async def settle_now(self, grant: Grant | None = None) -> SettlementBatch:
        async with self.house.db.tx(self.house.tenant_id) as tx:
            return await settlement.settle_now(
                tx, (grant or self.upper).grant_id, actor="usr_clerk", now=self.now, meta=META
            )

    async def batches(self) -> list[SettlementBatch]:
        """The settlements, the oldest first."""
        async with self.house.db.tx(self.house.tenant_id, readonly=True) as tx:
            return (await settlement.list_batches(tx, sort="created_at", limit=500)).items[:]

    async def levels(self, one: Collection) -> Sequence[Any]:
        """All levels of a collection, as their rows are."""
        return await self.rows(
            "SELECT * FROM atc_collection WHERE tenant_id = %(tenant)s AND root_collection_id = %(root)s"
            " ORDER BY level",
            root=one.root_collection_id,
        )

    async def rows(self, statement: str, **given: Any) -> Sequence[Any]:
        async with self.owner.tx(self.house.tenant_id) as tx:
            return await (
                await tx.connection.execute(statement.encode(), {"tenant": self.house.tenant_id, **given})
            ).fetchall()

    async def balance(self, code: str) -> int:
        """Posted; nothing, when the account was never opened."""
        account_id = self.house.id(code)
        async with self.house.db.tx(self.house.tenant_id, readonly=True) as tx:
            found = (await ledger.find_balances(tx, [account_id])).get(account_id)
        return 0 if found is None else found.posted_minor

    async def payable(self, partner_id: UUID) -> int:
        return await self.balance(partners.payable(partner_id, "NGN"))

    async def commission(self, partner_id: UUID) -> int:
        return await self.balance(partners.commission(partner_id, "NGN"))

    async def in_hand(self, partner_id: UUID) -> int:
        return await self.balance(partners.in_hand(partner_id, "NGN"))

    async def everything(self) -> list[Any]:
        """What a refusal must not have touched."""
        return [
            await self.rows(f"SELECT * FROM {table} WHERE tenant_id = %(tenant)s ORDER BY 1, 2, 3")
            for table in ("atc_collection", "atc_settlement_batch", "atc_settlement_item", "atc_remittance",
                          "ledger_txn", "ledger_balance", "payment", "virtual_account_credit")
        ]  # fmt: skip


async def open_market(
    db: Database,
    worker: Database,
    owner: Database,
    *,
    frequency: Frequency = Frequency.ON_DEMAND,
    day: int | None = None,
    delay_days: int = 0,
    plan: FaultPlan | None = None,
    account: Party = BANK,
) -> Market:
    """A new organisation with its market. Nothing of earlier ones is left to be worked on."""
    async with owner.tx() as tx:
        await tx.connection.execute("TRUNCATE atc_grant, atc_remittance CASCADE")
    house = await build(db, worker, owner, plan=plan, funds_minor=1)
    ids: dict[str, UUID] = {}
    async with db.tx(house.tenant_id) as tx:
        for code, kind in (("maker", PartnerKind.MANUFACTURER), ("depot", PartnerKind.DISTRIBUTOR),
                           ("van", PartnerKind.WORKER), ("shop", PartnerKind.RETAILER)):  # fmt: skip
            made = await partners.create_partner(
                tx, CreatePartner(code, kind, code.title()), now=house.clock.at, meta=META
            )
            ids[code] = made.partner_id
    terms = SettlementTerms(frequency, day, delay_days, account)
    upper = await grant(house, CreateGrant(
        ids["maker"], ids["depot"], ScopeKind.ALL_PRODUCTS, CollectionType.ALL_METHODS, "NGN", percent(10), terms
    ))  # fmt: skip
    lower = await grant(house, CreateGrant(
        ids["depot"], ids["van"], ScopeKind.ALL_PRODUCTS, CollectionType.ALL_METHODS, "NGN", percent(5), terms,
        parent_id=upper.grant_id,
    ))  # fmt: skip
    return Market(house, owner, upper=upper, lower=lower, **ids)


async def grant(house: House, command: CreateGrant) -> Grant:
    """A grant, approved."""
    now = house.clock.at
    async with house.db.tx(house.tenant_id) as tx:
        written = await atc.create_grant(tx, command, actor="usr_author", now=now, meta=META)
        return await atc.approve_grant(tx, written.grant_id, actor="usr_checker", now=now, meta=META)


async def refused(market: Market, attempt: Any) -> Refusal:
    """What must be refused, and the proof that nothing moved."""
    before = await market.everything()
    try:
        await attempt
    except Refusal as refusal:
        assert await market.everything() == before
        return refusal
    raise AssertionError("it was not refused")


DAY, HOUR = timedelta(days=1), timedelta(hours=1)
