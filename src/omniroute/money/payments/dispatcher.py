"""The worker of payments: sends what is due, asks about what is unknown, hears what rails call, finds what was lost.

Each method is one round and may run in any number of processes. `send` and `ask` start exchanges and come back; what
comes of them is recorded in groups, one transaction for many. A crash anywhere loses nothing: before the commit of a
claim nothing has left; after it the lease runs out, and the attempt counts as unknown and is asked about.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Protocol
from uuid import UUID

from omniroute.infra.batch import BatchLimits, GroupCommit
from omniroute.infra.http import ExchangeFailed, Sent
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault
from omniroute.money.payments import approval, names, outcomes, sending, store
from omniroute.money.payments.approval import Recheck
from omniroute.money.payments.files import hear_file
from omniroute.money.payments.links import Link, LinkDown, Links
from omniroute.money.payments.model import Attempt, AttemptState, Payment, PaymentState, Source
from omniroute.money.payments.outcomes import Evidence, Recorded
from omniroute.money.payments.sending import Claimed
from omniroute.money.payments.transitions import Books, Move
from omniroute.ports.rails import (
    Answer,
    Callback,
    CodeClass,
    EventKind,
    FileConnector,
    Holder,
    NotSent,
    Outcome,
    RailAnswerUnreadable,
    RailEvent,
    RailPolicy,
    RailUnable,
    Result,
    Trust,
)

log = logger("omniroute.payments")

POSTPONE = timedelta(seconds=30)
ASK_LEASE = timedelta(seconds=90)
CAUTIOUS = RailPolicy(
    query_after=(timedelta(minutes=1), timedelta(minutes=15)),
    query_for=timedelta(days=5),
    not_found_times=10,
    not_found_after=timedelta(days=5),
)
"""Of a connection that cannot be opened now, so that nobody can say what its rail wants."""


RECORDS = BatchLimits(items_max=256, queue_max=20_000, lane_queue_max=20_000)


@dataclass(frozen=True, slots=True)
class DispatcherLimits:
    """How much one process carries at once, and takes up in one round."""

    in_flight_max: int = 200
    claim_max: int = 200
    records: BatchLimits = RECORDS


class Rules(Protocol):
    """An organisation's rules, to look at a payment once more before it leaves."""

    def recheck(self, payment: Payment) -> None:
        """Whether it would still be allowed. Raises: a Refusal."""
        ...


class RulesOf(Protocol):
    """Finds an organisation's rules."""

    async def get(self, tenant_id: UUID) -> Rules:
        """The rules as they stand; cached for seconds at most."""
        ...


