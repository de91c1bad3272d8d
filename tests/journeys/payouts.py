"""Stories of payments: an organisation, its rails in the sandbox over HTTP, a worker, and a clock set by hand."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from omniroute.ledger import AccountType, OpenAccount
from omniroute.money import payments
from omniroute.money.connections import BankConnection
from omniroute.money.institutions import check_digit
from omniroute.money.payments import Decision, Initiated, InitiatePayment, Payment
from omniroute.ports.rails import Party, PartyKind
from omniroute.sandbox.nip.people import holder
from tests.journeys.story import Story, body_of, number, table
from tests.money.payments.house import META, START
from tests.money.payments.rails import Stage

GTBANK = "000013"
GTBANK_CODE = "058"

_ABOUT = """*This page is written by `tests/journeys/test_{test}.py`: the code ran against the sandbox of the rails over
HTTP, and the tables are what it left.* In the code, `shop` is an organisation with connections to the rails,
`shop.work()` is what its worker does, `account(...)` is the Nigerian account of that number, and `ngn(5_000_00)` is
5,000.00 naira in kobo."""

Act = Callable[["PayoutStory"], Awaitable[Any]]


def account(serial: str) -> Party:
    """A Nigerian account with a right check digit, and its holder's name as the rail knows it."""
    digits = serial + str(check_digit(GTBANK_CODE, serial))
    return Party(PartyKind.BANK_ACCOUNT, digits, GTBANK, holder(GTBANK, digits).name, "NG")


@dataclass
class Ways:
    """Rules of a story: these connections, the best first, and so many approvals."""

    connections: Sequence[BankConnection]
    approvals: int = 0

    def decide(self, command: InitiatePayment, *, actor: str, now: datetime, today: date) -> Decision:
        return Decision(
            self.connections[0].rail,
            tuple(one.connection_id for one in self.connections),
            tuple(f"{place}. {one.code}" for place, one in enumerate(self.connections, 1)),
            tuple(one.float_account_id for one in self.connections),
            approvals_needed=0 if command.approved else self.approvals,
        )

    async def get(self, tenant_id: UUID) -> "Ways":
        return self


class PayoutStory(Story):
    """A story with payments, on the stage's tenant and clock."""

    def __init__(self, one: Stage, name: str, title: str, *ways: str, approvals: int = 0) -> None:
        super().__init__(one.app, name, title, starts_at=START)
        self.one, self.tenant_id = one, one.tenant_id
        self.asked: tuple[InitiatePayment, ...] = ()
        self.rules = Ways([one.by_code[code] for code in ways], approvals)
        self._page[1] = _ABOUT.format(test=name.replace("-", "_"))
        self._accounts = [
            OpenAccount("wallet:NGN", "Wallet", AccountType.LIABILITY, "NGN"),
            OpenAccount("bank:NGN", "Bank", AccountType.ASSET, "NGN"),
            *(OpenAccount(f"float:{code}", code, AccountType.ASSET, "NGN") for code in ways),
        ]

    async def initiate(self, *commands: InitiatePayment, actor: str = "usr_amina") -> list[Payment]:
        """Initiate payments, as the REST door and batches do."""
        self.asked = commands
        requests = [payments.Request(command, actor, None, META) for command in commands]
        async with self.db.tx(self.tenant_id) as tx:
            outcomes = await payments.initiate(
                tx, requests, rules=self.rules, now=self.one.clock.now(), today=START.date()
            )
        made = [outcome.payment for outcome in outcomes if isinstance(outcome, Initiated)]
        assert len(made) == len(commands), outcomes
        return made

    async def work(self) -> None:
        """What the worker does until nothing more is under way."""
        while await self.one.rounds():
            await self.one.world.run_due()

    async def act(self, act: Act) -> Any:
        """Do something; write down its prose, its code, and what it answered if that is text."""
        self.say(act.__doc__ or "")
        self._page.append(f"```python\n{body_of(act)}\n```")
        answer = await act(self)
        if isinstance(answer, str):
            self._page.append(answer)
        return answer

    async def accounts(self) -> None:
        """Show the accounts."""
        balances = await self.balances()
        self._check(balances)
        self._page.append(self._table(balances))

    async def standing(self, reference: str) -> payments.Standing:
        """A payment as it stands, shown in a line."""
        async with self.db.tx(self.tenant_id) as tx:
            found = await payments.find_by_reference(tx, reference)
        amount = number(found.payment.amount.amount_minor, found.payment.amount.currency)
        reason = f", reason `{found.reason}`" if found.reason else ""
        self._page.append(
            f"`{reference}`, {amount} {found.payment.amount.currency}: **{found.status}** "
            f"(`{found.payment.state}`){reason}"
        )
        return found

    async def timeline(self, reference: str) -> None:
        """What happened to a payment, as `omniroute payments show` tells it."""
        async with self.db.tx(self.tenant_id) as tx:
            found = await payments.find_by_reference(tx, reference)
            steps = await payments.find_steps(tx, found.payment.payment_id)
        rows = [
            {
                "at": f"{step.at:%d %b %H:%M:%S}",
                "what": step.state,
                "known by": step.source.value,
                "reason": step.reason or "",
            }
            for step in steps
        ]
        self._page.append(table(rows))

    async def attempts(self, reference: str) -> list[payments.Attempt]:
        """Every send of a payment."""
        async with self.db.tx(self.tenant_id) as tx:
            found = await payments.find_by_reference(tx, reference)
            attempts = list(await payments.find_attempts(tx, found.payment.payment_id))
        rows = [
            {
                "attempt": str(one.number),
                "rail": one.rail,
                "state": one.state.value,
                "sent": f"{one.sent_at:%H:%M:%S}" if one.sent_at else "never",
                "questions": str(one.query_count),
                "next question": f"{one.next_query_at:%H:%M:%S}" if one.next_query_at and one.state.is_live else "",
                "the rail's code": one.code or "",
                "debits at the rail": str(len(self.one.world.debits(one.rail, one.our_ref))),
            }
            for one in attempts
        ]
        self._page.append(table(rows, right=["attempt", "questions", "debits at the rail"]))
        return attempts
