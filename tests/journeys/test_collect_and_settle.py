"""Money of the street: a retailer pays a van, commission goes up the chain, the manufacturer gets the rest."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from omniroute import ledger
from omniroute.infra.postgres import Database, Tx
from omniroute.kit.refusal import Refusal
from omniroute.money import atc, settlement
from omniroute.money.atc import (
    CollectionRequest,
    CollectionType,
    Commission,
    CommissionType,
    CreateGrant,
    Frequency,
    Grant,
    RecordCollection,
    ScopeKind,
    SettlementTerms,
)
from omniroute.money.settlement import RecordRemittance, SettlementRunner
from omniroute.parties import partners
from omniroute.parties.partners import CreatePartner, PartnerKind
from omniroute.sandbox.faults import FaultPlan
from tests.journeys.payouts import PayoutStory, account
from tests.journeys.story import body_of, ngn, number, table
from tests.money.payments.rails import Stage, stage

ZONE = ZoneInfo("Africa/Lagos")
_ABOUT = """*This page is written by `tests/journeys/test_collect_and_settle.py`: the code ran against the sandbox of
the rails over HTTP, and the tables are what it left.* In the code, `market` is an organisation with a connection to
NIP, `market.tx()` is a transaction of it, `market.now` and `market.today` are the time of the story, `market.settle()`
is what its worker does, and `ngn(5_000_00)` is 5,000.00 naira in kobo."""


class Market(PayoutStory):
    """A story of a manufacturer, a distributor, a van and a shop."""

    def __init__(self, one: Stage) -> None:
        super().__init__(one, "collect-and-settle", "Recipe: collect and settle", "nip")
        self._page[1] = _ABOUT
        self.mill: UUID
        self.depot: UUID
        self.van: UUID
        self.shop: UUID
        self.upper: Grant
        self.lower: Grant
        self.clock, self.nip = one.clock, one.by_code["nip"].connection_id

    def tx(self) -> AbstractAsyncContextManager[Tx]:
        """A transaction of the organisation."""
        self.now = self.clock.now()
        return self.db.tx(self.tenant_id)

    async def do(self, act: Callable[["Market"], Awaitable[Any]]) -> None:
        """Do something; write down its prose and its code."""
        self.say(act.__doc__ or "")
        self._page.append(f"```python\n{body_of(act)}\n```")
        await act(self)

    async def partner(self, code: str, kind: PartnerKind) -> UUID:
        """A new partner."""
        async with self.tx() as tx:
            command = CreatePartner(code, kind, code.title())
            return (await partners.create_partner(tx, command, now=self.now, meta=self.meta)).partner_id

    async def refused(self, act: Callable[["Market"], Awaitable[Any]]) -> str:
        """Do what is refused; write down why."""
        try:
            await self.do(act)
        except Refusal as refusal:
            self._page.append(f"- refused: `{refusal.code}`")
            return refusal.code
        raise AssertionError("it was not refused")

    async def settle(self) -> None:
        """What the worker does: settlements by the calendar, their payments, and what became of these."""
        runner = SettlementRunner(
            self.one.worker,
            self.rules,
            clock=self.clock,
            business_day=lambda _: self.clock.now().astimezone(ZONE).date(),
        )
        while await runner.round():
            await self.work()

    async def standing_of_all(self) -> None:
        """Who is owed what, who has earned what, and where the money is."""
        rows = []
        for name, partner in (("the mill", self.mill), ("the depot", self.depot), ("the van", self.van)):
            codes = (partners.payable, partners.commission, partners.in_hand)
            shown = [number(await self.posted(code(partner, "NGN")), "NGN") for code in codes]
            rows.append(dict(zip(("", "is owed", "has earned", "has in hand"), (name, *shown), strict=True)))
        self._page.append(table(rows, right=["is owed", "has earned", "has in hand"]))
        self._page.append(f"With us, on `float:nip`: {number(await self.posted('float:nip'), 'NGN')}.")

    async def posted(self, code: str) -> int:
        async with self.db.tx(self.tenant_id, readonly=True) as tx:
            found = (await ledger.find_balances(tx, [self.id(code)])).get(self.id(code))
        return 0 if found is None else found.posted_minor

    async def settlements(self) -> None:
        """Every settlement, as it stands."""
        async with self.db.tx(self.tenant_id, readonly=True) as tx:
            found = (await settlement.list_batches(tx)).items
        rows = [
            {
                "because of": one.cause.value,
                "until": f"{one.period_end.astimezone(ZONE):%d %b %H:%M}",
                "collections": str(one.collection_count),
                "gross": number(one.gross_minor, "NGN"),
                "commission": number(one.commission_minor, "NGN"),
                "net": number(one.net_minor, "NGN"),
                "state": one.state.value,
            }
            for one in found
        ]
        self._page.append(table(rows, right=["collections", "gross", "commission", "net"]))


async def meet(market: Market) -> None:
    """The mill sells through the depot, the depot through its van, the van to shops. Each is a partner."""
    market.mill = await market.partner("mill", PartnerKind.MANUFACTURER)
    market.depot = await market.partner("depot", PartnerKind.DISTRIBUTOR)
    market.van = await market.partner("van", PartnerKind.WORKER)
    market.shop = await market.partner("shop", PartnerKind.RETAILER)


async def agree(market: Market) -> None:
    """The mill lets the depot collect for it, for 5 percent, and wants its money each day. Who writes such a grant does
    not approve it."""
    grant = CreateGrant(
        market.mill,
        market.depot,
        ScopeKind.ALL_PRODUCTS,
        CollectionType.ALL_METHODS,
        "NGN",
        Commission(CommissionType.PERCENTAGE, rate_ppm=50_000),
        SettlementTerms(Frequency.DAILY, account=account("221234100")),
    )
    async with market.tx() as tx:
        market.upper = await atc.create_grant(tx, grant, actor="usr_amina", now=market.now, meta=market.meta)
        await atc.approve_grant(tx, market.upper.grant_id, actor="usr_bola", now=market.now, meta=market.meta)


async def pass_on(market: Market) -> None:
    """The depot passes on to the van what it was given, for 2 percent."""
    grant = CreateGrant(
        market.depot,
        market.van,
        ScopeKind.ALL_PRODUCTS,
        CollectionType.ALL_METHODS,
        "NGN",
        Commission(CommissionType.PERCENTAGE, rate_ppm=20_000),
        SettlementTerms(Frequency.DAILY, account=account("221234200")),
        parent_id=market.upper.grant_id,
    )
    async with market.tx() as tx:
        market.lower = await atc.create_grant(tx, grant, actor="usr_amina", now=market.now, meta=market.meta)
        await atc.approve_grant(tx, market.lower.grant_id, actor="usr_bola", now=market.now, meta=market.meta)


async def collect(market: Market) -> None:
    """The shop pays the van 50,000.00 in cash. The van earns 2 percent of that, the depot 5 percent of the rest, and
    the mill is owed what is left: one posting. The cash is in the van's hand."""
    paid = RecordCollection("receipt-0117", 50_000_00, market.shop, CollectionType.CASH, market.lower.grant_id)
    request = CollectionRequest(paid, "usr_driver", market.meta)
    async with market.tx() as tx:
        await atc.record_collections(tx, [request], now=market.now, today=market.today)


