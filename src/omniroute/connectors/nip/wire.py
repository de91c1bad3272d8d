"""The messages of NIP v9.4 as bytes, and the SOAP envelope around them.

A message is a flat list of elements in a fixed order. `REQUESTS` names them; what is missing or too much is a mistake
of ours and stops before anything is sent. Answers are read by name, whatever their order.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from html import escape

from omniroute.kit.currency import exponent
from omniroute.kit.money import MINOR_MAX, Money, decimal_text
from omniroute.kit.xml import Element, XmlUnreadable, read_xml
from omniroute.ports.rails import RailAnswerUnreadable

NAMESPACE = "http://core.nip.nibss/"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
ANSWER_BYTES_MAX = 4 * 2**20
NARRATION_MAX = 100
REFERENCE_MAX = 50
NAME_MAX = 100

_BENEFICIARY = (
    "BeneficiaryAccountName",
    "BeneficiaryAccountNumber",
    "BeneficiaryBankVerificationNumber",
    "BeneficiaryKYCLevel",
)
_ORIGINATOR = (
    "OriginatorAccountName",
    "OriginatorAccountNumber",
    "OriginatorBankVerificationNumber",
    "OriginatorKYCLevel",
)
_DEBIT = ("DebitAccountName", "DebitAccountNumber", "DebitBankVerificationNumber", "DebitKYCLevel")
_HEAD = ("SessionID", "NameEnquiryRef", "DestinationInstitutionCode", "ChannelCode")
_CREDIT = (*_HEAD, *_BENEFICIARY, *_ORIGINATOR, "TransactionLocation", "Narration", "PaymentReference", "Amount")
_DIRECT_DEBIT = (
    *(*_HEAD, *_DEBIT, *_BENEFICIARY, "TransactionLocation", "Narration", "PaymentReference"),
    *("MandateReferenceNumber", "TransactionFee", "Amount"),
)

REQUESTS: Mapping[str, tuple[str, ...]] = {
    "NESingleRequest": ("SessionID", "DestinationInstitutionCode", "ChannelCode", "AccountNumber"),
    "FTSingleCreditRequest": _CREDIT,
    "FTSingleDebitRequest": _DIRECT_DEBIT,
    "TSQuerySingleRequest": ("SourceInstitutionCode", "ChannelCode", "SessionID"),
    "BalanceEnquiryRequest": (
        *("SessionID", "DestinationInstitutionCode", "ChannelCode", "AuthorizationCode"),
        *("TargetAccountName", "TargetBankVerificationNumber", "TargetAccountNumber"),
    ),
    "FTAdviceCreditRequest": _CREDIT,
    "FTAdviceDebitRequest": _DIRECT_DEBIT,
}
"""Elements of each request in the order of the specification."""

OPERATIONS: Mapping[str, str] = {
    "NESingleRequest": "nameenquirysingleitem",
    "FTSingleCreditRequest": "fundtransfersingleitem_dc",
    "FTSingleDebitRequest": "fundtransfersingleitem_dd",
    "TSQuerySingleRequest": "txnstatusquerysingleitem",
    "BalanceEnquiryRequest": "balanceenquiry",
    "FTAdviceCreditRequest": "fundtransferAdvice_dc",
    "FTAdviceDebitRequest": "fundtransferAdvice_dd",
    "FinancialInstitutionListRequest": "financialinstitutionlist",
}
"""The operation of the web service that takes each message."""

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DECIMAL = re.compile(r"\d{1,19}(\.\d{1,6})?", re.ASCII)


def build_message(name: str, values: Mapping[str, str]) -> bytes:
    """A request as bytes, its elements in the order of the specification."""
    fields = REQUESTS[name]
    assert set(values) == set(fields), f"{name} has exactly the elements {fields}"
    lines = [f"  <{field}>{escape(clean(values[field]), quote=False)}</{field}>\n" for field in fields]
    return f"{DECLARATION}<{name}>\n{''.join(lines)}</{name}>\n".encode()


def parse_message(content: bytes) -> tuple[str, dict[str, str]]:
    """The name of a message and its elements by name, each once.

    Raises: RailAnswerUnreadable.
    """
    root = read(content)
    values: dict[str, str] = {}
    for child in root.children:
        if child.name in values:
            raise RailAnswerUnreadable(f"{child.name} stands twice in {root.name}")
        values[child.name] = child.text.strip()
    return root.name, values


def read(content: bytes) -> Element:
    """The root of an answer. Raises: RailAnswerUnreadable."""
    try:
        return read_xml(content, size_max=ANSWER_BYTES_MAX)
    except XmlUnreadable as error:
        raise RailAnswerUnreadable(f"not XML that we accept: {error}") from error


def wrap(operation: str, sealed: str) -> bytes:
    """The SOAP envelope of a call."""
    return (
        f'<soapenv:Envelope xmlns:soapenv="{SOAP}" xmlns:core="{NAMESPACE}"><soapenv:Header/><soapenv:Body>'
        f"<core:{operation}><request>{escape(sealed, quote=False)}</request></core:{operation}>"
        "</soapenv:Body></soapenv:Envelope>"
    ).encode()


def unwrap(content: bytes, operation: str) -> str:
    """What `return` of the answer holds, still sealed.

    Raises: RailAnswerUnreadable for anything else, a SOAP fault too: it says nothing of the money.
    """
    return _inside(content, f"{operation}Response", "return")


def unwrap_request(content: bytes, operation: str) -> str:
    """What `request` of a call to us holds, still sealed. Raises: RailAnswerUnreadable."""
    return _inside(content, operation, "request")


def _inside(content: bytes, wrapper_name: str, part_name: str) -> str:
    envelope = read(content)
    try:
        body = envelope.one("Body") if (envelope.name, envelope.namespace) == ("Envelope", SOAP) else None
        wrapper = body.one(wrapper_name) if body is not None else None
        part = wrapper.one(part_name) if wrapper is not None else None
    except XmlUnreadable as error:
        raise RailAnswerUnreadable(str(error)) from error
    if part is None or not part.text.strip():
        raise RailAnswerUnreadable(f"the envelope holds no {part_name} of {wrapper_name}")
    return part.text


def clean(text: str, longest: int | None = None) -> str:
    """Text that XML can carry, on one line, not longer than `longest`."""
    return " ".join(_ILLEGAL.sub(" ", text).split())[:longest].rstrip()


def amount_text(amount: Money) -> str:
    """An amount as it travels: `1000.00`."""
    return decimal_text(amount.amount_minor, exponent(amount.currency))


def parse_amount(value: object, currency: str) -> Money:
    """The amount behind `1000.00`, `1000` or a JSON number.

    Raises: RailAnswerUnreadable for anything else: exponents, signs, fractions of a minor unit.
    """
    text = str(value).strip() if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else ""
    if _DECIMAL.fullmatch(text) is None:
        raise RailAnswerUnreadable("an amount is not a plain decimal number")
    whole, _, fraction = text.partition(".")
    places = exponent(currency)
    kept, lost = fraction[:places].ljust(places, "0"), fraction[places:]
    minor = int(whole + kept)
    if lost.strip("0") or minor > MINOR_MAX:
        raise RailAnswerUnreadable("an amount has fractions of a minor unit or is out of range")
    return Money(minor, currency)
