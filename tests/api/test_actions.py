"""The handlers for actions of a Hasura engine: its payload in, its form of answers and errors out."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from omniroute.api import Services
from omniroute.api.actions_payments import amount_of
from omniroute.app.cli_sandbox import outside
from omniroute.infra.events import Meta
from omniroute.kit.ids import parse, show
from omniroute.kit.refusal import Refusal
from omniroute.money import batches
from omniroute.money.batches import BatchWorker
from tests.api.makers import CLOCK, Client
from tests.api.paying import WALLET, Payer, nuban, payer
from tests.rails import ACTIONS_SECRET

PEOPLE = {role: uuid4() for role in ("finance_admin", "payment_initiator", "user", "auditor")}


@pytest.fixture(scope="module")
async def org(a: Client, services: Services) -> AsyncIterator[Payer]:
    async with outside() as sandbox, payer(a, services, sandbox) as made:
        yield made


async def act(
    org: Payer, name: str, given: dict[str, Any], *, role: str = "finance_admin", secret: str | None = ACTIONS_SECRET,
    **variables: str,
) -> httpx.Response:  # fmt: skip
    """What the engine sends."""
    session = {
        "x-hasura-role": role,
        "x-hasura-user-id": str(PEOPLE.get(role, uuid4())),
        "x-hasura-tenant-id": str(org.client.tenant_id),
    } | variables
    payload = {"action": {"name": name}, "input": given, "session_variables": session, "request_query": "mutation {}"}
    headers = {} if secret is None else {"X-Omniroute-Actions-Secret": secret}
    return await org.client.http.post(f"/actions/{name}", json=payload, headers=headers)


def payment(reference: str, **more: Any) -> dict[str, Any]:
    return {
        "reference": reference,
        "type": "SUPPLIER_PAYMENT",
        "amount": 1500.5,
        "currency": "NGN",
        "sourceAccount": {"accountCode": WALLET},
        "destinationAccount": {"bankCode": "058", "accountNumber": nuban(12_345_678)},
        **more,
    }


async def test_a_payment_is_initiated_and_repeated(org: Payer) -> None:
    answer = await act(org, "initiate-payment", {"input": payment("action-1")}, role="payment_initiator")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["reference"], said["status"], said["amount"]) == ("action-1", "PENDING", "1500.50")
    assert said["externalReference"] is None
    assert said["initiatedBy"] == show("usr", PEOPLE["payment_initiator"])
    before = await org.moved()
    again = await act(org, "initiate-payment", payment("action-1"), role="payment_initiator")
    assert again.json() == said
    assert await org.moved() == before
    await org.rounds(2)
    paid = (await act(org, "initiate-payment", payment("action-1"))).json()
    assert (paid["status"], paid["id"]) == ("CONFIRMED", said["id"])
    assert paid["externalReference"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount": 1.005}, 400, "kit.malformed_amount"),
        ({"amount": "1e3"}, 400, "kit.malformed_amount"),
        ({"amount": True}, 400, "kit.malformed_amount"),
        ({"amountMinor": 5}, 400, "actions.malformed"),
        ({"currency": "ngn"}, 400, "kit.unknown_currency"),
        ({"type": "GIFT"}, 400, "actions.malformed"),
        ({"destinationAccount": {"bankCode": "058", "accountNumber": "1"}}, 400, "institutions.malformed_payee"),
        ({"destinationAccount": {}}, 400, "actions.malformed"),
        ({"sourceAccount": "wallet:none"}, 422, "payments.source_not_found"),
        ({"amount": 1000000.01}, 422, "ledger.insufficient_funds"),
        ({"colour": "red"}, 400, "actions.malformed"),
    ],
)
async def test_what_is_refused_comes_in_the_engines_form(
    org: Payer, change: dict[str, Any], status: int, code: str
) -> None:
    before = await org.moved()
    answer = await act(org, "initiate-payment", payment(f"bad-{uuid4()}") | change)
    assert (answer.status_code, answer.json()["extensions"]["code"]) == (status, code), answer.text
    assert isinstance(answer.json()["message"], str)
    assert answer.json().keys() == {"message", "extensions"}
    assert await org.moved() == before


async def test_only_who_knows_the_secret_speaks_for_others(org: Payer, b: Client) -> None:
    before = await org.moved()
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"secret": "guess"}, 401, "access.credentials_unknown"),
        ({"secret": None}, 401, "access.credentials_missing"),
        ({"role": "user"}, 403, "access.permission_missing"),
        ({"role": "auditor"}, 403, "access.permission_missing"),
        ({"role": "nobody"}, 404, "access.role_not_found"),
        ({"x-hasura-tenant-id": str(uuid4())}, 404, "tenants.organisation_not_found"),
        ({"x-hasura-tenant-id": str(b.tenant_id)}, 422, "payments.source_not_found"),
        ({"x-hasura-tenant-id": "x"}, 400, "actions.malformed"),
        ({"x-hasura-user-id": ""}, 400, "actions.malformed"),
        ({"x-hasura-branch-ids": "all"}, 400, "actions.malformed"),
        ({"x-hasura-branch-ids": "{x}"}, 400, "actions.malformed"),
        ({"x-hasura-branch-ids": "{}"}, 422, "payments.source_not_found"),
        ({"x-hasura-branch-ids": f"{{{uuid4()},{uuid4()}}}"}, 422, "payments.source_not_found"),
        ({"secret": ""}, 401, "access.credentials_unknown"),
        ({"secret": ACTIONS_SECRET + "x"}, 401, "access.credentials_unknown"),
        ({"secret": ACTIONS_SECRET.upper()}, 401, "access.credentials_unknown"),
    ]
    for given, status, code in wrong:
        answer = await act(org, "initiate-payment", payment(f"secret-{uuid4()}"), **given)
        assert (answer.status_code, answer.json()["extensions"]["code"]) == (status, code), (given, answer.text)
    for body in (b"", b"[]", b"{", b"[" * 100_000, b'{"input": {"amount": NaN}}', b"\xff"):
        answer = await org.client.http.post("/actions/initiate-payment", content=body)
        assert answer.status_code == 400, answer.text
    assert await org.moved() == before


async def test_credentials_of_the_caller_count_as_everywhere(org: Payer) -> None:
    payload = {"action": {"name": "initiatePayment"}, "input": payment("own-credentials")}
    headers = {"authorization": f"Bearer {org.client.secret}"}
    answer = await org.client.http.post("/actions/initiate-payment", json=payload, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["initiatedBy"].startswith("key_")


async def test_session_variables_beside_credentials_are_nobodys_word(org: Payer, b: Client) -> None:
    """Who passes on a token acts as its owner, whatever else the payload says."""
    forged = {
        "x-hasura-role": "owner",
        "x-hasura-user-id": str(PEOPLE["finance_admin"]),
        "x-hasura-tenant-id": str(org.client.tenant_id),
    }
    before = await org.moved()
    payload = {"action": {"name": "initiatePayment"}, "input": payment("forged"), "session_variables": forged}
    for headers, status, code in (
        ({"authorization": f"Bearer {b.secret}"}, 422, "payments.source_not_found"),  # B's books have no such account.
        ({"authorization": "Bearer nonsense"}, 401, "access.credentials_malformed"),
        ({}, 401, "access.credentials_missing"),
        # A wrong secret spoils right credentials.
        (
            {"authorization": f"Bearer {org.client.secret}", "x-omniroute-actions-secret": "guess"},
            401,
            "access.credentials_unknown",
        ),
    ):
        answer = await org.client.http.post("/actions/initiate-payment", json=payload, headers=headers)
        assert (answer.status_code, answer.json()["extensions"]["code"]) == (status, code), answer.text
    assert await org.moved() == before
    own = {"authorization": f"Bearer {org.client.secret}"}
    answer = await org.client.http.post("/actions/initiate-payment", json=payload, headers=own)
    assert (answer.status_code, answer.json()["initiatedBy"][:4]) == (200, "key_")


async def test_an_account_is_verified(org: Payer) -> None:
    asked = {"bankCode": "058", "accountNumber": nuban(12_345_678)}
    said = (await act(org, "verify-account", asked, role="user")).json()
    assert (said["verified"], said["matchScore"], said["bankCode"]) == (True, None, "000013")
    named = (await act(org, "verify-account", asked | {"accountName": said["accountName"]}, role="user")).json()
    assert (named["verified"], named["matchScore"]) == (True, 100)
    other = (await act(org, "verify-account", asked | {"accountName": "Zebediah Quux"}, role="user")).json()
    assert other["verified"] is False


async def test_statements_are_fetched_from_the_rail_and_from_the_books(org: Payer) -> None:
    made = await org.pay("on-the-statement", amount=12_345)
    await org.rounds(2)
    day = made["created_at"][:10]
    said = (await act(org, "fetch-statement", {"connection": "nip", "statementDate": day})).json()
    our_ref = (await org.detail(made["id"]))["attempts"][0]["our_ref"]
    if "entries" in said:
        (line,) = [line for line in said["entries"] if line["reference"] == our_ref]
        assert (line["type"], line["amount"]) == ("DEBIT", "123.45")
    else:  # A rail that has none says so.
        assert said["extensions"]["code"] == "connections.operation_off"
    books = (await act(org, "fetch-statement", {"accountCode": "float:nip"})).json()
    assert "payment:on-the-statement:paid" in [line["reference"] for line in books["entries"]]
    assert (await act(org, "fetch-statement", {"connection": "none"})).status_code == 404
    assert (await act(org, "fetch-statement", {})).status_code == 400


async def test_many_payments_become_a_batch_that_somebody_else_approves(org: Payer) -> None:
    batch = str(uuid4())
    items = [payment(f"bulk-{number}", amount=10) for number in range(1200)]
    items[7] |= {"destinationAccount": {"bankCode": "999", "accountNumber": nuban(1)}}
    items[9] |= {"amount": 100_000_000}
    items[11] |= {"amount": "0.001"}
    asked = {"batchId": batch, "payments": items}
    before = await org.moved()
    said = (await act(org, "process-bulk-payment", asked)).json()
    counts = ("batchId", "totalProcessed", "successCount", "failedCount", "status")
    assert [said[name] for name in counts] == [batch, 1200, 1197, 3, "AWAITING_APPROVAL"]
    failed = {one["reference"]: one["error"] for one in said["failures"]}
    assert failed.keys() == {"bulk-7", "bulk-9", "bulk-11"}
    assert "institutions.unknown" in failed["bulk-7"]
    assert "payments.no_route" in failed["bulk-9"]  # More than the rail carries.
    assert "amount" in failed["bulk-11"]
    assert await org.moved() == before  # Nothing moves before somebody else has said yes.

    assert (await act(org, "process-bulk-payment", asked)).json() == said
    own = await act_on_batch(org, said["paymentBatchId"], "approve", by=str(PEOPLE["finance_admin"]))
    assert own == (422, "batches.approver_is_initiator")
    assert await org.moved() == before
    assert await act_on_batch(org, said["paymentBatchId"], "approve") == (200, None)

    worker = BatchWorker(
        org.services.worker_db or org.services.db, org.services.payments.rulebooks, clock=CLOCK,
        business_day=lambda tenant_id: CLOCK.now().date(),
    )  # fmt: skip
    while await worker.advance():
        pass
    later = (await act(org, "process-bulk-payment", asked)).json()
    assert [later[name] for name in counts] == [batch, 1200, 1197, 3, "RUNNING"]
    found = await org.client.get("/payments", params={"reference": "bulk-8"})
    assert [one["amount"] for one in found["items"]] == [1000]
    assert (await org.client.get("/payments", params={"reference": "bulk-7"}))["items"] == []


async def act_on_batch(org: Payer, batch: str, what: str, *, by: str | None = None) -> tuple[int, str | None]:
    """Status and code of an act of this person (usual: the organisation's key) on a batch."""
    if by is None:
        answer = await org.client.send("POST", f"/payment-batches/{batch}/{what}", json={"comment": "as agreed"})
        return answer.status_code, answer.json().get("code")
    async with org.services.db.tx(org.client.tenant_id) as tx:
        try:
            await batches.approve(
                tx, parse("bat", batch), actor=show("usr", UUID(by)), comment=None, now=CLOCK.now(), meta=Meta()
            )
        except Refusal as refusal:
            return 422, refusal.code
    return 200, None


async def test_a_batch_is_known_by_its_id_and_by_its_payments(org: Payer) -> None:
    first = {"batchId": str(uuid4()), "payments": [payment("known-1", amount=10), payment("known-2", amount=10)]}
    said = (await act(org, "process-bulk-payment", first)).json()
    assert said["successCount"] == 2
    before = await org.moved()
    other = await act(org, "process-bulk-payment", first | {"payments": [payment("known-3", amount=10)]})
    assert (other.status_code, other.json()["extensions"]["code"]) == (409, "batches.reference_taken")
    again = await act(org, "process-bulk-payment", first | {"batchId": str(uuid4())})
    assert (again.status_code, again.json()["extensions"]["code"]) == (409, "batches.file_known")
    listed = await org.client.get("/payment-batches?limit=500")
    assert [one["status"] for one in listed["items"] if one["reference"] == first["batchId"]] == ["AWAITING_APPROVAL"]
    assert await org.moved() == before


async def test_a_batch_in_which_nothing_can_be_paid_is_not_submitted(org: Payer) -> None:
    wrong = payment("nowhere", destinationAccount={"bankCode": "999", "accountNumber": nuban(1)})
    before = await org.moved()
    said = (await act(org, "process-bulk-payment", {"batchId": str(uuid4()), "payments": [wrong]})).json()
    assert (said["successCount"], said["failedCount"], said["status"]) == (0, 1, "VALIDATED")
    assert await org.moved() == before


async def test_who_may_not_send_batches_in_sends_none(org: Payer) -> None:
    before = await org.moved(), (await org.client.get("/payment-batches?limit=500"))["items"]
    asked = {"batchId": str(uuid4()), "payments": [payment("never", amount=10)]}
    for given, role, status in ((asked, "user", 403), (asked | {"payments": []}, "finance_admin", 400)):
        assert (await act(org, "process-bulk-payment", given, role=role)).status_code == status
    assert (await org.moved(), (await org.client.get("/payment-batches?limit=500"))["items"]) == before


@pytest.mark.parametrize(
    ("amount", "minor", "currency", "expected"),
    [
        (1500, None, "NGN", 150_000),
        ("1500.5", None, "NGN", 150_050),
        ("0.01", None, "NGN", 1),
        ("1500.500", None, "NGN", 150_050),
        ("12", None, "UGX", 12),
        ("12.000", None, "UGX", 12),
        ("1.234", None, "KWD", 1_234),
        (None, "77", "NGN", 77),
    ],
)
def test_amounts_in_major_units_are_exact(amount: object, minor: str | None, currency: str, expected: int) -> None:
    assert amount_of(amount, minor, currency) == expected


@pytest.mark.parametrize(("amount", "currency"), [("0.001", "NGN"), ("1.5", "UGX"), ("-1", "NGN"), (" 1", "NGN")])
def test_amounts_that_are_none_are_refused(amount: str, currency: str) -> None:
    with pytest.raises(Refusal):
        amount_of(amount, None, currency)
