"""All background work of one metadata: calls of asynchronous actions, and what triggers have to tell."""

from collections.abc import Collection, Sequence
from datetime import datetime

from omniroute.graphql import actions, triggers
from omniroute.graphql.actions import ActionRunner
from omniroute.graphql.calling import Calls
from omniroute.graphql.metadata.tree import Metadata
from omniroute.graphql.triggers import CronPlanner, Feeder, RowEvents, TriggerCourier
from omniroute.infra.postgres import Database
from omniroute.infra.secrets import Vault
from omniroute.kit.clock import Clock


class Working:
    """One a process; any number of processes. `db` is the doors' and reads rows, `worker_db` the background's.

    `rows`: which events change rows of tracked tables. `repeatable`: asynchronous actions whose handlers do nothing
    twice.
    """

    def __init__(
        self,
        db: Database,
        worker_db: Database,
        metadata: Metadata,
        calls: Calls,
        *,
        clock: Clock,
        vault: Vault,
        rows: Sequence[RowEvents] = (),
        repeatable: Collection[str] = (),
    ) -> None:
        self._worker_db = worker_db
        self.problems = (*triggers.unheard(metadata, rows), *triggers.missing(calls, metadata))
        self.runner = ActionRunner(worker_db, metadata, calls, clock=clock, vault=vault, repeatable=repeatable)
        self.feeder = Feeder(db, worker_db, metadata, calls, rows, clock=clock)
        self.planner = CronPlanner(worker_db, metadata, calls, clock=clock)
        self.courier = TriggerCourier(worker_db, metadata, calls, clock=clock)

    async def purge(self, *, before: datetime) -> int:
        """Forget what was over before this instant; how much."""
        return await actions.purge(self._worker_db, before=before) + await triggers.purge(
            self._worker_db, before=before
        )

    @property
    def is_busy(self) -> bool:
        """Whether a call or a delivery is under way."""
        return self.runner.is_busy or self.courier.is_busy

    async def close(self) -> None:
        """Take nothing new, record what is under way."""
        await self.runner.close()
        await self.courier.close()
