"""Authority to collect, word for word: written, approved, looked at and taken back by those who may; by nobody else."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from omniroute.graphql import Metadata, Session
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.ids import parse
from omniroute.parties import access
from omniroute.parties.access import BUILT_IN
from tests.gateway.asking import ask, refusal
from tests.gateway.desk import CLOCK, Desk, opened
from tests.gateway.promised import OPERATIONS, READY, ROLES

SET = """mutation ($id: uuid!, $set: atc_grants_set_input!) {
  update_atc_grants_by_pk(pk_columns: {id: $id}, _set: $set) { id status status_reason }
}"""
TERMS: dict[str, Any] = {
    "scope": "PRODUCT_CATEGORY",
    "scopeConfig": [{"scopeType": "PRODUCT_CATEGORY", "scopeValues": ["flour", "rice"]}],
    "collectionType": "CASH",
    "currency": "NGN",
    "maxAmount": 5000.5,
    "commissionType": "PERCENTAGE",
    "commissionRate": 2.5,
    "settlementFrequency": "WEEKLY",
    "settlementDay": 5,
    "effectiveTo": "2999-01-01T00:00:00Z",
}
NUMBERS = count(1)


@dataclass
class Trade:
    """Partners of an organisation, and its gateway."""

    desk: Desk
    untouched: Any = None

    async def partner(self, kind: str = "DISTRIBUTOR", name: str = "Depot") -> str:
        """The id of one more partner."""
        account = {"kind": "bank_account", "identifier": "0123456785", "institution": "058", "name": "Kano Mills"}
        body = {"code": f"p{next(NUMBERS)}", "kind": kind, "name": name, "account": account}
        return str(parse("ptn", (await self.desk.payer.client.post("/partners", body))["id"]))

    async def ask(self, role: str, name: str, **variables: Any) -> Any:
        """What a promised operation answers."""
        document = OPERATIONS.get(name, name)
        [value] = (await ask(self.desk.engine, role, await self.desk.session(role), document, **variables)).values()
        return value

    async def refused(self, role: str, name: str, who: Session | None = None, **variables: Any) -> tuple[str, str]:
        """A refusal, after which no grant has changed."""
        before = await self.grants()
        document = OPERATIONS.get(name, name)
        found = await refusal(self.desk.engine, role, who or await self.desk.session(role), document, **variables)
        assert await self.grants() == before
        return found

    async def grants(self) -> list[tuple[str, str, int]]:
        """Every grant as the REST door shows it."""
        listed = await self.desk.payer.client.get("/atc-grants?limit=500")
        return [(one["id"], one["status"], one["version"]) for one in listed["items"]]

    async def write(self, role: str = "customer_admin", **changes: Any) -> Any:
        """A grant that waits for approval."""
        given = {**TERMS, **changes}
        given.setdefault("grantorId", await self.partner("MANUFACTURER", "Mill"))
        given.setdefault("granteeId", await self.partner())
        return await self.ask(role, "CreateATCGrant", input=given)

    async def waiting(self) -> Any:
        """A grant that waits for approval, and goes on waiting."""
        self.untouched = self.untouched or await self.write()
        return self.untouched

    async def me(self, role: str) -> str:
        """The id of whoever asks in this role."""
        who = await self.desk.session(role)
        return str(who.variables["x-hasura-user-id"])

    async def active(self, **changes: Any) -> str:
        """The id of a grant under which may be collected."""
        made = await self.write(**changes)
        await self.ask("approver", "ApproveATCGrant", grantId=made["id"], approvedBy=await self.me("approver"))
        return str(made["id"])


@pytest.fixture(scope="module")
async def trade(app_db: Database, worker_db: Database, metadata: Metadata) -> AsyncIterator[Trade]:
    async with opened(app_db, worker_db, metadata) as desk:
        yield Trade(desk)


@pytest.mark.parametrize("role", sorted(READY["CreateATCGrant"]))
async def test_a_grant_is_written(trade: Trade, role: str) -> None:
    made = await trade.write(role, reference=f"by-{role}", effectiveFrom="2998-01-01T00:00:00+01:00")
    assert made == {
        "id": made["id"], "reference": f"by-{role}", "status": "PENDING_APPROVAL", "grantorName": "Mill",
        "granteeName": "Depot", "commissionRate": 2.5, "effectiveFrom": "2997-12-31T23:00:00Z",
        "effectiveTo": "2999-01-01T00:00:00Z",
    }  # fmt: skip


@pytest.mark.parametrize("role", sorted(READY["ApproveATCGrant"]))
async def test_a_grant_is_approved_by_who_says_so(trade: Trade, role: str) -> None:
    made = await trade.write()
    asked = {"grantId": made["id"], "approvedBy": await trade.me(role)}
    assert await trade.ask(role, "ApproveATCGrant", **asked) == {"id": made["id"], "status": "ACTIVE"}
    [row] = await trade.ask(
        role,
        "query ($id: uuid!) { atc_grants(where: {id: {_eq: $id}, status: {_eq: ACTIVE}}) {"
        " approvedBy cumulativeCollected settlementAccount maxAmount commissionRate grantorType"
        " scopes { scopeType scopeValues } grantor { name } } }",
        id=made["id"],
    )
    assert row == {
        "approvedBy": asked["approvedBy"], "cumulativeCollected": 0, "maxAmount": 5000.5, "commissionRate": 2.5,
        "settlementAccount": {"accountNumber": "0123456785", "bankCode": "000013", "accountName": "Kano Mills",
                              "country": "NG"},
        "grantorType": "MANUFACTURER", "grantor": {"name": "Mill"},
        "scopes": [{"scopeType": "PRODUCT_CATEGORY", "scopeValues": ["flour", "rice"]}],
    }  # fmt: skip
    assert (await trade.refused(role, "ApproveATCGrant", **asked))[1] == "atc.wrong_status"


@pytest.mark.parametrize("role", sorted(READY["RevokeATCGrant"]))
async def test_a_grant_is_taken_back_with_what_hangs_below_it(trade: Trade, role: str) -> None:
    depot = await trade.partner()
    root = await trade.active(granteeId=depot)
    child = await trade.active(grantorId=depot, parentAtcId=root)
    said = await trade.ask(role, "RevokeATCGrant", grantId=root, reason="moved away")
    assert said == {"success": True, "effectiveDate": said["effectiveDate"]}
    document = "query ($ids: [uuid!]!) { atc_grants(where: {id: {_in: $ids}}) { status status_reason endedAt } }"
    found = await trade.ask(role, document, ids=[root, child])
    assert {(one["status"], one["status_reason"]) for one in found} == {("REVOKED", "moved away")}
    instants = msgspec.convert([one["endedAt"] for one in found], list[datetime])
    assert set(instants) == {msgspec.convert(said["effectiveDate"], datetime)}
    assert (await trade.refused(role, "RevokeATCGrant", grantId=root, reason="again"))[1] == "atc.wrong_status"


@pytest.mark.parametrize("role", sorted(READY["GetATCHierarchy"]))
async def test_a_hierarchy_is_shown(trade: Trade, role: str) -> None:
    depot, stall = await trade.partner(), await trade.partner("WHOLESALER", "Stall")
    root = await trade.active(granteeId=depot, reference=f"root-{role}")
    child = await trade.active(grantorId=depot, granteeId=stall, parentAtcId=root, commissionRate=1.25)
    leaf = await trade.write(grantorId=stall, parentAtcId=child, commissionRate="0.0001")
    shown = await trade.ask(role, "GetATCHierarchy", rootAtcId=root)
    assert shown == {
        "id": root, "reference": f"root-{role}", "grantorName": "Mill", "granteeName": "Depot", "commissionRate": 2.5,
        "childAtcs": [
            {
                "id": child, "reference": shown["childAtcs"][0]["reference"], "granteeName": "Stall",
                "commissionRate": 1.25,
                "childAtcs": [
                    {"id": leaf["id"], "reference": leaf["reference"], "granteeName": "Depot",
                     "commissionRate": 0.0001}
                ],
            }
        ],
    }  # fmt: skip
    assert await trade.ask(role, "GetATCHierarchy", rootAtcId=str(uuid4())) is None
    assert await trade.ask(role, "query ($id: uuid!) { atc_grants_by_pk(id: $id) { parentAtc { id } } }", id=child) == {
        "parentAtc": {"id": root}
    }


NAMES = ("CreateATCGrant", "ApproveATCGrant", "RevokeATCGrant", "GetATCHierarchy")
MAY_NOT = [(name, role) for name in NAMES for role in ROLES if role not in READY[name]]


@pytest.mark.parametrize(("name", "role"), MAY_NOT)
async def test_others_do_nothing(trade: Trade, name: str, role: str) -> None:
    made = await trade.waiting()
    variables: dict[str, Any] = {
        "CreateATCGrant": {"input": {**TERMS, "grantorId": str(uuid4()), "granteeId": str(uuid4())}},
        "ApproveATCGrant": {"grantId": made["id"], "approvedBy": await trade.me(role)},
        "RevokeATCGrant": {"grantId": made["id"], "reason": "no"},
        "GetATCHierarchy": {"rootAtcId": made["id"]},
    }[name]
    message, code = await trade.refused(role, name, **variables)
    assert code == "validation-failed"
    assert message.startswith(("field '", "no mutations exist"))


def test_roles_may_here_what_they_may_at_the_other_door() -> None:
    needs = dict(zip(NAMES, ("atc.write", "atc.approve", "atc.write", "atc.read"), strict=True))
    for name, permission in needs.items():
        assert READY[name] == {role for role, (_, held) in BUILT_IN.items() if permission in held}


@pytest.mark.parametrize(
    ("code", "set_"),
    [
        ("atc.not_settable", {}),
        ("atc.malformed", {"status": "REVOKED"}),
        ("atc.not_settable", {"status": "REVOKED", "approved_at": "now()"}),
        ("atc.not_settable", {"status": "DRAFT"}),
        ("atc.not_settable", {"status": "ACTIVE", "approved_by": str(uuid4())}),
        ("atc.not_settable", {"status": "ACTIVE", "approved_at": "2026-01-01T00:00:00Z"}),
        ("atc.not_settable", {"status": "SUSPENDED", "approved_at": "now()"}),
        ("atc.not_settable", {"status": "ACTIVE", "status_reason": "because"}),
        ("atc.wrong_status", {"status": "SUSPENDED"}),
        ("validation-failed", {"status": "ACTIVE", "commission_rate": 99}),
        ("validation-failed", {"status": "GONE"}),
    ],
)
async def test_nothing_but_where_it_stands_is_set(trade: Trade, code: str, set_: dict[str, Any]) -> None:
    made = await trade.waiting()
    assert (await trade.refused("approver", SET, id=made["id"], set=set_))[1] == code


async def test_it_is_suspended_and_resumed(trade: Trade) -> None:
    grant = await trade.active()
    held = await trade.ask("approver", SET, id=grant, set={"status": "SUSPENDED", "status_reason": "short of cash"})
    assert held == {"id": grant, "status": "SUSPENDED", "status_reason": "short of cash"}
    told = {"status": "ACTIVE", "approved_at": "now()"}
    assert (await trade.refused("approver", SET, id=grant, set=told))[1] == "atc.not_settable"
    again = await trade.ask("finance_admin", SET, id=grant, set={"status": "ACTIVE"})
    assert again == {"id": grant, "status": "ACTIVE", "status_reason": None}
    assert (await trade.refused("approver", SET, id=str(uuid4()), set={"status": "ACTIVE"}))[1] == "atc.not_found"


async def test_a_no_is_set_as_well_with_its_reason(trade: Trade) -> None:
    made, said = await trade.write(), {"status": "REVOKED", "status_reason": "too much"}
    assert await trade.ask("approver", SET, id=made["id"], set=said) == {"id": made["id"], **said}
    assert (await trade.refused("approver", SET, id=made["id"], set=said))[1] == "atc.wrong_status"
    assert (await trade.refused("approver", SET, id=await trade.active(), set=said))[1] == "atc.not_settable"


async def test_who_writes_does_not_approve(trade: Trade) -> None:
    made = await trade.write("finance_admin")
    asked = {"grantId": made["id"], "approvedBy": await trade.me("finance_admin")}
    assert (await trade.refused("finance_admin", "ApproveATCGrant", **asked))[1] == "atc.approver_is_author"


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("atc.malformed", {"commissionType": "FLAT_FEE"}),
        ("atc.malformed", {"scopeConfig": None}),
        ("actions.malformed", {"commissionRate": 0.00001}),
        ("actions.malformed", {"commissionRate": -1}),
        ("actions.malformed", {"grantorType": "RETAILER"}),
        ("kit.malformed_amount", {"maxAmount": 0.005}),
        ("kit.unknown_currency", {"currency": "XXX"}),
        ("partners.not_found", {"granteeId": str(uuid4())}),
        ("atc.not_found", {"parentAtcId": str(uuid4())}),
        ("institutions.unknown", {"settlementAccount": {"bankCode": "999", "accountNumber": "0123456785"}}),
        ("validation-failed", {"status": "ACTIVE"}),
    ],
)
async def test_what_a_handler_refuses_is_passed_on(trade: Trade, code: str, changes: dict[str, Any]) -> None:
    given = {**TERMS, "grantorId": await trade.partner("MANUFACTURER"), "granteeId": await trade.partner(), **changes}
    assert (await trade.refused("finance_admin", "CreateATCGrant", input=given))[1] == code


async def test_tiers_and_all_fields_come_back(trade: Trade) -> None:
    made = await trade.write(
        scope="ALL_PRODUCTS", scopeConfig=[], collectionType="ALL_METHODS", commissionType="TIERED_PERCENTAGE",
        commissionRate=None, maxAmount=90000000000.25, draft=True, minCommission=1,
        commissionTiers=[{"minAmount": 0, "maxAmount": 1000, "commissionRate": 3},
                         {"minAmount": 1000, "commissionRate": 1.5}],
        settlementAccount={"phone": "0802 234 5678", "country": "NG"}, settlementFrequency="MONTHLY", settlementDay=31,
    )  # fmt: skip
    document = """query ($id: uuid!) { atc_grants_by_pk(id: $id) {
      status scope collection_type commissionType commissionRate min_commission maxAmount settlementFrequency
      settlement_day settlementAccount
      tiers(order_by: {tier_number: asc}) { tierNumber minAmount maxAmount commissionRate }
    } }"""
    assert await trade.ask("support", document, id=made["id"]) == {
        "status": "DRAFT", "scope": "ALL_PRODUCTS", "collection_type": "ALL_METHODS",
        "commissionType": "TIERED_PERCENTAGE", "commissionRate": None, "min_commission": 1,
        "maxAmount": 90000000000.25, "settlementFrequency": "MONTHLY", "settlement_day": 31,
        "settlementAccount": {"phone": "2348022345678", "country": "NG"},
        "tiers": [{"tierNumber": 1, "minAmount": 0, "maxAmount": 1000, "commissionRate": 3},
                  {"tierNumber": 2, "minAmount": 1000, "maxAmount": None, "commissionRate": 1.5}],
    }  # fmt: skip


async def test_who_is_bound_to_a_branch_changes_nothing(trade: Trade) -> None:
    client = trade.desk.payer.client
    branch = await client.post("/branches", {"code": "kano", "name": "Kano"})
    held = frozenset(map(str, BUILT_IN["finance_admin"][1]))
    async with trade.desk.services.db.tx(client.tenant_id) as tx:
        root = access.Caller(client.tenant_id, "key_root", client.tenant_id, "api_key", held)
        wanted = access.CreateKey("kano", held, branch_ids=(parse("brn", branch["id"]),))
        issued = await access.create_key(tx, wanted, caller=root, now=CLOCK.now(), meta=Meta())
    shown = f"Bearer {issued.secret.text}"
    caller = await access.authenticate(trade.desk.services.db, shown, now=CLOCK.now())
    plain = Session.of(caller, "finance_admin")
    who = Session(plain.tenant_id, plain.branches, plain.variables, {"authorization": shown})
    grant = await trade.active()
    given = {"grantId": grant, "reason": "no"}
    assert (await trade.refused("finance_admin", "RevokeATCGrant", who, **given))[1] == "access.permission_missing"
