"""The API's objects, as the operator writes them."""

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from omniroute.sandbox.transfers import Movement, Reason, State, Transfer
from omniroute.sandbox.wallets import decimals, send
from omniroute.sandbox.wire import WireReply

OPERATOR = {"key": "organisationid", "value": "operator"}

_STATES = {State.ACCEPTED: "pending", State.DECLINED: "failed", State.REVERSED: "reversed"}
_REASONS = {
    Reason.FUNDS: ("businessRule", "insufficientFunds"),
    Reason.PAYEE_UNKNOWN: ("identification", "identifierError"),
    Reason.LIMIT: ("businessRule", "greaterThanTransactionMaxValue"),
    Reason.REFUSED: ("businessRule", "requestDeclined"),
}
_STATUS_OF = {"authorisation": 401, "identification": 404, "internal": 500, "serviceUnavailable": 503}


def error_object(category: str, code: str, description: str = "") -> dict[str, str]:
    """Why not."""
    return {"errorCategory": category, "errorCode": code, "errordescription": description or code}


def error(category: str, code: str, description: str = "") -> WireReply:
    """An error as an answer."""
    return send(error_object(category, code, description), _STATUS_OF.get(category, 400))


INTERNAL = error("internal", "genericError", "Something went wrong")
NOT_FOUND = error("identification", "identifierError", "There is no such thing")


def server_id(reference: str) -> str:
    """The operator's own id of a request."""
    return str(uuid5(NAMESPACE_URL, reference))


def our_account(transfer: Transfer) -> dict[str, str]:
    """The payer as a party."""
    return {"key": "organisationid", "value": transfer.order.account}


def state_object(transfer: Transfer) -> dict[str, Any]:
    """Where a request stands. Before anybody knows of the order it is just pending."""
    told: dict[str, Any] = {
        "serverCorrelationId": server_id(transfer.order.reference),
        "status": "pending",
        "notificationMethod": transfer.order.data["method"],
        "pollLimit": 1_000,
    }
    if transfer.state in (State.SUCCEEDED, State.REVERSED):
        told |= {"status": "completed", "objectReference": transfer.rail_ref}
    if transfer.state is State.DECLINED:
        told |= {"status": "failed", "error": failure(transfer)}
    return told


def failure(transfer: Transfer) -> dict[str, str]:
    """Why an order was declined."""
    return error_object(*_REASONS[transfer.reason or Reason.REFUSED])


def transaction(transfer: Transfer) -> dict[str, Any]:
    """An order as a transaction."""
    order = transfer.order
    told = {
        "transactionReference": transfer.rail_ref,
        "transactionReceipt": transfer.rail_ref,
        "transactionStatus": _STATES.get(transfer.state, "completed"),
        "type": order.data["type"],
        "amount": decimals(transfer.told_minor, order.currency),
        "currency": order.currency,
        "debitParty": [our_account(transfer)],
        "creditParty": order.data["creditParty"],
        "creationDate": transfer.accepted_at.isoformat(),
        "modificationDate": (transfer.reversed_at or transfer.final_at).isoformat(),
    }
    for name in ("requestingOrganisationTransactionReference", "descriptionText", "customData"):
        if name in order.data:
            told[name] = order.data[name]
    if order.fee_minor:
        fee = decimals(order.fee_minor, order.currency)
        told["fees"] = [{"feeType": "payout", "feeAmount": fee, "feeCurrency": order.currency}]
    return told


def reversal(transfer: Transfer, request: Mapping[str, Any]) -> dict[str, Any]:
    """What a reversal made."""
    told = {
        "type": "reversal",
        "transactionReference": f"{transfer.rail_ref}-reversal",
        "originalTransactionReference": transfer.rail_ref,
        "transactionStatus": "completed",
        "amount": decimals(transfer.order.amount_minor, transfer.order.currency),
        "currency": transfer.order.currency,
        "debitParty": transfer.order.data["creditParty"],
        "creditParty": [our_account(transfer)],
    }
    if "requestingOrganisationTransactionReference" in request:
        told["requestingOrganisationTransactionReference"] = request["requestingOrganisationTransactionReference"]
    return told


def entry(movement: Movement, transfer: Transfer) -> dict[str, Any]:
    """A line of a statement."""
    ours, other = [our_account(transfer)], transfer.order.data["creditParty"]
    if movement.kind == "fee":
        other = [OPERATOR]
    credit = movement.amount_minor > 0
    told = {
        "transactionReference": movement.rail_ref
        if movement.kind == "debit"
        else f"{movement.rail_ref}-{movement.kind}",
        "transactionStatus": "completed",
        "displayType": movement.kind,
        "amount": decimals(abs(movement.amount_minor), movement.currency),
        "currency": movement.currency,
        "debitParty": other if credit else ours,
        "creditParty": ours if credit else other,
        "creationDate": movement.at.isoformat(),
    }
    return told | {name: transfer.order.data[name] for name in ("customData",) if name in transfer.order.data}
