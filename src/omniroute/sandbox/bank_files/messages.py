"""The bank's own reading of orders and writing of reports and statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from xml.sax.saxutils import escape

from omniroute.kit.currency import EXPONENTS
from omniroute.kit.money import decimal_text
from omniroute.kit.xml import Element, XmlUnreadable, read_xml
from omniroute.sandbox.transfers import Movement

PAIN_002 = "pain.002.001.10"
PACS_002 = "pacs.002.001.10"
CAMT_053 = "camt.053.001.08"


@dataclass(frozen=True, slots=True)
class FileOrder:
    """One order of a file, as the bank reads it."""

    end_to_end: str
    block: str
    category: str | None
    account: str
    payee: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file of orders. `control_sum` is what it says, `true_sum` what its orders add up to."""

    message: str
    message_id: str
    number: str
    control_sum: Decimal | None
    true_sum: Decimal
    orders: tuple[FileOrder, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What the bank says of an order, a block or a file: a status, and the reason of a refusal."""

    status: str
    reason: str | None = None
    told_minor: int | None = None
    bank_ref: str | None = None


def read_orders(content: bytes) -> ReadFile:
    """A pain.001 or pacs.008 of any version. Raises: XmlUnreadable."""
    root = read_xml(content)
    message = root.namespace.rpartition(":")[2]
    for name in ("CstmrCdtTrfInitn", "FIToFICstmrCdtTrf"):
        body = root.one(name)
        if body is not None:
            break
    else:
        raise XmlUnreadable("no file of orders")
    header = _need(body, "GrpHdr")
    orders = _customer_orders(body) if body.name == "CstmrCdtTrfInitn" else _bank_orders(body)
    told = header.one("CtrlSum")
    return ReadFile(
        message,
        _text(header, "MsgId"),
        _text(header, "NbOfTxs"),
        None if told is None else _decimal(told.text),
        sum((Decimal(decimal_text(one.amount_minor, EXPONENTS[one.currency])) for one in orders), Decimal(0)),
        tuple(orders),
    )


def _customer_orders(body: Element) -> list[FileOrder]:
    found = []
    for block in body.all("PmtInf"):
        kind = block.one("PmtTpInf")
        category = None if kind is None else _text(kind, "CtgyPurp", "Cd")
        account = _text(block, "DbtrAcct", "Id", "Othr", "Id")
        for order in block.all("CdtTrfTxInf"):
            amount = _need(order, "Amt", "InstdAmt")
            found.append(_order(order, amount, _text(block, "PmtInfId"), category, account))
    return found


def _bank_orders(body: Element) -> list[FileOrder]:
    return [
        _order(order, _need(order, "IntrBkSttlmAmt"), "", None, _text(order, "DbtrAcct", "Id", "Othr", "Id"))
        for order in body.all("CdtTrfTxInf")
    ]


def _order(order: Element, amount: Element, block: str, category: str | None, account: str) -> FileOrder:
    currency = amount.attributes.get("Ccy", "")
    if currency not in EXPONENTS:
        raise XmlUnreadable("an amount without a currency")
    minor = _decimal(amount.text).scaleb(EXPONENTS[currency])
    if minor != int(minor):
        raise XmlUnreadable("an amount has more decimals than its currency")
    payee = _text(order, "CdtrAcct", "Id", "Othr", "Id")
    return FileOrder(_text(order, "PmtId", "EndToEndId"), block, category, account, payee, int(minor), currency)


def _need(at: Element, *names: str) -> Element:
    for name in names:
        inner = at.one(name)
        if inner is None:
            raise XmlUnreadable(f"{name} is missing in {at.name}")
        at = inner
    return at


def _text(at: Element, *names: str) -> str:
    return _need(at, *names).text.strip()


def _decimal(text: str) -> Decimal:
    try:
        found = Decimal(text.strip())
    except InvalidOperation as error:
        raise XmlUnreadable(f"no number: {text[:40]}") from error
    if not found.is_finite():
        raise XmlUnreadable("no finite number")
    return found


def write_report(
    file: ReadFile,
    report_id: str,
    at: datetime,
    *,
    group: Said | None = None,
    blocks: Sequence[tuple[str, Said]] = (),
    orders: Sequence[tuple[FileOrder, Said]] = (),
) -> bytes:
    """What the bank says of a file: pain.002 about a pain.001, pacs.002 about a pacs.008."""
    head = _el("GrpHdr", _leaf("MsgId", report_id), _leaf("CreDtTm", at.isoformat(timespec="seconds")))
    about = _el(
        "OrgnlGrpInfAndSts",
        _leaf("OrgnlMsgId", file.message_id),
        _leaf("OrgnlMsgNmId", file.message),
        "" if group is None else _leaf("GrpSts", group.status) + _reason(group),
    )
    if file.message.startswith("pacs"):
        told = "".join(_transaction(order, said) for order, said in orders)
        return _document(PACS_002, _el("FIToFIPmtStsRpt", head, about, told))
    names = [name for name, _ in blocks]
    names += sorted({order.block for order, _ in orders} - set(names))
    said_of = dict(blocks)
    told = ""
    for name in names:
        block = said_of.get(name)
        told += _el(
            "OrgnlPmtInfAndSts",
            _leaf("OrgnlPmtInfId", name),
            "" if block is None else _leaf("PmtInfSts", block.status) + _reason(block),
            *[_transaction(order, said) for order, said in orders if order.block == name],
        )
    return _document(PAIN_002, _el("CstmrPmtStsRpt", head, about, told))


def _transaction(order: FileOrder, said: Said) -> str:
    minor = order.amount_minor if said.told_minor is None else said.told_minor
    amount = _leaf("InstdAmt", decimal_text(minor, EXPONENTS[order.currency]), Ccy=order.currency)
    if not order.block:
        amount = amount.replace("InstdAmt", "IntrBkSttlmAmt")
    return _el(
        "TxInfAndSts",
        _leaf("OrgnlInstrId", order.end_to_end),
        _leaf("OrgnlEndToEndId", order.end_to_end),
        _leaf("TxSts", said.status),
        _reason(said),
        "" if said.bank_ref is None else _leaf("AcctSvcrRef", said.bank_ref),
        _el(
            "OrgnlTxRef",
            _el("Amt", amount) if order.block else amount,
            _el("CdtrAcct", _el("Id", _el("Othr", _leaf("Id", order.payee)))),
        ),
    )


def _reason(said: Said) -> str:
    return "" if said.reason is None else _el("StsRsnInf", _el("Rsn", _leaf("Cd", said.reason)))


def write_statement(account: str, movements: Sequence[Movement], statement_id: str, at: datetime) -> bytes:
    """A camt.053 with one booked entry for each movement."""
    entries = "".join(_entry(movement) for movement in movements)
    stamp = at.isoformat(timespec="seconds")
    return _document(
        CAMT_053,
        _el(
            "BkToCstmrStmt",
            _el("GrpHdr", _leaf("MsgId", statement_id), _leaf("CreDtTm", stamp)),
            _el(
                "Stmt",
                _leaf("Id", statement_id),
                _leaf("CreDtTm", stamp),
                _el("Acct", _el("Id", _el("Othr", _leaf("Id", account)))),
                _balance("OPBD", _opening(movements), movements, at),
                _balance("CLBD", movements[-1].balance_after_minor if movements else 0, movements, at),
                entries,
            ),
        ),
    )


def _opening(movements: Sequence[Movement]) -> int:
    return movements[0].balance_after_minor - movements[0].amount_minor if movements else 0


def _balance(kind: str, minor: int, movements: Sequence[Movement], at: datetime) -> str:
    currency = movements[0].currency if movements else "NGN"
    return _el(
        "Bal",
        _el("Tp", _el("CdOrPrtry", _leaf("Cd", kind))),
        _leaf("Amt", decimal_text(abs(minor), EXPONENTS[currency]), Ccy=currency),
        _leaf("CdtDbtInd", "DBIT" if minor < 0 else "CRDT"),
        _el("Dt", _leaf("Dt", at.date().isoformat())),
    )


def _entry(movement: Movement) -> str:
    amount = _leaf("Amt", decimal_text(abs(movement.amount_minor), EXPONENTS[movement.currency]), Ccy=movement.currency)
    credit = movement.amount_minor > 0
    family = "CHRG" if movement.kind == "fee" else "RRTN" if credit else "DMCT"
    return _el(
        "Ntry",
        _leaf("NtryRef", f"{movement.number}"),
        amount,
        _leaf("CdtDbtInd", "CRDT" if credit else "DBIT"),
        _leaf("RvslInd", "true") if credit else "",
        _el("Sts", _leaf("Cd", "BOOK")),
        _el("BookgDt", _leaf("DtTm", movement.at.isoformat())),
        _leaf("AcctSvcrRef", f"{movement.rail_ref}{movement.number}"),
        _el("BkTxCd", _el("Domn", _leaf("Cd", "PMNT"), _el("Fmly", _leaf("Cd", "ICDT"), _leaf("SubFmlyCd", family)))),
        _el("NtryDtls", _el("TxDtls", _el("Refs", _leaf("EndToEndId", movement.reference)), amount)),
    )


def _leaf(name: str, text: str, **attributes: str) -> str:
    written = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{escape(text)}</{name}>"


def _el(name: str, *inside: str) -> str:
    return f"<{name}>{''.join(inside)}</{name}>"


def _document(message: str, body: str) -> bytes:
    start = f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{message}">'
    return f"{start}{body}</Document>\n".encode()
