"""What Daraja says: acknowledgements of requests, and the results that come by callback. No I/O.

Read leniently, believed strictly: a field may be missing, null, a number or a string; but only a final result with a
code of the table, an amount and a receipt counts as paid.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from importlib.resources import files
from typing import Any

import msgspec

from omniroute.connectors.mpesa import wire
from omniroute.infra.http import Reply
from omniroute.kit.money import Money
from omniroute.ports.rails import Answer, CodeClass, CodeEntry, CodeTable, Outcome, RailAnswerUnreadable, Result

PHASES = ("submit", "callback", "query", "lookup", "reversal", "prompt")

_CODES = files("omniroute.connectors.mpesa").joinpath("codes.json").read_bytes()
TABLES: Mapping[str, CodeTable] = {phase: CodeTable.parse(_CODES, phase) for phase in PHASES}

_json = msgspec.json.Decoder(float_hook=Decimal)

_PARTIES = frozenset({"ReceiverPartyPublicName", "CreditPartyName", "CreditPartyPublicName"})
_KEPT = frozenset(
    {
        "Amount",
        "TransactionAmount",
        "TransactionReceipt",
        "ReceiptNo",
        "TransactionStatus",
        "ReasonType",
        "TransactionReason",
        "ConversationID",
        "OriginatorConversationID",
        "OriginalTransactionID",
        "FinalisedTime",
        "InitiatedTime",
        "TransCompletedTime",
        "TransactionCompletedDateTime",
        "DebitPartyCharges",
        "B2CRecipientIsRegisteredCustomer",
    }
)


@dataclass(frozen=True, slots=True)
class Told:
    """A result as it came, unpacked. `parameters` by name; a name that came with two values has none."""

    final: bool
    code: str | None
    description: str | None
    conversation_id: str | None
    originator_id: str | None
    transaction_id: str | None
    parameters: Mapping[str, object] = field(default_factory=dict)

    def first(self, *names: str) -> object:
        """The first of these parameters that is there."""
        return next((self.parameters[name] for name in names if self.parameters.get(name) is not None), None)

    def answer(self, entry: CodeEntry) -> Answer:
        """The rail's words for people: whitelisted fields, names cut."""
        kept: dict[str, Any] = {
            name: str(value) if isinstance(value, Decimal) else wire.read_text(value)
            for name, value in self.parameters.items()
            if name in _KEPT and value is not None
        }
        kept |= {
            name: wire.cut_names(wire.read_text(value) or "")
            for name, value in self.parameters.items()
            if name in _PARTIES and isinstance(value, str)
        }
        ids = {
            "ConversationID": self.conversation_id,
            "OriginatorConversationID": self.originator_id,
            "TransactionID": self.transaction_id,
        }
        raw = {"ResultCode": self.code, **ids, "ResultParameters": kept}
        return Answer(code=entry.code or self.code, message=self.description, raw=raw)


def read_json(body: bytes) -> object:
    """JSON, with decimals kept exact. Raises: RailAnswerUnreadable."""
    try:
        return _json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ArithmeticError) as error:
        raise RailAnswerUnreadable("Daraja sent something that is not JSON") from error


def read_result(body: bytes) -> Told:
    """A result callback. Raises: RailAnswerUnreadable when it has no Result."""
    data = read_json(body)
    result = data.get("Result") if isinstance(data, dict) else None
    if not isinstance(result, dict):
        raise RailAnswerUnreadable("a callback without Result")
    return Told(
        final=wire.read_text(result.get("ResultType")) == "0",
        code=wire.read_text(result.get("ResultCode")),
        description=wire.read_text(result.get("ResultDesc")),
        conversation_id=wire.read_text(result.get("ConversationID")),
        originator_id=wire.read_text(result.get("OriginatorConversationID")),
        transaction_id=wire.read_text(result.get("TransactionID")),
        # The nesting differs between pages of Safaricom's, and clients met all three forms.
        parameters=_parameters(result.get("ResultParameters", result.get("ResultParameter"))),
    )


