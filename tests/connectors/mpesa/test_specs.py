"""Our requests against the schemas others published, and every sample of theirs through our reader."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]

from omniroute.connectors.mpesa import MpesaConnector, answers, wire
from omniroute.ports.rails import EventKind, Outcome, RailEvent, Trust
from tests.connectors.mpesa import makers
from tests.connectors.mpesa.makers import callback, context, only
from tests.connectors.mpesa.test_requests import GOLDEN

SPECS = Path(__file__).parents[4] / "shared" / "specs" / "mpesa"
rail = MpesaConnector()


@pytest.fixture(scope="module", autouse=True)
def specs() -> Path:
    """The published files; they are not ours to ship, so outside of CI their tests may be left out."""
    if not SPECS.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{SPECS} is missing")
        pytest.skip("the published specifications are not here")
    return SPECS


def _schemas(name: str) -> dict[str, Any]:
    data = json.loads((SPECS / "mpesakit-schemas" / f"{name}.json").read_text())
    assert isinstance(data, dict)
    return data


JSON_SCHEMAS = {
    "wallet": ("b2c", "B2CRequest"),
    "till": ("business_buy_goods", "BusinessBuyGoodsRequest"),
    "paybill": ("business_paybill", "BusinessPayBillRequest"),
    "status": ("transaction_status", "TransactionStatusRequest"),
    "status by receipt": ("transaction_status", "TransactionStatusRequest"),
    "balance": ("account_balance", "AccountBalanceRequest"),
    "reversal": ("reversal", "ReversalRequest"),
}


@pytest.mark.parametrize("what", GOLDEN)
def test_each_request_is_valid_against_its_json_schema(what: str) -> None:
    file, schema = JSON_SCHEMAS[what]
    _, body = GOLDEN[what]
    jsonschema.validate(body | {"SecurityCredential": "c2VjcmV0"}, _schemas(file)[schema])


@pytest.mark.parametrize("what", GOLDEN)
def test_each_request_is_an_operation_of_the_derived_openapi(what: str) -> None:
    document = yaml.safe_load((SPECS / "daraja.derived.yml").read_text())
    path, body = GOLDEN[what]
    operation = document["paths"][path]["post"]
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schema = document["components"]["schemas"][name]
    # That document says text of every number but the amount, where Safaricom's page says numeric.
    texts = {
        field: str(value) if schema["properties"].get(field, {}).get("type") == "string" else value
        for field, value in body.items()
    } | {"SecurityCredential": "c2VjcmV0"}
    jsonschema.validate(texts, schema)
    assert set(texts) - set(schema["properties"]) <= {"Occassion", "OriginalConversationID"}


PURPOSES = {
    "b2c": wire.WALLET_RESULT,
    "business_paybill": wire.BUSINESS_RESULT,
    "business_buy_goods": wire.BUSINESS_RESULT,
    "transaction_status": wire.STATUS_BY_OUR_REF,
    "account_balance": wire.BALANCE,
    "reversal": wire.REVERSAL,
}
SAMPLES = [(file, form) for file in PURPOSES for form in ("ResultCallback", "TimeoutCallback")]


def _read(file: str, form: str) -> RailEvent:
    (sample,) = (schema["example"] for name, schema in _schemas(file).items() if name.endswith(form))
    here, _ = context()
    purpose = PURPOSES[file] if form == "ResultCallback" else wire.TIMED_OUT
    return only(rail.read_callback(here, callback(purpose, sample)))


@pytest.mark.parametrize(("file", "form"), SAMPLES)
def test_every_published_callback_is_read(file: str, form: str) -> None:
    event = _read(file, form)
    if form == "TimeoutCallback":  # Whatever code it carries.
        assert (event.kind, event.result.outcome) == (EventKind.TIMED_OUT, Outcome.UNKNOWN)
        return
    expected = {
        "b2c": (EventKind.PAYOUT_RESULT, Outcome.SUCCEEDED, Trust.HINT, 1000_00),
        "business_paybill": (EventKind.PAYOUT_RESULT, Outcome.SUCCEEDED, Trust.HINT, 190_00),
        "business_buy_goods": (EventKind.PAYOUT_RESULT, Outcome.SUCCEEDED, Trust.HINT, 190_00),
        "transaction_status": (EventKind.QUERY_RESULT, Outcome.SUCCEEDED, Trust.VERIFIED, 1000_00),
        "account_balance": (EventKind.BALANCE, Outcome.UNKNOWN, Trust.VERIFIED, None),
        # Code 21 means refused, and the sample describes a reversal that took place.
        "reversal": (EventKind.PAYOUT_RESULT, Outcome.UNKNOWN, Trust.HINT, 100_00),
    }[file]
    result = event.result
    amount = result.amount.amount_minor if result.amount else None
    assert (event.kind, result.outcome, event.trust, amount) == expected


def test_the_published_balances_are_read() -> None:
    found = {
        balance.kind: balance.amount.amount_minor for balance in _read("account_balance", "ResultCallback").balances
    }
    assert found == {
        "Working Account": 700_000_00,
        "Float Account": 0,
        "Utility Account": 228_037_00,
        "Charges Paid Account": -1_540_00,
        "Organization Settlement Account": 0,
    }


def test_every_published_result_code_is_in_a_table_of_ours() -> None:
    published = yaml.safe_load((SPECS / "result-codes.yml").read_text())["decline_codes"]
    prompt, results = rail.codes()["prompt"].entries, rail.codes()["callback"].entries
    assert published
    for row in published:
        entry = prompt[str(row["code"])]
        assert (entry.outcome is Outcome.SUCCEEDED) == (row["code"] == 0)
    assert {"0", "1", "17", "1001", "2001"} <= set(results)


def test_every_published_acknowledgement_is_read() -> None:
    for file in PURPOSES:
        for name, schema in _schemas(file).items():
            if name.endswith("Response") and "ConversationID" in schema.get("example", {}):
                told = answers.read_acknowledgement(makers.reply(200, schema["example"]))
                assert told.entry.outcome is Outcome.PENDING, name
                assert told.conversation_id == schema["example"]["ConversationID"]
