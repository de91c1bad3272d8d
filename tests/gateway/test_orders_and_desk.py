"""Standing orders, the desk and the files of batches as actions: for those who may at the REST door, by its rules; for
others nothing moves."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from omniroute.graphql import Metadata, Session
from omniroute.infra.postgres import Database
from omniroute.kit.ids import parse
from omniroute.money.batches import BatchWorker
from omniroute.parties.access import BUILT_IN
from tests.api.paying import WALLET, bank_account, nuban
from tests.gateway.asking import ask, refusal
from tests.gateway.desk import CLOCK, Desk, account, opened
from tests.gateway.promised import ROLES

PERMISSIONS = {
    "createStandingOrder": "schedules.write", "approveStandingOrder": "payments.approve",
    "rejectStandingOrder": "payments.approve", "pauseStandingOrder": "schedules.write",
    "resumeStandingOrder": "schedules.write", "cancelStandingOrder": "schedules.write",
    "approveRequest": "payments.review", "rejectRequest": "payments.review", "withdrawRequest": "payments.review",
    "submitBulkPayment": "batches.write", "retryBulkPayment": "batches.write",
}  # fmt: skip
ORDER = "id reference status approvalsNeeded approvalsGiven nextOn standingOrder { status amount recurrence }"
CREATE = f"mutation ($input: CreateStandingOrderInput!) {{ done: createStandingOrder(input: $input) {{ {ORDER} }} }}"
REQUEST = "id status approvalsGiven request { status decisions { approved } payment { state } }"
BATCH = "id status batch { status }"
REASON = ', comment: "as agreed"'
STATUS = {"approve": "ACTIVE", "reject": "REJECTED", "pause": "PAUSED", "resume": "ACTIVE", "cancel": "CANCELLED"}


def may(name: str) -> set[str]:
    """Roles that hold what the REST door asks for the same thing."""
    return {role for role, (_, held) in BUILT_IN.items() if PERMISSIONS[name] in held}


def document(name: str) -> str:
    if name == "createStandingOrder":
        return CREATE
    fields = ORDER if "Order" in name else REQUEST if "Request" in name else BATCH
    reason = REASON if name.startswith(("approve", "reject")) else ""
    return f"mutation ($id: uuid!) {{ done: {name}(id: $id{reason}) {{ {fields} }} }}"


@pytest.fixture(scope="module")
async def desk(app_db: Database, worker_db: Database, metadata: Metadata) -> AsyncIterator[Desk]:
    async with opened(app_db, worker_db, metadata) as made:
        yield made


def order(**more: Any) -> dict[str, Any]:
    """A standing order, as an input."""
    start = (datetime.now(UTC) + timedelta(days=2)).date()
    rule = {"frequency": "MONTHLY", "startOn": start.isoformat(), "at": "09:00", "dayOfMonth": 31, "offDay": "PREVIOUS"}
    return {
        "reference": f"rent-{uuid4()}"[:40], "type": "SUPPLIER_PAYMENT", "currency": "NGN",
        "sourceAccount": {"accountCode": WALLET}, "destinationAccount": account(nuban(12_345_678)),
        "recurrence": rule, "amount": "50.25", **more,
    }  # fmt: skip


async def ordered(desk: Desk) -> str:
    """The id of an order that waits for somebody's word, of somebody else than the sessions."""
    start = (datetime.now(UTC) + timedelta(days=2)).date()
    rule = {"frequency": "monthly", "start_on": start.isoformat(), "at": "09:00", "day_of_month": 31}
    body = {
        "reference": f"rent-{uuid4()}"[:40], "type": "SUPPLIER_PAYMENT", "currency": "NGN", "source": WALLET,
        "payee": bank_account(), "recurrence": rule, "amount": 5_000,
    }  # fmt: skip
    made = await desk.payer.client.post("/payment-schedules", body)
    return str(parse("sch", made["id"]))


async def asked_for(desk: Desk, who: Session | None = None) -> str:
    """The id of a risky act that waits for somebody's word; of whoever asked for it."""
    made = await desk.payer.pay(payee=bank_account(name="Zebediah Quux"))
    await desk.payer.rounds(2)
    body = {"name": "ADA OBI", "evidence": "Certificate seen."}
    if who is None:
        asked = await desk.payer.client.post(f"/payments/{made['id']}/accept-name", body)
    else:
        client = desk.payer.client
        answer = await client.http.post(
            f"/v1/{client.slug}/payments/{made['id']}/accept-name", json=body,
            headers=dict(who.headers) | {"idempotency-key": str(uuid4())},
        )  # fmt: skip
        asked = answer.json()
    return str(parse("apr", asked["id"]))


