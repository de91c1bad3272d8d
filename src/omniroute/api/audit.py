"""Proofs over HTTP: the head of the organisation's chain, and whether the log still says what was sealed."""

from typing import Annotated, Literal

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.errors import Unavailable
from omniroute.api.operations import operation
from omniroute.api.shapes import In, Instant, Out, show_id
from omniroute.infra import events
from omniroute.infra.postgres import Tx
from omniroute.parties.access import Permission

FINDINGS_MAX = 100


class VerifyIn(In):
    """Which stretch of the chain: `limit` blocks behind block number `after`."""

    after: Annotated[int, Meta(ge=0, le=2**31 - 1, description="`next_after` of the stretch before.")] = 0
    limit: Annotated[int, Meta(ge=1, le=100, description="How many blocks, of up to 1,024 events.")] = 20


class HeadOut(Out):
    """The last block. Keep it elsewhere: whoever rewrites the whole chain cannot reach it there."""

    number: int
    merkle_root: str
    hash: str
    built_at: Instant


class ChainOut(Out):
    """The chain so far; `head` is null while nothing is sealed."""

    head: HeadOut | None


@operation("GET", "/v1/{tenant}/audit/chain", tag="Audit", permission=Permission.AUDIT_READ, whole=True, reply=ChainOut)
async def get_chain(call: Call, tx: Tx) -> ChainOut:
    """Show the head of the organisation's chain of events."""
    head = await events.head(tx)
    if head is None:
        return ChainOut(head=None)
    shown = HeadOut(
        number=head.number, merkle_root=head.merkle_root.hex(), hash=head.hash.hex(), built_at=head.built_at
    )
    return ChainOut(head=shown)


class AuditFindingOut(Out):
    """One row that is not as it was sealed: `table` and `key` name it, `event_id` the event it belongs to."""

    damage: Literal["changed", "missing", "inserted", "block_altered", "chain_broken"]
    table: str
    key: str
    block_number: int
    position: int | None
    event_id: str | None
    detail: str


class VerificationOut(Out):
    """Whether the stretch is as it was sealed. `first` is the first row that is not, `findings` at most 100 of them,
    `more` tells of others. The chain goes on behind `next_after`; null: this was its end.
    """

    intact: bool
    block_count: int
    event_count: int
    first: AuditFindingOut | None
    findings: list[AuditFindingOut]
    more: bool
    next_after: int | None


def finding_out(finding: events.Finding) -> AuditFindingOut:
    """A finding as shown."""
    return AuditFindingOut(
        damage=finding.damage.value,
        table=finding.table,
        key=finding.key,
        block_number=finding.block_number,
        position=finding.position,
        event_id=show_id("evt", finding.event_id),
        detail=finding.detail,
    )


@operation(
    "GET", "/v1/{tenant}/audit/verification", tag="Audit", permission=Permission.AUDIT_READ, whole=True,
    transaction=False, query=VerifyIn, reply=VerificationOut,
    example_reply={"intact": True, "block_count": 12, "event_count": 48211, "first": None, "findings": [],
                   "more": False, "next_after": None},
)  # fmt: skip
async def verify_audit(call: Call, query: VerifyIn) -> VerificationOut:
    """Compare sealed events with their blocks.

    One stretch of the chain a call, so that each is short: go on with `after` until `next_after` is null. Events of
    the last seconds are not sealed yet. Whoever can rewrite the whole chain leaves no trace in it: compare its head
    with one that was kept elsewhere.
    """
    worker_db = call.services.worker_db
    if worker_db is None:
        raise Unavailable()
    verified = events.Verified()
    found, following = await events.verify_stretch(
        worker_db, call.tenant_id, after=query.after, blocks_max=query.limit, verified=verified
    )
    findings = [finding_out(one) for one in found[:FINDINGS_MAX]]
    return VerificationOut(
        intact=not found,
        block_count=verified.block_count,
        event_count=verified.event_count,
        first=findings[0] if findings else None,
        findings=findings,
        more=len(found) > FINDINGS_MAX,
        next_after=following,
    )
