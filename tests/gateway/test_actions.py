"""The promised mutations run word for word, through real handlers and the rails of a sandbox."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from omniroute.graphql import Metadata
from omniroute.infra.postgres import Database
from tests.api.paying import WALLET, nuban
from tests.gateway.asking import ask, refusal
from tests.gateway.desk import Desk, account, opened
from tests.gateway.promised import OPERATIONS, READY, ROLES

VERIFY = """mutation Verify($bank: String, $number: String) {
  verifyBankAccount(bankCode: $bank, accountNumber: $number) { verified accountName bankCode rail }
}"""
MAY_VERIFY = {"customer_admin", "finance_admin", "payment_initiator", "user", "owner", "integration"}
FETCH = """query Fetch($account: String) {
  fetchStatement(accountCode: $account) { accountCode currency closingBalance entries { type amount reference } }
}"""
MAY_FETCH = {"approver", "auditor", "finance_admin", "payment_initiator", "owner", "integration"}


@pytest.fixture(scope="module")
async def desk(app_db: Database, worker_db: Database, metadata: Metadata) -> AsyncIterator[Desk]:
    async with opened(app_db, worker_db, metadata) as made:
        yield made


def payment(reference: str, **more: Any) -> dict[str, Any]:
    return {
        "reference": reference,
        "type": "SUPPLIER_PAYMENT",
        "amount": 1500.5,
        "currency": "NGN",
        "sourceAccount": {"accountCode": WALLET},
        "destinationAccount": account(nuban(12_345_678)),
        **more,
    }


async def run(desk: Desk, role: str, document: str, **variables: Any) -> Any:
    return await ask(desk.engine, role, await desk.session(role), document, **variables)


async def refused(desk: Desk, role: str, document: str, **variables: Any) -> tuple[str, str]:
    """A refusal, after which nothing has moved."""
    who = await desk.session(role)
    before = await desk.payer.moved()
    found = await refusal(desk.engine, role, who, document, **variables)
    assert await desk.payer.moved() == before
    return found


@pytest.mark.parametrize("role", sorted(READY["InitiatePayment"]))
async def test_a_payment_is_initiated_and_its_status_is_told(desk: Desk, role: str) -> None:
    reference = f"paid-by-{role}"
    made = (await run(desk, role, OPERATIONS["InitiatePayment"], input=payment(reference)))["initiatePayment"]
    assert made == {"id": made["id"], "reference": reference, "status": "PENDING", "externalReference": None}
    await desk.payer.rounds(2)
    await desk.payer.quiet()
    again = (await run(desk, role, OPERATIONS["InitiatePayment"], input=payment(reference)))["initiatePayment"]
    assert (again["id"], again["status"]) == (made["id"], "CONFIRMED")
    assert again["externalReference"]
    [found] = (await run(desk, role, OPERATIONS["GetPaymentStatus"], reference=reference))["payment_transactions"]
    assert (found["id"], found["status"], found["amount"], found["currency"]) == (
        made["id"], "CONFIRMED", 1500.5, "NGN",
    )  # fmt: skip
    steps = [step["status"] for step in found["statusHistory"]]
    assert (steps[0], steps[-1]) == ("PENDING", "CONFIRMED")
    assert found["bankResponse"]["state"] == "succeeded"
    assert found["bankResponse"]["ourReference"] == again["externalReference"]  # NIP has no name of its own for it.


@pytest.mark.parametrize("role", sorted(set(ROLES) - READY["InitiatePayment"]))
async def test_others_initiate_nothing(desk: Desk, role: str) -> None:
    message, code = await refused(desk, role, OPERATIONS["InitiatePayment"], input=payment(f"not-by-{role}"))
    assert code == "validation-failed"
    assert message in ("field 'initiatePayment' not found in type: 'mutation_root'", "no mutations exist")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": 1.005}, "kit.malformed_amount"),
        ({"amount": None}, "actions.malformed"),
        ({"sourceAccount": {"accountCode": "wallet:none"}}, "payments.source_not_found"),
        ({"amount": 100_000_000}, "payments.no_route"),
    ],
)
async def test_what_a_handler_refuses_is_passed_on(desk: Desk, change: dict[str, Any], code: str) -> None:
    given = payment(f"bad-{code}") | change
    assert (await refused(desk, "finance_admin", OPERATIONS["InitiatePayment"], input=given))[1] == code


async def test_what_does_not_fit_the_types_reaches_no_handler(desk: Desk) -> None:
    for change in ({"type": "GIFT"}, {"colour": "red"}, {"reference": None}):
        given = payment("never") | change
        assert (await refused(desk, "owner", OPERATIONS["InitiatePayment"], input=given))[1] == "validation-failed"


@pytest.mark.parametrize("role", sorted(READY["ProcessBulkPayment"]))
async def test_many_payments_are_processed(desk: Desk, role: str) -> None:
    batch = str(uuid4())
    items = [payment(f"bulk-{role}-{number}", amount=10 + number) for number in range(5)]
    items[3] |= {"destinationAccount": {"bankCode": "999", "accountNumber": nuban(1)}}
    document = OPERATIONS["ProcessBulkPayment"]
    made = (await run(desk, role, document, batchId=batch, payments=items))["processBulkPayment"]
    assert (made["batchId"], made["failedCount"]) == (batch, 1)
    [failure] = made["failures"]
    assert failure["reference"] == f"bulk-{role}-3"
    assert failure["error"]
    assert made.keys() == {"batchId", "totalProcessed", "successCount", "failedCount", "failures"}


@pytest.mark.parametrize("role", sorted(set(ROLES) - READY["ProcessBulkPayment"]))
async def test_others_process_nothing(desk: Desk, role: str) -> None:
    given = {"batchId": str(uuid4()), "payments": [payment(f"bulk-not-by-{role}")]}
    message, _ = await refused(desk, role, OPERATIONS["ProcessBulkPayment"], **given)
    assert message in ("field 'processBulkPayment' not found in type: 'mutation_root'", "no mutations exist")


@pytest.mark.parametrize("role", ROLES)
async def test_accounts_are_verified_and_statements_fetched_by_those_who_may(desk: Desk, role: str) -> None:
    number = nuban(12_345_678)
    if role in MAY_VERIFY:
        said = (await run(desk, role, VERIFY, bank="058", number=number))["verifyBankAccount"]
        assert (said["verified"], said["bankCode"], said["rail"]) == (True, "000013", "nip")
    else:
        assert (await refused(desk, role, VERIFY, bank="058", number=number))[1] == "validation-failed"
    if role in MAY_FETCH:
        said = (await run(desk, role, FETCH, account="cash"))["fetchStatement"]
        assert (said["accountCode"], said["currency"], said["closingBalance"]) == ("cash", "NGN", "1000000.00")
        assert said["entries"]
    else:
        assert (await refused(desk, role, FETCH, account="cash"))[1] == "validation-failed"


async def test_what_was_initiated_leads_to_its_row(desk: Desk) -> None:
    document = """mutation ($input: InitiatePaymentInput!) {
      initiatePayment(input: $input) { amount fee type payment { reference amount statusHistory { status } } }
    }"""
    made = (await run(desk, "finance_admin", document, input=payment("with-its-row")))["initiatePayment"]
    assert made["type"] == "SUPPLIER_PAYMENT"
    assert made["payment"] == {
        "reference": "with-its-row", "amount": 1500.5, "statusHistory": [{"status": "PENDING"}],
    }  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
async def test_everybody_looks_institutions_up(desk: Desk, role: str) -> None:
    text = """query ($country: String, $text: String) {
      institutions(country: $country, text: $text) { code nationalCode name country kind closed }
    }"""
    who = await desk.session(role)
    said = (await ask(desk.engine, role, who, text, country="NG", text="zenith"))["institutions"]
    assert said[0] == {
        "code": "000015", "nationalCode": "057", "name": "Zenith Bank", "country": "NG", "kind": "bank",
        "closed": False,
    }  # fmt: skip
    listed = await desk.payer.client.get("/institutions")
    found = (await ask(desk.engine, role, who, text))["institutions"]
    assert [one["code"] for one in found] == [one["code"] for one in listed["items"]]
    assert (await refused(desk, role, text, country="ng"))[1] == "actions.malformed"
