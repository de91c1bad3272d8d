"""What our connectors use of each provider's interface, and what each of it was held against.

The tables of docs/modules/connectors.md are what ran here: every operation of every connector goes over the wire to the
sandbox, each request is held against the provider's own description where one is published, and every official sample
is read. `OMNIROUTE_WRITE_DOCS=1` writes them anew.
"""

import dataclasses
import functools
import json
import os
import re
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema  # type: ignore[import-untyped]
import xmlschema

from omniroute.connectors.monnify import Monnify
from omniroute.connectors.mpesa import MpesaConnector, answers
from omniroute.connectors.mtn_momo import MtnMomo
from omniroute.connectors.neft import NeftConnector
from omniroute.connectors.nip.wire import OPERATIONS, build_message, parse_message, unwrap_request
from omniroute.connectors.rtgs import RtgsConnector
from omniroute.infra.http import Reply, Request
from omniroute.kit.money import Money
from omniroute.ports.rails import (
    AccountWanted,
    Callback,
    Credentials,
    FileConnector,
    NotSent,
    Outcome,
    Party,
    PartyKind,
    Payout,
    RailAnswerUnreadable,
    RailUnable,
    Trust,
)
from omniroute.sandbox.monnify import MonnifySandbox
from tests.connectors.gsma.document import document
from tests.connectors.outside import NOW, ScriptedHttp, make_context, spec
from tests.connectors.test_contract import RAILS, Desk, Rail, at
from tests.sandbox.driving import START, drive

PAGE = Path(__file__).parents[2] / "docs" / "modules" / "connectors.md"
WRITE = "OMNIROUTE_WRITE_DOCS"
NOTHING = "nothing is published"

Judge = Callable[[Request], str]
"""Holds a request against what the provider publishes; answers what that was, for the table."""


class Recorder:
    """Passes on, and remembers."""

    def __init__(self, http: Any) -> None:
        self.http, self.requests = http, list[Request]()

    async def exchange(self, request: Request) -> Reply:
        self.requests.append(request)
        reply: Reply = await self.http.exchange(request)
        return reply


# -- judges -----------------------------------------------------------------------------------------------------------


def _judge_nip(request: Request) -> str:
    table = json.loads(spec("nibss-nip/message-fields.json").read_text())["messages"]
    wire = request.operation.removeprefix("nip.")
    found = [name for name, operation in OPERATIONS.items() if operation == wire]
    if not found:
        return NOTHING
    name, values = parse_message(unwrap_request(request.body, wire).encode())
    assert name in found
    own = [field["name"] for field in table[name]["fields"]]
    needed = {field["name"] for field in table[name]["inherited_fields"] if field["required"]}
    assert [field for field in values if field in own] == own
    assert needed <= set(values)
    return "table of messages 9.4"


_MPESA = {
    "mpesa.b2c": ("b2c", "B2CRequest"),
    "mpesa.status": ("transaction_status", "TransactionStatusRequest"),
    "mpesa.balance": ("account_balance", "AccountBalanceRequest"),
    "mpesa.reversal": ("reversal", "ReversalRequest"),
}
_MPESA_B2B = {
    "BusinessPayBill": ("business_paybill", "BusinessPayBillRequest"),
    "BusinessBuyGoods": ("business_buy_goods", "BusinessBuyGoodsRequest"),
}


def _judge_mpesa(request: Request) -> str:
    if not request.body:
        return NOTHING
    body = json.loads(request.body)
    file, schema = _MPESA.get(request.operation) or _MPESA_B2B[body["CommandID"]]
    schemas = json.loads(spec(f"mpesa/mpesakit-schemas/{file}.json").read_text())
    jsonschema.validate(body, schemas[schema])
    return f"JSON schema `{schema}`"


def _judge_mtn(request: Request) -> str:
    if request.operation != "mtn_momo.transfer":
        return NOTHING
    (sample,) = json.loads(spec("mtn-momo/js-sdk-samples/disbursements-transfer.json").read_text())
    ours, theirs = json.loads(request.body), sample["body"]["data"]
    assert _shape(ours) == _shape(theirs)
    return "sample of MTN's SDK, field by field"


