"""The views themselves: rights, names, figures."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from omniroute.app.rails import connectors
from omniroute.graphql import Metadata
from omniroute.infra.postgres import Database
from omniroute.kit.currency import EXPONENTS
from omniroute.kit.ids import show, uuid7
from omniroute.kit.money import decimal_text
from omniroute.money.payments import AttemptState, PaymentState, public_status
from tests.gateway.conftest import A1


async def rows(db: Database, text: str, *values: object) -> list[Any]:
    async with db.tx() as tx:
        return await (await tx.connection.execute(text.encode(), values)).fetchall()


async def test_every_view_asks_with_the_rights_of_the_caller_and_may_only_be_read(owner_db: Database) -> None:
    found = await rows(
        owner_db,
        """SELECT c.relname::text AS name, c.relkind::text AS kind, pg_get_userbyid(c.relowner)::text AS owner,
                  coalesce(c.reloptions @> '{security_invoker=true}', false) AS invoker,
                  has_table_privilege('omniroute_app', c.oid, 'SELECT') AS read,
                  has_table_privilege('omniroute_app', c.oid, 'INSERT,UPDATE,DELETE,TRUNCATE') AS written,
                  has_table_privilege('public', c.oid, 'SELECT') AS public
             FROM pg_class c WHERE c.relnamespace = 'gateway'::regnamespace AND c.relkind <> 'c'""",
    )
    assert len(found) > 20
    assert {(one.kind, one.owner, one.invoker, one.read, one.written, one.public) for one in found} == {
        ("v", "omniroute_owner", True, True, False, False)
    }
    functions = await rows(
        owner_db,
        """SELECT proname::text AS name FROM pg_proc WHERE pronamespace = 'gateway'::regnamespace
              AND (prosecdef OR has_function_privilege('public', oid, 'EXECUTE'))""",
    )
    assert functions == []


async def test_every_view_is_tracked_under_its_own_name(owner_db: Database, metadata: Metadata) -> None:
    found = await rows(
        owner_db,
        "SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'gateway'::regnamespace AND relkind = 'v'",
    )
    [source] = metadata.sources
    tracked = {table.name.name: table for table in source.tables}
    assert tracked.keys() == {one.name for one in found}
    assert {table.name.schema for table in source.tables} == {"gateway"}
    assert {name: table.custom_name for name, table in tracked.items()} == {name: name for name in tracked}
    for table in source.tables:
        assert (table.insert, table.update, table.delete) == ((), (), ()), "money moves by actions only"


async def test_a_name_of_several_words_has_a_camel_case_twin(owner_db: Database) -> None:
    found = await rows(
        owner_db,
        """SELECT c.relname::text AS view, a.attname::text AS name FROM pg_class c
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
            WHERE c.relnamespace = 'gateway'::regnamespace AND c.relkind = 'v'""",
    )
    names: dict[str, set[str]] = {}
    for one in found:
        names.setdefault(one.view, set()).add(one.name)
    for view, columns in names.items():
        plain = {name for name in columns if name == name.lower()}
        head = {name: name.split("_") for name in plain}
        twins = {words[0] + "".join(word.capitalize() for word in words[1:]) for words in head.values()}
        assert columns == plain | twins, view


async def test_amounts_in_major_units_are_exact(owner_db: Database) -> None:
    assert len(EXPONENTS) > 100
    for minor in (0, 1, 99, 150_050, 2**63 - 1, -(2**63)):
        found = await rows(
            owner_db,
            "SELECT c AS currency, gateway.major(%s::bigint, c) AS amount FROM unnest(%s::text[]) c",
            minor,
            list(EXPONENTS),
        )
        for one in found:
            decimals = EXPONENTS[one.currency]
            assert one.amount == Decimal(minor).scaleb(-decimals)
            assert str(one.amount) == decimal_text(minor, decimals) if minor >= 0 else True


async def test_public_ids_are_read_back(owner_db: Database) -> None:
    values = [uuid7(), UUID(int=0), UUID(int=2**128 - 1), UUID(int=1 << 127), UUID(int=(1 << 34) - 1), A1.id("maker")]
    texts = [show("usr", value) for value in values]
    found = await rows(
        owner_db, "SELECT gateway.id_of(t) AS id FROM unnest(%s::text[]) WITH ORDINALITY u (t, n) ORDER BY n", texts
    )
    assert [one.id for one in found] == values
    others = ["worker-1", "", "usr_", "usr_8" + "0" * 25, texts[0].upper(), texts[0] + "0", None]
    found = await rows(owner_db, "SELECT gateway.id_of(t) AS id FROM unnest(%s::text[]) t", others)
    assert [one.id for one in found] == [None] * len(others)


@pytest.mark.parametrize("state", PaymentState)
async def test_statuses_are_those_customers_know(owner_db: Database, state: PaymentState) -> None:
    for attempt in (None, *AttemptState):
        for reason in (None, "name_mismatch", "declined"):
            [found] = await rows(
                owner_db,
                "SELECT gateway.status_of(%s, %s, %s)::text AS status",
                state.value,
                None if attempt is None else attempt.value,
                reason,
            )
            assert found.status == public_status(state, attempt, reason).value


async def test_every_rail_has_a_type_customers_know(owner_db: Database) -> None:
    found = await rows(
        owner_db,
        "SELECT r AS rail, gateway.connection_type_of(r)::text AS type, gateway.rail_of(r)::text AS shown"
        "  FROM unnest(%s::text[]) r",
        sorted(connectors()),
    )
    assert [one.rail for one in found if one.type is None or one.type != one.shown] == []
    assert {one.rail: one.type for one in found}["monnify"] == "CARD_PROCESSOR"
