"""What every rail of bank files is: a policy, a table of codes, rules, and the reading of whatever comes back."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from importlib import resources
from uuid import UUID

from omniroute.connectors.iso20022 import text
from omniroute.connectors.iso20022.answers import REPORTS, descend, read_answers
from omniroute.connectors.iso20022.orders import Debtor, Head, creditor_name, is_bank
from omniroute.connectors.iso20022.sessions import LAGOS
from omniroute.connectors.iso20022.statements import STATEMENTS, read_statement
from omniroute.kit.xml import XmlUnreadable, read_xml
from omniroute.ports.rails import (
    Capabilities,
    CodeTable,
    Credentials,
    FileAnswer,
    FileNews,
    FileSession,
    Operation,
    PartyKind,
    Payout,
    RailAnswerUnreadable,
    RailFile,
    RailPolicy,
    RailUnable,
)

CURRENCY = "NGN"
CLEARING = "NIBSS"
_NUBAN = re.compile(r"[0-9]{10}")
_TABLE = CodeTable.parse(resources.files("omniroute.connectors.iso20022").joinpath("codes.json").read_bytes(), "answer")

WAITS = (timedelta(hours=4), timedelta(hours=24))
"""Nobody can be asked, so this is how often we look whether the time to wait is over."""
WAIT_FOR = timedelta(days=5)
"""After that a person calls the bank."""


class BankFiles(ABC):
    """A rail of naira to Nigerian bank accounts by file."""

    rail: str
    orders_max: int
    letter: str
    """The first of every reference on the rail."""
    amount_max_minor: int | None = None

    def capabilities(self) -> Capabilities:
        """Files of orders in naira to bank accounts."""
        return Capabilities(
            frozenset({Operation.BULK_FILE}),
            frozenset({CURRENCY}),
            frozenset({"NG"}),
            frozenset({PartyKind.BANK_ACCOUNT}),
        )

    def policy(self) -> RailPolicy:
        """Patience in days. A duplicate is refused by most banks, but nobody promises: nothing is sent again."""
        most = self.amount_max_minor
        return RailPolicy(
            query_after=WAITS,
            query_for=WAIT_FOR,
            not_found_times=1,
            not_found_after=WAIT_FOR,
            not_found_needs_statement=True,
            amount_min_minor={CURRENCY: 1},
            amount_max_minor=None if most is None else {CURRENCY: most},
        )

    def codes(self) -> Mapping[str, CodeTable]:
        """One table: statuses and reasons of ISO 20022."""
        return {"answer": _TABLE, "submit": _TABLE, "query": _TABLE, "callback": _TABLE}

    def check(self, payout: Payout) -> None:
        """Refuse what the file cannot carry. Raises: RailUnable."""
        payee, most = payout.payee, self.amount_max_minor
        if payee.kind is not PartyKind.BANK_ACCOUNT or not _NUBAN.fullmatch(payee.identifier):
            raise RailUnable("pays account numbers of ten digits (NUBAN)")
        if not is_bank(payee.institution):
            raise RailUnable("needs the payee's bank: a member number of 3 to 9 digits or a BIC")
        if payout.amount.currency != CURRENCY:
            raise RailUnable(f"carries {CURRENCY} only")
        if most is not None and payout.amount.amount_minor > most:
            raise RailUnable(f"carries at most {most} minor units an order")
        creditor_name(payee)
        text.amount_text(payout.amount)

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str:
        """33 capitals and digits; in a file it stands as instruction, end-to-end and transaction id."""
        return text.reference(self.letter, attempt_id, created_at)

    def build_file(
        self, credentials: Credentials, payouts: Sequence[Payout], *, now: datetime, file_id: UUID
    ) -> RailFile:
        """One file with all these orders. Raises: RailUnable."""
        if not 1 <= len(payouts) <= self.orders_max:
            raise RailUnable(f"a file carries 1 to {self.orders_max} orders")
        for payout in payouts:
            self.check(payout)
        debtor = Debtor.of(credentials.public)
        local = now.astimezone(LAGOS).replace(microsecond=0)
        head = Head(text.reference("F", file_id, local), local, debtor, CLEARING)
        content, blocks = self.write(head, payouts, credentials.public)
        name = f"{self.rail}-{local:%Y%m%d-%H%M%S}-{head.message_id}.xml"
        return RailFile(head.message_id, name, content, now, blocks)

    @abstractmethod
    def write(
        self, head: Head, payouts: Sequence[Payout], public: Mapping[str, str]
    ) -> tuple[bytes, Mapping[str, str]]:
        """The file, and which block each order stands in. Raises: RailUnable."""

    @abstractmethod
    def next_session(self, public: Mapping[str, str], now: datetime, *, holidays: frozenset[date]) -> FileSession:
        """The session whose cut-off comes next. Raises: RailUnable."""

    def read_file(self, public: Mapping[str, str], content: bytes) -> FileNews:
        """What a status report or a statement says, in any version of it. Raises: RailAnswerUnreadable."""
        try:
            root = read_xml(content)
            reports = list(descend(root, REPORTS))
            answers: list[FileAnswer] = []
            for report in reports:
                answers += read_answers(report, _TABLE)
            if not reports and not any(descend(root, STATEMENTS)):
                raise RailAnswerUnreadable(f"neither a status report nor a statement: {root.name[:40]}")
            return FileNews(tuple(answers), read_statement(root, public.get("account", "")))
        except XmlUnreadable as error:
            raise RailAnswerUnreadable(str(error)) from error
