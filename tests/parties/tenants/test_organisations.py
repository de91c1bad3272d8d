"""Organisations: created by the platform, changed by version, suspended and closed."""

from collections.abc import Mapping

import pytest

from omniroute.infra.postgres import Database
from omniroute.kit.clock import SystemClock
from omniroute.kit.ids import show
from omniroute.kit.refusal import Refusal
from omniroute.parties import access, tenants
from omniroute.parties.access import BUILT_IN, Permission
from omniroute.parties.tenants import CreateOrganisation, MalformedTenant, SlugTaken, Status, TenantVersionStale
from tests.parties.makers import META, NOW, make_caller, make_organisation, make_platform_caller, refuses, state, topics


async def test_a_new_organisation_has_its_built_in_roles_and_nobody_in_it(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db, custom={"tier": 1}, branding={"primary_colour": "#0A7D4F"})

    async with app_db.tx(org.id) as tx:
        found = await tenants.get_organisation(tx)
        roles = (await access.list_roles(tx)).items
        grants = (await access.list_grants(tx)).items

    assert (found.slug, found.currency, found.status, found.version) == (org.slug, "KES", Status.ACTIVE, 1)
    assert found.custom == {"tier": 1}
    assert found.branding.primary_colour == "#0a7d4f"
    assert {role.name: role.permissions for role in roles} == {name: BUILT_IN[name][1] for name in BUILT_IN}
    assert grants == []
    assert await topics(owner_db, org.id) == ["organisation.created"]


async def test_creating_one_leaves_the_transaction_with_its_own_tenant(app_db: Database) -> None:
    org = await make_organisation(app_db)
    command = CreateOrganisation(f"{org.slug}-2", "B", "NG", "NGN", "Africa/Lagos")

    async with app_db.tx(org.id) as tx:
        made = await tenants.create_organisation(tx, command, caller=make_platform_caller(), now=NOW, meta=META)
        assert (await tenants.get_organisation(tx)).id == org.id

    assert made.id != org.id


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"slug": "Acme"}, "tenants.malformed"),
        ({"slug": "a"}, "tenants.malformed"),
        ({"slug": "platform"}, "tenants.malformed"),
        ({"slug": "org_01jd"}, "tenants.malformed"),
        ({"name": " "}, "tenants.malformed"),
        ({"name": "a\x00b"}, "tenants.malformed"),
        ({"country": "XX"}, "tenants.malformed"),
        ({"currency": "ABC"}, "kit.unknown_currency"),
        ({"time_zone": "Africa/Atlantis"}, "tenants.malformed"),
        ({"residency": "Kenya!"}, "tenants.malformed"),
        ({"settings": {"locale": "english"}}, "tenants.malformed"),
        ({"settings": {"session_ttl_minutes": "60"}}, "tenants.malformed"),
        ({"settings": {"session_ttl_minutes": True}}, "tenants.malformed"),
        ({"settings": {"holidays": ["2026-02-30"]}}, "tenants.malformed"),
        ({"settings": {"colour": "red"}}, "tenants.malformed"),
        ({"branding": {"primary_colour": "red"}}, "tenants.malformed"),
        ({"branding": {"logo_url": "http://acme.example/logo.png"}}, "tenants.malformed"),
        ({"branding": {"logo_url": "javascript:alert(1)"}}, "tenants.malformed"),
        ({"custom": {"text": "x" * 40_000}}, "tenants.malformed"),
        ({"custom": {"text": "\x00"}}, "tenants.malformed"),
    ],
)
async def test_a_malformed_organisation_is_refused_and_nothing_is_stored(
    app_db: Database, owner_db: Database, changes: Mapping[str, object], refusal: str
) -> None:
    before = await state(owner_db)

    with pytest.raises(Refusal) as refused:
        await make_organisation(app_db, **changes)

    assert refused.value.code == refusal
    assert await state(owner_db) == before


