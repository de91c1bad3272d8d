"""Refusals of tenants."""

from omniroute.kit.refusal import Kind, Refusal


class MalformedTenant(Refusal):
    """A field of the organisation, branch, application or link is malformed; `field` and `expected` say which."""

    code = "tenants.malformed"
    kind = Kind.INVALID


class OrganisationNotFound(Refusal):
    """There is no such organisation, or it is not yours to know of."""

    code = "tenants.organisation_not_found"
    kind = Kind.NOT_FOUND


class SlugTaken(Refusal):
    """Another organisation has this slug; choose another one."""

    code = "tenants.slug_taken"
    kind = Kind.CONFLICT


class StatusNotReachable(Refusal):
    """The organisation cannot go from its present status to this one."""

    code = "tenants.status_not_reachable"
    kind = Kind.REFUSED


class PlatformStays(Refusal):
    """The platform's own organisation cannot be suspended or closed: nobody could open it again."""

    code = "tenants.platform_stays"
    kind = Kind.REFUSED


class BranchNotFound(Refusal):
    """There is no such branch in this organisation."""

    code = "tenants.branch_not_found"
    kind = Kind.NOT_FOUND


class BranchCodeTaken(Refusal):
    """Another branch of the organisation has this code."""

    code = "tenants.branch_code_taken"
    kind = Kind.CONFLICT


class BranchCircle(Refusal):
    """A branch cannot hang below itself or below one of its own branches."""

    code = "tenants.branch_circle"
    kind = Kind.REFUSED


class BranchOutOfReach(Refusal):
    """The caller works for some branches only; a new branch must hang below one of them."""

    code = "tenants.branch_out_of_reach"
    kind = Kind.FORBIDDEN


class BranchInUse(Refusal):
    """The branch has open branches or active applications below it; close these first."""

    code = "tenants.branch_in_use"
    kind = Kind.REFUSED


class BranchClosed(Refusal):
    """The branch is closed; nothing new can hang below it."""

    code = "tenants.branch_closed"
    kind = Kind.REFUSED


class ApplicationNotFound(Refusal):
    """There is no such application in this organisation."""

    code = "tenants.application_not_found"
    kind = Kind.NOT_FOUND


class ApplicationCodeTaken(Refusal):
    """Another application of the organisation has this code."""

    code = "tenants.application_code_taken"
    kind = Kind.CONFLICT


class TenantVersionStale(Refusal):
    """The thing changed since it was read; read it again and repeat the change on the new version."""

    code = "tenants.stale_version"
    kind = Kind.PRECONDITION_FAILED


class LinkNotFound(Refusal):
    """There is no such link."""

    code = "tenants.link_not_found"
    kind = Kind.NOT_FOUND


class LinkExists(Refusal):
    """The two organisations are linked already, or one has asked and waits for an answer."""

    code = "tenants.link_exists"
    kind = Kind.CONFLICT


class LinkNotYours(Refusal):
    """Only the other side of the link may do this: the asked side approves or rejects, the asking side withdraws."""

    code = "tenants.link_not_yours"
    kind = Kind.FORBIDDEN


class LinkStatusNotReachable(Refusal):
    """The link cannot go from its present status to this one."""

    code = "tenants.link_status_not_reachable"
    kind = Kind.REFUSED
