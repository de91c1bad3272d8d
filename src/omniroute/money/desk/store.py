"""Rows of the desk as values."""

from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from omniroute.infra.postgres import load
from omniroute.money.desk.model import (
    ACTS,
    ActKind,
    ApprovalRequest,
    Decided,
    Proof,
    RequestState,
    Reversal,
    ReversalState,
)

SQL = load("omniroute.money.desk")
REQUESTS = SQL.listing("list_requests")
_json = msgspec.json.encode


def jsonb(value: object) -> Jsonb:
    """A value for a jsonb column."""
    return Jsonb(value, dumps=_json)


def request_of(row: Any) -> ApprovalRequest:
    """A row of `approval_request`."""
    return ApprovalRequest(
        request_id=row.request_id,
        act=msgspec.convert(row.payload, ACTS[ActKind(row.kind)]),
        payment_id=row.payment_id,
        proof=msgspec.convert(row.evidence, Proof),
        state=RequestState(row.state),
        requested_by=row.requested_by,
        approvals_needed=row.approvals_needed,
        approvals_given=row.approvals_given,
        outcome=row.outcome,
        created_at=row.created_at,
        expires_at=row.expires_at,
        closed_at=row.closed_at,
        version=row.version,
    )


def decision_of(row: Any) -> Decided:
    """A row of `approval_decision`."""
    return Decided(row.approver, row.approved, row.comment, row.decided_at)


def reversal_of(row: Any) -> Reversal:
    """A row of `payment_reversal`."""
    return Reversal(
        reversal_id=row.reversal_id,
        payment_id=row.payment_id,
        attempt_id=row.attempt_id,
        connection_id=row.connection_id,
        rail=row.rail,
        request_id=row.request_id,
        our_ref=row.our_ref,
        rail_ref=row.rail_ref,
        provider_ref=row.provider_ref,
        state=ReversalState(row.state),
        code=row.code,
        message=row.message,
        tries=row.tries,
        send_after=row.send_after,
        claimed_by=row.claimed_by,
        lease_until=row.lease_until,
        sent_at=row.sent_at,
        next_query_at=row.next_query_at,
        query_count=row.query_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
