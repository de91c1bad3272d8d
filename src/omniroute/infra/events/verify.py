"""Does the log still say what it said when it was sealed? Walks every block and names the row that does not."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from omniroute.infra.events import merkle
from omniroute.infra.events.store import SQL
from omniroute.infra.postgres import Database, Tx

_BLOCKS_PER_TRANSACTION = 16
_ENDLESS = 2**63 - 1
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EXTRA_MAX = 4_096  # Rows looked at beyond those a block should have.


class Damage(StrEnum):
    """What happened to a row."""

    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    BLOCK_ALTERED = "block_altered"
    CHAIN_BROKEN = "chain_broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that is not as it was sealed. `table` and `key` name it; `position` and `event_id` its event."""

    tenant_id: UUID
    damage: Damage
    table: str
    key: str
    block_number: int
    position: int | None = None
    event_id: UUID | None = None
    detail: str = ""


@dataclass(slots=True)
class Verified:
    """How much was looked at, for the one who asks."""

    tenant_count: int = 0
    block_count: int = 0
    event_count: int = 0


async def verify(
    db: Database, tenant_id: UUID | None = None, *, verified: Verified | None = None
) -> AsyncIterator[Finding]:
    """Compare every sealed event with its block, online; findings in the order of the chain. `db` is the worker's.

    None verifies every tenant that has blocks. Events not yet sealed are not looked at. Whoever can rewrite the whole
    chain leaves no trace in it: keep `head` somewhere else.
    """
    verified = verified or Verified()
    if tenant_id is None:
        async with db.tx(readonly=True) as tx:
            tenants = [row.tenant_id for row in await tx.all(SQL.tenants_with_blocks)]
    else:
        tenants = [tenant_id]
    for tenant in tenants:
        verified.tenant_count += 1
        async for finding in _verify_tenant(db, tenant, verified):
            yield finding


async def verify_stretch(
    db: Database, tenant_id: UUID, *, after: int = 0, blocks_max: int, verified: Verified
) -> tuple[list[Finding], int | None]:
    """Compare the blocks behind block number `after`, at most `blocks_max`: what differs, and the `after` of the next
    stretch (None: the chain ends here). `db` is the worker's. Stretches laid end to end compare what `verify` does.
    """
    findings: list[Finding] = []
    previous: Any = None
    if after > 0:
        async with db.tx(tenant_id, readonly=True) as tx:
            previous = next(iter(await tx.all(SQL.blocks_after, number=after - 1, limit=1)), None)
        if previous is not None and previous.number != after:
            previous = None  # It is gone: the block after it will say so.
    verified.tenant_count += 1
    last, left = after, blocks_max
    while left > 0:
        size = min(left, _BLOCKS_PER_TRANSACTION)
        found, blocks = await _verify_blocks(db, tenant_id, previous, last, size, verified)
        findings += found
        if blocks:
            previous, last = blocks[-1], blocks[-1].number
        if len(blocks) < size:
            return findings, None
        left -= size
    return findings, last


async def _verify_tenant(db: Database, tenant_id: UUID, verified: Verified) -> AsyncIterator[Finding]:
    previous: Any = None
    while True:
        number = 0 if previous is None else previous.number
        findings, blocks = await _verify_blocks(db, tenant_id, previous, number, _BLOCKS_PER_TRANSACTION, verified)
        for finding in findings:
            yield finding
        if not blocks:
            return
        previous = blocks[-1]


async def _verify_blocks(
    db: Database, tenant_id: UUID, previous: Any, number: int, limit: int, verified: Verified
) -> tuple[list[Finding], list[Any]]:
    # Short snapshots, so that a long verification does not hold back the vacuum; what is sealed never changes.
    findings: list[Finding] = []
    async with db.tx(tenant_id, readonly=True) as tx:
        blocks = await tx.all(SQL.blocks_after, number=number, limit=limit)
        for block in blocks:
            findings += _check_block(tenant_id, block, previous)
            findings += await _check_events(tx, block)
            verified.block_count += 1
            verified.event_count += block.event_count
            previous = block
    return findings, blocks


def _check_block(tenant_id: UUID, block: Any, previous: Any) -> Iterator[Finding]:
    def found(damage: Damage, detail: str) -> Finding:
        return Finding(tenant_id, damage, "audit_block", f"number={block.number}", block.number, detail=detail)

    if merkle.root(merkle.cut(block.leaves)) != block.merkle_root:
        yield found(Damage.BLOCK_ALTERED, "the leaves do not give the root")
    if block_hash(tenant_id, block) != block.hash:
        yield found(Damage.BLOCK_ALTERED, "the block does not give its hash")
    if block.previous != (bytes(32) if previous is None else previous.hash):
        yield found(Damage.CHAIN_BROKEN, "it does not hold the hash of the block before")
    if block.number != (1 if previous is None else previous.number + 1):
        yield found(Damage.CHAIN_BROKEN, "blocks before it are missing")
    elif not _follows(block, previous):
        yield found(Damage.CHAIN_BROKEN, "it does not begin where the block before ends")


def _follows(block: Any, previous: Any) -> bool:
    """Stretches lie end to end, so that nothing can hide between them."""
    begins = (block.seen_top, block.seen_open, block.after_seq)
    if previous is None:
        return begins == (0, [], 0)
    if previous.until_seq == _ENDLESS:
        return begins == (previous.until_top, previous.until_open, 0)
    same = (block.until_top, block.until_open) == (previous.until_top, previous.until_open)
    return same and begins == (previous.seen_top, previous.seen_open, previous.until_seq)