async def checked(desk: Desk, worker_db: Database) -> str:
    """The id of a batch that was sent in as a file and checked."""
    lines = [f"T-{uuid4()},10.00,wallet:other,ledger,INTERNAL_TRANSFER" for _ in range(2)]
    content = "\n".join(["reference,amount,identifier,payee_kind,type", *lines]).encode()
    answer = await desk.payer.client.send(
        "POST", f"/payment-batches?source={WALLET}&currency=NGN", content=content, headers={"content-type": "text/csv"}
    )
    assert answer.status_code == 201, answer.text
    rules, today = desk.services.payments.rulebooks, desk.services.poster.today
    worker = BatchWorker(worker_db, rules, clock=CLOCK, business_day=today)
    while await worker.advance():
        pass
    return str(parse("bat", answer.json()["id"]))


async def stands(desk: Desk) -> str:
    """Everything that any of it could change."""
    client, found = desk.payer.client, [await desk.payer.moved()]
    for path, shown in (
        ("/payment-schedules?limit=500", "state"),
        ("/approval-requests?limit=500", "state"),
        ("/payment-batches?limit=500", "status"),
    ):
        found.append(repr([(one["id"], one["version"], one[shown]) for one in (await client.get(path))["items"]]))
    return "".join(found)


async def refused(desk: Desk, who: Session, role: str, name: str, **variables: Any) -> tuple[str, str]:
    """Message and code of a refusal, after which nothing has changed."""
    before = await stands(desk)
    found = await refusal(desk.engine, role, who, document(name), **variables)
    assert await stands(desk) == before
    return found


def inheriting(metadata: Metadata, roles: frozenset[str]) -> set[str]:
    return {role for role, parts in metadata.inherited_roles.items() if set(parts) & roles}


async def unknown_to_others(desk: Desk, name: str, **variables: Any) -> None:
    """Who may not do it at the REST door has no such field; who inherits the field is refused by its handler."""
    [action] = [one for one in desk.engine.metadata.actions if one.name == name]
    inherited = inheriting(desk.engine.metadata, action.roles)
    for role in ROLES:
        if role not in may(name):
            message, code = await refused(desk, await desk.session(role), role, name, **variables)
            if role in inherited:
                assert code == "access.permission_missing"
                continue
            assert code == "validation-failed"
            assert message in (f"field '{name}' not found in type: 'mutation_root'", "no mutations exist")


async def test_orders_are_made_by_those_who_may(desk: Desk) -> None:
    await unknown_to_others(desk, "createStandingOrder", input=order())
    for role in sorted(may("createStandingOrder") & set(ROLES)):
        who, given = await desk.session(role), order()
        said = (await ask(desk.engine, role, who, CREATE, input=given))["done"]
        assert (said["reference"], said["status"], said["approvalsGiven"]) == (
            given["reference"], "AWAITING_APPROVAL", 0,
        )  # fmt: skip
        shown = said["standingOrder"]
        assert (shown["status"], shown["amount"]) == ("AWAITING_APPROVAL", 50.25)
        assert shown["recurrence"]["off_day"] == "previous"
        for change, code in (
            ({}, "schedules.reference_taken"),
            ({"reference": "r-1", "amount": "50.255"}, "kit.malformed_amount"),
            ({"reference": "r-1", "sweep": {"above": "10", "max": "20"}}, "actions.malformed"),
            ({"reference": "r-1", "sourceAccount": {"accountCode": "wallet:nobody"}}, "payments.source_not_found"),
            ({"reference": "r 1"}, "actions.malformed"),
        ):
            found = await refused(desk, who, role, "createStandingOrder", input=given | change)
            assert found[1] == code, (change, found)
    sweep = order(amount=None, sweep={"above": "1000", "max": "250.50"}, missed="LATEST", retryDays=2)
    who = await desk.session("finance_admin")
    said = (await ask(desk.engine, "finance_admin", who, CREATE, input=sweep))["done"]
    made = (await desk.payer.client.get("/payment-schedules?limit=1"))["items"][0]
    assert (made["reference"], made["sweep"]) == (sweep["reference"], {"above": 100_000, "max": 25_050, "min": 1})
    assert (made["missed"], made["retry_days"], said["standingOrder"]["amount"]) == ("latest", 2, None)
    # Who ordered it never approves it.
    assert (await refused(desk, who, "finance_admin", "approveStandingOrder", id=said["id"]))[1] == (
        "schedules.approver_is_requester"
    )


