"""What Monnify writes: envelopes, accounts, transactions and notifications, amounts as numbers with decimals."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta, timezone
from typing import Any

from omniroute.sandbox.monnify.payers import WRONG_BY_MINOR, Mishap, Payment
from omniroute.sandbox.wallets import decimals
from omniroute.sandbox.wire import WireReply

LAGOS = timezone(timedelta(hours=1))
_MARK = "\x02"
_MARKED = re.compile(r'"\\u0002([0-9.]+)"')


def number(minor: int, currency: str) -> str:
    """An amount that `write` shows as a JSON number, to the last digit."""
    return f"{_MARK}{decimals(minor, currency)}"


def write(data: Any) -> bytes:
    """JSON; marked amounts are numbers."""
    return _MARKED.sub(r"\1", json.dumps(data)).encode()


def success(body: Any) -> WireReply:
    """A good answer."""
    envelope = {"requestSuccessful": True, "responseMessage": "success", "responseCode": "0", "responseBody": body}
    return WireReply(200, write(envelope))


def failure(status: int, message: str, code: str = "99") -> WireReply:
    """Why not."""
    return WireReply(status, write({"requestSuccessful": False, "responseMessage": message, "responseCode": code}))


INTERNAL = failure(500, "There was an error processing the request, Please try again later...")
INVALID_TOKEN = WireReply(
    401, write({"error": "invalid_token", "error_description": "Cannot convert access token to JSON"})
)
NO_ACCOUNT = failure(404, "Cannot find reserved account")
NO_TRANSACTION = failure(
    404, "There's no transaction matching supplied reference. Please confirm supplied reference and try again."
)


def sign(secret: str, body: bytes) -> str:
    """The header `monnify-signature`."""
    return hmac.new(secret.encode(), body, hashlib.sha512).hexdigest()


def transaction(payment: Payment) -> dict[str, Any]:
    """A transaction as the question about it tells it: amounts as text, the day first, the payer's number cut."""
    paid = decimals(payment.amount_minor if payment.paid_at is not None else 0, payment.currency)
    payer = {
        "accountName": payment.payer["accountName"],
        "accountNumber": f"******{payment.payer['accountNumber'][-4:]}",
        "bankCode": payment.payer["bankCode"],
        "amountPaid": paid,
        "sessionId": payment.session,
    }
    return {
        "transactionReference": payment.reference,
        "paymentReference": payment.reference,
        "amountPaid": paid,
        "totalPayable": decimals(payment.payable_minor, payment.currency),
        "settlementAmount": decimals(payment.amount_minor - payment.fee_minor, payment.currency),
        "paidOn": f"{(payment.paid_at or payment.created_at).astimezone(LAGOS):%d/%m/%Y %I:%M:%S %p}",
        "paymentStatus": payment.state,
        "paymentDescription": payment.narration,
        "currency": payment.currency,
        "paymentMethod": "ACCOUNT_TRANSFER",
        "product": {"type": "RESERVED_ACCOUNT", "reference": payment.account_reference},
        "cardDetails": None,
        "accountDetails": payer,
        "accountPayments": [payer],
        "customer": dict(payment.customer),
        "metaData": {},
    }


def line(payment: Payment) -> dict[str, Any]:
    """A transaction as lists show it; which account it is on stands there not."""
    at = f"{(payment.paid_at or payment.created_at):%Y-%m-%dT%H:%M:%S.000+0000}"
    paid = number(payment.amount_minor if payment.paid_at is not None else 0, payment.currency)
    return {
        "customerDTO": {**payment.customer, "merchantCode": "SANDBOX"},
        "paymentMethod": "ACCOUNT_TRANSFER",
        "createdOn": at,
        "amount": number(payment.payable_minor, payment.currency),
        "flagged": False,
        "fee": number(payment.fee_minor, payment.currency),
        "currencyCode": payment.currency,
        "completedOn": at,
        "paymentDescription": payment.narration,
        "paymentStatus": payment.state,
        "transactionReference": payment.reference,
        "paymentReference": payment.reference,
        "merchantCode": "SANDBOX",
        "merchantName": "Sandbox",
        "payableAmount": number(payment.payable_minor, payment.currency),
        "amountPaid": paid,
        "completed": payment.paid_at is not None,
    }


def page(items: Sequence[Mapping[str, Any]], start: int, size: int) -> dict[str, Any]:
    """Page `start` of a list, in the envelope of lists."""
    shown = items[start * size : (start + 1) * size]
    return {
        "content": list(shown),
        "totalElements": len(items),
        "totalPages": -(-len(items) // size),
        "last": (start + 1) * size >= len(items),
        "first": start == 0,
        "numberOfElements": len(shown),
        "size": size,
        "number": start,
        "empty": not shown,
    }


def notification(payment: Payment) -> bytes:
    """What the merchant is notified of: amounts as numbers, what is settled as text, the payer's number in full."""
    told_minor = payment.amount_minor + (WRONG_BY_MINOR if payment.mishap is Mishap.WRONG_AMOUNT else 0)
    paid, at = number(told_minor, payment.currency), payment.paid_at or payment.created_at
    data = {
        "product": {"reference": payment.account_reference, "type": "RESERVED_ACCOUNT"},
        "transactionReference": payment.reference,
        "paymentReference": payment.reference,
        "paidOn": f"{at.astimezone(LAGOS):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}",
        "paymentDescription": payment.narration,
        "metaData": {},
        "paymentSourceInformation": [{**payment.payer, "amountPaid": paid, "sessionId": payment.session}],
        "destinationAccountInformation": {
            "bankCode": payment.bank_code,
            "bankName": payment.bank_name,
            "accountNumber": payment.account_number,
        },
        "amountPaid": paid,
        "totalPayable": number(payment.payable_minor, payment.currency),
        "cardDetails": {},
        "paymentMethod": "ACCOUNT_TRANSFER",
        "currency": payment.currency,
        "settlementAmount": decimals(told_minor - payment.fee_minor, payment.currency),
        "paymentStatus": payment.state,
        "customer": dict(payment.customer),
    }
    return write({"eventType": "SUCCESSFUL_TRANSACTION", "eventData": data})
