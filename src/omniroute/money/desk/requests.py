"""Asking for a risky act, deciding on it, and doing it with the last approval, in the same transaction."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg import errors as pg

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, Tx, read_page
from omniroute.kit.clock import Clock
from omniroute.kit.ids import uuid7
from omniroute.kit.paging import Page
from omniroute.money.desk import acts
from omniroute.money.desk.acts import Doing
from omniroute.money.desk.errors import (
    AlreadyAsked,
    AlreadyDecided,
    CheckerIsMaker,
    MalformedAct,
    NotYours,
    RequestClosed,
    RequestExpired,
    RequestNotFound,
)
from omniroute.money.desk.events import (
    ApprovalEvent,
    ApprovalExecuted,
    ApprovalExpired,
    ApprovalGiven,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalWithdrawn,
)
from omniroute.money.desk.model import (
    APPROVALS_MAX,
    OPEN_FOR,
    Act,
    ActKind,
    ApprovalRequest,
    Decided,
    Proof,
    RequestState,
    check_act,
)
from omniroute.money.desk.store import REQUESTS, SQL, decision_of, jsonb, request_of
from omniroute.money.payments import Sanction
from omniroute.money.payments.errors import PaymentNotFound
from omniroute.ports.rails import Connector

EXPIRE_AT_ONCE_MAX = 200


class _Undone(Exception):
    """Takes a rehearsal back."""


async def ask(
    tx: Tx,
    act: Act,
    proof: Proof,
    *,
    actor: str,
    approvals_needed: int = 1,
    rails: Mapping[str, Connector],
    now: datetime,
    today: date,
    meta: Meta,
) -> ApprovalRequest:
    """Ask for an act; nothing is done before somebody else agrees. What would be refused now is refused at once.

    Raises: MalformedAct, AlreadyAsked, and whatever stands against the act itself.
    """
    check_act(act)
    proof.check()
    if not 1 <= approvals_needed <= APPROVALS_MAX:
        raise MalformedAct(f"approvals_needed: 1 to {APPROVALS_MAX}", field="approvals_needed")
    payment_id = await acts.payment_of(tx, act)
    request_id = uuid7()
    branch = await tx.one_or_none(SQL.branch_of_payment, tenant=tx.tenant, payment=payment_id)
    if branch is None:
        raise PaymentNotFound()
    try:
        async with tx.savepoint():
            row = await tx.one(
                SQL.insert_request,
                tenant=tx.tenant,
                request=request_id,
                kind=act.kind.value,
                subject=act.subject_id,
                payment=payment_id,
                branch=branch.branch_id,
                payload=jsonb(act),
                evidence=jsonb(proof),
                requested_by=actor,
                needed=approvals_needed,
                now=now,
                expires_at=now + OPEN_FOR,
            )
    except pg.UniqueViolation as error:
        raise AlreadyAsked(act=act.kind.value) from error
    request = request_of(row)
    await _rehearse(tx, request, Doing(request_id, _sanction(request, ()), rails, now, today, meta))
    await events.append(tx, _told(ApprovalRequested, request), meta)
    return request


async def check_belongs(tx: Tx, act: Act, payment_id: UUID) -> None:
    """That an act is about this payment. Raises: PaymentNotFound, and what `payment_of` raises."""
    if await acts.payment_of(tx, act) != payment_id:
        raise PaymentNotFound()


async def _rehearse(tx: Tx, request: ApprovalRequest, doing: Doing) -> None:
    """Do it and take it back: what stands against it now is said to whoever asks, not to whoever agrees."""
    try:
        async with tx.savepoint():
            await acts.do(tx, request.act, doing)
            raise _Undone
    except _Undone:
        return


async def approve(
    tx: Tx,
    request_id: UUID,
    *,
    actor: str,
    comment: str | None = None,
    rails: Mapping[str, Connector],
    now: datetime,
    today: date,
    meta: Meta,
) -> ApprovalRequest:
    """One person's yes; with the last one that is needed the act is done, in this transaction.

    Raises: RequestNotFound, RequestClosed, RequestExpired, CheckerIsMaker, AlreadyDecided, and whatever stands against
    the act by now: the approval does not count then, and the request stays open.
    """
    request = await _lock(tx, request_id, actor, now)
    await _decide(tx, request_id, actor=actor, approved=True, comment=comment, now=now)
    given = request.approvals_given + 1
    if given < request.approvals_needed:
        request = await _write(tx, request_id, RequestState.OPEN, given, None, None)
        await events.append(tx, _told(ApprovalGiven, request), meta)
        return request
    agreed = tuple(one.approver for one in await find_decisions(tx, request_id) if one.approved)
    outcome = await acts.do(tx, request.act, Doing(request_id, _sanction(request, agreed), rails, now, today, meta))
    request = await _write(tx, request_id, RequestState.EXECUTED, given, outcome, now)
    await events.append(tx, _told(ApprovalExecuted, request), meta)
    return request


async def reject(tx: Tx, request_id: UUID, *, actor: str, comment: str, now: datetime, meta: Meta) -> ApprovalRequest:
    """One person's no: the act is not done.

    Raises: RequestNotFound, RequestClosed, RequestExpired, CheckerIsMaker, AlreadyDecided.
    """
    request = await _lock(tx, request_id, actor, now)
    await _decide(tx, request_id, actor=actor, approved=False, comment=comment, now=now)
    request = await _write(tx, request_id, RequestState.REJECTED, request.approvals_given, None, now)
    await events.append(tx, _told(ApprovalRejected, request), meta)
    return request


async def withdraw(tx: Tx, request_id: UUID, *, actor: str, now: datetime, meta: Meta) -> ApprovalRequest:
    """Whoever asked thinks better of it. Raises: RequestNotFound, RequestClosed, NotYours."""
    row = await tx.one_or_none(SQL.lock_request, tenant=tx.tenant, request=request_id)
    if row is None:
        raise RequestNotFound()
    if row.state != RequestState.OPEN:
        raise RequestClosed(state=row.state)
    if row.requested_by != actor:
        raise NotYours()
    request = await _write(tx, request_id, RequestState.WITHDRAWN, row.approvals_given, None, now)
    await events.append(tx, _told(ApprovalWithdrawn, request), meta)
    return request


async def expire(db: Database, *, clock: Clock) -> int:
    """Close requests nobody decided on in time; how many. `db` is the worker's."""
    now = clock.now()
    async with db.tx(readonly=True) as tx:
        due = await tx.all(SQL.expired_requests, now=now, limit=EXPIRE_AT_ONCE_MAX)
    ended = 0
    for one in due:
        async with db.tx(one.tenant_id) as tx:
            row = await tx.one_or_none(SQL.lock_request, tenant=tx.tenant, request=one.request_id)
            if row is None or row.state != RequestState.OPEN or row.expires_at > now:
                continue
            request = await _write(tx, one.request_id, RequestState.EXPIRED, row.approvals_given, None, now)
            await events.append(tx, _told(ApprovalExpired, request), Meta(actor="system:desk", channel="worker"))
            ended += 1
    return ended


