"""`recordCollection`, word for word as promised: what is recorded is seen at once, and who may not records nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from omniroute.graphql import Metadata
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.money import atc
from omniroute.money.atc import CollectionType, Commission, CommissionType, CreateGrant, Frequency, ScopeKind
from omniroute.money.atc import SettlementTerms as Terms
from omniroute.parties import partners
from omniroute.parties.partners import CreatePartner, PartnerKind
from omniroute.ports.rails import Party, PartyKind
from tests.gateway.asking import ask, refusal
from tests.gateway.desk import CLOCK, Desk, opened
from tests.gateway.promised import OPERATIONS, READY, ROLES

BANK = Party(PartyKind.BANK_ACCOUNT, "0123456785", "000013", "Kano Mills", "NG")


@dataclass
class Route:
    """A desk whose organisation has authority to collect."""

    desk: Desk
    grant_id: UUID
    depot_id: UUID
    shop_id: UUID

    def input(self, reference: str | None = None, **more: Any) -> dict[str, Any]:
        """What is collected: by this grant, unless told otherwise."""
        given = {
            "atcGrantId": str(self.grant_id), "collectedFromId": str(self.shop_id), "collectionMethod": "CASH",
            "amount": 1500.5, "reference": reference, **more,
        }  # fmt: skip
        return {name: value for name, value in given.items() if value is not None}

    async def record(self, role: str, **given: Any) -> Any:
        session = await self.desk.session(role)
        found = await ask(self.desk.engine, role, session, OPERATIONS["RecordCollection"], input=given)
        return found["recordCollection"]

    async def refused(self, role: str, **given: Any) -> tuple[str, str]:
        """A refusal, after which nothing has moved."""
        before = await self.moved()
        session = await self.desk.session(role)
        found = await refusal(self.desk.engine, role, session, OPERATIONS["RecordCollection"], input=given)
        assert await self.moved() == before
        return found

    async def moved(self) -> Any:
        client = self.desk.payer.client
        return [await client.books(), await client.get("/atc-collections?limit=500")]


@pytest.fixture(scope="module")
async def route(app_db: Database, worker_db: Database, metadata: Metadata) -> AsyncIterator[Route]:
    async with opened(app_db, worker_db, metadata) as desk:
        now = CLOCK.now()
        async with app_db.tx(desk.payer.client.tenant_id) as tx:

            async def partner(code: str, kind: PartnerKind) -> UUID:
                command = CreatePartner(code, kind, code.title(), account=BANK)
                return (await partners.create_partner(tx, command, now=now, meta=Meta())).partner_id

            maker, depot = await partner("maker", PartnerKind.MANUFACTURER), await partner("depot", PartnerKind.WORKER)
            shop = await partner("shop", PartnerKind.RETAILER)
            command = CreateGrant(
                maker, depot, ScopeKind.ALL_PRODUCTS, CollectionType.ALL_METHODS, "NGN",
                Commission(CommissionType.PERCENTAGE, rate_ppm=25_000), Terms(Frequency.DAILY),
                max_amount_minor=10_000_000,
            )  # fmt: skip
            grant = await atc.create_grant(tx, command, actor="usr_maker", now=now, meta=Meta())
            await atc.approve_grant(tx, grant.grant_id, actor="usr_checker", now=now, meta=Meta())
        yield Route(desk, grant.grant_id, depot, shop)


@pytest.mark.parametrize("role", sorted(READY["RecordCollection"]))
async def test_a_collection_is_recorded_and_seen(route: Route, role: str) -> None:
    point = {"latitude": 6.5244, "longitude": 3.3792}
    given = route.input(f"by-{role}", collectionPoint=point, collectedBy=str(route.depot_id), notes="two crates")
    made = await route.record(role, **given)
    assert made == {
        "id": made["id"], "reference": f"by-{role}", "grossAmount": 1500.50, "commissionAmount": 37.51,
        "netAmount": 1462.99, "settlementStatus": "PENDING",
    }  # fmt: skip
    assert await route.record(role, **given) == made
    day = {"startDate": "2020-01-01T00:00:00Z", "endDate": "2100-01-01T00:00:00Z"}
    session = await route.desk.session(role)
    document = OPERATIONS["GetCollectionsByATC"]
    found = await ask(route.desk.engine, role, session, document, atcId=str(route.grant_id), **day)
    [seen] = [one for one in found["atc_collections"] if one["reference"] == f"by-{role}"]
    assert (seen["id"], seen["collectedFromName"], seen["netAmount"]) == (made["id"], "Shop", 1462.99)


@pytest.mark.parametrize("role", sorted(set(ROLES) - READY["RecordCollection"]))
async def test_others_record_nothing(route: Route, role: str) -> None:
    _, code = await route.refused(role, **route.input(f"not-by-{role}"))
    assert code == "validation-failed"


async def test_the_grant_is_found_and_the_reference_made(route: Route) -> None:
    given = route.input(atcGrantId=None, granteeId=str(route.depot_id), collectionMethod="MOBILE_MONEY", amount=None)
    made = await route.record("finance_admin", **given, amountMinor=100)
    other = await route.record("finance_admin", **given, amountMinor=100)
    assert made["reference"].startswith("COL-")
    assert made["id"] != other["id"]  # Two requests without a name of theirs are two collections.


async def test_what_is_not_covered_is_refused(route: Route) -> None:
    await route.record("owner", **route.input("taken"))
    for given, code in (
        (route.input("no", amount=100_000.01), "atc.above_maximum"),
        (route.input("no", amount="1.005"), "kit.malformed_amount"),
        (route.input("no", amount=None), "actions.malformed"),
        (route.input("no", collectionMethod="ALL_METHODS"), "atc.malformed_collection"),
        (route.input("no", collectionMethod="CREDIT_AGAINST_PURCHASE"), "atc.not_covered"),
        (route.input("no", collectedFromId=str(route.depot_id)), "atc.wrong_payer"),
        (route.input("no", atcGrantId=str(route.shop_id)), "atc.not_found"),
        (route.input("taken", amount=7), "atc.collection_reference_taken"),
        (route.input("no", collectionPoint={"latitude": 91, "longitude": 0}), "atc.malformed_collection"),
    ):
        assert (await route.refused("owner", **given))[1] == code
