"""Proofs over HTTP: the head of the organisation's chain."""

from omniroute.api.call import Call
from omniroute.api.operations import operation
from omniroute.api.shapes import Instant, Out
from omniroute.infra import events
from omniroute.infra.postgres import Tx
from omniroute.parties.access import Permission


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
