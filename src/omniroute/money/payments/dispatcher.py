"""The worker of payments: sends what is due, asks about what is unknown, hears what rails call, finds what was lost.

Each method is one round and may run in any number of processes. `send` and `ask` start exchanges and come back; what
comes of them is recorded in groups, one transaction for many. A crash anywhere loses nothing: before the commit of a
claim nothing has left; after it the lease runs out, and the attempt counts as unknown and is asked about.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from omniroute.infra.batch import BatchLimits
from omniroute.infra.postgres import Database, Departures, Tx
from omniroute.infra.setbacks import Setbacks
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.money.payments import approval, sending, store
from omniroute.money.payments.exchanges import CAUTIOUS, Exchanges
from omniroute.money.payments.hearing import HeardCredit, HeardElsewhere, Hearing
from omniroute.money.payments.in_flight import Exchange, InFlight
from omniroute.money.payments.links import Link, LinkDown, Links
from omniroute.money.payments.model import AttemptState, Source
from omniroute.money.payments.rechecking import RulesOf
from omniroute.money.payments.sending import Claimed
from omniroute.ports.rails import CodeClass, Outcome, Result

log = logger("omniroute.payments")

POSTPONE = timedelta(seconds=30)
EASE = timedelta(milliseconds=100)
"""How long a round waits for places; others have theirs."""
ASK_LEASE = timedelta(seconds=90)
RECORDS = BatchLimits(items_max=256, queue_max=20_000, lane_queue_max=20_000)


@dataclass(frozen=True, slots=True)
class DispatcherLimits:
    """How much one process carries at once, and takes up in one round. `records`: how outcomes are grouped; with a pace
    a busy worker records many together some thirty times a second, instead of a few a thousand times."""

    in_flight_max: int = 200
    claim_max: int = 200
    records: BatchLimits = RECORDS


class Dispatcher:
    """One a process. `worker_id` names it in claims; `db` is the worker's. `rules` None: nothing is looked at again.

    `elsewhere`: who is told of calls about something that is no attempt (requests to take a payment back).
    `credited`: who is told of money that came in.
    """

    def __init__(
        self,
        db: Database,
        links: Links,
        *,
        clock: Clock,
        business_day: Callable[[UUID], date],
        worker_id: str,
        limits: DispatcherLimits | None = None,
        rules: RulesOf | None = None,
        elsewhere: HeardElsewhere | None = None,
        credited: HeardCredit | None = None,
    ) -> None:
        self._db, self._links, self._clock, self._rules = db, links, clock, rules
        self._business_day, self._worker_id = business_day, worker_id
        self._limits = limits or DispatcherLimits()
        self._departures = Departures()
        # By organisation, and attempts by themselves: what fails in a way nobody foresaw holds up nobody else.
        self._sending, self._asking, self._hearing_of = (Setbacks[UUID](clock) for _ in range(3))
        self._expiring, self._losing = Setbacks[UUID](clock), Setbacks[UUID](clock)
        self._in_flight = InFlight(self._limits.in_flight_max)
        self._exchanges = Exchanges(
            db, clock=clock, business_day=business_day, worker_id=worker_id, records=self._limits.records
        )
        self._hearing = Hearing(
            links,
            clock=clock,
            business_day=business_day,
            worker_id=worker_id,
            elsewhere=elsewhere,
            credited=credited,
        )

    @property
    def in_flight(self) -> int:
        """Exchanges under way."""
        return len(self._in_flight.tasks)

    async def idle(self) -> None:
        """Wait until every exchange that is under way has been recorded."""
        await self._in_flight.idle()

    async def close(self) -> None:
        """Finish what is under way; take nothing new."""
        await self.idle()
        await self._exchanges.close()

    # -- rounds ---------------------------------------------------------------------------------------------------

    async def send(self) -> int:
        """Take up payments that are due and start sending them; how many were taken up."""
        await self._in_flight.ease(Exchange.SEND, patience=EASE)
        room = min(self._limits.claim_max, self._in_flight.room(Exchange.SEND))
        if room <= 0:
            return 0
        now, full = self._clock.now(), self._in_flight.full(Exchange.SEND)
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(store.SQL.due_payments, now=now, full=full, limit=room)
        taken = 0
        for tenant_id, rows in _by_tenant(self._that_fit(Exchange.SEND, due), self._sending).items():
            async with self._sending.of(tenant_id, tenant=tenant_id):
                taken += await self._send_for(tenant_id, rows, now)
        return taken

    async def _send_for(self, tenant_id: UUID, rows: Sequence[Any], now: datetime) -> int:
        """Take up what is due of one organisation, and start sending it; how many were taken up."""
        links, down = await self._find_links(tenant_id, {row.connection_id for row in rows if row.connection_id})
        blocked = [row.payment_id for row in rows if row.connection_id in down]
        ids = [row.payment_id for row in rows if row.connection_id not in down]
        recheck = None if self._rules is None else (await self._rules.get(tenant_id)).recheck

        async def work(tx: Tx) -> list[Claimed]:
            return await sending.claim(
                tx,
                ids,
                links,
                claimed_by=self._worker_id,
                recheck=recheck,
                now=self._clock.now(),
                today=self._business_day(tx.tenant),
            )

        if ids:
            # Not idempotent: after a lost connection the claim may stand, and its lease will tell.
            claimed = await self._db.run(work, tenant_id=tenant_id, idempotent=False)
            for one in claimed:
                work_of = self._exchanges.carry(tenant_id, one)
                self._in_flight.start(Exchange.SEND, one.link.connection_id, work_of)
        if blocked:
            async with self._db.tx(tenant_id) as tx:
                await tx.execute(
                    store.SQL.postpone_payments, tenant=tenant_id, payments=blocked, now=now, later=now + POSTPONE
                )
        return len(ids)

    async def ask(self) -> int:
        """Start asking rails about attempts whose time has come; how many."""
        await self._in_flight.ease(Exchange.ASK, patience=EASE)
        room = min(self._limits.claim_max, self._in_flight.room(Exchange.ASK))
        if room <= 0:
            return 0
        now, full = self._clock.now(), self._in_flight.full(Exchange.ASK)
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(store.SQL.attempts_to_ask, now=now, full=full, limit=room)
        asked = 0
        for tenant_id, rows in _by_tenant(self._that_fit(Exchange.ASK, due), self._asking).items():
            async with self._asking.of(tenant_id, tenant=tenant_id):
                asked += await self._ask_for(tenant_id, rows, now)
        return asked

    async def _ask_for(self, tenant_id: UUID, rows: Sequence[Any], now: datetime) -> int:
        """Start asking about attempts of one organisation; how many."""
        asked = 0
        links, _ = await self._find_links(tenant_id, {row.connection_id for row in rows}, paused=True)
        ids = [row.attempt_id for row in rows]
        async with self._db.tx(tenant_id) as tx:
            taken = await tx.all(
                store.SQL.take_to_ask,
                tenant=tenant_id,
                attempts=ids,
                now=now,
                lease_until=now + ASK_LEASE,
                asked_by=self._worker_id,
            )
            attempts = [store.attempt_of(row) for row in taken]
            found = await tx.all(
                store.SQL.payments_by_id, tenant=tenant_id, payments=[attempt.payment_id for attempt in attempts]
            )
        payments = {row.payment_id: store.payment_of(row) for row in found}
        for attempt in attempts:
            link = links.get(attempt.connection_id)
            if link is not None:
                work_of = self._exchanges.query(tenant_id, payments[attempt.payment_id], attempt, link)
                self._in_flight.start(Exchange.ASK, attempt.connection_id, work_of)
                asked += 1
        return asked

    async def recover(self) -> int:
        """Find attempts whose taker did not come back, or is gone: never sent, or unknown. How many.

        Who is gone is known by his lock (`Departures`). It may be free although he lives, when he was cut off from the
        database: so nothing is concluded but that somebody has to ask, and what was never sent he cannot send any more.
        """
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            takers = {row.taker for row in await tx.all(store.SQL.takers)}
            gone = await self._departures.of(tx, takers - {self._worker_id}, now=now)
            lost = await tx.all(
                store.SQL.lost_attempts,
                now=now,
                gone=gone,
                without=self._losing.waiting(),
                limit=self._limits.claim_max,
            )
            asked_for = await tx.all(store.SQL.tenants_asked_for, gone=gone) if gone else []
        for row in asked_for:
            async with self._db.tx(row.tenant_id) as tx:
                await tx.execute(store.SQL.ask_again, tenant=tx.tenant, gone=gone, now=now)
        await asyncio.gather(*[self._lose(row) for row in lost])
        return len(lost)

    async def _lose(self, row: Any) -> None:
        async with self._losing.of(row.attempt_id, tenant=row.tenant_id, attempt=row.attempt_id):
            await self._say_lost(row)

    async def _say_lost(self, row: Any) -> None:
        links, _ = await self._find_links(row.tenant_id, {row.connection_id}, paused=True)
        await self._exchanges.say(
            row.tenant_id,
            row.attempt_id,
            Result(Outcome.NOT_SENT if row.state == AttemptState.CREATED else Outcome.UNKNOWN),
            Source.CLOCK,
            CodeClass.UNKNOWN,
            link=links.get(row.connection_id),
            note={"lost": "whoever had taken it up did not come back in time"},
        )

    async def expire(self) -> int:
        """End payments nobody approved in time; how many."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(
                store.SQL.expired_payments, now=now, without=self._expiring.waiting(), limit=self._limits.claim_max
            )
        ended = 0
        for tenant_id, rows in _by_tenant(due).items():
            async with self._expiring.of(tenant_id, tenant=tenant_id), self._db.tx(tenant_id) as tx:
                ids = [row.payment_id for row in rows]
                ended += await approval.expire(tx, ids, now=now, today=self._business_day(tenant_id))
        return ended

    async def hear(self) -> int:
        """Look at what rails have called us with; how many calls."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            to_do = await tx.all(
                store.SQL.provider_events_to_do,
                now=now,
                without=self._hearing_of.waiting(),
                limit=self._limits.claim_max,
            )
        for tenant_id, rows in _by_tenant(to_do).items():
            async with self._hearing_of.of(tenant_id, tenant=tenant_id), self._db.tx(tenant_id) as tx:
                taken = await tx.all(
                    store.SQL.take_provider_events, tenant=tenant_id, events=[row.event_id for row in rows]
                )
                await self._hearing.hear(tx, taken)
        return len(to_do)

    # -- what can go ----------------------------------------------------------------------------------------------

    def _that_fit(self, kind: Exchange, rows: Sequence[Any]) -> list[Any]:
        """Those for which there is room over their connection; the others wait for a later round."""
        left: dict[UUID, int] = {}
        fit: list[Any] = []
        for row in rows:
            connection_id = row.connection_id
            if connection_id is not None:
                room = left.setdefault(connection_id, self._in_flight.room_over(kind, connection_id))
                if room == 0:
                    continue
                left[connection_id] = room - 1
            fit.append(row)
        return fit

    async def _find_links(
        self, tenant_id: UUID, connection_ids: set[UUID], *, paused: bool = False
    ) -> tuple[dict[UUID, Link], set[UUID]]:
        """The connections that can be used, and those that cannot now."""
        links: dict[UUID, Link] = {}
        down: set[UUID] = set()
        for connection_id in connection_ids:
            try:
                link = await self._links.get(tenant_id, connection_id)
            except LinkDown as fault:
                log.warning("a connection cannot be used", connection=str(connection_id), fault=str(fault))
                down.add(connection_id)
                continue
            if link.paused and not paused:
                down.add(connection_id)
            else:
                links[connection_id] = link
        return links, down


def _by_tenant(rows: Sequence[Any], setbacks: Setbacks[UUID] | None = None) -> dict[UUID, list[Any]]:
    """What there is of each organisation, but of those that are put off."""
    waiting = () if setbacks is None else setbacks.waiting()
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        if row.tenant_id not in waiting:
            found.setdefault(row.tenant_id, []).append(row)
    return found


__all__ = ["CAUTIOUS", "Dispatcher", "DispatcherLimits"]
