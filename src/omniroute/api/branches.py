"""Branches and applications over HTTP."""

from typing import Annotated, Literal

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import BranchId, In, Instant, ListIn, Name, Out, PageOut, page, parse_id, shown
from omniroute.infra.postgres import Tx
from omniroute.parties import tenants
from omniroute.parties.access import Permission

_BRANCHES = "/v1/{tenant}/branches"
_APPLICATIONS = "/v1/{tenant}/applications"

Code = Annotated[str, Meta(min_length=1, max_length=40, description="Unique here; never changes.", examples=["kano"])]
Region = Annotated[str, Meta(min_length=1, max_length=80)]


class CreateBranchIn(In):
    """A new branch, at the top or below another."""

    code: Code
    name: Name
    parent_id: BranchId | None = None
    region: Region | None = None


class ReplaceBranchIn(In):
    """The branch as it shall be; moving it takes everything below along."""

    name: Name
    region: Region | None
    parent_id: BranchId | None
    status: Literal["active", "closed"] = "active"


class BranchesIn(ListIn):
    """Which branches."""

    status: Literal["active", "closed"] | None = None
    parent_id: BranchId | None = None


class BranchOut(Out):
    """A branch."""

    id: str
    parent_id: str | None
    code: str
    name: str
    region: str | None
    status: Literal["active", "closed"]
    version: int
    created_at: Instant
    updated_at: Instant


class CreateApplicationIn(In):
    """A new application, of the organisation or of one branch."""

    code: Code
    name: Name
    kind: Annotated[str, Meta(min_length=1, max_length=40, description="What it is, such as web, mobile or pos.")]
    branch_id: BranchId | None = None


class ReplaceApplicationIn(In):
    """The application as it shall be; its keys work while it is active."""

    name: Name
    status: Literal["active", "suspended", "closed"] = "active"


class ApplicationsIn(ListIn):
    """Which applications."""

    branch_id: BranchId | None = None


class ApplicationOut(Out):
    """An application."""

    id: str
    branch_id: str | None
    code: str
    name: str
    kind: str
    status: Literal["active", "suspended", "closed"]
    version: int
    created_at: Instant
    updated_at: Instant


def branch_out(branch: tenants.Branch) -> BranchOut:
    """A branch as shown."""
    return shown(BranchOut, branch, {"id": "brn", "parent_id": "brn"})


def application_out(application: tenants.Application) -> ApplicationOut:
    """An application as shown."""
    return shown(ApplicationOut, application, {"id": "app", "branch_id": "brn"})


def _branch(branch: tenants.Branch) -> Reply:
    return Reply(branch_out(branch), version=branch.version)


def _application(application: tenants.Application) -> Reply:
    return Reply(application_out(application), version=application.version)


_EXAMPLE = {
    "id": "brn_01jd3m8q4vv8k8x2n0c5t7yh6r", "parent_id": None, "code": "kano", "name": "Kano depot", "region": "north",
    "status": "active", "version": 1, "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z",
}  # fmt: skip


@operation(
    "POST", _BRANCHES, tag="Branches", status=201, permission=Permission.BRANCHES_WRITE, body=CreateBranchIn,
    reply=BranchOut, versioned=True, idempotent=True, example={"code": "kano", "name": "Kano depot", "region": "north"},
    refusals=("tenants.malformed", "tenants.branch_out_of_reach", "tenants.branch_not_found", "tenants.branch_closed",
              "tenants.branch_code_taken", "kit.malformed_id"),
    example_reply=_EXAMPLE,
)  # fmt: skip
async def create_branch(call: Call, tx: Tx, body: CreateBranchIn) -> Reply:
    """Create a branch."""
    branch = await tenants.create_branch(
        tx,
        code=body.code,
        name=body.name,
        parent_id=parse_id("brn", body.parent_id),
        region=body.region,
        caller=call.caller,
        now=call.now,
        meta=call.meta,
    )
    return _branch(branch)


