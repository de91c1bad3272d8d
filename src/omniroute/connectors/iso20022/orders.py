"""Writing orders: pain.001 (customer to bank, many in blocks) and pacs.008 (bank to bank)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from omniroute.connectors.iso20022.markup import Markup, document, leaf, node
from omniroute.connectors.iso20022.text import NAME_MAX, REFERENCE_MAX, amount_text, control_sum, plain, uetr
from omniroute.kit.money import Money
from omniroute.ports.rails import Party, Payout, RailUnable

PAIN_001 = "pain.001.001.09"
PACS_008 = "pacs.008.001.08"
BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
MEMBER = re.compile(r"[0-9]{3,9}")
_ACCOUNT = re.compile(r"[A-Za-z0-9]{1,34}")

CATEGORIES: Mapping[str, str] = {"WORKER_PAYOUT": "SALA", "SUPPLIER_PAYMENT": "SUPP"}
"""Category purposes by type of payment; each category is a block of its own, and may be answered as one."""


@dataclass(frozen=True, slots=True)
class Debtor:
    """Who pays, as the settings of a connection say: his name, account and bank."""

    name: str
    account: str
    bank: str
    party_id: str | None = None

    @classmethod
    def of(cls, public: Mapping[str, str]) -> Self:
        """Raises: RailUnable when a setting is missing or cannot be written down."""
        name = plain(public.get("debtor_name", ""), NAME_MAX)
        account, bank = public.get("account", ""), public.get("bank", "")
        if not name or not _ACCOUNT.fullmatch(account) or not is_bank(bank):
            raise RailUnable("the connection needs debtor_name, account, and bank (a member number or BIC)")
        return cls(name, account, bank, plain(public.get("party_id", ""), REFERENCE_MAX) or None)


def is_bank(code: str | None) -> bool:
    """Whether a file can name a bank like this."""
    return code is not None and bool(BIC.fullmatch(code) or MEMBER.fullmatch(code))


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above all orders of a file."""

    message_id: str
    created_at: datetime  # In the rail's own zone.
    debtor: Debtor
    clearing: str  # The clearing system whose member numbers name banks.


def write_pain_001(head: Head, payouts: Sequence[Payout]) -> tuple[bytes, dict[str, str]]:
    """The file, and which block each order stands in. Raises: RailUnable."""
    groups: dict[str | None, list[Payout]] = {}
    for payout in payouts:
        groups.setdefault(CATEGORIES.get(payout.purpose), []).append(payout)
    blocks: dict[str, str] = {}
    parts: list[Markup] = []
    for number, (category, orders) in enumerate(groups.items(), start=1):
        block_id = f"{head.message_id}{number:02d}"
        blocks |= {payout.our_ref: block_id for payout in orders}
        parts.append(_block(head, block_id, category, orders))
    body = node("CstmrCdtTrfInitn", _group_header(head, payouts), *parts)
    return document(PAIN_001, body), blocks


def _group_header(head: Head, payouts: Sequence[Payout]) -> Markup:
    party_id = head.debtor.party_id
    return node(
        "GrpHdr",
        leaf("MsgId", head.message_id),
        leaf("CreDtTm", head.created_at.isoformat(timespec="seconds")),
        leaf("NbOfTxs", str(len(payouts))),
        leaf("CtrlSum", control_sum(payout.amount for payout in payouts)),
        node(
            "InitgPty",
            leaf("Nm", head.debtor.name),
            None if party_id is None else node("Id", node("OrgId", node("Othr", leaf("Id", party_id)))),
        ),
    )


def _block(head: Head, block_id: str, category: str | None, payouts: Sequence[Payout]) -> Markup:
    return node(
        "PmtInf",
        leaf("PmtInfId", block_id),
        leaf("PmtMtd", "TRF"),
        leaf("BtchBookg", "false"),  # One line of the statement each, under our own reference.
        leaf("NbOfTxs", str(len(payouts))),
        leaf("CtrlSum", control_sum(payout.amount for payout in payouts)),
        None if category is None else node("PmtTpInf", node("CtgyPurp", leaf("Cd", category))),
        node("ReqdExctnDt", leaf("Dt", head.created_at.date().isoformat())),
        node("Dbtr", leaf("Nm", head.debtor.name)),
        _account("DbtrAcct", head.debtor.account),
        _agent("DbtrAgt", head.debtor.bank, head.clearing),
        leaf("ChrgBr", "SLEV"),
        *[_order(head, payout) for payout in payouts],
    )


