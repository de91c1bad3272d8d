"""Payments and batches are decided about by those who may, never by who initiated them; for others nothing moves."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from omniroute.graphql import Metadata, Session
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.ids import parse, show, uuid7
from omniroute.money.policies import ApprovalRule, Draft, PolicyKind, When
from omniroute.parties import access
from omniroute.parties.access import BUILT_IN
from tests.api.paying import WALLET, decide, nuban
from tests.gateway.asking import ask, refusal
from tests.gateway.desk import CLOCK, Desk, account, opened
from tests.gateway.promised import ROLES

LATER = "2999-01-01T00:00:00Z"
PAYMENT = "id reference status reason amount approvalsNeeded approvalsGiven payment { state approvals { approved } }"
BATCH = "id status reason approvalsGiven batch { status approvals { approved } lines { status } }"
ONE = 'mutation ($id: uuid!) { done: %s(id: $id, comment: "as agreed") { %s } }'
MANY = """mutation ($ids: [uuid!]!) { done: %s(ids: $ids, comment: "as agreed") {
  done refused results { id status code error payment { state } } } }"""
TURN = "mutation ($id: uuid!) { done: %s(id: $id) { %s } }"

PERMISSIONS = {
    "approvePayment": "payments.approve", "rejectPayment": "payments.approve", "cancelPayment": "payments.cancel",
    "approvePayments": "payments.approve", "rejectPayments": "payments.approve", "cancelPayments": "payments.cancel",
    "approveBulkPayment": "payments.approve", "rejectBulkPayment": "payments.approve",
    "cancelBulkPayment": "batches.write", "pauseBulkPayment": "batches.write", "resumeBulkPayment": "batches.write",
}  # fmt: skip
PAYMENTS = [name for name in PERMISSIONS if "Bulk" not in name]
BATCHES = [name for name in PERMISSIONS if "Bulk" in name]
ENDS = {"approve": ("approved", True), "reject": ("cancelled", False), "cancel": ("cancelled", None)}


def may(name: str) -> set[str]:
    """Roles that hold what the REST door asks for the same thing."""
    return {role for role, (_, held) in BUILT_IN.items() if PERMISSIONS[name] in held}


@pytest.fixture(scope="module")
async def desk(app_db: Database, worker_db: Database, metadata: Metadata) -> AsyncIterator[Desk]:
    """Payments from 1,000.00 on need somebody."""
    async with opened(app_db, worker_db, metadata) as made:
        band = When(amount_from_minor=100_000, currency="NGN")
        await decide(made.payer, Draft(PolicyKind.APPROVAL, "larger ones", 1, band, ApprovalRule(1)))
        yield made


def document(name: str) -> str:
    if name.endswith("Payments"):
        return MANY % name
    fields = BATCH if "Bulk" in name else PAYMENT
    return (TURN if name.startswith(("pause", "resume")) or name == "cancelBulkPayment" else ONE) % (name, fields)


async def waiting(desk: Desk) -> str:
    """The id of a payment that waits for somebody's word."""
    made = await desk.payer.pay(send_after=LATER)
    assert made["status"] == "AWAITING_APPROVAL"
    return str(parse("pay", made["id"]))


async def sent_in(desk: Desk, *, headers: dict[str, str] | None = None) -> str:
    """The id of a batch that waits for somebody's word."""
    client, mark = desk.payer.client, uuid4()
    lines = [
        {"reference": f"{mark}-{number}", "type": "SUPPLIER_PAYMENT", "amount": 10, "currency": "NGN",
         "sourceAccount": WALLET, "destinationAccount": account(nuban(12_345_678))} for number in range(2)
    ]  # fmt: skip
    answer = await client.http.post(
        "/actions/process-bulk-payment",
        json={"input": {"batchId": str(mark), "payments": lines}},
        headers=headers or {"authorization": f"Bearer {client.secret}"},
    )
    said = answer.json()
    assert said["status"] == "AWAITING_APPROVAL", said
    return str(said["id"])


async def stands(desk: Desk) -> str:
    """Everything a decision could change."""
    listed = await desk.payer.client.get("/payment-batches?limit=500")
    return await desk.payer.moved() + repr([(one["id"], one["version"], one["status"]) for one in listed["items"]])


