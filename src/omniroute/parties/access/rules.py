"""Decisions of access. Values in, value or refusal out."""

from collections.abc import Collection, Iterable
from uuid import UUID

from omniroute.parties.access.errors import GrantExceedsOwn, MalformedAccess, UnknownPermission
from omniroute.parties.access.model import PLATFORM_PERMISSIONS, Caller, Permission

_KNOWN = frozenset(Permission)

NAME_LENGTH_MAX = 200
BRANCHES_MAX = 200

P = Permission
_READ = {P.ORGANISATION_READ, P.LEDGER_READ}
_NETWORK_READ = {P.PARTNERS_READ, P.COLLECTIONS_READ, P.ATC_READ, P.SETTLEMENTS_READ}
_INITIATE = {P.PAYMENTS_READ, P.PAYMENTS_INITIATE, P.PAYMENTS_CANCEL, P.PAYMENTS_ENQUIRE, P.BATCHES_WRITE}
BUILT_IN: dict[str, tuple[str, frozenset[Permission]]] = {
    "owner": ("Everything in the organisation", frozenset(P) - PLATFORM_PERMISSIONS),
    "finance_admin": (
        "Runs the books and the payments: accounts, limits, rates, periods, routes, bank connections",
        frozenset(
            {
                *_READ,
                *_INITIATE,
                *_NETWORK_READ,
                P.PARTNERS_WRITE,
                P.COLLECTIONS_WRITE,
                P.ATC_WRITE,
                P.ATC_APPROVE,
                P.ATC_COLLECT,
                P.SETTLEMENTS_WRITE,
                P.RECONCILIATION_READ,
                P.RECONCILIATION_WRITE,
                P.LEDGER_POST,
                P.LEDGER_POST_SOFT_CLOSED,
                P.LEDGER_ACCOUNTS_WRITE,
                P.LEDGER_PERIODS_CLOSE,
                P.LEDGER_LIMITS_WRITE,
                P.LEDGER_RATES_WRITE,
                P.LEDGER_CHECK,
                P.PAYMENTS_APPROVE,
                P.PAYMENTS_REVIEW,
                P.PAYMENTS_POLICIES_WRITE,
                P.SCHEDULES_WRITE,
                P.CONNECTIONS_READ,
                P.CONNECTIONS_WRITE,
                P.WEBHOOKS_READ,
                P.WEBHOOKS_WRITE,
                P.PEOPLE_READ,
                P.AUDIT_READ,
            }
        ),
    ),
    "payment_initiator": (
        "Starts payments and postings, records what is collected",
        frozenset(
            {*_READ, *_INITIATE, *_NETWORK_READ, P.ATC_COLLECT, P.LEDGER_POST, P.SCHEDULES_WRITE, P.CONNECTIONS_READ}
        ),
    ),
    "approver": (
        "Reads, and approves what others start",
        frozenset(
            {
                *_READ,
                *_NETWORK_READ,
                P.RECONCILIATION_READ,
                P.ATC_APPROVE,
                P.PAYMENTS_READ,
                P.PAYMENTS_APPROVE,
                P.PAYMENTS_REVIEW,
                P.CONNECTIONS_READ,
                P.AUDIT_READ,
            }
        ),
    ),
    "customer_admin": (
        "Looks after branches, applications, people, partners and what they collect by",
        frozenset(
            {
                *_READ,
                P.PARTNERS_READ,
                P.PARTNERS_WRITE,
                P.COLLECTIONS_READ,
                P.COLLECTIONS_WRITE,
                P.ATC_READ,
                P.ATC_WRITE,
                P.PAYMENTS_ENQUIRE,
                P.BRANCHES_WRITE,
                P.APPLICATIONS_WRITE,
                P.PEOPLE_READ,
                P.PEOPLE_WRITE,
            }
        ),
    ),
    "auditor": (
        "Reads everything, changes nothing",
        frozenset(
            {
                *_READ,
                *_NETWORK_READ,
                P.RECONCILIATION_READ,
                P.LEDGER_CHECK,
                P.PAYMENTS_READ,
                P.CONNECTIONS_READ,
                P.WEBHOOKS_READ,
                P.PEOPLE_READ,
                P.KEYS_READ,
                P.AUDIT_READ,
            }
        ),
    ),
    "user": ("Reads the organisation, asks whose an account is", frozenset({P.ORGANISATION_READ, P.PAYMENTS_ENQUIRE})),
    "support": (
        "Reads accounts, payments and people to help them",
        frozenset({*_READ, *_NETWORK_READ, P.PAYMENTS_READ, P.PEOPLE_READ}),
    ),
    "integration": (
        "A system that posts, pays, collects and reads",
        frozenset(
            {
                *_READ,
                *_INITIATE,
                *_NETWORK_READ,
                P.PARTNERS_WRITE,
                P.COLLECTIONS_WRITE,
                P.ATC_COLLECT,
                P.RECONCILIATION_READ,
                P.LEDGER_POST,
                P.LEDGER_ACCOUNTS_WRITE,
                P.CONNECTIONS_READ,
            }
        ),
    ),
}
"""Roles every organisation starts with: name -> (description, permissions)."""
OWNER = "owner"


def check_permissions(names: Iterable[str]) -> frozenset[Permission]:
    """The permissions of these names.

    Raises: UnknownPermission.
    """
    wanted = frozenset(names)
    unknown = sorted(str(name)[:64] for name in wanted - _KNOWN)
    if unknown:
        raise UnknownPermission(permissions=unknown[:20])
    return frozenset(Permission(name) for name in wanted)


def check_may_give(caller: Caller, permissions: Collection[str], branches: Collection[UUID] | None) -> None:
    """Refuse to give what the caller does not hold in all these branches (None: the whole organisation).

    Raises: GrantExceedsOwn.
    """
    where = None if branches is None else frozenset(branches)
    beyond = sorted(str(p) for p in permissions if not caller.covers(p, where))
    if beyond:
        raise GrantExceedsOwn(permissions=beyond)


def check_name(text: str, *, field: str = "name") -> str:
    """A name people read: 1 to 200 characters, no control characters, no blanks around.

    Raises: MalformedAccess.
    """
    name = text.strip()
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise MalformedAccess(field=field, expected="1 to 200 printable characters")
    return name


def check_branches(branches: Collection[UUID] | None) -> list[UUID] | None:
    """Branches of a scope: None, or 1 to 200 of them, sorted and without repeats.

    Raises: MalformedAccess.
    """
    if branches is None:
        return None
    if not 1 <= len(branches) <= BRANCHES_MAX:
        raise MalformedAccess(field="branches", expected="1 to 200 branches, or none at all for the whole organisation")
    return sorted(set(branches))
