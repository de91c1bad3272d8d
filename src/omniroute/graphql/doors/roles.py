"""Which roles of the metadata a caller may act in, and where.

A caller may act in a role when it holds every permission of the built-in role of that name; in an inherited role when
it may act in each of its parts. It acts in the branches where that is so. Any other role is for the admin secret only:
nobody gets a role from data that the role itself could change.
"""

from dataclasses import dataclass
from uuid import UUID

from omniroute.graphql.metadata.tree import Metadata
from omniroute.parties.access import BUILT_IN, Caller

PREFERRED = (
    "owner", "finance_admin", "payment_initiator", "approver", "customer_admin", "auditor", "integration", "support",
    "user",
)  # fmt: skip
"""The role of who names none is the first of these that they may act in."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a caller may act in a role: in these branches; None is the whole organisation."""

    branches: tuple[UUID, ...] | None


def needs(role: str, metadata: Metadata) -> frozenset[str] | None:
    """The permissions somebody must hold to act in a role; None: no permissions are enough."""
    return _needs(role, metadata, ())


def _needs(role: str, metadata: Metadata, above: tuple[str, ...]) -> frozenset[str] | None:
    if role in BUILT_IN:
        return frozenset(map(str, BUILT_IN[role][1]))
    parts = metadata.inherited_roles.get(role)
    if not parts or role in above:
        return None
    found = frozenset[str]()
    for part in parts:
        wanted = _needs(part, metadata, (*above, role))
        if wanted is None:
            return None
        found |= wanted
    return found


def reach(caller: Caller, role: str, metadata: Metadata) -> Reach | None:
    """Where a caller may act in a role; None: nowhere."""
    wanted = needs(role, metadata)
    if wanted is None:
        return None
    scopes = caller.all_scopes()
    whole = frozenset[str]().union(*(one.permissions for one in scopes if one.branches is None))
    if wanted <= whole:
        return Reach(None)
    held: dict[UUID, frozenset[str]] = {}
    for one in scopes:
        for branch in one.branches or ():
            held[branch] = held.get(branch, whole) | one.permissions
    branches = tuple(sorted(branch for branch, permissions in held.items() if wanted <= permissions))
    return Reach(branches) if branches else None
