"""The bytes of Airtel Money: what we write, and what its answers mean."""

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from omniroute.connectors.replies import amount_text, message, part, read_object, text
from omniroute.infra.http import Reply
from omniroute.kit.money import Money
from omniroute.ports.rails import Answer, CodeTable, Outcome, Payout, RailUnable, Result

COUNTRIES: Mapping[str, tuple[str, str]] = {
    "CD": ("243", "CDF"),
    "CG": ("242", "XAF"),
    "GA": ("241", "XAF"),
    "KE": ("254", "KES"),
    "MG": ("261", "MGA"),
    "MW": ("265", "MWK"),
    "NE": ("227", "XOF"),
    "NG": ("234", "NGN"),
    "RW": ("250", "RWF"),
    "SC": ("248", "SCR"),
    "TD": ("235", "XAF"),
    "TZ": ("255", "TZS"),
    "UG": ("256", "UGX"),
    "ZM": ("260", "ZMW"),
}
"""Calling code and currency of each country."""

STATES = frozenset({"TS", "TF", "TA", "TIP", "TI", "TE"})
REFERENCE_MAX = 64

_COUNTRY_OF = {calling: country for country, (calling, _) in COUNTRIES.items()}
_NINE = r"[1-9][0-9]{8}"
_NUMBERS = {
    "CG": "0[0-9]{8}", "GA": "0?[1-9][0-9]{6,7}", "MW": "[1-9][0-9]{6,8}", "NE": "[1-9][0-9]{7}", "NG": "[1-9][0-9]{9}",
    "SC": "[1-9][0-9]{6}", "TD": "[1-9][0-9]{7}",
}  # fmt: skip
"""Numbers without their country's code; in all other countries nine digits. A zero in front is part of the number in
the Congo and Gabon, and a slip everywhere else."""
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_REFUSED = (Outcome.DECLINED, Outcome.NOT_SENT)


def national(msisdn: str) -> tuple[str, str]:
    """Country and number of a mobile number: the rail wants it without the country's code.

    Raises: RailUnable when the country is none of the rail's.
    """
    country, number = _COUNTRY_OF.get(msisdn[:3]), msisdn[3:]
    if country is None or re.fullmatch(_NUMBERS.get(country, _NINE), number) is None:
        raise RailUnable("Airtel Money does not reach this number; write it with country code, without plus")
    return country, number


def wire_amount(money: Money) -> int | Decimal:
    """Major units as the rail's number: whole where they are whole."""
    exact = Decimal(amount_text(money))
    return int(exact) if exact == exact.to_integral_value() else exact


def disbursement_body(payout: Payout, number: str, pin: str, version: str) -> bytes:
    """The order. From version 2 on it repeats the currency and says whom it pays."""
    payee = {"msisdn": number}
    transaction: dict[str, Any] = {"amount": wire_amount(payout.amount), "id": payout.our_ref}
    if version != "v1":
        payee["currency"] = payout.amount.currency
        transaction["type"] = "B2C"
    reference = re.sub(r"[^A-Za-z0-9]", "", payout.payment_reference)[:REFERENCE_MAX]
    order = {
        "payee": payee,
        "reference": reference if len(reference) >= 4 else payout.our_ref,
        "pin": pin,
        "transaction": transaction,
    }
    return _ENCODER.encode(order)


def read_submit(reply: Reply, table: CodeTable, our_ref: str) -> Result:
    """What the answer to an order means. Paid needs the state TS under our reference, and nothing against it."""
    data = read_object(reply.body) or {}
    told = _told(data, reply.status)
    state, outcome = told.answer.raw.get("state"), table.find(told.answer.code).outcome
    if reply.status >= 500:
        return told
    if outcome in _REFUSED:
        contradicted = _success(data) or state in STATES - {"TF", "TE"}
        return told if contradicted else replace(told, outcome=outcome)
    if outcome is not Outcome.PENDING or reply.status != 200 or not _success(data):
        return told
    if state == "TS":
        finished = told.our_ref == our_ref and str(told.answer.code).endswith("001")
        return replace(told, outcome=Outcome.SUCCEEDED) if finished else told
    return told if state in ("TF", "TA", "TE") else replace(told, outcome=Outcome.PENDING)


def read_query(reply: Reply, table: CodeTable, our_ref: str) -> Result:
    """What the answer to a question means. The state of the order decides; a code alone can only say not found."""
    data = read_object(reply.body) or {}
    told = _told(data, reply.status)
    state = told.answer.raw.get("state")
    entry = table.find(told.answer.code)
    if reply.status >= 500:
        return told
    if state is None:
        missing = entry.outcome is Outcome.NOT_FOUND and not _success(data)
        return replace(told, outcome=Outcome.NOT_FOUND) if missing else told
    if reply.status != 200 or told.our_ref != our_ref or entry.outcome is Outcome.NOT_FOUND:
        return told
    outcome = table.find(state).outcome
    if outcome is Outcome.SUCCEEDED and not _success(data):
        return told
    code = told.answer.code if outcome is Outcome.DECLINED and entry.outcome is Outcome.DECLINED else state
    return replace(told, outcome=outcome, answer=replace(told.answer, code=code))


def read_call(data: Mapping[str, Any], table: CodeTable) -> Result:
    """What a call says of an order; the state is called `status_code` there."""
    transaction = part(data, "transaction")
    state = text(transaction.get("status_code"))
    known = state in STATES
    return Result(
        table.find(state).outcome if known else Outcome.UNKNOWN,
        Answer(state, message(transaction.get("message")) if state != "TS" else None, {"state": state}),
        provider_ref=text(transaction.get("airtel_money_id")),
        our_ref=text(transaction.get("id")),
    )


def error_code(data: Mapping[str, Any]) -> str | None:
    """The most exact code of an answer: the numbered one, else that of the bus, the router or the gate."""
    status = part(data, "status")
    found = (status.get("response_code"), status.get("result_code"), data.get("status_code"), data.get("error"))
    return next((code[:64] for value in found if (code := text(value))), None)


def _told(data: Mapping[str, Any], http_status: int) -> Result:
    """All an answer tells, before anybody says what it means."""
    transaction, status = part(data, "data", "transaction"), part(data, "status")
    state = text(transaction.get("status"))
    code = error_code(data) or f"HTTP_{http_status}"
    words = status.get("message") or data.get("status_message") or data.get("error_description")
    shown = {
        "http_status": http_status,
        "state": state if state in STATES else None,
        "response_code": message(status.get("response_code")),
        "result_code": message(status.get("result_code")),
        "success": status.get("success") if isinstance(status.get("success"), bool) else None,
    }
    return Result(
        Outcome.UNKNOWN,
        # The words of a paid order tell the payee's name and our balance.
        Answer(code, message(words) if not _success(data) else None, {k: v for k, v in shown.items() if v is not None}),
        provider_ref=text(transaction.get("airtel_money_id")),
        receipt=text(transaction.get("reference_id")),
        our_ref=text(transaction.get("id")),
    )


def _success(data: Mapping[str, Any]) -> bool:
    return part(data, "status").get("success") is True
