"""The promised subscriptions over a socket, as a customer's program holds one: first what is, then what has changed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from omniroute.graphql import Engine, Gate, Hub, LiveLimits, Serving, SocketDoor
from omniroute.infra.postgres import Database
from omniroute.kit.clock import SystemClock
from omniroute.parties import access
from tests.gateway.conftest import A1, B1
from tests.gateway.promised import OPERATIONS, READY, ROLES
from tests.graphql.live.world import LEGACY, TRANSPORT, Organisation, listening, make_key, record, talking

CLOCK = SystemClock()
GRANTOR = {"grantorId": str(A1.id("partner"))}


@pytest.fixture(scope="module")
async def address(engine: Engine, app_db: Database, worker_db: Database) -> AsyncIterator[str]:
    """Where the door is."""

    async def opens() -> Engine:
        return engine

    serving = await Serving.open(opens)
    gate = Gate(serving, access.Authenticator(app_db), CLOCK)
    door = SocketDoor(gate, serving, Hub(app_db, worker_db, limits=LiveLimits(poll_s=0.05)), clock=CLOCK)
    async with listening(door) as url:
        yield url
        await door.drain()


async def key_of(db: Database, role: str) -> str:
    return await make_key(db, Organisation(A1.tenant_id), role)


@pytest.mark.parametrize("protocol", [TRANSPORT, LEGACY])
async def test_a_settlement_is_followed_to_its_end(
    address: str, app_db: Database, owner_db: Database, protocol: str
) -> None:
    document = OPERATIONS["SettlementUpdates"]
    batch = A1.id("settlement")
    async with talking(address, protocol, key=await key_of(app_db, "auditor")) as talk:
        await talk.subscribe("mine", document, **GRANTOR)
        told = await talk.data("mine")
        assert told == {"atc_settlement_batches": [{
            "id": str(batch), "reference": A1.mark, "grossAmount": 5000.50, "netSettlementAmount": 4875.49,
            "paymentStatus": "SENT_TO_BANK", "settledAt": None,
        }]}  # fmt: skip
        await _settle(owner_db, "settled_at = now(), state = 'settled'")
        changed = await talk.data("mine")
        assert changed["atc_settlement_batches"][0]["settledAt"] is not None
    # The row stands as before, for whoever comes next; history has ways that only the database's owner may leave.
    await _settle(owner_db, "settled_at = NULL, state = 'processing'")


async def _settle(owner: Database, to: str) -> None:
    async with owner.tx(A1.tenant_id) as tx:
        await tx.connection.execute(b"ALTER TABLE atc_settlement_batch DISABLE TRIGGER USER")
        statement = f"UPDATE atc_settlement_batch SET {to} WHERE batch_id = %(batch)s"
        await tx.connection.execute(statement.encode(), {"batch": A1.id("settlement")})
        await tx.connection.execute(b"ALTER TABLE atc_settlement_batch ENABLE TRIGGER USER")
        await record(tx.connection)


@pytest.mark.parametrize("name", ["SettlementUpdates", "VirtualAccountTransactions"])
async def test_another_organisation_s_are_not_told(address: str, app_db: Database, name: str) -> None:
    of_others: dict[str, Any] = {"grantorId": str(B1.id("partner")), "accountId": str(B1.id("virtual"))}
    variable = "grantorId" if name == "SettlementUpdates" else "accountId"
    async with talking(address, key=await key_of(app_db, "finance_admin")) as talk:
        await talk.subscribe("theirs", OPERATIONS[name], **{variable: of_others[variable]})
        assert list((await talk.data("theirs")).values()) == [[]]


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_is_told_what_it_may_see(address: str, app_db: Database, role: str) -> None:
    async with talking(address, key=await key_of(app_db, role)) as talk:
        await talk.subscribe("mine", OPERATIONS["SettlementUpdates"], **GRANTOR)
        said = await talk.hear()
    if role in READY["SettlementUpdates"]:
        assert [one["reference"] for one in said["payload"]["data"]["atc_settlement_batches"]] == [A1.mark]
    else:
        assert said["type"] == "error"
        assert "atc_settlement_batches' not found in type" in said["payload"][0]["message"]
