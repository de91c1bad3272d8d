"""Branches: a tree that never becomes a circle, and callers who work for a part of it."""

import asyncio
import base64

import pytest

from omniroute.infra.postgres import Database
from omniroute.kit.paging import decode_cursor, encode_cursor
from omniroute.parties import access, tenants
from omniroute.parties.access import Permission
from omniroute.parties.tenants import Branch, TenantVersionStale
from tests.parties.makers import META, NOW, Org, make_organisation, refuses, state


async def move(org: Org, branch: Branch, parent: Branch | None, *, version: int = 1) -> Branch:
    """Hang a branch below another."""
    async with org.db.tx(org.id) as tx:
        return await tenants.update_branch(
            tx,
            branch.id,
            version=version,
            name=branch.name,
            region=None,
            parent_id=None if parent is None else parent.id,
            caller=org.owner,
            now=NOW,
            meta=META,
        )


async def test_a_branch_never_hangs_below_itself(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    country = await org.branch("country")
    region = await org.branch("region", country)
    town = await org.branch("town", region)
    before = await state(owner_db)

    for below in (country, region, town):
        with refuses("tenants.branch_circle"):
            await move(org, country, below)

    assert await state(owner_db) == before
    assert (await move(org, town, country)).parent_id == country.id


async def test_two_moves_at_once_do_not_close_a_circle(app_db: Database) -> None:
    org = await make_organisation(app_db)
    for attempt in range(5):
        one, two = await org.branch(f"one-{attempt}"), await org.branch(f"two-{attempt}")

        done = await asyncio.gather(move(org, one, two), move(org, two, one), return_exceptions=True)

        assert sum(isinstance(answer, Branch) for answer in done) <= 1
        async with app_db.tx(org.id) as tx:
            parents = [(await tenants.get_branch(tx, branch.id)).parent_id for branch in (one, two)]
        assert None in parents


async def test_codes_are_unique_within_the_organisation_only(app_db: Database, owner_db: Database) -> None:
    org, other = await make_organisation(app_db), await make_organisation(app_db)
    await org.branch("north")
    await other.branch("north")
    before = await state(owner_db)

    with refuses("tenants.branch_code_taken"):
        await org.branch("north")

    assert await state(owner_db) == before


async def test_a_parent_of_another_organisation_does_not_exist(app_db: Database, owner_db: Database) -> None:
    org, other = await make_organisation(app_db), await make_organisation(app_db)
    theirs = await other.branch("theirs")
    before = await state(owner_db)

    with refuses("tenants.branch_not_found"):
        await org.branch("mine", theirs)

    assert await state(owner_db) == before


async def test_a_stale_version_changes_nothing(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    branch = await org.branch("north")
    await move(org, branch, None)
    before = await state(owner_db)

    with pytest.raises(TenantVersionStale):
        await move(org, branch, None)

    assert await state(owner_db) == before


async def test_a_branch_closes_when_nothing_open_hangs_below_it(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    top = await org.branch("top")
    low = await org.branch("low", top)

    async def close(branch: Branch) -> Branch:
        async with app_db.tx(org.id) as tx:
            return await tenants.update_branch(
                tx,
                branch.id,
                version=1,
                name=branch.name,
                region=None,
                parent_id=branch.parent_id,
                status="closed",
                caller=org.owner,
                now=NOW,
                meta=META,
            )

    before = await state(owner_db)
    with refuses("tenants.branch_in_use"):
        await close(top)
    assert await state(owner_db) == before
    assert (await close(low)).status == "closed"
    with refuses("tenants.branch_closed"):
        await org.branch("lower", low)
    assert (await close(top)).status == "closed"


async def test_a_caller_of_a_branch_sees_it_and_what_is_below(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    north, south = await org.branch("north"), await org.branch("south")
    town = await org.branch("town", north)
    key = await org.key(Permission.BRANCHES_WRITE, Permission.ORGANISATION_READ, branch_ids=[north.id])

    caller = await access.Authenticator(app_db).authenticate(f"Bearer {key.secret.text}", now=NOW)

    assert caller.branches == tuple(sorted((north.id, town.id)))
    async with app_db.tx(org.id, branches=caller.branches) as tx:
        assert [branch.code for branch in (await tenants.list_branches(tx)).items] == ["north", "town"]
        with refuses("tenants.branch_not_found"):
            await tenants.get_branch(tx, south.id)
        made = await tenants.create_branch(
            tx, code="village", name="V", parent_id=town.id, caller=caller, now=NOW, meta=META
        )
        assert made.parent_id == town.id
    before = await state(owner_db)
    for parent in (None, south.id):
        with refuses("tenants.branch_out_of_reach"):
            async with app_db.tx(org.id, branches=caller.branches) as tx:
                await tenants.create_branch(
                    tx, code="more", name="M", parent_id=parent, caller=caller, now=NOW, meta=META
                )
    assert await state(owner_db) == before


async def test_pages_of_branches(app_db: Database) -> None:
    org = await make_organisation(app_db)
    for code in ("c", "a", "b"):
        await org.branch(code)

    async with app_db.tx(org.id) as tx:
        first = await tenants.list_branches(tx, limit=2)
        second = await tenants.list_branches(tx, limit=2, cursor=first.next_cursor)

    assert [b.code for b in first.items] == ["a", "b"]
    assert [b.code for b in second.items] == ["c"]
    assert second.next_cursor is None
    assert first.next_cursor is not None
    (made_under, _) = decode_cursor(first.next_cursor, str, str)
    surrogate = base64.urlsafe_b64encode(b'["%s","\\ud800"]' % made_under.encode()).decode().rstrip("=")
    for cursor in ("x", encode_cursor(made_under), encode_cursor(made_under, "\x00"), surrogate):
        async with app_db.tx(org.id) as tx:
            with refuses("kit.malformed_cursor"):
                await tenants.list_branches(tx, cursor=cursor)
    for cursor in (encode_cursor(7), encode_cursor("a", "b")):
        async with app_db.tx(org.id) as tx:
            with refuses("kit.foreign_cursor"):
                await tenants.list_branches(tx, cursor=cursor)