def _order(head: Head, payout: Payout) -> Markup:
    return node(
        "CdtTrfTxInf",
        node("PmtId", leaf("InstrId", payout.our_ref), leaf("EndToEndId", payout.our_ref)),
        node("Amt", leaf("InstdAmt", amount_text(payout.amount), Ccy=payout.amount.currency)),
        _agent("CdtrAgt", payout.payee.institution or "", head.clearing),
        node("Cdtr", leaf("Nm", creditor_name(payout.payee))),
        _account("CdtrAcct", payout.payee.identifier),
        _remittance(payout),
    )


def write_pacs_008(head: Head, payouts: Sequence[Payout], *, system: str, instructed: str | None) -> bytes:
    """Orders between banks, all of one currency, settled over the clearing `system`. Raises: RailUnable."""
    currency = payouts[0].amount.currency
    total = Money(sum(payout.amount.amount_minor for payout in payouts), currency)
    if any(payout.amount.currency != currency for payout in payouts):
        raise RailUnable("a message between banks carries one currency")
    header = node(
        "GrpHdr",
        leaf("MsgId", head.message_id),
        leaf("CreDtTm", head.created_at.isoformat(timespec="seconds")),
        leaf("NbOfTxs", str(len(payouts))),
        leaf("CtrlSum", control_sum(payout.amount for payout in payouts)),
        leaf("TtlIntrBkSttlmAmt", amount_text(total), Ccy=currency),
        leaf("IntrBkSttlmDt", head.created_at.date().isoformat()),
        node("SttlmInf", leaf("SttlmMtd", "CLRG"), node("ClrSys", leaf("Prtry", system))),
        _agent("InstgAgt", head.debtor.bank, head.clearing),
        None if instructed is None else _agent("InstdAgt", instructed, head.clearing),
    )
    orders = [_interbank_order(head, payout) for payout in payouts]
    return document(PACS_008, node("FIToFICstmrCdtTrf", header, *orders))


def _interbank_order(head: Head, payout: Payout) -> Markup:
    return node(
        "CdtTrfTxInf",
        node(
            "PmtId",
            leaf("InstrId", payout.our_ref),
            leaf("EndToEndId", payout.our_ref),
            leaf("TxId", payout.our_ref),
            leaf("UETR", uetr(payout.our_ref)),
        ),
        leaf("IntrBkSttlmAmt", amount_text(payout.amount), Ccy=payout.amount.currency),
        leaf("ChrgBr", "SLEV"),
        node("Dbtr", leaf("Nm", head.debtor.name)),
        _account("DbtrAcct", head.debtor.account),
        _agent("DbtrAgt", head.debtor.bank, head.clearing),
        _agent("CdtrAgt", payout.payee.institution or "", head.clearing),
        node("Cdtr", leaf("Nm", creditor_name(payout.payee))),
        _account("CdtrAcct", payout.payee.identifier),
        _remittance(payout),
    )


def creditor_name(payee: Party) -> str:
    """Who is paid. Raises: RailUnable when there is no name left that a file can carry."""
    name = plain(payee.name or "", NAME_MAX)
    if not name:
        raise RailUnable("a bank file names its payees; this one has no name in Latin letters")
    return name


def _account(element: str, number: str) -> Markup:
    if not _ACCOUNT.fullmatch(number):
        raise RailUnable("an account number in a bank file has 1 to 34 letters and digits")
    return node(element, node("Id", node("Othr", leaf("Id", number), node("SchmeNm", leaf("Cd", "BBAN")))))


def _agent(element: str, code: str, clearing: str) -> Markup:
    if BIC.fullmatch(code):
        return node(element, node("FinInstnId", leaf("BICFI", code)))
    if MEMBER.fullmatch(code):
        member = node("ClrSysMmbId", node("ClrSysId", leaf("Prtry", clearing)), leaf("MmbId", code))
        return node(element, node("FinInstnId", member))
    raise RailUnable("a bank file names banks by a member number of 3 to 9 digits or a BIC")


def _remittance(payout: Payout) -> Markup | None:
    words = plain(payout.narration, NAME_MAX)
    return node("RmtInf", leaf("Ustrd", words)) if words else None
