"""Money stories: run against a real PostgreSQL, written down as a page with the code that ran and what it left.

A step is an async function: its docstring is the prose, its body the code that is shown, and what it returns is shown
after it. Then comes a table of the accounts. The clock is the story's own, and codes stand for ids, so that a page is
the same at each run. `OMNIROUTE_WRITE_DOCS=1 pytest tests/journeys` writes the pages anew.
"""

import ast
import inspect
import os
import re
import textwrap
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, Tx
from omniroute.kit.currency import exponent
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money, decimal_text
from omniroute.ledger import Leg, OpenAccount, Posted, Refused, Side, fx, periods, reads

PAGES = Path(__file__).parents[2] / "docs" / "recipes"
WRITE = "OMNIROUTE_WRITE_DOCS"

_ABOUT = """*This page is written by `tests/journeys/test_{test}.py`: the code ran, and the tables are what it left.*
In the code, `tx` is an open transaction, `book.debit(code, amount)` and `book.credit(code, amount)` make legs,
`book.post` is `ledger.post` at the time of the story, `ngn(5_000_00)` is 5,000.00 naira in kobo."""

Step = Callable[[Tx, "Story"], Awaitable[Any]]


def ngn(amount_minor: int) -> Money:
    """Naira, in kobo."""
    return Money(amount_minor, "NGN")


def usd(amount_minor: int) -> Money:
    """Dollars, in cents."""
    return Money(amount_minor, "USD")


def number(amount_minor: int, currency: str) -> str:
    """An amount as people read it: `-1,234.50`."""
    whole, point, rest = decimal_text(amount_minor, exponent(currency)).partition(".")
    return f"{int(whole):,}{point}{rest}" if whole != "-0" else f"-0{point}{rest}"


def table(rows: Sequence[Mapping[str, str]], *, right: Sequence[str] = ()) -> str:
    """A markdown table; the columns in `right` are numbers."""
    names = list(rows[0])
    width = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}

    def line(cells: Mapping[str, str]) -> str:
        shown = [cells[name].rjust(width[name]) if name in right else cells[name].ljust(width[name]) for name in names]
        return "| " + " | ".join(shown) + " |"

    rule = [("-" * (width[name] + 1) + ":") if name in right else "-" * (width[name] + 2) for name in names]
    return "\n".join([line({name: name for name in names}), "|" + "|".join(rule) + "|", *map(line, rows)])


