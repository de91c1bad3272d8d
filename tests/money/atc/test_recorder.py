"""Single collections that are recorded together, and keys that stand for one collection each."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from omniroute.infra.batch import BatchLimits
from omniroute.infra.postgres import Database
from omniroute.kit.clock import SystemClock
from omniroute.money import atc
from omniroute.money.atc import CollectionRequest, Grant, NotRecorded, RecordCollection, Recorded, Recorder
from omniroute.parties.partners import PartnerKind
from tests.money.atc.network import TODAY, Network, cash, make_network
from tests.parties.makers import META, refuses


@pytest.fixture(scope="module")
async def net(app_db: Database, owner_db: Database) -> Network:
    return await make_network(app_db, owner_db)


@pytest.fixture(scope="module")
async def shop(net: Network) -> UUID:
    return await net.partner("shop", PartnerKind.RETAILER)


@pytest.fixture(scope="module")
async def grant(net: Network) -> Grant:
    return await net.grant(await net.partner("maker", PartnerKind.MANUFACTURER), await net.partner("depot"))


def recorder(net: Network, limits: BatchLimits | None = None) -> Recorder:
    return Recorder(net.db, clock=SystemClock(), business_day=lambda tenant_id: TODAY, limits=limits)


def request(command: RecordCollection, key: str | None = None) -> CollectionRequest:
    made = None if key is None else atc.collection_key("usr_clerk", key)
    return CollectionRequest(command, "usr_clerk", META, made)


async def test_what_arrives_together_goes_together(net: Network, shop: UUID, grant: Grant) -> None:
    one = recorder(net)
    requests = [request(cash(shop, 10 + n, grant)) for n in range(30)] + [request(cash(shop, 0, grant))]
    outcomes = await asyncio.gather(*(one.record(net.org.id, each) for each in requests))
    assert Counter(type(each) for each in outcomes) == {Recorded: 30, NotRecorded: 1}
    assert one.group.flush_count == 1
    await one.close()


async def test_who_finds_no_place_is_told_and_nothing_happens(net: Network, shop: UUID, grant: Grant) -> None:
    one = recorder(net, BatchLimits(queue_max=1))
    first = asyncio.create_task(one.record(net.org.id, request(cash(shop, 7, grant))))
    second = asyncio.create_task(one.record(net.org.id, request(cash(shop, 8, grant))))  # In the same turn of the loop.
    with refuses("atc.busy"):
        await second
    assert isinstance(await first, Recorded)
    await one.close()


async def test_a_key_stands_for_one_collection_in_any_process(net: Network, shop: UUID, grant: Grant) -> None:
    processes = [recorder(net) for _ in range(4)]
    commands = [cash(shop, 50, grant) for _ in processes]
    before = await net.in_hand(grant.grantee_id)
    outcomes = await asyncio.gather(
        *(one.record(net.org.id, request(command, "k")) for one, command in zip(processes, commands, strict=True))
    )
    assert Counter(type(each) for each in outcomes) == {Recorded: 1, NotRecorded: 3}
    assert {each.refusal.code for each in outcomes if isinstance(each, NotRecorded)} == {"idempotency.key_reused"}
    assert await net.in_hand(grant.grantee_id) == before + 50
    for one in processes:
        await one.close()
    again = recorder(net)
    recorded = [each.collection.reference for each in outcomes if isinstance(each, Recorded)]
    [command] = [each for each in commands if each.reference in recorded]
    repeated = await again.record(net.org.id, request(command, "k"))
    assert isinstance(repeated, Recorded)
    assert repeated.replayed
    mixed = await again.record_all(net.org.id, [request(cash(shop, 1, grant), "k"), request(command, "k")])
    assert [type(each) for each in mixed] == [NotRecorded, Recorded]
    await again.close()


async def test_what_is_refused_opens_no_accounts(net: Network, shop: UUID) -> None:
    maker, van = await net.partner("maker-2", PartnerKind.MANUFACTURER), await net.partner("van-2", PartnerKind.WORKER)
    grant = await net.grant(maker, van, cumulative_limit_minor=100)

    async def accounts() -> int:
        [row] = await net.rows("SELECT count(*) FROM ledger_account WHERE tenant_id = %(tenant)s")
        return int(row[0])

    before = await accounts()
    assert (await net.refused(cash(shop, 101, grant))).code == "atc.cumulative_limit_reached"
    assert await accounts() == before
    await net.recorded(cash(shop, 100, grant))
    assert await accounts() == before + 6
