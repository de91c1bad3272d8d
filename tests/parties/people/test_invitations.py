"""Invitations: once, in time, by the one who has the token, and never beyond what the sender holds."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from omniroute.infra.postgres import Database
from omniroute.kit.refusal import Refusal
from omniroute.parties import access, people, tenants
from omniroute.parties.access import BUILT_IN, Caller
from omniroute.parties.people import AcceptInvitation, IssuedInvitation, Member
from omniroute.parties.tenants import CreateOrganisation
from tests.parties.makers import (
    META,
    NOW,
    PASSWORD,
    QUICK,
    Org,
    make_caller,
    make_organisation,
    make_platform_caller,
    refuses,
    state,
    topics,
)


async def invite(org: Org, email: str, *roles: str, caller: Caller | None = None, **more: Any) -> IssuedInvitation:
    """Invite somebody with these roles."""
    role_ids = [await org.role_id(name) for name in roles or ("user",)]
    async with org.db.tx(org.id) as tx:
        return await people.invite(
            tx,
            email=email,
            role_ids=role_ids,
            caller=caller or org.owner,
            now=NOW,
            meta=META,
            **more,
        )


async def accept(
    db: Database, token: str, *, password: str = PASSWORD, name: str | None = "Ada", days: int = 0
) -> Member:
    """Accept with a token, some days later."""
    return await people.accept_invitation(
        db,
        AcceptInvitation(token, password, name),
        source="198.51.100.7",
        passwords=QUICK,
        now=NOW + timedelta(days=days),
        meta=META,
    )


async def test_the_first_owner_comes_by_invitation(app_db: Database, owner_db: Database) -> None:
    command = CreateOrganisation("first-owner", "First", "KE", "KES", "UTC")
    async with app_db.tx() as tx:
        opened = await people.open_organisation(
            tx, command, owner_email="Ada@Acme.Example", caller=make_platform_caller(), now=NOW, meta=META
        )

    member = await accept(app_db, opened.owner.token.text)

    assert member.email == "ada@acme.example"
    async with app_db.tx(opened.organisation.id) as tx:
        grants = await access.grants_of(tx, user_id=member.id)
    assert [(grant.role_name, grant.branch_id) for grant in grants] == [("owner", None)]
    assert await topics(owner_db, opened.organisation.id) == [
        "organisation.created", "invitation.created", "invitation.accepted", "role.granted",
    ]  # fmt: skip


async def test_the_token_is_shown_once_and_stored_as_a_hash(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    issued = await invite(org, "b@acme.example")

    secret = issued.token.text.rpartition("_")[2]

    assert secret not in repr(issued)
    assert secret not in str(issued.token)
    assert all(secret not in row for rows in (await state(owner_db)).values() for row in rows)
    assert PASSWORD not in repr(AcceptInvitation(issued.token.text, PASSWORD))
    assert secret not in repr(AcceptInvitation(issued.token.text, PASSWORD))


async def test_two_who_accept_at_once_are_one(app_db: Database) -> None:
    org = await make_organisation(app_db)
    issued = await invite(org, "race@acme.example")

    done = await asyncio.gather(
        *(accept(app_db, issued.token.text, name=f"Ada {n}") for n in range(2)), return_exceptions=True
    )

    assert sum(isinstance(answer, Member) for answer in done) == 1
    assert all(isinstance(answer, Member | Refusal) for answer in done)
    async with app_db.tx(org.id) as tx:
        assert len((await people.list_members(tx)).items) == 1


async def test_a_known_person_joins_with_their_password_only(app_db: Database, owner_db: Database) -> None:
    one, two = await make_organisation(app_db), await make_organisation(app_db)
    first = await one.member("both@acme.example")
    issued = await invite(two, "BOTH@acme.example", "auditor")
    before = await state(owner_db)

    with refuses("people.login_failed"):
        await accept(app_db, issued.token.text, password="something else entirely")
    assert await state(owner_db) == before

    second = await accept(app_db, issued.token.text)
    assert second.id == first.id
    async with app_db.tx(two.id) as tx:
        assert [member.id for member in (await people.list_members(tx)).items] == [first.id]


async def test_an_invitation_that_cannot_be_accepted_changes_nothing(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    used = await invite(org, "used@acme.example")
    await accept(app_db, used.token.text)
    revoked = await invite(org, "revoked@acme.example")
    async with app_db.tx(org.id) as tx:
        await people.revoke_invitation(tx, revoked.invitation.id, version=1, now=NOW, meta=META)
    late = await invite(org, "late@acme.example")
    before = await state(owner_db)

    for token in (used.token.text, revoked.token.text, "", "inv_x", late.token.text[:-1] + "!"):
        with refuses("people.invitation_unknown"):
            await accept(app_db, token)
    # The right lookup with another secret half.
    forged = late.token.text[:-4] + "".join("a" if c != "a" else "b" for c in late.token.text[-4:])
    with refuses("people.invitation_unknown"):
        await accept(app_db, forged)
    with refuses("people.invitation_expired"):
        await accept(app_db, late.token.text, days=8)
    for password in ("short", "aaaaaaaaaaaaaaaa", "late@acme.example", "x" * 300):
        with refuses("people.password_weak"):
            await accept(app_db, late.token.text, password=password)
    with refuses("people.malformed"):
        await accept(app_db, late.token.text, name="  ")

    assert await state(owner_db) == before
    async with app_db.tx(org.id) as tx:
        found = await people.get_invitation(tx, late.invitation.id, now=NOW + timedelta(days=8))
    assert found.status == "expired"


@pytest.mark.parametrize("role", ["owner", "finance_admin"])
async def test_nobody_invites_above_themselves(app_db: Database, owner_db: Database, role: str) -> None:
    org = await make_organisation(app_db)
    helper = make_caller(org.id, BUILT_IN["customer_admin"][1])
    before = await state(owner_db)

    with refuses("access.grant_exceeds_own"):
        await invite(org, "friend@acme.example", role, caller=helper)

    assert await state(owner_db) == before
    assert (await invite(org, "user@acme.example", "user", caller=helper)).invitation.status == "pending"


async def test_a_caller_of_a_branch_invites_to_that_branch_only(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    north, south = await org.branch("north"), await org.branch("south")
    helper = make_caller(org.id, BUILT_IN["customer_admin"][1], branches=(north.id,))
    before = await state(owner_db)

    for branches in (None, [south.id], [north.id, south.id]):
        with refuses("access.grant_exceeds_own"):
            await invite(org, "x@acme.example", "user", caller=helper, branch_ids=branches)

    assert await state(owner_db) == before
    issued = await invite(org, "x@acme.example", "user", caller=helper, branch_ids=[north.id])
    member = await accept(app_db, issued.token.text)
    async with app_db.tx(org.id) as tx:
        assert [grant.branch_id for grant in await access.grants_of(tx, user_id=member.id)] == [north.id]


async def test_a_hidden_member_accepts_an_invitation_to_branches(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    north, south = await org.branch("north"), await org.branch("south")
    role = await org.role_id("user")
    admin = make_caller(org.id, BUILT_IN["customer_admin"][1], branches=(north.id,))
    member = await org.member("in@acme.example", branches=[south.id])
    suspended = await org.member("out@acme.example", branches=[south.id])

    async with app_db.tx(org.id, branches=[north.id]) as tx:
        issued, late = [
            await people.invite(
                tx, email=email, role_ids=[role], branch_ids=[north.id], caller=admin, now=NOW, meta=META
            )
            for email in (member.email, suspended.email)
        ]  # fmt: skip
    assert (await accept(app_db, issued.token.text)).id == member.id

    async with app_db.tx(org.id) as tx:
        grants = await access.grants_of(tx, user_id=member.id)
        assert {grant.branch_id for grant in grants} == {north.id, south.id}
        await people.set_member_status(
            tx, suspended.id, "suspended", version=1, caller=org.owner, now=NOW, meta=META
        )  # fmt: skip
    before = await state(owner_db)
    with refuses("people.already_member"):
        await accept(app_db, late.token.text)
    assert await state(owner_db) == before


async def test_malformed_and_repeated_invitations(app_db: Database, owner_db: Database) -> None:
    org, other = await make_organisation(app_db), await make_organisation(app_db)
    await org.member("in@acme.example")
    await invite(org, "twice@acme.example")
    theirs, branch = await other.role_id("user"), await other.branch("b")
    before = await state(owner_db)

    with refuses("people.invitation_exists"):
        await invite(org, "Twice@acme.example")
    with refuses("people.already_member"):
        await invite(org, "in@acme.example")
    for email in ("", "nobody", "a b@c.d", "a@b\x00", "x" * 250 + "@y.example"):
        with refuses("people.malformed"):
            await invite(org, email)
    with refuses("people.malformed"):
        await invite(org, "c@acme.example", expires_at=NOW)
    with refuses("access.role_not_found"):
        async with app_db.tx(org.id) as tx:
            await people.invite(tx, email="d@e.f", role_ids=[theirs], caller=org.owner, now=NOW, meta=META)
    with refuses("access.holder_not_found"):
        await invite(org, "e@acme.example", branch_ids=[branch.id])

    assert await state(owner_db) == before


async def test_a_revoked_invitation_needs_the_version_and_is_final(app_db: Database, owner_db: Database) -> None:
    org, other = await make_organisation(app_db), await make_organisation(app_db)
    issued = await invite(org, "r@acme.example")
    before = await state(owner_db)
    for tenant, version, code in (
        (org, 9, "people.stale_version"),
        (other, 1, "people.invitation_unknown"),
    ):
        with refuses(code):
            async with app_db.tx(tenant.id) as tx:
                await people.revoke_invitation(tx, issued.invitation.id, version=version, now=NOW, meta=META)
    assert await state(owner_db) == before
    async with app_db.tx(org.id) as tx:
        await people.revoke_invitation(tx, issued.invitation.id, version=1, now=NOW, meta=META)
    with refuses("people.invitation_not_pending"):
        async with app_db.tx(org.id) as tx:
            await people.revoke_invitation(tx, issued.invitation.id, version=2, now=NOW, meta=META)
    async with app_db.tx(org.id) as tx:
        organisation = await tenants.get_organisation(tx)
        page = await people.list_invitations(tx, now=NOW)
    assert organisation.version == 1
    assert [invitation.status for invitation in page.items] == ["revoked"]
