"""Reading statements: camt.053 (the day) and camt.054 (single bookings). Only what is booked counts.

An entry that stands for several orders is read order by order, if its parts add up to it; otherwise as one line
without the name of an order: a part is not proof of the whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256

from omniroute.connectors.iso20022.answers import descend, find, text_at
from omniroute.connectors.iso20022.text import read_amount
from omniroute.kit.money import Money
from omniroute.kit.xml import Element, XmlUnreadable
from omniroute.ports.rails import StatementLine

STATEMENTS = ("Stmt", "Ntfctn")
_FEES = frozenset({"CHRG", "COMM", "FEES", "CHRGS"})
_NO_REF = frozenset({"NOTPROVIDED", "NONREF"})


def read_statement(root: Element, account: str) -> tuple[StatementLine, ...]:
    """The booked lines of our own account; statements of others in the same file are passed over.

    Raises: XmlUnreadable when a line cannot be dated.
    """
    lines: list[StatementLine] = []
    for statement in descend(root, STATEMENTS):
        owner = text_at(statement, "Acct", "Id", "IBAN") or text_at(statement, "Acct", "Id", "Othr", "Id")
        if owner is None or "".join(owner.split()).upper() != account.upper():
            continue
        for position, entry in enumerate(statement.all("Ntry")):
            if (text_at(entry, "Sts", "Cd") or text_at(entry, "Sts")) == "BOOK":
                lines += _entry(statement, entry, position, account)
    return tuple(lines)


@dataclass(frozen=True, slots=True)
class _Part:
    """One order behind an entry."""

    amount: Money | None
    credit: bool
    our_ref: str | None
    provider_ref: str | None
    narration: str


def _entry(statement: Element, entry: Element, position: int, account: str) -> Iterator[StatementLine]:
    whole = _money(entry)
    direction = text_at(entry, "CdtDbtInd")
    if whole is None or whole.amount_minor == 0 or direction not in ("CRDT", "DBIT"):
        return
    credit = direction == "CRDT"
    own_ref = text_at(entry, "AcctSvcrRef") or text_at(entry, "NtryRef")
    parts = [_part(details, entry, credit) for every in entry.all("NtryDtls") for details in every.all("TxDtls")]
    if len(parts) == 1 and parts[0].amount is None:
        one = parts[0]
        parts = [_Part(whole, credit, one.our_ref, one.provider_ref, one.narration)]
    if not _add_up(parts, whole, credit):
        parts = [_Part(whole, credit, None, own_ref, text_at(entry, "AddtlNtryInf") or "")]
    booked_at, value_on = _booked_at(statement, entry), _day(entry, "ValDt")
    # The same booking in two files has one id where the bank names it; else it is the place in its statement.
    place = own_ref or f"{text_at(statement, 'Id')}\x1f{position}"
    for number, part in enumerate(parts):
        if part.amount is None or part.amount.amount_minor == 0:
            continue
        key = "\x1f".join([account, place, str(number), direction, str(part.amount), booked_at.date().isoformat()])
        yield StatementLine(
            sha256(key.encode()).hexdigest()[:40],
            booked_at,
            part.amount,
            part.credit,
            part.our_ref,
            part.provider_ref or own_ref,
            part.narration[:500],
            value_on=value_on,
            is_fee=_is_fee(entry),
        )


def _part(details: Element, entry: Element, credit: bool) -> _Part:
    amount = _money(details) or _money(find(details, "AmtDtls", "TxAmt"))
    own = text_at(details, "CdtDbtInd")
    names = [text_at(details, "Refs", name) for name in ("EndToEndId", "TxId", "InstrId")]
    words = [" ".join(line.text.split()) for remittance in details.all("RmtInf") for line in remittance.all("Ustrd")]
    return _Part(
        amount,
        credit if own is None else own == "CRDT",
        next((name for name in names if name and name not in _NO_REF), None),
        text_at(details, "Refs", "AcctSvcrRef") or text_at(entry, "AcctSvcrRef"),
        " ".join(words),
    )


def _add_up(parts: list[_Part], whole: Money, credit: bool) -> bool:
    total = 0
    for part in parts:
        if part.amount is None or part.amount.currency != whole.currency:
            return False
        total += part.amount.amount_minor if part.credit == credit else -part.amount.amount_minor
    return bool(parts) and total == whole.amount_minor


def _money(at: Element | None) -> Money | None:
    found = None if at is None else at.one("Amt")
    return None if found is None else read_amount(found.text, found.attributes.get("Ccy"))


def _is_fee(entry: Element) -> bool:
    code = text_at(entry, "BkTxCd", "Domn", "Fmly", "SubFmlyCd")
    return code in _FEES


def _booked_at(statement: Element, entry: Element) -> datetime:
    for path in (("BookgDt", "DtTm"), ("BookgDt", "Dt"), ("ValDt", "DtTm"), ("ValDt", "Dt")):
        told = _instant(text_at(entry, *path))
        if told is not None:
            return told
    told = _instant(text_at(statement, "CreDtTm"))
    if told is None:
        raise XmlUnreadable("an entry has no date")
    return told


def _day(entry: Element, name: str) -> date | None:
    told = _instant(text_at(entry, name, "Dt") or text_at(entry, name, "DtTm"))
    return None if told is None else told.date()


def _instant(text: str | None) -> datetime | None:
    """An instant; what has no zone counts as UTC."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
