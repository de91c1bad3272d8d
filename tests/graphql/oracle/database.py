"""A world in PostgreSQL, in a schema of its own, and its metadata."""

import json
from decimal import Decimal
from itertools import count
from typing import Any

from psycopg import sql

from omniroute.graphql import Engine, Metadata, parse_metadata
from omniroute.infra.postgres import Database
from tests.graphql.oracle.conditions import as_filter
from tests.graphql.oracle.kinds import KINDS, MOODS, STATES, Value
from tests.graphql.oracle.rights import Select, Write
from tests.graphql.oracle.worlds import INHERITED, ROLES, Column, Link, Rows, Table, World

_NUMBERS = count(1)


async def build(owner: Database, app: Database, world: World) -> tuple[Engine, str]:
    """Make the tables, fill them, and open an engine. The schema of the world before it goes."""
    number = next(_NUMBERS)
    schema = f"w{number}"
    parts = [f"DROP SCHEMA IF EXISTS w{number - 1} CASCADE; CREATE SCHEMA {schema};"]
    parts += [f"CREATE TYPE {schema}.mood AS ENUM ({', '.join(map(_quoted, MOODS))});"]
    parts += [f"CREATE TABLE {schema}.state (value text PRIMARY KEY);"]
    parts += [f"INSERT INTO {schema}.state VALUES {', '.join(f'({_quoted(one)})' for one in STATES)};"]
    parts += [_created(schema, table) for table in world.tables.values()]
    parts += [_filled(schema, table, world.rows) for table in world.tables.values()]
    parts += [f"GRANT USAGE ON SCHEMA {schema} TO omniroute_app;"]
    parts += [f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO omniroute_app;"]
    async with owner.connection() as connection:
        await connection.execute(("SET ROLE NONE;" + "".join(parts) + "SET ROLE omniroute_owner").encode())
    return await Engine.open(app, metadata(world.tables, schema)), schema


def _quoted(text: str) -> str:
    return sql.Literal(text).as_string(None)


def literal(column: Column, value: Value, schema: str) -> str:
    """A value as SQL writes it."""
    kind = KINDS[column.kind].sql.format(schema=schema).partition(" COLLATE")[0]
    if value is None:
        return f"NULL::{kind}"
    if isinstance(value, dict):
        return f"{_quoted(json.dumps(value))}::{kind}"
    if isinstance(value, list):
        return f"ARRAY[{', '.join(map(_quoted, value))}]::{kind}"
    return f"{_quoted(str(value))}::{kind}"


def _created(schema: str, table: Table) -> str:
    parts = []
    for one in table.columns:
        default = "" if one.default is None else f" DEFAULT {literal(one, one.default, schema)}"
        null = "" if one.nullable else " NOT NULL"
        parts.append(f"{one.name} {KINDS[one.kind].sql.format(schema=schema)}{default}{null}")
        if one.kind == "state":
            parts.append(f"FOREIGN KEY ({one.name}) REFERENCES {schema}.state")
    for name, columns in table.unique.items():
        word = "PRIMARY KEY" if name.endswith("_pkey") else "UNIQUE"
        parts.append(f"CONSTRAINT {name} {word} ({', '.join(columns)})")
    parts += [f"FOREIGN KEY ({', '.join(key.columns)}) REFERENCES {schema}.{key.target}" for key in table.keys]
    return f"CREATE TABLE {schema}.{table.name} ({', '.join(parts)});"


def _filled(schema: str, table: Table, rows: Rows) -> str:
    listed = [
        f"({', '.join(literal(one, row[one.name], schema) for one in table.columns)})" for row in rows[table.name]
    ]
    return f"INSERT INTO {schema}.{table.name} VALUES {', '.join(listed)};" if listed else ""


async def stored(owner: Database, schema: str, tables: dict[str, Table]) -> Rows:
    """What is in the tables now, in the order of their keys."""
    found: Rows = {}
    async with owner.connection() as connection:
        await connection.execute(b"SET ROLE NONE")
        for table in tables.values():
            cursor = await connection.execute(
                f"SELECT coalesce(json_agg(t), '[]')::text FROM {schema}.{table.name} AS t".encode()
            )
            row = await cursor.fetchone()
            assert row is not None
            text = row[0]
            rows = json.loads(text, parse_float=Decimal)
            found[table.name] = sorted(rows, key=lambda row: [row[one] for one in table.primary])
        await connection.execute(b"SET ROLE omniroute_owner")
    return found


# Metadata.


def metadata(tables: dict[str, Table], schema: str) -> Metadata:
    """What the roles may do, as Hasura writes it."""
    listed = [_table(table, schema) for table in tables.values()]
    listed.append(
        {"table": {"schema": schema, "name": "state"}, "is_enum": True, "configuration": {"custom_name": "state"}}
    )
    document = {
        "version": 3,
        "sources": [{"name": "default", "kind": "postgres", "tables": listed}],
        "inherited_roles": [{"role_name": INHERITED, "role_set": list(ROLES)}],
    }
    found, problems = parse_metadata(document)
    assert problems == ()
    return found


def _table(table: Table, schema: str) -> dict[str, Any]:
    permissions: dict[str, list[Any]] = {}
    for role, rights in table.rights.items():
        for verb, right in rights.items():
            one = {"role": role, "permission": _permission(verb, right, schema)}
            permissions.setdefault(f"{verb}_permissions", []).append(one)
    names = {one.name: one.field for one in table.columns if one.field != one.name}
    return {
        "table": {"schema": schema, "name": table.name},
        "configuration": {"custom_name": table.name, "custom_column_names": names},
        "object_relationships": [_link(one, schema) for one in table.links if not one.is_array],
        "array_relationships": [_link(one, schema) for one in table.links if one.is_array],
        **permissions,
    }


def _link(link: Link, schema: str) -> dict[str, Any]:
    target = {"schema": schema, "name": link.target}
    if link.by == "manual":
        using: Any = {"manual_configuration": {"remote_table": target, "column_mapping": dict(link.pairs)}}
    elif link.is_array:
        using = {"foreign_key_constraint_on": {"columns": [theirs for _, theirs in link.pairs], "table": target}}
    else:
        using = {"foreign_key_constraint_on": [ours for ours, _ in link.pairs]}
    return {"name": link.name, "using": using}


def _permission(verb: str, right: Any, schema: str) -> dict[str, Any]:
    def said(condition: Any) -> Any:
        return json.loads(json.dumps(as_filter(condition)).replace('"SCHEMA"', f'"{schema}"'))

    if isinstance(right, Select):
        limit = {} if right.limit is None else {"limit": right.limit}
        return {
            "columns": list(right.columns),
            "filter": said(right.filter),
            "allow_aggregations": right.aggregates,
            **limit,
        }
    assert isinstance(right, Write)
    presets = {name: str(value) if isinstance(value, Decimal) else value for name, value in right.presets.items()}
    inner: dict[str, Any] = {}
    if verb != "delete":
        inner |= {"columns": list(right.columns), "check": said(right.check), "set": presets}
    if verb != "insert":
        inner["filter"] = said(right.filter)
    return inner
