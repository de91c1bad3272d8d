"""The worker of asynchronous actions: calls handlers in the background and keeps what they say.

A call is claimed with a lease before it goes out. One that was claimed and never recorded may have reached its handler:
it is made again only for actions whose handler is known to do nothing twice (`repeatable`), under the same key. For all
others the requester is told that nobody knows.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from omniroute.graphql.actions.answers import read_reply, unexpected
from omniroute.graphql.actions.calls import ReplyUnfit, call_handler, payload
from omniroute.graphql.actions.definitions import served
from omniroute.graphql.actions.store import SQL, binding
from omniroute.graphql.actions.transforms import TransformFailed
from omniroute.graphql.calling import Calls, NotSet
from omniroute.graphql.encoding import Slot, encode
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.metadata.tree import Action, Metadata
from omniroute.infra.http import ExchangeFailed, Sent
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.secrets import Vault
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault, Refusal

log = logger("omniroute.graphql.actions")

TRIES_MAX = 6
FIRST_WAIT = timedelta(seconds=5)
"""Before the second try; it doubles."""
LEASE_SPARE = timedelta(seconds=60)
PURGED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A call that is ours to make."""

    tenant_id: UUID
    action_id: UUID
    action: Action
    claim: int
    try_count: int
    was_sent: bool
    body: bytes = field(repr=False)
    headers_sealed: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class _End:
    """What came of it: an output, an error, or (neither) another attempt."""

    output: str | None = None
    error: str | None = None


class ActionRunner:
    """One a process; any number of processes. `db` is the background's."""

    def __init__(
        self,
        db: Database,
        metadata: Metadata,
        calls: Calls,
        *,
        clock: Clock,
        vault: Vault | None = None,
        repeatable: Collection[str] = (),
        in_flight_max: int = 20,
    ) -> None:
        self._db, self._calls, self._clock, self._vault = db, calls, clock, vault
        self._actions = {one.name: one for one in served(metadata) if one.kind == "asynchronous"}
        self._repeatable = frozenset(repeatable)
        self._in_flight_max = in_flight_max
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_busy(self) -> bool:
        """Whether a call is under way."""
        return bool(self._tasks)

    async def idle(self) -> None:
        """Wait until every call that is under way has been recorded."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self, *, grace_s: int = 5) -> None:
        """Give what is under way a moment; the lease of what is cut off runs out."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def round(self) -> int:
        """Take up calls that are due and start making them; how many."""
        if not self._actions:
            return 0
        room = self._in_flight_max - len(self._tasks)
        if room <= 0:
            await asyncio.wait(self._tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            return 0
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.due_actions, now=now, names=list(self._actions), limit=room)
        for row in due:

            async def work(tx: Tx, action_id: UUID = row.action_id, name: str = row.name) -> _Claimed | None:
                return await self._claim(tx, action_id, self._actions[name], now)

            # Not idempotent: after a lost connection the claim may stand, and its lease will run out.
            claimed = await self._db.run(work, tenant_id=row.tenant_id, idempotent=False)
            if claimed is not None:
                task = asyncio.create_task(self._carry(claimed))
                self._tasks.add(task)
                task.add_done_callback(self._ended)
        return len(due)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a call of an action crashed", exc_info=task.exception())

    async def _claim(self, tx: Tx, action_id: UUID, action: Action, now: datetime) -> _Claimed | None:
        lease = now + timedelta(seconds=action.timeout_s) + LEASE_SPARE
        row = await tx.one_or_none(SQL.claim_action, tenant=tx.tenant, action=action_id, now=now, lease=lease)
        if row is None:
            return None
        return _Claimed(
            tx.tenant,
            action_id,
            action,
            row.claim,
            row.try_count,
            row.was_sent,
            payload(action, Slot(row.input), row.session, row.document),
            row.headers_sealed,
        )

    async def _carry(self, claimed: _Claimed) -> None:
        """Call and record. A fault of the database leaves the claim to its lease."""
        end = await self._call(claimed)

        async def work(tx: Tx) -> None:
            await self._record(tx, claimed, end)

        try:
            await self._db.run(work, tenant_id=claimed.tenant_id, idempotent=True)
        except Fault as fault:
            log.warning("what came of an action is not recorded", action=claimed.action.name, fault=str(fault))

    async def _call(self, claimed: _Claimed) -> _End:
        action, repeatable = claimed.action, claimed.action.name in self._repeatable
        if claimed.was_sent and not repeatable:
            return _refused(RequestRefused("it is not known whether the handler acted", code="unexpected"))
        try:
            passed = await self._passed(claimed)
            reply = await call_handler(self._calls, action, claimed.body, passed=passed, key=str(claimed.action_id))
            if reply.status >= 500 and repeatable and claimed.try_count < TRIES_MAX:
                return _End()
            return _End(output=encode(read_reply(reply)))
        except RequestRefused as error:
            return _refused(error)
        except (NotSet, Refusal) as error:
            log.error("an action cannot be sent", action=action.name, reason=str(error))
            return _refused(RequestRefused("internal error", code="unexpected"))
        except TransformFailed as failed:
            log.error("the request of an action cannot be transformed", action=action.name, reason=str(failed))
            return _refused(unexpected("Request Transformation Failed"))
        except ReplyUnfit as failed:
            log.error("the reply of a handler cannot be transformed", action=action.name, reason=str(failed))
            return _refused(unexpected("Response Transformation Failed"))
        except ExchangeFailed as failure:
            log.warning("a handler gave no answer", action=action.name, sent=failure.sent.value, detail=str(failure))
            again = failure.sent is Sent.NO or repeatable
            if again and claimed.try_count < TRIES_MAX:
                return _End()
            return _refused(RequestRefused("http exception when calling webhook", code="unexpected"))

    async def _passed(self, claimed: _Claimed) -> Mapping[str, str]:
        """The headers of the request. Raises: what the vault refuses."""
        if claimed.headers_sealed is None or self._vault is None:
            return {}
        sealed = bytes(claimed.headers_sealed)
        return await self._vault.open_fields(binding(claimed.tenant_id, claimed.action_id), sealed)

    async def _record(self, tx: Tx, claimed: _Claimed, end: _End) -> None:
        now = self._clock.now()
        which = {"tenant": tx.tenant, "action": claimed.action_id, "claim": claimed.claim}
        if end.output is None and end.error is None:
            wait = FIRST_WAIT * (1 << min(claimed.try_count - 1, 10))
            await tx.execute(SQL.postpone_action, **which, next=now + wait)
            return
        status = "completed" if end.error is None else "error"
        await tx.execute(SQL.finish_action, **which, status=status, output=end.output, error=end.error, now=now)


def _refused(error: RequestRefused) -> _End:
    return _End(error=encode(error.shown()))


async def purge(db: Database, *, before: datetime) -> int:
    """Forget calls that were over before this instant; how many."""
    async with db.tx() as tx:
        return int(await tx.value(SQL.purge_actions, before=before, limit=PURGED_AT_ONCE))
