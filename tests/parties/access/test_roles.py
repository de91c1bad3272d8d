"""Roles: data of an organisation, never a way up."""

from collections.abc import Collection
from datetime import timedelta

import pytest

from omniroute.infra.postgres import Database
from omniroute.parties import access
from omniroute.parties.access import BUILT_IN, Authenticator, Caller, Permission, Role
from tests.parties.makers import META, NOW, Org, make_caller, make_organisation, refuses, state, topics


async def create(org: Org, name: str, permissions: Collection[str], caller: Caller | None = None) -> Role:
    """A role of the organisation's own."""
    async with org.db.tx(org.id) as tx:
        return await access.create_role(
            tx, name=name, description="", permissions=permissions, caller=caller or org.owner, now=NOW, meta=META
        )


async def update(
    org: Org, role: Role, permissions: Collection[str], *, version: int, caller: Caller | None = None
) -> Role:
    """Change what a role means."""
    async with org.db.tx(org.id) as tx:
        return await access.update_role(
            tx, role.id, version=version, description="", permissions=permissions, caller=caller or org.owner,
            now=NOW, meta=META,
        )  # fmt: skip


async def test_a_changed_role_changes_its_holders(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    role = await create(org, "teller", ["ledger.read"])
    key = await org.key(Permission.ORGANISATION_READ)
    async with app_db.tx(org.id) as tx:
        await access.grant_role(tx, role.id, key_id=key.key.id, caller=org.owner, now=NOW, meta=META)
    gate = Authenticator(app_db, keep_s=0)
    header = f"Bearer {key.secret.text}"
    assert (await gate.authenticate(header, now=NOW)).permissions == {"organisation.read", "ledger.read"}

    changed = await update(org, role, ["ledger.read", "ledger.post"], version=1)

    assert changed.version == 2
    assert (await gate.authenticate(header, now=NOW)).permissions == {"organisation.read", "ledger.read", "ledger.post"}
    async with app_db.tx(org.id) as tx:
        (grant,) = await access.grants_of(tx, key_id=key.key.id)
        await access.withdraw_role(tx, grant.id, caller=org.owner, now=NOW, meta=META)
    assert (await gate.authenticate(header, now=NOW)).permissions == {"organisation.read"}
    assert (await topics(owner_db, org.id))[1:] == [
        "role.created", "key.created", "role.granted", "role.updated", "role.withdrawn",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "permissions", "code"),
    [
        ("teller", ["ledger.fly"], "access.unknown_permission"),
        ("teller", ["LEDGER_READ"], "access.unknown_permission"),
        ("teller", [], "access.malformed"),
        ("Teller", ["ledger.read"], "access.malformed"),
        ("t" * 41, ["ledger.read"], "access.malformed"),
        ("owner", ["ledger.read"], "access.role_name_taken"),
        ("teller", ["platform.organisations.create"], "access.grant_exceeds_own"),
    ],
)
async def test_a_role_that_cannot_be(
    app_db: Database, owner_db: Database, name: str, permissions: list[str], code: str
) -> None:
    org = await make_organisation(app_db)
    before = await state(owner_db)
    with refuses(code):
        await create(org, name, permissions)
    assert await state(owner_db) == before


async def test_no_way_up(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    branch = await org.branch("north")
    member = await org.member("m@acme.example", branches=[branch.id])
    low = make_caller(org.id, {"roles.write", "ledger.read"})
    narrow = make_caller(org.id, org.owner.permissions, branches=(branch.id,))
    own = await create(org, "reader", ["ledger.read"])
    high = await create(org, "closer", ["ledger.periods.close"])
    owner_role = await org.role_id("owner")
    before = await state(owner_db)

    with refuses("access.grant_exceeds_own"):
        await create(org, "boss", ["ledger.post"], low)
    with refuses("access.grant_exceeds_own"):
        await update(org, own, ["ledger.read", "ledger.post"], version=1, caller=low)
    with refuses("access.grant_exceeds_own"):  # Nor may it take from a role what it does not hold.
        await update(org, high, ["ledger.read"], version=1, caller=low)
    for caller, role_id, branch_id in (
        (low, owner_role, None),
        (low, high.id, None),
        (narrow, own.id, None),
        (narrow, owner_role, None),
    ):
        with refuses("access.grant_exceeds_own"):
            async with app_db.tx(org.id) as tx:
                await access.grant_role(
                    tx, role_id, user_id=member.id, branch_id=branch_id, caller=caller, now=NOW, meta=META
                )
    with refuses("access.grant_exceeds_own"):
        await create(org, "wide", ["ledger.read"], narrow)
    assert await state(owner_db) == before

    async with app_db.tx(org.id, branches=[branch.id]) as tx:
        grant = await access.grant_role(
            tx, own.id, user_id=member.id, branch_id=branch.id, caller=narrow, now=NOW, meta=META
        )
    before = await state(owner_db)
    with refuses("access.grant_exists"):
        async with app_db.tx(org.id) as tx:
            await access.grant_role(
                tx, own.id, user_id=member.id, branch_id=branch.id, caller=org.owner, now=NOW, meta=META
            )
    with refuses("access.grant_exceeds_own"):
        async with app_db.tx(org.id) as tx:
            await access.withdraw_role(tx, grant.id, caller=make_caller(org.id, ["roles.write"]), now=NOW, meta=META)
    assert await state(owner_db) == before


async def test_built_in_and_stale_roles_stay(app_db: Database, owner_db: Database) -> None:
    org, other = await make_organisation(app_db), await make_organisation(app_db)
    role = await create(org, "teller", ["ledger.read"])
    await update(org, role, ["ledger.read"], version=1)
    async with app_db.tx(org.id) as tx:
        built_in = await access.find_role(tx, "auditor")
    before = await state(owner_db)

    with refuses("access.role_built_in"):
        await update(org, built_in, ["ledger.read"], version=1)
    with refuses("access.stale_version"):
        await update(org, role, ["ledger.post"], version=1)
    with refuses("access.role_not_found"):
        await update(other, role, ["ledger.post"], version=2)
    assert await state(owner_db) == before
    assert built_in.permissions == BUILT_IN["auditor"][1]


async def test_roles_that_differ_by_branch_hold_where_they_were_given(app_db: Database) -> None:
    org = await make_organisation(app_db)
    north, south = await org.branch("north"), await org.branch("south")
    member = await org.member("x@acme.example", "payment_initiator", branches=[north.id])
    async with app_db.tx(org.id) as tx:
        role = await access.find_role(tx, "auditor")
        await access.grant_role(
            tx, role.id, user_id=member.id, branch_id=south.id, caller=org.owner, now=NOW, meta=META
        )
        session = await access.open_session(tx, member.id, ttl=timedelta(hours=1), now=NOW, meta=META)

    caller = await Authenticator(app_db).authenticate(f"Bearer {session.token.text}", now=NOW)

    assert set(caller.branches or ()) == {north.id, south.id}
    assert Permission.LEDGER_POST not in caller.permissions
    assert Permission.LEDGER_READ in caller.permissions
    assert caller.require(Permission.LEDGER_POST).branches == (north.id,)
    assert caller.require(Permission.AUDIT_READ).branches == (south.id,)
    assert set(caller.require(Permission.LEDGER_READ).branches or ()) == {north.id, south.id}
    assert not caller.holds(Permission.LEDGER_READ)
    assert caller.holds(Permission.LEDGER_POST, north.id)
    assert not caller.holds(Permission.LEDGER_POST, south.id)
