"""Organisations with endpoints, a courier on a clock that is set by hand, and a receiver that misbehaves on cue."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry

from omniroute.infra.events import Event, Meta, append
from omniroute.infra.http import HttpMetrics, Limits, RailHttp, public_only
from omniroute.infra.postgres import Database
from omniroute.kit.clock import FixedClock, SystemClock
from omniroute.parties import webhooks
from omniroute.parties.webhooks import Attempt, CourierLimits, CreateEndpoint, Delivery, Endpoint, IssuedEndpoint
from tests.infra.http.peer import Caller, serve
from tests.parties.makers import Org, make_organisation
from tests.vaults import the_vault

META = Meta(actor="usr_test", channel="test")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    """A reply as bytes."""
    lines = [f"HTTP/1.1 {status} Text", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Shipped(Event):
    """A parcel of the tests left."""

    topic = "parcel.shipped"
    parcel_id: UUID
    note: str

    @property
    def subject(self) -> UUID:
        return self.parcel_id


@dataclass(frozen=True, slots=True)
class Lost(Event):
    """A parcel of the tests is lost."""

    topic = "parcel.lost"
    parcel_id: UUID
    note: str

    @property
    def subject(self) -> UUID:
        return self.parcel_id


@dataclass(frozen=True)
class Got:
    """A message as it arrived."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The envelope."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def note(self) -> str:
        """What the test wrote into the event."""
        return str(self.event["data"]["note"])


@dataclass
class Receiver:
    """A server of a customer. `reply` says what it answers; None closes the connection without a word."""

    url: str = ""
    reply: Callable[[Got], bytes | None] = lambda got: OK
    got: list[Got] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """What arrived, in order."""
        return [one.note for one in self.got]

    async def play(self, caller: Caller) -> None:
        while raw := await caller.request():
            head, _, body = raw.partition(b"\r\n\r\n")
            lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
            self.got.append(Got({name.lower(): value for name, _, value in lines}, body))
            said = self.reply(self.got[-1])
            if said is None:
                caller.close()
                return
            await caller.say(said)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a real socket."""
    receiver = Receiver()
    async with serve(receiver.play) as peer:
        receiver.url = peer.url
        yield receiver


@dataclass
class House:
    """One organisation and a worker."""

    org: Org
    db: Database
    worker: Database
    clock: FixedClock
    courier: webhooks.Courier
    registry: CollectorRegistry

    async def endpoint(self, url: str, *types: str, **more: Any) -> IssuedEndpoint:
        """A new endpoint."""
        command = CreateEndpoint(url, types or ("parcel.*",), **more)
        async with self.db.tx(self.org.id) as tx:
            return await webhooks.create_endpoint(
                tx, command, vault=the_vault(), loopback_allowed=True, now=self.clock.now(), meta=META
            )

    async def happen(self, *events: Event) -> None:
        """Events, each in a transaction of its own."""
        for event in events:
            async with self.db.tx(self.org.id) as tx:
                await append(tx, event, META)

    async def ship(self, *notes: str, parcel: UUID | None = None) -> UUID:
        """Events of one parcel, one a note."""
        parcel = parcel or uuid4()
        await self.happen(*[Shipped(parcel, note) for note in notes])
        return parcel

    async def feed(self) -> None:
        """Queue all there is."""
        while await webhooks.feed(self.worker, now=self.clock.now()):
            pass

    async def rounds(self) -> None:
        """All a worker does at this moment of the clock, until there is nothing left to do."""
        await self.feed()
        while True:
            found = await self.courier.deliver()
            await self.courier.idle()
            if not found:
                return

    def wait(self, wait: timedelta) -> None:
        """Move the clock."""
        self.clock.at += wait

    async def stands(self, endpoint: IssuedEndpoint | Endpoint) -> Endpoint:
        """The endpoint as it is now."""
        found = endpoint.endpoint if isinstance(endpoint, IssuedEndpoint) else endpoint
        async with self.db.tx(self.org.id) as tx:
            return await webhooks.get_endpoint(tx, found.endpoint_id, now=self.clock.now())

    async def deliveries(self, endpoint: IssuedEndpoint) -> list[Delivery]:
        """The log, the oldest event first."""
        async with self.db.tx(self.org.id) as tx:
            page = await webhooks.list_deliveries(
                tx, endpoint_id=endpoint.endpoint.endpoint_id, sort="event_at", limit=500
            )
        return page.items

    async def attempts(self, delivery: Delivery) -> list[Attempt]:
        """What was tried."""
        async with self.db.tx(self.org.id) as tx:
            return (await webhooks.get_delivery(tx, delivery.delivery_id))[1]


@asynccontextmanager
async def opened(
    app_db: Database,
    worker_db: Database,
    *,
    limits: CourierLimits | None = None,
    loopback_allowed: bool = True,
    beside: House | None = None,
) -> AsyncIterator[House]:
    """An organisation of its own; `beside`: on the clock of another one."""
    clock = beside.clock if beside else FixedClock(SystemClock().now())
    http = RailHttp(
        rail="webhooks",
        connection="out",
        clock=clock,
        metrics=HttpMetrics(CollectorRegistry()),
        limits=Limits(concurrency_max=200, breaker_failures_min=1 << 30),
        resolve=public_only(allow_loopback=loopback_allowed),
    )
    registry = CollectorRegistry()
    courier = webhooks.Courier(
        worker_db,
        the_vault(),
        http,
        clock=clock,
        metrics=webhooks.WebhookMetrics(registry),
        limits=limits,
        loopback_allowed=loopback_allowed,
        jitter=lambda wait: wait,
    )
    try:
        yield House(await make_organisation(app_db), app_db, worker_db, clock, courier, registry)
    finally:
        await courier.idle()
        await http.aclose()