def block_hash(tenant_id: UUID, block: Any) -> bytes:
    """The hash of a block's columns; audit_block_hash() in the database is the same."""

    def number(value: int) -> bytes:
        return value.to_bytes(8, "big", signed=True)

    def numbers(values: list[int]) -> bytes:
        return len(values).to_bytes(4, "big") + b"".join(map(number, values))

    def instant(value: datetime) -> bytes:
        return number((value - _EPOCH) // timedelta(microseconds=1))

    parts = (
        b"omniroute block 1",
        tenant_id.bytes,
        number(block.number),
        block.previous,
        block.merkle_root,
        number(block.seen_top),
        numbers(block.seen_open),
        number(block.until_top),
        numbers(block.until_open),
        number(block.after_seq),
        number(block.until_seq),
        block.event_count.to_bytes(4, "big"),
        numbers(block.seqs),
        sha256(block.parts).digest(),
        instant(block.newest_at),
        instant(block.built_at),
    )
    return sha256(b"".join(parts)).digest()


async def _check_events(tx: Tx, block: Any) -> list[Finding]:
    """Sealed leaves against those the rows give now."""
    rows = await tx.all(
        SQL.leaves_now,
        tenant_id=tx.tenant,
        seen_top=block.seen_top,
        seen_open=block.seen_open,
        until_top=block.until_top,
        until_open=block.until_open,
        after_seq=block.after_seq,
        until_seq=block.until_seq,
        limit=block.event_count + _EXTRA_MAX,
    )
    leaves = dict(zip(block.seqs, merkle.cut(block.leaves), strict=False))
    parts = dict(zip(block.seqs, _cut_parts(block.parts), strict=False))
    now = {row.seq: row for row in rows}
    removed = _removed(block)
    findings: list[Finding] = []
    for seq in sorted(leaves.keys() | now.keys()):
        if seq not in now:
            if seq not in removed:
                findings.append(await _absent(tx, block, seq))
        elif seq not in leaves:
            findings.append(_event_finding(tx.tenant, block, now[seq], Damage.INSERTED, "it came after the sealing"))
        elif now[seq].leaf != leaves[seq]:
            findings.append(_changed(tx.tenant, block, now[seq], parts.get(seq, [])))
    return findings


def _removed(block: Any) -> set[int]:
    """Positions that retention removed, as far as a sealed event says so too."""
    if block.removed is None or "1" not in block.removed:
        return set()
    said = block.retired or {}
    if said.get("block") != block.number or said.get("removed") != block.removed:
        return set()
    return {seq for seq, flag in zip(block.seqs, block.removed, strict=False) if flag == "1"}


async def _absent(tx: Tx, block: Any, seq: int) -> Finding:
    rows = await tx.all(SQL.events_at, seqs=[seq])
    if rows:
        detail = "its transaction id was changed"
        return _event_finding(tx.tenant, block, rows[0], Damage.CHANGED, detail)
    return Finding(tx.tenant, Damage.MISSING, "event_log", f"seq={seq}", block.number, seq)


def _event_finding(tenant_id: UUID, block: Any, row: Any, damage: Damage, detail: str) -> Finding:
    return Finding(tenant_id, damage, "event_log", f"seq={row.seq}", block.number, row.seq, row.id, detail)


def _changed(tenant_id: UUID, block: Any, row: Any, sealed: list[bytes]) -> Finding:
    """Which of the event's rows it was: the event itself, or one of the rows that belong to it."""
    present = _cut_parts(row.part)[0]
    if sealed[:1] != present[:1]:
        return _event_finding(tenant_id, block, row, Damage.CHANGED, "the event itself")
    damage, at = Damage.CHANGED, None
    if len(sealed) > len(present):
        damage = Damage.MISSING
    elif len(sealed) < len(present):
        damage = Damage.INSERTED
    for index, (was, is_) in enumerate(zip(sealed, present, strict=False)):
        if was != is_:
            at = index
            break
    else:
        at = min(len(sealed), len(present)) if damage is not Damage.CHANGED else None
    if at is None:
        return _event_finding(tenant_id, block, row, Damage.CHANGED, "the sealed leaf")
    table, _, key = row.row_names[at - 1].partition(" ") if at <= len(row.row_names) else ("", "", "")
    detail = f"row {at} of the event"
    if damage is Damage.MISSING:
        # What is gone cannot give its name; its place, and what is left, can.
        table, key, detail = (
            "evidence",
            f"row={at}",
            f"of {len(sealed) - 1}; left: {', '.join(row.row_names) or 'none'}",
        )
    return Finding(tenant_id, damage, table, key, block.number, row.seq, row.id, detail)


def _cut_parts(joined: bytes) -> list[list[bytes]]:
    """Short digests of each event's rows: two bytes of count, then eight bytes each."""
    events: list[list[bytes]] = []
    at = 0
    while at + 2 <= len(joined):
        count = int.from_bytes(joined[at : at + 2], "big")
        at += 2
        events.append([joined[at + 8 * i : at + 8 * i + 8] for i in range(count)])
        at += 8 * count
    return events
