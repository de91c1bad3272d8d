"""Rulebooks of every organisation, kept for seconds. One a process."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from omniroute import ledger
from omniroute.infra.postgres import Database, Tx
from omniroute.kit.clock import Clock
from omniroute.money import connections
from omniroute.money.connections import BankConnection
from omniroute.money.policies.model import Policy
from omniroute.money.policies.routing import Way
from omniroute.money.policies.rulebook import PolicyRulebook
from omniroute.money.policies.store import SQL, policy_of
from omniroute.parties import tenants
from omniroute.ports.rails import Capabilities, Connector, FileConnector, RailPolicy

CACHED_FOR = timedelta(seconds=5)
KEPT_MAX = 1_000


@dataclass(frozen=True, slots=True)
class _Kept:
    book: PolicyRulebook
    policies: list[Policy]
    revision: int
    until: datetime


class PolicyRulebooks:
    """Finds an organisation's rules, with its connections, their health and floats. Implements `payments.Rulebooks`.

    What is decided is as old as the cache: five seconds, by default.
    """

    def __init__(
        self,
        db: Database,
        connectors: Mapping[str, Connector | FileConnector],
        *,
        clock: Clock,
        cached_for: timedelta = CACHED_FOR,
    ) -> None:
        self._db, self._connectors = db, connectors
        self._clock, self._cached_for = clock, cached_for
        self._kept: dict[UUID, _Kept] = {}
        self._facts: dict[str, tuple[Capabilities, RailPolicy]] = {
            rail: (connector.capabilities(), connector.policy()) for rail, connector in connectors.items()
        }

    async def get(self, tenant_id: UUID) -> PolicyRulebook:
        """The rules of this organisation. Raises: OrganisationNotFound, DatabaseUnavailable."""
        now = self._clock.now()
        kept = self._kept.get(tenant_id)
        if kept is not None and now < kept.until:
            return kept.book
        async with self._db.tx(tenant_id, readonly=True) as tx:
            found = await self._read(tx, tenant_id, kept, now)
        if len(self._kept) >= KEPT_MAX:
            self._kept = {tenant: one for tenant, one in self._kept.items() if now < one.until}
        self._kept[tenant_id] = found
        return found.book

    def forget(self, tenant_id: UUID) -> None:
        """Read anew at the next use: a policy or connection was changed by this process."""
        self._kept.pop(tenant_id, None)

    async def read(self, tx: Tx) -> PolicyRulebook:
        """The rules as this transaction sees them, past the cache: to show what they would say."""
        return (await self._read(tx, tx.tenant, None, self._clock.now())).book

    async def _read(self, tx: Tx, tenant_id: UUID, kept: _Kept | None, now: datetime) -> _Kept:
        revision = await tx.value(SQL.policies_revision, tenant=tenant_id)
        if kept is not None and kept.revision == revision:
            policies = kept.policies
        else:
            policies = [policy_of(row) for row in await tx.all(SQL.active_policies, tenant=tenant_id)]
        organisation = await tenants.get_organisation(tx)
        found = await connections.open_connections(tx)
        balances = await ledger.find_balances(tx, [one.float_account_id for one in found])
        ways = [
            self._way(one, balances[one.float_account_id].available_minor if one.float_account_id in balances else 0)
            for one in found
            if one.rail in self._connectors
        ]
        book = PolicyRulebook(tenant_id, ZoneInfo(organisation.time_zone), ways, policies)
        return _Kept(book, policies, revision, now + self._cached_for)

    def _way(self, connection: BankConnection, float_minor: int) -> Way:
        capabilities, policy = self._facts[connection.rail]
        country = connection.public.get("country")
        return Way(
            connection_id=connection.connection_id,
            code=connection.code,
            rail=connection.rail,
            currency=connection.currency,
            country=country if isinstance(country, str) and country else None,
            operations=connection.operations,
            status=connection.status,
            health=connection.health,
            float_account_id=connection.float_account_id,
            float_minor=float_minor,
            connector=self._connectors[connection.rail],
            capabilities=capabilities,
            policy=policy,
        )
