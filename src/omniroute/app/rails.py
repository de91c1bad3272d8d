"""The rails of a process: their connectors, and what an organisation without rules of its own does with them."""

import os
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from omniroute.connectors.airtel import Airtel
from omniroute.connectors.gsma import Gsma
from omniroute.connectors.mpesa import MpesaConnector
from omniroute.connectors.mtn_momo import MtnMomo
from omniroute.connectors.nip import NipConnector, NipRestConnector
from omniroute.infra.postgres import Database
from omniroute.kit import ids
from omniroute.kit.refusal import Refusal
from omniroute.money import connections
from omniroute.money.connections import BankConnection, ConnectionStatus, Health
from omniroute.money.payments import BOOK, Decision, InitiatePayment, PaymentType
from omniroute.money.payments.errors import NoRoute
from omniroute.ports.rails import Connector, Operation, Payout

KEPT_S = 2


def connectors() -> Mapping[str, Connector]:
    """Every rail we speak, by name."""
    found: Sequence[Connector] = (
        NipConnector(),
        NipRestConnector(),
        MpesaConnector(),
        MtnMomo(),
        Airtel(),
        Gsma(),
    )
    return {connector.rail: connector for connector in found}


def worker_id() -> str:
    """Names this process in what it takes up: never the same twice, even after a restart under the same number."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class AnyWay:
    """Rules of an organisation that has none: every connection that can carry a payment may, the healthy ones first,
    in the order of their codes; no fee, no approval, no limit."""

    connections: Sequence[BankConnection]
    connectors: Mapping[str, Connector]

    def decide(self, command: InitiatePayment, *, actor: str, now: datetime, today: date) -> Decision:
        """The ways a payment may go. Raises: NoRoute."""
        if command.type is PaymentType.INTERNAL_TRANSFER:
            return Decision(BOOK, (), ("an internal transfer is booked in our own ledger",), ())
        fits: list[BankConnection] = []
        why: list[str] = []
        for connection in self.connections:
            against = self._against(connection, command, now)
            why.append(f"{connection.code}: {against or 'can carry it'}")
            if against is None:
                fits.append(connection)
        if not fits:
            raise NoRoute(tried=why or ["there is no bank connection yet"])
        fits.sort(key=lambda one: one.health is Health.DOWN)
        return Decision(
            fits[0].rail,
            tuple(one.connection_id for one in fits),
            tuple(why),
            tuple(one.float_account_id for one in fits),
        )

    def _against(self, connection: BankConnection, command: InitiatePayment, now: datetime) -> str | None:
        if command.connection not in (None, connection.code, ids.show("con", connection.connection_id)):
            return "another connection was asked for"
        if connection.status is not ConnectionStatus.ACTIVE:
            return connection.status.value
        if connection.currency != command.amount.currency:
            return f"carries {connection.currency}"
        if Operation.PAYOUT not in connection.operations:
            return "does not pay out"
        connector = self.connectors.get(connection.rail)
        if connector is None:
            return "its rail is not known here"
        if command.payee.kind not in connector.capabilities().payee_kinds:
            return f"does not pay a {command.payee.kind.value}"
        order = Payout("", command.amount, command.payee, command.narration, command.type.value, command.reference, now)
        try:
            connector.check(order)
        except Refusal as refusal:
            return refusal.detail
        return None


class AnyWays:
    """Finds the connections of organisations, and keeps them for seconds."""

    def __init__(self, db: Database, rails: Mapping[str, Connector]) -> None:
        self._db, self._rails = db, rails
        self._kept: dict[UUID, tuple[float, AnyWay]] = {}

    async def get(self, tenant_id: UUID) -> AnyWay:
        """The ways of an organisation."""
        kept = self._kept.get(tenant_id)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        async with self._db.tx(tenant_id, readonly=True) as tx:
            found = AnyWay(await connections.open_connections(tx), self._rails)
        self._kept[tenant_id] = (time.monotonic() + KEPT_S, found)
        return found
