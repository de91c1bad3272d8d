"""The triggers of the metadata, ready to be used, and which events of the log change rows of a table."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from omniroute.graphql.calling import Calls
from omniroute.graphql.metadata.tree import CronTrigger, EventTrigger, Metadata, Name, Problem
from omniroute.graphql.model.tables import Model
from omniroute.graphql.triggers.schedule import BadSchedule, Schedule, read_schedule

Op = Literal["INSERT", "UPDATE", "DELETE"]

RETRIES_MAX = 1_000
SECONDS_MAX = 86_400


@dataclass(frozen=True, slots=True)
class RowEvents:
    """Which events of the log change the rows of a tracked table. Types may end with a star.

    `key`: the column that an event's subject names. `known`: columns whose value an event tells, and the member of its
    data that does; what a row was before and after is known of these alone.
    """

    table: Name
    inserts: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    key: str = "id"
    known: Mapping[str, str] = field(default_factory=dict)

    @property
    def types(self) -> tuple[str, ...]:
        return (*self.inserts, *self.updates, *self.deletes)

    def op(self, event_type: str) -> Op | None:
        """What an event did to the row; None: nothing."""
        for op, types in (("INSERT", self.inserts), ("DELETE", self.deletes), ("UPDATE", self.updates)):
            if any(event_type.startswith(one[:-1]) if one.endswith("*") else event_type == one for one in types):
                return op  # type: ignore[return-value]  # One of the three.
        return None

    def told(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The columns an event tells of."""
        return {column: data[member] for column, member in self.known.items() if member in data}


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, how long apart, and how long an attempt may take."""

    retries: int = 0
    interval_s: int = 10
    timeout_s: int = 60
    tolerance_s: int = 21_600


@dataclass(frozen=True, slots=True)
class Listened:
    """One operation of an event trigger. None: all columns. `payload`: the columns that are sent."""

    columns: frozenset[str] | None
    payload: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Trigger:
    """An event trigger of a table."""

    name: str
    table: Name
    ops: Mapping[Op, Listened]
    is_manual: bool
    address: str
    headers: tuple[Mapping[str, Any], ...]
    retry: Retry


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron trigger."""

    name: str
    schedule: Schedule
    address: str
    payload: Any
    comment: str | None
    headers: tuple[Mapping[str, Any], ...]
    retry: Retry


def read_triggers(metadata: Metadata) -> tuple[Trigger, ...]:
    """The event triggers this engine serves."""
    wrong = {one.where for one in check_triggers(metadata)}
    return tuple(
        _trigger(table.name, one)
        for source in metadata.sources[:1]
        for table in source.tables
        for one in table.event_triggers
        if _where(table.name, one) not in wrong
    )


def read_crons(metadata: Metadata) -> tuple[Cron, ...]:
    """The cron triggers this engine serves."""
    wrong = {one.where for one in check_triggers(metadata)}
    return tuple(
        Cron(
            one.name,
            read_schedule(one.schedule),
            one.webhook,
            one.payload,
            one.comment,
            one.headers,
            _retry(one.retry, "retry_interval_seconds", "timeout_seconds"),
        )
        for one in metadata.cron_triggers
        if f"cron trigger {one.name}" not in wrong
    )


def check_triggers(metadata: Metadata, model: Model | None = None) -> Iterator[Problem]:
    """What of the triggers is wrong or not served; those are left out."""
    names: set[str] = set()
    for source in metadata.sources[:1]:
        for table in source.tables:
            for one in table.event_triggers:
                where = _where(table.name, one)
                if one.name in names:
                    yield Problem(where, "has the name of another one", is_wrong=True)
                names.add(one.name)
                yield from _check_trigger(where, table.name, one, model)
    for cron in metadata.cron_triggers:
        yield from _check_cron(f"cron trigger {cron.name}", cron)


def unheard(metadata: Metadata, sources: Iterable[RowEvents]) -> Iterator[Problem]:
    """Event triggers of tables of which no event tells: they never fire by themselves."""
    known = {one.table for one in sources}
    for trigger in read_triggers(metadata):
        if trigger.ops and trigger.table not in known:
            yield Problem(f"table {trigger.table} event trigger {trigger.name}", "no event tells of this table's rows")


