"""A caller of one branch and what belongs to another, on every address of the document: it does not exist."""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests.api.makers import Client, open_accounts, transfer
from tests.api.paying import make_payment
from tests.api.test_isolation import OPERATIONS, _filled, _request

HIDDEN = (
    "account",
    "branch",
    "application",
    "transaction",
    "hold",
    "group",
    "payment",
    "key",
    "client",
    "invitation",
    "user",
    "grant",
)
PASSWORD = "correct horse battery"
LISTS = [one for one in OPERATIONS if one[0] == "GET" and one[1].count("{") == 1]
BY_ID = [one for one in OPERATIONS if (names := re.findall(r"{(\w+)}", one[1])[1:]) and set(names) <= set(HIDDEN)]


def named(some: list[tuple[str, str, Any]]) -> list[str]:
    return [f"{method} {path}" for method, path, _ in some]


@dataclass
class Branch:
    """A branch, one of everything in it, and what may not be seen of it elsewhere."""

    client: Client
    things: dict[str, str]
    email: str
    accounts: tuple[str, str]

    @property
    def signs(self) -> set[str]:
        """Texts that would give it away."""
        return {*self.things.values(), self.email, *self.accounts}


async def join(root: Client, email: str, role_id: str, branch_id: str | None) -> dict[str, Any]:
    """A person who was invited and accepted."""
    branches = None if branch_id is None else [branch_id]
    issued = await root.post("/invitations", {"email": email, "role_ids": [role_id], "branch_ids": branches})
    body = {"token": issued["token"], "password": PASSWORD, "name": "Amina Bello"}
    answer = await root.http.post("/v1/invitations/accept", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def make_branch(root: Client, code: str, group: str, role_id: str) -> Branch:
    """A branch with one of everything, and a key that may do everything in it."""
    branch = await root.post("/branches", {"code": code, "name": code})
    where = {"branch_id": branch["id"]}
    application = await root.post("/applications", {"code": f"till-{code}", "name": "Till", "kind": "pos", **where})
    cash, wallet = f"cash:{code}", f"wallet:{code}"
    opened = {"name": code, "currency": "NGN", **where}
    await root.post("/ledger/accounts", {"code": cash, "type": "asset", **opened})
    await root.post("/ledger/accounts", {"code": wallet, "type": "liability", **opened})
    posted = await root.post("/ledger/transactions", transfer(cash, wallet, 500))
    held = await root.post("/ledger/holds", transfer(wallet, cash, 100, group_id=group))
    permissions = (await root.get("/keys"))["items"][0]["permissions"]
    issued = await root.post("/keys", {"name": code, "permissions": permissions, "branch_ids": [branch["id"]]})
    pending = {"email": f"pending@{code}.example", "role_ids": [role_id], "branch_ids": [branch["id"]]}
    invitation = await root.post("/invitations", pending)
    member = await join(root, f"member@{code}.example", role_id, branch["id"])
    (grant,) = (await root.get(f"/grants?user_id={member['id']}"))["items"]
    _, payment = await make_payment(root, wallet, code=f"rail-{code}")
    things = {
        "payment": payment["id"],
        "account": (await root.get(f"/ledger/accounts/{wallet}"))["id"],
        "branch": branch["id"],
        "application": application["id"],
        "transaction": posted["id"],
        "hold": held["id"],
        "group": group,
        "key": issued["key"]["id"],
        "client": issued["key"]["id"],
        "invitation": invitation["invitation"]["id"],
        "user": member["id"],
        "grant": grant["id"],
    }
    client = Client(root.http, root.tenant_id, root.slug, issued["secret"])
    return Branch(client, things, f"member@{code}.example", (cash, wallet))


@pytest.fixture(scope="module")
async def role_id(a: Client) -> str:
    """A role that may read people, and nothing else."""
    role = await a.post("/roles", {"name": "reader", "description": "Reads", "permissions": ["people.read"]})
    return str(role["id"])


@pytest.fixture(scope="module")
async def north(a: Client, role_id: str) -> Branch:
    return await make_branch(a, "north", "8e03978e-40d5-43e8-bc93-6894a57f9324", role_id)


@pytest.fixture(scope="module")
async def south(a: Client, role_id: str) -> Branch:
    await open_accounts(a, "cash", "wallet")
    await join(a, "member@hq.example", role_id, None)
    return await make_branch(a, "south", "5b4f7ac6-93a1-4f7e-9d3e-58d4f0f3f8a1", role_id)


async def everything(root: Client) -> list[Any]:
    """What anybody could have changed."""
    paths = ("payments", "people", "grants", "invitations", "applications", "branches", "ledger/accounts")
    return [await root.books(), *[await root.get(f"/{path}") for path in paths]]


@pytest.mark.parametrize(("method", "path", "page"), LISTS, ids=named(LISTS))
async def test_no_list_and_no_figure_shows_another_branch(
    north: Branch, south: Branch, method: str, path: str, page: dict[str, Any]
) -> None:
    query = {p["name"]: p["example"] for p in page["parameters"] if p["in"] == "query" and "example" in p}
    answer = await north.client.send(method, _filled(path, {}, page), params=query)
    assert answer.status_code in (200, 403, 404), answer.text
    assert [sign for sign in south.signs if sign in answer.text] == []
    assert "member@hq.example" not in answer.text


@pytest.mark.parametrize(("method", "path", "page"), BY_ID, ids=named(BY_ID))
async def test_an_id_of_another_branch_is_not_found(
    a: Client, north: Branch, south: Branch, method: str, path: str, page: dict[str, Any]
) -> None:
    """404, or what an id that was never given out gets as well: nothing can be guessed."""
    before = await everything(a)
    nowhere = {name: re.sub(r"[^_]{4}$", "zzzz", text) for name, text in south.things.items()}
    nowhere["group"] = "00000000-0000-4000-8000-000000000000"
    answer = await north.client.send(method, _filled(path, south.things, page), **_request(page))
    unknown = await north.client.send(method, _filled(path, nowhere, page), **_request(page))
    assert (answer.status_code, answer.content) == (unknown.status_code, unknown.content)
    assert answer.status_code == 404 or (answer.status_code, answer.json()["code"]) == (
        403,
        "access.permission_missing",
    )
    assert await everything(a) == before


async def test_a_branch_sees_the_members_who_hold_a_role_in_it(a: Client, north: Branch, south: Branch) -> None:
    seen = [member["email"] for member in (await north.client.get("/people"))["items"]]
    assert seen == ["member@north.example"]
    assert (await north.client.get(f"/people/{north.things['user']}"))["email"] == "member@north.example"
    # A page of one ends there: nothing hidden is counted.
    assert (await north.client.get("/people?limit=1"))["next_cursor"] is None
    everybody = {member["email"] for member in (await a.get("/people"))["items"]}
    assert everybody >= {"member@north.example", "member@south.example", "member@hq.example"}


async def test_a_person_of_a_branch_sees_themselves(a: Client, north: Branch, south: Branch) -> None:
    body = {"email": south.email, "password": PASSWORD}
    session = await a.http.post("/v1/sessions", json=body)
    me = Client(a.http, a.tenant_id, a.slug, session.json()["token"])
    assert [member["email"] for member in (await me.get("/people"))["items"]] == [south.email]
    hidden = await me.send("GET", f"/people/{north.things['user']}")
    assert (hidden.status_code, hidden.json()["code"]) == (404, "people.member_not_found")


async def test_a_branch_gives_roles_only_to_those_it_sees(
    a: Client, north: Branch, south: Branch, role_id: str
) -> None:
    before = await everything(a)
    where = {"role_id": role_id, "branch_id": north.things["branch"]}
    for holder in ({"user_id": south.things["user"]}, {"key_id": south.things["key"]}):
        answer = await north.client.send("POST", "/grants", json=where | holder)
        assert (answer.status_code, answer.json()["code"]) == (404, "access.holder_not_found")
    assert await everything(a) == before


async def test_a_branch_invites_a_hidden_member_like_anybody(
    a: Client, north: Branch, south: Branch, role_id: str
) -> None:
    """The answer does not tell that they are a member; they accept with their password, and then are seen."""
    guest = await join(a, "guest@south.example", role_id, south.things["branch"])
    assert (await north.client.send("GET", f"/people/{guest['id']}")).status_code == 404

    joined = await join(north.client, "guest@south.example", role_id, north.things["branch"])

    assert joined["id"] == guest["id"]
    held = {grant["branch_id"] for grant in (await a.get(f"/grants?user_id={guest['id']}"))["items"]}
    assert held == {north.things["branch"], south.things["branch"]}
    assert (await north.client.get(f"/people/{guest['id']}"))["email"] == "guest@south.example"