class Dispatcher:
    """One a process. `worker_id` names it in claims; `db` is the worker's. `rules` None: nothing is looked at again."""

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
    ) -> None:
        self._db, self._links, self._clock, self._rules = db, links, clock, rules
        self._business_day, self._worker_id = business_day, worker_id
        self._limits = limits or DispatcherLimits()
        self._tasks: set[asyncio.Task[None]] = set()
        self._records = GroupCommit[UUID, Evidence, Recorded | None](self._record, self._limits.records)
        self._goes = GroupCommit[UUID, tuple[Claimed, Holder | None], Claimed | None](self._go, self._limits.records)

    @property
    def in_flight(self) -> int:
        """Exchanges under way."""
        return len(self._tasks)

    async def idle(self) -> None:
        """Wait until every exchange that is under way has been recorded."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Finish what is under way; take nothing new."""
        await self.idle()
        await self._records.close()
        await self._goes.close()

    # -- rounds ---------------------------------------------------------------------------------------------------

    async def send(self) -> int:
        """Take up payments that are due and start sending them; how many were taken up."""
        room = min(self._limits.claim_max, self._limits.in_flight_max - len(self._tasks))
        if room <= 0:
            await asyncio.wait(self._tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            return 0
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(store.SQL.due_payments, now=now, limit=room)
        taken = 0
        for tenant_id, rows in _by_tenant(due).items():
            links, down = await self._find_links(tenant_id, {row.connection_id for row in rows if row.connection_id})
            blocked = [row.payment_id for row in rows if row.connection_id in down]
            ids = [row.payment_id for row in rows if row.connection_id not in down]

            recheck = None if self._rules is None else (await self._rules.get(tenant_id)).recheck

            async def work(
                tx: Tx,
                ids: Sequence[UUID] = ids,
                links: Mapping[UUID, Link] = links,
                recheck: Recheck | None = recheck,
            ) -> list[Claimed]:
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
                taken += len(ids)
                for one in claimed:
                    self._start(self._carry(tenant_id, one))
            if blocked:
                async with self._db.tx(tenant_id) as tx:
                    await tx.execute(
                        store.SQL.postpone_payments, tenant=tenant_id, payments=blocked, now=now, later=now + POSTPONE
                    )
        return taken

    async def ask(self) -> int:
        """Start asking rails about attempts whose time has come; how many."""
        room = self._limits.in_flight_max - len(self._tasks)
        if room <= 0:
            return 0
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(store.SQL.attempts_to_ask, now=now, limit=min(room, self._limits.claim_max))
        asked = 0
        for tenant_id, rows in _by_tenant(due).items():
            links, _ = await self._find_links(tenant_id, {row.connection_id for row in rows}, paused=True)
            ids = [row.attempt_id for row in rows]
            async with self._db.tx(tenant_id) as tx:
                taken = await tx.all(
                    store.SQL.take_to_ask, tenant=tenant_id, attempts=ids, now=now, lease_until=now + ASK_LEASE
                )
                attempts = [store.attempt_of(row) for row in taken]
                found = await tx.all(
                    store.SQL.payments_by_id, tenant=tenant_id, payments=[attempt.payment_id for attempt in attempts]
                )
            payments = {row.payment_id: store.payment_of(row) for row in found}
            for attempt in attempts:
                link = links.get(attempt.connection_id)
                if link is not None:
                    self._start(self._query(tenant_id, payments[attempt.payment_id], attempt, link))
                    asked += 1
        return asked

    async def recover(self) -> int:
        """Find attempts whose taker did not come back: never sent, or unknown. How many."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            lost = await tx.all(store.SQL.lost_attempts, now=now, limit=self._limits.claim_max)
        for row in lost:
            never_left = row.state == AttemptState.CREATED
            result = Result(Outcome.NOT_SENT if never_left else Outcome.UNKNOWN)
            links, _ = await self._find_links(row.tenant_id, {row.connection_id}, paused=True)
            await self._say(
                row.tenant_id,
                row.attempt_id,
                result,
                Source.CLOCK,
                CodeClass.UNKNOWN,
                link=links.get(row.connection_id),
                note={"lost": "whoever had taken it up did not come back in time"},
            )
        return len(lost)

    async def expire(self) -> int:
        """End payments nobody approved in time; how many."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(store.SQL.expired_payments, now=now, limit=self._limits.claim_max)
        ended = 0
        for tenant_id, rows in _by_tenant(due).items():
            async with self._db.tx(tenant_id) as tx:
                ids = [row.payment_id for row in rows]
                ended += await approval.expire(tx, ids, now=now, today=self._business_day(tenant_id))
        return ended

    async def hear(self) -> int:
        """Look at what rails have called us with; how many calls."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            to_do = await tx.all(store.SQL.provider_events_to_do, now=now, limit=self._limits.claim_max)
        for tenant_id, rows in _by_tenant(to_do).items():
            async with self._db.tx(tenant_id) as tx:
                taken = await tx.all(
                    store.SQL.take_provider_events, tenant=tenant_id, events=[row.event_id for row in rows]
                )
                for row in taken:
                    await self._hear_one(tx, row)
        return len(to_do)

    # -- exchanges ------------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Nothing is lost: its lease runs out, and the attempt is recovered.
            log.error("an exchange could not be recorded", fault=repr(task.exception()))

    async def _carry(self, tenant_id: UUID, claimed: Claimed) -> None:
        """Check the payee where the rail lets us, say the last word, send, record."""
        if claimed.attempt.state is AttemptState.CREATED:
            ready = await self._check_payee(tenant_id, claimed)
            if ready is None:
                return
            claimed = ready
        link, attempt = claimed.link, claimed.attempt
        timeouts = timedelta(seconds=link.policy.connect_timeout_s + link.policy.read_timeout_s)
        if self._clock.now() + timeouts > attempt.lease_until:
            return  # We were away too long; others may already have declared it lost.
        order = sending.payout(claimed.payment, attempt)
        try:
            result = await link.connector.submit(link.context, order)
        except RailUnable as refusal:
            await self._hold_back(tenant_id, claimed, "rail_unable", refusal.detail, fail=True)
            return
        except NotSent as fault:
            result = Result(Outcome.NOT_SENT, Answer(message=str(fault)))
        except ExchangeFailed as fault:
            outcome = Outcome.NOT_SENT if fault.sent is Sent.NO else Outcome.UNKNOWN
            result = Result(outcome, Answer(message=str(fault)))
        except Exception as error:
            log.exception("a submit ended in a way nobody foresaw", rail=link.rail, our_ref=attempt.our_ref)
            result = Result(Outcome.UNKNOWN, Answer(message=f"{type(error).__name__}"))
        code_class = link.connector.codes()["submit"].find(result.answer.code).code_class
        await self._say(tenant_id, attempt.attempt_id, result, Source.SUBMIT, code_class, link=link)

    async def _check_payee(self, tenant_id: UUID, claimed: Claimed) -> Claimed | None:
        """Ask whose account it is. None when the payment does not go now: it was held back, given up, or lost."""
        link, payment, attempt = claimed.link, claimed.payment, claimed.attempt
        our_ref = link.connector.build_reference(
            link.context.credentials.public, UUID(int=attempt.attempt_id.int ^ 1), attempt.created_at
        )
        try:
            holder = await link.connector.resolve_party(link.context, payment.payee, our_ref=our_ref)
        except RailUnable as refusal:
            await self._hold_back(tenant_id, claimed, "payee_refused", refusal.detail, fail=True)
            return None
        except Fault as fault:
            # Only the question failed; the order itself was not sent.
            result = Result(Outcome.NOT_SENT, Answer(message=f"name enquiry: {fault}"))
            await self._say(tenant_id, attempt.attempt_id, result, Source.SUBMIT, CodeClass.SOFT_DECLINE, link=link)
            return None
        if not holder.active:
            await self._hold_back(tenant_id, claimed, "payee_inactive", None, fail=True)
            return None
        if payment.payee.name and holder.name:
            fit = names.score(payment.payee.name, holder.name)
            if payment.accepted_name is not None:
                fit = max(fit, names.score(payment.accepted_name, holder.name))
            if fit < names.SCORE_GOOD:
                told = f"the rail knows this account as {holder.name} (fits {fit} of 100)"
                await self._hold_back(tenant_id, claimed, "name_mismatch", told, fail=False)
                return None
        return await self._goes.submit(tenant_id, (claimed, holder))

    async def _hold_back(
        self, tenant_id: UUID, claimed: Claimed, reason: str, detail: str | None, *, fail: bool
    ) -> None:
        """Nothing was sent, and nothing will be: the payment fails, or waits for a person."""
        verdict = Move(
            AttemptState.NOT_SENT,
            PaymentState.FAILED if fail else PaymentState.NEEDS_REVIEW,
            reason,
            Books.VOID if fail else Books.NONE,
        )
        result = Result(Outcome.NOT_SENT, Answer(message=detail))
        await self._say(
            tenant_id,
            claimed.attempt.attempt_id,
            result,
            Source.SUBMIT,
            CodeClass.HARD_DECLINE,
            link=claimed.link,
            verdict=verdict,
        )

    async def _query(self, tenant_id: UUID, payment: Payment, attempt: Attempt, link: Link) -> None:
        try:
            result = await link.connector.query(link.context, sending.payout(payment, attempt), attempt.provider_ref)
        except Fault as fault:
            result = Result(Outcome.UNKNOWN, Answer(message=str(fault)))
        except Exception as error:
            log.exception("a query ended in a way nobody foresaw", rail=link.rail, our_ref=attempt.our_ref)
            result = Result(Outcome.UNKNOWN, Answer(message=type(error).__name__))
        code_class = link.connector.codes()["query"].find(result.answer.code).code_class
        await self._say(tenant_id, attempt.attempt_id, result, Source.QUERY, code_class, link=link)

    async def _hear_one(self, tx: Tx, row: Any) -> None:
        now = self._clock.now()
        callback = Callback(row.body, row.headers, row.purpose, row.ref, row.authentic, row.received_at)
        try:
            link = await self._links.get(tx.tenant, row.connection_id)
            if link.files is not None:
                await self._hear_file(tx, row, link, link.files)
                return
            said = link.connector.read_callback(link.context, callback)
        except LinkDown as fault:
            await self._close_event(tx, row, "received", {"waiting": str(fault)}, now + POSTPONE)
            return
        except RailAnswerUnreadable as fault:
            await self._close_event(tx, row, "unreadable", {"unreadable": str(fault)}, now)
            return
        told = [await self._hear_event(tx, link, callback, event) for event in said]
        rejected = bool(told) and all(one == "rejected" for one in told)
        await self._close_event(tx, row, "rejected" if rejected else "processed", {"told": told}, now)

    async def _hear_file(self, tx: Tx, row: Any, link: Link, files: FileConnector) -> None:
        """Apply a file that a bank sent. Raises: RailAnswerUnreadable."""
        now = self._clock.now()
        if not row.authentic:
            await self._close_event(tx, row, "rejected", {"told": ["rejected"]}, now)
            return
        today = self._business_day(tx.tenant)
        told = await hear_file(tx, link, files, bytes(row.body), now=now, today=today, actor=self._worker_id)
        await self._close_event(tx, row, "processed", {"told": told}, now)

    async def _hear_event(self, tx: Tx, link: Link, callback: Callback, event: RailEvent) -> str:
        """Apply one thing a call says; what was made of it, in a word."""
        if event.trust is Trust.REJECTED:
            return "rejected"
        ref = event.result.our_ref or callback.ref
        rows = await tx.all(store.SQL.attempts_by_ref, tenant=tx.tenant, connection=link.connection_id, refs=[ref])
        if not rows:
            return "no_attempt"
        attempt = store.attempt_of(rows[0])
        if event.trust is Trust.HINT or event.kind not in (EventKind.PAYOUT_RESULT, EventKind.QUERY_RESULT):
            await tx.execute(
                store.SQL.ask_now,
                tenant=tx.tenant,
                attempt=attempt.attempt_id,
                provider_ref=event.result.provider_ref if callback.authentic else None,
                now=self._clock.now(),
            )
            return "asked"
        phase = "query" if event.kind is EventKind.QUERY_RESULT else "callback"
        code_class = link.connector.codes()[phase].find(event.result.answer.code).code_class
        result = replace(event.result, our_ref=ref)
        evidence = Evidence(attempt.attempt_id, result, Source.CALLBACK, code_class, link.policy, self._worker_id)
        done = await outcomes.record(tx, [evidence], now=self._clock.now(), today=self._business_day(tx.tenant))
        return "no_attempt" if done[0] is None else done[0].attempt.value

    async def _close_event(self, tx: Tx, row: Any, state: str, outcome: Mapping[str, Any], after: Any) -> None:
        await tx.execute(
            store.SQL.set_provider_event,
            tenant=tx.tenant,
            event=row.event_id,
            state=state,
            outcome=store.jsonb(outcome),
            after=after,
        )

    # -- recording ------------------------------------------------------------------------------------------------

    async def _say(
        self,
        tenant_id: UUID,
        attempt_id: UUID,
        result: Result,
        source: Source,
        code_class: CodeClass,
        *,
        link: Link | None = None,
        note: Mapping[str, Any] | None = None,
        verdict: Move | None = None,
    ) -> Recorded | None:
        policy = CAUTIOUS if link is None else link.policy
        evidence = Evidence(attempt_id, result, source, code_class, policy, self._worker_id, note, verdict)
        return await self._records.submit(tenant_id, evidence)

    async def _record(self, tenant_id: UUID, said: Sequence[Evidence]) -> Sequence[Recorded | None]:
        async def work(tx: Tx) -> list[Recorded | None]:
            return await outcomes.record(tx, said, now=self._clock.now(), today=self._business_day(tenant_id))

        return await self._db.run(work, tenant_id=tenant_id, idempotent=True)

    async def _go(self, tenant_id: UUID, ready: Sequence[tuple[Claimed, Holder | None]]) -> Sequence[Claimed | None]:
        async def work(tx: Tx) -> list[Claimed | None]:
            return await sending.go(tx, ready, claimed_by=self._worker_id, now=self._clock.now())

        # Not idempotent: after a lost commit the attempts may stand at `sending`, and are then unknown, not ours.
        return await self._db.run(work, tenant_id=tenant_id, idempotent=False)

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


def _by_tenant(rows: Sequence[Any]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        found.setdefault(row.tenant_id, []).append(row)
    return found


__all__ = ["Dispatcher", "DispatcherLimits"]
