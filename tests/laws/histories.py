"""Random histories of a ledger, small enough to shrink: what was asked, in which batches, and what happened between."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import strategies as st

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import AccountStatus, Command, Condition, Posted, Refused, Side
from tests.laws.oracle import Account, Answer, Oracle
from tests.ledger.makers import NOW, Books, make_ledger

CODES = ("cash", "float", "fees", "revenue", "ada", "ben", "eve", "open", "cash.kes", "ada.kes")
AMOUNTS = (1, 2, 50, 300, 1_000, 100_000, 2**53 + 1, 2**63 - 1)
_NORMAL_DEBIT = ("cash", "float", "cash.kes")

codes = st.sampled_from(CODES[:8] * 4 + (*CODES[8:], "nobody"))
amounts = st.sampled_from(AMOUNTS[:5] * 4 + AMOUNTS)


@dataclass(frozen=True)
class Step:
    """One item, before ids are known. `source` counts back over what was booked in earlier batches."""

    kind: str
    debit: str
    credit: str
    third: str | None
    amount: int
    source: int
    part: str
    final: bool
    key: int | None
    reference: int | None
    linked: bool
    expires: int | None
    condition: tuple[str, int | None, int | None] | None


@dataclass(frozen=True)
class Change:
    """Something that happens to an account between batches."""

    code: str
    what: str
    floor: int | None
    ceiling: int | None


steps = st.builds(
    Step,
    kind=st.sampled_from("pppppphhhccvxrr"),
    debit=codes,
    credit=codes,
    third=st.none() | codes,
    amount=amounts,
    source=st.integers(0, 7),
    part=st.sampled_from(["all", "amount", "legs"]),
    final=st.booleans(),
    key=st.none() | st.integers(0, 6),
    reference=st.none() | st.none() | st.integers(0, 6),
    linked=st.sampled_from([False, False, True]),
    expires=st.none() | st.integers(0, 4),
    condition=st.none() | st.none() | st.none() | st.tuples(codes, st.none() | amounts, st.none() | st.integers(0, 5)),
)
plain_steps = steps.map(lambda step: replace(step, kind="h" if step.kind in "hcv" else "p", linked=False))
changes = st.builds(
    Change,
    code=st.sampled_from(("ada", "ben", "eve", "open", "fees")),
    what=st.sampled_from(["freeze", "open", "open", "limits"]),
    floor=st.sampled_from([None, 0, 0, -100, 10]),
    ceiling=st.sampled_from([None, None, 1_000, 100_000]),
)
batches = st.lists(steps, min_size=1, max_size=8)
histories = st.lists(batches | changes, min_size=1, max_size=8)


class History:
    """A tenant's books and the oracle beside them."""

    def __init__(self, books: Books, oracle: Oracle) -> None:
        self.books = books
        self.oracle = oracle
        self.at: datetime = NOW
        self.booked: list[UUID] = []

    @classmethod
    async def begin(cls, db: Database) -> "History":
        """A new tenant; ada has 1,000."""
        books = await make_ledger(db)
        accounts = {
            books.id(code): Account(
                Side.DEBIT if code in _NORMAL_DEBIT else Side.CREDIT,
                "KES" if code.endswith("kes") else "NGN",
                deferred=code in ("float", "fees"),
                floor=0 if code in ("ada", "ben", "eve", "ada.kes") else None,
                ceiling=1_000_00 if code == "eve" else None,
            )
            for code in CODES
        }
        history = cls(books, Oracle(accounts))
        await history.post([books.transfer("cash", "ada", Money(1_000, "NGN"))])
        return history

    def command(self, step: Step, group: int) -> Command:
        """The item that a step means now."""
        books = self.books
        key = None if step.key is None else f"k{step.key}"
        reference = None if step.reference is None else f"r{step.reference}"
        source = self.booked[-1 - step.source] if step.source < len(self.booked) else uuid7()
        currency = "KES" if step.debit.endswith("kes") else "NGN"
        money = Money(step.amount, currency)
        credit = step.credit if step.credit != step.debit else "open"
        legs = books.legs(step.debit, credit, money)
        third = step.third
        if third not in (None, step.debit, credit) and step.amount <= 2**62 and third is not None:
            legs[0] = books.leg(step.debit, Side.DEBIT, Money(2 * step.amount, currency))
            legs.append(books.leg(third, Side.CREDIT, money))
        linked = group if step.linked else 0
        conditions = []
        if step.condition is not None:
            code, least, version = step.condition
            conditions = [Condition(books.id(code), least, version)]
        match step.kind:
            case "p":
                return ledger.post_transaction(legs, key=key, reference=reference, linked=linked, conditions=conditions)
            case "h":
                expires = None if step.expires is None else NOW + timedelta(minutes=step.expires)
                return ledger.place_hold(
                    legs, key=key, reference=reference, linked=linked, conditions=conditions, expires_at=expires
                )
            case "c" | "r":
                amount = step.amount if step.part == "amount" else None
                given = legs if step.part == "legs" else []
                if step.kind == "r":
                    return ledger.reverse_transaction(
                        source, amount_minor=amount, legs=given, key=key, reference=reference, linked=linked
                    )
                return ledger.capture_hold(
                    source,
                    amount_minor=amount,
                    legs=given,
                    final=step.final,
                    key=key,
                    reference=reference,
                    linked=linked,
                )
        return ledger.void_hold(source, expired=step.kind == "x", key=key, linked=linked)

    def batch(self, some: list[Step]) -> list[Command]:
        """A batch; neighbours that are linked are one group. Names repeat across groups, never within one."""
        made: list[Command] = []
        group, names = 1, set[str]()
        for step in some:
            if not made or not step.linked or not made[-1].linked:
                group, names = group + 1, set[str]()
            command = self.command(step, group)
            mine = {"k" + (command.key or ""), "r" + (command.reference or "")} - {"k", "r"}
            if command.linked and not names.isdisjoint(mine):
                group, names = group + 1, set[str]()
                command = self.command(step, group)
            names |= mine
            made.append(command)
        return made

    async def post(self, commands: list[Command]) -> None:
        """Book a batch; every answer, balance and version must be the oracle's."""
        expected = self.oracle.post(commands, self.at)
        actual = await self.books.post(*commands, at=self.at)
        for command, outcome, answer in zip(commands, actual, expected, strict=True):
            if isinstance(outcome, Refused):
                assert (outcome.refusal.code, outcome.replayed) == (answer.code, answer.replayed), command
                continue
            assert ("booked", outcome.replayed) == (answer.code, answer.replayed), command
            self._compare(outcome, answer)
        self.at += timedelta(minutes=1)

    def _compare(self, outcome: Posted, answer: Answer) -> None:
        assert answer.booked is not None
        transaction = outcome.transaction
        assert [
            (e.account_id, e.side, e.held, e.amount.amount_minor, e.balance_after_minor, e.version)
            for e in transaction.entries
        ] == answer.booked.entries
        if not outcome.replayed:
            self.oracle.register(transaction.transaction_id, answer.booked)
            self.booked.append(transaction.transaction_id)

    async def change(self, change: Change) -> None:
        """Freeze, open or limit an account."""
        account_id = self.books.id(change.code)
        account = self.oracle.accounts[account_id]
        if change.what == "limits":
            if account.deferred:
                return
            if self.oracle.set_limits(account_id, change.floor, change.ceiling):
                await self.books.set_limits(change.code, change.floor, change.ceiling)
            else:
                with pytest.raises(Refusal, match=r"ledger\.limit_against_balance"):
                    await self.books.set_limits(change.code, change.floor, change.ceiling)
            return
        status = AccountStatus.FROZEN if change.what == "freeze" else AccountStatus.OPEN
        account.status = status.value
        await self.books.set_status(change.code, status)

    async def check_balances(self) -> None:
        """Counters and versions of every account are the oracle's."""
        found = await self.books.balances(*CODES)
        for code, balance in found.items():
            account = self.oracle.accounts[self.books.id(code)]
            counters = (balance.posted_debit, balance.posted_credit, balance.pending_debit, balance.pending_credit)
            assert counters == account.counters, code
            assert balance.version == (None if account.deferred else account.version), code

    async def play(self, history: list[list[Step] | Change]) -> None:
        """All of it."""
        for part in history:
            if isinstance(part, Change):
                await self.change(part)
            else:
                await self.post(self.batch(part))
        await self.check_balances()
