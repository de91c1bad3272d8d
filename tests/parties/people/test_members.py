"""Members: suspended and removed by those who stand above, and an owner always remains."""

import asyncio
from typing import Any

from omniroute.infra.postgres import Database
from omniroute.kit.refusal import Refusal
from omniroute.parties import access, people
from omniroute.parties.access import BUILT_IN, Caller
from omniroute.parties.people import Login, Member
from tests.parties.makers import META, NOW, PASSWORD, QUICK, Org, make_caller, make_organisation, refuses, state


async def set_status(org: Org, member: Member, status: Any, *, version: int = 1, caller: Caller | None = None) -> None:
    """Change a membership."""
    async with org.db.tx(org.id) as tx:
        await people.set_member_status(
            tx,
            member.id,
            status,
            version=version,
            caller=caller or org.owner,
            now=NOW,
            meta=META,
        )


async def test_a_suspended_member_is_out_at_once_and_comes_back(app_db: Database) -> None:
    org = await make_organisation(app_db)
    member = await org.member("s@acme.example", "auditor")
    command = Login("s@acme.example", PASSWORD, "192.0.2.7")
    session = (await people.login(app_db, command, passwords=QUICK, now=NOW, meta=META)).session

    await set_status(org, member, "suspended")

    with refuses("access.credentials_unknown"):
        await access.Authenticator(app_db).authenticate(f"Bearer {session.token.text}", now=NOW)
    with refuses("people.login_failed"):
        await people.login(app_db, command, passwords=QUICK, now=NOW, meta=META)
    await set_status(org, member, "active", version=2)
    assert (await people.login(app_db, command, passwords=QUICK, now=NOW, meta=META)).user_id == member.id


async def test_a_removed_member_is_gone_and_may_be_invited_again(app_db: Database) -> None:
    org = await make_organisation(app_db)
    member = await org.member("r@acme.example", "auditor", "support")

    await set_status(org, member, "removed")

    async with app_db.tx(org.id) as tx:
        with refuses("people.member_not_found"):
            await people.get_member(tx, member.id)
        assert await access.grants_of(tx, user_id=member.id) == []
    again = await org.member("r@acme.example", "user")
    assert again.id == member.id
    async with app_db.tx(org.id) as tx:
        assert [grant.role_name for grant in await access.grants_of(tx, user_id=member.id)] == ["user"]


async def test_an_owner_remains(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    only = await org.member("o@acme.example", "owner")
    async with app_db.tx(org.id) as tx:
        (grant,) = await access.grants_of(tx, user_id=only.id)
    before = await state(owner_db)

    for status in ("suspended", "removed"):
        with refuses("access.last_owner"):
            await set_status(org, only, status)
    with refuses("access.last_owner"):
        async with app_db.tx(org.id) as tx:
            await access.withdraw_role(tx, grant.id, caller=org.owner, now=NOW, meta=META)

    assert await state(owner_db) == before


async def test_two_owners_who_remove_each_other_leave_one(app_db: Database) -> None:
    org = await make_organisation(app_db)
    for attempt in range(3):
        one = await org.member(f"one-{attempt}@acme.example", "owner")
        two = await org.member(f"two-{attempt}@acme.example", "owner")
        async with app_db.tx(org.id) as tx:
            others = [m for m in (await people.list_members(tx)).items if m.id not in {one.id, two.id}]
        for other in others:
            await set_status(org, other, "removed", version=other.version)

        done = await asyncio.gather(
            set_status(org, one, "removed"), set_status(org, two, "removed"), return_exceptions=True
        )

        assert sorted(type(answer).__name__ for answer in done) == ["LastOwner", "NoneType"]


async def test_nobody_unseats_those_above(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    branch = await org.branch("north")
    owner = await org.member("a@acme.example", "owner")
    await org.member("b@acme.example", "owner")
    lesser = make_caller(org.id, BUILT_IN["customer_admin"][1])
    narrow = make_caller(org.id, org.owner.permissions, branches=(branch.id,))
    before = await state(owner_db)

    for caller in (lesser, narrow):
        with refuses("access.grant_exceeds_own"):
            await set_status(org, owner, "suspended", caller=caller)
    with refuses("people.stale_version"):
        await set_status(org, owner, "suspended", version=4)
    with refuses("people.malformed"):
        await set_status(org, owner, "asleep")

    assert await state(owner_db) == before


async def test_a_member_of_another_organisation_does_not_exist(app_db: Database, owner_db: Database) -> None:
    org, other = await make_organisation(app_db), await make_organisation(app_db)
    theirs = await other.member("theirs@acme.example")
    role = await org.role_id("user")
    before = await state(owner_db)

    with refuses("people.member_not_found"):
        await set_status(org, theirs, "suspended")
    with refuses("access.holder_not_found"):
        async with app_db.tx(org.id) as tx:
            await access.grant_role(tx, role, user_id=theirs.id, caller=org.owner, now=NOW, meta=META)
    assert await state(owner_db) == before
    assert Refusal.by_code["people.member_not_found"].kind == "not_found"
