"""The bytes of the GSMA Mobile Money API 1.2: what we write, and what its answers mean."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from omniroute.connectors.replies import amount, amount_text, identifier, instant, masked, message, part, text
from omniroute.kit.currency import EXPONENTS
from omniroute.ports.rails import Answer, CodeTable, Outcome, PartyKind, Payout, Result, StatementLine

CURRENCIES = frozenset(EXPONENTS) - {"MRU", "SLE", "STN", "VED", "VES", "XCG", "ZWG"}
"""The document of version 1.2 is older than these seven."""

MAJOR_DIGITS_MAX = 18
DESCRIPTION_MAX = 160
REFUSALS = frozenset({"businessRule", "validation", "authorisation", "identification"})
"""Categories of errors that say no; `internal` and `serviceUnavailable` say nothing."""

PARTY_KEYS = {PartyKind.MSISDN: "msisdn", PartyKind.WALLET: "walletid"}
OUR_REFERENCE = "ourReference"
"""Where statements repeat our reference: they have no field of their own for it."""

LINKED = ("transactions", "requeststates")
"""What `/responses` may lead to."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What the operator says of its own service. `delay_ms`: how late it expects to be."""

    status: str
    delay_ms: int | None = None
    restored_at: datetime | None = None

    @property
    def is_available(self) -> bool:
        """Whether it takes orders as usual."""
        return self.status == "available"


def payee_value(payout: Payout) -> dict[str, str]:
    """The payee as the API names parties; mobile numbers with a plus."""
    key = PARTY_KEYS[payout.payee.kind]
    return {"key": key, "value": f"+{payout.payee.identifier}" if key == "msisdn" else payout.payee.identifier}


