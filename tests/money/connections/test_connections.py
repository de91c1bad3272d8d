"""Connections: made, sealed, opened, watched."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from omniroute import ledger
from omniroute.infra.http import RailClients
from omniroute.infra.postgres import Database
from omniroute.infra.secrets import FileKeys, Vault
from omniroute.kit.clock import FixedClock
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import AccountType, Leg, OpenAccount, Side
from omniroute.money import connections
from omniroute.money.connections import ConnectionLinks, ConnectionStatus, CreateConnection, Health
from omniroute.money.payments import LinkDown
from omniroute.ports.rails import Balance, Capabilities, NotSent, Operation, RailUnable
from omniroute.sandbox.world import World
from tests.money.payments import house as houses
from tests.money.payments.house import META, START, House
from tests.money.payments.toy import ToyConnector

COMMAND = CreateConnection(
    "main", "Main bank", "toy", "NGN", "https://bank.example", {"user": "kano"}, {"password": "hunter2-hunter2"}
)


class Telling(ToyConnector):
    """It has a balance enquiry."""

    def capabilities(self) -> Capabilities:
        can = super().capabilities()
        return replace(can, operations=can.operations | {Operation.BALANCE})


class Set:
    """An organisation, a vault and the links of a process."""

    def __init__(self, house: House, vault: Vault) -> None:
        self.house, self.vault = house, vault
        self.rails = {rail: Telling(World(clock=house.clock), rail) for rail in ("toy", "fine")}
        self.clients = RailClients(clock=house.clock, registry=CollectorRegistry())
        self.links = self.open_links(house.clock)

    def open_links(self, clock: FixedClock) -> ConnectionLinks:
        return ConnectionLinks(
            self.house.worker,
            self.rails,
            vault=self.vault,
            clients=self.clients,
            clock=clock,
            public_url="https://pay.example",
        )

    async def create(self, command: CreateConnection = COMMAND) -> connections.BankConnection:
        async with self.house.db.tx(self.house.tenant_id) as tx:
            return await connections.create_connection(
                tx, command, rails=self.rails, vault=self.vault, now=START, meta=META
            )

    async def update(self, made: connections.BankConnection, **changes: Any) -> connections.BankConnection:
        async with self.house.db.tx(self.house.tenant_id) as tx:
            return await connections.update_connection(
                tx,
                made.connection_id,
                version=made.version,
                rails=self.rails,
                vault=self.vault,
                now=START,
                meta=META,
                **changes,
            )


@pytest.fixture
async def kit(app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path) -> AsyncIterator[Set]:
    house = await houses.build(app_db, worker_db, owner_db)
    made = Set(house, Vault(FileKeys.create(tmp_path / "keys")))
    yield made
    await made.clients.aclose()


async def test_secrets_are_sealed_and_open_for_this_connection_only(kit: Set, owner_db: Database) -> None:
    made = await kit.create()
    other = await kit.create(replace(COMMAND, code="other"))
    assert "hunter2" not in repr(made) + repr(COMMAND)
    async with owner_db.tx() as tx:
        rows = await (await tx.connection.execute("SELECT connection_id, sealed FROM bank_connection")).fetchall()
        assert all(b"hunter2" not in bytes(row.sealed) for row in rows if row.sealed is not None)
    link = await kit.links.get(kit.house.tenant_id, made.connection_id)
    assert link.context.credentials.secret == {"password": "hunter2-hunter2"}
    assert "hunter2" not in repr(link)
    async with owner_db.tx() as tx:
        await tx.connection.execute(
            "UPDATE bank_connection a SET sealed = b.sealed FROM bank_connection b"
            " WHERE a.connection_id = %s AND b.connection_id = %s",
            [other.connection_id, made.connection_id],
        )
    with pytest.raises(LinkDown, match="credentials cannot be opened"):
        await kit.links.get(kit.house.tenant_id, other.connection_id)


async def test_a_connection_has_its_accounts(kit: Set) -> None:
    made = await kit.create()
    async with kit.house.db.tx(kit.house.tenant_id) as tx:
        codes = ["float:main", "payments:fees:NGN", "payments:rail-fees:NGN", "payments:suspense:NGN"]
        found = await ledger.find_accounts(tx, [kit.house.id(code) for code in codes])
    assert sorted(account.code for account in found.values()) == sorted(codes)
    assert made.float_account_id == kit.house.id("float:main")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"rail": "none"}, "connections.unknown_rail"),
        ({"code": "Ä"}, "connections.malformed"),
        ({"currency": "UGX"}, "connections.malformed"),
        ({"endpoint": "http://bank.example"}, "connections.malformed"),
        ({"endpoint": "https://user@bank.example"}, "connections.malformed"),
        ({"endpoint": "ftp://bank.example"}, "connections.malformed"),
        ({"secret": {"callback_key": "x"}}, "connections.malformed"),
        ({"secret": {"tls_certificate": "-----BEGIN CERTIFICATE-----"}}, "connections.malformed"),
        ({"secret": {"tls_authority": "é"}}, "connections.malformed"),
        ({"secret": {"tls_key": "alone"}}, "connections.malformed"),
        ({"operations": frozenset({Operation.REVERSAL})}, "connections.malformed"),
    ],
)
async def test_bad_connections_are_refused_and_nothing_is_made(kit: Set, change: dict[str, Any], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        await kit.create(replace(COMMAND, **change))
    assert refused.value.code == code
    async with kit.house.db.tx(kit.house.tenant_id) as tx:
        assert [one.code for one in await connections.open_connections(tx)] == ["toy"]
        assert await ledger.find_accounts(tx, [kit.house.id("float:main")]) == {}


async def test_settings_with_which_no_order_can_be_named_are_refused(kit: Set) -> None:
    made = await kit.create()

    def unable(context_public: Mapping[str, str], attempt_id: UUID, created_at: object) -> str:
        raise RailUnable("no institution code")

    kit.rails["toy"].build_reference = unable  # type: ignore[method-assign]
    for refused_by in (kit.create(replace(COMMAND, code="other")), kit.update(made, public={})):
        with pytest.raises(Refusal, match="no institution code") as refused:
            await refused_by
        assert refused.value.code == "connections.malformed"
    # One that was made before, by a version of ours that did not look: it is down, and nobody else's trouble.
    with pytest.raises(LinkDown, match="no institution code"):
        await kit.links.get(kit.house.tenant_id, made.connection_id)


@pytest.mark.parametrize("error", [RailUnable("not set up"), KeyError("settings"), NotSent("nobody there")])
async def test_a_connection_in_trouble_is_watched_beside_the_others(kit: Set, error: Exception) -> None:
    made = await kit.create()
    other = await kit.create(replace(COMMAND, code="other", rail="fine"))

    async def broken(context: object) -> Sequence[Balance]:
        raise error

    kit.rails["toy"].fetch_balances = broken  # type: ignore[method-assign]
    kit.house.clock.at = START.replace(minute=2)
    await connections.watch(kit.house.worker, kit.links, clock=kit.house.clock)
    async with kit.house.db.tx(kit.house.tenant_id) as tx:
        found = [await connections.find_connection(tx, one.connection_id) for one in (made, other)]
    assert found[0].health is (Health.DOWN if isinstance(error, NotSent) else Health.DEGRADED)
    assert found[1].health is Health.UP


async def test_a_code_is_taken_once(kit: Set) -> None:
    await kit.create()
    with pytest.raises(Refusal) as refused:
        await kit.create(replace(COMMAND, name="Again", rail="toy"))
    assert refused.value.code in ("connections.code_taken", "ledger.account_code_taken")


async def test_new_secrets_and_a_pause_are_used_within_seconds(kit: Set) -> None:
    made = await kit.create()
    tenant_id = kit.house.tenant_id
    before = await kit.links.get(tenant_id, made.connection_id)
    address = before.context.callback_url("r", "REF1")
    changed = await kit.update(made, secret={"password": "new"}, status=ConnectionStatus.PAUSED)
    assert changed.version == 2
    assert (await kit.links.get(tenant_id, made.connection_id)).paused is False
    kit.house.clock.at = START.replace(minute=1)
    after = await kit.links.get(tenant_id, made.connection_id)
    assert (after.paused, after.context.credentials.secret) == (True, {"password": "new"})
    assert after.context.callback_url("r", "REF1") == address  # What is under way may still call back.
    with pytest.raises(Refusal) as refused:
        await kit.update(made, name="Too late")
    assert refused.value.code == "connections.changed"


async def test_only_our_own_callback_addresses_are_authentic(kit: Set) -> None:
    made = await kit.create()
    tenant_id = kit.house.tenant_id
    link = await kit.links.get(tenant_id, made.connection_id)
    address = link.context.callback_url("r", "REF/1")
    *_, purpose, ref, code = address.split("/")
    assert (purpose, ref) == ("r", "REF%2F1")

    async def is_ours(connection_id: UUID, purpose: str, ref: str, code: str) -> bool:
        return await kit.links.is_authentic(tenant_id, connection_id, purpose, ref, code)

    assert await is_ours(made.connection_id, "r", "REF/1", code)
    assert not await is_ours(made.connection_id, "t", "REF/1", code)
    assert not await is_ours(made.connection_id, "r", "REF/2", code)
    assert not await is_ours(made.connection_id, "r", "REF/1", code[:-1] + ("a" if code[-1] != "a" else "b"))
    assert not await is_ours(made.connection_id, "r", "REF/1", "ä")
    other = await kit.create(replace(COMMAND, code="other"))
    assert not await is_ours(other.connection_id, "r", "REF/1", code)


async def test_a_low_float_is_told_once(kit: Set, owner_db: Database) -> None:
    made = await kit.create(replace(COMMAND, float_low_minor=10_000))
    house = kit.house

    async def events() -> int:
        async with owner_db.tx() as tx:
            cursor = await tx.connection.execute(
                "SELECT count(*) FROM event_log WHERE tenant_id = %s AND type = 'connection.float_low'",
                [house.tenant_id],
            )
            row = await cursor.fetchone()
            assert row is not None
            return int(row[0])

    async def fund(amount_minor: int) -> None:
        async with house.db.tx(house.tenant_id) as tx:
            if "cash" not in [account.code for account in (await ledger.list_accounts(tx)).items]:
                await ledger.open_account(
                    tx, OpenAccount("cash", "Cash", AccountType.ASSET, "NGN"), now=START, meta=META
                )
            legs = [
                Leg(made.float_account_id, Side.DEBIT, Money(amount_minor, "NGN")),
                Leg(house.id("cash"), Side.CREDIT, Money(amount_minor, "NGN")),
            ]
            await ledger.post_one(tx, ledger.post_transaction(legs), today=START.date())

    async def look() -> None:
        house.clock.at = house.clock.at.replace(minute=house.clock.at.minute + 2)
        await connections.watch(house.worker, kit.links, clock=house.clock)

    for _ in range(3):
        await look()
    assert await events() == 1
    await fund(10_000)
    await look()
    assert await events() == 1
    async with house.db.tx(house.tenant_id) as tx:
        found = await connections.find_connection(tx, made.connection_id)
    assert found.health is Health.UP
