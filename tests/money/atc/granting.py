"""Makers of partners and grants in an organisation of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from psycopg import sql

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.money import atc
from omniroute.money.atc import (
    CollectionType,
    Commission,
    CommissionType,
    CreateGrant,
    Frequency,
    Grant,
    ScopeKind,
    SettlementTerms,
)
from omniroute.parties import partners
from omniroute.parties.partners import CreatePartner, Partner, PartnerKind
from omniroute.ports.rails import Party, PartyKind
from tests.parties.makers import Org, make_organisation

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
META = Meta(actor="usr_test", channel="test")
MAKER, CHECKER = "usr_maker", "usr_checker"
BANK = Party(PartyKind.BANK_ACCOUNT, "0123456785", "000013", "Kano Mills", "NG")
MILL, DEPOT, STALL, VAN = "mill", "depot", "stall", "van"
KINDS = {
    MILL: PartnerKind.MANUFACTURER,
    DEPOT: PartnerKind.DISTRIBUTOR,
    STALL: PartnerKind.WHOLESALER,
    VAN: PartnerKind.WORKER,
}
FIVE_PERCENT = Commission(CommissionType.PERCENTAGE, rate_ppm=50_000)


@dataclass
class Network:
    """A mill, a depot, a stall and a van in one organisation."""

    org: Org
    db: Database
    ids: dict[str, UUID] = field(default_factory=dict)

    async def partner(self, code: str, kind: PartnerKind, account: Party | None = BANK) -> Partner:
        """One more partner."""
        async with self.db.tx(self.org.id) as tx:
            made = await partners.create_partner(
                tx, CreatePartner(code, kind, code.title(), account=account), now=NOW, meta=META
            )
        self.ids[code] = made.partner_id
        return made

    def wanted(self, grantor: str = MILL, grantee: str = DEPOT, **changes: Any) -> CreateGrant:
        """A grant as it may be written: all products, all methods, five percent, settled every day."""
        plain = CreateGrant(
            self.ids[grantor],
            self.ids[grantee],
            ScopeKind.ALL_PRODUCTS,
            CollectionType.ALL_METHODS,
            "NGN",
            FIVE_PERCENT,
            SettlementTerms(Frequency.DAILY),
        )
        return replace(plain, **changes)

    async def write(self, wanted: CreateGrant | None = None, *, now: datetime = NOW, actor: str = MAKER) -> Grant:
        """A grant that waits for approval."""
        async with self.db.tx(self.org.id) as tx:
            return await atc.create_grant(tx, wanted or self.wanted(), actor=actor, now=now, meta=META)

    async def approve(self, grant: Grant, *, now: datetime = NOW, actor: str = CHECKER) -> Grant:
        """A grant that somebody else approves."""
        async with self.db.tx(self.org.id) as tx:
            return await atc.approve_grant(tx, grant.grant_id, actor=actor, now=now, meta=META)

    async def active(self, grantor: str = MILL, grantee: str = DEPOT, **changes: Any) -> Grant:
        """A grant under which may be collected."""
        return await self.approve(await self.write(self.wanted(grantor, grantee, **changes)))

    async def line(self, codes: Sequence[str] = (MILL, DEPOT, STALL), **changes: Any) -> list[Grant]:
        """Active grants, each passed on from the one before."""
        found: list[Grant] = []
        for grantor, grantee in pairwise(codes):
            parent = found[-1].grant_id if found else None
            found.append(await self.active(grantor, grantee, parent_id=parent, **changes))
        return found

    async def find(self, grant: Grant) -> Grant:
        """The grant as it stands."""
        async with self.db.tx(self.org.id) as tx:
            return await atc.find_grant(tx, grant.grant_id)


async def network(db: Database) -> Network:
    """A network of its own."""
    made = Network(await make_organisation(db), db)
    for code, kind in KINDS.items():
        await made.partner(code, kind)
    return made


async def rows(owner_db: Database) -> dict[str, list[str]]:
    """Every row of grants, of the books and of the event log, as text."""
    found = {}
    async with owner_db.connection() as connection:
        for table in ("atc_grant", "atc_scope", "atc_commission_tier", "ledger_account", "event_log"):
            query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(sql.Identifier(table))
            found[table] = [row[0] for row in await (await connection.execute(query)).fetchall()]
    return found