def _judge_airtel(request: Request) -> str:
    path = "/" + urlsplit(request.url).path.partition("/")[2].partition("/")[2]
    for listed in _airtel_collection():
        pattern = re.sub(r":\w+", "[^/]+", listed["path"]).rstrip("/") + "/?"
        if listed["method"] == request.method and re.fullmatch(pattern, path.replace("disbursements/", "payments/")):
            names = {header["key"].lower() for header in listed.get("header", [])}
            assert names <= {name.lower() for name in request.headers}
            return "Postman collection, path and headers"
        if listed["method"] == request.method and re.fullmatch(pattern, path):
            raw = json.loads(listed["body"]["raw"])
            assert _shape(raw) <= _shape(json.loads(request.body))
            return "Postman collection, field by field"
    raise AssertionError(f"the collection has no {request.method} {path}")


@functools.cache
def _airtel_collection() -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []

    def walk(items: Any) -> None:
        for item in items:
            walk(item.get("item", []))
            if "request" in item:
                url = item["request"]["url"]
                raw = url["raw"] if isinstance(url, dict) else url
                listed.append({**item["request"], "path": raw.removeprefix("{{base_uri}}")})

    walk(json.loads(spec("airtel-money/airtel_money.postman_collection.json").read_text())["item"])
    return listed


def _shape(body: Any, at: str = "") -> set[str]:
    if not isinstance(body, dict):
        return {f"{at}:{'number' if isinstance(body, int) else 'text'}"}
    return set().union(*(_shape(value, f"{at}/{key}") for key, value in body.items()))


def _judge_gsma(request: Request) -> str:
    address = urlsplit(request.url)
    document().check_request(request, f"{address.scheme}://{address.netloc}/gsma/v1.2/mm")
    return "OpenAPI 1.2.0"


def _judge_monnify(request: Request) -> str:
    if request.operation != "monnify.open_account":
        return NOTHING
    fields = json.loads(spec("monnify/request-fields.json").read_text())["requests"]["reservedAccountSchema"]
    body = json.loads(request.body)
    assert set(body) <= set(fields)
    for name, value in body.items():
        assert not isinstance(value, str) or len(value) >= fields[name].get("min", 0)
    return "field table of Monnify's own library"


def _judge_nothing(_: Request) -> str:
    return NOTHING


JUDGES: Mapping[str, Judge] = {
    "nip": _judge_nip, "nip_rest": _judge_nothing, "mpesa": _judge_mpesa, "mtn_momo": _judge_mtn,
    "airtel": _judge_airtel, "gsma": _judge_gsma, "monnify": _judge_monnify,
}  # fmt: skip


# -- what ran ---------------------------------------------------------------------------------------------------------


async def _use_all(rail: Rail, desk: Desk) -> list[Request]:
    """Everything the connector can do, once; what it sent."""
    connector, recorder = rail.connector, Recorder(desk.driven.context.http)
    desk.driven.context = dataclasses.replace(desk.driven.context, http=recorder)
    context = desk.driven.context
    payees = [rail.payee]
    if rail.connector.rail == "mpesa":
        payees += [Party(PartyKind.PAYBILL, "600000", account="INV-7"), Party(PartyKind.TILL, "600000")]
    for payee in payees:
        payout = dataclasses.replace(await desk.order(), payee=payee)
        sent = await connector.submit(context, payout)
        await desk.driven.pass_time(minutes=2)
        asked = await connector.query(context, payout, sent.provider_ref)
        proof = asked.provider_ref or sent.provider_ref or "none"
        ours = connector.build_reference(context.credentials.public, uuid.uuid4(), desk.driven.clock.at)
        receipt = "QKJ41HAY6O" if connector.rail == "mpesa" else proof
        for doing in (
            connector.reverse(context, payout, receipt, ours),
            connector.resolve_party(context, payee, our_ref=ours),
            connector.fetch_balances(context),
            connector.fetch_statement(context, desk.driven.clock.at.date(), None),
            connector.list_institutions(context),
        ):
            try:
                await doing
            except (RailUnable, NotSent):
                continue
    return recorder.requests