async def refused(desk: Desk, who: Session, role: str, name: str, **variables: Any) -> tuple[str, str]:
    """Message and code of a refusal, after which nothing has changed."""
    before = await stands(desk)
    found = await refusal(desk.engine, role, who, document(name), **variables)
    assert await stands(desk) == before
    return found


@pytest.mark.parametrize("name", PAYMENTS)
async def test_payments_are_decided_about_by_those_who_may_and_nobody_else(desk: Desk, name: str) -> None:
    state, word = ENDS[name[: name.index("Payment")]]
    untouched = await waiting(desk)
    for role in ROLES:
        who = await desk.session(role)
        if role not in may(name):
            given: dict[str, Any] = {"ids": [untouched]} if name.endswith("s") else {"id": untouched}
            message, code = await refused(desk, who, role, name, **given)
            assert code == "validation-failed"
            assert message in (f"field '{name}' not found in type: 'mutation_root'", "no mutations exist")
        elif name.endswith("s"):
            chosen = [await waiting(desk), str(uuid4()), await waiting(desk)]
            said = (await ask(desk.engine, role, who, document(name), ids=chosen))["done"]
            assert (said["done"], said["refused"]) == (2, 1)
            assert [one["id"] for one in said["results"]] == chosen
            assert [one["code"] for one in said["results"]] == [None, "payments.not_found", None]
            assert [one["payment"] for one in said["results"]] == [
                {"state": state if word is not True else "scheduled"}, None,
                {"state": state if word is not True else "scheduled"},
            ]  # fmt: skip
        else:
            payment_id = await waiting(desk)
            said = (await ask(desk.engine, role, who, document(name), id=payment_id))["done"]
            assert (said["id"], said["amount"], said["approvalsNeeded"]) == (payment_id, "1500.00", 1)
            assert said["approvalsGiven"] == (1 if word else 0)
            assert said["payment"] == {
                "state": "scheduled" if word else state,
                "approvals": [] if word is None else [{"approved": word}],
            }
            assert (await refused(desk, who, role, name, id=payment_id))[1] == "payments.wrong_state"


@pytest.mark.parametrize("name", BATCHES)
async def test_batches_are_decided_about_by_those_who_may_and_nobody_else(desk: Desk, name: str) -> None:
    untouched = await sent_in(desk)
    for role in ROLES:
        who = await desk.session(role)
        if role not in may(name):
            message, code = await refused(desk, who, role, name, id=untouched)
            assert code == "validation-failed"
            assert message in (f"field '{name}' not found in type: 'mutation_root'", "no mutations exist")
            continue
        batch_id = await sent_in(desk)
        if name.startswith(("pause", "resume")):
            assert (await refused(desk, who, role, name, id=batch_id))[1] == "batches.wrong_state"
            approver = await desk.session("approver")
            await ask(desk.engine, "approver", approver, document("approveBulkPayment"), id=batch_id)
        if name == "resumeBulkPayment":
            await ask(desk.engine, role, who, document("pauseBulkPayment"), id=batch_id)
        said = (await ask(desk.engine, role, who, document(name), id=batch_id))["done"]
        status = {"approve": "APPROVED", "reject": "CANCELLED", "cancel": "CANCELLED", "pause": "PAUSED"}.get(
            name.removesuffix("BulkPayment"), "RUNNING"
        )
        assert (said["id"], said["status"], said["batch"]["status"]) == (batch_id, status, status)
        if status == "CANCELLED":
            assert {one["status"] for one in said["batch"]["lines"]} == {"CANCELLED"}
            assert said["reason"] == ("rejected" if name.startswith("reject") else "cancelled")


async def test_roles_are_those_of_the_rest_door(metadata: Metadata) -> None:
    for action in metadata.actions:
        if action.name in PERMISSIONS:
            inherited = {role for role, parts in metadata.inherited_roles.items() if set(parts) & set(action.roles)}
            assert set(action.roles) | inherited == may(action.name), action.name


