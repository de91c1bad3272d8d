"""Webhook endpoints and deliveries for the tests of the REST door."""

from typing import Any

from omniroute.infra.postgres import Database
from omniroute.parties import webhooks
from tests.api.makers import CLOCK, Client

NOWHERE = "https://8.8.8.8/hooks"


async def make_webhook(client: Client, url: str = NOWHERE, *types: str, **more: Any) -> dict[str, Any]:
    """An endpoint, as shown; nothing is sent in these tests unless a courier is started."""
    body = {"url": url, "event_types": list(types or ("payment.*",)), **more}
    made: dict[str, Any] = (await client.post("/webhooks", body))["webhook"]
    return made


async def make_delivery(client: Client, worker_db: Database, webhook_id: str) -> str:
    """A delivery of a test event to this endpoint."""
    assert (await client.send("POST", f"/webhooks/{webhook_id}/tests", json={})).status_code == 202
    while await webhooks.feed(worker_db, now=CLOCK.now()):
        pass
    listed = await client.get("/webhook-deliveries", params={"webhook_id": webhook_id, "limit": "1"})
    delivery: str = listed["items"][0]["id"]
    return delivery
