"""A Daraja on a clock that stands still, spoken to without a network."""

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from omniroute.kit.clock import FixedClock
from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.faults import HEADER, FaultPlan
from omniroute.sandbox.mpesa import MpesaSandbox
from omniroute.sandbox.wire import WireCall, WireReply
from omniroute.sandbox.world import World

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
RESULT, TIMED_OUT = "https://pay.test/c/1f/r/R1", "https://pay.test/c/1f/t/R1"


def credential(sandbox: MpesaSandbox, password: str | None = None) -> str:
    """The initiator's password under the sandbox's certificate."""
    (connection,) = sandbox.connections()
    key = load_pem_x509_certificate(connection.public["certificate"].encode()).public_key()
    assert isinstance(key, RSAPublicKey)
    secret = password or connection.secret["initiator_password"]
    return base64.b64encode(key.encrypt(secret.encode(), PKCS1v15())).decode()


@dataclass
class Daraja:
    """The sandbox and what it called."""

    funds_minor: int = 10**12
    charge_minor: int = 0
    plan: FaultPlan = field(default_factory=FaultPlan)

    def __post_init__(self) -> None:
        self.heard: list[CallbackRequest] = []

        async def deliver(request: CallbackRequest) -> int:
            self.heard.append(request)
            return 200

        self.clock = FixedClock(START)
        self.world = World(clock=self.clock, deliver=deliver, slow_s=0, funds_minor=self.funds_minor, plan=self.plan)
        self.sandbox = MpesaSandbox(self.world, charge_minor=self.charge_minor)
        self._token = ""

    async def log_in(self, *, login: str | None = None, grant: str = "client_credentials") -> WireReply:
        (connection,) = self.sandbox.connections()
        login = login or f"{connection.secret['consumer_key']}:{connection.secret['consumer_secret']}"
        header = "Basic " + base64.b64encode(login.encode()).decode()
        path = "/oauth/v1/generate"
        return await self.sandbox.handle(WireCall("GET", path, {"grant_type": grant}, {"authorization": header}, b""))

    async def post(self, path: str, body: Any, *, fault: str | None = None, token: str | None = None) -> WireReply:
        if not self._token:
            self._token = json.loads((await self.log_in()).body)["access_token"]
        headers = {"authorization": f"Bearer {token or self._token}", "content-type": "application/json"}
        if fault is not None:
            headers[HEADER] = fault
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.sandbox.handle(WireCall("POST", path, {}, headers, raw))

    async def later(self, wait: timedelta = timedelta(seconds=1)) -> list[dict[str, Any]]:
        """What was heard since, as JSON."""
        self.heard.clear()
        self.clock.at += wait
        while await self.world.run_due():
            self.clock.at += timedelta(milliseconds=1)
        return [json.loads(request.body) for request in self.heard]

    def wallet(self, **changes: Any) -> dict[str, Any]:
        """A B2C order."""
        order = {
            "OriginatorConversationID": "R1",
            "InitiatorName": "testapi",
            "SecurityCredential": credential(self.sandbox),
            "CommandID": "BusinessPayment",
            "Amount": 150,
            "PartyA": 600992,
            "PartyB": 254708374149,
            "Remarks": "Week 47",
            "QueueTimeOutURL": TIMED_OUT,
            "ResultURL": RESULT,
        }
        return {name: value for name, value in (order | changes).items() if value is not None}

    def business(self, **changes: Any) -> dict[str, Any]:
        """A B2B order."""
        order = {
            "Initiator": "testapi",
            "SecurityCredential": credential(self.sandbox),
            "CommandID": "BusinessPayBill",
            "SenderIdentifierType": "4",
            "RecieverIdentifierType": 4,
            "Amount": "150",
            "PartyA": "600992",
            "PartyB": "888880",
            "AccountReference": "INV-7",
            "Remarks": "ok",
            "QueueTimeOutURL": TIMED_OUT,
            "ResultURL": RESULT,
        }
        return order | changes

    def question(self, **changes: Any) -> dict[str, Any]:
        """A status query, or with another CommandID a question for the balance."""
        asked = {
            "Initiator": "testapi",
            "SecurityCredential": credential(self.sandbox),
            "CommandID": "TransactionStatusQuery",
            "PartyA": 600992,
            "IdentifierType": 4,
            "Remarks": "ok",
            "QueueTimeOutURL": TIMED_OUT,
            "ResultURL": RESULT,
        }
        return asked | changes


def told(body: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a result by name."""
    items = body["Result"].get("ResultParameters", {"ResultParameter": []})["ResultParameter"]
    return {item["Key"]: item.get("Value") for item in items}
