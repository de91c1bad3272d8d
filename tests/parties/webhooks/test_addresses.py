"""Nobody makes us call into the network we stand in: not by spelling, not by a name, not by a name that changes."""

import socket
from typing import Any

import pytest
from psycopg import errors

from omniroute.infra.http import PrivateAddress
from omniroute.infra.postgres import Database
from omniroute.parties.webhooks import DeliveryStatus, MalformedWebhook
from omniroute.parties.webhooks.rules import SCHEDULE, check_address
from tests.infra.http.test_addresses import PRIVATE
from tests.parties.webhooks.house import House, Receiver, opened, receiving

SPELLINGS = ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "017700000001", "2852039166", "167772161"]


@pytest.mark.parametrize("host", [*PRIVATE, *SPELLINGS, "localhost", "LOCALHOST.", "a.localhost"])
def test_private_addresses_are_refused_in_every_spelling(host: str) -> None:
    with pytest.raises(PrivateAddress):
        check_address(f"https://{host}/hook", loopback_allowed=False)


@pytest.mark.parametrize("host", ["8.8.8.8", "134744072", "[2606:4700::1111]", "hooks.example", "hooks.example:8443"])
def test_public_addresses_and_names_pass(host: str) -> None:
    assert check_address(f"https://{host}/hook?x=1", loopback_allowed=False) == f"https://{host}/hook?x=1"


def test_loopback_in_development_is_loopback_only() -> None:
    for url in ("http://127.0.0.1:1/", "http://[::1]/", "http://localhost:8080/x", "https://127.0.0.1/"):
        assert check_address(url, loopback_allowed=True) == url
    for url in ("http://8.8.8.8/", "http://hooks.example/", "https://10.0.0.1/", "https://169.254.169.254/"):
        with pytest.raises(PrivateAddress):
            check_address(url, loopback_allowed=True)


@pytest.mark.parametrize("url", ["", "https://8.8.8.8/#x", "https://8.8.8.8/" + "x" * 2_000])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises((MalformedWebhook, PrivateAddress)):
        check_address(url, loopback_allowed=False)


def leads_to(monkeypatch: pytest.MonkeyPatch, name: str, *turns: str) -> list[str]:
    """The name leads to each of these in turn, and stays at the last."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def lookup(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host != name:
            return real(host, port, *more, **options)
        if options.get("flags") == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        asked.append(turns[min(len(asked), len(turns) - 1)])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (asked[-1], port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "192.168.1.1"])
async def test_a_name_that_leads_inside_gets_nothing(
    app_db: Database, worker_db: Database, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    async with receiving() as inside, opened(app_db, worker_db, loopback_allowed=False) as house:
        port = inside.url.rpartition(":")[2]
        leads_to(monkeypatch, "hooks.example", address)
        made = await house.endpoint(f"https://hooks.example:{port}")
        await house.ship("one")
        await house.rounds()
        assert inside.got == []
        (delivery,) = await house.deliveries(made)
        (attempt,) = await house.attempts(delivery)
        assert (attempt.status, attempt.reason, attempt.reply) == (None, "the address is not a public one", None)
        assert delivery.status is DeliveryStatus.PENDING


async def test_a_name_that_changes_its_mind_is_held_to_what_was_checked(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Looked up once an attempt: between check and connection there is no second answer to wait for.
    asked = leads_to(monkeypatch, "rebinding.example", "127.0.0.1", "10.0.0.7")
    url = receiver.url.replace("127.0.0.1", "rebinding.example").replace("http://", "https://")
    made = await house.endpoint(url)
    await house.ship("one")
    await house.rounds()
    assert asked == ["127.0.0.1"]
    house.wait(SCHEDULE[0])
    await house.rounds()
    assert asked == ["127.0.0.1", "10.0.0.7"]
    (delivery,) = await house.deliveries(made)
    assert delivery.last_reason == "the address is not a public one"
    assert receiver.got == []  # It speaks no TLS, and plain text is never tried.


async def test_loopback_that_is_no_longer_allowed_is_not_called(
    app_db: Database, worker_db: Database, receiver: Receiver
) -> None:
    async with opened(app_db, worker_db, loopback_allowed=False) as house:
        made = await house.endpoint(receiver.url)  # Made when it was.
        await house.ship("one")
        await house.rounds()
        assert receiver.got == []
        (delivery,) = await house.deliveries(made)
        assert delivery.last_reason == "the address must start with https://"


async def test_organisations_do_not_hear_each_other(
    app_db: Database, worker_db: Database, house: House, receiver: Receiver
) -> None:
    async with opened(app_db, worker_db, beside=house) as other, receiving() as theirs:
        mine = await house.endpoint(receiver.url, "*")
        await other.endpoint(theirs.url, "*")
        await house.ship("mine")
        await other.ship("theirs")
        await house.rounds()
        assert {one.event["tenant"] for one in receiver.got}.isdisjoint({one.event["tenant"] for one in theirs.got})
        assert [one.note for one in receiver.got if one.event["type"] == "parcel.shipped"] == ["mine"]
        assert [one.note for one in theirs.got if one.event["type"] == "parcel.shipped"] == ["theirs"]

        async with app_db.tx(other.org.id) as tx:
            for table in ("webhook_endpoint", "webhook_delivery", "webhook_attempt"):
                cursor = await tx.connection.execute(f"SELECT DISTINCT tenant_id FROM {table}".encode())
                assert [row[0] for row in await cursor.fetchall()] == [other.org.id]
            touched = await tx.connection.execute(
                "UPDATE webhook_endpoint SET url = 'x' WHERE endpoint_id = %s", [mine.endpoint.endpoint_id]
            )
            assert touched.rowcount == 0
            with pytest.raises(errors.InsufficientPrivilege):
                async with tx.savepoint():
                    await tx.connection.execute("DELETE FROM webhook_delivery")
        async with app_db.tx(house.org.id, branches=[]) as tx:
            cursor = await tx.connection.execute("SELECT count(*) FROM webhook_endpoint")
            assert await cursor.fetchone() == (0,)