async def find_request(tx: Tx, request_id: UUID) -> ApprovalRequest:
    """An approval request. Raises: RequestNotFound."""
    row = await tx.one_or_none(SQL.find_request, tenant=tx.tenant, request=request_id)
    if row is None:
        raise RequestNotFound()
    return request_of(row)


async def find_decisions(tx: Tx, request_id: UUID) -> list[Decided]:
    """Who said what to a request, the first first."""
    return [decision_of(row) for row in await tx.all(SQL.find_decisions, tenant=tx.tenant, request=request_id)]


async def list_requests(
    tx: Tx,
    *,
    state: RequestState | None = None,
    kind: ActKind | None = None,
    payment_id: UUID | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[ApprovalRequest]:
    """A page of approval requests. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx,
        REQUESTS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        state=None if state is None else state.value,
        kind=None if kind is None else kind.value,
        payment=payment_id,
    )
    return page.map(request_of)


async def _lock(tx: Tx, request_id: UUID, actor: str, now: datetime) -> ApprovalRequest:
    row = await tx.one_or_none(SQL.lock_request, tenant=tx.tenant, request=request_id)
    if row is None:
        raise RequestNotFound()
    request = request_of(row)
    if request.state is not RequestState.OPEN:
        raise RequestClosed(state=request.state.value)
    if request.expires_at <= now:
        raise RequestExpired(expired_at=request.expires_at.isoformat())
    if request.requested_by == actor:
        raise CheckerIsMaker()
    return request


async def _decide(tx: Tx, request_id: UUID, *, actor: str, approved: bool, comment: str | None, now: datetime) -> None:
    try:
        async with tx.savepoint():
            written = await tx.execute(
                SQL.insert_decision,
                tenant=tx.tenant,
                request=request_id,
                approver=actor,
                approved=approved,
                comment=comment,
                now=now,
            )
    except pg.IntegrityError as error:  # By a key of their own, it is still the same person.
        if error.diag.constraint_name == "approval_decision_four_eyes":
            raise CheckerIsMaker() from error
        raise
    if not written:
        raise AlreadyDecided()


async def _write(
    tx: Tx,
    request_id: UUID,
    state: RequestState,
    given: int,
    outcome: Mapping[str, Any] | None,
    closed_at: datetime | None,
) -> ApprovalRequest:
    row = await tx.one(
        SQL.update_request,
        tenant=tx.tenant,
        request=request_id,
        state=state.value,
        given=given,
        outcome=None if outcome is None else jsonb(outcome),
        closed_at=closed_at,
    )
    return request_of(row)


def _sanction(request: ApprovalRequest, agreed_by: tuple[str, ...]) -> Sanction:
    proof: dict[str, Any] = {"text": request.proof.text}
    if request.proof.file_sha256 is not None:
        proof["file_sha256"] = request.proof.file_sha256
    return Sanction(request.requested_by, agreed_by, proof)


def _told(kind: type[ApprovalEvent], request: ApprovalRequest) -> ApprovalEvent:
    return kind(
        request.request_id,
        request.act.kind.value,
        request.payment_id,
        request.requested_by,
        request.approvals_needed,
        request.approvals_given,
    )
