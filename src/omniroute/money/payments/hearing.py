"""What rails call us with is looked at: it makes us ask, or it is evidence. An organisation's calls go together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import msgspec

from omniroute.infra.postgres import JsonbArray, TextArray, TimestampArray, Tx, UuidArray
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.money.payments import outcomes, store
from omniroute.money.payments.files import hear_file
from omniroute.money.payments.links import Link, LinkDown, Links
from omniroute.money.payments.model import Source
from omniroute.money.payments.outcomes import Evidence
from omniroute.ports.rails import Callback, EventKind, FileConnector, RailAnswerUnreadable, RailEvent, Trust

log = logger("omniroute.payments")

LATER = timedelta(seconds=30)
"""When a call is looked at again whose connection cannot be opened now."""


class HeardElsewhere(Protocol):
    """Who knows what a call is about that is not about an attempt."""

    async def __call__(self, tx: Tx, connection_id: UUID, ref: str, *, now: datetime) -> str | None:
        """Take a hint about what has this name on the rail; what was made of it, or None when nothing has it."""
        ...


class HeardCredit(Protocol):
    """Who is told of money that came in."""

    async def __call__(self, tx: Tx, connection_id: UUID, credit_id: str, *, now: datetime) -> str:
        """Take a hint about what the provider calls this; what was made of it."""
        ...


@dataclass(slots=True)
class _Said:
    """One thing a call says, on its way to what is made of it."""

    link: Link
    callback: Callback
    event: RailEvent
    ref: str
    made: str | None = None
    attempt_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Over:
    """What became of a call, and when it is to be looked at again if it still has to be."""

    event_id: UUID
    state: str
    outcome: dict[str, Any]
    after: datetime


class Hearing:
    """One a worker. `elsewhere`: who is told of calls about something that is no attempt. `credited`: who is told of
    money that came in."""

    def __init__(
        self,
        links: Links,
        *,
        clock: Clock,
        business_day: Callable[[UUID], date],
        worker_id: str,
        elsewhere: HeardElsewhere | None,
        credited: HeardCredit | None = None,
    ) -> None:
        self._links, self._clock, self._elsewhere, self._credited = links, clock, elsewhere, credited
        self._business_day, self._worker_id = business_day, worker_id

    async def hear(self, tx: Tx, rows: Sequence[Any]) -> None:
        """Apply these calls, which nobody else looks at until `tx` ends, and note what became of each."""
        now = self._clock.now()
        heard: list[tuple[UUID, list[_Said]]] = []
        over: list[_Over] = []
        for row in rows:
            try:
                link = await self._links.get(tx.tenant, row.connection_id)
                if link.files is not None:
                    told = await self._hear_file(tx, row, link, link.files)
                    over.append(_over(row.event_id, told, now))
                else:
                    heard.append((row.event_id, _read(link, row)))
            except LinkDown as fault:
                over.append(_Over(row.event_id, "received", {"waiting": str(fault)}, now + LATER))
            except RailAnswerUnreadable as fault:
                over.append(_Over(row.event_id, "unreadable", {"unreadable": str(fault)}, now))
            except Unforeseen as fault:
                # It stays as it came, to be looked at once more by `replay`; the other calls are not held up by it.
                over.append(_Over(row.event_id, "unreadable", {"unforeseen": str(fault)}, now))
        await self._tell_of_credits(tx, [one for _, each in heard for one in each if one.made is None], now)
        said = [one for _, each in heard for one in each if one.made is None]
        await self._find(tx, said, now)
        await self._ask(tx, [one for one in said if one.made is None and not _counts(one)], now)
        await self._record(tx, [one for one in said if one.made is None], now)
        over += [_over(event_id, [one.made or "" for one in each], now) for event_id, each in heard]
        await tx.execute(
            store.SQL.set_provider_events,
            tenant=tx.tenant,
            event_id=UuidArray.of([one.event_id for one in over]),
            state=TextArray.of([one.state for one in over]),
            outcome=JsonbArray.of([msgspec.json.encode(one.outcome) for one in over]),
            after=TimestampArray.of([one.after for one in over]),
        )

    async def _hear_file(self, tx: Tx, row: Any, link: Link, files: FileConnector) -> Sequence[Any]:
        """Apply a file that a bank sent. Raises: RailAnswerUnreadable."""
        if not row.authentic:
            return ["rejected"]
        now, today = self._clock.now(), self._business_day(tx.tenant)
        return await hear_file(tx, link, files, bytes(row.body), now=now, today=today, actor=self._worker_id)

    async def _tell_of_credits(self, tx: Tx, said: Sequence[_Said], now: datetime) -> None:
        """Money that came in is no attempt of ours, whatever it is called."""
        for one in said:
            if self._credited is not None and one.event.kind is EventKind.CREDIT:
                credit = one.event.credit
                credit_id = (credit.credit_id if credit is not None else one.event.result.provider_ref) or one.event.key
                one.made = await self._credited(tx, one.link.connection_id, credit_id, now=now)

    async def _find(self, tx: Tx, said: Sequence[_Said], now: datetime) -> None:
        """Find the attempts that these are about. Where there is none, whatever is said only makes somebody ask."""
        refs: dict[UUID, set[str]] = {}
        for one in said:
            refs.setdefault(one.link.connection_id, set()).add(one.ref)
        found: dict[tuple[UUID, str], UUID] = {}
        for connection_id, wanted in refs.items():
            rows = await tx.all(
                store.SQL.attempts_by_ref, tenant=tx.tenant, connection=connection_id, refs=sorted(wanted)
            )
            found.update({(connection_id, row.our_ref): row.attempt_id for row in rows})
        for one in said:
            one.attempt_id = found.get((one.link.connection_id, one.ref))
            if one.attempt_id is None:
                told = self._elsewhere and await self._elsewhere(tx, one.link.connection_id, one.ref, now=now)
                one.made = told or "no_attempt"

    async def _ask(self, tx: Tx, hints: Sequence[_Said], now: datetime) -> None:
        """A hint makes us ask: the answer to our question counts."""
        # The rail's name for it is taken from the first call that has one, and only from calls at an address of ours.
        names: dict[UUID, str | None] = {}
        for one in hints:
            assert one.attempt_id is not None
            name = one.event.result.provider_ref if one.callback.authentic else None
            names[one.attempt_id] = names.get(one.attempt_id) or name
            one.made = "asked"
        if names:
            await tx.execute(
                store.SQL.ask_now,
                tenant=tx.tenant,
                now=now,
                attempts=UuidArray.of(list(names)),
                provider_refs=TextArray.of(list(names.values())),
            )

    async def _record(self, tx: Tx, said: Sequence[_Said], now: datetime) -> None:
        evidence: list[Evidence] = []
        for one in said:
            assert one.attempt_id is not None
            phase = "query" if one.event.kind is EventKind.QUERY_RESULT else "callback"
            code_class = one.link.connector.codes()[phase].find(one.event.result.answer.code).code_class
            result = replace(one.event.result, our_ref=one.ref)
            evidence.append(
                Evidence(one.attempt_id, result, Source.CALLBACK, code_class, one.link.policy, self._worker_id)
            )
        recorded = await outcomes.record(tx, evidence, now=now, today=self._business_day(tx.tenant))
        for one, done in zip(said, recorded, strict=True):
            one.made = "no_attempt" if done is None else done.attempt.value


class Unforeseen(Exception):
    """A connector failed at what it was sent, in a way nobody foresaw."""


def _read(link: Link, row: Any) -> list[_Said]:
    """What a call says. Raises: RailAnswerUnreadable, Unforeseen."""
    callback = Callback(row.body, row.headers, row.purpose, row.ref, row.authentic, row.received_at)
    try:
        events = list(link.connector.read_callback(link.context, callback))
    except RailAnswerUnreadable:
        raise
    except Exception as error:
        log.exception("a call could not be read in a way nobody foresaw", rail=link.rail, call=str(row.event_id))
        raise Unforeseen(type(error).__name__) from error
    return [
        _Said(
            link,
            callback,
            event,
            event.result.our_ref or callback.ref,
            "rejected" if event.trust is Trust.REJECTED else None,
        )
        for event in events
    ]


def _counts(one: _Said) -> bool:
    """Whether it is evidence by itself, not only a hint."""
    return one.event.trust is not Trust.HINT and one.event.kind in (EventKind.PAYOUT_RESULT, EventKind.QUERY_RESULT)


def _over(event_id: UUID, told: Sequence[Any], now: datetime) -> _Over:
    rejected = bool(told) and all(one == "rejected" for one in told)
    return _Over(event_id, "rejected" if rejected else "processed", {"told": list(told)}, now)
