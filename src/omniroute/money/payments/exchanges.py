"""Exchanges with rails: a payment taken up is carried to its rail, an attempt is asked about; what comes of it is said.

What exchanges say, and the last word before their orders leave, is recorded in groups: one transaction for many.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from omniroute.infra.batch import BatchLimits, GroupCommit
from omniroute.infra.http import ExchangeFailed, Sent
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault
from omniroute.money.payments import names, outcomes, sending
from omniroute.money.payments.links import Link
from omniroute.money.payments.model import Attempt, AttemptState, Payment, PaymentState, Source
from omniroute.money.payments.outcomes import Evidence, Recorded
from omniroute.money.payments.sending import Claimed
from omniroute.money.payments.transitions import Books, Move
from omniroute.ports.rails import Answer, CodeClass, Holder, NotSent, Outcome, RailPolicy, RailUnable, Result

log = logger("omniroute.payments")

CAUTIOUS = RailPolicy(
    query_after=(timedelta(minutes=1), timedelta(minutes=15)),
    query_for=timedelta(days=5),
    not_found_times=10,
    not_found_after=timedelta(days=5),
)
"""Of a connection that cannot be opened now, so that nobody can say what its rail wants."""


class Exchanges:
    """One a worker. `records`: how what they say is grouped."""

    def __init__(
        self,
        db: Database,
        *,
        clock: Clock,
        business_day: Callable[[UUID], date],
        worker_id: str,
        records: BatchLimits,
    ) -> None:
        self._db, self._clock = db, clock
        self._business_day, self._worker_id = business_day, worker_id
        self._records = GroupCommit[UUID, Evidence, Recorded | None](self._record, records)
        self._goes = GroupCommit[UUID, tuple[Claimed, Holder | None], Claimed | None](self._go, records)

    async def close(self) -> None:
        """Record what waits to be recorded; take nothing new."""
        await self._records.close()
        await self._goes.close()

    async def carry(self, tenant_id: UUID, claimed: Claimed) -> None:
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
        await self.say(tenant_id, attempt.attempt_id, result, Source.SUBMIT, code_class, link=link)

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
            await self.say(tenant_id, attempt.attempt_id, result, Source.SUBMIT, CodeClass.SOFT_DECLINE, link=link)
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
        await self.say(
            tenant_id,
            claimed.attempt.attempt_id,
            result,
            Source.SUBMIT,
            CodeClass.HARD_DECLINE,
            link=claimed.link,
            verdict=verdict,
        )

    async def query(self, tenant_id: UUID, payment: Payment, attempt: Attempt, link: Link) -> None:
        try:
            result = await link.connector.query(link.context, sending.payout(payment, attempt), attempt.provider_ref)
        except Fault as fault:
            result = Result(Outcome.UNKNOWN, Answer(message=str(fault)))
        except Exception as error:
            log.exception("a query ended in a way nobody foresaw", rail=link.rail, our_ref=attempt.our_ref)
            result = Result(Outcome.UNKNOWN, Answer(message=type(error).__name__))
        code_class = link.connector.codes()["query"].find(result.answer.code).code_class
        await self.say(tenant_id, attempt.attempt_id, result, Source.QUERY, code_class, link=link)

    async def say(
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
