"""NIP itself: what an enquiry, a transfer and a status query come to, whichever form they arrived in.

Beside the faults of the whole sandbox (901 and so on), a payee's magic digits order answers that only NIP gives:

    801  there is no such account          805  says 97, and the money moved
    802  the account is dormant            806  says 09, pays two and a half minutes later
    803  the name enquiry times out        807  says 01 for ever; only the settlement report knows that it paid
    804  the payee's bank is down (91)
"""

import re
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone

from omniroute.sandbox.faults import Fault
from omniroute.sandbox.nip.people import UNKNOWN_INSTITUTION, Person, holder
from omniroute.sandbox.rail import magic_digits
from omniroute.sandbox.transfers import Movement, Order, Reason, State, Transfer
from omniroute.sandbox.world import World

CURRENCY = "NGN"
LAGOS = timezone(timedelta(hours=1))
AMOUNT_MIN_MINOR = 100
AMOUNT_MAX_MINOR = 1_000_000_000
QUERY_WINDOW = timedelta(hours=24)
QUERIES_MAX = 3
QUERIES_PER = timedelta(seconds=60)
SLOW_PAYMENT = timedelta(seconds=150)

OK, UNKNOWN, IN_PROGRESS, NOT_FOUND, TIMED_OUT = "00", "01", "09", "25", "97"
REASONS = {Reason.FUNDS: "51", Reason.PAYEE_UNKNOWN: "07", Reason.LIMIT: "61", Reason.REFUSED: "05"}

SESSION = re.compile(r"\d{30}", re.ASCII)
ACCOUNT = re.compile(r"\d{10}", re.ASCII)
INSTITUTION = re.compile(r"\d{6}", re.ASCII)
AMOUNT = re.compile(r"(\d{1,15})(?:\.(\d{2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A transfer as it was asked for. `account` is the one that pays."""

    session: str
    account: str
    institution: str
    payee: str
    name: str
    enquiry: str
    amount: str


@dataclass(slots=True)
class Switch:
    """NIP for one form. `rail` is its name in the books."""

    world: World
    rail: str
    _enquiries: dict[str, tuple[str, str]] = field(default_factory=dict)
    _asked: defaultdict[str, deque[datetime]] = field(default_factory=lambda: defaultdict(deque))

    def enquire(self, session: str, institution: str, account: str) -> tuple[str, Person | None]:
        """The code of a name enquiry, and the holder when it is 00."""
        if not SESSION.fullmatch(session):
            return "15", None
        if not INSTITUTION.fullmatch(institution) or institution == UNKNOWN_INSTITUTION:
            return "16", None
        if not ACCOUNT.fullmatch(account):
            return "07", None
        if self.world.find(self.rail, session) is not None:
            return "26", None
        if self._enquiries.setdefault(session, (institution, account)) != (institution, account):
            return "26", None
        code = {"801": "07", "802": "06", "803": TIMED_OUT}.get(magic_digits(account, check_digit=True), OK)
        return code, holder(institution, account) if code == OK else None

    async def transfer(self, wanted: Wanted, fault: Fault) -> tuple[str, int]:
        """The code of a transfer, and the amount in minor units that NIP tells."""
        amount_minor = _minor(wanted.amount)
        refused = self._refusal(wanted, amount_minor)
        if refused is not None or amount_minor is None:
            return refused or "13", amount_minor or 0
        order = Order(
            self.rail, wanted.session, wanted.account, f"{wanted.institution}:{wanted.payee}", amount_minor, CURRENCY
        )
        known = self.world.find(self.rail, wanted.session)
        if known is not None:
            return "94" if known.order == order else "26", amount_minor
        magic = magic_digits(wanted.payee, check_digit=True)
        reason = Reason.REFUSED if magic == "804" else None
        transfer = self.world.accept(
            order, fault, takes=SLOW_PAYMENT if magic == "806" else timedelta(0), reason=reason
        )
        await self.world.run_due()
        if fault is Fault.LATE_SUCCESS:
            return TIMED_OUT, amount_minor
        said = {"805": TIMED_OUT, "807": UNKNOWN}.get(magic) if transfer.state is State.SUCCEEDED else None
        return said or self._code(transfer), transfer.told_minor

    def status(self, session: str, source: str) -> str:
        """The code of a status query: an order is known for 24 hours, and may be asked about three times a minute."""
        now = self.world.clock.now()
        asked = self._asked[session]
        while asked and asked[0] <= now - QUERIES_PER:
            asked.popleft()
        asked.append(now)
        if len(asked) > QUERIES_MAX:
            return "65"
        transfer = self.world.find_visible(self.rail, session)
        if transfer is None or session[:6] != source or transfer.accepted_at + QUERY_WINDOW <= now:
            return NOT_FOUND
        if magic_digits(transfer.order.payee, check_digit=True) == "807":
            return UNKNOWN
        return self._code(transfer)

    def balance(self, account: str) -> int:
        """What an account holds."""
        return self.world.balance(self.rail, account, CURRENCY)

    def statement(self, account: str, day: date) -> list[Movement]:
        """What moved on an account on a day of Lagos."""
        start = datetime.combine(day, time(), LAGOS).astimezone(UTC)
        return self.world.statement(self.rail, account, start, start + timedelta(days=1))

    def settled(self, account: str, session: str) -> list[Movement]:
        """What moved on an account under one session id."""
        return [
            one
            for one in self.world.movements
            if (one.rail, one.account, one.reference) == (self.rail, account, session)
        ]

    def _refusal(self, wanted: Wanted, amount_minor: int | None) -> str | None:
        if not SESSION.fullmatch(wanted.session):
            return "15"
        if wanted.session in self._enquiries:
            return "26"  # Every message has a session id of its own.
        if not INSTITUTION.fullmatch(wanted.institution) or wanted.institution == UNKNOWN_INSTITUTION:
            return "16"
        magic = magic_digits(wanted.payee, check_digit=True)
        if not ACCOUNT.fullmatch(wanted.payee) or magic in ("801", "802"):
            return "06" if magic == "802" else "07"
        if not SESSION.fullmatch(wanted.enquiry):
            return "12"
        if wanted.name != holder(wanted.institution, wanted.payee).name:
            return "08"
        if amount_minor is None or amount_minor < AMOUNT_MIN_MINOR:
            return "13"
        return "61" if amount_minor > AMOUNT_MAX_MINOR else None

    def _code(self, transfer: Transfer) -> str:
        if transfer.state is State.ACCEPTED:
            return IN_PROGRESS
        if transfer.reason is None:
            return OK  # Given back later or not: only the settlement report tells of that.
        down = magic_digits(transfer.order.payee, check_digit=True) == "804"
        return "91" if down else REASONS[transfer.reason]


def _minor(text: str) -> int | None:
    found = AMOUNT.fullmatch(text)
    return None if found is None else int(found[1] + (found[2] or "00"))


def naira(amount_minor: int) -> str:
    """Minor units as NIP writes them."""
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"