async def of_maker(desk: Desk, maker: UUID, role: str) -> Session:
    """A session with a new key that this person made."""
    tenant_id, held = desk.payer.client.tenant_id, BUILT_IN[role][1]
    person = access.Caller(tenant_id, show("usr", maker), maker, "user", frozenset(map(str, held)))
    async with desk.services.db.tx(tenant_id) as tx:
        key = access.CreateKey(role, frozenset(map(str, held)))
        issued = await access.create_key(tx, key, caller=person, now=CLOCK.now(), meta=Meta())
    shown = f"Bearer {issued.secret.text}"
    caller = await access.authenticate(desk.services.db, shown, now=CLOCK.now())
    plain = Session.of(caller, role)
    return Session(plain.tenant_id, plain.branches, plain.variables, {"authorization": shown})


async def test_who_initiated_approves_by_no_key_of_theirs(desk: Desk) -> None:
    maker = uuid7()
    first, second = [await of_maker(desk, maker, "finance_admin") for _ in range(2)]
    given = {
        "reference": f"own-{maker}", "type": "SUPPLIER_PAYMENT", "amount": 1500, "currency": "NGN",
        "sourceAccount": {"accountCode": WALLET}, "destinationAccount": account(nuban(12_345_678)),
    }  # fmt: skip
    text = "mutation ($input: InitiatePaymentInput!) { made: initiatePayment(input: $input) { id status } }"
    made = (await ask(desk.engine, "finance_admin", first, text, input=given))["made"]
    assert made["status"] == "AWAITING_APPROVAL"
    batch_id = await sent_in(desk, headers=dict(first.headers))
    for who in (first, second):
        for name in ("approvePayment", "rejectPayment"):
            assert (await refused(desk, who, "finance_admin", name, id=made["id"]))[1] == (
                "payments.approver_is_initiator"
            )
        before = await stands(desk)
        said = (await ask(desk.engine, "finance_admin", who, document("approvePayments"), ids=[made["id"]]))["done"]
        assert (said["done"], said["results"][0]["code"]) == (0, "payments.approver_is_initiator")
        for name in ("approveBulkPayment", "rejectBulkPayment"):
            assert (await refused(desk, who, "finance_admin", name, id=batch_id))[1] == "batches.approver_is_initiator"
        assert await stands(desk) == before
    other = await of_maker(desk, uuid7(), "approver")
    said = (await ask(desk.engine, "approver", other, document("approvePayment"), id=made["id"]))["done"]
    assert (said["status"], said["approvalsGiven"]) == ("PENDING", 1)
    assert (await refused(desk, other, "approver", "approvePayment", id=made["id"]))[1] == "payments.wrong_state"
    await desk.payer.rounds(2)
    await desk.payer.quiet()
    assert (await desk.payer.detail(show("pay", UUID(made["id"]))))["status"] == "CONFIRMED"


async def test_what_is_of_another_organisation_or_branch_is_not_there(desk: Desk) -> None:
    payment_id, batch_id = await waiting(desk), await sent_in(desk)
    made = await desk.payer.client.post("/branches", {"code": "north", "name": "North"})
    body = {
        "name": "north", "permissions": sorted(BUILT_IN["finance_admin"][1]), "branch_ids": [made["id"]],
    }  # fmt: skip
    issued = await desk.payer.client.post("/keys", body)
    headers = {"authorization": f"Bearer {issued['secret']}"}
    before = await stands(desk)
    for address, given, code in (
        ("approve-payment", {"id": payment_id}, "payments.not_found"),
        ("cancel-payment", {"id": payment_id}, "payments.not_found"),
        ("cancel-bulk-payment", {"id": batch_id}, "batches.not_found"),
        ("approve-payment", {"id": "pay_1"}, "kit.malformed_id"),
        ("approve-payment", {"id": "1"}, "actions.malformed"),
        ("approve-payment", {"id": payment_id, "comment": ""}, "actions.malformed"),
        ("approve-payments", {"ids": []}, "actions.malformed"),
        ("reject-payment", {"id": payment_id}, "actions.malformed"),
    ):
        answer = await desk.payer.client.http.post(f"/actions/{address}", json={"input": given}, headers=headers)
        assert (answer.status_code // 100, answer.json()["extensions"]["code"]) == (4, code), (address, answer.text)
    assert await stands(desk) == before
