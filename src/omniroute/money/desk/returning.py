"""The worker of reversals: sends what was agreed to, asks about what is unknown, finds what was lost.

As with payments, a request is named and committed before a byte of it leaves, and is sent once: what may have reached
the rail is never sent again, only asked about. What is asked is what became of the paid order itself: it is reversed,
or it is not, whatever the rail thinks of our request.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.http import ExchangeFailed, Sent
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.setbacks import Setbacks
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault
from omniroute.money import payments
from omniroute.money.desk import reversals
from omniroute.money.desk.events import (
    ReversalDeclined,
    ReversalEvent,
    ReversalNeedsReview,
    ReversalSent,
    ReversalSucceeded,
)
from omniroute.money.desk.model import Reversal, ReversalState
from omniroute.money.desk.store import SQL, reversal_of
from omniroute.money.payments import AttemptState, Link, LinkDown, Links, Source
from omniroute.ports.rails import Answer, NotSent, Outcome, Payout, RailPolicy, RailUnable, Result

log = logger("omniroute.desk")

META = Meta(actor="system:desk", channel="worker")
POSTPONE = timedelta(seconds=30)
LEASE_BEYOND_TIMEOUTS = timedelta(seconds=30)
TRIES_MAX = 6
RETRY_AFTER = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
AT_ONCE_MAX = 50

_OPEN = (ReversalState.SENDING, ReversalState.PENDING, ReversalState.UNKNOWN)


class Returner:
    """One a process; any number of processes. `worker_id` names it in claims; `db` is the worker's."""

    def __init__(
        self, db: Database, links: Links, *, clock: Clock, business_day: Callable[[UUID], date], worker_id: str
    ) -> None:
        self._db, self._links, self._clock = db, links, clock
        self._business_day, self._worker_id = business_day, worker_id
        self._setbacks = Setbacks[UUID](clock)

    async def round(self) -> int:
        """Recover, send and ask, once; how much there was to do."""
        return await self.recover() + await self.send() + await self.ask()

    async def send(self) -> int:
        """Send reversals people have agreed to; how many."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.reversals_to_send, now=now, without=self._setbacks.waiting(), limit=AT_ONCE_MAX)
        for row in due:
            async with self._setbacks.of(row.reversal_id, tenant=row.tenant_id, reversal=row.reversal_id):
                await self._send_if_up(row, now)
        return len(due)

    async def _send_if_up(self, row: Any, now: datetime) -> None:
        try:
            link = await self._links.get(row.tenant_id, row.connection_id)
        except LinkDown as fault:
            log.warning("a reversal waits for its connection", fault=str(fault))
            await self._postpone(row, now)
            return
        if link.paused:
            await self._postpone(row, now)
            return
        await self._send_one(row.tenant_id, row.reversal_id, link)

    async def ask(self) -> int:
        """Ask what became of orders that were asked back; how many."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.reversals_to_ask, now=now, without=self._setbacks.waiting(), limit=AT_ONCE_MAX)
        for row in due:
            lease = now + timedelta(seconds=90)
            async with self._setbacks.of(row.reversal_id, tenant=row.tenant_id, reversal=row.reversal_id):
                async with self._db.tx(row.tenant_id) as tx:
                    taken = await tx.one_or_none(
                        SQL.take_reversal_to_ask, tenant=tx.tenant, reversal=row.reversal_id, now=now, lease_until=lease
                    )
                if taken is not None:
                    await self._ask_one(row.tenant_id, reversal_of(taken))
        return len(due)

    async def recover(self) -> int:
        """Reversals whose sender did not come back: they may have left, so they are asked about. How many."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            lost = await tx.all(SQL.lost_reversals, now=now, without=self._setbacks.waiting(), limit=AT_ONCE_MAX)
        for row in lost:
            result = Result(Outcome.UNKNOWN, Answer(message="whoever sent it did not come back in time"))
            async with self._setbacks.of(row.reversal_id, tenant=row.tenant_id, reversal=row.reversal_id):
                policy = await self._policy(row.tenant_id, row.connection_id)
                await self._record(row.tenant_id, row.reversal_id, result, policy, Source.CLOCK, lost_before=now)
        return len(lost)

    # -- exchanges ------------------------------------------------------------------------------------------------

    async def _send_one(self, tenant_id: UUID, reversal_id: UUID, link: Link) -> None:
        reversal = await self._claim(tenant_id, reversal_id, link)
        if reversal is None:
            return
        assert reversal.our_ref is not None
        order, state = await self._order(tenant_id, reversal)
        if state is AttemptState.REVERSED:
            # It came back by itself while we were getting ready; nothing has left.
            await self._record(tenant_id, reversal_id, Result(Outcome.REVERSED), link.policy, Source.WORKER)
            return
        try:
            result = await link.connector.reverse(link.context, order, reversal.rail_ref, reversal.our_ref)
        except RailUnable as refusal:
            result = Result(Outcome.DECLINED, Answer("rail_unable", refusal.detail))
        except NotSent as fault:
            result = Result(Outcome.NOT_SENT, Answer(message=str(fault)))
        except ExchangeFailed as fault:
            outcome = Outcome.NOT_SENT if fault.sent is Sent.NO else Outcome.UNKNOWN
            result = Result(outcome, Answer(message=str(fault)))
        except Exception as error:
            log.exception("a reversal ended in a way nobody foresaw", rail=link.rail, our_ref=reversal.our_ref)
            result = Result(Outcome.UNKNOWN, Answer(message=type(error).__name__))
        await self._record(tenant_id, reversal_id, result, link.policy, Source.SUBMIT)

    async def _claim(self, tenant_id: UUID, reversal_id: UUID, link: Link) -> Reversal | None:
        """Name it and commit, before a byte leaves; None when somebody else took it up."""
        now = self._clock.now()
        timeouts = timedelta(seconds=link.policy.connect_timeout_s + link.policy.read_timeout_s)
        async with self._db.tx(tenant_id) as tx:
            found = await reversals.find_reversal(tx, reversal_id)
            our_ref = link.connector.build_reference(link.context.credentials.public, reversal_id, found.created_at)
            row = await tx.one_or_none(
                SQL.claim_reversal,
                tenant=tenant_id,
                reversal=reversal_id,
                our_ref=our_ref,
                claimed_by=self._worker_id,
                lease_until=now + timeouts * 2 + LEASE_BEYOND_TIMEOUTS,
                now=now,
            )
        return None if row is None else reversal_of(row)

    async def _ask_one(self, tenant_id: UUID, reversal: Reversal) -> None:
        order, state = await self._order(tenant_id, reversal)
        if state is AttemptState.REVERSED:
            # A callback, a statement or a person told meanwhile; the books know it already.
            policy = await self._policy(tenant_id, reversal.connection_id)
            await self._record(tenant_id, reversal.reversal_id, Result(Outcome.REVERSED), policy, Source.QUERY)
            return
        try:
            link = await self._links.get(tenant_id, reversal.connection_id)
        except LinkDown as fault:
            log.warning("a reversal cannot be asked about now", fault=str(fault))
            return  # Its lease ends, then it is asked about again.
        try:
            result = await link.connector.query(link.context, order, await self._provider_ref(tenant_id, reversal))
        except Fault as fault:
            result = Result(Outcome.UNKNOWN, Answer(message=str(fault)))
        except Exception as error:
            log.exception("a query ended in a way nobody foresaw", rail=link.rail)
            result = Result(Outcome.UNKNOWN, Answer(message=type(error).__name__))
        if result.outcome is not Outcome.REVERSED or (result.our_ref not in (None, order.our_ref)):
            # Still paid, or nobody can tell: not a word about the request, so it stays as it is.
            result = Result(Outcome.ASKED, result.answer)
        await self._record(tenant_id, reversal.reversal_id, result, link.policy, Source.QUERY)

    async def _order(self, tenant_id: UUID, reversal: Reversal) -> tuple[Payout, AttemptState]:
        """The paid order as it was sent, and where its attempt stands."""
        async with self._db.tx(tenant_id, readonly=True) as tx:
            payment = (await payments.find_payment(tx, reversal.payment_id)).payment
            attempts = await payments.find_attempts(tx, reversal.payment_id)
        attempt = next(one for one in attempts if one.attempt_id == reversal.attempt_id)
        return payments.payout_of(payment, attempt), attempt.state

    async def _provider_ref(self, tenant_id: UUID, reversal: Reversal) -> str | None:
        async with self._db.tx(tenant_id, readonly=True) as tx:
            attempts = await payments.find_attempts(tx, reversal.payment_id)
        return next(one.provider_ref for one in attempts if one.attempt_id == reversal.attempt_id)

    async def _policy(self, tenant_id: UUID, connection_id: UUID) -> RailPolicy:
        try:
            return (await self._links.get(tenant_id, connection_id)).policy
        except LinkDown:
            return payments.CAUTIOUS

    async def _postpone(self, row: Any, now: datetime) -> None:
        async with self._db.tx(row.tenant_id) as tx:
            await tx.execute(
                SQL.postpone_reversal, tenant=tx.tenant, reversal=row.reversal_id, now=now, later=now + POSTPONE
            )

    # -- recording ------------------------------------------------------------------------------------------------

    async def _record(
        self,
        tenant_id: UUID,
        reversal_id: UUID,
        result: Result,
        policy: RailPolicy,
        source: Source,
        *,
        lost_before: datetime | None = None,
    ) -> None:
        async def work(tx: Tx) -> None:
            now = self._clock.now()
            reversal = await reversals.lock(tx, reversal_id)
            if reversal.state not in _OPEN:
                return
            if lost_before is not None and (reversal.lease_until is None or reversal.lease_until > lost_before):
                return
            moved, kind = weigh(now, reversal, result, source, policy)
            if moved.state is ReversalState.SUCCEEDED:
                note = {"reversal": moved.our_ref, "code": result.answer.code, "message": result.answer.message}
                await payments.take_back(
                    tx,
                    reversal.attempt_id,
                    reason="reversed_on_request",
                    source=source,
                    actor=self._worker_id,
                    note={name: value for name, value in note.items() if value is not None},
                    now=now,
                    today=self._business_day(tenant_id),
                    meta=META,
                )
            written = await reversals.write(tx, moved, now)
            if kind is not None:
                await events.append(tx, reversals.told(kind, written), META)

        await self._db.run(work, tenant_id=tenant_id, idempotent=True)


def weigh(
    now: datetime, at: Reversal, result: Result, source: Source, policy: RailPolicy
) -> tuple[Reversal, type[ReversalEvent] | None]:
    """Where a reversal stands after this evidence, and what is told of it. Time alone never ends one."""
    answered = replace(
        at,
        code=result.answer.code or at.code,
        message=result.answer.message or at.message,
        provider_ref=result.provider_ref or at.provider_ref,
        next_query_at=None,
    )
    submitted = at.state is ReversalState.SENDING
    match result.outcome:
        case Outcome.REVERSED:
            return replace(answered, state=ReversalState.SUCCEEDED), ReversalSucceeded
        case Outcome.SUCCEEDED if submitted:
            return replace(answered, state=ReversalState.SUCCEEDED), ReversalSucceeded
        case Outcome.DECLINED if submitted:
            return replace(answered, state=ReversalState.DECLINED), ReversalDeclined
        case Outcome.NOT_SENT if submitted and source is Source.SUBMIT:
            if at.tries >= TRIES_MAX:
                return replace(answered, state=ReversalState.NOT_SENT, sent_at=None), ReversalDeclined
            pause = RETRY_AFTER[min(at.tries, len(RETRY_AFTER)) - 1]
            return replace(answered, state=ReversalState.CREATED, sent_at=None, send_after=now + pause), None
    if source is Source.QUERY and at.sent_at is not None and now >= at.sent_at + policy.query_for:
        return replace(answered, state=ReversalState.MANUAL), ReversalNeedsReview
    count = at.query_count + (1 if source is Source.QUERY else 0)
    pause = policy.query_after[min(count, len(policy.query_after) - 1)]
    state = at.state
    if submitted:
        state = ReversalState.PENDING if result.outcome is Outcome.PENDING else ReversalState.UNKNOWN
    # The rail may call about it before its reply is here: then there is news already.
    hinted = submitted and at.next_query_at is not None
    moved = replace(answered, state=state, next_query_at=now if hinted else now + pause, query_count=count)
    return moved, ReversalSent if submitted else None
