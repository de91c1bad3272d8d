"""Who may ask, in which role, and whose data they get."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from omniroute.graphql import Gate
from omniroute.graphql.doors.roles import Reach, needs, reach
from omniroute.parties.access import BUILT_IN, Caller, Permission, Scope
from tests.graphql.doors.conftest import SECRET, System, door_metadata
from tests.graphql.doors.conftest import Caller as Http
from tests.graphql.doors.test_http import refused

TYPENAME = "{ merchants { __typename } }"
COUNT = "{ payments_aggregate { aggregate { count } } }"
HERE, THERE = UUID(int=1), UUID(int=2)


async def test_the_role_is_the_first_that_the_credentials_allow(http: Http) -> None:
    # The auditor counts; the user, who may not, has no such field.
    assert (await http.ask(COUNT, "auditor")).json()["data"]["payments_aggregate"]["aggregate"]["count"] == 5
    assert refused(await http.ask(COUNT, "user"))[3] == "field 'payments_aggregate' not found in type: 'query_root'"


async def test_the_header_chooses_among_allowed_roles(http: Http) -> None:
    answer = await http.ask(COUNT, "auditor", x_hasura_role="auditor")
    assert answer.json()["data"]["payments_aggregate"]["aggregate"]["count"] == 5
    for role in ("user", "clerk", "admin", "finance_admin", "books", "loop", "nobody", "x" * 5_000):
        answer = await http.ask(COUNT, "auditor", x_hasura_role=role)
        assert refused(answer) == (403, "access-denied", "$", "Your requested role is not in allowed roles")


async def test_session_variables_never_come_from_headers(http: Http) -> None:
    document = "{ merchants { id } }"
    assert (await http.ask(document, "user")).json() == {"data": {"merchants": []}}
    forged = await http.ask(document, "user", x_hasura_user_id="u1", x_hasura_tenant_id=str(uuid4()))
    assert forged.json() == {"data": {"merchants": []}}


@pytest.mark.parametrize(
    ("authorization", "code", "message"),
    [
        (None, "invalid-headers", "Missing 'Authorization' header"),
        ("Bearer sk_live_nobody", "access-denied", None),
        ("Basic dTpw", "access-denied", None),
        ("Bearer a.b.c", "access-denied", None),
        ("Bearer " + "x" * 20_000, "access-denied", None),
    ],
    ids=range(5),
)
async def test_who_is_not_known_is_refused(
    http: Http, authorization: str | None, code: str, message: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = await http.ask(TYPENAME, None, **headers)
    status, found, path, said = refused(answer)
    assert (status, found, path) == (401, code, "$")
    assert said == message if message else said
    assert answer.headers["www-authenticate"] == 'Bearer realm="omniroute"'


async def test_credentials_without_a_role_are_refused(http: Http) -> None:
    assert refused(await http.ask(TYPENAME, "nothing"))[:2] == (403, "access-denied")
    assert refused(await http.ask(COUNT, "customer_admin"))[:2] == (200, "validation-failed")  # It is a user too.


async def test_the_admin_secret_takes_any_role_and_variables(http: Http) -> None:
    everything = await http.ask("{ merchants { owner } }", None, x_hasura_admin_secret=SECRET)
    assert len(everything.json()["data"]["merchants"]) == 3
    as_user = await http.ask(
        "{ merchants(order_by: {name: asc}) { name } }", None,
        x_hasura_admin_secret=SECRET, x_hasura_role="user", x_hasura_user_id="u1",
    )  # fmt: skip
    assert [one["name"] for one in as_user.json()["data"]["merchants"]] == ["Adeola Stores", "Chidi's"]
    clerk = await http.ask("{ payments { narration } }", None, x_hasura_access_key=SECRET, x_hasura_role="clerk")
    assert len(clerk.json()["data"]["payments"]) == 1
    wrong = await http.ask(TYPENAME, None, x_hasura_admin_secret=SECRET, x_hasura_tenant_id="duka")
    assert refused(wrong)[:2] == (400, "invalid-headers")


@pytest.mark.parametrize("secret", ["", "wrong", SECRET + "x", "\u00e9"])
async def test_a_wrong_admin_secret_is_refused_whatever_else_is_sent(http: Http, secret: str) -> None:
    headers = http.headers("auditor") | {"x-hasura-admin-secret": secret.encode("latin-1").decode("latin-1")}
    told = [(name.encode(), text.encode("latin-1")) for name, text in headers.items()]
    answer = await http.http.post("/v1/graphql", json={"query": TYPENAME}, headers=told)
    assert refused(answer) == (401, "access-denied", "$", "invalid x-hasura-admin-secret/x-hasura-access-key")


async def test_without_an_admin_secret_nobody_has_it(system: System) -> None:
    gate = replace(system.gate, admin_secret="")
    for secret in ("", SECRET):
        with pytest.raises(Exception, match="invalid x-hasura-admin-secret"):
            await gate.admit({"x-hasura-admin-secret": secret})


async def test_the_admin_secret_speaks_for_one_organisation(system: System) -> None:
    shown = {"x-hasura-admin-secret": SECRET, "x-hasura-tenant-id": str(system.tenant_id), "x-hasura-anything": "1"}
    visitor = await system.gate.admit(shown | {"x-hasura-use-backend-only-permissions": "true", "x-other": "2"})
    assert (visitor.role, visitor.is_admin, visitor.session.tenant_id) == ("admin", True, system.tenant_id)
    assert visitor.session.is_backend
    assert visitor.session.variables == {
        "x-hasura-tenant-id": str(system.tenant_id), "x-hasura-anything": "1", "x-hasura-role": "admin"
    }  # fmt: skip
    assert SECRET not in repr(visitor)
    assert SECRET not in repr(system.gate)


async def test_strangers_get_a_role_only_if_there_is_one(system: System) -> None:
    gate = replace(system.gate, stranger_role="anonymous")
    visitor = await gate.admit({"x-hasura-user-id": "u1", "x-hasura-role": "auditor"})
    assert (visitor.role, visitor.session.tenant_id, visitor.is_admin) == ("anonymous", None, False)
    assert visitor.session.variables == {"x-hasura-role": "anonymous"}


async def test_the_session_is_the_callers_own(system: System) -> None:
    gate: Gate = system.gate
    visitor = await gate.admit({"authorization": f"Bearer {system.keys['auditor']}", "x-hasura-role": "auditor"})
    assert visitor.session.tenant_id == system.tenant_id
    assert visitor.session.variables["x-hasura-tenant-id"] == str(system.tenant_id)
    assert UUID(visitor.session.variables["x-hasura-user-id"])
    assert visitor.session.branches is None


def caller(*scopes: tuple[str, UUID | None]) -> Caller:
    """Somebody who holds these roles, each in a branch or (None) everywhere."""
    held = tuple(
        Scope(frozenset(map(str, BUILT_IN[role][1])), None if branch is None else frozenset({branch}))
        for role, branch in scopes
    )
    return Caller(UUID(int=9), "usr_x", UUID(int=8), "user", frozenset(), (), scopes=held)


@pytest.mark.parametrize("role", sorted(BUILT_IN))
def test_who_holds_a_role_may_act_in_it(role: str) -> None:
    assert reach(caller((role, None)), role, door_metadata()) == Reach(None)
    assert reach(caller((role, HERE)), role, door_metadata()) == Reach((HERE,))


def test_an_owner_may_act_in_every_role() -> None:
    for role in BUILT_IN:
        assert reach(caller(("owner", None)), role, door_metadata()) == Reach(None)


def test_roles_in_branches_reach_as_far_as_their_branches() -> None:
    mixed = caller(("user", None), ("approver", HERE), ("finance_admin", THERE))
    assert reach(mixed, "user", door_metadata()) == Reach(None)
    assert reach(mixed, "approver", door_metadata()) == Reach((HERE, THERE))  # A finance admin may approve as well.
    assert reach(mixed, "finance_admin", door_metadata()) == Reach((THERE,))
    assert reach(mixed, "customer_admin", door_metadata()) is None


def test_no_role_without_each_of_its_permissions() -> None:
    for role, (_, permissions) in BUILT_IN.items():
        for missing in permissions:
            some = frozenset(map(str, permissions - {missing}))
            held = Caller(UUID(int=9), "key_x", UUID(int=8), "api_key", some)
            assert reach(held, role, door_metadata()) is None, (role, missing)


def test_inherited_roles_need_what_their_parts_need() -> None:
    found = door_metadata()
    assert needs("books", found) == frozenset(map(str, BUILT_IN["auditor"][1] | BUILT_IN["user"][1]))
    assert reach(caller(("auditor", None)), "books", found) is None  # It may not enquire.
    assert reach(caller(("auditor", None), ("user", HERE)), "books", found) == Reach((HERE,))
    for name in ("both", "loop", "clerk", "admin", "nobody"):
        assert needs(name, found) is None
    assert Permission.PAYMENTS_ENQUIRE in BUILT_IN["user"][1]
