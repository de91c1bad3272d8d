"""NIP's REST web service (EasyPay).

POST /v2/reset                                access token
POST /nipservice/v1/nip/nameenquiry | fundstransfer | tsq | balanceenquiry
GET  /nipservice/v1/nip/institutions
GET  /settlement                              the settlement report
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qs

from omniroute.sandbox.faults import Fault
from omniroute.sandbox.nip.people import INSTITUTIONS
from omniroute.sandbox.nip.report import TOKEN, settlement
from omniroute.sandbox.nip.switch import LAGOS, Switch, Wanted, naira
from omniroute.sandbox.rail import Router, TestConnection, magic_digits
from omniroute.sandbox.wire import WireCall, WireReply
from omniroute.sandbox.world import World

API = "/nipservice/v1/nip"
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105 - of the sandbox, shown to everybody
API_KEY = "sandbox-api-key"
INSTITUTION = "999001"
ACCOUNT = "9990010018"
AUTHORIZATION = "SANDBOX-AUTHORISATION"
MANDATE = "SANDBOX-MANDATE"
BILLER = "SANDBOX-BILLER"
LIFE_S = 3599

FIELDS: Mapping[str, frozenset[str]] = {
    "nameenquiry": frozenset({"accountNumber", "channelCode", "destinationInstitutionCode", "transactionId"}),
    "fundstransfer": frozenset(
        {
            "amount", "beneficiaryAccountName", "beneficiaryAccountNumber", "beneficiaryBankVerificationNumber",
            "beneficiaryKYCLevel", "channelCode", "originatorAccountName", "originatorAccountNumber",
            "originatorKYCLevel", "mandateReferenceNumber", "paymentReference", "transactionLocation",
            "originatorNarration", "beneficiaryNarration", "billerId", "destinationInstitutionCode",
            "sourceInstitutionCode", "transactionId", "originatorBankVerificationNumber", "nameEnquiryRef",
            "InitiatorAccountName", "InitiatorAccountNumber",
        }
    ),
    "tsq": frozenset({"transactionId"}),
    "balanceenquiry": frozenset(
        {
            "channelCode", "targetAccountName", "targetAccountNumber", "targetBankVerificationNumber",
            "authorizationCode", "destinationInstitutionCode", "billerId", "transactionId",
        }
    ),
}  # fmt: skip
"""What each call must hold, as text; more is refused too (A5), less is A4."""

MAY_BE_EMPTY = frozenset(
    {
        "beneficiaryBankVerificationNumber", "originatorBankVerificationNumber", "targetBankVerificationNumber",
        "originatorNarration", "beneficiaryNarration", "transactionLocation",
    }
)  # fmt: skip

Values = dict[str, Any]


def _json(status: int, value: object) -> WireReply:
    return WireReply(status, json.dumps(value).encode())


ERROR = _json(503, {"code": "503", "message": "Service Unavailable"})
UNAUTHORIZED = _json(401, {"statusCode": 401, "message": "Unauthorized. Access token is missing or invalid."})


class NipRestSandbox:
    """NIP in its REST form."""

    rail = "nip_rest"

    def __init__(self, world: World) -> None:
        self.world = world
        self._switch = Switch(world, self.rail)
        self._tokens: dict[str, datetime] = {}
        self._router = Router()
        self._router.add("POST", "/v2/reset", lambda call, _: self._token(call))
        self._router.add("GET", "/settlement", lambda call, _: self._report(call))
        self._router.add("GET", f"{API}/institutions", lambda call, _: self._institutions(call))
        self._router.add("POST", f"{API}/{{operation}}", lambda call, parts: self._serve(call, parts["operation"]))

    async def handle(self, call: WireCall) -> WireReply:
        """Answer one call. Raises: Drop."""
        return await self._router.dispatch(call, _json(404, {"statusCode": 404, "message": "Resource not found"}))

    def connections(self) -> list[TestConnection]:
        """The one client there is."""
        return [
            TestConnection(
                rail=self.rail,
                path="",
                account=ACCOUNT,
                currency="NGN",
                public={
                    "institution_code": INSTITUTION,
                    "originator_name": "Sandbox Trading One",
                    "originator_account": ACCOUNT,
                    "transaction_location": "6.4300747,3.4110715",
                    "client_id": CLIENT_ID,
                    "biller_id": BILLER,
                    "settlement_url": f"{self.rail}/settlement",
                },
                secret={
                    "client_secret": CLIENT_SECRET,
                    "api_key": API_KEY,
                    "authorization_code": AUTHORIZATION,
                    "mandate_reference": MANDATE,
                    "settlement_token": TOKEN,
                },
            )
        ]

    async def _token(self, call: WireCall) -> WireReply:
        form = {name: values[-1] for name, values in parse_qs(call.body.decode("latin-1")).items()}
        wanted = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials"}
        if any(form.get(name) != value for name, value in wanted.items()) or not form.get("scope"):
            return _json(401, {"error": "invalid_client", "error_description": "no such client"})
        now = self.world.clock.now()
        token = blake2b(f"{CLIENT_ID}:{now.isoformat()}".encode(), digest_size=24).hexdigest()
        self._tokens[token] = now + timedelta(seconds=LIFE_S)
        return _json(200, {"token_type": "Bearer", "expires_in": str(LIFE_S), "access_token": token})

    def _allowed(self, call: WireCall) -> bool:
        token = call.headers.get("authorization", "").removeprefix("Bearer ")
        ends_at = self._tokens.get(token)
        return ends_at is not None and self.world.clock.now() < ends_at and call.headers.get("apikey") == API_KEY

    async def _report(self, call: WireCall) -> WireReply:
        return settlement(self._switch, ACCOUNT, call)

    async def _institutions(self, call: WireCall) -> WireReply:
        if not self._allowed(call):
            return UNAUTHORIZED
        listed = [
            {"institutionCode": code, "institutionName": name, "category": 2, "categoryCode": "2"}
            for code, name in INSTITUTIONS.items()
        ]
        return _json(200, listed)

    async def _serve(self, call: WireCall, operation: str) -> WireReply:
        if not self._allowed(call):
            return UNAUTHORIZED
        if operation not in FIELDS:
            return _json(404, {"statusCode": 404, "message": "Resource not found"})
        values, wrong = _read(call.body, FIELDS[operation])
        if wrong is not None:
            return _json(400, {**_echo(values, "transactionId"), "responseCode": wrong})
        reference: str = values["transactionId"]

        fault = Fault.NONE

        async def effect() -> WireReply:
            return _json(200, await self._do(operation, values, fault))

        if operation != "fundstransfer":
            return await self.world.answer(self.rail, reference, effect, ERROR)
        magic = magic_digits(values["beneficiaryAccountNumber"], check_digit=True)
        fault = self.world.plan.for_order(self.rail, reference, call.headers, magic)
        return await self.world.attempt(fault, effect, ERROR)

    async def _do(self, operation: str, values: Values, fault: Fault) -> Values:
        echo = _echo(values, "transactionId", "channelCode", "destinationInstitutionCode")
        reference: str = values["transactionId"]
        said: Values = {**echo, "sessionID": self._session(reference)}
        if reference[:6] != INSTITUTION:
            return {**said, "responseCode": "03"}
        match operation:
            case "nameenquiry":
                return {**said, **self._name(values)}
            case "fundstransfer":
                return {**said, **await self._transfer(values, fault)}
            case "tsq":
                code = self._switch.status(reference, INSTITUTION)
                return {**said, "channelCode": "1", "sourceInstitutionCode": INSTITUTION, "responseCode": code}
        return {**said, **self._balance(values)}

    def _name(self, values: Values) -> Values:
        code, person = self._switch.enquire(
            values["transactionId"], values["destinationInstitutionCode"], values["accountNumber"]
        )
        said = _echo(values, "accountNumber")
        if person is not None:
            said |= {
                "accountName": person.name,
                "bankVerificationNumber": person.bvn,
                "kycLevel": person.kyc_level,
            }
        return {**said, "responseCode": code}

    async def _transfer(self, values: Values, fault: Fault) -> Values:
        said = _echo(values, "nameEnquiryRef", "beneficiaryAccountName", "beneficiaryAccountNumber")
        ours = (values["billerId"], values["mandateReferenceNumber"], values["InitiatorAccountNumber"])
        if ours != (BILLER, MANDATE, ACCOUNT):
            return {**said, "amount": values["amount"], "responseCode": "57"}
        wanted = Wanted(
            session=values["transactionId"],
            account=ACCOUNT,
            institution=values["destinationInstitutionCode"],
            payee=values["beneficiaryAccountNumber"],
            name=values["beneficiaryAccountName"],
            enquiry=values["nameEnquiryRef"],
            amount=values["amount"],
        )
        code, told_minor = await self._switch.transfer(wanted, fault)
        return {**said, "amount": naira(told_minor), "responseCode": code}

    def _balance(self, values: Values) -> Values:
        said = _echo(values, "authorizationCode", "targetAccountName", "targetAccountNumber")
        if values["authorizationCode"] != AUTHORIZATION or values["targetAccountNumber"] != ACCOUNT:
            return {**said, "responseCode": "63"}
        return {**said, "availableBalance": naira(self._switch.balance(ACCOUNT)), "responseCode": "00"}

    def _session(self, reference: str) -> str:
        """NIBSS's own session id of a message; a transfer keeps its."""
        known = self.world.find(self.rail, reference)
        at = known.accepted_at if known is not None else self.world.clock.now()
        number = int.from_bytes(blake2b(reference.encode(), digest_size=8).digest()) % 10**12
        return f"999999{at.astimezone(LAGOS):%y%m%d%H%M%S}{number:012d}"


def _read(body: bytes, fields: frozenset[str]) -> tuple[Values, str | None]:
    """The fields of a call, and the code when they are not as they should be."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return {}, "30"
    if not isinstance(values, dict):
        return {}, "30"
    if any(name not in values or (values[name] == "" and name not in MAY_BE_EMPTY) for name in fields):
        return values, "A4"
    if set(values) != fields or not all(isinstance(value, str) for value in values.values()):
        return values, "A5"
    return values, "A5" if len(values.get("paymentReference", "")) > 50 else None


def _echo(values: Values, *names: str) -> Values:
    return {name: values[name] for name in names if name in values}