async def _use_issuer() -> list[Request]:
    """Everything that lends account numbers can do, once; what it sent."""
    issuer = Monnify()
    async with drive(issuer, MonnifySandbox) as driven:
        recorder = Recorder(driven.context.http)
        context = dataclasses.replace(driven.context, http=recorder)
        wanted = AccountWanted("VAC-1", "Mama Nkechi Stores", "NGN", "Nkechi Obi", "nkechi@stores.example")
        await issuer.open_account(context, wanted)
        await issuer.find_account(context, wanted.our_ref)
        await issuer.find_credit(context, "MNFY|04|20260302090000|000001")
        await issuer.fetch_credits(context, START, None)
        await issuer.fetch_statement(context, START.date(), None)
        await issuer.fetch_balances(context)
        await issuer.close_account(context, wanted.our_ref)
    return recorder.requests


_NAMES = re.compile(
    r"/(?:MNFY%7C[^/]+|VAC-1|[0-9A-Fa-f-]{24,}|\+?[0-9]{9,}|%2B[0-9]+|[A-Z0-9]{10}|\d{4}-\d\d-\d\d(?:\.csv)?)(?=/|$)"
)


def _path(request: Request, rail: str) -> str:
    path = urlsplit(request.url).path.removeprefix(f"/{rail}")
    return f"`{request.method} {_NAMES.sub('/…', path)}`"


async def _operations(rail: Rail) -> list[dict[str, str]]:
    async with at(rail) as desk:
        return _rows(rail.connector.rail, await _use_all(rail, desk))


def _rows(rail: str, requests: list[Request]) -> list[dict[str, str]]:
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for request in requests:
        name = request.operation.partition(".")[2]
        held = NOTHING if name == "token" and rail != "airtel" else JUDGES[rail](request)
        row = {"rail": rail, "operation": name, "sent to": _path(request, rail)}
        rows.setdefault((name, held), {**row, "held against": held})
    return [rows[key] for key in sorted(rows)]


def _files(rail: FileConnector, message: str) -> dict[str, str]:
    """A file of orders, valid by the schema of ISO 20022."""
    public = {
        "debtor_name": "Acme Foods", "account": "3333002345", "bank": "058", "member_code": "058", "party_id": "ACME",
        "bic": "GTBINGLA",
    }  # fmt: skip
    credentials = Credentials(uuid.UUID(int=1), uuid.UUID(int=2), "", public, {})
    payee = Party(PartyKind.BANK_ACCOUNT, "2222002345", "000013", "Adaeze Okafor", "NG")
    amount = Money(5_000_00 if rail.orders_max > 1 else 12_000_000_00, "NGN")
    orders = [
        Payout(
            rail.build_reference(public, uuid.UUID(int=number), NOW), amount, payee, "Rent", purpose, f"P{number}", NOW
        )
        for number, purpose in enumerate(("SUPPLIER_PAYMENT", "WORKER_PAYOUT")[: rail.orders_max])
    ]
    written = rail.build_file(credentials, orders, now=NOW, file_id=uuid.UUID(int=9))
    xmlschema.XMLSchema(str(spec(f"iso20022/xsd/{message}.xsd"))).validate(written.content.decode())
    return {"rail": rail.rail, "operation": "bulk_file", "sent to": "a file", "held against": f"XSD `{message}`"}


# -- samples ----------------------------------------------------------------------------------------------------------


def _samples_nip() -> int:
    read = 0
    for path in sorted(spec("nibss-nip").glob("*.xml")):
        name, values = parse_message(path.read_bytes())
        assert build_message(name, values) == path.read_bytes()
        read += 1
    return read


def _samples_mpesa() -> tuple[int, int]:
    rail, context = MpesaConnector(), _context()
    purposes = {"b2c": "r", "transaction_status": "v"}
    calls = taken = 0
    for path in sorted(spec("mpesa/mpesakit-schemas").glob("*.json")):
        for name, schema in json.loads(path.read_text()).items():
            example = schema.get("example")
            if not isinstance(example, dict):
                continue
            if "Result" in example:
                purpose = purposes.get(path.stem, "m")
                for authentic in (True, False):
                    callback = Callback(json.dumps(example).encode(), {}, purpose, "our-ref", authentic, NOW)
                    assert rail.read_callback(context, callback), name
                calls += 1
            elif name.endswith("Response") and "ConversationID" in example:
                reply = Reply(200, {"content-type": "application/json"}, json.dumps(example).encode())
                assert answers.read_acknowledgement(reply).entry.outcome is Outcome.PENDING
                taken += 1
    return calls, taken


