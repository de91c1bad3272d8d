"""What PostgreSQL says about the tracked tables and functions: types, keys, nullability, arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg import sql

from omniroute.graphql.metadata.tree import Metadata, Name
from omniroute.infra.postgres import Database, load

Q = load("omniroute.graphql")


@dataclass(frozen=True, slots=True)
class PgType:
    """A type of a value; of its elements for an array. Domains are seen as the type under them."""

    schema: str
    name: str
    is_array: bool = False
    is_enum: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table or view. Columns of views always count as nullable: PostgreSQL does not know better."""

    name: str
    type: PgType
    nullable: bool
    comment: str | None = None
    is_written: bool = True
    """False for what PostgreSQL computes itself, and for columns of a view that are not a table's."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns of ours and those of the other table they point to, pairwise."""

    columns: tuple[str, ...]
    remote: Name
    remote_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view as the database knows it."""

    name: Name
    columns: Mapping[str, Column]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    comment: str | None = None
    enum_values: tuple[tuple[str, str | None], ...] = ()
    """Of an enum table: values and their comments."""
    unique: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Primary key and unique constraints by name, with their columns."""
    writes: frozenset[str] = frozenset({"insert", "update", "delete"})
    """What PostgreSQL can do to its rows; a view may allow none of it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of a function. `row_of` names the table when it takes a row."""

    name: str
    type: PgType
    row_of: Name | None
    has_default: bool


@dataclass(frozen=True, slots=True)
class Routine:
    """A function. `row_of` names the table when it returns rows of one."""

    name: Name
    volatility: str
    returns_set: bool
    returns: PgType
    row_of: Name | None
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tracked part of a database. `overloaded` names functions that exist more than once."""

    relations: Mapping[Name, Relation]
    routines: Mapping[Name, Routine]
    overloaded: frozenset[Name] = field(default=frozenset())


async def read_catalog(db: Database, metadata: Metadata) -> Catalog:
    """Ask the database about everything the metadata tracks; what does not exist is simply absent."""
    tables = [table for source in metadata.sources for table in source.tables]
    names = [table.name for table in tables]
    functions = [function.name for source in metadata.sources for function in source.functions]
    functions += [computed.function for table in tables for computed in table.computed_fields]
    async with db.tx(readonly=True) as tx:
        columns = await tx.all(Q.list_columns, **_asked(names))
        keys = await tx.all(Q.list_keys, **_asked(names))
        routines = await tx.all(Q.list_functions, **_asked(functions))
        relations = _relations(columns, keys)
        for table in tables:
            if table.is_enum and table.name in relations:
                found = await tx.connection.execute(_enum_rows(relations[table.name]))
                values = tuple((str(row[0]), row[1]) for row in await found.fetchall())
                relations[table.name] = _with_values(relations[table.name], values)
    known: dict[Name, Routine] = {}
    twice = set()
    for row in routines:
        routine = _routine(row)
        if routine.name in known:
            twice.add(routine.name)
        known[routine.name] = routine
    return Catalog(relations, known, frozenset(twice))


def _asked(names: list[Name]) -> dict[str, list[str]]:
    return {"schemas": [name.schema for name in names], "names": [name.name for name in names]}


_WRITES = {4: "update", 8: "insert", 16: "delete"}
"""The bits of pg_relation_is_updatable."""


def _relations(columns: list[Any], keys: list[Any]) -> dict[Name, Relation]:
    found: dict[Name, dict[str, Column]] = {}
    comments: dict[Name, str | None] = {}
    writes: dict[Name, frozenset[str]] = {}
    for row in columns:
        name = Name(row.schema, row.name)
        kind = PgType(row.type_schema, row.type_name, row.is_array, row.type_kind == "e")
        found.setdefault(name, {})[row.column] = Column(row.column, kind, row.nullable, row.comment, row.is_written)
        comments[name] = row.table_comment
        writes[name] = frozenset(word for bit, word in _WRITES.items() if row.writes & bit)
    primary: dict[Name, tuple[str, ...]] = {}
    foreign: dict[Name, list[ForeignKey]] = {}
    unique: dict[Name, dict[str, tuple[str, ...]]] = {}
    for row in keys:
        name = Name(row.schema, row.name)
        if row.kind in ("p", "u"):
            unique.setdefault(name, {})[row.key] = tuple(row.columns)
        if row.kind == "p":
            primary[name] = tuple(row.columns)
        elif row.kind == "f":
            remote = Name(row.remote_schema, row.remote_name)
            foreign.setdefault(name, []).append(ForeignKey(tuple(row.columns), remote, tuple(row.remote_columns)))
    return {
        name: Relation(
            name,
            all_of,
            primary.get(name, ()),
            tuple(foreign.get(name, ())),
            comments[name],
            unique=unique.get(name, {}),
            writes=writes[name],
        )
        for name, all_of in found.items()
    }


def _enum_rows(relation: Relation) -> sql.Composed:
    """The values of an enum table: its key, and its other column as comments."""
    value = relation.primary_key[0] if relation.primary_key else next(iter(relation.columns))
    others = [name for name in relation.columns if name != value]
    comment = sql.Identifier(others[0]) if others else sql.SQL("NULL")
    return sql.SQL("SELECT {value}, {comment}::text FROM {table} ORDER BY {value}").format(
        value=sql.Identifier(value), comment=comment, table=sql.Identifier(relation.name.schema, relation.name.name)
    )


def _with_values(relation: Relation, values: tuple[tuple[str, str | None], ...]) -> Relation:
    return replace(relation, enum_values=values)


def _routine(row: Any) -> Routine:
    first_default = row.argument_count - row.default_count
    parameters = []
    for place, (schema, name, kind, element) in enumerate(
        zip(row.type_schemas, row.type_names, row.type_kinds, row.element_names, strict=True)
    ):
        parameters.append(
            Parameter(
                row.argument_names[place] if place < len(row.argument_names) else "",
                PgType(schema, element or name, bool(element), kind == "e"),
                Name(schema, name) if kind == "c" else None,
                place >= first_default,
            )
        )
    returns = (
        PgType(row.return_element_schema, row.return_element, True, row.return_element_kind == "e")
        if row.return_element
        else PgType(row.return_schema, row.return_name, False, row.return_kind == "e")
    )
    row_of = Name(row.return_schema, row.return_name) if row.return_kind == "c" else None
    return Routine(Name(row.schema, row.name), row.volatility, row.returns_set, returns, row_of, tuple(parameters))
