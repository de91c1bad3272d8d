"""pain.001, the bank's own file of payments (versions 3, 9, 10 and 11), read as a stream and summed up.

MsgId, NbOfTxs, CtrlSum      checked against what the file holds, in the header and in each PmtInf
DbtrAcct Id Othr Id          the ledger account that pays, unless the batch names one
ReqdExctnDt                  not before this day
EndToEndId                   the payment's reference
InstdAmt Ccy                 amount and currency
CdtrAcct Othr Id or IBAN     the payee's account, with the bank of CdtrAgt (ClrSysMmbId, BIC, Othr);
  SchmeNm Prtry              MSISDN, WALLET, TILL, PAYBILL or LEDGER: another kind of payee
  Prxy Tp Cd TELE            a mobile number
Cdtr Nm, RmtInf Ustrd        name and narration
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import BinaryIO

from omniroute.kit.xml import Closed, Element, Opened, XmlStream, XmlUnreadable
from omniroute.money.batches.columns import read_line
from omniroute.money.batches.errors import ControlSumWrong, UnreadableFile
from omniroute.money.batches.model import Defaults, FileLine, Problem

NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:pain\.001\.001\.(03|09|10|11)")
_CONTAINERS = frozenset({"Document", "CstmrCdtTrfInitn", "PmtInf"})
_PIECE = 64 * 1024
_KINDS = {"MSISDN": "msisdn", "WALLET": "wallet", "TILL": "till", "PAYBILL": "paybill", "LEDGER": "ledger"}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_COUNT = re.compile(r"\d{1,15}", re.ASCII)


@dataclass(slots=True)
class Pain001:
    """What the header says, once it has been read."""

    origin: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Sums:
    """What a part of the file says it holds, and what it does hold."""

    where: str
    said_count: int | None = None
    said_sum: Decimal | None = None
    count: int = 0
    sum: Decimal = Decimal(0)

    def add(self, amount: Decimal) -> None:
        self.count += 1
        self.sum += amount

    def check(self) -> None:
        """Raises: ControlSumWrong."""
        if self.said_count is not None and self.said_count != self.count:
            raise ControlSumWrong(
                f"{self.where} says {self.said_count} payments, and there are {self.count}",
                said_count=self.said_count,
                count=self.count,
            )
        if self.said_sum is not None and self.said_sum != self.sum:
            raise ControlSumWrong(
                f"{self.where} says a sum of {self.said_sum}, and it is {self.sum}",
                said_sum=str(self.said_sum),
                sum=str(self.sum),
            )


@dataclass(slots=True)
class _Group:
    """What a PmtInf says about all payments in it."""

    sums: _Sums
    info_id: str = ""
    source: str | None = None
    day: str | None = None
    wrong: str | None = None


def read_pain001(file: BinaryIO, defaults: Defaults, told: Pain001) -> Iterator[FileLine]:
    """The payments of a pain.001 file; what its header says is put in `told`.

    Raises: UnreadableFile, ControlSumWrong.
    """
    file.seek(0)
    try:
        yield from _Reader(defaults, told).read(file)
    except XmlUnreadable as error:
        raise UnreadableFile(f"not a pain.001 we can read: {error}") from error


class _Reader:
    def __init__(self, defaults: Defaults, told: Pain001) -> None:
        self.defaults, self.told = defaults, told
        self.sums = _Sums("the file")
        self.group: _Group | None = None
        self.level = 0
        self.version = ""

    def read(self, file: BinaryIO) -> Iterator[FileLine]:
        stream = XmlStream(_CONTAINERS)
        last = False
        while not last:
            piece = file.read(_PIECE)
            last = not piece
            for found in stream.feed(piece, last=last):
                match found:
                    case Opened():
                        self._open(found)
                    case Closed():
                        self._close()
                    case Element():
                        line = self._element(found)
                        if line is not None:
                            yield line
        if not self.told.origin:
            raise UnreadableFile("the file has no GrpHdr")
        self.sums.check()

    def _open(self, found: Opened) -> None:
        order = ("Document", "CstmrCdtTrfInitn", "PmtInf")
        if self.level >= len(order) or found.name != order[self.level]:
            raise UnreadableFile(f"{found.name} stands where it cannot stand")
        version = NAMESPACE.fullmatch(found.namespace)
        if version is None:
            raise UnreadableFile("the file is not pain.001.001.03, .09, .10 or .11", namespace=found.namespace[:80])
        self.level += 1
        if found.name == "PmtInf":
            self.group = _Group(_Sums("a PmtInf"))
        self.version = version[1]

    def _close(self) -> None:
        self.level -= 1
        if self.group is not None:
            self.group.sums.check()
            self.group = None

    def _element(self, found: Element) -> FileLine | None:
        if self.group is not None:
            return self._in_group(self.group, found)
        if found.name == "GrpHdr":
            if self.told.origin:
                raise UnreadableFile("GrpHdr stands twice")
            self.told.origin = {
                "message_id": _text(found, "MsgId") or "",
                "created": _text(found, "CreDtTm") or "",
                "version": self.version,
            }
            if not self.told.origin["message_id"]:
                raise UnreadableFile("the file has no MsgId")
            self.sums.said_count = _count(found.one("NbOfTxs"))
            self.sums.said_sum = _decimal(found.one("CtrlSum"))
            if self.sums.said_count is None:
                raise UnreadableFile("the file has no NbOfTxs")
        return None

    def _in_group(self, group: _Group, found: Element) -> FileLine | None:
        match found.name:
            case "PmtInfId":
                group.info_id = found.text.strip()
            case "NbOfTxs":
                group.sums.said_count = _count(found)
            case "CtrlSum":
                group.sums.said_sum = _decimal(found)
            case "PmtMtd" if found.text.strip() != "TRF":
                group.wrong = "PmtMtd: only transfers (TRF) are paid"
            case "ReqdExctnDt":
                group.day = _text(found, "Dt") or (_text(found, "DtTm") or "")[:10] or found.text.strip()
            case "DbtrAcct":
                group.source = _text(found, "Id", "Othr", "Id")
            case "CdtTrfTxInf":
                if not self.told.origin:
                    raise UnreadableFile("payments stand before the GrpHdr")
                return self._payment(group, found)
        return None

    def _payment(self, group: _Group, found: Element) -> FileLine:
        amount = _at(found, "Amt", "InstdAmt")
        units = _decimal(amount)
        self.sums.add(units or Decimal(0))
        group.sums.add(units or Decimal(0))
        fields = {
            "amount": None if amount is None else amount.text.strip(),
            "currency": None if amount is None else amount.attributes.get("Ccy"),
            "reference": _reference(found),
            "source": self.defaults.source or group.source,
            "payee_name": _text(found, "Cdtr", "Nm"),
            "country": _country(found),
            "narration": _text(found, "RmtInf", "Ustrd"),
            "send_on": group.day if group.day and _DAY.fullmatch(group.day) else None,
            **_account(found),
        }
        line = read_line(self.sums.count, {name: text for name, text in fields.items() if text}, {}, self.defaults)
        wrong = group.wrong
        if amount is None:
            wrong = wrong or "Amt: an InstdAmt with its currency is needed"
        if group.day and not _DAY.fullmatch(group.day):
            wrong = wrong or "ReqdExctnDt: not a day"
        problem = Problem("payments.malformed", wrong) if wrong else line.problem
        origin = {
            "info_id": group.info_id,
            "instruction_id": _text(found, "PmtId", "InstrId") or "",
            "end_to_end_id": _text(found, "PmtId", "EndToEndId") or "",
        }
        return replace(line, problem=problem, origin={key: text[:35] for key, text in origin.items()})


def _reference(found: Element) -> str | None:
    text = _text(found, "PmtId", "EndToEndId")
    return None if text in (None, "NOTPROVIDED") else text


def _country(found: Element) -> str | None:
    agent = _text(found, "CdtrAgt", "FinInstnId", "PstlAdr", "Ctry")
    return agent or _text(found, "Cdtr", "PstlAdr", "Ctry") or _text(found, "Cdtr", "CtryOfRes")


def _account(found: Element) -> dict[str, str | None]:
    """Where the money goes: kind, number, institution."""
    account = found.one("CdtrAcct")
    agent = _at(found, "CdtrAgt", "FinInstnId")
    institution = None
    if agent is not None:
        institution = (
            _text(agent, "ClrSysMmbId", "MmbId")
            or _text(agent, "BICFI")
            or _text(agent, "BIC")
            or _text(agent, "Othr", "Id")
        )
    if account is None:
        return {"institution": institution}
    proxy = _text(account, "Prxy", "Id")
    if proxy is not None and _text(account, "Prxy", "Tp", "Cd") in ("TELE", "MBNO"):
        return {"msisdn": proxy, "institution": institution}
    kind = _KINDS.get(_text(account, "Id", "Othr", "SchmeNm", "Prtry") or "", "bank_account")
    number = _text(account, "Id", "Othr", "Id") or _text(account, "Id", "IBAN")
    return {"payee_kind": kind, "identifier": number, "institution": institution}


def _at(element: Element, *path: str) -> Element | None:
    found: Element | None = element
    for name in path:
        found = None if found is None else next(iter(found.all(name)), None)
    return found


def _text(element: Element, *path: str) -> str | None:
    found = _at(element, *path)
    return None if found is None else found.text.strip() or None


def _count(element: Element | None) -> int | None:
    if element is None:
        return None
    text = element.text.strip()
    if not _COUNT.fullmatch(text):
        raise UnreadableFile(f"NbOfTxs: {text[:40]} is no number")
    return int(text)


def _decimal(element: Element | None) -> Decimal | None:
    if element is None:
        return None
    text = element.text.strip()
    try:
        value = Decimal(text) if len(text) <= 40 else None
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite():
        if element.name == "InstdAmt":
            return None  # The line tells.
        raise UnreadableFile(f"{element.name}: {text[:40]} is no number")
    return value