@operation(
    "GET", _BRANCHES, tag="Branches", permission=Permission.ORGANISATION_READ, query=BranchesIn,
    reply=PageOut[BranchOut], sorts=tenants.BRANCHES.sorts, refusals=("kit.malformed_id",),
    example_reply={"items": [_EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_branches(call: Call, tx: Tx, query: BranchesIn) -> PageOut[BranchOut]:
    """List branches, by code unless `sort` says otherwise."""
    found = await tenants.list_branches(
        tx,
        status=query.status,
        parent_id=parse_id("brn", query.parent_id),
        sort=query.sort,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page(found, branch_out)


@operation(
    "GET", _BRANCHES + "/{branch}", tag="Branches", permission=Permission.ORGANISATION_READ, reply=BranchOut,
    versioned=True, refusals=("tenants.branch_not_found",), example_reply=_EXAMPLE,
)  # fmt: skip
async def get_branch(call: Call, tx: Tx) -> Reply:
    """Show a branch."""
    return _branch(await tenants.get_branch(tx, call.id("branch")))


@operation(
    "PUT", _BRANCHES + "/{branch}", tag="Branches", permission=Permission.BRANCHES_WRITE, body=ReplaceBranchIn,
    reply=BranchOut, versioned=True, changes_version=True,
    refusals=("tenants.malformed", "tenants.branch_out_of_reach", "tenants.branch_not_found", "tenants.branch_closed",
              "tenants.branch_circle", "tenants.branch_in_use", "tenants.stale_version"),
    example={"name": "Kano depot", "region": "north", "parent_id": None}, example_reply=_EXAMPLE | {"version": 2},
)  # fmt: skip
async def replace_branch(call: Call, tx: Tx, body: ReplaceBranchIn) -> Reply:
    """Rename, move, close or open a branch."""
    branch = await tenants.update_branch(
        tx,
        call.id("branch"),
        version=call.read_version,
        name=body.name,
        region=body.region,
        parent_id=parse_id("brn", body.parent_id),
        status=body.status,
        caller=call.caller,
        now=call.now,
        meta=call.meta,
    )
    return _branch(branch)


@operation(
    "POST", _APPLICATIONS, tag="Branches", status=201, permission=Permission.APPLICATIONS_WRITE,
    body=CreateApplicationIn, reply=ApplicationOut, versioned=True, idempotent=True,
    refusals=("tenants.malformed", "tenants.branch_out_of_reach", "tenants.branch_not_found", "tenants.branch_closed",
              "tenants.application_code_taken", "kit.malformed_id"),
    example={"code": "till", "name": "Tills", "kind": "pos"},
)  # fmt: skip
async def create_application(call: Call, tx: Tx, body: CreateApplicationIn) -> Reply:
    """Create an application."""
    application = await tenants.create_application(
        tx,
        code=body.code,
        name=body.name,
        kind=body.kind,
        branch_id=parse_id("brn", body.branch_id),
        caller=call.caller,
        now=call.now,
        meta=call.meta,
    )
    return _application(application)


@operation(
    "GET", _APPLICATIONS, tag="Branches", permission=Permission.ORGANISATION_READ, query=ApplicationsIn,
    reply=PageOut[ApplicationOut], sorts=tenants.APPLICATIONS.sorts, refusals=("kit.malformed_id",),
)  # fmt: skip
async def list_applications(call: Call, tx: Tx, query: ApplicationsIn) -> PageOut[ApplicationOut]:
    """List applications, by code unless `sort` says otherwise."""
    branch_id = parse_id("brn", query.branch_id)
    found = await tenants.list_applications(
        tx, branch_id=branch_id, sort=query.sort, cursor=query.cursor, limit=query.limit
    )
    return page(found, application_out)


@operation(
    "GET", _APPLICATIONS + "/{application}", tag="Branches", permission=Permission.ORGANISATION_READ,
    reply=ApplicationOut, versioned=True, refusals=("tenants.application_not_found",),
)  # fmt: skip
async def get_application(call: Call, tx: Tx) -> Reply:
    """Show an application."""
    return _application(await tenants.get_application(tx, call.id("application")))


@operation(
    "PUT", _APPLICATIONS + "/{application}", tag="Branches", permission=Permission.APPLICATIONS_WRITE,
    body=ReplaceApplicationIn, reply=ApplicationOut, versioned=True, changes_version=True,
    refusals=("tenants.malformed", "tenants.application_not_found", "tenants.stale_version"),
    example={"name": "Tills", "status": "suspended"},
)  # fmt: skip
async def replace_application(call: Call, tx: Tx, body: ReplaceApplicationIn) -> Reply:
    """Rename, suspend, open or close an application."""
    application = await tenants.update_application(
        tx,
        call.id("application"),
        version=call.read_version,
        name=body.name,
        status=body.status,
        now=call.now,
        meta=call.meta,
    )
    return _application(application)
