"""One clock, one set of books and one plan of faults for every rail of the sandbox.

    accept     a rail takes an order; when its time comes it is paid or declined, and the callback goes out
    run_due    everything whose time has come happens now; called before each answer, and by `keep_going`

With a clock that stands still the sandbox stands still: tests move the clock and call `run_due`.
"""

import asyncio
import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from omniroute.kit.clock import Clock, SystemClock
from omniroute.sandbox.callbacks import CallbackRequest, Deliver, HttpDelivery
from omniroute.sandbox.faults import BEFORE, Fault, FaultPlan
from omniroute.sandbox.transfers import Movement, Order, Reason, State, Transfer
from omniroute.sandbox.wire import Drop, WireReply

LATE = timedelta(days=2)
REVERSAL = timedelta(days=1)
WRONG_BY_MINOR = 100
FUNDS_MINOR = 10**15
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Delivered:
    """A callback that went out, or that was lost on purpose (`status` None)."""

    at: datetime
    request: CallbackRequest
    status: int | None


class World:
    """The outside, as far as money goes."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        plan: FaultPlan | None = None,
        deliver: Deliver | None = None,
        slow_s: float = 2,
        funds_minor: int = FUNDS_MINOR,
    ) -> None:
        """`funds_minor`: what an account holds that nobody funded. `deliver` replaces the real HTTP of callbacks."""
        self.clock = clock or SystemClock()
        self.plan = plan or FaultPlan()
        self.slow_s = slow_s
        self.movements: list[Movement] = []
        self.callbacks: list[Delivered] = []
        self._funds_minor = funds_minor
        self._transfers: dict[tuple[str, str], Transfer] = {}
        self._balances: dict[tuple[str, str, str], int] = {}
        self._reserved: Counter[tuple[str, str, str]] = Counter()  # What accepted orders will take.
        self._debits: defaultdict[tuple[str, str], list[Movement]] = defaultdict(list)
        self._asked: Counter[tuple[str, str]] = Counter()
        self._due: list[tuple[datetime, int, Callable[[], Awaitable[None]]]] = []
        self._numbers = itertools.count(1)
        self._under_way = 0
        self._http = HttpDelivery()
        self._deliver: Deliver = deliver or self._http

    # -- orders -----------------------------------------------------------------------------------------------

    def find(self, rail: str, reference: str) -> Transfer | None:
        """The order of this reference if the rail took it, known to queries or not."""
        return self._transfers.get((rail, reference))

    def find_visible(self, rail: str, reference: str) -> Transfer | None:
        """The order as far as a query may know; counts how often it was asked for."""
        transfer = self.find(rail, reference)
        if transfer is None or transfer.visible_at > self.clock.now():
            return None
        transfer.times_asked += 1
        return transfer

    def transfers(self, rail: str | None = None) -> list[Transfer]:
        """Every order taken, in order."""
        return [transfer for (name, _), transfer in self._transfers.items() if rail in (None, name)]

    def accept(
        self,
        order: Order,
        fault: Fault = Fault.NONE,
        *,
        takes: timedelta = timedelta(0),
        reason: Reason | None = None,
        callback: Callable[[Transfer], CallbackRequest | None] | None = None,
    ) -> Transfer:
        """Take an order that is not yet there. It is final after `takes`: paid, or declined when `reason` says so.

        `callback` makes the rail's message once the order is final; what the fault says becomes of it.
        """
        if fault is Fault.EARLY_CALLBACK:
            takes = timedelta(0)
        key = (order.rail, order.reference)
        assert key not in self._transfers, "the rail answers repeats by itself"
        now = self.clock.now()
        late = LATE if fault is Fault.LATE_SUCCESS else timedelta(0)
        if reason is None and fault is Fault.DECLINED:
            reason = Reason.REFUSED
        if reason is None and self.available(order.rail, order.account, order.currency) < (
            order.amount_minor + order.fee_minor
        ):
            reason = Reason.FUNDS
        transfer = Transfer(
            order,
            rail_ref=self.make_ref(order.rail, order.reference),
            fault=fault,
            accepted_at=now,
            visible_at=now + late,
            final_at=now + late + takes,
            told_minor=order.amount_minor + (WRONG_BY_MINOR if fault is Fault.WRONG_AMOUNT else 0),
            reason=reason,
        )
        self._transfers[key] = transfer
        if reason is None:
            self._reserved[order.rail, order.account, order.currency] += order.amount_minor + order.fee_minor
        self.at(transfer.final_at, lambda: self._finish(transfer, callback))
        if fault is Fault.REVERSED_LATER and reason is None:
            self.at(transfer.final_at + REVERSAL, lambda: self._give_back(transfer))
        return transfer

    async def attempt(self, fault: Fault, effect: Callable[[], Awaitable[WireReply]], error: WireReply) -> WireReply:
        """Do what a submit does, with what goes wrong on its way there and back. `error` is the rail's own HTTP 5xx.

        Raises: Drop when the connection ends without a reply.
        """
        if fault is Fault.LOST_REQUEST:
            raise Drop
        if fault is Fault.ERROR_BEFORE:
            return error
        reply = await effect()
        await self.run_due()
        return await self._on_the_way_back(fault, reply, error)

    async def answer(
        self, rail: str, reference: str, effect: Callable[[], Awaitable[WireReply]], error: WireReply
    ) -> WireReply:
        """Answer a query about an order, with what goes wrong by plan.

        Raises: Drop.
        """
        await self.run_due()
        fault = self.plan.for_query(rail, reference, self._asked[rail, reference])
        self._asked[rail, reference] += 1  # Also of an order nobody knows: the next question has a fault of its own.
        if fault in BEFORE:
            if fault is Fault.LOST_REQUEST:
                raise Drop
            return error
        return await self._on_the_way_back(fault, await effect(), error)

    async def _on_the_way_back(self, fault: Fault, reply: WireReply, error: WireReply) -> WireReply:
        if fault is Fault.LOST_REPLY:
            raise Drop
        if fault is Fault.ERROR_AFTER:
            return error
        if fault is Fault.SLOW:
            await asyncio.sleep(self.slow_s)
        return reply

    async def _finish(self, transfer: Transfer, callback: Callable[[Transfer], CallbackRequest | None] | None) -> None:
        order = transfer.order
        if transfer.state is not State.ACCEPTED:
            return
        if transfer.reason is None:
            transfer.state = State.SUCCEEDED
            self._reserved[order.rail, order.account, order.currency] -= order.amount_minor + order.fee_minor
            self._move(order, transfer.rail_ref, "debit", -order.amount_minor)
            if order.fee_minor:
                self._move(order, transfer.rail_ref, "fee", -order.fee_minor)
        else:
            transfer.state = State.DECLINED
        request = callback(transfer) if callback is not None else None
        if request is None:
            return
        now = self.clock.now()
        if transfer.fault is Fault.LOST_CALLBACK:
            self.callbacks.append(Delivered(now, request, None))
        elif transfer.fault is Fault.EARLY_CALLBACK:
            await self.call(request)  # Before the reply: we are still inside the submit when `takes` is nothing.
        else:
            self.at(now + timedelta(milliseconds=1), lambda: self.call(request))
            if transfer.fault is Fault.DUPLICATE_CALLBACK:
                self.at(now + timedelta(milliseconds=2), lambda: self.call(request))
                self.at(now + timedelta(minutes=5), lambda: self.call(request))

    async def _give_back(self, transfer: Transfer) -> None:
        await self.reverse(transfer)

    async def reverse(self, transfer: Transfer) -> bool:
        """Give a paid order back to the payer; False when it is not a paid one."""
        if transfer.state is not State.SUCCEEDED:
            return False
        transfer.state = State.REVERSED
        transfer.reversed_at = self.clock.now()
        self._move(transfer.order, transfer.rail_ref, "reversal", transfer.order.amount_minor)
        return True

    # -- books ------------------------------------------------------------------------------------------------

    def balance(self, rail: str, account: str, currency: str) -> int:
        """What the account holds, in minor units."""
        return self._balances.get((rail, account, currency), self._funds_minor)

    def available(self, rail: str, account: str, currency: str) -> int:
        """The balance less what accepted orders will take."""
        return self.balance(rail, account, currency) - self._reserved[rail, account, currency]

    def fund(self, rail: str, account: str, currency: str, amount_minor: int) -> None:
        """Set what an account holds."""
        self._balances[rail, account, currency] = amount_minor

    def receive(self, order: Order, rail_ref: str) -> None:
        """Money comes in on an account, less the fee that the rail keeps. `order.payee` is who sent it."""
        self._move(order, rail_ref, "credit", order.amount_minor)
        if order.fee_minor:
            self._move(order, rail_ref, "fee", -order.fee_minor)

    def return_received(self, order: Order, rail_ref: str) -> None:
        """What came in goes back to who sent it, and the fee is given back."""
        self._move(order, rail_ref, "reversal", order.fee_minor - order.amount_minor)

    def debits(self, rail: str, reference: str) -> list[Movement]:
        """Every time this order took money: never more than one, or somebody was paid twice."""
        return self._debits[rail, reference]

    def statement(self, rail: str, account: str, start: datetime, end: datetime) -> list[Movement]:
        """What moved on an account from `start` (inclusive) to `end` (exclusive)."""
        return [
            movement
            for movement in self.movements
            if (movement.rail, movement.account) == (rail, account) and start <= movement.at < end
        ]

    def _move(self, order: Order, rail_ref: str, kind: str, amount_minor: int) -> None:
        key = (order.rail, order.account, order.currency)
        self._balances[key] = self.balance(*key) + amount_minor
        movement = Movement(
            number=len(self.movements) + 1,
            rail=order.rail,
            account=order.account,
            reference=order.reference,
            rail_ref=rail_ref,
            kind=kind,
            amount_minor=amount_minor,
            currency=order.currency,
            at=self.clock.now(),
            balance_after_minor=self._balances[key],
            payee=order.payee,
        )
        self.movements.append(movement)
        if kind == "debit":
            self._debits[order.rail, order.reference].append(movement)

    # -- time -------------------------------------------------------------------------------------------------

    def at(self, when: datetime, action: Callable[[], Awaitable[None]]) -> None:
        """Let something happen then."""
        heapq.heappush(self._due, (when, next(self._numbers), action))

    async def run_due(self) -> int:
        """Let happen what is due, in the order of its time; how much it was."""
        done = 0
        while self._due and self._due[0][0] <= self.clock.now():
            _, _, action = heapq.heappop(self._due)
            self._under_way += 1
            try:
                await action()
            finally:
                self._under_way -= 1
            done += 1
        return done

    def is_still(self, until: datetime) -> bool:
        """Nothing happens now, no callback is on its way, and nothing will happen by itself before `until`."""
        return not self._under_way and (not self._due or self._due[0][0] > until)

    @property
    def next_due(self) -> datetime | None:
        """When the next thing happens by itself."""
        return self._due[0][0] if self._due else None

    async def keep_going(self) -> None:
        """Let things happen when they are due, until cancelled."""
        while True:
            await self.run_due()
            await asyncio.sleep(POLL_S)

    # -- callbacks --------------------------------------------------------------------------------------------

    async def call(self, request: CallbackRequest) -> None:
        """Send a callback once. A receiver that is not there is noted, as a rail would."""
        self.callbacks.append(Delivered(self.clock.now(), request, await self._deliver(request)))

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    @staticmethod
    def make_ref(rail: str, reference: str) -> str:
        """The rail's own reference of an order: ten letters and digits, the same for the same order."""
        digest = blake2b(f"{rail}:{reference}".encode(), digest_size=8).digest()
        alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
        number = int.from_bytes(digest)
        return "".join(alphabet[number >> (5 * place) & 31] for place in range(10))