def _samples_mtn() -> int:
    rail, context, read = MtnMomo(), _context(), 0
    for folder in ("mocks", "js-sdk-samples"):
        for path in sorted(spec(f"mtn-momo/{folder}").glob("*.json")):
            data = json.loads(path.read_text())
            for body in [entry["body"] for entry in data] if isinstance(data, list) else [data]:
                call = Callback(json.dumps(body).encode(), {}, "payout", "our-ref", True, NOW)
                (event,) = rail.read_callback(context, call)
                paid = isinstance(body, dict) and "payee" in body and body.get("status") == "SUCCESSFUL"
                assert (event.result.outcome is Outcome.SUCCEEDED) == paid
                read += 1
    return read


def _samples_monnify() -> int:
    rail, context, read = Monnify(), _context(), 0
    published = json.loads(spec("monnify/webhooks.json").read_text())
    empty = [{"eventType": event, "eventData": {"reference": "x"}} for event in published["events"]]
    for body in (published["sample_SUCCESSFUL_TRANSACTION"], *empty):
        call = Callback(json.dumps(body).encode(), {}, "portal", "portal", True, NOW)
        (event,) = rail.read_callback(context, call)
        assert (event.trust, event.credit) == (Trust.REJECTED, None)  # Nobody signed them.
        read += 1
    return read


def _samples_iso() -> tuple[int, int]:
    """Answers and statements, read; orders of others are none of ours and are refused as such."""
    rail, read, refused = NeftConnector(), 0, 0
    for path in sorted(spec("iso20022/samples").rglob("*.xml")):
        try:
            rail.read_file({"account": "3333002345"}, path.read_bytes())
            read += 1
        except RailAnswerUnreadable:
            refused += 1
    return read, refused


def _context() -> Any:
    return make_context(ScriptedHttp({}), "https://rail.example.com", {}, {})


def _samples() -> list[dict[str, str]]:
    calls, taken = _samples_mpesa()
    statements, orders = _samples_iso()
    rows = [
        ("nip", "requests of the specification, read and written back to the byte", _samples_nip()),
        ("mpesa", "results and time-outs that come by callback", calls),
        ("mpesa", "acknowledgements of requests", taken),
        ("mtn_momo", "replies and callbacks of MTN's SDKs and their tests", _samples_mtn()),
        ("monnify", "notifications, the one sample and an empty one of each event", _samples_monnify()),
        ("neft, rtgs", "status reports and statements of banks", statements),
        ("neft, rtgs", "messages of other kinds, refused as such", orders),
    ]
    return [{"rail": rail, "samples": what, "read": str(count)} for rail, what, count in rows]


# -- the page ---------------------------------------------------------------------------------------------------------


def _table(rows: list[dict[str, str]]) -> str:
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return "\n".join(lines + ["| " + " | ".join(row[name] for name in names) + " |" for row in rows])


async def test_the_page_says_what_was_used_checked_and_read() -> None:
    rows = [row for rail in RAILS for row in await _operations(rail)] + _rows("monnify", await _use_issuer())
    rows += [_files(NeftConnector(), "pain.001.001.09"), _files(RtgsConnector(), "pacs.008.001.08")]
    kinds = Counter(row["rail"] for row in rows)
    assert set(kinds) == {*JUDGES, "neft", "rtgs"}
    orders = {row["rail"]: row["held against"] for row in rows if row["rail"] not in ("nip_rest", "neft", "rtgs")}
    assert set(orders) == {"nip", "mpesa", "mtn_momo", "airtel", "gsma", "monnify"}
    text = PAGE.read_text()
    for name, table in (("operations", _table(rows)), ("samples", _table(_samples()))):
        begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        shown, _, after = rest.partition(end)
        if os.environ.get(WRITE):
            text = before + begin + table + end + after
        else:
            assert shown == table, f"docs/modules/connectors.md is not what ran; write it anew with {WRITE}=1"
    if os.environ.get(WRITE):
        PAGE.write_text(text)
