"""Reading answers: pain.002 (bank to customer) and pacs.002 (bank to bank).

Banks break their own schemas, so nothing is asked of a file but that it is XML and says something in the right
places. What is said of an order goes before its block, and a block before the whole file. Where a file names an order
in a way we cannot tell which, nothing that ends orders is believed of the ones it does not name: the stranger may be
one of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from omniroute.connectors.iso20022.text import read_amount
from omniroute.connectors.replies import masked
from omniroute.kit.money import Money
from omniroute.kit.xml import Element
from omniroute.ports.rails import Answer, CodeTable, FileAnswer, Outcome, Result

REPORTS = ("CstmrPmtStsRpt", "FIToFIPmtStsRpt")
_ENDS = (Outcome.SUCCEEDED, Outcome.DECLINED)
_MESSAGE_MAX = 200


@dataclass(slots=True)
class _About:
    """What has been read about one file of ours."""

    group: Result | None = None
    blocks: dict[str, Result] = field(default_factory=dict)
    orders: dict[str, Result] = field(default_factory=dict)
    strangers: bool = False


def read_answers(report: Element, codes: CodeTable) -> tuple[FileAnswer, ...]:
    """What a status report says, file by file. Raises: XmlUnreadable where one thing is told twice."""
    about: dict[str, _About] = {}
    for group in report.all("OrgnlGrpInfAndSts"):
        found = about.setdefault(text_at(group, "OrgnlMsgId") or "", _About())
        told = _result(group, "GrpSts", codes)
        found.group = told if found.group is None else _both(found.group, told)
    only = next(iter(about)) if len(about) == 1 else ""
    for block in report.all("OrgnlPmtInfAndSts"):
        _read_block(block, about.setdefault(only, _About()), codes)
    for order in report.all("TxInfAndSts"):
        message_id = text_at(order, "OrgnlGrpInf", "OrgnlMsgId") or only
        if message_id:
            found = about.setdefault(message_id, _About())
            _read_order(order, found, codes, found.group)
        else:
            for found in about.values():
                found.strangers = True
    return tuple(_answer(message_id, found) for message_id, found in about.items() if message_id)


def _read_block(block: Element, about: _About, codes: CodeTable) -> None:
    block_id = text_at(block, "OrgnlPmtInfId")
    told = _result(block, "PmtInfSts", codes)
    if told is not None and block_id is None:
        about.strangers = True
    elif told is not None and block_id is not None:
        known = about.blocks.get(block_id)
        about.blocks[block_id] = told if known is None else _both(known, told) or told
    for order in block.all("TxInfAndSts"):
        _read_order(order, about, codes, told or about.group)


def _read_order(order: Element, about: _About, codes: CodeTable, above: Result | None) -> None:
    """`above`: what was said of its block, or of all. It holds for an order without a status, unless it says paid."""
    names = {text_at(order, name) for name in ("OrgnlEndToEndId", "OrgnlTxId", "OrgnlInstrId")}
    ours = sorted(name for name in names if name and name != "NOTPROVIDED")
    if not ours:
        about.strangers = True
        return
    # We give an order one name in all places. A bank that tells another beside ours has put in its own.
    told = _result(order, "TxSts", codes)
    if told is None and above is not None and above.outcome is not Outcome.SUCCEEDED:
        told = above
    if told is None:
        told = Result(Outcome.UNKNOWN, Answer(message="no status"))
    for name in ours:
        known = about.orders.get(name)
        result = replace(told, our_ref=name)
        about.orders[name] = result if known is None else _both(known, result) or result


def _both(one: Result | None, other: Result | None) -> Result | None:
    """Two words on one thing: the same, or none."""
    if one is None or other is None:
        return one or other
    if one.outcome is other.outcome:
        return other
    return Result(Outcome.UNKNOWN, Answer(message="the file contradicts itself"), our_ref=other.our_ref)


def _answer(message_id: str, about: _About) -> FileAnswer:
    group, blocks = about.group, dict(about.blocks)
    if about.strangers:
        group = None if group is None or group.outcome in _ENDS else group
        blocks = {name: result for name, result in blocks.items() if result.outcome not in _ENDS}
    return FileAnswer(message_id, tuple(about.orders.items()), group, tuple(blocks.items()))


def _result(at: Element, status_name: str, codes: CodeTable) -> Result | None:
    """What is said here; None when no status is."""
    status = text_at(at, status_name)
    reasons = list(_reasons(at))
    if status is None:
        return None
    entry = codes.find(status)
    code, outcome = status, entry.outcome
    if outcome is Outcome.DECLINED:
        listed = [reason for reason in reasons if reason in codes.entries]
        code = listed[0] if listed else status
        if any(codes.find(reason).outcome is not Outcome.DECLINED for reason in listed):
            # Refused because it was there before: then the first one counts, and nobody knows here what became of it.
            code = next(reason for reason in listed if codes.find(reason).outcome is not Outcome.DECLINED)
            outcome = codes.find(code).outcome
    told_amount, amount_odd = _amount(at)
    if outcome is Outcome.SUCCEEDED and amount_odd:
        outcome = Outcome.UNKNOWN
    payee = text_at(at, "OrgnlTxRef", "CdtrAcct", "Id", "Othr", "Id") or text_at(
        at, "OrgnlTxRef", "CdtrAcct", "Id", "IBAN"
    )
    words = "; ".join(part for part in (*reasons, *_infos(at)) if part)[:_MESSAGE_MAX]
    raw = {"status": status, "reasons": reasons, "payee": masked(payee)}
    return Result(
        outcome,
        Answer(code, words or None, {key: value for key, value in raw.items() if value}),
        provider_ref=text_at(at, "AcctSvcrRef") or text_at(at, "ClrSysRef"),
        amount=told_amount,
        payee_identifier=payee,
    )


def _amount(at: Element) -> tuple[Money | None, bool]:
    """The amount that is echoed, and whether there is one that cannot be read."""
    for path in (("OrgnlTxRef", "Amt", "InstdAmt"), ("OrgnlTxRef", "IntrBkSttlmAmt")):
        found = find(at, *path)
        if found is not None:
            read = read_amount(found.text, found.attributes.get("Ccy"))
            return read, read is None
    return None, False


def _reasons(at: Element) -> Iterator[str]:
    for information in at.all("StsRsnInf"):
        code = text_at(information, "Rsn", "Cd") or text_at(information, "Rsn", "Prtry")
        if code:
            yield code


def _infos(at: Element) -> Iterator[str]:
    for information in at.all("StsRsnInf"):
        for words in information.all("AddtlInf"):
            yield " ".join(words.text.split())


def find(at: Element, *names: str) -> Element | None:
    """The element at the end of a path; None where the path ends before. Raises: XmlUnreadable."""
    found: Element | None = at
    for name in names:
        found = None if found is None else found.one(name)
    return found


def text_at(at: Element, *names: str) -> str | None:
    """The text at the end of a path, without blanks around it; None when there is none. Raises: XmlUnreadable."""
    found = find(at, *names)
    return (found.text.strip() or None) if found is not None else None


def descend(root: Element, names: tuple[str, ...]) -> Iterator[Element]:
    """Every element of these names, whatever envelope is around it."""
    if root.name in names:
        yield root
        return
    for child in root.children:
        yield from descend(child, names)
