"""Decisions of access, without a database."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.kit.ids import uuid7
from omniroute.parties.access import BUILT_IN, PLATFORM_PERMISSIONS, Caller, Permission, Scope, check_may_give
from omniroute.parties.access.errors import PermissionMissing
from omniroute.parties.access.model import broadest
from tests.parties.makers import make_caller, refuses

BRANCHES = [uuid7() for _ in range(4)]
TENANT = uuid7()
PERMISSIONS = [Permission.LEDGER_READ, Permission.LEDGER_POST, Permission.KEYS_WRITE]

scopes = st.lists(
    st.builds(
        Scope,
        st.frozensets(st.sampled_from([str(p) for p in PERMISSIONS]), min_size=1),
        st.none() | st.frozensets(st.sampled_from(BRANCHES), min_size=1),
    ),
    min_size=2,
    max_size=5,
)


def holds(held: list[Scope], permission: str, branch: UUID | None) -> bool:
    """What the scopes say, word for word."""
    return any(
        permission in scope.permissions
        and (scope.branches is None or (branch is not None and branch in scope.branches))
        for scope in held
    )


@given(scopes)
def test_a_narrowed_caller_never_says_more_than_its_scopes(held: list[Scope]) -> None:
    permissions, branches = broadest(tuple(held))
    caller = make_caller(TENANT, permissions, branches=branches, scopes=tuple(held))
    seen: list[Caller] = [caller]
    for permission in PERMISSIONS:
        if any(permission in scope.permissions for scope in held):
            narrowed = caller.require(permission)
            assert permission in narrowed.permissions or narrowed.branches is not None
            seen.append(narrowed)
    for one in seen:
        for held_permission in one.permissions:
            for branch in one.branches if one.branches is not None else [None, *BRANCHES]:
                assert holds(held, held_permission, branch)


@given(scopes, st.sampled_from(PERMISSIONS), st.none() | st.frozensets(st.sampled_from(BRANCHES), min_size=1))
def test_nobody_gives_what_they_do_not_hold_there(
    held: list[Scope], permission: Permission, where: frozenset[UUID] | None
) -> None:
    caller = make_caller(TENANT, [], scopes=tuple(held))
    allowed = all(holds(held, permission, branch) for branch in (where or [None]))
    if allowed:
        check_may_give(caller, [permission], where)
    else:
        with refuses("access.grant_exceeds_own"):
            check_may_give(caller, [permission], where)


def test_a_missing_permission_is_refused_by_name() -> None:
    caller = make_caller(TENANT, ["ledger.read"])
    assert caller.require(Permission.LEDGER_READ) is caller
    with pytest.raises(PermissionMissing) as refused:
        caller.require(Permission.LEDGER_POST)
    assert refused.value.facts == {"permission": "ledger.post"}


def test_no_built_in_role_holds_a_permission_of_the_platform() -> None:
    for _, permissions in BUILT_IN.values():
        assert not permissions & PLATFORM_PERMISSIONS
