"""A connection to M-Pesa without a network: a scripted Daraja, and the addresses it would call."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from omniroute.infra.http import ExchangeFailed, Reply, Request
from omniroute.kit.clock import FixedClock
from omniroute.kit.money import Money
from omniroute.ports.rails import Callback, Context, Credentials, Party, PartyKind, Payout, RailEvent

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
REF = "R7K2FH30DZX1CVB9NT4"
SECRETS = {"consumer_key": "key-9d1f", "consumer_secret": "hush-3c77", "initiator_password": "Initiator#Pa55"}
TOKEN = "tok-5e0a21"
KES_150 = Money(150_00, "KES")
WALLET = Party(PartyKind.MSISDN, "254708374149", name="John Doe")
TILL = Party(PartyKind.TILL, "600000")
PAYBILL = Party(PartyKind.PAYBILL, "888880", account="INV-7")


@cache
def key_pair() -> tuple[rsa.RSAPrivateKey, str]:
    """A key and its certificate, as Safaricom hands out."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=365))
    return key, made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def credentials(**public: str) -> Credentials:
    settings = {"shortcode": "600992", "initiator_name": "testapi", "certificate": key_pair()[1], **public}
    return Credentials(UUID(int=1), UUID(int=2), "https://daraja.test/", settings, dict(SECRETS))


def payout(payee: Party = WALLET, amount: Money = KES_150, **other: Any) -> Payout:
    defaults: dict[str, Any] = {
        "our_ref": REF,
        "narration": "Week 47",
        "purpose": "SUPPLIER_PAYMENT",
        "payment_reference": "PAY-1",
    }
    return Payout(amount=amount, payee=payee, created_at=NOW, **(defaults | other))


def reply(status: int, body: Any) -> Reply:
    return Reply(status, {"content-type": "application/json"}, body if isinstance(body, bytes) else dumps(body))


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


TAKEN = {
    "ConversationID": "AG_20261121_20106e9209f64bebd05b",
    "OriginatorConversationID": REF,
    "ResponseCode": "0",
    "ResponseDescription": "Accept the service request successfully.",
}
TOKEN_REPLY = reply(200, {"access_token": TOKEN, "expires_in": "3599"})


@dataclass
class ScriptedDaraja:
    """Answers each request with the next of its replies; a failure among them is raised."""

    replies: list[Reply | ExchangeFailed]
    requests: list[Request] = field(default_factory=list)

    async def exchange(self, request: Request) -> Reply:
        self.requests.append(request)
        answer = self.replies.pop(0)
        if isinstance(answer, ExchangeFailed):
            raise answer
        return answer

    @property
    def body(self) -> dict[str, Any]:
        """What was sent last."""
        data = json.loads(self.requests[-1].body)
        assert isinstance(data, dict)
        return data


class KeptTokens:
    """One token, kept until forgotten."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.ends: dict[str, datetime] = {}

    async def get(self, name: str, fetch: Callable[[], Awaitable[tuple[str, datetime]]]) -> str:
        if name not in self.kept:
            self.kept[name], self.ends[name] = await fetch()
        return self.kept[name]

    def forget(self, name: str) -> None:
        self.kept.pop(name, None)


def callback_url(purpose: str, ref: str) -> str:
    return f"https://pay.test/c/0123456789abcdef/{purpose}/{ref}"


def context(replies: Sequence[Reply | ExchangeFailed] = (), **other: Any) -> tuple[Context, ScriptedDaraja]:
    """A context whose Daraja first gives a token, then these replies."""
    daraja = ScriptedDaraja([TOKEN_REPLY, *replies])
    defaults: dict[str, Any] = {"credentials": credentials(), "tokens": KeptTokens(), "callback_url": callback_url}
    return Context(http=daraja, clock=FixedClock(NOW), **(defaults | other)), daraja


def callback(purpose: str, body: Any, *, ref: str = REF, authentic: bool = True) -> Callback:
    raw = body if isinstance(body, bytes) else dumps(body)
    return Callback(raw, {"content-type": "application/json"}, purpose, ref, authentic, NOW)


def only(events: Sequence[RailEvent]) -> RailEvent:
    assert len(events) == 1
    return events[0]


def paid(code: Any = 0, **changes: Any) -> dict[str, Any]:
    """The result of a B2C order, as Safaricom's page shows it."""
    parameters = {
        "TransactionAmount": 150,
        "TransactionReceipt": "SG632NMUAB",
        "ReceiverPartyPublicName": "254708374149 - JOHN DOE",
        "TransactionCompletedDateTime": "21.11.2026 12:00:05",
        "B2CUtilityAccountAvailableFunds": 8959269.6,
        "B2CWorkingAccountAvailableFunds": 1199371.0,
        "B2CRecipientIsRegisteredCustomer": "Y",
        "B2CChargesPaidAccountAvailableFunds": -1980.0,
    }
    body = {
        "ResultType": 0,
        "ResultCode": code,
        "ResultDesc": "The service request is processed successfully.",
        "OriginatorConversationID": REF,
        "ConversationID": "AG_20261121_20106e9209f64bebd05b",
        "TransactionID": "SG632NMUAB",
        "ResultParameters": {"ResultParameter": [{"Key": k, "Value": v} for k, v in parameters.items()]},
        "ReferenceData": {"ReferenceItem": {"Key": "QueueTimeoutURL", "Value": "https://internal.test/submit"}},
    }
    return {"Result": body | changes}


def refused(code: Any, description: str = "No.") -> dict[str, Any]:
    """The result of an order that M-Pesa did not carry out."""
    body = paid(code, ResultDesc=description, TransactionID="SG60000000")
    del body["Result"]["ResultParameters"]
    return body


def found(status: Any = "Completed", **changes: Any) -> dict[str, Any]:
    """The answer to a status query. The outer ids are those of the question, the inner ones those of the order."""
    parameters = {
        "DebitPartyName": "600992 - Shop",
        "CreditPartyName": "254708374149 - John Doe",
        "OriginatorConversationID": REF,
        "InitiatedTime": "20261121120004",
        "DebitAccountType": "Utility Account",
        "DebitPartyCharges": "Fee For B2C Payment|KES|22.40",
        "TransactionReason": None,
        "ReasonType": "Business Payment to Customer via API",
        "TransactionStatus": status,
        "FinalisedTime": "20261121120005",
        "Amount": "150",
        "ConversationID": "AG_20261121_20106e9209f64bebd05b",
        "ReceiptNo": "SG632NMUAB",
    } | changes
    return {
        "Result": {
            "ConversationID": "AG_20261121_000041b09c22e613d6c9",
            "OriginatorConversationID": "3213-416199-2",
            "ReferenceData": {"ReferenceItem": {"Key": "Occasion"}},
            "ResultCode": 0,
            "ResultDesc": "The service request is processed successfully.",
            "ResultParameters": {
                "ResultParameter": [
                    {"Key": key} if value is None else {"Key": key, "Value": value} for key, value in parameters.items()
                ]
            },
            "ResultType": 0,
            "TransactionID": "SG60000000",
        }
    }
