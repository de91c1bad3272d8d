"""A small shop of our own for the tests: merchants, their payments, tags, an enum table, a view, functions."""

import json
from typing import Any

from psycopg.types.json import Jsonb

from omniroute.graphql import Engine, Metadata, Session, execute, parse_metadata
from omniroute.infra.postgres import Database

SCHEMA = b"""
CREATE SCHEMA shop AUTHORIZATION omniroute_owner;
SET ROLE omniroute_owner;
CREATE TYPE shop.rail AS ENUM ('nip', 'mpesa', 'card');
CREATE TABLE shop.status (value text PRIMARY KEY, comment text);
INSERT INTO shop.status VALUES ('PENDING', 'on its way'), ('CONFIRMED', NULL), ('FAILED', 'did not arrive');
CREATE TABLE shop.merchant (
    id uuid PRIMARY KEY, name text COLLATE "C" NOT NULL, city varchar(40) COLLATE "C", owner_id text NOT NULL,
    parent_id uuid REFERENCES shop.merchant (id), is_active boolean NOT NULL DEFAULT true);
CREATE TABLE shop.payment (
    id bigint PRIMARY KEY, merchant_id uuid NOT NULL REFERENCES shop.merchant (id),
    reference text COLLATE "C" NOT NULL, narration text COLLATE "C", amount numeric NOT NULL, fee bigint,
    currency char(3) NOT NULL DEFAULT 'NGN', rail shop.rail NOT NULL, status text NOT NULL REFERENCES shop.status,
    tries integer, risk double precision, due_on date, created_at timestamptz NOT NULL,
    details jsonb, labels text[] NOT NULL DEFAULT '{}');
CREATE VIEW shop.confirmed AS SELECT id, merchant_id, amount FROM shop.payment WHERE status = 'CONFIRMED';
CREATE FUNCTION shop.payment_net(p shop.payment) RETURNS numeric LANGUAGE sql STABLE
    AS $$ SELECT p.amount - coalesce(p.fee, 0) $$;
CREATE FUNCTION shop.payment_with_tax(p shop.payment, percent integer DEFAULT 10) RETURNS numeric LANGUAGE sql STABLE
    AS $$ SELECT p.amount * (100 + percent) / 100 $$;
CREATE FUNCTION shop.large_payments(m shop.merchant, at_least numeric) RETURNS SETOF shop.payment LANGUAGE sql STABLE
    AS $$ SELECT * FROM shop.payment WHERE merchant_id = m.id AND amount >= at_least $$;
CREATE FUNCTION shop.search_payments(term text, session json DEFAULT NULL) RETURNS SETOF shop.payment
    LANGUAGE sql STABLE AS $$ SELECT * FROM shop.payment WHERE reference LIKE '%' || term || '%' $$;
CREATE FUNCTION shop.largest_payment(above numeric DEFAULT 0) RETURNS shop.payment LANGUAGE sql STABLE
    AS $$ SELECT * FROM shop.payment WHERE amount > above ORDER BY amount DESC, id LIMIT 1 $$;
CREATE FUNCTION shop.break_payments() RETURNS SETOF shop.payment LANGUAGE sql VOLATILE
    AS $$ UPDATE shop.payment SET amount = 0 RETURNING * $$;
GRANT USAGE ON SCHEMA shop TO omniroute_app;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO omniroute_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA shop TO omniroute_app;
RESET ROLE;
"""

MERCHANTS = [
    ("00000000-0000-7000-8000-000000000001", "Adeola Stores", "Lagos", "u1", None, True),
    (
        "00000000-0000-7000-8000-000000000002",
        "Bello & Sons",
        "Kano",
        "u2",
        "00000000-0000-7000-8000-000000000001",
        True,
    ),
    ("00000000-0000-7000-8000-000000000003", "Chidi's", None, "u1", "00000000-0000-7000-8000-000000000002", False),
]

