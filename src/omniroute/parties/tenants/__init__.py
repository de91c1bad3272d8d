"""Tenants: organisations, their branches and applications, and links between organisations.

    organisation   active <-> suspended ; active | suspended -> closed
    branch         active <-> closed ; a tree by parent, never a circle
    application    active <-> suspended ; -> closed
    link           requested -> approved -> ended ; requested -> rejected | withdrawn

Every other table belongs to an organisation, and row-level security keeps it there. A link never lifts that:
it is data that a module may ask for (`scopes`), and permits nothing by itself.
"""

from omniroute.parties.tenants.bootstrap import bootstrap_platform
from omniroute.parties.tenants.errors import MalformedTenant, OrganisationNotFound, SlugTaken, TenantVersionStale
from omniroute.parties.tenants.links import (
    approve_link,
    end_link,
    get_link,
    list_links,
    reject_link,
    request_link,
    withdraw_link,
)
from omniroute.parties.tenants.model import (
    PLATFORM_ID,
    Application,
    Branch,
    Branding,
    CreateOrganisation,
    Link,
    LinkScope,
    LinkStatus,
    Organisation,
    Settings,
    Status,
)
from omniroute.parties.tenants.rules import branding_json, settings_json
from omniroute.parties.tenants.service import (
    create_application,
    create_branch,
    create_organisation,
    find_tenant,
    get_application,
    get_branch,
    get_organisation,
    list_applications,
    list_branches,
    set_organisation_status,
    update_application,
    update_branch,
    update_organisation,
)
from omniroute.parties.tenants.store import APPLICATIONS, BRANCHES, LINKS, as_tenant

__all__ = [
    "APPLICATIONS",
    "BRANCHES",
    "LINKS",
    "PLATFORM_ID",
    "Application",
    "Branch",
    "Branding",
    "CreateOrganisation",
    "Link",
    "LinkScope",
    "LinkStatus",
    "MalformedTenant",
    "Organisation",
    "OrganisationNotFound",
    "Settings",
    "SlugTaken",
    "Status",
    "TenantVersionStale",
    "approve_link",
    "as_tenant",
    "bootstrap_platform",
    "branding_json",
    "create_application",
    "create_branch",
    "create_organisation",
    "end_link",
    "find_tenant",
    "get_application",
    "get_branch",
    "get_link",
    "get_organisation",
    "list_applications",
    "list_branches",
    "list_links",
    "reject_link",
    "request_link",
    "set_organisation_status",
    "settings_json",
    "update_application",
    "update_branch",
    "update_organisation",
    "withdraw_link",
]
