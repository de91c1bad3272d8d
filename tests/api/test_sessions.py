"""People log in, change their password, log out; whoever else was logged in as them is not any more."""

from typing import Any

import httpx
import pytest

from omniroute.infra.postgres import Database
from tests.api.makers import Client, Makers
from tests.parties.makers import state

OLD, NEW = "correct horse battery staple", "another long password of mine"
EMAIL = "amina@kano-foods.example"


@pytest.fixture(scope="module")
async def organisation(makers: Makers) -> Client:
    """An organisation with one member."""
    client = await makers.organisation("kano-foods")
    role = next(one["id"] for one in (await client.get("/roles"))["items"] if one["name"] == "auditor")
    invited = await client.post("/invitations", {"email": EMAIL, "role_ids": [role]})
    accepted = await client.http.post(
        "/v1/invitations/accept", json={"token": invited["token"], "password": OLD, "name": "Amina Bello"}
    )
    assert accepted.status_code == 201
    return client


async def _log_in(client: Client, password: str) -> httpx.Response:
    return await client.http.post("/v1/sessions", json={"email": EMAIL, "password": password})


async def _session(client: Client, password: str) -> Client:
    answer = await _log_in(client, password)
    assert answer.status_code == 201, answer.text
    return Client(client.http, client.tenant_id, client.slug, answer.json()["token"])


async def _change(client: Client, password: str, new: str) -> httpx.Response:
    return await client.send("PUT", "/session/password", json={"password": password, "new_password": new})


async def test_a_new_password_ends_the_other_sessions(organisation: Client) -> None:
    mine, stolen, tablet = [await _session(organisation, OLD) for _ in range(3)]
    for one in (mine, stolen, tablet):
        assert (await one.send("GET", "/organisation")).status_code == 200

    changed = await _change(mine, OLD, NEW)

    assert (changed.status_code, changed.json()) == (200, {"sessions_ended": 2})
    assert (await mine.send("GET", "/organisation")).status_code == 200
    for one in (stolen, tablet):
        assert (await one.send("GET", "/organisation")).status_code == 401
    assert (await _log_in(organisation, OLD)).json()["code"] == "people.login_failed"
    assert (await (await _session(organisation, NEW)).send("GET", "/organisation")).status_code == 200
    events = await organisation.get("/events", params={"type": "member.password_changed"})
    assert len(events["items"]) == 1
    assert (await _change(mine, NEW, OLD)).status_code == 200


async def test_what_is_refused_changes_nothing(organisation: Client, owner_db: Database) -> None:
    mine, other = await _session(organisation, OLD), await _session(organisation, OLD)
    await mine.send("GET", "/organisation")
    before = _without_counts(await state(owner_db))

    cases = [
        (await _change(mine, "not my password", NEW), 401, "people.login_failed"),
        (await _change(mine, OLD, "short"), 400, "people.password_weak"),
        (await _change(mine, OLD, "amina@kano-foods.example"), 400, "people.password_weak"),
        (await _change(organisation, OLD, NEW), 403, "people.not_signed_in"),
        (await mine.send("PUT", "/session/password", json={"new_password": NEW}), 400, "api.invalid_field"),
    ]
    for answer, status, code in cases:
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert _without_counts(await state(owner_db)) == before
    assert (await other.send("GET", "/organisation")).status_code == 200
    assert (await _log_in(organisation, OLD)).status_code == 201


def _without_counts(found: dict[str, Any]) -> dict[str, Any]:
    """Attempts are counted also when they fail: that is their point."""
    return {table: rows for table, rows in found.items() if table != "login_throttle"}


async def test_logging_out_ends_this_session_at_once(organisation: Client) -> None:
    mine, other = await _session(organisation, OLD), await _session(organisation, OLD)
    assert (await mine.send("GET", "/organisation")).status_code == 200

    assert (await mine.send("DELETE", "/session")).json() == {"sessions_ended": 1}

    assert (await mine.send("GET", "/organisation")).status_code == 401
    assert (await other.send("GET", "/organisation")).status_code == 200
    assert (await organisation.send("DELETE", "/session")).json() == {"sessions_ended": 0}
