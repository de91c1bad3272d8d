"""The results Daraja sends, in its own shapes and spellings."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.transfers import Reason, State, Transfer
from omniroute.sandbox.wire import WireReply

NAIROBI = timezone(timedelta(hours=3))

TEXTS: Mapping[str, str] = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "2": "Declined due to limit rule: less than the minimum transaction amount.",
    "3": "Declined due to limit rule: greater than the maximum transaction amount.",
    "21": "The initiator is not allowed to initiate this request",
    "2001": "The initiator information is invalid.",
    "2006": "Declined due to account rule: The account status does not allow this transaction.",
    "2028": "The request is not permitted according to product assignment.",
    "2032": "The transaction receipt number does not exist.",
    "2040": "Credit Party customer type (Unregistered or Registered Customer) can't be supported by the service.",
    "SFC_IC0003": "The operator does not exist.",
    "R000001": "The transaction has already been reversed.",
    "R000002": "The OriginalTransactionID is invalid.",
}

STATUS_WORDS: Mapping[State, str] = {
    State.ACCEPTED: "Pending",
    State.SUCCEEDED: "Completed",
    State.DECLINED: "Declined",
    State.REVERSED: "Reversed",
}

_NAMES = ("ACHIENG ODHIAMBO", "BARAKA MWANGI", "CHEBET KIPROTICH", "DAUDI OTIENO", "ESTHER WANJIKU", "FATUMA HASSAN")


def local(at: datetime) -> str:
    """20180223054112, in Nairobi."""
    return at.astimezone(NAIROBI).strftime("%Y%m%d%H%M%S")


def number(minor: int) -> int | Decimal:
    """An amount as a JSON number: 10, 8959269.6."""
    whole, cents = divmod(minor, 100)
    return whole if not cents else Decimal(minor).scaleb(-2).normalize()


def decimals(minor: int) -> str:
    """An amount with two decimals."""
    return f"{Decimal(minor).scaleb(-2):.2f}"


def person(msisdn: str) -> str:
    """Whose number it is; always the same person."""
    at = blake2b(msisdn.encode(), digest_size=2).digest()
    return f"{msisdn} - {_NAMES[int.from_bytes(at) % len(_NAMES)]}"


def conversation(reference: str, at: datetime) -> str:
    """M-Pesa's own name of a conversation."""
    return f"AG_{at.astimezone(NAIROBI):%Y%m%d}_{blake2b(reference.encode(), digest_size=10).hexdigest()}"


def numbered(what: str) -> str:
    """5118-111210482-1: the names Daraja makes when the caller may not choose."""
    number = int.from_bytes(blake2b(what.encode(), digest_size=8).digest())
    return f"{number % 90_000 + 10_000}-{number // 90_000 % 900_000_000 + 100_000_000}-1"


def taken(originator_id: str, conversation_id: str) -> WireReply:
    """Daraja takes a request; nothing has happened yet."""
    body = {
        "ConversationID": conversation_id,
        "OriginatorConversationID": originator_id,
        "ResponseCode": "0",
        "ResponseDescription": "Accept the service request successfully.",
    }
    return WireReply(200, encode(body))


def result(
    url: str,
    code: str,
    *,
    originator_id: str,
    conversation_id: str,
    transaction_id: str,
    parameters: Sequence[tuple[str, Any]] = (),
    where: str = "b2cresults",
) -> CallbackRequest:
    """A result, to be sent to the caller's ResultURL."""
    body: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": int(code) if code.isdigit() else code,
        "ResultDesc": TEXTS[code],
        "OriginatorConversationID": originator_id,
        "ConversationID": conversation_id,
        "TransactionID": transaction_id,
    }
    if parameters:
        body["ResultParameters"] = {
            "ResultParameter": [
                {"Key": key} if value is None else {"Key": key, "Value": value} for key, value in parameters
            ]
        }
    address = f"https://internalsandbox.safaricom.co.ke/mpesa/{where}/v1/submit"
    body["ReferenceData"] = {"ReferenceItem": {"Key": "QueueTimeoutURL", "Value": address}}
    return CallbackRequest(url, encode({"Result": body}))


encode = msgspec.json.Encoder(decimal_format="number").encode


def timed_out(url: str, originator_id: str, conversation_id: str) -> CallbackRequest:
    """Daraja gave up waiting for M-Pesa; M-Pesa may not have."""
    body = {
        "ResultType": 1,
        "ResultCode": 1,
        "ResultDesc": "The service request timed out.",
        "OriginatorConversationID": originator_id,
        "ConversationID": conversation_id,
    }
    return CallbackRequest(url, encode({"Result": body}))


def no_receipt(receipt: str) -> str:
    """The transaction id of what was not carried out."""
    return f"{receipt[:3]}0000000"


def status_of(transfer: Transfer) -> str:
    """M-Pesa's word for where an order stands; one that only lacked funds failed."""
    return "Failed" if transfer.reason is Reason.FUNDS else STATUS_WORDS[transfer.state]


def code_of(transfer: Transfer) -> str:
    """M-Pesa's code for what became of an order."""
    if transfer.state is not State.DECLINED:
        return "0"
    own = transfer.order.data.get("code")
    if own is not None:
        return str(own)
    wallet = transfer.order.data["kind"] == "wallet"
    match transfer.reason:
        case Reason.FUNDS:
            return "1"
        case Reason.PAYEE_UNKNOWN:
            return "SFC_IC0003"
    return "2040" if wallet else "2006"
