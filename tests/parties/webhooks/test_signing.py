"""What we sign, the scheme's own library verifies; a rotation overlaps; secrets are nowhere to be read."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from psycopg import errors
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from omniroute.infra.postgres import Database
from omniroute.infra.secrets import Vault
from omniroute.parties import webhooks
from omniroute.parties.webhooks import IssuedEndpoint
from omniroute.parties.webhooks.signing import make_secret, sign
from tests.connectors.outside import spec
from tests.parties.makers import refuses
from tests.parties.webhooks.house import META, House, Receiver
from tests.vaults import the_vault


async def rotate(house: House, made: IssuedEndpoint, overlap: timedelta) -> IssuedEndpoint:
    async with house.db.tx(house.org.id) as tx:
        return await webhooks.rotate_secret(
            tx,
            made.endpoint.endpoint_id,
            version=made.endpoint.version,
            overlap=overlap,
            vault=the_vault(),
            now=house.clock.now(),
            meta=META,
        )


def test_the_example_of_the_spec() -> None:
    secret = "whsec_plJ3nmyCDGBKInavdOK15jsl"
    body = b'{"event_type":"ping","data":{"success":true}}'
    signature = sign([secret], "msg_loFOjxBNrRLzqYUf", 1731705121, body)
    assert signature == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_a_secret_has_256_bits() -> None:
    secrets = {make_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(base64.b64decode(one.removeprefix("whsec_"))) == 32 for one in secrets)


async def test_the_library_of_the_scheme_accepts_what_we_send(house: House, receiver: Receiver) -> None:
    made = await house.endpoint(receiver.url)
    await house.ship("Ünïcode \u2014 \U0001f4e6")
    await house.rounds()
    (got,) = receiver.got
    assert Webhook(made.secret).verify(got.body, got.headers) == got.event
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret()).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(made.secret).verify(got.body.replace(b"parcel", b"Parcel", 1), got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(made.secret).verify(got.body, got.headers | {"webhook-id": "evt_other"})


async def test_during_the_overlap_both_secrets_verify(house: House, receiver: Receiver) -> None:
    first = await house.endpoint(receiver.url)
    second = await rotate(house, first, timedelta(minutes=2))
    third = await rotate(house, second, timedelta(minutes=2))
    assert [one.expires_at is None for one in third.endpoint.secrets] == [True, False, False]
    await house.ship("during")
    await house.rounds()
    got = receiver.got[-1]
    assert len(got.headers["webhook-signature"].split(" ")) == 3
    for issued in (first, second, third):
        Webhook(issued.secret).verify(got.body, got.headers)
    house.wait(timedelta(minutes=2))
    await house.ship("after")
    await house.rounds()
    got = receiver.got[-1]
    assert len(got.headers["webhook-signature"].split(" ")) == 1
    Webhook(third.secret).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(first.secret).verify(got.body, got.headers)


async def test_without_overlap_the_old_secret_ends_at_once(house: House, receiver: Receiver) -> None:
    first = await house.endpoint(receiver.url)
    await rotate(house, first, timedelta())
    await house.ship("one")
    await house.rounds()
    with pytest.raises(WebhookVerificationError):
        Webhook(first.secret).verify(receiver.got[0].body, receiver.got[0].headers)


async def test_a_rotation_names_the_version_that_was_read(house: House, receiver: Receiver) -> None:
    first = await house.endpoint(receiver.url)
    await rotate(house, first, timedelta())
    before = await house.stands(first)
    with refuses("webhooks.stale_version"):
        await rotate(house, first, timedelta())
    with refuses("webhooks.malformed"):
        await rotate(house, first, timedelta(days=31))
    assert await house.stands(first) == before


async def test_the_message_is_a_cloud_event(house: House, receiver: Receiver) -> None:
    schema = json.loads(spec("cloudevents/cloudevents.schema.json").read_text())
    await house.endpoint(receiver.url, "*")
    await house.ship("one")
    await house.org.branch("north")
    await house.rounds()
    assert len(receiver.got) == 3
    for got in receiver.got:
        jsonschema.validate(got.event, schema)


async def test_the_doors_cannot_read_a_secret(house: House, receiver: Receiver, app_db: Database) -> None:
    await house.endpoint(receiver.url)
    async with app_db.tx(house.org.id) as tx:
        with pytest.raises(errors.InsufficientPrivilege):
            async with tx.savepoint():
                await tx.connection.execute("SELECT sealed FROM webhook_secret")


async def test_no_secret_and_no_address_in_logs_events_or_representations(
    house: House, receiver: Receiver, owner_db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.reply = lambda got: None
    made = await house.endpoint(receiver.url + "/T0K3N-of-the-customer")
    await house.ship("one")
    await house.rounds()
    raw = made.secret.removeprefix("whsec_")
    signature = receiver.got[0].headers["webhook-signature"].removeprefix("v1,")
    said = capsys.readouterr()
    for text in (said.out + said.err, repr(made), repr(await house.stands(made))):
        assert raw not in text
        assert signature not in text
    assert "T0K3N" not in repr(made)
    async with owner_db.tx(house.org.id) as tx:
        query = "SELECT event_log::text FROM event_log WHERE tenant_id = current_tenant()"
        events = str(await (await tx.connection.execute(query)).fetchall())
    assert raw not in events
    assert "T0K3N" not in events


async def test_a_secret_that_does_not_open_stops_only_its_endpoint(
    house: House, receiver: Receiver, owner_db: Database
) -> None:
    broken = await house.endpoint(receiver.url, description="broken")
    await house.endpoint(receiver.url)
    async with owner_db.tx(house.org.id) as tx:
        await tx.connection.execute(
            "UPDATE webhook_secret SET sealed = '\\x00' WHERE endpoint_id = %s", [broken.endpoint.endpoint_id]
        )
    await house.ship("one")
    await house.rounds()
    assert receiver.notes == ["one"]
    (delivery,) = await house.deliveries(broken)
    assert delivery.last_reason == "the signing secret cannot be opened"


async def test_secrets_come_under_a_new_master_key(
    house: House, receiver: Receiver, worker_db: Database, tmp_path: Path
) -> None:
    made = await house.endpoint(receiver.url)
    vault: Vault = the_vault()
    before = await vault.keys.current_key_id()
    await vault.keys.add_key()
    done: Any = await webhooks.reseal_secrets(worker_db, vault)
    assert done.changed >= 1
    assert await vault.keys.current_key_id() != before
    assert (await webhooks.reseal_secrets(worker_db, vault)).changed == 0
    await house.ship("one")
    await house.rounds()
    Webhook(made.secret).verify(receiver.got[0].body, receiver.got[0].headers)
