"""ETag, If-Match and If-None-Match; cursors."""

from tests.api.makers import Client


async def test_a_change_needs_the_version_that_was_read(a: Client) -> None:
    made = await a.send("POST", "/branches", json={"code": "v1", "name": "One"})
    path, tag = f"/branches/{made.json()['id']}", made.headers["etag"]
    body = {"name": "Two", "region": None, "parent_id": None}

    missing = await a.send("PUT", path, json=body)
    assert (missing.status_code, missing.json()["code"]) == (428, "api.version_required")
    malformed = await a.send("PUT", path, json=body, headers={"if-match": "1"})
    assert (malformed.status_code, malformed.json()["code"]) == (400, "api.version_malformed")
    weak = await a.send("PUT", path, json=body, headers={"if-match": f"W/{tag}"})
    assert weak.status_code == 412
    assert (await a.get(path))["name"] == "One"

    changed = await a.send("PUT", path, json=body, headers={"if-match": tag})
    assert (changed.status_code, changed.json()["name"]) == (200, "Two")
    assert changed.headers["etag"] != tag
    stale = await a.send("PUT", path, json=body | {"name": "Three"}, headers={"if-match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "tenants.stale_version")
    assert (await a.get(path))["name"] == "Two"


async def test_a_read_of_what_is_known_is_short(a: Client) -> None:
    made = await a.send("POST", "/branches", json={"code": "v2", "name": "One"})
    path, tag = f"/branches/{made.json()['id']}", made.headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = await a.send("GET", path, headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert (await a.send("GET", path, headers={"if-none-match": '"999"'})).status_code == 200


async def test_account_limits_and_status_change_by_version(a: Client) -> None:
    made = await a.send(
        "POST", "/ledger/accounts", json={"code": "v3", "name": "V3", "type": "liability", "currency": "NGN"}
    )
    tag = {"if-match": made.headers["etag"]}
    limits = {"floor": "-100", "ceiling": None}
    changed = await a.send("PUT", "/ledger/accounts/v3/limits", json=limits, headers=tag)
    assert (changed.status_code, changed.json()["floor"]) == (200, -100)
    assert (await a.send("PUT", "/ledger/accounts/v3/limits", json=limits, headers=tag)).status_code == 412
    assert (await a.send("GET", "/ledger/accounts/v3")).headers["etag"] == changed.headers["etag"]


async def test_pages_meet_each_item_once(a: Client) -> None:
    for number in range(7):
        await a.post("/branches", {"code": f"page{number}", "name": "P"})
    seen: list[str] = []
    cursor = ""
    while True:
        page = await a.get(f"/branches?limit=3{cursor}")
        seen += [item["code"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen))
    assert {f"page{number}" for number in range(7)} <= set(seen)
