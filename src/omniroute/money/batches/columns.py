"""From the named fields of a line to a payment: the same names in CSV and in JSON lines.

    reference       of the payment; made from the batch's and the line's number when left out
    amount_minor    whole minor units; or
    amount          units with a point: 1250.50
    currency        ISO 4217
    source          code of the ledger account that pays
    payee_kind      bank_account (usual), msisdn, wallet, till, paybill, ledger
    identifier      account, mobile, till or paybill number; or, instead of both:
    account_number  of a bank account
    msisdn          of a mobile wallet
    institution     code of the bank, or network of the mobile number
    payee_name, country, bill_account (behind a paybill), narration, type, connection
    send_on         not before this day (YYYY-MM-DD), as it begins where the organisation is
    metadata.NAME   facts of your own (in JSON lines: a member `metadata`)

What a field says wrongly is told with the line; what the file as a whole says wrongly refuses the file.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from omniroute.kit.currency import exponent
from omniroute.kit.money import MINOR_MAX, parse_amount
from omniroute.kit.refusal import Refusal
from omniroute.money.batches.model import Defaults, FileLine, Problem
from omniroute.money.payments import PaymentType
from omniroute.ports.rails import PartyKind

COLUMNS = (
    "reference",
    "amount_minor",
    "amount",
    "currency",
    "source",
    "payee_kind",
    "identifier",
    "account_number",
    "msisdn",
    "institution",
    "payee_name",
    "country",
    "bill_account",
    "narration",
    "type",
    "connection",
    "send_on",
)
METADATA = "metadata."
TEXT_MAX = 500
_SHOWN_MAX = 80
_DECIMAL = re.compile(r"(\d{1,19})(?:\.(\d{1,10}))?", re.ASCII)
_OF_NUMBER = {"account_number": PartyKind.BANK_ACCOUNT, "msisdn": PartyKind.MSISDN}


class BadField(Exception):
    """A field that cannot be read."""

    def __init__(self, field: str, detail: str) -> None:
        self.field, self.detail = field, detail
        super().__init__(f"{field}: {detail}")


def parse_decimal(text: str, currency: str, field: str = "amount") -> int:
    """Units with a point as whole minor units, exactly.

    Raises: BadField.
    """
    found = _DECIMAL.fullmatch(text)
    if found is None:
        hint = "; write 1250.50 for one thousand two hundred and fifty and a half" if "," in text else ""
        raise BadField(field, f"{text[:_SHOWN_MAX]} is not an amount: digits, and a point before the decimals{hint}")
    decimals = exponent(currency)
    whole, fraction = found[1], (found[2] or "").rstrip("0")
    if len(fraction) > decimals:
        raise BadField(field, f"{text} has more decimals than {currency}, which has {decimals}")
    value = int(whole + fraction.ljust(decimals, "0"))
    if value > MINOR_MAX:
        raise BadField(field, f"{text} is more than can be paid")
    return value


def read_line(number: int, fields: Mapping[str, str], metadata: Mapping[str, Any], defaults: Defaults) -> FileLine:
    """A line from its fields; those that are empty are left out. What cannot be read becomes its problem."""
    problem: Problem | None = None
    values: dict[str, Any] = {}
    for name, read in (
        ("currency", _currency),
        ("amount_minor", _amount),
        ("payee", _payee),
        ("type", _type),
        ("send_on", _send_on),
    ):
        try:
            values[name] = read(fields, defaults)
        except BadField as bad:
            problem = problem or Problem("payments.malformed", str(bad), bad.field)
        except Refusal as refusal:
            problem = problem or Problem(refusal.code, refusal.detail, name)
    long = next((name for name, text in fields.items() if len(text) > TEXT_MAX), None)
    if long is not None:
        problem = Problem("payments.malformed", f"{long}: longer than {TEXT_MAX} characters", long)
    unfit = next((name for name, text in [*fields.items(), *_texts(metadata)] if not _storable(text)), None)
    if unfit is not None:
        problem = Problem("payments.malformed", f"{unfit}: holds a character that is no text", unfit)
        fields, metadata = {}, {}
    values.setdefault("payee", {})
    return FileLine(
        number=number,
        reference=_cut(fields.get("reference")),
        amount_minor=values.get("amount_minor"),
        currency=values.get("currency"),
        type=values.get("type") or defaults.type,
        source=_cut(fields.get("source")) or defaults.source,
        payee={} if unfit is not None else {key: _cut(text) for key, text in values["payee"].items()},
        narration=_cut(fields.get("narration")) or "",
        send_on=values.get("send_on"),
        connection=_cut(fields.get("connection")),
        metadata=metadata,
        problem=problem,
    )


def _currency(fields: Mapping[str, str], defaults: Defaults) -> str:
    currency = fields.get("currency") or defaults.currency
    if currency is None:
        raise BadField("currency", "is missing, and none is named for all lines")
    exponent(currency)
    return currency


def _amount(fields: Mapping[str, str], defaults: Defaults) -> int:
    minor, units = fields.get("amount_minor"), fields.get("amount")
    if (minor is None) == (units is None):
        raise BadField("amount", "either amount_minor or amount is needed, and not both")
    value = parse_amount(minor) if minor is not None else parse_decimal(units or "", _currency(fields, defaults))
    if value <= 0:
        raise BadField("amount", "more than nothing is needed")
    return value


def _payee(fields: Mapping[str, str], defaults: Defaults) -> dict[str, str]:
    given = [name for name in ("identifier", "account_number", "msisdn") if name in fields]
    if len(given) != 1:
        raise BadField("identifier", "one of identifier, account_number and msisdn is needed, and only one")
    kind = fields.get("payee_kind") or _OF_NUMBER.get(given[0], PartyKind.BANK_ACCOUNT).value
    if kind not in [one.value for one in PartyKind]:
        raise BadField("payee_kind", f"{kind[:_SHOWN_MAX]} is none of {', '.join(one.value for one in PartyKind)}")
    if given[0] in _OF_NUMBER and kind != _OF_NUMBER[given[0]]:
        raise BadField("payee_kind", f"{kind} has no {given[0]}")
    payee = {"kind": kind, "identifier": fields[given[0]]}
    for name, column in (("institution", "institution"), ("name", "payee_name"), ("account", "bill_account")):
        if column in fields:
            payee[name] = fields[column]
    country = fields.get("country") or defaults.country
    if country is not None:
        payee["country"] = country
    return payee


def _type(fields: Mapping[str, str], defaults: Defaults) -> str:
    name = fields.get("type") or defaults.type
    allowed = [one.value for one in PaymentType if one is not PaymentType.COLLECTION]
    if name not in allowed:
        raise BadField("type", f"{name[:_SHOWN_MAX]} is none of {', '.join(allowed)}")
    return name


def _send_on(fields: Mapping[str, str], defaults: Defaults) -> date | None:
    text = fields.get("send_on")
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadField("send_on", f"{text[:_SHOWN_MAX]} is not a day: write YYYY-MM-DD") from None


def _cut(text: str | None) -> str | None:
    """Enough to find the line by; a text that is too long is told as such."""
    return text if text is None or len(text) <= TEXT_MAX else text[:_SHOWN_MAX]


def _texts(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [("metadata", text) for pair in metadata.items() for text in pair if isinstance(text, str)]


def _storable(text: str) -> bool:
    """PostgreSQL keeps no NUL, and UTF-8 has no half surrogate pairs."""
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
