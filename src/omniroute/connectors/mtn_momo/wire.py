"""The bytes of MTN MoMo's disbursement product: what we write, and what its answers mean."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from omniroute.connectors.replies import (
    amount,
    amount_text,
    identifier,
    masked,
    message,
    part,
    plain,
    read_object,
    text,
)
from omniroute.infra.http import Reply
from omniroute.ports.rails import Answer, CodeTable, Outcome, Payout, Result

NOTE_MAX = 160
"""Longest note and message; the rail also refuses an apostrophe in them."""

ENVIRONMENTS: Mapping[str, tuple[str, str]] = {
    "sandbox": ("", "EUR"),
    "mtnbenin": ("BJ", "XOF"),
    "mtncameroon": ("CM", "XAF"),
    "mtncongo": ("CG", "XAF"),
    "mtnghana": ("GH", "GHS"),
    "mtnguineaconakry": ("GN", "GNF"),
    "mtnivorycoast": ("CI", "XOF"),
    "mtnliberia": ("LR", "LRD"),
    "mtnnigeria": ("NG", "NGN"),
    "mtnrwanda": ("RW", "RWF"),
    "mtnsouthafrica": ("ZA", "ZAR"),
    "mtnsouthsudan": ("SS", "SSP"),
    "mtnswaziland": ("SZ", "SZL"),
    "mtnuganda": ("UG", "UGX"),
    "mtnzambia": ("ZM", "ZMW"),
}
"""Country and currency of each target environment."""

_ENDED = (Outcome.DECLINED, Outcome.PENDING)
"""What a reason inside FAILED may mean; anything else contradicts the status."""


def transfer_body(payout: Payout) -> bytes:
    """The order. `externalId` is our reference, so that every answer and call names it."""
    body = {
        "amount": amount_text(payout.amount),
        "currency": payout.amount.currency,
        "externalId": payout.our_ref,
        "payee": {"partyIdType": "MSISDN", "partyId": payout.payee.identifier},
        "payerMessage": plain(payout.narration, NOTE_MAX),
        "payeeNote": plain(payout.payment_reference, NOTE_MAX),
    }
    return json.dumps(body, separators=(",", ":")).encode()


def read_submit(reply: Reply, table: CodeTable) -> Result:
    """What the answer to an order means: the HTTP status decides, the word in the body explains."""
    data = read_object(reply.body) or {}
    word = error_word(data)
    status_code = f"HTTP_{reply.status}"
    decided = table.find(status_code)
    answer = Answer(word or status_code, message(data.get("message")) or decided.operator, _raw(data, reply.status))
    return Result(decided.outcome, answer)


def read_query(reply: Reply, table: CodeTable) -> Result:
    """What the answer to a question means. Only 200 tells a state; only a documented 404 says not found."""
    data = read_object(reply.body)
    if data is not None and reply.status == 200:
        return read_transfer(data, table)
    word = error_word(data or {})
    outcome = Outcome.NOT_FOUND if reply.status == 404 and word == "RESOURCE_NOT_FOUND" else Outcome.UNKNOWN
    words = message((data or {}).get("message"))
    return Result(outcome, Answer(word or f"HTTP_{reply.status}", words, _raw(data or {}, reply.status)))


def read_transfer(data: Mapping[str, Any], table: CodeTable) -> Result:
    """The state of a transfer, from an answer or a call. Paid only when amount and payee are told with it."""
    status = text(data.get("status"))
    reason, words = _reason(data.get("reason"))
    told = Result(
        Outcome.UNKNOWN,
        Answer(reason or status, words, _raw(data, None)),
        provider_ref=identifier(data.get("financialTransactionId")),
        receipt=identifier(data.get("financialTransactionId")),
        our_ref=text(data.get("externalId")),
        amount=amount(data.get("amount"), data.get("currency")),
        payee_identifier=identifier(part(data, "payee").get("partyId")),
    )
    outcome = table.find(status).outcome
    if status == "FAILED":
        named = table.find(reason if data.get("reason") is not None else status).outcome
        return replace(told, outcome=named if named in _ENDED else Outcome.UNKNOWN)
    if outcome is Outcome.SUCCEEDED and None not in (told.amount, told.payee_identifier):
        return replace(told, outcome=outcome)
    return replace(told, outcome=outcome if outcome is Outcome.PENDING else Outcome.UNKNOWN)


def read_active(data: Mapping[str, Any]) -> bool | None:
    """Whether an account holder is active: `true`, or `"1"` as some countries write it."""
    result = data.get("result")
    if isinstance(result, bool):
        return result
    return {"1": True, "true": True, "0": False, "false": False}.get((text(result) or "").lower())


def read_name(data: Mapping[str, Any]) -> str | None:
    """The holder's name."""
    names = [text(data.get("given_name")), text(data.get("family_name"))]
    return text(data.get("name")) or " ".join(name for name in names if name) or None


def error_word(data: Mapping[str, Any]) -> str | None:
    """The rail's word for an error; its pages write some with blanks where the wire has underscores."""
    word = text(data.get("code")) or text(data.get("errorCode"))
    return re.sub(r"[\s/]+", "_", word).upper()[:64] if word else None


def _reason(value: object) -> tuple[str | None, str | None]:
    """A reason comes as a word, or as an object of code and message."""
    if isinstance(value, dict):
        return text(value.get("code")), message(value.get("message"))
    return text(value), None


def _raw(data: Mapping[str, Any], status: int | None) -> dict[str, Any]:
    """What is kept as evidence: no names, no notes, no tokens."""
    kept = {key: message(data.get(key)) for key in ("status", "code", "amount", "currency", "financialTransactionId")}
    reason, _ = _reason(data.get("reason"))
    payee = masked(identifier(part(data, "payee").get("partyId")))
    shown = {"http_status": status, **kept, "reason": reason, "payee": payee}
    return {key: value for key, value in shown.items() if value is not None}