@pytest.mark.parametrize("name", [name for name in PERMISSIONS if "Order" in name and not name.startswith("create")])
async def test_orders_are_decided_about_by_those_who_may_and_nobody_else(desk: Desk, name: str) -> None:
    await unknown_to_others(desk, name, id=await ordered(desk))
    approver = await desk.session("approver")
    verb = name.removesuffix("StandingOrder")
    for role in sorted(may(name) & set(ROLES)):
        who, order_id = await desk.session(role), await ordered(desk)
        if verb in ("pause", "resume"):
            assert (await refused(desk, who, role, name, id=order_id))[1] == "schedules.wrong_state"
            await ask(desk.engine, "approver", approver, document("approveStandingOrder"), id=order_id)
        if verb == "resume":
            await ask(desk.engine, role, who, document("pauseStandingOrder"), id=order_id)
        said = (await ask(desk.engine, role, who, document(name), id=order_id))["done"]
        assert (said["id"], said["status"], said["standingOrder"]["status"]) == (order_id, STATUS[verb], STATUS[verb])
        assert (await refused(desk, who, role, name, id=order_id))[1] == "schedules.wrong_state"
        assert (await refused(desk, who, role, name, id=str(uuid4())))[1] == "schedules.not_found"


@pytest.mark.parametrize("name", ["approveRequest", "rejectRequest", "withdrawRequest"])
async def test_risky_acts_are_decided_about_by_those_who_may_and_nobody_else(desk: Desk, name: str) -> None:
    await unknown_to_others(desk, name, id=await asked_for(desk))
    for role in sorted(may(name) & set(ROLES)):
        who = await desk.session(role)
        own, other = await asked_for(desk, who), await asked_for(desk)
        wrong, right = (other, own) if name == "withdrawRequest" else (own, other)
        code = "desk.not_yours" if name == "withdrawRequest" else "desk.checker_is_maker"
        assert (await refused(desk, who, role, name, id=wrong))[1] == code
        said = (await ask(desk.engine, role, who, document(name), id=right))["done"]
        status = {"approve": "EXECUTED", "reject": "REJECTED", "withdraw": "WITHDRAWN"}[name.removesuffix("Request")]
        assert (said["id"], said["status"], said["request"]["status"]) == (right, status, status)
        given = [] if name == "withdrawRequest" else [{"approved": name == "approveRequest"}]
        assert said["request"]["decisions"] == given
        assert said["approvalsGiven"] == (1 if name == "approveRequest" else 0)
        assert (await refused(desk, who, role, name, id=right))[1] == "desk.request_closed"


async def test_a_batch_is_submitted_by_those_who_may(desk: Desk, worker_db: Database) -> None:
    name = "submitBulkPayment"
    await unknown_to_others(desk, name, id=await checked(desk, worker_db))
    for role in sorted(may(name) & set(ROLES)):
        who, batch_id = await desk.session(role), await checked(desk, worker_db)
        said = (await ask(desk.engine, role, who, document(name), id=batch_id))["done"]
        assert (said["id"], said["batch"]["status"]) == (batch_id, said["status"])
        assert said["status"] in ("AWAITING_APPROVAL", "APPROVED")
        assert (await refused(desk, who, role, name, id=batch_id))[1] == "batches.wrong_state"


async def test_lines_are_tried_again_by_those_who_may(desk: Desk, worker_db: Database) -> None:
    name = "retryBulkPayment"
    batch_id = await checked(desk, worker_db)
    await unknown_to_others(desk, name, id=batch_id)
    for role in sorted(may(name) & set(ROLES)):
        found = await refused(desk, await desk.session(role), role, name, id=batch_id)
        assert found[1] in ("batches.wrong_state", "batches.nothing_to_retry")


async def test_roles_are_those_of_the_rest_door(metadata: Metadata) -> None:
    known = {action.name for action in metadata.actions}
    assert PERMISSIONS.keys() <= known
    for action in metadata.actions:
        if action.name in PERMISSIONS:
            assert may(action.name) - inheriting(metadata, action.roles) == action.roles, action.name


async def test_ids_are_uuids_or_those_of_the_rest_door(desk: Desk) -> None:
    who, order_id = await desk.session("finance_admin"), UUID(await ordered(desk))
    for given, status in ((str(order_id), 200), (f"sch_{order_id}", 400), ("1", 400)):
        answer = await desk.payer.client.http.post(
            "/actions/cancel-standing-order", json={"input": {"id": given}}, headers=dict(who.headers)
        )
        assert answer.status_code == status, answer.text
