"""What goes to Daraja, and how its amounts, times and parties are read. No I/O."""

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from omniroute.kit.money import MINOR_MAX, Money
from omniroute.ports.rails import Credentials, NotSent, PartyKind, Payout, RailUnable

TOKEN_PATH = "/oauth/v1/generate?grant_type=client_credentials"  # noqa: S105 - an address, not a secret
WALLET_PATH = "/mpesa/b2c/v3/paymentrequest"
BUSINESS_PATH = "/mpesa/b2b/v1/paymentrequest"
STATUS_PATH = "/mpesa/transactionstatus/v1/query"
BALANCE_PATH = "/mpesa/accountbalance/v1/query"
REVERSAL_PATH = "/mpesa/reversal/v1/request"

# The purposes of our callback addresses. Single letters: Daraja refuses addresses with telling words in them.
WALLET_RESULT = "r"
BUSINESS_RESULT = "m"
TIMED_OUT = "t"
STATUS_BY_OUR_REF = "s"
STATUS_BY_THEIR_REF = "p"
BALANCE = "b"
REVERSAL = "v"
LAPSED = "l"  # Daraja gave up on a question of ours.

REFUSED_IN_ADDRESSES = ("mpesa", "m-pesa", "safaricom", "exe", "cmd", "sql", "query")

WALLET_MIN = Money(10_00, "KES")
AMOUNT_MAX = Money(250_000_00, "KES")

_NAIROBI = timezone(timedelta(hours=3))
_MSISDN = re.compile(r"254[17][0-9]{8}")
_SHORTCODE = re.compile(r"[0-9]{5,9}")
_RECEIPT = re.compile(r"(?=.*[A-Z])[A-Z0-9]{10}")
_PARTY = re.compile(r"\s*([0-9]{5,15})\s*(?:[-\u2013]\s*(.*))?", re.DOTALL)  # "254708374149 - John Doe"
_AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,6})?")
_REFERENCE_LETTERS = "0123456789BCDFGHJKLNPRSTVWXYZ"  # No vowels, M or Q: none of the refused words can appear.
_REFERENCE_LENGTH = 18
_INTEGER_MAX = 10**18
_TEXT_MAX = 1024  # What Safaricom's page gives for ResultDesc, its longest text.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def build_reference(attempt_id: UUID) -> str:
    """Nineteen letters and digits: Daraja's page says "less than 20 characters" of the field that echoes it."""
    number = int.from_bytes(hashlib.sha256(attempt_id.bytes).digest())
    letters = []
    for _ in range(_REFERENCE_LENGTH):
        number, at = divmod(number, len(_REFERENCE_LETTERS))
        letters.append(_REFERENCE_LETTERS[at])
    return "R" + "".join(letters)


def check(payout: Payout) -> None:
    """Refuse what Daraja cannot carry.

    Raises: RailUnable.
    """
    shillings(payout.amount)
    payee = payout.payee
    if payout.amount > AMOUNT_MAX:
        raise RailUnable("M-Pesa pays at most KES 250,000 at once.", amount_max_minor=AMOUNT_MAX.amount_minor)
    match payee.kind:
        case PartyKind.MSISDN:
            if not _MSISDN.fullmatch(payee.identifier):
                raise RailUnable("M-Pesa pays Kenyan mobile numbers: 254, then nine digits beginning with 7 or 1.")
            if payout.amount < WALLET_MIN:
                raise RailUnable("M-Pesa pays wallets at least KES 10.", amount_min_minor=WALLET_MIN.amount_minor)
        case PartyKind.TILL | PartyKind.PAYBILL:
            if not _SHORTCODE.fullmatch(payee.identifier):
                raise RailUnable("A till or paybill number has five to nine digits.")
            if payee.kind is PartyKind.PAYBILL and not payee.account:
                raise RailUnable("A paybill needs the account that is paid.")
            if payee.account is not None and payee.account != plain(payee.account, 13):
                raise RailUnable("The account behind a paybill has at most 13 letters, digits, spaces or -_./")
        case _:
            raise RailUnable("M-Pesa pays mobile numbers, tills and paybills.", kind=payee.kind.value)


