"""Collections by authority over HTTP: recorded one by one and many at once, looked at, taken back; who may not."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from omniroute.api import Services
from omniroute.infra.events import Meta
from omniroute.kit.ids import parse
from omniroute.money import atc
from omniroute.parties.access import BUILT_IN
from tests.api.makers import CLOCK, Client, Makers


@dataclass
class Route:
    """Who collects from whom, and by which grant."""

    client: Client
    grant: str
    maker: str
    depot: str
    shop: str

    def body(self, reference: str, amount: int = 100_000, **more: Any) -> dict[str, Any]:
        return {
            "reference": reference, "atc_grant_id": self.grant, "collected_from_id": self.shop,
            "collection_method": "CASH", "amount": amount, **more,
        }  # fmt: skip

    async def by(self, role: str, **more: Any) -> Client:
        """Somebody who holds what a role holds."""
        key = {"name": role, "permissions": sorted(map(str, BUILT_IN[role][1])), **more}
        issued = await self.client.post("/keys", key)
        return Client(self.client.http, self.client.tenant_id, self.client.slug, issued["secret"])

    async def moved(self) -> Any:
        """All that a collection may move."""
        return [await self.client.books(), await self.client.get("/atc-collections?limit=500")]

    async def refused(
        self, body: object, code: str, *, status: int, by: Client | None = None, path: str = "", key: str | None = None
    ) -> Any:
        """A refusal, after which nothing has moved."""
        before = await self.moved()
        answer = await (by or self.client).send("POST", f"/atc-collections{path}", json=body, key=key)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert await self.moved() == before
        return answer.json()


@pytest.fixture(scope="module")
async def route(makers: Makers, a: Client) -> Route:
    async def partner(code: str, kind: str) -> str:
        account = {"kind": "msisdn", "identifier": "08022345678", "country": "NG"}
        made: str = (await a.post("/partners", {"code": code, "kind": kind, "name": code, "account": account}))["id"]
        return made

    maker, depot = await partner("maker", "MANUFACTURER"), await partner("depot", "DISTRIBUTOR")
    shop = await partner("shop", "RETAILER")
    wanted = {
        "grantor_id": maker, "grantee_id": depot, "scope": "ALL_PRODUCTS", "collection_type": "ALL_METHODS",
        "currency": "NGN", "commission_type": "PERCENTAGE", "commission_rate_ppm": 25_000, "max_amount": 500_000,
        "settlement_frequency": "DAILY", "settlement_delay_days": 1,
    }  # fmt: skip
    grant = (await a.post("/atc-grants", wanted))["id"]
    async with makers.services.db.tx(a.tenant_id) as tx:
        await atc.approve_grant(tx, parse("atc", grant), actor="usr_checker", now=CLOCK.now(), meta=Meta())
    return Route(a, grant, maker, depot, shop)


async def test_one_is_recorded_shown_listed_and_taken_back(route: Route) -> None:
    point = {"latitude": "6.524400", "longitude": "-3.379200"}
    body = route.body("one", collection_point=point, notes="two crates", collected_by=route.depot)
    answer = await route.client.send("POST", "/atc-collections", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["id"].startswith("col_")
    assert (made["gross_amount"], made["commission_amount"], made["net_amount"]) == (100_000, 2_500, 97_500)
    assert (made["settlement_status"], made["source"], made["funded_at"]) == ("pending", "in_hand", None)
    assert (made["collector_id"], made["collected_from_id"], made["collection_point"]) == (
        route.depot, route.shop, point,
    )  # fmt: skip
    assert [level["reference"] for level in made["levels"]] == ["one"]
    again = await route.client.send("POST", "/atc-collections", json=body)
    assert (again.status_code, again.json()) == (200, made)
    assert await route.client.get(f"/atc-collections/{made['id']}") == made
    shown = {name: value for name, value in made.items() if name != "levels"}
    for query in ("reference=one", f"grant={route.grant}&created_from={made['created_at']}", f"payer={route.shop}"):
        assert shown in (await route.client.get(f"/atc-collections?{query}"))["items"]
    assert (await route.client.get(f"/atc-collections?collector={route.shop}"))["items"] == []
    back = await route.client.post(f"/atc-collections/{made['id']}/reverse", {"reason": "a mistake"})
    assert (back["settlement_status"], back["reversal_reason"]) == ("failed", "a mistake")
    await route.refused({"reason": "again"}, "atc.collection_reversed", status=409, path=f"/{made['id']}/reverse")


async def test_the_same_key_is_the_same_collection(route: Route) -> None:
    body = route.body("unused")
    del body["reference"]
    first = await route.client.send("POST", "/atc-collections", json=body, key="key-1")
    again = await route.client.send("POST", "/atc-collections", json=body, key="key-1")
    other = await route.client.send("POST", "/atc-collections", json=body, key="key-2")
    assert first.json() == again.json()
    assert first.json()["reference"].startswith("COL-")
    assert other.json()["id"] != first.json()["id"]
    await route.refused(route.body("another"), "idempotency.key_reused", status=422, key="key-1")
    await route.refused(body | {"amount": 1}, "atc.collection_reference_taken", status=409, key="key-1")


async def test_many_at_the_same_time_go_together(route: Route, services: Services) -> None:
    group = services.recorder.group
    calls, items = group.flush_count, group.item_count
    answers = await asyncio.gather(
        *(route.client.send("POST", "/atc-collections", json=route.body(f"g-{n}", 100 + n)) for n in range(20)),
        route.client.send("POST", "/atc-collections", json=route.body("g-0", 1)),
    )
    assert [one.status_code for one in answers[:20]] == [201] * 20 or answers[20].status_code == 201
    assert sorted(one.status_code for one in answers) == [201] * 20 + [409]
    assert group.item_count == items + 21
    assert group.flush_count < calls + 21


async def test_many_stand_and_fall_by_themselves(route: Route) -> None:
    items = [route.body("m-1"), route.body("m-2", 500_001), route.body("m-1"), route.body("m-3", 0)]
    done = await route.client.post("/atc-collections/many", {"collections": items})
    assert (done["recorded"], done["refused"]) == (2, 2)
    assert [one.get("replayed", False) for one in done["results"]] == [False, False, True, False]
    assert [one["problem"]["code"] for one in done["results"] if one["outcome"] == "refused"] == [
        "atc.above_maximum",
        "atc.malformed_collection",
    ]
    done = await route.client.post("/atc-collections/many", {"collections": items[:1]})
    assert done["results"][0]["replayed"] is True


async def test_what_is_not_covered_moves_nothing(route: Route) -> None:
    for body, code, status in (
        (route.body("r", 500_001), "atc.above_maximum", 422),
        (route.body("r", currency="KES"), "atc.outside_scope", 422),
        (route.body("r", atc_grant_id=route.grant[:-1] + "0"), "atc.not_found", 404),
        (route.body("r", collected_from_id=route.depot), "atc.wrong_payer", 422),
        (route.body("r", collection_method="CREDIT_AGAINST_PURCHASE"), "atc.not_covered", 422),
        (route.body("r", collection_method="MOBILE_MONEY", payment_reference="x"), "atc.credit_unknown", 422),
        (route.body("r", collection_method="ALL_METHODS"), "api.invalid_field", 400),
        (route.body("r", collection_point={"latitude": "91", "longitude": "0"}), "atc.malformed_collection", 400),
        (route.body("r", -1), "atc.malformed_collection", 400),
        ({**route.body("r"), "atc_grant_id": None, "collector_id": route.shop}, "atc.no_authority", 422),
    ):
        await route.refused(body, code, status=status)


async def test_only_those_who_may(route: Route) -> None:
    made = await (await route.by("payment_initiator")).post("/atc-collections", route.body("may-1"))
    for role in ("approver", "auditor", "customer_admin", "support", "user"):
        await route.refused(route.body("may-2"), "access.permission_missing", status=403, by=await route.by(role))
    for role in ("payment_initiator", "auditor", "customer_admin", "integration"):
        await route.refused(
            {"reason": "no"}, "access.permission_missing", status=403, by=await route.by(role),
            path=f"/{made['id']}/reverse",
        )  # fmt: skip
    branch = await route.client.post("/branches", {"code": "lekki", "name": "Lekki"})
    bound = await route.by("finance_admin", branch_ids=[branch["id"]])
    await route.refused(route.body("may-3"), "access.permission_missing", status=403, by=bound)
    await (await route.by("approver")).post(f"/atc-collections/{made['id']}/reverse", {"reason": "a cheque bounced"})
    unread = await (await route.by("user")).send("GET", "/atc-collections")
    assert unread.status_code == 403