class Story:
    """One tenant, its clock, and the page that grows."""

    def __init__(self, db: Database, name: str, title: str, *, starts_at: datetime) -> None:
        self.db = db
        self.name = name
        self.tenant_id = uuid7()
        self.group = uuid7()
        self.now = starts_at
        self.meta = Meta(actor="usr_amina", channel="api")
        self.kept: dict[str, UUID] = {}
        self._accounts: list[OpenAccount] = []
        self._before: dict[str, ledger.Balance] = {}
        self._page = [f"# {title}", _ABOUT.format(test=name.replace("-", "_"))]

    # -- words for steps ------------------------------------------------------------------------------------------

    @property
    def today(self) -> date:
        """The story's day."""
        return self.now.date()

    def id(self, code: str) -> UUID:
        """The account with this code."""
        return ledger.account_id(self.tenant_id, code)

    def debit(self, code: str, amount: Money) -> Leg:
        """A leg on the debit side."""
        return Leg(self.id(code), Side.DEBIT, amount, code)

    def credit(self, code: str, amount: Money) -> Leg:
        """A leg on the credit side."""
        return Leg(self.id(code), Side.CREDIT, amount, code)

    async def post(self, tx: Tx, *commands: ledger.Command) -> list[ledger.Outcome]:
        """Book a batch at the story's time."""
        return await ledger.post(tx, commands, today=self.today, at=self.now)

    def keep(self, name: str, outcome: ledger.Outcome) -> None:
        """Remember a transaction under a name, for a later step."""
        assert isinstance(outcome, Posted), outcome
        self.kept[name] = outcome.transaction.transaction_id

    # -- the page -------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Prose."""
        self._page.append(_prose(text))

    def heading(self, text: str) -> None:
        """A new part."""
        self._page.append(f"## {text}")

    async def open(self, *accounts: OpenAccount) -> None:
        """Open accounts and show them."""
        async with self.db.tx(self.tenant_id) as tx:
            for account in accounts:
                await ledger.open_account(tx, account, now=self.now, meta=self.meta)
        self._accounts += accounts
        rows = [
            {
                "account": f"`{one.code}`",
                "what it is": one.name,
                "type": one.type.value,
                "grows by": one.type.normal_side.value,
                "currency": one.currency,
                "mode": one.mode.value,
                "floor": "" if one.floor_minor is None else number(one.floor_minor, one.currency),
            }
            for one in accounts
        ]
        self._page.append(table(rows, right=["floor"]))
        self._before = await self.balances()

    async def given(self, command: ledger.Command, text: str) -> None:
        """What was before the story begins: booked, said in words, and shown."""
        async with self.db.tx(self.tenant_id) as tx:
            (outcome,) = await self.post(tx, command)
        assert isinstance(outcome, Posted), outcome
        self.say(text)
        self._before = await self.balances()
        self._page.append(self._table(self._before))

    def watch(self, *accounts: OpenAccount) -> None:
        """Show accounts that a step will open, as soon as they are there."""
        self._accounts += accounts

    async def balances(self) -> dict[str, ledger.Balance]:
        """Every account of the story."""
        async with self.db.tx(self.tenant_id, readonly=True) as tx:
            found = await ledger.find_balances(tx, [self.id(one.code) for one in self._accounts])
        return {one.code: found[self.id(one.code)] for one in self._accounts if self.id(one.code) in found}

    async def step(
        self, step: Step, *, after: timedelta = timedelta(hours=1), show: bool = True, code: bool = True
    ) -> Any:
        """Run a step in its own transaction; write down its prose, its code, its answer and the accounts after it.

        `code` False: they were written down before; only the answer is new.
        """
        self.now += after
        async with self.db.tx(self.tenant_id) as tx:
            answer = await step(tx, self)
        if code:
            self.say(step.__doc__ or "")
            self._page.append(f"```python\n{body_of(step)}\n```")
        if answer is not None:
            self._page.append(_answer(answer))
        balances = await self.balances()
        outcomes = answer if isinstance(answer, list) else [answer]
        if all(isinstance(one, Refused) or (isinstance(one, Posted) and one.replayed) for one in outcomes):
            assert balances == self._before, "what was refused or repeated must not move anything"
            show = False
        self._check(balances)
        self._before = balances
        if show:
            self._page.append(self._table(balances))
        return answer

    def _table(self, balances: Mapping[str, ledger.Balance]) -> str:
        rows = []
        for one in self._accounts:
            if one.code not in balances:
                continue
            balance = balances[one.code]
            row = {"account": f"`{one.code}`", "balance": number(balance.posted_minor, one.currency)}
            row["available"] = number(balance.available_minor, one.currency)
            if len({account.currency for account in self._accounts}) > 1:
                row = {"account": row.pop("account"), "currency": one.currency} | row
            rows.append(row)
        if all(row["balance"] == row["available"] for row in rows):
            rows = [{name: cell for name, cell in row.items() if name != "available"} for row in rows]
        return table(rows, right=["balance", "available"])

    def _check(self, balances: Mapping[str, ledger.Balance]) -> None:
        """Debits are credits in each currency, posted and held."""
        posted: Counter[str] = Counter()
        held: Counter[str] = Counter()
        for balance in balances.values():
            posted[balance.currency] += balance.posted_debit - balance.posted_credit
            held[balance.currency] += balance.pending_debit - balance.pending_credit
        assert not any(posted.values()), posted
        assert not any(held.values()), held

    def finish(self) -> None:
        """Compare the page with the one in docs/recipes, or write it."""
        text = "\n\n".join(self._page) + "\n"
        path = PAGES / f"{self.name}.md"
        if os.environ.get(WRITE):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing; write it with {WRITE}=1"
        assert path.read_text(encoding="utf-8") == text, f"{path} is not what happens; write it anew with {WRITE}=1"


def at(year: int, month: int, day: int, hour: int = 8) -> datetime:
    """An instant of a story, UTC."""
    return datetime(year, month, day, hour, tzinfo=UTC)


def _prose(text: str) -> str:
    return "\n\n".join(textwrap.fill(" ".join(part.split()), 118) for part in inspect.cleandoc(text).split("\n\n"))


def body_of(step: Callable[..., Any]) -> str:
    """The statements of a function, without its docstring and what only the test needs."""
    source = textwrap.dedent(inspect.getsource(step))
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.AsyncFunctionDef)
    lines = source.splitlines()[function.body[1].lineno - 1 :]
    shown = re.sub(r"^return (?=await |\[)", "", textwrap.dedent("\n".join(lines)).strip(), flags=re.MULTILINE)
    return re.sub(r"\nreturn \w+$", "", shown)