COLUMNS = (
    "id", "merchant_id", "reference", "narration", "amount", "fee", "currency", "rail",
    "status", "tries", "risk", "due_on", "created_at", "details", "labels",
)  # fmt: skip


def payment(number: int, merchant: int, amount: str, **more: Any) -> dict[str, Any]:
    """A payment with the usual values where none are given."""
    usual = {
        "id": number, "merchant_id": MERCHANTS[merchant - 1][0], "reference": f"PAY-{number}", "narration": None,
        "amount": amount, "fee": None, "currency": "NGN", "rail": "nip", "status": "PENDING", "tries": None,
        "risk": None, "due_on": None, "created_at": f"2026-01-{number:02}T08:00:00+00:00", "details": None,
        "labels": [],
    }  # fmt: skip
    return usual | more


PAYMENTS = [
    payment(1, 1, "1000.50", narration="Rice, 10 bags", fee=100, status="CONFIRMED", tries=1, risk=0.5,
            due_on="2026-02-01", details={"channel": "app", "lines": [{"sku": "RICE"}]}, labels=["food", "bulk"]),
    payment(2, 1, "250", narration="rice and beans", fee=9007199254740993, rail="mpesa", status="FAILED", tries=3,
            details={"channel": "ussd", "retry": True}, labels=["food"]),
    payment(3, 2, "99.99", narration="100% cocoa_butter", fee=0, rail="card", currency="KES", tries=1, risk=1.5,
            due_on="2026-03-01", details={}, labels=[]),
    payment(4, 2, "1000.50", status="CONFIRMED", fee=50, tries=2, due_on="2026-02-01", labels=["bulk"]),
    payment(5, 3, "0", narration="", rail="card", risk=-1.25, details={"channel": "app"}),
]  # fmt: skip

METADATA: dict[str, Any] = {
    "version": 3,
    "sources": [{
        "name": "default", "kind": "postgres",
        "tables": [
            {
                "table": {"schema": "shop", "name": "merchant"},
                "configuration": {"custom_name": "merchants", "custom_column_names": {"owner_id": "owner"}},
                "object_relationships": [{"name": "parent", "using": {"foreign_key_constraint_on": "parent_id"}}],
                "array_relationships": [
                    {"name": "payments", "using": {"foreign_key_constraint_on": {
                        "column": "merchant_id", "table": {"schema": "shop", "name": "payment"}}}},
                    {"name": "children", "using": {"foreign_key_constraint_on": {
                        "column": "parent_id", "table": {"schema": "shop", "name": "merchant"}}}},
                ],
                "computed_fields": [{"name": "large", "definition": {
                    "function": {"schema": "shop", "name": "large_payments"}}}],
                "select_permissions": [
                    {"role": "user", "permission": {"columns": ["id", "name", "city", "parent_id"],
                     "filter": {"owner_id": {"_eq": "X-Hasura-User-Id"}}}},
                    {"role": "auditor", "permission": {"columns": "*", "filter": {}, "allow_aggregations": True}},
                ],
            },
            {
                "table": {"schema": "shop", "name": "payment"},
                "configuration": {"custom_name": "payments", "custom_root_fields": {"select_by_pk": "payment"}},
                "object_relationships": [
                    {"name": "merchant", "using": {"foreign_key_constraint_on": "merchant_id"}},
                    {"name": "confirmed", "using": {"manual_configuration": {
                        "remote_table": {"schema": "shop", "name": "confirmed"}, "column_mapping": {"id": "id"}}}},
                ],
                "computed_fields": [
                    {"name": "net", "definition": {"function": {"schema": "shop", "name": "payment_net"}}},
                    {"name": "with_tax", "definition": {"function": {"schema": "shop", "name": "payment_with_tax"}}},
                ],
                "select_permissions": [
                    {"role": "user", "permission": {
                        "columns": ["id", "reference", "amount", "status", "merchant_id"], "limit": 2,
                        "filter": {"merchant": {"owner_id": {"_eq": "X-Hasura-User-Id"}}}}},
                    {"role": "auditor", "permission": {"columns": "*", "computed_fields": ["net", "with_tax"],
                     "filter": {}, "allow_aggregations": True}},
                    {"role": "clerk", "permission": {"columns": ["id", "amount", "narration"],
                     "filter": {"status": {"_eq": "CONFIRMED"}}, "limit": 1, "allow_aggregations": True}},
                    {"role": "rails", "permission": {"columns": ["id", "rail"],
                     "filter": {"rail": {"_in": "X-Hasura-Rails"}}}},
                    {"role": "watcher", "permission": {"columns": ["id"], "filter": {"_exists": {
                        "_table": {"schema": "shop", "name": "merchant"},
                        "_where": {"owner_id": {"_eq": "X-Hasura-User-Id"}}}}}},
                ],
            },
            {"table": {"schema": "shop", "name": "confirmed"}, "select_permissions": [
                {"role": "auditor", "permission": {"columns": "*", "filter": {}}}]},
            {"table": {"schema": "shop", "name": "status"}, "is_enum": True},
        ],
        "functions": [
            {"function": {"schema": "shop", "name": "search_payments"}, "configuration": {
                "custom_name": "search_payments", "session_argument": "session"}},
            {"function": {"schema": "shop", "name": "largest_payment"}, "configuration": {
                "custom_name": "largest_payment"}},
            {"function": {"schema": "shop", "name": "break_payments"}, "configuration": {
                "custom_name": "break_payments", "exposed_as": "query"}},
        ],
    }],
    "inherited_roles": [{"role_name": "both", "role_set": ["clerk", "rails"]}],
    "graphql_schema_introspection": {"disabled_for_roles": ["watcher"]},
    "api_limits": {"disabled": False, "depth_limit": {"per_role": {"watcher": 3}}},
}  # fmt: skip


