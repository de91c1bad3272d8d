"""Asking a rail for a person: balances, a day's statement, whose an account is. Nothing is stored, nothing moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from omniroute.kit.ids import uuid7
from omniroute.kit.refusal import Fault
from omniroute.money.connections.errors import OperationOff, RailSilent
from omniroute.money.connections.model import BankConnection
from omniroute.money.payments import SCORE_GOOD, Link, Links, name_score
from omniroute.ports.rails import Balance, Holder, Operation, Party, StatementPage

REASON_MAX = 500


@dataclass(frozen=True, slots=True)
class Enquiry:
    """Whose an account is. `score`: how well the expected name fits, 0 to 100; None when one of them is not known."""

    holder: Holder
    our_ref: str
    score: int | None

    @property
    def fits(self) -> bool | None:
        """Whether a payment to this name would go without a question."""
        return None if self.score is None else self.score >= SCORE_GOOD


async def balances_of(links: Links, tenant_id: UUID, connection: BankConnection) -> Sequence[Balance]:
    """What the rail says our accounts hold; empty where its answer comes by callback.

    Raises: OperationOff, RailSilent.
    """
    link = await _open(links, tenant_id, connection, Operation.BALANCE)
    try:
        return await link.connector.fetch_balances(link.context)
    except Fault as fault:
        raise RailSilent(str(fault)[:REASON_MAX]) from fault


async def statement_of(
    links: Links, tenant_id: UUID, connection: BankConnection, day: date, cursor: str | None
) -> StatementPage:
    """A page of what the rail booked on our account that day.

    Raises: OperationOff, RailSilent.
    """
    link = await _open(links, tenant_id, connection, Operation.STATEMENT)
    try:
        return await link.connector.fetch_statement(link.context, day, cursor)
    except Fault as fault:
        raise RailSilent(str(fault)[:REASON_MAX]) from fault


async def holder_of(
    links: Links, tenant_id: UUID, connection: BankConnection, party: Party, *, now: datetime
) -> Enquiry:
    """Whose account this is, by the rail's word; compared with the name in `party`, if there is one.

    Raises: OperationOff, RailSilent, RailUnable when the rail knows no such account.
    """
    link = await _open(links, tenant_id, connection, Operation.NAME_ENQUIRY)
    our_ref = link.connector.build_reference(link.context.credentials.public, uuid7(), now)
    try:
        holder = await link.connector.resolve_party(link.context, party, our_ref=our_ref)
    except Fault as fault:
        raise RailSilent(str(fault)[:REASON_MAX]) from fault
    score = name_score(party.name, holder.name) if party.name and holder.name else None
    return Enquiry(holder, our_ref, score)


async def _open(links: Links, tenant_id: UUID, connection: BankConnection, operation: Operation) -> Link:
    if operation not in connection.operations:
        raise OperationOff(operation=operation.value, operations=sorted(connection.operations))
    return await link_of(links, tenant_id, connection)


async def link_of(links: Links, tenant_id: UUID, connection: BankConnection) -> Link:
    """The connection, opened. Raises: RailSilent."""
    try:
        return await links.get(tenant_id, connection.connection_id)
    except Fault as fault:
        raise RailSilent(str(fault)[:REASON_MAX]) from fault
