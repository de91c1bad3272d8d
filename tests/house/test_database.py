"""Rules about the schema and the SQL, asked of the migrated database."""

import re
from typing import Any

import pytest

from omniroute.infra.postgres import Database, Query, load
from tests.house.tree import SOURCE

APPEND_ONLY = ("ledger_entry", "ledger_txn", "event_log", "audit_block")
PLACEHOLDER = re.compile(r"%\((\w+)\)([sbt])|%%")

QUERIES = [
    pytest.param(package, query, id=f"{package.removeprefix('omniroute.')}:{query.name}")
    for package, file in sorted(
        (".".join(["omniroute", *path.parent.relative_to(SOURCE).parts]), path.name)
        for path in SOURCE.rglob("queries*.sql")
    )
    for query in load(package, file).by_name.values()
]


def numbered(query: Query) -> str:
    """The statement with $1, $2 ... for its parameters, as the server takes it."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        return f"${names.setdefault(match[1], len(names) + 1)}"

    return PLACEHOLDER.sub(number, query.text.decode())


@pytest.mark.parametrize(("package", "query"), QUERIES)
async def test_every_query_fits_the_schema(owner_db: Database, package: str, query: Query) -> None:
    async with owner_db.tx() as tx:
        await tx.connection.execute(f"PREPARE looked_at AS {numbered(query)}".encode())
        await tx.connection.execute("DEALLOCATE looked_at")


@pytest.mark.parametrize(("package", "query"), QUERIES)
def test_every_query_says_what_it_does(package: str, query: Query) -> None:
    assert query.doc


async def rows(db: Database, text: str) -> list[Any]:
    async with db.tx() as tx:
        return await (await tx.connection.execute(text.encode())).fetchall()


TENANT_TABLES = """
    SELECT c.oid, c.relname::text AS name, c.relrowsecurity AS guarded
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'omniroute'
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
     ORDER BY c.relname
"""


async def test_tenant_tables_start_their_key_with_the_tenant(owner_db: Database) -> None:
    keys = await rows(
        owner_db,
        f"""SELECT t.name, (SELECT a.attname::text FROM pg_index i
                              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                             WHERE i.indrelid = t.oid AND i.indisprimary) AS first
              FROM ({TENANT_TABLES}) t""",
    )
    assert len(keys) > 5
    assert [key.name for key in keys if key.first != "tenant_id"] == []


async def test_tenant_tables_have_row_level_security(owner_db: Database) -> None:
    found = await rows(
        owner_db,
        f"""SELECT t.name, t.guarded,
                   (SELECT count(*) FROM pg_policy p WHERE p.polrelid = t.oid) AS policies
              FROM ({TENANT_TABLES}) t""",
    )
    assert [row.name for row in found if not row.guarded or not row.policies] == []


async def test_every_policy_names_its_roles_and_what_the_doors_see_names_the_tenant(owner_db: Database) -> None:
    found = await rows(
        owner_db,
        """SELECT tablename::text AS name, policyname::text AS policy, roles::text[] AS roles, permissive::text AS kind,
                  coalesce(qual, '') || coalesce(with_check, '') AS rule
             FROM pg_policies WHERE schemaname = 'omniroute'""",
    )
    assert found
    assert [row.policy for row in found if "public" in row.roles] == []
    opening = [row for row in found if "omniroute_app" in row.roles and row.kind == "PERMISSIVE"]
    assert [row.policy for row in opening if "current_tenant" not in row.rule] == []


async def test_every_constraint_and_index_has_a_name_of_its_own(owner_db: Database) -> None:
    # PostgreSQL makes up names such as account_amount_check, account_amount_check1 and account_code_key1.
    found = await rows(
        owner_db,
        """SELECT c.conname::text AS name FROM pg_constraint c
             JOIN pg_namespace n ON n.oid = c.connamespace AND n.nspname = 'omniroute'
            WHERE c.conname ~ '_(check|fkey|excl|key)[0-9]+$' AND c.conparentid = 0""",
    )
    assert [row.name for row in found] == []


async def test_functions_with_the_owners_rights_cannot_be_led_astray(owner_db: Database) -> None:
    found = await rows(
        owner_db,
        """SELECT p.proname::text AS name, pg_get_userbyid(p.proowner)::text AS owner,
                  coalesce(array_to_string(p.proconfig, ';'), '') AS settings,
                  has_function_privilege('public', p.oid, 'EXECUTE') AS for_everybody
             FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'omniroute'
            WHERE p.prosecdef""",
    )
    assert [row.name for row in found if row.owner != "omniroute_owner"] == []
    assert [row.name for row in found if "search_path=omniroute, pg_temp" not in row.settings.replace('"', "")] == []
    assert [row.name for row in found if row.for_everybody] == []


async def test_the_doors_cannot_change_history(owner_db: Database) -> None:
    found = await rows(
        owner_db,
        """SELECT c.relname::text AS name, right_name
             FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'omniroute',
                  unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS right_name,
                  unnest(ARRAY['omniroute_app', 'omniroute_worker']) AS role_name
            WHERE c.relname IN ('ledger_entry', 'ledger_txn', 'event_log', 'audit_block')
              AND has_table_privilege(role_name, c.oid, right_name)""",
    )
    assert found == []
    present = await rows(owner_db, "SELECT relname::text AS name FROM pg_class WHERE relkind IN ('r', 'p')")
    assert set(APPEND_ONLY) - {row.name for row in present} == set()


async def test_our_roles_cannot_pass_row_level_security(owner_db: Database) -> None:
    found = await rows(
        owner_db,
        """SELECT rolname::text AS name, rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication AS mighty
             FROM pg_roles WHERE rolname LIKE 'omniroute\\_%'""",
    )
    assert {row.name for row in found} >= {"omniroute_owner", "omniroute_app", "omniroute_worker"}
    assert [row.name for row in found if row.mighty] == []


async def test_times_carry_a_zone_and_money_is_whole(owner_db: Database) -> None:
    found = await rows(
        owner_db,
        """SELECT c.relname || '.' || a.attname AS name, format_type(a.atttypid, a.atttypmod) AS kind
             FROM pg_attribute a
             JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
             JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'omniroute'
            WHERE a.attnum > 0 AND NOT a.attisdropped""",
    )
    banned = {"timestamp without time zone", "real", "double precision", "money", "json"}
    assert [row.name for row in found if row.kind in banned] == []
    whole = re.compile(r"bigint(\[\])?|numeric(\(\d+(,0)?\))?")  # Sums of bigints may pass 2^63.
    amounts = [row for row in found if row.name.endswith("_minor")]
    assert len(amounts) > 10
    assert [(row.name, row.kind) for row in amounts if not whole.fullmatch(row.kind)] == []


async def test_everything_belongs_to_the_owner(owner_db: Database) -> None:
    found = await rows(
        owner_db,
        """SELECT c.relname::text AS name FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'omniroute'
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND pg_get_userbyid(c.relowner) <> 'omniroute_owner'""",
    )
    assert [row.name for row in found] == []