def metadata(document: dict[str, Any] | None = None) -> Metadata:
    """The shop's metadata, which has nothing wrong in it."""
    found, problems = parse_metadata(document or METADATA)
    assert [str(one) for one in problems] == []
    return found


async def open_shop(owner: Database) -> None:
    """Make the shop in this database and fill it."""
    async with owner.connection() as connection:
        await connection.execute(b"SET ROLE NONE")
        await connection.execute(SCHEMA)
        await connection.execute(b"SET ROLE omniroute_owner")
        async with connection.cursor() as cursor:
            await cursor.executemany(b"INSERT INTO shop.merchant VALUES (%s, %s, %s, %s, %s, %s)", MERCHANTS)
            rows = [one | {"details": one["details"] and Jsonb(one["details"])} for one in PAYMENTS]
            rows[2]["details"] = Jsonb({})
            marks = ", ".join(f"%({name})s" for name in COLUMNS)
            await cursor.executemany(f"INSERT INTO shop.payment VALUES ({marks})".encode(), rows)


class Asker:
    """Asks the engine and reads the answer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def __call__(self, document: str, role: str = "auditor", *, session: dict[str, str] | None = None,
                       name: str | None = None, **variables: Any) -> Any:  # fmt: skip
        """The data of an answer without errors."""
        answer = await execute(
            self.engine,
            role,
            Session(variables={"x-hasura-user-id": "u1"} | (session or {})),
            document,
            variables,
            name,
        )
        assert answer.errors == (), answer.body
        return json.loads(answer.body)["data"]

    async def refused(self, document: str, role: str = "auditor", *, name: str | None = None,
                      session: dict[str, str] | None = None, **variables: Any) -> tuple[str, str, str]:  # fmt: skip
        """Message, path and code of the error of an answer without data."""
        answer = await execute(self.engine, role, Session(variables=session or {}), document, variables, name)
        assert answer.data is None, answer.body
        [error] = answer.errors
        return error.message, error.path, error.code