def missing(calls: Calls, metadata: Metadata) -> Iterator[Problem]:
    """Triggers that need a variable without a value."""
    known: tuple[Trigger | Cron, ...] = (*read_triggers(metadata), *read_crons(metadata))
    for one in known:
        name = calls.missing(one.address, one.headers)
        if name is not None:
            yield Problem(f"trigger {one.name}", f"the variable {name} is not set")


def _where(table: Name, one: EventTrigger) -> str:
    return f"table {table} event trigger {one.name}"


def _check_trigger(where: str, table: Name, one: EventTrigger, model: Model | None) -> Iterator[Problem]:
    for key in one.transforms:
        yield Problem(where, f"{key} is not served; the trigger is left out")
    if bool(one.webhook) == bool(one.webhook_from_env):
        yield Problem(where, "needs webhook, or webhook_from_env", is_wrong=True)
    unknown = sorted(one.definition.keys() - {"enable_manual", "insert", "update", "delete"})
    if unknown:
        yield Problem(where, f"{unknown[0]} is not known; the trigger is left out")
    yield from _check_headers(where, one.headers)
    yield from _check_retry(where, one.retry, {"num_retries", "interval_sec", "timeout_sec", "tolerance_seconds"})
    tracked = model.tables.get(table) if model else None
    for op in ("insert", "update", "delete"):
        listened = one.definition.get(op)
        for key in ("columns", "payload"):
            value = listened.get(key, "*") if isinstance(listened, Mapping) else "*"
            if value != "*" and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
                yield Problem(where, f"{op}.{key} must be a list of columns, or *", is_wrong=True)
            elif tracked is not None and value != "*":
                absent = sorted(set(value) - tracked.relation.columns.keys())
                if absent:
                    yield Problem(where, f"names columns that do not exist: {', '.join(absent)}", is_wrong=True)


def _check_cron(where: str, one: CronTrigger) -> Iterator[Problem]:
    for key in one.transforms:
        yield Problem(where, f"{key} is not served; the trigger is left out")
    try:
        read_schedule(one.schedule)
    except BadSchedule as error:
        yield Problem(where, str(error), is_wrong=True)
    yield from _check_headers(where, one.headers)
    yield from _check_retry(
        where, one.retry, {"num_retries", "retry_interval_seconds", "timeout_seconds", "tolerance_seconds"}
    )


def _check_headers(where: str, headers: Iterable[Mapping[str, Any]]) -> Iterator[Problem]:
    if any("name" not in one or not ({"value", "value_from_env"} & one.keys()) for one in headers):
        yield Problem(where, "a header needs a name, and a value or value_from_env", is_wrong=True)


def _check_retry(where: str, retry: Mapping[str, Any], known: set[str]) -> Iterator[Problem]:
    for name, value in retry.items():
        if name not in known:
            yield Problem(where, f"retry_conf.{name} is not known; the trigger is left out")
        elif value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            yield Problem(where, f"retry_conf.{name} must be a whole number", is_wrong=True)


def _trigger(table: Name, one: EventTrigger) -> Trigger:
    ops: dict[Op, Listened] = {}
    for op in ("INSERT", "UPDATE", "DELETE"):
        listened = one.definition.get(op.lower())
        if isinstance(listened, Mapping):
            columns, payload = listened.get("columns", "*"), listened.get("payload", "*")
            ops[op] = Listened(
                # Only an update may be about some columns; of the others the list says what is sent.
                frozenset(columns) if op == "UPDATE" and columns != "*" else None,
                tuple(payload) if payload != "*" else tuple(columns) if op != "UPDATE" and columns != "*" else None,
            )
    address = one.webhook or "{{" + str(one.webhook_from_env) + "}}"
    is_manual = bool(one.definition.get("enable_manual"))
    return Trigger(
        one.name, table, ops, is_manual, address, one.headers, _retry(one.retry, "interval_sec", "timeout_sec")
    )


def _retry(given: Mapping[str, Any], interval: str, timeout: str) -> Retry:
    usual = Retry()

    def number(name: str, otherwise: int, high: int) -> int:
        value = given.get(name)
        return otherwise if value is None else min(int(value), high)

    return Retry(
        number("num_retries", usual.retries, RETRIES_MAX),
        max(1, number(interval, usual.interval_s, SECONDS_MAX)),
        max(1, number(timeout, usual.timeout_s, SECONDS_MAX)),
        number("tolerance_seconds", usual.tolerance_s, 30 * SECONDS_MAX),
    )
