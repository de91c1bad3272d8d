"""What every act of people on a payment needs: by whose leave it is done, and the rows it holds and changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.ledger import Refused
from omniroute.money.payments import store
from omniroute.money.payments.errors import AttemptNotFound, PaymentNotFound
from omniroute.money.payments.events import PaymentExceptionOpened, PaymentExceptionResolved
from omniroute.money.payments.model import Attempt, ExceptionKind, Payment, Source
from omniroute.ports.rails import RailPolicy

NO_POLICY = RailPolicy(
    query_after=(timedelta(days=1),), query_for=timedelta(days=1), not_found_times=1, not_found_after=timedelta(days=1)
)
"""People's words are final: nothing is asked or waited for after them."""


@dataclass(frozen=True, slots=True)
class Sanction:
    """Who asked for an act, who agreed to it, and on what evidence."""

    asked_by: str
    agreed_by: tuple[str, ...]
    evidence: Mapping[str, Any]

    @property
    def actor(self) -> str:
        """Whose word set it off: the last who agreed."""
        return self.agreed_by[-1] if self.agreed_by else self.asked_by

    @property
    def note(self) -> dict[str, Any]:
        """As it stands in the timeline."""
        return {"asked_by": self.asked_by, "agreed_by": list(self.agreed_by), "evidence": dict(self.evidence)}


async def lock_attempt(tx: Tx, attempt_id: UUID) -> tuple[Attempt, Payment]:
    """An attempt and its payment, held until the transaction ends. Raises: AttemptNotFound."""
    attempts, payments = await store.lock_attempts(tx, [attempt_id])
    attempt = attempts.get(attempt_id)
    if attempt is None:
        raise AttemptNotFound()
    return attempt, payments[attempt.payment_id]


async def lock_payment(tx: Tx, payment_id: UUID) -> Payment:
    """A payment, held until the transaction ends. Raises: PaymentNotFound."""
    payment = (await store.lock_payments(tx, [payment_id])).get(payment_id)
    if payment is None:
        raise PaymentNotFound()
    return payment


async def read(tx: Tx, payment_id: UUID) -> Payment:
    """A payment as it stands now."""
    return store.payment_of(await tx.one(store.SQL.find_payment, tenant=tx.tenant, payment=payment_id))


async def attempts_of(tx: Tx, payment_id: UUID) -> list[Attempt]:
    """Every attempt of a payment, the first first."""
    rows = await tx.all(store.SQL.find_attempts, tenant=tx.tenant, payment=payment_id)
    return [store.attempt_of(row) for row in rows]


async def open_exceptions(tx: Tx, payment_id: UUID) -> list[Any]:
    """What does not add up about a payment, held until the transaction ends."""
    return await tx.all(store.SQL.lock_open_exceptions, tenant=tx.tenant, payment=payment_id)


async def post(tx: Tx, commands: Sequence[ledger.Command], today: date) -> list[UUID]:
    """The ids of what was booked, all of it. Raises: the ledger's refusal."""
    booked = await ledger.book(tx, commands, today=today) if commands else []
    refusals = [one.refusal for one in booked if isinstance(one, Refused)]
    if refusals:
        raise next((one for one in refusals if one.code != "ledger.linked_refused"), refusals[0])
    return [one for one in booked if isinstance(one, UUID)]


async def note_step(
    tx: Tx,
    payment: Payment,
    reason: str,
    *,
    sanction: Sanction,
    now: datetime,
    attempt_id: UUID | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """A line in the timeline of a payment: what people have done, or let be done."""
    step = store.NewStep(
        payment.payment_id,
        payment.state.value,
        Source.OPERATOR,
        reason=reason,
        actor=sanction.actor,
        attempt_id=attempt_id,
        evidence={**sanction.note, **(more or {})},
    )
    await store.insert_steps(tx, [step], now)


async def close(
    tx: Tx,
    payment: Payment,
    kinds: Sequence[ExceptionKind],
    text: str,
    sanction: Sanction,
    now: datetime,
    meta: Meta,
) -> None:
    """Exceptions of these kinds are settled by what was done."""
    rows = [row for row in await open_exceptions(tx, payment.payment_id) if row.kind in kinds]
    await resolve(tx, rows, text, sanction.actor, now, meta)


async def resolve(tx: Tx, rows: Sequence[Any], text: str, by: str, now: datetime, meta: Meta) -> None:
    """These exceptions are settled; `by` whom, and how."""
    if not rows:
        return
    await tx.execute(
        store.SQL.resolve_exceptions,
        tenant=tx.tenant,
        exceptions=[row.exception_id for row in rows],
        by=by,
        text=text[:2_000],
        now=now,
    )
    told = [PaymentExceptionResolved(row.payment_id, row.exception_id, row.kind, text[:2_000]) for row in rows]
    await events.append_many(tx, told, meta)


async def open_exception(
    tx: Tx,
    payment: Payment,
    attempt: Attempt,
    kind: ExceptionKind,
    transaction_id: UUID,
    *,
    more: Mapping[str, str] | None = None,
    now: datetime,
    meta: Meta,
) -> None:
    """Something of a payment stands in suspense by this posting, and waits for a person."""
    detail = {"reason": kind.value, "source": Source.OPERATOR.value, "our_ref": attempt.our_ref, **(more or {})}
    new = store.NewException(payment.payment_id, attempt.attempt_id, kind.value, detail, transaction_id)
    opened = await store.insert_exceptions(tx, [new], now)
    await events.append_each(
        tx, [(PaymentExceptionOpened(row.payment_id, row.exception_id, row.kind), meta) for row in opened]
    )