def _answer(answer: Any) -> str:
    if isinstance(answer, str):
        return answer
    match answer:
        case periods.Period():
            return _period(answer)
        case [periods.Period(), *_]:
            return "\n".join(_period(one) for one in answer)
        case fx.Rate():
            return f"- 1 {answer.base} = {answer.rate_text} {answer.quote}, from {answer.valid_from:%d %b %H:%M}"
        case fx.Quote():
            sold, bought = (
                f"{number(one.amount_minor, one.currency)} {one.currency}" for one in (answer.sell, answer.buy)
            )
            return f"- {sold} for {bought}, until {answer.expires_at:%H:%M}"
        case fx.Exchange():
            again = " (as the first time)" if answer.replayed else ""
            legs, earned = len(answer.transaction.entries), number(answer.realised_minor, answer.functional)
            return f"- booked: {legs} entries; realised {earned} {answer.functional}{again}"
        case ledger.Account():
            return f"- `{answer.code}` is {answer.status.value}"
        case reads.Statement():
            return _statement(answer)
        case reads.TrialBalance():
            return _trial_balance(answer)
        case reads.ProfitAndLoss():
            return _profit_and_loss(answer)
        case reads.BalanceSheet():
            return _balance_sheet(answer)
    outcomes = answer if isinstance(answer, list) else [answer]
    return "\n".join(f"- {_outcome(one)}" for one in outcomes)


def _statement(found: reads.Statement) -> str:
    currency = found.account.currency
    rows = [
        {
            "booked at": f"{line.booked_at:%d %b %H:%M}",
            "value date": f"{line.value_on:%d %b}",
            "what": line.kind.label,
            "reference": line.reference or "",
            "side": line.side.value,
            "amount": number(line.amount_minor, currency),
            "balance": number(line.balance_minor, currency),
        }
        for line in found.lines
    ]
    return table(rows, right=["amount", "balance"])


def _period(found: periods.Period) -> str:
    sealed = f", under a hash of {len(found.state_hash)} bytes" if found.state_hash else ""
    status = found.status.value.replace("_", "-")
    return f"- `{found.name}`, {found.starts_on} to {found.ends_on}, is {status}{sealed}"


def _trial_balance(found: reads.TrialBalance) -> str:
    rows = [
        {
            "account": f"`{row.code}`",
            "opening": number(row.opening_minor, row.currency),
            "debit": number(row.debit_minor, row.currency),
            "credit": number(row.credit_minor, row.currency),
            "closing": number(row.closing_minor, row.currency),
            "side": row.normal_side.value,
        }
        for row in found.rows
    ]
    for currency, totals in found.totals.items():
        debit, credit = number(totals.debit_minor, currency), number(totals.credit_minor, currency)
        total = {
            "account": f"total {currency}",
            "opening": "",
            "debit": debit,
            "credit": credit,
            "closing": "",
            "side": "",
        }
        rows.append(total)
    return table(rows, right=["opening", "debit", "credit", "closing"])


def _profit_and_loss(found: reads.ProfitAndLoss) -> str:
    rows = [
        {"": f"`{row.code}`", "turnover": number(row.closing_minor - row.opening_minor, row.currency)}
        for row in (*found.income, *found.expenses)
    ]
    rows += [
        {"": f"profit, {currency}", "turnover": number(profit, currency)} for currency, profit in found.profit.items()
    ]
    return table(rows, right=["turnover"])


def _balance_sheet(found: reads.BalanceSheet) -> str:
    rows = [
        {"": f"`{row.code}`", "balance": number(row.closing_minor, row.currency), "part": part}
        for part, accounts in (("assets", found.assets), ("liabilities", found.liabilities), ("equity", found.equity))
        for row in accounts
    ]
    for currency, totals in found.totals.items():
        theirs = totals.liabilities_minor + totals.equity_minor + totals.earnings_minor
        rows.append({"": f"total, {currency}", "balance": number(totals.assets_minor, currency), "part": "assets"})
        rows.append({"": f"total, {currency}", "balance": number(theirs, currency), "part": "liabilities and equity"})
    return table(rows, right=["balance"])


def _outcome(one: ledger.Outcome) -> str:
    again = " (as the first time: the key is known)" if one.replayed else ""
    if isinstance(one, Refused):
        return f"refused, `{one.refusal.code}`: {one.refusal.detail}{again}"
    found = one.transaction
    named = f" `{found.reference}`" if found.reference else ""
    moved = f", counts on {found.value_on} instead of {found.original_on}" if found.original_on else ""
    return f"booked: {found.kind.label}{named}, {len(found.entries)} entries{moved}{again}"