async def too_early(market: Market) -> None:
    """Nothing is paid out that nobody has seen: the mill has to wait for the van."""
    async with market.tx() as tx:
        await settlement.settle_now(tx, market.upper.grant_id, actor="usr_amina", now=market.now, meta=market.meta)


async def remit(market: Market) -> None:
    """In the evening the van pays in 49,000.00 and keeps its commission. It could not keep more: not the depot's, and
    not of money that is still on the road."""
    evening = RecordRemittance(
        reference="slip-0042",
        partner_id=market.van,
        paid=ngn(49_000_00),
        kept_minor=1_000_00,
        connection_id=market.nip,
    )
    async with market.tx() as tx:
        await settlement.record_remittance(
            tx, evening, actor="usr_cashier", now=market.now, today=market.today, meta=market.meta
        )


async def settle(market: Market) -> None:
    """After midnight in Lagos the day is over. The worker settles it, initiates the payment of the settlement, sends it
    over NIP, and hears that the mill has its money. If the rail had said no, the collections would wait for the next
    day; if it had said nothing, the settlement would stay under way until somebody knows."""
    market.clock.at += timedelta(hours=16)
    await market.settle()


async def test_collect_and_settle(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    async with stage(app_db, worker_db, owner_db, FaultPlan()) as one:
        market = Market(one)
        market.say(
            """A shop in Kano pays the driver of a van. The money belongs to the mill in Lagos, less what the depot and
            the van earn for bringing it. This is its way."""
        )
        await market.do(meet)
        market.heading("Who may collect for whom")
        await market.do(agree)
        await market.do(pass_on)
        market.heading("A shop pays")
        await market.do(collect)
        await market.standing_of_all()
        assert await market.refused(too_early) == "settlement.nothing_due"
        market.heading("The van comes home")
        await market.do(remit)
        await market.standing_of_all()
        market.heading("The mill is paid")
        await market.do(settle)
        await market.settlements()
        await market.standing_of_all()
        assert await market.posted(partners.payable(market.mill, "NGN")) == 0
        assert await market.posted("float:nip") == await market.posted(partners.commission(market.depot, "NGN"))
        market.say("What is left with us is the depot's commission.")
        market.finish()
