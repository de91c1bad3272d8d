"""Committed events into blocks that hold each other: one chain a tenant, built behind the writers."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omniroute.infra.events import merkle, reader
from omniroute.infra.events.consumer import advance, leadership, pause, position
from omniroute.infra.events.cursor import Cursor
from omniroute.infra.events.errors import EventNotFound, EventNotSealed
from omniroute.infra.events.store import SQL
from omniroute.infra.postgres import Database, Tx
from omniroute.kit.refusal import Fault

CONSUMER = "audit.chain"
_BLOCKS_PER_CALL = 16
_MARK_EVERY = 1_000


class ChainBuilder:
    """Seals what is committed. `event_count` and `fault_count` are totals of this process, for metrics."""

    def __init__(self) -> None:
        self.event_count = 0
        self.fault_count = 0

    async def run_once(self, db: Database) -> int:
        """Seal all that is committed now, of every tenant; the number of events sealed. `db` is the worker's."""
        async with db.tx() as tx:
            await tx.value(SQL.mark_cut, every=_MARK_EVERY)
            was, stale = await position(tx, CONSUMER)
            until = (await reader.present(tx)).until
            params = reader.window(Cursor(was.seen, until))
            del params["after_seq"]
            tenants = [row.tenant_id for row in await tx.all(SQL.tenants_to_seal, **params)]
        total = 0
        complete = True
        for tenant_id in tenants:
            sealed = await self._seal(db, tenant_id)
            complete = complete and sealed is not None
            total += sealed or 0
        if complete and (tenants or stale):
            async with db.tx() as tx:
                await advance(tx, CONSUMER, was, Cursor(until, until))
        self.event_count += total
        return total

    async def _seal(self, db: Database, tenant_id: UUID) -> int | None:
        """The events sealed of one tenant; None when another builder is at it."""
        total = 0
        while True:
            async with db.tx(tenant_id) as tx:
                sealed: int | None = await tx.value(SQL.seal, tenant_id=tenant_id, blocks=_BLOCKS_PER_CALL)
            if sealed is None:
                return None
            if sealed == 0:
                return total
            total += sealed

    async def run(self, db: Database, stop: asyncio.Event, *, poll_ms: int = 1_000) -> None:
        """Work until told to stop. Of several processes one leads, the others wait to take over."""
        wait_ms = poll_ms
        while not stop.is_set():
            try:
                async with leadership(db, CONSUMER) as leads:
                    while await leads() and not stop.is_set():
                        await self.run_once(db)
                        wait_ms = poll_ms
                        await pause(stop, poll_ms)
            except Fault:
                self.fault_count += 1
                wait_ms = min(30_000, 2 * wait_ms)
            await pause(stop, wait_ms)


@dataclass(frozen=True, slots=True)
class Retained:
    """What a run of retention did."""

    block_count: int
    event_count: int


async def retain(tx: Tx, *, before: datetime, block_count_max: int = 100) -> Retained:
    """Remove sealed events older than `before` whose type need not be kept; a worker's transaction.

    Only whole blocks that every consumer has passed and of which nothing is parked. The chain verifies over the rest.
    """
    row = await tx.one(SQL.retain, before=before, blocks=block_count_max)
    return Retained(row.blocks, row.events)


async def repair_epoch(tx: Tx) -> int:
    """Make sure that new transaction ids are above every stored one. Call it at start, before anything is written."""
    return int(await tx.value(SQL.repair_epoch))


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That an event belongs to a block whose root is known (for instance, anchored elsewhere)."""

    event_id: UUID
    position: int
    leaf: bytes
    index: int
    size: int
    path: tuple[bytes, ...]
    merkle_root: bytes
    block_number: int
    block_hash: bytes


async def inclusion_proof(tx: Tx, event_position: int) -> InclusionProof:
    """The proof for the tenant's event at a position (the envelope's `position`).

    Raises: EventNotFound, EventNotSealed.
    """
    row = await tx.one_or_none(SQL.block_of, seq=event_position)
    if row is None:
        if await reader.at(tx, [event_position]):
            raise EventNotSealed(position=event_position)
        raise EventNotFound(position=event_position)
    leaves = merkle.cut(row.leaves)
    index = row.seqs.index(event_position)
    return InclusionProof(
        event_id=row.event_id,
        position=event_position,
        leaf=leaves[index],
        index=index,
        size=row.event_count,
        path=tuple(merkle.path(leaves, index)),
        merkle_root=row.merkle_root,
        block_number=row.number,
        block_hash=row.hash,
    )


def check_inclusion(proof: InclusionProof, merkle_root: bytes) -> bool:
    """True when the proof leads to this root."""
    return merkle.root_from(proof.leaf, proof.index, proof.size, proof.path) == merkle_root


@dataclass(frozen=True, slots=True)
class Head:
    """The last block of a tenant's chain: what an anchor outside the database keeps."""

    number: int
    merkle_root: bytes
    hash: bytes
    built_at: datetime


async def head(tx: Tx) -> Head | None:
    """The last block of the tenant; None when nothing is sealed yet."""
    row = await tx.one_or_none(SQL.chain_head)
    return None if row is None else Head(row.number, row.merkle_root, row.hash, row.built_at)