def transaction_body(payout: Payout, account_type: str, account: str, created_at: datetime) -> bytes:
    """The order: from our account to the payee."""
    body = {
        "amount": amount_text(payout.amount),
        "currency": payout.amount.currency,
        "debitParty": [{"key": account_type, "value": account}],
        "creditParty": [payee_value(payout)],
        "requestingOrganisationTransactionReference": payout.our_ref,
        "requestDate": created_at.isoformat(),
        "descriptionText": (text(payout.narration) or payout.payment_reference)[:DESCRIPTION_MAX],
        "customData": [{"key": OUR_REFERENCE, "value": payout.our_ref}],
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def reversal_body(payout: Payout, our_ref: str, now: datetime) -> bytes:
    """A request to take the whole payment back."""
    body = {
        "type": "reversal",
        "amount": amount_text(payout.amount),
        "currency": payout.amount.currency,
        "requestingOrganisationTransactionReference": our_ref,
        "requestDate": now.isoformat(),
    }
    return json.dumps(body, separators=(",", ":")).encode()


def read_submit(status: int, data: Mapping[str, Any], table: CodeTable, states: CodeTable) -> Result:
    """What the answer to an order means: 202 a request that runs, 201 a transaction, 400, 401 and 404 a refusal."""
    if status == 201:
        return read_transaction(data, states)
    if status == 202:
        told = _told_state(data)
        outcome = table.find(text(data.get("status"))).outcome
        if outcome is Outcome.PENDING and told.provider_ref is not None:
            return replace(told, outcome=outcome)
        return read_state(data, states) if outcome is Outcome.DECLINED else told
    return read_refusal(status, data, table)


def read_refusal(status: int, data: Mapping[str, Any], table: CodeTable) -> Result:
    """An error in answer to an order. It counts with a code of the table, in a category that says no."""
    code = text(data.get("errorCode"))
    category = text(data.get("errorCategory"))
    outcome = table.find(code).outcome if status in (400, 401, 404) and category in REFUSALS else Outcome.UNKNOWN
    if outcome not in (Outcome.DECLINED, Outcome.NOT_SENT):
        outcome = Outcome.UNKNOWN
    raw = {"http_status": status, "errorCategory": message(category), "errorCode": message(code)}
    return Result(outcome, Answer((code or f"HTTP_{status}")[:64], message(data.get("errordescription")), _some(raw)))


def read_state(data: Mapping[str, Any], table: CodeTable) -> Result:
    """Where a request stands. Failed is final, with a reason of the table or none; completed is not yet paid."""
    told = _told_state(data)
    status = text(data.get("status"))
    if status == "pending":
        return replace(told, outcome=Outcome.PENDING)
    if status != "failed":
        return told
    error = data.get("error")
    code = text(part(data, "error").get("errorCode")) if error is not None else status
    declined = table.find(code).outcome is Outcome.DECLINED
    words = message(part(data, "error").get("errordescription"))
    answer = Answer((code or "failed")[:64], words, told.answer.raw)
    return replace(told, outcome=Outcome.DECLINED if declined else Outcome.UNKNOWN, answer=answer)


def read_transaction(data: Mapping[str, Any], table: CodeTable) -> Result:
    """What a transaction is. Paid only when amount, payee and the operator's reference are told with it."""
    status = text(data.get("transactionStatus"))
    outcome = table.find(status).outcome
    reference = text(data.get("transactionReference"))
    told = Result(
        Outcome.UNKNOWN,
        Answer(status and status[:64], None, _transaction_raw(data)),
        provider_ref=reference,
        receipt=text(data.get("transactionReceipt")) or reference,
        our_ref=text(data.get("requestingOrganisationTransactionReference")),
        amount=amount(data.get("amount"), data.get("currency")),
        payee_identifier=_party_of(data.get("creditParty")),
        fee=_fee(data),
        finalised_at=instant(data.get("modificationDate")) or instant(data.get("creationDate")),
    )
    if outcome in (Outcome.SUCCEEDED, Outcome.REVERSED):
        whole = None not in (told.provider_ref, told.amount, told.payee_identifier)
        return replace(told, outcome=outcome) if whole else told
    return replace(told, outcome=outcome if outcome in (Outcome.PENDING, Outcome.DECLINED) else Outcome.UNKNOWN)


def read_link(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """What a link leads to: a kind and its id. The address itself is never followed."""
    parts = [unquote(found) for found in urlsplit(text(data.get("link")) or "").path.split("/") if found]
    return (parts[-2], parts[-1]) if len(parts) > 1 and parts[-2] in LINKED else None


def is_missing(status: int, data: Mapping[str, Any]) -> bool:
    """Whether the operator says, in its own words, that it has no such thing. A bare 404 is a wrong address."""
    return status == 404 and text(data.get("errorCategory")) == "identification"


def read_name(data: Mapping[str, Any]) -> str | None:
    """The holder's name."""
    name = part(data, "name")
    parts = [text(name.get(key)) for key in ("firstName", "middleName", "lastName")]
    return text(name.get("fullName")) or " ".join(found for found in parts if found) or None


def read_heartbeat(data: Mapping[str, Any]) -> Heartbeat | None:
    """What the operator says of its service."""
    status, delay = text(data.get("serviceStatus")), identifier(data.get("delay"))
    if status not in ("available", "unavailable", "degraded"):
        return None
    delay_ms = int(delay) if delay is not None and delay.isdecimal() and len(delay) < 16 else None
    return Heartbeat(status, delay_ms, instant(data.get("plannedRestorationTime")))


def read_line(data: Mapping[str, Any], account_type: str, account: str) -> StatementLine | None:
    """One movement on our account; None when the entry cannot be read whole."""
    reference = text(data.get("transactionReference"))
    booked_at = instant(data.get("creationDate")) or instant(data.get("dateCreated"))
    money = amount(data.get("amount"), data.get("currency"))
    ours = (account_type, account.removeprefix("+"))
    credit, debit = (ours in _parties(data.get(side)) for side in ("creditParty", "debitParty"))
    if reference is None or booked_at is None or money is None or credit == debit:
        return None
    custom = {text(item.get("key")): text(item.get("value")) for item in _objects(data.get("customData"))}
    words = message(data.get("descriptionText")) or message(data.get("displayType")) or ""
    return StatementLine(reference, booked_at, money, credit, custom.get(OUR_REFERENCE), reference, words)


def _told_state(data: Mapping[str, Any]) -> Result:
    status = text(data.get("status"))
    raw = {key: message(data.get(key)) for key in ("status", "serverCorrelationId", "objectReference", "pendingReason")}
    answer = Answer(status and status[:64], message(data.get("pendingReason")), _some(raw))
    return Result(Outcome.UNKNOWN, answer, provider_ref=text(data.get("serverCorrelationId")))


def _transaction_raw(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept as evidence: no names, no texts."""
    keys = ("transactionStatus", "transactionReference", "transactionReceipt", "type", "amount", "currency")
    return _some({**{key: message(data.get(key)) for key in keys}, "payee": masked(_party_of(data.get("creditParty")))})


def _fee(data: Mapping[str, Any]) -> Any:
    """What the rail took for it; None when it took nothing, or fees are in another currency."""
    fees = [amount(fee.get("feeAmount"), fee.get("feeCurrency")) for fee in _objects(data.get("fees"))]
    known = [fee for fee in fees if fee is not None and fee.currency == text(data.get("currency"))]
    if not known or len(known) != len(fees):
        return None
    total = known[0]
    for fee in known[1:]:
        total = total + fee
    return total


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _parties(value: object) -> list[tuple[str | None, str | None]]:
    return [(text(item.get("key")), identifier(item.get("value"))) for item in _objects(value)]


def _party_of(value: object) -> str | None:
    """The number of a party: its mobile number if it has one, else its first identifier."""
    parties = _parties(value)
    return next((found for key, found in parties if key == "msisdn"), parties[0][1] if parties else None)


def _some(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if value is not None}
