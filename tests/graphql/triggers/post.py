"""An organisation whose parcels are told of: a log, a view over a table, triggers, and a receiver."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

from omniroute.graphql import Metadata, parse_metadata
from omniroute.graphql.calling import Calls
from omniroute.graphql.metadata.tree import Name
from omniroute.graphql.triggers import CronPlanner, Feeder, RowEvents, TriggerCourier
from omniroute.infra.events import Event, Meta, append
from omniroute.infra.postgres import Database
from omniroute.kit.clock import FixedClock, SystemClock
from tests.graphql.handler import Got, Handler, calling, handling
from tests.parties.makers import Org, make_organisation

SCHEMA = b"""
CREATE SCHEMA post AUTHORIZATION omniroute_owner;
SET ROLE omniroute_owner;
CREATE TABLE post.parcel (tenant_id uuid NOT NULL, id uuid PRIMARY KEY, status text NOT NULL, weight numeric NOT NULL,
                          note text);
ALTER TABLE post.parcel ENABLE ROW LEVEL SECURITY;
CREATE POLICY parcel_tenant ON post.parcel USING (tenant_id = omniroute.current_tenant());
GRANT USAGE ON SCHEMA post TO omniroute_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON post.parcel TO omniroute_app;
CREATE VIEW post.parcels WITH (security_invoker = true) AS SELECT id, status, weight, note FROM post.parcel;
GRANT SELECT ON post.parcels TO omniroute_app;
RESET ROLE;
"""
CORRELATION = UUID("00000000-0000-7000-8000-00000000c0de")
META = Meta(correlation_id=CORRELATION, actor="usr_test", channel="test")


@dataclass(frozen=True, slots=True)
class ParcelEvent(Event):
    """A parcel and where it stands."""

    subject_prefix: ClassVar[str] = ""
    parcel_id: UUID
    status: str

    @property
    def subject(self) -> UUID:
        return self.parcel_id


@dataclass(frozen=True, slots=True)
class Posted(ParcelEvent):
    """A parcel of the tests is there."""

    topic = "post_parcel.posted"


@dataclass(frozen=True, slots=True)
class Moved(ParcelEvent):
    """A parcel of the tests moved."""

    topic = "post_parcel.moved"


@dataclass(frozen=True, slots=True)
class Dropped(ParcelEvent):
    """A parcel of the tests is no more."""

    topic = "post_parcel.dropped"


PARCELS = RowEvents(
    Name("post", "parcels"),
    inserts=("post_parcel.posted",),
    updates=("post_parcel.mo*",),
    deletes=("post_parcel.dropped",),
    known={"status": "status"},
)


def trigger(name: str, **more: Any) -> dict[str, Any]:
    """One event trigger as metadata has it."""
    definition = {one: more.pop(one) for one in ("insert", "update", "delete", "enable_manual") if one in more}
    return {
        "name": name,
        "definition": {"enable_manual": False} | definition,
        "retry_conf": {"num_retries": 2, "interval_sec": 10, "timeout_sec": 5},
        "webhook": "{{RECEIVER}}/" + name,
    } | more


def metadata(*triggers: dict[str, Any], crons: tuple[dict[str, Any], ...] = ()) -> Metadata:
    """The post's metadata."""
    table = {"table": {"schema": "post", "name": "parcels"}, "event_triggers": list(triggers)}
    source = {"name": "default", "kind": "postgres", "tables": [table]}
    found, problems = parse_metadata({"version": 3, "sources": [source], "cron_triggers": list(crons)})
    assert [str(one) for one in problems] == []
    return found


@dataclass
class Post:
    """One organisation, a worker on a clock that is set by hand, and a receiver."""

    org: Org
    db: Database
    worker: Database
    clock: FixedClock
    receiver: Handler
    calls: Calls
    metadata: Metadata
    feeder: Feeder
    courier: TriggerCourier
    planner: CronPlanner

    async def parcel(self, status: str = "POSTED", parcel_id: UUID | None = None) -> UUID:
        """A new parcel, with its event."""
        parcel_id = parcel_id or uuid4()
        async with self.db.tx(self.org.id) as tx:
            text = b"INSERT INTO post.parcel VALUES (%s, %s, %s, 1.50, 'fragile')"
            await tx.connection.execute(text, [self.org.id, parcel_id, status])
            await append(tx, Posted(parcel_id, status), META)
        return parcel_id

    async def move(self, parcel_id: UUID, *statuses: str) -> None:
        """Change a parcel, once for each status."""
        for status in statuses:
            async with self.db.tx(self.org.id) as tx:
                text = b"UPDATE post.parcel SET status = %s WHERE id = %s"
                await tx.connection.execute(text, [status, parcel_id])
                await append(tx, Moved(parcel_id, status), META)

    async def drop(self, parcel_id: UUID) -> None:
        """Take a parcel away."""
        async with self.db.tx(self.org.id) as tx:
            await tx.connection.execute(b"DELETE FROM post.parcel WHERE id = %s", [parcel_id])
            await append(tx, Dropped(parcel_id, "DROPPED"), META)

    async def feed(self) -> None:
        """Queue all there is."""
        while await self.feeder.feed():
            pass

    async def deliver(self, *couriers: TriggerCourier) -> None:
        """All there is to send at this moment of the clock."""
        chosen = couriers or (self.courier,)
        found = 1
        while found:
            found = sum([await one.deliver() for one in chosen])
            for one in chosen:
                await one.idle()

    async def rounds(self) -> None:
        """All a worker does at this moment of the clock."""
        await self.feed()
        await self.planner.plan()
        await self.deliver()

    def wait(self, **wait: float) -> None:
        """Move the clock."""
        self.clock.at += timedelta(**wait)

    def told(self, name: str | None = None) -> list[Any]:
        """What arrived, in order; of one trigger."""
        return [one.said for one in self.receiver.got if name is None or one.path == f"/{name}"]

    def statuses(self, name: str | None = None) -> list[str]:
        """The statuses that were told."""
        return [one["event"]["data"]["new"]["status"] for one in self.told(name)]


def noted(got: Got) -> str:
    """The status a message tells."""
    return str(json.loads(got.body)["event"]["data"]["new"]["status"])


@asynccontextmanager
async def opened(
    app_db: Database, worker_db: Database, given: Metadata, *, at: datetime | None = None, in_flight_max: int = 50
) -> AsyncIterator[Post]:
    """An organisation of its own. What was before is not its business."""
    async with handling() as receiver, calling(receiver.base, {"RECEIVER": receiver.base, "TOKEN": "t"}) as calls:
        clock = FixedClock(at or SystemClock().now())
        feeder = Feeder(app_db, worker_db, given, calls, [PARCELS], clock=clock)
        courier = TriggerCourier(worker_db, given, calls, clock=clock, in_flight_max=in_flight_max)
        planner = CronPlanner(worker_db, given, calls, clock=clock)
        made = Post(
            await make_organisation(app_db), app_db, worker_db, clock, receiver, calls, given, feeder, courier, planner
        )
        await made.feed()
        try:
            yield made
        finally:
            await courier.idle()
