"""Partners, remittances and settlements over HTTP: from a retailer's cash to the order to pay the manufacturer."""

from typing import Any

import pytest

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.ids import parse, show, uuid7
from omniroute.kit.money import Money
from omniroute.ledger import Leg, Side
from omniroute.parties import partners
from tests.api.makers import CLOCK, Client, Makers
from tests.api.things import Things
from tests.parties.makers import META

BANK = {"kind": "bank_account", "identifier": "012 345 6785", "institution": "058", "name": "Kano Mills"}
IN_HAND = """
INSERT INTO atc_collection (tenant_id, collection_id, root_collection_id, level, is_top, grant_id, grantee_id,
                            reference, body_hash, collected_from_id, collection_method, source, currency, gross_minor,
                            commission_minor, net_minor, collected_on, due_on, transaction_id, recorded_by, created_at)
VALUES (%(tenant)s, %(id)s, %(id)s, 0, true, %(grant)s, %(grantee)s, %(reference)s, %(id)s, %(payer)s, 'CASH',
        'in_hand', 'NGN', 1000, 100, 900, %(today)s, %(today)s, %(id)s, 'usr_x', %(now)s)"""


async def refused(client: Client, path: str, body: dict[str, Any]) -> tuple[int, str]:
    """What a request is refused with; the books stay as they were."""
    before = await client.books()
    answer = await client.send("POST", path, json=body)
    assert await client.books() == before
    return answer.status_code, answer.json()["code"]


async def test_where_a_partner_is_paid_is_understood_as_people_write_it(a: Client) -> None:
    made = await a.send("POST", "/partners", json={"code": "mill", "kind": "MANUFACTURER", "name": " Mill ",
                                                   "account": BANK})  # fmt: skip
    assert made.status_code == 201, made.text
    partner = made.json()
    assert (partner["name"], partner["status"], partner["version"]) == ("Mill", "active", 1)
    assert partner["account"] == BANK | {
        "identifier": "0123456785", "institution": "000013", "country": "NG", "account": None,
    }  # fmt: skip
    wrong = {"code": "mill2", "kind": "MANUFACTURER", "name": "M", "account": BANK | {"identifier": "0123456789"}}
    assert await refused(a, "/partners", wrong) == (422, "institutions.wrong_check_digit")
    path, tag = f"/partners/{partner['id']}", {"if-match": made.headers["etag"]}
    changed = await a.send("PUT", path, json={"name": "Mills", "external_refs": {"erp": "C-1"}}, headers=tag)
    assert (changed.json()["name"], changed.json()["account"], changed.json()["version"]) == ("Mills", None, 2)
    assert (await a.send("POST", f"{path}/close", json={}, headers=tag)).status_code == 412
    closed = await a.send("POST", f"{path}/close", json={}, headers={"if-match": changed.headers["etag"]})
    assert (closed.status_code, closed.json()["status"]) == (200, "closed")


@pytest.fixture(scope="module")
async def grant(a: Client, things: Things) -> dict[str, Any]:
    """A settlement of the one collection under its grant."""
    await things.settlements(700, "mill")
    found: dict[str, Any] = (await a.get("/settlements"))["items"][0]
    return found


@pytest.fixture(scope="module")
async def things(makers: Makers, a: Client) -> Things:
    return Things(makers, a)


async def test_a_settlement_is_shown_and_found(a: Client, grant: dict[str, Any]) -> None:
    assert (grant["state"], grant["gross"], grant["commission"], grant["net"]) == ("created", 100, 10, 90)
    assert await a.get(f"/settlements/{grant['id']}") == grant
    for query in (f"grant_id={grant['grant_id']}", f"grantor_id={grant['grantor_id']}", "state=created"):
        assert [one["id"] for one in (await a.get(f"/settlements?{query}"))["items"]] == [grant["id"]]
    assert (await a.get("/settlements?state=failed"))["items"] == []


async def test_what_cannot_be_settled_is_refused(a: Client, grant: dict[str, Any]) -> None:
    assert await refused(a, "/settlements", {"grant_id": grant["grant_id"]}) == (422, "settlement.nothing_due")
    nobody = grant["grant_id"][:-4] + "zzzz"
    assert await refused(a, "/settlements", {"grant_id": nobody}) == (404, "atc.not_found")
    assert await refused(a, "/settlements", {"grant_id": "atc_1"}) == (400, "api.invalid_field")


async def test_what_is_no_remittance_is_refused(a: Client, grant: dict[str, Any]) -> None:
    (known,) = (await a.get("/remittances"))["items"]
    shown = await a.get(f"/remittances/{known['id']}")
    assert [one["amount"] for one in shown.pop("collections")] == [100]
    assert shown == known
    body = {"reference": "r", "partner_id": known["partner_id"], "currency": "NGN", "paid": 5, "connection": "none"}
    assert await refused(a, "/remittances", body) == (404, "connections.not_found")
    assert await refused(a, "/remittances", body | {"connection": None}) == (400, "settlement.malformed_remittance")
    kept = {"reference": "r", "partner_id": known["partner_id"], "currency": "NGN", "kept": 5}
    assert await refused(a, "/remittances", kept) == (422, "settlement.more_than_in_hand")
    taken = kept | {"reference": known["reference"]}
    assert await refused(a, "/remittances", taken) == (409, "settlement.remittance_exists")


async def test_money_paid_in_over_a_connection_is_for_the_oldest_collection(
    a: Client, grant: dict[str, Any], things: Things, owner_db: Database
) -> None:
    await things.connections(9, "bank")
    (known,) = (await a.get("/remittances"))["items"]
    grantee = parse("ptn", known["partner_id"])
    collection_id = uuid7()
    given = {
        "tenant": a.tenant_id, "id": collection_id, "grant": parse("atc", grant["grant_id"]), "grantee": grantee,
        "payer": parse("ptn", grant["grantor_id"]), "reference": "street-1", "now": CLOCK.now(),
        "today": CLOCK.now().date(),
    }  # fmt: skip
    async with owner_db.tx(a.tenant_id) as tx:
        await tx.connection.execute(IN_HAND, given)
    async with things.makers.services.db.tx(a.tenant_id) as tx:
        await partners.open_accounts(tx, [grantee], "NGN", now=CLOCK.now(), meta=META)
        in_hand, owed = (
            ledger.account_id(tx.tenant, code(grantee, "NGN")) for code in (partners.in_hand, partners.payable)
        )
        amount = Money(1_000, "NGN")
        posting = ledger.post_transaction([Leg(in_hand, Side.DEBIT, amount), Leg(owed, Side.CREDIT, amount)])
        await ledger.post_one(tx, posting, today=CLOCK.now().date())
    body = {"reference": "slip-1", "partner_id": known["partner_id"], "currency": "NGN", "paid": 1000,
            "connection": "c9"}  # fmt: skip
    answer = await a.send("POST", "/remittances", json=body, key="slip-1")
    assert answer.status_code == 201, answer.text
    again = await a.send("POST", "/remittances", json=body, key="slip-1")
    assert again.content == answer.content
    assert answer.json()["collections"] == [{"collection_id": show("col", collection_id), "amount": 1000}]
    assert (await a.get("/ledger/accounts/float:c9/balance"))["posted"] == 1000
    made = await a.post("/settlements", {"grant_id": grant["grant_id"]})
    assert (made["state"], made["cause"], made["net"], made["collection_count"]) == ("created", "demand", 900, 1)
