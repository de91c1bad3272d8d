"""Looking after connections: is the rail there, what does it say we hold, is our float low."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.setbacks import together
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault, Refusal
from omniroute.money.connections.asking import REASON_MAX, balances_of
from omniroute.money.connections.events import ConnectionHealthChanged, FloatLow
from omniroute.money.connections.model import BankConnection, Health
from omniroute.money.connections.service import find_connection, told
from omniroute.money.connections.store import SQL, connection_of
from omniroute.money.payments import LinkDown, Links
from omniroute.ports.rails import Balance, NotSent, Operation

log = logger("omniroute.connections")

EVERY = timedelta(minutes=1)
META = Meta(actor="system:connections", channel="worker")


async def ask_balances(tx: Tx, links: Links, connection_id: UUID) -> Sequence[Balance]:
    """What the rail says our accounts hold; empty where its answer comes by callback.

    Raises: ConnectionNotFound, OperationOff, RailSilent.
    """
    connection = await find_connection(tx, connection_id)
    return await balances_of(links, tx.tenant, connection)


async def watch(db: Database, links: Links, *, clock: Clock, limit: int = 50) -> int:
    """One look at every connection that was not looked at for a minute; how many."""
    now = clock.now()
    async with db.tx(readonly=True) as tx:
        due = await tx.all(SQL.watched_connections, before=now - EVERY, limit=limit)
    await together([_watch_one(db, links, row.tenant_id, row.connection_id, clock) for row in due])
    return len(due)


async def _watch_one(db: Database, links: Links, tenant_id: UUID, connection_id: UUID, clock: Clock) -> None:
    async with db.tx(tenant_id, readonly=True) as tx:
        connection = await find_connection(tx, connection_id)
    health, reason = await _look(links, tenant_id, connection)
    async with db.tx(tenant_id) as tx:
        await _note(tx, connection, health, reason, clock)
        await _check_float(tx, connection)


async def _look(links: Links, tenant_id: UUID, connection: BankConnection) -> tuple[Health, str | None]:
    """What the rail says now. A rail without a balance enquiry is believed to be there while its credentials open."""
    try:
        link = await links.get(tenant_id, connection.connection_id)
        if Operation.BALANCE in connection.operations:
            await link.connector.fetch_balances(link.context)
    except LinkDown as fault:
        return Health.DOWN, str(fault)[:REASON_MAX]
    except (NotSent, Fault) as fault:
        return Health.DOWN, str(fault)[:REASON_MAX]
    except Refusal as refusal:
        return Health.DEGRADED, refusal.detail[:REASON_MAX]
    except Exception as error:
        log.exception("a look at a connection ended in a way nobody foresaw", connection=str(connection.connection_id))
        return Health.DEGRADED, type(error).__name__
    return Health.UP, None


async def _note(tx: Tx, before: BankConnection, health: Health, reason: str | None, clock: Clock) -> None:
    row: Any = await tx.one(
        SQL.set_health,
        tenant=tx.tenant,
        connection=before.connection_id,
        health=health.value,
        reason=reason,
        now=clock.now(),
    )
    if health is not before.health and not (before.health is Health.UNKNOWN and health is Health.UP):
        await events.append(tx, told(ConnectionHealthChanged, connection_of(row)), META)


async def _check_float(tx: Tx, connection: BankConnection) -> None:
    """Tell once when the float falls below its mark; again only after it was above."""
    mark = connection.float_low_minor
    if mark is None:
        return
    found = await ledger.find_balances(tx, [connection.float_account_id])
    balance = found.get(connection.float_account_id)
    available = 0 if balance is None else balance.available_minor
    low = available < mark
    changed = await tx.one_or_none(SQL.set_float_low, tenant=tx.tenant, connection=connection.connection_id, low=low)
    if changed is not None and low:
        event = FloatLow(connection.connection_id, connection.code, connection.currency, available, mark)
        await events.append(tx, event, META)
