"""A process that serves some modules: the others are answered with 404, and the document shows the selection."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from omniroute import api
from omniroute.api import Services, create_app, openapi_document
from omniroute.api.registry import operations
from omniroute.api.selection import ALWAYS, family_of, module_of, modules_of
from tests.api.makers import Client, open_accounts, transfer

NAMES = modules_of(operations())


@pytest.fixture(scope="module")
async def people_only(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """A process of people and the holds of the ledger."""
    chosen = replace(services, selection=api.select("people", "ledger_holds"), registry=CollectorRegistry())
    transport = httpx.ASGITransport(create_app(chosen, access_log=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://omniroute.test") as client:
        yield client


@pytest.mark.parametrize("name", NAMES)
def test_every_module_and_family_can_be_selected(name: str) -> None:
    selection = api.select(name)
    served = [op for op in operations() if selection.serves(op)]
    mine = [op for op in served if module_of(op) not in ALWAYS]
    assert mine == [op for op in operations() if name in (module_of(op), family_of(op))]
    assert len(served) > len(mine) > 0


def test_together_they_serve_everything() -> None:
    assert all(api.select(*NAMES).serves(op) for op in operations())
    assert all(api.EVERYTHING.serves(op) for op in operations())
    assert {"ledger", "ledger_accounts", "people", "organisations", "events", "audit"} <= set(NAMES)
    assert ALWAYS.isdisjoint(NAMES)


@pytest.mark.parametrize("names", [("leger",), ("ledger", "health"), (), ("",)])
def test_a_name_that_is_none_is_refused_with_the_list(names: tuple[str, ...]) -> None:
    with pytest.raises(api.UnknownModule) as refused:
        api.select(*names)
    assert refused.value.facts["known"] == NAMES
    assert ", ".join(NAMES) in str(refused.value)
    assert refused.value.facts["unknown"] == [name for name in names if name != "ledger"]


async def test_every_other_address_is_not_served_here(people_only: httpx.AsyncClient) -> None:
    """Whoever asks, also without credentials; nothing is looked up."""
    elsewhere = [op for op in operations() if module_of(op) not in {*ALWAYS, "people", "ledger_holds"}]
    assert len(elsewhere) > 40
    for op in elsewhere:
        answer = await people_only.request(op.method, re.sub(r"{\w+}", "some", op.path))
        assert answer.status_code == 404, op.path
        problem = answer.json()
        assert (problem["code"], problem["module"]) == ("api.not_served_here", module_of(op))
    unknown = await people_only.get("/v1/alpha/no-such-thing")
    assert unknown.json()["code"] == "api.not_found"


async def test_what_is_selected_works_as_ever(a: Client, people_only: httpx.AsyncClient) -> None:
    await open_accounts(a, "cash", "wallet")
    await a.post("/ledger/transactions", transfer("cash", "wallet", 500))
    here = replace(a, http=people_only)
    before = await a.books()
    refused = await here.send("POST", "/ledger/transactions", json=transfer("cash", "wallet", 5))
    assert (refused.status_code, refused.json()["code"]) == (404, "api.not_served_here")
    assert await a.books() == before

    assert (await here.get("/people"))["items"] == []
    held = await here.post("/ledger/holds", transfer("wallet", "cash", 100))
    assert held["id"].startswith(("hld_", "txn_"))
    assert (await people_only.get("/v1/alpha/people")).status_code == 401


async def test_health_metrics_and_documents_are_always_there(people_only: httpx.AsyncClient) -> None:
    for path in ("/health", "/readiness", "/metrics", "/docs", "/docs/errors", "/docs/style.css", "/openapi.json"):
        assert (await people_only.get(path)).status_code == 200, path


async def test_the_bare_address_leads_to_the_documentation(people_only: httpx.AsyncClient) -> None:
    found = await people_only.get("/")
    assert (found.status_code, found.headers["location"], found.content) == (303, "/docs", b"")
    refused = await people_only.post("/", json={})
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, OPTIONS")
    assert "/" not in openapi_document()["paths"]


async def test_the_document_shows_the_selection(people_only: httpx.AsyncClient) -> None:
    shown: dict[str, Any] = (await people_only.get("/openapi.json")).json()
    assert shown == openapi_document(api.select("people", "ledger_holds"))
    selection = api.select("people", "ledger_holds")
    assert set(shown["paths"]) == {op.path for op in operations() if selection.serves(op)}
    assert {tag["name"] for tag in shown["tags"]} == {"People", "Holds", "Health"}
    assert "AccountOut" not in shown["components"]["schemas"]
    page = (await people_only.get("/docs")).text
    assert "/people" in page
    assert "/ledger/accounts" not in page
    everything = openapi_document()
    assert len(everything["paths"]) > len(shown["paths"])
