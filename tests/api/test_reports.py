"""Reports and periods over HTTP."""

import pytest

from tests.api.makers import Client, Makers, open_accounts, today, transfer

POST = "/ledger/transactions"


@pytest.fixture(scope="module", autouse=True)
async def books(a: Client) -> None:
    await open_accounts(a, "cash", "wallet")
    await a.post(POST, transfer("cash", "wallet", 900, reference="first"))
    await a.post(POST, transfer("wallet", "cash", 300))


async def test_a_statement_runs_from_opening_to_closing(a: Client) -> None:
    found = await a.get(f"/ledger/accounts/wallet/statement?from_on={today()}&to_on={today()}")
    assert [line["balance"] for line in found["lines"]] == [900, 600]
    assert (found["opening"], found["closing"], found["debit"], found["credit"]) == (0, 600, 300, 900)
    page = await a.get(f"/ledger/accounts/wallet/statement?from_on={today()}&limit=1")
    rest = await a.get(f"/ledger/accounts/wallet/statement?from_on={today()}&limit=1&cursor={page['next_cursor']}")
    assert page["lines"] + rest["lines"] == found["lines"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/ledger/accounts/wallet/statement", ""),
        ("/ledger/reports/trial-balance", "to_on={day}"),
        ("/ledger/reports/balance-sheet", "on={day}"),
        ("/ledger/reports/profit-and-loss", "from_on={day}&to_on={day}"),
        ("/ledger/reports/general-ledger", "from_on={day}&to_on={day}"),
    ],
)
async def test_reports_come_as_json_and_csv(a: Client, path: str, query: str) -> None:
    where = f"{path}?{query.format(day=today())}"
    assert isinstance(await a.get(where), dict)
    table = await a.send("GET", f"{where}&format=csv")
    assert (table.status_code, table.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert "attachment" in table.headers["content-disposition"]
    assert len({line.count(",") for line in table.text.splitlines()}) == 1


async def test_the_trial_balance_balances(a: Client) -> None:
    found = await a.get(f"/ledger/reports/trial-balance?to_on={today()}")
    assert found["totals"]["NGN"]["debit"] == found["totals"]["NGN"]["credit"]
    assert {row["code"]: row["closing"] for row in found["rows"]} == {"cash": 600, "wallet": 600}
    groups = await a.get(f"/ledger/reports/roll-up?by=type&to_on={today()}")
    assert {row["key"]: row["closing"] for row in groups["rows"]} == {"asset": 600, "liability": -600}


async def test_groups_by_branch_have_public_ids(makers: Makers) -> None:
    client = await makers.organisation("branched")
    branch = await client.post("/branches", {"code": "north", "name": "North"})
    own = {"name": "n", "currency": "NGN", "branch_id": branch["id"]}
    await client.post("/ledger/accounts", {"code": "cash:north", "type": "asset", **own})
    await open_accounts(client, "wallet")
    await client.post(POST, transfer("cash:north", "wallet", 5))
    groups = await client.get(f"/ledger/reports/roll-up?by=branch&to_on={today()}")
    assert {row["key"]: row["closing"] for row in groups["rows"]} == {branch["id"]: 5, None: -5}


async def test_a_cursor_is_good_for_its_own_account_and_range(makers: Makers) -> None:
    client = await makers.organisation("paged")
    await open_accounts(client, "cash", "wallet")
    for amount in (1, 2, 3):
        await client.post(POST, transfer("cash", "wallet", amount))
    day = f"from_on={today()}&to_on={today()}"
    statement = "/ledger/accounts/{}/statement?limit=2&{}"
    first = await client.get(statement.format("wallet", day))
    rest = await client.get(statement.format("wallet", day) + f"&cursor={first['next_cursor']}")
    assert [line["balance"] for line in (*first["lines"], *rest["lines"])] == [1, 3, 6]
    ledger = f"/ledger/reports/general-ledger?limit=1&{day}"
    book = await client.get(ledger)
    assert [one["code"] for one in book["accounts"]] == ["cash"]
    more = await client.get(f"{ledger}&cursor={book['next_cursor']}")
    assert [one["code"] for one in more["accounts"]] == ["wallet"]
    for elsewhere in (
        statement.format("cash", day) + f"&cursor={first['next_cursor']}",
        statement.format("wallet", f"from_on=2020-01-01&to_on={today()}") + f"&cursor={first['next_cursor']}",
        statement.format("wallet", day) + f"&cursor={book['next_cursor']}",
        f"/ledger/reports/general-ledger?from_on=2020-01-01&to_on={today()}&cursor={book['next_cursor']}",
    ):
        answer = await client.send("GET", elsewhere)
        assert (answer.status_code, answer.json()["code"]) == (400, "kit.foreign_cursor")


async def test_a_balance_at_a_day_is_found(a: Client) -> None:
    assert (await a.get(f"/ledger/accounts/wallet/balance-at?on={today()}"))["posted"] == 600
    assert (await a.get("/ledger/accounts/wallet/balance-at?on=2020-01-01"))["posted"] == 0
    future = await a.send("GET", "/ledger/accounts/wallet/balance-at?at=2999-01-01T00:00:00Z")
    assert (future.status_code, future.json()["code"]) == (422, "ledger.instant_in_future")


async def test_a_closed_period_takes_nothing(a: Client) -> None:
    body = {"name": "2020-01", "starts_on": "2020-01-01", "ends_on": "2020-01-31"}
    made = await a.send("POST", "/ledger/periods", json=body)
    assert made.status_code == 201, made.text
    path = f"/ledger/periods/{made.json()['id']}"
    tag = made.headers["etag"]
    for status in ("soft_closed", "closed"):
        changed = await a.send("PUT", f"{path}/status", json={"status": status}, headers={"if-match": tag})
        assert (changed.status_code, changed.json()["status"]) == (200, status), changed.text
        tag = changed.headers["etag"]
    before = await a.books()
    answer = await a.send("POST", POST, json=transfer("cash", "wallet", 5, value_on="2020-01-15"))
    assert (answer.status_code, answer.json()["code"]) == (422, "ledger.period_closed")
    assert await a.books() == before
    late = await a.post(POST, transfer("cash", "wallet", 5, value_on="2020-01-15", late=True))
    assert late["original_on"] == "2020-01-15"
    again = await a.send("PUT", f"{path}/status", json={"status": "sealed"}, headers={"if-match": made.headers["etag"]})
    assert again.status_code == 412
    assert (await a.get(path))["status"] == "closed"


async def test_an_exchange_books_at_the_quoted_rate(a: Client) -> None:
    await a.post("/ledger/accounts", {"code": "usd", "name": "usd", "type": "liability", "currency": "USD"})
    await a.post("/ledger/accounts", {"code": "ngn", "name": "ngn", "type": "liability", "currency": "NGN"})
    rate = {"base": "USD", "quote": "NGN", "rate": "1600.5", "valid_from": "2026-01-01T00:00:00Z", "source": "test"}
    assert (await a.post("/ledger/rates", rate))["rate"] == "1600.5"
    quote = await a.post("/ledger/quotes", {"amount": 1000, "currency": "USD", "buy_currency": "NGN"})
    assert quote["buy"] == {"amount": 1600500, "currency": "NGN"}
    body = {"quote_id": quote["id"], "from_account": "usd", "to_account": "ngn", "functional": "NGN"}
    done = await a.post("/ledger/exchanges", body)
    assert done["functional"] == "NGN"
    assert (await a.get("/ledger/accounts/ngn/balance"))["posted"] == 1600500
    assert (await a.get("/ledger/accounts/usd/balance"))["posted"] == -1000


async def test_a_chart_opens_its_accounts_once(a: Client) -> None:
    chart = {"template": "merchant", "currency": "NGN", "prefix": "m1:"}
    opened = await a.post("/ledger/charts", chart)
    assert opened["accounts"]
    assert await a.post("/ledger/charts", chart) == opened
