"""Files out: the report of the check, the result, and the bank's own answer."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from omniroute.infra.postgres import Database
from omniroute.kit.refusal import Refusal
from omniroute.kit.xml import Element, read_xml
from omniroute.money import batches
from omniroute.money.batches import Batch, BatchFormat, BatchState, Defaults, OnInvalid
from tests.money.batches.batching import Sender, account, sender, table
from tests.money.batches.pain import credit, pain
from tests.money.payments import house as houses

SCHEMAS = Path(__file__).parents[3].parent / "shared" / "specs" / "iso20022" / "xsd"


@pytest.fixture
async def shop(app_db: Database, worker_db: Database, owner_db: Database) -> Sender:
    async with owner_db.tx() as tx:
        await tx.connection.execute("TRUNCATE payment_batch, payment_batch_line, payment_batch_approval")
    return sender(await houses.build(app_db, worker_db, owner_db))


def othr(number: int) -> str:
    return f"<Othr><Id>{account(number)}</Id></Othr>"


async def written(shop: Sender, make: Any, batch: Batch, **given: Any) -> bytes:
    """A file, whole."""
    async with shop.house.db.tx(shop.house.tenant_id) as tx:
        found = await batches.find_batch(tx, batch.batch_id, now=shop.clock.now())
        return b"".join([piece async for piece in make(tx, found, **given)])


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


async def test_the_report_has_a_line_for_each_payment(shop: Sender) -> None:
    content = table(1) + b"\n=SUM(A1),5.00,123,058,\n"
    batch = await shop.checked(content)
    report = rows(await written(shop, batches.report_csv, batch))
    assert [(row["line"], row["outcome"], row["code"]) for row in report] == [
        ("1", "valid", ""),
        ("2", "invalid", "institutions.malformed_payee"),
    ]
    assert report[0] | {"rail": ""} == {
        "line": "1", "reference": "R1", "amount": "50.00", "currency": "NGN", "payee": account(1), "outcome": "valid",
        "code": "", "field": "", "detail": "", "rail": "", "fee": "0.00",
    }  # fmt: skip
    assert report[1]["reference"] == "'=SUM(A1)"  # No formula for the spreadsheet that opens it.


async def test_the_result_has_a_line_for_each_payment(shop: Sender) -> None:
    batch = await shop.checked(table(2) + b"\nbad,1.00,0000000000,058,\n")
    await shop.do("submit", batch, actor="usr_maker", on_invalid=OnInvalid.SKIP_LINES)
    await shop.do("approve", batch, actor="usr_checker", comment=None)
    batch = await shop.finished(batch)
    result = rows(await written(shop, batches.result_csv, batch))
    assert [(row["status"], row["reason"]) for row in result] == [
        ("CONFIRMED", ""),
        ("CONFIRMED", ""),
        ("INVALID", "institutions.wrong_check_digit"),
    ]
    assert result[0]["payment_id"].startswith("pay_")


def texts(root: Element, name: str) -> list[str]:
    """What stands in every element of this name, in order."""
    found = [root.text] if root.name == name else []
    return found + [text for child in root.children for text in texts(child, name)]


@pytest.mark.parametrize(("version", "answer"), [("03", "03"), ("09", "10"), ("10", "11")])
async def test_a_pain_001_is_answered_in_kind(shop: Sender, version: str, answer: str) -> None:
    content = pain(
        credit("E1", "10.00", account=othr(1)),
        credit("E2", "5", account="<Othr><Id>0000000000</Id></Othr>"),
        version=version,
    )
    batch = await shop.checked(content, BatchFormat.PAIN_001, defaults=Defaults())
    await shop.do("submit", batch, actor="usr_maker", on_invalid=OnInvalid.SKIP_LINES)
    await shop.do("approve", batch, actor="usr_checker", comment=None)
    batch = await shop.finished(batch)
    assert batch.state is BatchState.COMPLETED
    report = await written(shop, batches.pain_002, batch, now=shop.clock.now())
    root = read_xml(report)
    assert root.namespace == f"urn:iso:std:iso:20022:tech:xsd:pain.002.001.{answer}"
    assert texts(root, "OrgnlMsgId") == ["MSG-1"]
    assert texts(root, "GrpSts") == ["PART"]
    assert texts(root, "OrgnlPmtInfId") == ["P1"]
    assert texts(root, "OrgnlEndToEndId") == ["E1", "E2"]
    assert texts(root, "TxSts") == ["ACSC", "RJCT"]
    assert texts(root, "Prtry") == ["institutions.wrong_check_digit"]
    check(report, f"pain.002.001.{answer}.xsd")
    check(content, f"pain.001.001.{version}.xsd")


def check(content: bytes, schema: str) -> None:
    """Against the schema of ISO 20022, where it is at hand."""
    if not (SCHEMAS / schema).exists():
        assert not os.environ.get("CI"), f"{schema} is missing"
        return
    xmlschema = pytest.importorskip("xmlschema")
    xmlschema.XMLSchema(str(SCHEMAS / schema)).validate(content.decode())


async def test_only_a_pain_001_is_answered_so(shop: Sender) -> None:
    batch = await shop.checked(table(1))
    with pytest.raises(Refusal, match="format_not_offered"):
        await written(shop, batches.pain_002, batch, now=shop.clock.now())


async def test_json_lines_come_through(shop: Sender) -> None:
    line = {"amount": "1.00", "account_number": account(1), "institution": "058", "metadata": {"week": 7}}
    batch = await shop.finished(await shop.started(json.dumps(line).encode(), BatchFormat.JSON_LINES))
    assert batch.successful_count == 1
    (row,) = await shop.rows("SELECT metadata, reference FROM payment")
    assert (row.metadata, row.reference) == ({"week": 7}, f"{batch.reference}-000001")
