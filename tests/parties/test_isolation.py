"""Isolation, table by table: one organisation neither sees, counts, adds to nor changes another's rows."""

import json
import secrets
from uuid import UUID

import pytest
from psycopg import errors, sql

from omniroute.infra.postgres import Database, Tx
from omniroute.parties import access, people, tenants
from omniroute.parties.access import CreateKey, Permission, ProviderConfig
from omniroute.parties.people import Login
from tests.parties.makers import META, NOW, PASSWORD, QUICK, TABLES, Org, make_organisation, refuses, state

JWKS = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}


async def fill(org: Org, peer: Org) -> None:
    """At least one row of every table."""
    branch = await org.branch("north")
    email = f"{secrets.token_hex(4)}@acme.example"
    await org.member(email)
    key = await org.key()
    command = Login(email, PASSWORD, secrets.token_hex(4))
    await people.login(org.db, command, passwords=QUICK, now=NOW, meta=META)
    async with org.db.tx(org.id) as tx:
        await tenants.create_application(
            tx, code="till", name="Till", kind="pos", branch_id=branch.id, caller=org.owner, now=NOW, meta=META
        )
        await tenants.request_link(tx, organisation=peer.slug, relation="partner", caller=org.owner, now=NOW, meta=META)
        config = ProviderConfig("idp", "https://idp.example", org.slug, jwks=JWKS)
        await access.create_provider(tx, config, caller=org.owner, now=NOW, meta=META)
        role_id = (await access.find_role(tx, "user")).id
        await access.grant_role(tx, role_id, key_id=key.key.id, caller=org.owner, now=NOW, meta=META)


@pytest.fixture(scope="module")
async def filled(app_db: Database) -> tuple[Org, Org]:
    """Two organisations, each with rows in every table."""
    one, two, peer = [await make_organisation(app_db) for _ in range(3)]
    await fill(one, peer)
    await fill(two, peer)
    return one, two


async def touched(tx: Tx, query: sql.Composed, tenant_id: UUID) -> int:
    """How many rows a statement changes; none when it is not even allowed, or the table has no such column."""
    try:
        async with tx.savepoint():
            return (await tx.connection.execute(query, [tenant_id])).rowcount
    except (errors.InsufficientPrivilege, errors.UndefinedColumn):
        return 0


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("role", ["app", "worker"])
async def test_nothing_of_another_organisation_is_seen_or_changed(
    app_db: Database, worker_db: Database, owner_db: Database, filled: tuple[Org, Org], table: str, role: str
) -> None:
    one, two = filled
    db = {"app": app_db, "worker": worker_db}[role]
    name = sql.Identifier(table)
    before = await state(owner_db)
    assert any(str(two.id) in row for row in before[table])

    async with db.tx(one.id) as tx:
        cursor = await tx.connection.execute(sql.SQL("SELECT tenant_id FROM {}").format(name))
        seen = {row[0] for row in await cursor.fetchall()}
        if role == "app":
            assert seen == {one.id}
        for column in ("version", "expires_at", "revoked_at", "status"):
            update = sql.SQL("UPDATE {} SET {} = {} WHERE tenant_id = %s").format(
                name, sql.Identifier(column), sql.Identifier(column)
            )
            assert await touched(tx, update, two.id) == 0
        assert await touched(tx, sql.SQL("DELETE FROM {} WHERE tenant_id = %s").format(name), two.id) == 0

    async with owner_db.tx(two.id) as tx:
        cursor = await tx.connection.execute(
            sql.SQL("SELECT to_jsonb(t) FROM {} t WHERE tenant_id = %s LIMIT 1").format(name), [two.id]
        )
        (row,) = await cursor.fetchone() or (None,)
    insert = sql.SQL("INSERT INTO {} SELECT * FROM jsonb_populate_record(NULL::omniroute.{}, %s::jsonb)")
    with pytest.raises(errors.InsufficientPrivilege):
        async with db.tx(one.id) as tx:
            await tx.connection.execute(insert.format(name, name), [json.dumps(row)])

    assert await state(owner_db) == before