def shillings(amount: Money) -> int:
    """The amount as Daraja takes it: whole Kenyan shillings.

    Raises: RailUnable for another currency, cents, or nothing at all.
    """
    if amount.currency != "KES":
        raise RailUnable("M-Pesa in Kenya carries shillings (KES) only.", currency=amount.currency)
    whole, cents = divmod(amount.amount_minor, 100)
    if cents:
        raise RailUnable("M-Pesa carries whole shillings, no cents.", amount_minor=amount.amount_minor)
    if whole <= 0:
        raise RailUnable("M-Pesa carries amounts above zero.", amount_minor=amount.amount_minor)
    return whole


def read_amount(value: object) -> Money | None:
    """An amount of Daraja's (10, "10", "10.00", 8959269.6) in cents; None when it is none."""
    text = format(value, "f") if isinstance(value, Decimal) and abs(value.adjusted()) < 20 else read_text(value)
    if text is None or not _AMOUNT.fullmatch(text):
        return None
    cents = Decimal(text).scaleb(2)
    if cents != cents.to_integral_value() or cents > MINOR_MAX:
        return None
    return Money(int(cents), "KES")


def read_signed_amount(value: str) -> Money | None:
    """As `read_amount`; the balance of the charges account is below zero."""
    amount = read_amount(value.removeprefix("-"))
    return -amount if amount is not None and value.startswith("-") else amount


def read_text(value: object) -> str | None:
    """A text or whole number as text, cut; None when it is neither, or empty."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    if isinstance(value, int) and abs(value) >= _INTEGER_MAX:
        return None
    return _UNPRINTABLE.sub("", str(value)).strip()[:_TEXT_MAX] or None


def read_time(value: object) -> datetime | None:
    """A time of Daraja's (20180223054112, "06.07.2024 22:48:52": Nairobi, no offset) in UTC; None when it is none."""
    text = read_text(value) or ""
    for form in ("%Y%m%d%H%M%S", "%d.%m.%Y %H:%M:%S"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=_NAIROBI).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def read_party(value: object) -> str | None:
    """The number in "254708374149 - John Doe"; None when it is masked or missing."""
    found = _PARTY.fullmatch(value) if isinstance(value, str) else None
    return found.group(1) if found else None


def cut_names(value: str) -> str:
    """The same with each name cut to its first letter."""
    found = _PARTY.fullmatch(value)
    if found is None:
        return "***"
    return " ".join([found.group(1), *(f"{name[0]}." for name in (found.group(2) or "").split())])


def read_charges(value: object) -> Money | None:
    """The sum in "Fee For B2C Payment|KES|22.40" (several are joined by &); None when there is none to read."""
    if not isinstance(value, str) or not value:
        return None
    total = Money(0, "KES")
    for part in value.split("&"):
        pieces = part.split("|")
        amount = read_amount(pieces[2]) if len(pieces) == 3 and pieces[1] == "KES" else None
        if amount is None:
            return None
        total += amount
    return total


def is_receipt(value: str | None) -> bool:
    """Whether this is the receipt of a transaction; the ones of refused requests end in zeros."""
    return value is not None and _RECEIPT.fullmatch(value) is not None and not value.endswith("0000000")


