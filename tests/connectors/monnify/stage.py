"""Monnify in the tests of its connector: what it answers, and what it notifies us of, as its pages show it."""

import json
import uuid
from pathlib import Path
from typing import Any

from omniroute.connectors.monnify import Monnify
from omniroute.connectors.monnify.wire import sign
from omniroute.infra.http import Reply
from omniroute.ports.rails import (
    AccountWanted,
    Callback,
    RailEvent,
)
from tests.connectors.outside import NOW, ScriptedHttp, json_reply, make_context

RAIL = Monnify()
GOLDEN = Path(__file__).parent / "golden"
API_KEY, SECRET_KEY = "KEY-OF-THE-MERCHANT", "SECRET-OF-THE-MERCHANT"
PUBLIC = {"contract_code": "8389328412", "preferred_bank": "50515", "wallet_account": "8016472829"}
SECRET = {"api_key": API_KEY, "secret_key": SECRET_KEY, "bvn": "21212121212"}
TOKEN = {"accessToken": "TOKEN-OF-THE-RAIL", "expiresIn": 3599}
LOGIN = "POST /api/v1/auth/login"
OPEN = "POST /api/v2/bank-transfer/reserved-accounts"
REF = "vac_0000000000000000000000000a"
FIND = f"GET /api/v2/bank-transfer/reserved-accounts/{REF}"
CLOSE = f"DELETE /api/v1/bank-transfer/reserved-accounts/reference/{REF}"
CREDIT_ID = "MNFY|04|20211117112842|000170"
STATUS = "GET /api/v2/transactions/MNFY%7C04%7C20211117112842%7C000170"
SEARCH = "GET /api/v1/transactions/search"
NOW_ID = uuid.UUID("01990000-0000-7000-8000-000000000001")
BALANCE = "GET /api/v2/disbursements/wallet-balance"
WANTED = AccountWanted(REF, "Mama Nkechi's Stores", "NGN", "Nkechi Obi", "nkechi@stores.example")
ACCOUNT = {
    "contractCode": "8389328412", "accountReference": REF, "accountName": "Mam", "currencyCode": "NGN",
    "customerEmail": "nkechi@stores.example", "customerName": "Nkechi Obi",
    "accounts": [
        {"bankCode": "035", "bankName": "Wema bank", "accountNumber": "7206930470", "accountName": "Mam"},
        {
            "bankCode": "50515", "bankName": "Moniepoint Microfinance Bank", "accountNumber": "6254727989",
            "accountName": "Mam",
        },
    ],
    "collectionChannel": "RESERVED_ACCOUNT", "reservationReference": "NWA7DMJ0W2UDK1KN5SLF",
    "reservedAccountType": "GENERAL", "status": "ACTIVE", "createdOn": "2023-04-14 12:04:39.034",
}  # fmt: skip
NOTIFIED: dict[str, Any] = {  # As Monnify's pages show it for a reserved account.
    "eventType": "SUCCESSFUL_TRANSACTION",
    "eventData": {
        "product": {"reference": REF, "type": "RESERVED_ACCOUNT"},
        "transactionReference": CREDIT_ID, "paymentReference": CREDIT_ID, "paidOn": "2021-11-17 11:28:42.615",
        "paymentDescription": "Adm", "metaData": {},
        "paymentSourceInformation": [
            {
                "bankCode": "", "amountPaid": 3000, "accountName": "Emeka Eze",
                "sessionId": "e6cV1smlpkwG38Cg6d5F9B2PRnIq5FqA", "accountNumber": "0065432190",
            }
        ],
        "destinationAccountInformation": {
            "bankCode": "232", "bankName": "Sterling bank", "accountNumber": "6000140770",
        },
        "amountPaid": 3000, "totalPayable": 3000, "cardDetails": {}, "paymentMethod": "ACCOUNT_TRANSFER",
        "currency": "NGN", "settlementAmount": "2990.00", "paymentStatus": "PAID",
        "customer": {"name": "John Doe", "email": "test@tester.com"},
    },
}  # fmt: skip
PAID: dict[str, Any] = {  # As the answer to a question shows it.
    "transactionReference": CREDIT_ID, "paymentReference": CREDIT_ID, "amountPaid": "3000.00",
    "totalPayable": "3000.00", "settlementAmount": "2990.00", "paidOn": "17/11/2021 11:28:42 AM",
    "paymentStatus": "PAID", "paymentDescription": "Adm", "currency": "NGN", "paymentMethod": "ACCOUNT_TRANSFER",
    "product": {"type": "RESERVED_ACCOUNT", "reference": REF}, "cardDetails": None,
    "accountDetails": {
        "accountName": "EMEKA EZE", "accountNumber": "******2190", "bankCode": "000001", "amountPaid": "3000.00",
    },
    "customer": {"email": "test@tester.com", "name": "John Doe"}, "metaData": {},
}  # fmt: skip


def good(body: Any) -> Reply:
    return json_reply(
        200, {"requestSuccessful": True, "responseMessage": "success", "responseCode": "0", "responseBody": body}
    )


def bad(status: int, message: str, code: str = "99") -> Reply:
    return json_reply(status, {"requestSuccessful": False, "responseMessage": message, "responseCode": code})


NO_ACCOUNT = bad(404, "Cannot find reserved account")
SAME = bad(422, "You can not reserve two accounts with the same reference")
NO_TRANSACTION = bad(
    404, "There's no transaction matching supplied reference. Please confirm supplied reference and try again."
)


def scripted(script: dict[str, Any], **public: str) -> tuple[ScriptedHttp, Any]:
    http = ScriptedHttp({LOGIN: good(TOKEN), **script})
    return http, make_context(http, "https://monnify.example.com/", {**PUBLIC, **public}, SECRET)


def call(body: bytes, *, signature: str | None = None, authentic: bool = True) -> Callback:
    signature = sign(SECRET_KEY, body) if signature is None else signature
    headers = {"content-type": "application/json", "monnify-signature": signature}
    return Callback(body, headers, "portal", "portal", authentic, NOW)


def read(data: Any, *, signature: str | None = None, authentic: bool = True) -> list[RailEvent]:
    _, context = scripted({})
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return list(RAIL.read_callback(context, call(body, signature=signature, authentic=authentic)))


def changed(**fields: Any) -> dict[str, Any]:
    return {**NOTIFIED, "eventData": {**NOTIFIED["eventData"], **fields}}
