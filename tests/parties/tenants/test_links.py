"""Links: in force only when the other side's owner said so, and never a hole in isolation."""

import asyncio
from typing import Any

import pytest

from omniroute.infra.postgres import Database
from omniroute.kit.ids import show
from omniroute.kit.refusal import Refusal
from omniroute.parties import access, tenants
from omniroute.parties.access import BUILT_IN, Caller, Permission
from omniroute.parties.tenants import Link, LinkStatus
from tests.parties.makers import META, NOW, Org, make_caller, make_organisation, refuses, state, topics


async def ask(org: Org, other: str, **changes: Any) -> Link:
    """Ask another organisation to link as our child."""
    wanted: dict[str, Any] = {"relation": "child", "scopes": ["catalog.read", "orders.place"], "caller": org.owner}
    async with org.db.tx(org.id) as tx:
        return await tenants.request_link(tx, organisation=other, now=NOW, meta=META, **(wanted | changes))


async def act(org: Org, verb: str, link: Link, *, version: int = 1, caller: Caller | None = None, **more: Any) -> Link:
    """One side does something with a link."""
    async with org.db.tx(org.id) as tx:
        done: Link = await getattr(tenants, f"{verb}_link")(
            tx, link.id, version=version, caller=caller or org.owner, now=NOW, meta=META, **more
        )
        return done


async def sees(org: Org, link: Link) -> Link:
    """A link as this side sees it."""
    async with org.db.tx(org.id) as tx:
        return await tenants.get_link(tx, link.id)


async def test_an_approved_link_permits_what_the_owner_chose(app_db: Database, owner_db: Database) -> None:
    maker, seller = await make_organisation(app_db), await make_organisation(app_db, name="Seller Ltd")

    link = await ask(maker, seller.slug)

    assert (link.status, link.side, link.relation, link.scopes, link.peer_name) == (
        LinkStatus.REQUESTED, "requester", "child", (), None,
    )  # fmt: skip
    theirs = await sees(seller, link)
    assert (theirs.side, theirs.relation, theirs.peer_slug, theirs.scopes) == ("target", "parent", maker.slug, ())

    approved = await act(seller, "approve", link, scopes=["catalog.read"])

    assert (approved.status, approved.scopes, approved.version) == (LinkStatus.APPROVED, ("catalog.read",), 2)
    ours = await sees(maker, link)
    assert (ours.status, ours.scopes, ours.peer_name) == (LinkStatus.APPROVED, ("catalog.read",), "Seller Ltd")

    ended = await act(maker, "end", link, version=2)
    assert (ended.status, ended.scopes) == (LinkStatus.ENDED, ())
    assert (await sees(seller, link)).status == LinkStatus.ENDED
    for org in (maker, seller):
        assert (await topics(owner_db, org.id))[1:] == [
            "organisation_link.requested", "organisation_link.decided", "organisation_link.decided",
        ]  # fmt: skip


async def test_by_default_a_link_permits_nothing(app_db: Database) -> None:
    maker, seller = await make_organisation(app_db), await make_organisation(app_db)
    link = await ask(maker, show("org", seller.id))
    assert (await act(seller, "approve", link)).scopes == ()


@pytest.mark.parametrize("role", sorted(set(BUILT_IN) - {"owner"}))
async def test_only_the_owner_of_the_asked_side_approves(app_db: Database, owner_db: Database, role: str) -> None:
    maker, seller = await make_organisation(app_db), await make_organisation(app_db)
    link = await ask(maker, seller.slug)
    before = await state(owner_db)

    with pytest.raises(access.PermissionMissing):
        await act(seller, "approve", link, caller=make_caller(seller.id, BUILT_IN[role][1]))
    with refuses("tenants.link_not_yours"):
        await act(maker, "approve", link)
    with refuses("tenants.link_not_yours"):
        await act(seller, "withdraw", link)

    assert await state(owner_db) == before


async def test_a_third_organisation_sees_no_link(app_db: Database, owner_db: Database) -> None:
    maker, seller, third = [await make_organisation(app_db) for _ in range(3)]
    link = await ask(maker, seller.slug)
    before = await state(owner_db)

    for verb in ("approve", "reject", "withdraw", "end"):
        with refuses("tenants.link_not_found"):
            await act(third, verb, link)

    assert await state(owner_db) == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"relation": "friend"}, "tenants.malformed"),
        ({"scopes": ["everything"]}, "tenants.malformed"),
        ({"note": "x" * 501}, "tenants.malformed"),
        ({"organisation": "nobody-here"}, "tenants.organisation_not_found"),
        ({"organisation": "org_0"}, "tenants.organisation_not_found"),
        ({"organisation": "org_00000000000000000000000000"}, "tenants.organisation_not_found"),
    ],
)
async def test_a_request_that_is_wrong_changes_nothing(
    app_db: Database, owner_db: Database, changes: dict[str, Any], code: str
) -> None:
    maker, seller = await make_organisation(app_db), await make_organisation(app_db)
    before = await state(owner_db)
    other = str(changes.pop("organisation", seller.slug)) if "organisation" in changes else seller.slug

    with pytest.raises(Refusal) as refused:
        await ask(maker, other, **changes)

    assert refused.value.code == code
    assert await state(owner_db) == before


async def test_steps_out_of_order_are_refused(app_db: Database, owner_db: Database) -> None:
    maker, seller = await make_organisation(app_db), await make_organisation(app_db)
    link = await ask(maker, seller.slug)
    with refuses("tenants.link_exists"):
        await ask(maker, seller.slug)
    with refuses("tenants.link_exists"):
        await ask(seller, maker.slug)
    with refuses("tenants.stale_version"):
        await act(seller, "approve", link, version=7)
    with refuses("tenants.malformed"):
        await act(seller, "approve", link, scopes=["balances.read"])
    with refuses("tenants.link_status_not_reachable"):
        await act(maker, "end", link)
    await act(maker, "withdraw", link)
    before = await state(owner_db)
    with refuses("tenants.link_status_not_reachable"):
        await act(seller, "approve", link, version=2)
    assert await state(owner_db) == before
    assert (await ask(maker, seller.slug)).status == LinkStatus.REQUESTED


async def test_withdrawing_and_approving_at_once_agree_on_one(app_db: Database) -> None:
    maker, seller = await make_organisation(app_db), await make_organisation(app_db)
    for _ in range(5):
        link = await ask(maker, seller.slug)

        done = await asyncio.gather(act(maker, "withdraw", link), act(seller, "reject", link), return_exceptions=True)

        assert sorted(type(answer).__name__ for answer in done) == ["Link", "LinkStatusNotReachable"]
        assert (await sees(maker, link)).status == (await sees(seller, link)).status


def test_no_other_built_in_role_decides_on_links() -> None:
    assert [name for name in BUILT_IN if Permission.LINKS_DECIDE in BUILT_IN[name][1]] == ["owner"]