def plain(text: str, length_max: int) -> str:
    """Text as Daraja takes it: printable ASCII without marks that its gateway takes for an attack."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in " -_./") else " " for letter in text)
    return " ".join(kept.split())[:length_max].strip()


def setting(values: Mapping[str, str], name: str) -> str:
    """A setting of the connection. Raises: NotSent when it is missing; nothing was sent then."""
    value = values.get(name)
    if not value:
        raise NotSent(f"the connection has no {name}")
    return value


@lru_cache(maxsize=64)
def _public_key(certificate: str) -> RSAPublicKey:
    key = load_pem_x509_certificate(certificate.encode()).public_key()
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA certificate")
    return key


def security_credential(credentials: Credentials) -> str:
    """The initiator's password under Safaricom's certificate. Raises: NotSent when there is none to make."""
    password = setting(credentials.secret, "initiator_password")
    try:
        key = _public_key(setting(credentials.public, "certificate"))
    except ValueError as error:
        raise NotSent("the connection's certificate cannot be read") from error
    return base64.b64encode(key.encrypt(password.encode(), PKCS1v15())).decode()


def check_address(address: str) -> str:
    """Daraja refuses addresses with certain words in them. Raises: NotSent."""
    for word in REFUSED_IN_ADDRESSES:
        if word in address.lower():
            raise NotSent(f"our callback address contains {word!r}, which Daraja refuses")
    return address


def _initiator(credentials: Credentials) -> str:
    return setting(credentials.public, "initiator_name")


def _shortcode(credentials: Credentials) -> int:
    value = setting(credentials.public, "shortcode")
    if not _SHORTCODE.fullmatch(value):
        raise NotSent("the connection's shortcode is not a number of five to nine digits")
    return int(value)


def _remarks(text: str) -> str:
    remarks = plain(text, 100)
    return remarks if len(remarks) >= 2 else "Payment"


def wallet_body(credentials: Credentials, payout: Payout, result_url: str, timeout_url: str) -> dict[str, Any]:
    """B2C: to a mobile number."""
    body: dict[str, Any] = {
        "OriginatorConversationID": payout.our_ref,
        "InitiatorName": _initiator(credentials),
        "SecurityCredential": security_credential(credentials),
        "CommandID": _wallet_command(credentials, payout),
        "Amount": shillings(payout.amount),
        "PartyA": _shortcode(credentials),
        "PartyB": int(payout.payee.identifier),
        "Remarks": _remarks(payout.narration),
        "QueueTimeOutURL": check_address(timeout_url),
        "ResultURL": check_address(result_url),
    }
    occasion = plain(payout.payment_reference, 100)
    return body | {"Occassion": occasion} if occasion else body  # Their spelling.


def _wallet_command(credentials: Credentials, payout: Payout) -> str:
    own = credentials.public.get("wallet_command")
    return own or ("SalaryPayment" if payout.purpose == "WORKER_PAYOUT" else "BusinessPayment")


def business_body(credentials: Credentials, payout: Payout, result_url: str, timeout_url: str) -> dict[str, Any]:
    """B2B: to a till or a paybill. It has no place for a reference of ours."""
    paybill = payout.payee.kind is PartyKind.PAYBILL
    return {
        "Initiator": _initiator(credentials),
        "SecurityCredential": security_credential(credentials),
        "CommandID": "BusinessPayBill" if paybill else "BusinessBuyGoods",
        "SenderIdentifierType": 4,
        "RecieverIdentifierType": 4,  # Their spelling.
        "Amount": shillings(payout.amount),
        "PartyA": _shortcode(credentials),
        "PartyB": int(payout.payee.identifier),
        "AccountReference": payout.payee.account or payout.our_ref[-13:],
        "Remarks": _remarks(payout.narration),
        "QueueTimeOutURL": check_address(timeout_url),
        "ResultURL": check_address(result_url),
    }


def status_body(
    credentials: Credentials, asked: Mapping[str, str], result_url: str, timeout_url: str
) -> dict[str, Any]:
    """A question about one transaction. `asked` is its OriginalConversationID or its TransactionID."""
    return {
        "Initiator": _initiator(credentials),
        "SecurityCredential": security_credential(credentials),
        "CommandID": "TransactionStatusQuery",
        **asked,
        "PartyA": _shortcode(credentials),
        "IdentifierType": 4,
        "ResultURL": check_address(result_url),
        "QueueTimeOutURL": check_address(timeout_url),
        "Remarks": "Status",
    }


def balance_body(credentials: Credentials, result_url: str, timeout_url: str) -> dict[str, Any]:
    """A question about what our accounts hold."""
    return {
        "Initiator": _initiator(credentials),
        "SecurityCredential": security_credential(credentials),
        "CommandID": "AccountBalance",
        "PartyA": _shortcode(credentials),
        "IdentifierType": 4,
        "Remarks": "Balance",
        "QueueTimeOutURL": check_address(timeout_url),
        "ResultURL": check_address(result_url),
    }


def reversal_body(
    credentials: Credentials, payout: Payout, receipt: str, result_url: str, timeout_url: str
) -> dict[str, Any]:
    """A request to take a transaction back from the organisation that received it."""
    return {
        "Initiator": _initiator(credentials),
        "SecurityCredential": security_credential(credentials),
        "CommandID": "TransactionReversal",
        "TransactionID": receipt,
        "Amount": shillings(payout.amount),
        "ReceiverParty": int(payout.payee.identifier),
        "RecieverIdentifierType": "11",  # Their spelling.
        "ResultURL": check_address(result_url),
        "QueueTimeOutURL": check_address(timeout_url),
        "Remarks": _remarks(payout.narration),
    }