async def test_a_slug_is_given_once(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    before = await state(owner_db)

    with pytest.raises(SlugTaken):
        await make_organisation(app_db, slug=org.slug)

    assert await state(owner_db) == before


async def test_only_the_platform_creates_organisations(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    before = await state(owner_db)
    command = CreateOrganisation(f"{org.slug}-b", "B", "KE", "KES", "UTC")

    with pytest.raises(access.PermissionMissing):
        async with app_db.tx(org.id) as tx:
            await tenants.create_organisation(tx, command, caller=org.owner, now=NOW, meta=META)

    assert await state(owner_db) == before


async def test_a_change_names_the_version_it_was_read_at(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    async with app_db.tx(org.id) as tx:
        changed = await tenants.update_organisation(
            tx, version=1, name="New", settings={"week_starts_on": "sunday"}, now=NOW, meta=META
        )
    assert (changed.name, changed.version, changed.settings.week_starts_on) == ("New", 2, "sunday")
    before = await state(owner_db)

    with pytest.raises(TenantVersionStale) as refused:
        async with app_db.tx(org.id) as tx:
            await tenants.update_organisation(tx, version=1, name="Newer", now=NOW, meta=META)

    assert refused.value.facts == {"version": 1, "version_now": 2}
    assert await state(owner_db) == before
    assert await topics(owner_db, org.id) == ["organisation.created", "organisation.updated"]


async def test_a_closed_organisation_stays_closed_and_lets_nobody_in(app_db: Database) -> None:
    org = await make_organisation(app_db)
    key = await org.key()
    async with app_db.tx(org.id) as tx:
        await tenants.set_organisation_status(tx, Status.SUSPENDED, version=1, now=NOW, meta=META)

    with pytest.raises(access.OrganisationInactive):
        await access.Authenticator(app_db).authenticate(f"Bearer {key.secret.text}", now=NOW)

    async with app_db.tx(org.id) as tx:
        await tenants.set_organisation_status(tx, Status.CLOSED, version=2, now=NOW, meta=META)
    with refuses("tenants.status_not_reachable"):
        async with app_db.tx(org.id) as tx:
            await tenants.set_organisation_status(tx, Status.ACTIVE, version=3, now=NOW, meta=META)


async def test_a_path_names_an_organisation_by_slug_or_id(app_db: Database) -> None:
    org = await make_organisation(app_db)

    assert await tenants.find_tenant(app_db, org.slug) == org.id
    assert await tenants.find_tenant(app_db, show("org", org.id)) == org.id
    with pytest.raises(tenants.OrganisationNotFound):
        await tenants.find_tenant(app_db, "nobody")


async def test_the_platform_is_set_up_once(app_db: Database, owner_db: Database) -> None:
    now = SystemClock().now()
    issued = await tenants.bootstrap_platform(app_db, now=now)
    assert issued is not None
    before = await state(owner_db)

    assert await tenants.bootstrap_platform(app_db, now=now) is None
    assert await state(owner_db) == before

    caller = await access.Authenticator(app_db).authenticate(f"Bearer {issued.secret.text}", now=now)
    assert caller.kind == "platform"
    assert Permission.PLATFORM_ORGANISATIONS_CREATE in caller.permissions
    async with app_db.tx(caller.tenant_id) as tx:
        made = await tenants.create_organisation(
            tx, CreateOrganisation("first", "First", "KE", "KES", "UTC"), caller=caller, now=now, meta=META
        )
    assert made.slug == "first"


async def test_malformed_text_in_an_update_changes_nothing(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    before = await state(owner_db)

    with pytest.raises(MalformedTenant):
        async with app_db.tx(org.id) as tx:
            await tenants.update_organisation(tx, version=1, name="Fine", time_zone="Nowhere", now=NOW, meta=META)

    assert await state(owner_db) == before


async def test_an_application_belongs_to_a_branch_or_to_the_organisation(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    branch = await org.branch("nairobi")
    async with app_db.tx(org.id) as tx:
        made = await tenants.create_application(
            tx, code="till", name="Till", kind="pos", branch_id=branch.id, caller=org.owner, now=NOW, meta=META
        )
        renamed = await tenants.update_application(
            tx, made.id, version=1, name="Till 1", status="suspended", now=NOW, meta=META
        )
    assert (renamed.name, renamed.status, renamed.version, renamed.branch_id) == ("Till 1", "suspended", 2, branch.id)
    before = await state(owner_db)

    with pytest.raises(TenantVersionStale):
        async with app_db.tx(org.id) as tx:
            await tenants.update_application(tx, made.id, version=1, name="X", now=NOW, meta=META)
    elsewhere = await make_organisation(app_db)
    theirs = await elsewhere.branch("lagos")
    before = await state(owner_db)
    with refuses("tenants.branch_not_found"):
        async with app_db.tx(org.id) as tx:
            await tenants.create_application(
                tx, code="b", name="B", kind="web", branch_id=theirs.id, caller=org.owner, now=NOW, meta=META
            )
    narrow = make_caller(org.id, org.owner.permissions, branches=(branch.id,))
    with refuses("tenants.branch_out_of_reach"):
        async with app_db.tx(org.id, branches=[branch.id]) as tx:
            await tenants.create_application(tx, code="c", name="C", kind="web", caller=narrow, now=NOW, meta=META)

    assert await state(owner_db) == before