@pytest.mark.parametrize("table", [*TABLES, "person", "login_throttle", "signing_key"])
async def test_without_a_tenant_nothing_is_seen(app_db: Database, filled: tuple[Org, Org], table: str) -> None:
    readable = {"credential_secret": "lookup", "session": "id", "person": "id"}.get(table, "*")
    column = sql.SQL("*") if readable == "*" else sql.Identifier(readable)
    query = sql.SQL("SELECT count({}) FROM {}").format(column, sql.Identifier(table))
    async with app_db.tx() as tx:
        if table in {"login_throttle", "signing_key"}:
            with pytest.raises(errors.InsufficientPrivilege):
                async with tx.savepoint():
                    await tx.connection.execute(query)
            return
        cursor = await tx.connection.execute(query)
        assert await cursor.fetchone() == (0,)


async def test_a_person_is_seen_by_their_organisations_only(app_db: Database, filled: tuple[Org, Org]) -> None:
    one, two = filled
    seen = []
    for org in (one, two):
        async with app_db.tx(org.id) as tx:
            cursor = await tx.connection.execute("SELECT id FROM person")
            seen.append({row[0] for row in await cursor.fetchall()})
    assert [len(found) for found in seen] == [1, 1]
    assert seen[0].isdisjoint(seen[1])


@pytest.mark.parametrize(
    ("table", "column"),
    [("person", "password_hash"), ("credential_secret", "secret_hash"), ("session", "secret_hash")],
)
async def test_the_doors_cannot_read_hashes(app_db: Database, filled: tuple[Org, Org], table: str, column: str) -> None:
    query = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier(table))
    async with app_db.tx(filled[0].id) as tx:
        with pytest.raises(errors.InsufficientPrivilege):
            async with tx.savepoint():
                await tx.connection.execute(query)


async def test_a_caller_of_a_branch_sees_only_what_belongs_to_it(app_db: Database) -> None:
    org = await make_organisation(app_db)
    north, south = await org.branch("north"), await org.branch("south")
    for branch in (north, south):
        key = CreateKey(branch.code, [Permission.LEDGER_READ], branch_ids=[branch.id])
        async with app_db.tx(org.id) as tx:
            await tenants.create_application(
                tx, code=branch.code, name="A", kind="pos", branch_id=branch.id, caller=org.owner, now=NOW, meta=META
            )
            await access.create_key(tx, key, caller=org.owner, now=NOW, meta=META)
            role = await access.find_role(tx, "user")
            await people.invite(
                tx, email=f"{branch.code}@acme.example", role_ids=[role.id], branch_ids=[branch.id],
                caller=org.owner, now=NOW, meta=META,
            )  # fmt: skip
    await org.key()
    await org.member("everywhere@acme.example")
    here = await org.member("here@acme.example", branches=[north.id])
    elsewhere = await org.member("elsewhere@acme.example", branches=[south.id])

    async with app_db.tx(org.id, branches=[north.id]) as tx:
        assert [m.email for m in (await people.list_members(tx)).items] == ["here@acme.example"]
        assert (await people.get_member(tx, here.id)).email == "here@acme.example"
        with refuses("people.member_not_found"):
            await people.get_member(tx, elsewhere.id)
        cursor = await tx.connection.execute(
            "SELECT (SELECT count(*) FROM membership) AS members, count(email) AS people FROM person"
        )
        assert await cursor.fetchone() == (1, 1)
        cursor = await tx.connection.execute("UPDATE membership SET status = status WHERE user_id = %s", [elsewhere.id])
        assert cursor.rowcount == 0
        assert [a.code for a in (await tenants.list_applications(tx)).items] == ["north"]
        assert [k.name for k in (await access.list_keys(tx)).items] == ["north"]
        invited = [i.email for i in (await people.list_invitations(tx, now=NOW)).items]
        assert invited == ["north@acme.example", "here@acme.example"]
        assert [b.code for b in (await tenants.list_branches(tx)).items] == ["north"]
        cursor = await tx.connection.execute("SELECT count(lookup) FROM credential_secret")
        assert await cursor.fetchone() == (1,)
    async with app_db.tx(org.id, branches=[]) as tx:
        assert (await access.list_keys(tx)).items == []
        assert (await people.list_members(tx)).items == []
