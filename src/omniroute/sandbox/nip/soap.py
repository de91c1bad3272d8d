"""NIP's SOAP web service.

POST /NIPWS/NIPInterface          participant 999001, nothing hidden
POST /hybrid/NIPWS/NIPInterface   participant 999002, hybrid cipher
GET  .../NIPWS/../settlement      the settlement report
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape

from omniroute.kit.xml import Element, XmlUnreadable, read_xml
from omniroute.sandbox.faults import Fault
from omniroute.sandbox.nip.cipher import Cipher, Hybrid, Plain, Unopened, new_key, private_pem, public_pem
from omniroute.sandbox.nip.report import TOKEN, settlement
from omniroute.sandbox.nip.switch import Switch, Wanted, naira
from omniroute.sandbox.rail import TestConnection, magic_digits
from omniroute.sandbox.wire import WireCall, WireReply
from omniroute.sandbox.world import World

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NAMESPACE = "http://core.nip.nibss/"
AUTHORIZATION = "SANDBOX-AUTHORISATION"
ERROR = WireReply(503, b"<html><body>Service Unavailable</body></html>", "text/html")

_BENEFICIARY = ("AccountName", "AccountNumber", "BankVerificationNumber", "KYCLevel")
MESSAGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "nameenquirysingleitem": (
        "NESingle", ("SessionID", "DestinationInstitutionCode", "ChannelCode", "AccountNumber"),
    ),
    "fundtransfersingleitem_dc": (
        "FTSingleCredit",
        (
            "SessionID", "NameEnquiryRef", "DestinationInstitutionCode", "ChannelCode",
            *(f"Beneficiary{part}" for part in _BENEFICIARY), *(f"Originator{part}" for part in _BENEFICIARY),
            "TransactionLocation", "Narration", "PaymentReference", "Amount",
        ),
    ),
    "txnstatusquerysingleitem": ("TSQuerySingle", ("SourceInstitutionCode", "ChannelCode", "SessionID")),
    "balanceenquiry": (
        "BalanceEnquiry",
        (
            "SessionID", "DestinationInstitutionCode", "ChannelCode", "AuthorizationCode", "TargetAccountName",
            "TargetBankVerificationNumber", "TargetAccountNumber",
        ),
    ),
}  # fmt: skip
"""Operation -> message and its elements, in order. Anything else is a format error, as a schema would say."""


@dataclass(frozen=True, slots=True)
class Participant:
    """Who may send, from which account, in which cipher."""

    institution: str
    account: str
    name: str
    cipher: Cipher


Values = dict[str, str]


class NipSandbox:
    """NIP in its SOAP form."""

    rail = "nip"

    def __init__(self, world: World) -> None:
        self.world = world
        self._switch = Switch(world, self.rail)
        self._participants = {"": Participant("999001", "9990010018", "Sandbox Trading One", Plain())}
        self._keys: tuple[Values, Values] | None = None

    async def handle(self, call: WireCall) -> WireReply:
        """Answer one call. Raises: Drop."""
        if call.path.startswith("/hybrid/"):
            self._hybrid()
        for prefix, participant in self._participants.items():
            if call.method == "GET" and call.path == f"{prefix}/settlement":
                return settlement(self._switch, participant.account, call)
            if call.method == "POST" and call.path == f"{prefix}/NIPWS/NIPInterface":
                return await self._serve(participant, call)
        return WireReply(404, b"no such service", "text/plain")

    def connections(self) -> list[TestConnection]:
        """One in plain text, one under the hybrid cipher."""
        public, secret = self._hybrid()
        return [
            _connection("", self._participants[""], {"cipher": "plain"}, {}),
            _connection("/hybrid", self._participants["/hybrid"], {"cipher": "hybrid", **public}, secret),
        ]

    def _hybrid(self) -> tuple[Values, Values]:
        """The keys of the participant who hides; made when first asked for, as that takes a while."""
        if self._keys is None:
            ours, theirs = new_key(), new_key()
            self._keys = ({"peer_public_key": public_pem(ours)}, {"private_key": private_pem(theirs)})
            cipher = Hybrid(ours, theirs.public_key())
            self._participants["/hybrid"] = Participant("999002", "9990020026", "Sandbox Trading Two", cipher)
        return self._keys

    async def _serve(self, participant: Participant, call: WireCall) -> WireReply:
        try:
            operation, sealed = _opened(call.body)
            message, values = _message(participant.cipher.open(sealed))
        except (XmlUnreadable, Unopened, KeyError) as error:
            return _fault(str(error))
        name, fields = MESSAGES[operation]
        session = values.get("SessionID", "")
        if (message, tuple(values)) != (f"{name}Request", fields) or len(values.get("Narration", "")) > 100:
            return self._reply(participant, operation, {**values, "ResponseCode": "30"})

        fault = Fault.NONE

        async def effect() -> WireReply:
            answers = await self._do(operation, participant, values, fault)
            return self._reply(participant, operation, answers)

        if operation != "fundtransfersingleitem_dc":
            return await self.world.answer(self.rail, session, effect, ERROR)
        magic = magic_digits(values["BeneficiaryAccountNumber"], check_digit=True)
        fault = self.world.plan.for_order(self.rail, session, call.headers, magic)
        return await self.world.attempt(fault, effect, ERROR)

    async def _do(self, operation: str, participant: Participant, values: Values, fault: Fault) -> Values:
        source = values.get("SourceInstitutionCode") or values["SessionID"][:6]
        if source != participant.institution:
            return {**values, "ResponseCode": "03"}
        steps: dict[str, Callable[[Participant, Values], Values]] = {
            "nameenquirysingleitem": self._name,
            "txnstatusquerysingleitem": self._status,
            "balanceenquiry": self._balance,
        }
        if operation in steps:
            return steps[operation](participant, values)
        wanted = Wanted(
            session=values["SessionID"],
            account=participant.account,
            institution=values["DestinationInstitutionCode"],
            payee=values["BeneficiaryAccountNumber"],
            name=values["BeneficiaryAccountName"],
            enquiry=values["NameEnquiryRef"],
            amount=values["Amount"],
        )
        code, told_minor = await self._switch.transfer(wanted, fault)
        return {**values, "Amount": naira(told_minor), "ResponseCode": code}

    def _name(self, _: Participant, values: Values) -> Values:
        code, person = self._switch.enquire(
            values["SessionID"], values["DestinationInstitutionCode"], values["AccountNumber"]
        )
        said = {
            "AccountName": person.name if person else "",
            "BankVerificationNumber": person.bvn if person else "",
            "KYCLevel": person.kyc_level if person else "",
        }
        return {**values, **said, "ResponseCode": code}

    def _status(self, participant: Participant, values: Values) -> Values:
        return {**values, "ResponseCode": self._switch.status(values["SessionID"], participant.institution)}

    def _balance(self, participant: Participant, values: Values) -> Values:
        if values["AuthorizationCode"] != AUTHORIZATION or values["TargetAccountNumber"] != participant.account:
            return {**values, "ResponseCode": "63"}
        return {**values, "AvailableBalance": naira(self._switch.balance(participant.account)), "ResponseCode": "00"}

    def _reply(self, participant: Participant, operation: str, values: Values) -> WireReply:
        name = f"{MESSAGES[operation][0]}Response"
        inside = "".join(f"<{key}>{escape(value, quote=False)}</{key}>" for key, value in values.items())
        message = f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inside}</{name}>'
        sealed = escape(participant.cipher.seal(message.encode()), quote=False)
        wrapper = f"{operation}Response"
        return _envelope(200, f'<ns2:{wrapper} xmlns:ns2="{NAMESPACE}"><return>{sealed}</return></ns2:{wrapper}>')


def _connection(prefix: str, participant: Participant, public: Values, secret: Values) -> TestConnection:
    return TestConnection(
        rail="nip",
        path=f"{prefix}/NIPWS/NIPInterface",
        account=participant.account,
        currency="NGN",
        public={
            "institution_code": participant.institution,
            "originator_name": participant.name,
            "originator_account": participant.account,
            "transaction_location": "6.4300747,3.4110715",
            "settlement_url": "../settlement",
            **public,
        },
        secret={"authorization_code": AUTHORIZATION, "settlement_token": TOKEN, **secret},
    )


def _opened(body: bytes) -> tuple[str, str]:
    """Operation and sealed message of a call. Raises: XmlUnreadable, KeyError."""
    envelope = read_xml(body)
    inner = envelope.one("Body")
    if (envelope.name, envelope.namespace) != ("Envelope", SOAP) or inner is None or len(inner.children) != 1:
        raise XmlUnreadable("not a SOAP call")
    call = inner.children[0]
    request: Element | None = call.one("request")
    if call.namespace != NAMESPACE or call.name not in MESSAGES or request is None:
        raise XmlUnreadable("not an operation of NIP")
    return call.name, request.text


def _message(content: bytes) -> tuple[str, Values]:
    """Name and elements of a message. Raises: XmlUnreadable."""
    root = read_xml(content)
    values = {child.name: child.text for child in root.children}
    if len(values) != len(root.children):
        raise XmlUnreadable("an element stands twice")
    return root.name, values


def _fault(words: str) -> WireReply:
    return _envelope(
        500, f"<S:Fault><faultcode>S:Client</faultcode><faultstring>{escape(words)}</faultstring></S:Fault>"
    )


def _envelope(status: int, inside: str) -> WireReply:
    text = f'<?xml version="1.0"?><S:Envelope xmlns:S="{SOAP}"><S:Body>{inside}</S:Body></S:Envelope>'
    return WireReply(status, text.encode(), "text/xml; charset=utf-8")
