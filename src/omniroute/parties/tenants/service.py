"""Use cases of organisations, branches and applications."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from omniroute.infra.events import Meta, append
from omniroute.infra.postgres import Database, Tx, read_page
from omniroute.kit.ids import parse, uuid7
from omniroute.kit.paging import Page
from omniroute.parties import access
from omniroute.parties.access import Caller, Permission
from omniroute.parties.tenants import events
from omniroute.parties.tenants.errors import (
    ApplicationNotFound,
    BranchClosed,
    BranchInUse,
    BranchNotFound,
    BranchOutOfReach,
    MalformedTenant,
    OrganisationNotFound,
    PlatformStays,
    StatusNotReachable,
    TenantVersionStale,
)
from omniroute.parties.tenants.model import (
    NEXT,
    PLATFORM_ID,
    Application,
    Branch,
    CreateOrganisation,
    Organisation,
    Status,
)
from omniroute.parties.tenants.rules import (
    branding_json,
    check_code,
    check_country,
    check_currency,
    check_custom,
    check_kind,
    check_name,
    check_residency,
    check_slug,
    check_time_zone,
    read_branding,
    read_settings,
    settings_json,
)
from omniroute.parties.tenants.store import (
    APPLICATIONS,
    BRANCHES,
    SQL,
    application_of,
    as_tenant,
    branch_of,
    organisation_of,
    refusing,
)


async def find_tenant(db: Database, text: str) -> UUID:
    """The organisation a path names, by slug or by org_ id, whatever its status. For doors without a caller.

    An org_ id is taken as it is written: whether it exists shows when its rows are read.

    Raises: OrganisationNotFound, kit.MalformedId.
    """
    if text.startswith("org_"):
        return parse("org", text)
    async with db.tx() as tx:
        row = await tx.one_or_none(
            SQL.organisation_by_slug, slug=text.encode("ascii", "replace").decode().replace("\x00", "?")
        )
    if row is None:
        raise OrganisationNotFound()
    found: UUID = row.tenant_id
    return found


async def create_organisation(
    tx: Tx, command: CreateOrganisation, *, caller: Caller, now: datetime, meta: Meta
) -> Organisation:
    """A new tenant with its built-in roles and nobody in it yet. The transaction keeps its own tenant.

    Raises: access.PermissionMissing, MalformedTenant, kit.UnknownCurrency, SlugTaken.
    """
    caller.require(Permission.PLATFORM_ORGANISATIONS_CREATE)
    check_slug(command.slug)
    return await record_organisation(tx, uuid7(), command, now=now, meta=meta)


async def record_organisation(
    tx: Tx, organisation_id: UUID, command: CreateOrganisation, *, now: datetime, meta: Meta
) -> Organisation:
    """Store a new tenant under an id; for bootstrapping, where there is no caller yet.

    Raises: MalformedTenant, kit.UnknownCurrency, SlugTaken.
    """
    values = {
        "slug": command.slug,
        "name": check_name(command.name),
        "country": check_country(command.country),
        "currency": check_currency(command.currency),
        "time_zone": check_time_zone(command.time_zone),
        "residency": check_residency(command.residency),
        "settings": json.dumps(settings_json(read_settings(command.settings))),
        "custom": json.dumps(check_custom(command.custom)),
        "branding": json.dumps(branding_json(read_branding(command.branding))),
    }
    async with as_tenant(tx, organisation_id) as own:
        async with refusing(own):
            organisation = organisation_of(await own.one(SQL.insert_organisation, now=now, **values))
        await access.install_roles(own, now=now)
        await append(
            own,
            events.OrganisationCreated(
                organisation.id,
                organisation.slug,
                organisation.name,
                organisation.country,
                organisation.currency,
                organisation.time_zone,
                organisation.residency,
            ),
            meta,
        )
    return organisation


async def get_organisation(tx: Tx) -> Organisation:
    """The tenant of the transaction.

    Raises: OrganisationNotFound.
    """
    row = await tx.one_or_none(SQL.find_organisation)
    if row is None:
        raise OrganisationNotFound()
    return organisation_of(row)


async def update_organisation(
    tx: Tx,
    *,
    version: int,
    name: str | None = None,
    time_zone: str | None = None,
    residency: str | None = None,
    settings: Mapping[str, Any] | None = None,
    custom: Mapping[str, Any] | None = None,
    branding: Mapping[str, Any] | None = None,
    now: datetime,
    meta: Meta,
) -> Organisation:
    """Change what is given (None leaves a field as it is); `settings`, `custom` and `branding` are replaced whole.

    Raises: OrganisationNotFound, MalformedTenant, TenantVersionStale.
    """
    before = await get_organisation(tx)
    values: dict[str, object] = {
        "name": before.name if name is None else check_name(name),
        "time_zone": before.time_zone if time_zone is None else check_time_zone(time_zone),
        "residency": before.residency if residency is None else check_residency(residency),
        "settings": before.settings if settings is None else read_settings(settings),
        "custom": before.custom if custom is None else check_custom(custom),
        "branding": before.branding if branding is None else read_branding(branding),
    }
    changed = sorted(field for field, value in values.items() if value != getattr(before, field))
    after = await _store_organisation(tx, before, values, status=before.status, version=version, now=now)
    await append(tx, events.OrganisationUpdated(after.id, changed, after.version), meta)
    return after


async def set_organisation_status(tx: Tx, status: Status, *, version: int, now: datetime, meta: Meta) -> Organisation:
    """Suspend, open again or close the tenant of the transaction. While it is not active, nobody of it gets in.

    Raises: OrganisationNotFound, PlatformStays, StatusNotReachable, TenantVersionStale.
    """
    before = await get_organisation(tx)
    if before.id == PLATFORM_ID:
        raise PlatformStays()
    if status not in NEXT[before.status]:
        raise StatusNotReachable(status=str(before.status), wanted=str(status))
    values: dict[str, object] = {
        field: getattr(before, field) for field in ("name", "time_zone", "residency", "settings", "custom", "branding")
    }
    after = await _store_organisation(tx, before, values, status=status, version=version, now=now)
    await append(tx, events.OrganisationStatusChanged(after.id, str(after.status)), meta)
    return after


async def _store_organisation(
    tx: Tx, before: Organisation, values: Mapping[str, object], *, status: Status, version: int, now: datetime
) -> Organisation:
    settings, branding = values["settings"], values["branding"]
    row = await tx.one_or_none(
        SQL.update_organisation,
        name=values["name"],
        time_zone=values["time_zone"],
        residency=values["residency"],
        settings=json.dumps(settings_json(settings)),  # type: ignore[arg-type]  # Built just above as Settings.
        custom=json.dumps(values["custom"]),
        branding=json.dumps(branding_json(branding)),  # type: ignore[arg-type]  # Built just above as Branding.
        status=status,
        version=version,
        now=now,
    )
    if row is None:
        raise TenantVersionStale(version=version, version_now=before.version)
    return organisation_of(row)


async def create_branch(
    tx: Tx,
    *,
    code: str,
    name: str,
    parent_id: UUID | None = None,
    region: str | None = None,
    caller: Caller,
    now: datetime,
    meta: Meta,
) -> Branch:
    """A new branch, at the top or below another. A caller of some branches must hang it below one of these.

    Raises: MalformedTenant, BranchOutOfReach, BranchNotFound (the parent), BranchClosed, BranchCodeTaken.
    """
    check_code(code)
    clean = check_name(name)
    clean_region = None if region is None else check_name(region, field="region", length_max=80)
    if caller.branches is not None and (parent_id is None or parent_id not in caller.branches):
        raise BranchOutOfReach()
    if parent_id is not None:
        await _lock_open_branch(tx, parent_id)
    async with refusing(tx):
        row = await tx.one(
            SQL.insert_branch, id=uuid7(), parent_id=parent_id, code=code, name=clean, region=clean_region, now=now
        )
    branch = branch_of(row)
    await append(tx, events.BranchCreated(branch.id, branch.parent_id, branch.code, branch.name, branch.region), meta)
    return branch


async def get_branch(tx: Tx, branch_id: UUID) -> Branch:
    """One branch.

    Raises: BranchNotFound.
    """
    row = await tx.one_or_none(SQL.find_branch, id=branch_id)
    if row is None:
        raise BranchNotFound()
    return branch_of(row)


async def update_branch(
    tx: Tx,
    branch_id: UUID,
    *,
    version: int,
    name: str,
    region: str | None,
    parent_id: UUID | None,
    status: str = "active",
    caller: Caller,
    now: datetime,
    meta: Meta,
) -> Branch:
    """Replace a branch's name, region, parent and status. Moving it takes everything below along.

    Raises: BranchNotFound, MalformedTenant, BranchOutOfReach, BranchClosed (the parent), BranchCircle, BranchInUse,
    TenantVersionStale.
    """
    before = await get_branch(tx, branch_id)
    clean = check_name(name)
    clean_region = None if region is None else check_name(region, field="region", length_max=80)
    if status not in {"active", "closed"}:
        raise MalformedTenant(field="status", expected="active or closed")
    if caller.branches is not None and parent_id != before.parent_id and parent_id not in caller.branches:
        raise BranchOutOfReach()
    if parent_id is not None and status == "active" and parent_id != branch_id:
        await _lock_open_branch(tx, parent_id)
    async with refusing(tx):
        row = await tx.one_or_none(
            SQL.update_branch,
            id=branch_id,
            version=version,
            name=clean,
            region=clean_region,
            parent_id=parent_id,
            status=status,
            now=now,
        )
        if row is None:
            raise TenantVersionStale(version=version, version_now=before.version)
        if status == "closed" and await tx.value(SQL.count_below_branch, id=branch_id):
            raise BranchInUse()
    branch = branch_of(row)
    await append(tx, events.BranchUpdated(branch.id, branch.parent_id, branch.name, branch.region, branch.status), meta)
    return branch


async def _lock_open_branch(tx: Tx, branch_id: UUID) -> None:
    """Hold a branch open until the transaction ends, so that nothing new hangs below a closed one."""
    row = await tx.one_or_none(SQL.lock_branch, id=branch_id)
    if row is None:
        raise BranchNotFound()
    if row.status != "active":
        raise BranchClosed(code=row.code)


async def list_branches(
    tx: Tx,
    *,
    status: str | None = None,
    parent_id: UUID | None = None,
    sort: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[Branch]:
    """A page of branches, by code unless `sort` says otherwise, as far as the transaction may see.

    Raises: what `read_page` raises.
    """
    rows = await read_page(tx, BRANCHES, sort=sort, cursor=cursor, limit=limit, status=status, parent_id=parent_id)
    return rows.map(branch_of)


async def create_application(
    tx: Tx,
    *,
    code: str,
    name: str,
    kind: str,
    branch_id: UUID | None = None,
    caller: Caller,
    now: datetime,
    meta: Meta,
) -> Application:
    """A new application of the organisation, or of one branch.

    Raises: MalformedTenant, BranchOutOfReach, BranchNotFound, BranchClosed, ApplicationCodeTaken.
    """
    check_code(code)
    check_kind(kind)
    clean = check_name(name)
    if caller.branches is not None and branch_id is None:
        raise BranchOutOfReach()
    if branch_id is not None:
        await _lock_open_branch(tx, branch_id)
    async with refusing(tx):
        row = await tx.one(
            SQL.insert_application, id=uuid7(), branch_id=branch_id, code=code, name=clean, kind=kind, now=now
        )
    made = application_of(row)
    await append(tx, events.ApplicationCreated(made.id, made.branch_id, made.code, made.name, made.kind), meta)
    return made


async def get_application(tx: Tx, application_id: UUID) -> Application:
    """One application.

    Raises: ApplicationNotFound.
    """
    row = await tx.one_or_none(SQL.find_application, id=application_id)
    if row is None:
        raise ApplicationNotFound()
    return application_of(row)


async def update_application(
    tx: Tx, application_id: UUID, *, version: int, name: str, status: str = "active", now: datetime, meta: Meta
) -> Application:
    """Rename an application, or suspend, open or close it: its keys work while it is active.

    Raises: ApplicationNotFound, MalformedTenant, TenantVersionStale.
    """
    before = await get_application(tx, application_id)
    clean = check_name(name)
    if status not in set(Status):
        raise MalformedTenant(field="status", expected="active, suspended or closed")
    if before.status == Status.CLOSED and status != Status.CLOSED:
        raise MalformedTenant(field="status", expected="closed: an application that was closed stays closed")
    row = await tx.one_or_none(
        SQL.update_application, id=application_id, version=version, name=clean, status=status, now=now
    )
    if row is None:
        raise TenantVersionStale(version=version, version_now=before.version)
    after = application_of(row)
    await append(tx, events.ApplicationUpdated(after.id, after.name, after.status), meta)
    return after


async def list_applications(
    tx: Tx,
    *,
    branch_id: UUID | None = None,
    sort: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[Application]:
    """A page of applications, by code unless `sort` says otherwise, as far as the transaction may see.

    Raises: what `read_page` raises.
    """
    rows = await read_page(tx, APPLICATIONS, sort=sort, cursor=cursor, limit=limit, branch_id=branch_id)
    return rows.map(application_of)