def _parameters(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        value = value.get("ResultParameter", value.get("ResultParameters"))
    if isinstance(value, dict):  # A single one is not always wrapped in a list.
        value = [value]
    read: dict[str, object] = {}
    for item in value if isinstance(value, list) else ():
        name = item.get("Key") if isinstance(item, dict) else None
        if not isinstance(name, str):
            continue
        name = name.replace(" ", "")  # "Originator Conversation ID" and "OriginatorConversationID" both occur.
        given = item.get("Value")
        read[name] = given if read.get(name, given) == given else None
    return read


# -- acknowledgements -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What Daraja answered to a request."""

    entry: CodeEntry
    message: str | None
    conversation_id: str | None
    originator_id: str | None
    request_id: str | None
    status: int

    @property
    def answer(self) -> Answer:
        """The rail's words for people."""
        raw = {
            "status": self.status,
            "code": self.entry.code,
            "ConversationID": self.conversation_id,
            "OriginatorConversationID": self.originator_id,
            "requestId": self.request_id,
        }
        return Answer(code=self.entry.code or None, message=self.message, raw=raw)


def read_acknowledgement(reply: Reply) -> Acknowledged:
    """What a reply to a request means; unreadable is unknown, not an error."""
    try:
        data = read_json(reply.body)
    except RailAnswerUnreadable:
        data = None
    fields = data if isinstance(data, dict) else {}
    code, message = wire.read_text(fields.get("errorCode")), wire.read_text(fields.get("errorMessage"))
    if "errorCode" not in fields and reply.status == 200:
        code, message = wire.read_text(fields.get("ResponseCode")), wire.read_text(fields.get("ResponseDescription"))
        believed = code is not None and code.isdigit()
    else:
        believed = code is not None and "ResponseCode" not in fields and _fits(code, reply.status)
    if code == "500.002.1001" and "duplicate" in (message or "").lower():
        code = "500.002.1001/duplicate"
    return Acknowledged(
        entry=_weigh(TABLES["submit"].find(code), reply.status) if believed else _unlisted(code),
        message=message,
        conversation_id=wire.read_text(fields.get("ConversationID")),
        originator_id=wire.read_text(fields.get("OriginatorConversationID")),
        request_id=wire.read_text(fields.get("requestId")),
        status=reply.status,
    )


def _fits(code: str, status: int) -> bool:
    """A code of the gateway is its HTTP status and more; where they differ, something in between answered."""
    return 400 <= status < 500 if code.startswith("4") else status >= 429 and "." in code


def _weigh(entry: CodeEntry, status: int) -> CodeEntry:
    """A server that failed has proven nothing, whatever code it names; only a refusal (4xx) is one."""
    refused = entry.outcome in (Outcome.NOT_SENT, Outcome.DECLINED)
    return _unlisted(entry.code) if refused and status >= 500 else entry


def _unlisted(code: str | None) -> CodeEntry:
    return replace(TABLES["submit"].find(None), code=code or "")


# -- results --------------------------------------------------------------------------------------------------


def payout_result(told: Told, *, ours: bool, our_ref: str) -> Result:
    """The result of an order. `ours`: the order carried our reference, so Daraja echoes it; else the address tells."""
    entry = TABLES["callback"].find(told.code)
    amount = wire.read_amount(told.first("TransactionAmount", "Amount"))
    receipt = _receipt(told, "TransactionReceipt", "ReceiptNo")
    outcome = _believe(told, entry.outcome, amount, receipt)
    return Result(
        outcome=outcome,
        answer=told.answer(entry),
        provider_ref=told.conversation_id if ours else (receipt or told.originator_id),
        receipt=receipt,
        our_ref=told.originator_id if ours else our_ref,
        amount=amount,
        payee_identifier=wire.read_party(told.first("ReceiverPartyPublicName")),
        fee=wire.read_charges(told.first("DebitPartyCharges")),
        finalised_at=wire.read_time(told.first("TransactionCompletedDateTime", "TransCompletedTime")),
    )


def _believe(told: Told, outcome: Outcome, amount: Money | None, receipt: str | None) -> Outcome:
    if not told.final:
        return Outcome.UNKNOWN
    if outcome is Outcome.SUCCEEDED and (amount is None or receipt is None):
        return Outcome.UNKNOWN
    if outcome is Outcome.DECLINED and told.first("TransactionReceipt") is not None:
        return Outcome.UNKNOWN  # Refused, with the receipt of a payment: it contradicts itself.
    return outcome


def _receipt(told: Told, *names: str) -> str | None:
    found = told.first(*names) or told.transaction_id
    return found if isinstance(found, str) and wire.is_receipt(found) else None


def status_result(told: Told, *, ours: bool, our_ref: str) -> Result:
    """The answer to a question about an order.

    The outer code says how the question went; only when that went well the parameters say what became of the order.
    """
    if told.code != "0" or not told.final:
        entry = TABLES["lookup"].find(told.code)
        outcome = entry.outcome if told.final else Outcome.UNKNOWN
        return Result(outcome=outcome, answer=told.answer(entry), our_ref=our_ref)
    status = told.first("TransactionStatus", "Status")
    entry = TABLES["query"].find(status if isinstance(status, str) else None)
    amount = wire.read_amount(told.first("Amount", "TransactionAmount"))
    named = told.first("ReceiptNo", "TransactionReceipt")
    receipt = named if isinstance(named, str) and wire.is_receipt(named) else None
    paid = entry.outcome is Outcome.SUCCEEDED
    echoed = wire.read_text(told.first("OriginatorConversationID"))
    return Result(
        outcome=Outcome.UNKNOWN if paid and (amount is None or receipt is None) else entry.outcome,
        answer=told.answer(entry),
        provider_ref=wire.read_text(told.first("ConversationID")) if ours else (receipt or echoed),
        receipt=receipt,
        our_ref=(echoed or our_ref) if ours else our_ref,
        amount=amount,
        payee_identifier=wire.read_party(told.first("CreditPartyName")),
        fee=wire.read_charges(told.first("DebitPartyCharges")),
        finalised_at=wire.read_time(told.first("FinalisedTime")),
    )


def reversal_result(told: Told, our_ref: str) -> Result:
    """What became of a request to take money back."""
    entry = TABLES["reversal"].find(told.code)
    amount = wire.read_amount(told.first("Amount"))
    contradicts = entry.outcome is Outcome.DECLINED and amount is not None  # A sample of Safaricom's: code 21, done.
    return Result(
        outcome=entry.outcome if told.final and not contradicts else Outcome.UNKNOWN,
        answer=told.answer(entry),
        provider_ref=wire.read_text(told.first("OriginalTransactionID")),
        receipt=_receipt(told),
        our_ref=our_ref,
        amount=amount,
        finalised_at=wire.read_time(told.first("TransCompletedTime")),
    )


def read_balances(told: Told) -> dict[str, Money]:
    """What our accounts at M-Pesa may spend, by M-Pesa's name of each.

    "Working Account|KES|700000.00|700000.00|0.00|0.00&Utility Account|KES|...": name, currency, balance, available,
    uncleared, reserved. Accounts that cannot be read are left out.
    """
    text = told.first("AccountBalance")
    balances: dict[str, Money] = {}
    for account in text.split("&") if told.code == "0" and told.final and isinstance(text, str) else ():
        pieces = account.split("|")
        available = wire.read_signed_amount(pieces[3]) if len(pieces) >= 4 and pieces[1] == "KES" else None
        if available is not None:
            balances[pieces[0]] = available
    return balances


def event_key(purpose: str, ref: str, body: bytes) -> str:
    """A key that a repeat shares. Daraja numbers no callbacks; a repeat has the same content."""
    try:
        content = msgspec.json.encode(_json.decode(body), order="deterministic")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ArithmeticError):
        content = body
    return hashlib.sha256(f"{purpose}:{ref}:".encode() + content).hexdigest()


UNREAD = CodeEntry("", Outcome.UNKNOWN, CodeClass.UNKNOWN, "", "")
