"""Recording collections: the parts of every level, the books, limits, credits, repeats, refusals, reversals."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from psycopg import errors as pg

from omniroute.infra.postgres import Database
from omniroute.kit.ids import show, uuid7
from omniroute.money import atc
from omniroute.money.atc import (
    CollectionType,
    Commission,
    CommissionType,
    Grant,
    NotRecorded,
    Recorded,
    ScopeConfig,
    ScopeKind,
    ScopeType,
    SettlementStatus,
    Source,
)
from omniroute.parties.partners import PartnerKind
from tests.money.atc.network import DAY, TODAY, Network, cash, make_network
from tests.parties.makers import META, NOW, refuses

FLAT = Commission(CommissionType.FLAT_FEE, flat_minor=1_000)
TRANSFER = CollectionType.BANK_TRANSFER


@pytest.fixture(scope="module")
async def net(app_db: Database, owner_db: Database) -> Network:
    return await make_network(app_db, owner_db)


class Line:
    """A maker, a distributor and a van, each collecting for the one before, and a shop that pays."""

    maker: UUID
    depot: UUID
    van: UUID
    shop: UUID
    upper: Grant
    lower: Grant


_lines = 0


async def make_line(net: Network, **terms: Any) -> Line:
    global _lines
    _lines += 1
    line = Line()
    line.maker = await net.partner(f"maker{_lines}", PartnerKind.MANUFACTURER)
    line.depot = await net.partner(f"depot{_lines}")
    line.van = await net.partner(f"van{_lines}", PartnerKind.WORKER)
    line.shop = await net.partner(f"shop{_lines}", PartnerKind.RETAILER)
    line.upper = await net.grant(line.maker, line.depot, **terms)
    line.lower = await net.grant(line.depot, line.van, FLAT, parent_id=line.upper.grant_id, **terms)
    return line


async def test_cash_falls_through_the_levels(net: Network) -> None:
    line = await make_line(net)
    command = cash(line.shop, 100_000, line.lower, notes="two crates", collected_by=line.van)
    recorded = await net.recorded(command)
    own, above = recorded.levels
    assert (own.gross_minor, own.commission_minor, own.net_minor) == (100_000, 1_000, 99_000)
    assert (above.gross_minor, above.commission_minor, above.net_minor) == (99_000, 4_950, 94_050)
    assert (own.reference, above.reference) == (command.reference, f"{command.reference}#1")
    assert (own.root_collection_id, above.root_collection_id) == (own.collection_id, own.collection_id)
    assert (own.parent_collection_id, above.parent_collection_id) == (None, own.collection_id)
    assert (own.is_top, above.is_top) == (False, True)
    assert (own.grant_id, above.grant_id) == (line.lower.grant_id, line.upper.grant_id)
    assert {one.settlement_status for one in recorded.levels} == {SettlementStatus.PENDING}
    assert {(one.source, one.funded_at, one.collected_on, one.due_on) for one in recorded.levels} == {
        (Source.IN_HAND, None, TODAY, TODAY + 2 * DAY)
    }
    assert await net.in_hand(line.van) == 100_000
    assert await net.commission(line.van) == 1_000
    assert await net.commission(line.depot) == 4_950
    assert await net.payable(line.maker) == 94_050
    assert await net.payable(line.depot) == 0
    assert await net.collected(line.lower) == 100_000
    assert await net.collected(line.upper) == 99_000


async def test_the_same_again_is_the_same_and_another_is_refused(net: Network) -> None:
    line = await make_line(net)
    command = cash(line.shop, 5_000, line.lower)
    first = await net.recorded(command)
    before = await net.state()
    again, other, repeat = await net.record(command, replace(command, amount_minor=5_001), command)
    assert again == Recorded(first.levels, replayed=True)
    assert repeat == again
    assert isinstance(other, NotRecorded)
    assert other.refusal.code == "atc.collection_reference_taken"
    assert await net.state() == before
    new = cash(line.shop, 1, line.lower)
    once, twice, different = await net.record(new, new, replace(new, notes="no"))
    assert isinstance(once, Recorded)
    assert twice == Recorded(once.levels, replayed=True)
    assert isinstance(different, NotRecorded)
    assert different.refusal.code == "atc.collection_reference_taken"


async def test_items_of_a_batch_stand_and_fall_by_themselves(net: Network) -> None:
    line = await make_line(net)
    good, bad, odd = cash(line.shop, 10, line.lower), cash(uuid7(), 10, line.lower), cash(line.shop, 0, line.lower)
    outcomes = await net.record(bad, good, odd)
    assert [isinstance(one, Recorded) for one in outcomes] == [False, True, False]
    assert [one.refusal.code for one in outcomes if isinstance(one, NotRecorded)] == [
        "partners.not_found",
        "atc.malformed_collection",
    ]
    assert await net.in_hand(line.van) == 10


async def test_one_collection_is_at_most_the_maximum(net: Network) -> None:
    line = await make_line(net, max_amount_minor=50_000)
    await net.recorded(cash(line.shop, 50_000, line.lower))
    refusal = await net.refused(cash(line.shop, 50_001, line.lower))
    assert refusal.code == "atc.above_maximum"
    assert refusal.facts == {"grant": line.lower.reference, "max_minor": 50_000}


async def test_the_cumulative_limit_holds_on_every_level(net: Network) -> None:
    line = await make_line(net, cumulative_limit_minor=100_000)
    await net.recorded(cash(line.shop, 90_000, line.lower))  # 89,000 on the level above.
    refusal = await net.refused(cash(line.shop, 10_001, line.lower))
    assert (refusal.code, refusal.facts["grant"]) == ("atc.cumulative_limit_reached", line.lower.reference)
    await net.recorded(cash(line.shop, 10_000, line.upper))  # The depot collects by itself: 99,000.
    refusal = await net.refused(cash(line.shop, 3_000, line.lower))
    assert (refusal.code, refusal.facts["grant"]) == ("atc.cumulative_limit_reached", line.upper.reference)
    await net.recorded(cash(line.shop, 2_000, line.lower))
    assert await net.collected(line.upper) == 100_000


async def test_many_at_the_same_time_never_pass_the_limit(net: Network) -> None:
    line = await make_line(net, cumulative_limit_minor=10_000)
    commands = [cash(line.shop, 3_000, line.lower) for _ in range(8)]
    outcomes = [one for [one] in await asyncio.gather(*(net.record(command) for command in commands))]
    assert Counter(type(one) for one in outcomes) == {Recorded: 3, NotRecorded: 5}
    assert {one.refusal.code for one in outcomes if isinstance(one, NotRecorded)} == {"atc.cumulative_limit_reached"}
    assert await net.collected(line.lower) == 9_000
    assert await net.in_hand(line.van) == 9_000


async def test_the_same_reference_at_the_same_time_is_one_collection(net: Network) -> None:
    line = await make_line(net)
    command = cash(line.shop, 700, line.lower)
    outcomes = [one for [one] in await asyncio.gather(*(net.record(command) for _ in range(4)))]
    levels = {one.levels for one in outcomes if isinstance(one, Recorded)}
    assert len(levels) == 1
    assert Counter(isinstance(one, Recorded) and one.replayed for one in outcomes) == {False: 1, True: 3}
    assert await net.in_hand(line.van) == 700


async def test_a_credit_pays_once(net: Network) -> None:
    line = await make_line(net)
    credit = await net.credit(line.shop, 10_000, "session-1")
    command = cash(line.shop, 6_000, line.lower, method=TRANSFER, payment_reference="session-1")
    recorded = await net.recorded(command)
    assert {(one.source, one.credit_id, one.funded_at) for one in recorded.levels} == {(Source.CREDIT, credit, NOW)}
    assert await net.in_hand(line.van) == 0
    assert await net.payable(line.maker) == 4_750
    assert await net.left(credit) == 4_000
    named = cash(line.shop, 4_001, line.lower, method=TRANSFER, payment_reference=show("crd", credit))
    refusal = await net.refused(named)
    assert (refusal.code, refusal.facts["left_minor"]) == ("collections.credit_spent", 4_000)
    await net.recorded(replace(named, amount_minor=4_000))
    assert await net.left(credit) == 0
    levels = await net.reverse(recorded.collection.collection_id)
    assert await net.left(credit) == 6_000
    assert {one.reversal_transaction_id is None for one in levels} == {False}


async def test_two_who_spend_a_credit_at_once_do_not_spend_it_twice(net: Network) -> None:
    line = await make_line(net)
    credit = await net.credit(line.shop, 10_000, "session-2")
    commands = [cash(line.shop, 4_000, line.lower, method=TRANSFER, payment_reference="session-2") for _ in range(6)]
    outcomes = [one for [one] in await asyncio.gather(*(net.record(command) for command in commands))]
    assert Counter(type(one) for one in outcomes) == {Recorded: 2, NotRecorded: 4}
    assert await net.left(credit) == 2_000


async def test_what_the_books_refuse_frees_the_credit_for_who_comes_next(net: Network) -> None:
    line = await make_line(net, cumulative_limit_minor=5_000)
    other = await make_line(net)
    credit = await net.credit(line.shop, 6_000, "session-3")
    above = cash(line.shop, 6_000, line.lower, method=TRANSFER, payment_reference="session-3")
    within = replace(above, reference="within-3", grant_id=other.lower.grant_id)
    refused, recorded = await net.record(above, within)
    assert isinstance(refused, NotRecorded)
    assert refused.refusal.code == "atc.cumulative_limit_reached"
    assert isinstance(recorded, Recorded)
    assert await net.left(credit) == 0


async def test_credits_of_strangers_and_unknown_ones_do_not_pay(net: Network) -> None:
    line, other = await make_line(net), await make_line(net)
    await net.credit(other.shop, 10_000, "session-4")
    command = cash(line.shop, 1_000, line.lower, method=CollectionType.MOBILE_MONEY, payment_reference="session-4")
    assert (await net.refused(command)).code == "atc.credit_not_usable"
    assert (await net.refused(replace(command, payment_reference="nothing"))).code == "atc.credit_unknown"
    await net.recorded(replace(command, payment_reference=None))
    assert await net.in_hand(line.van) == 1_000


async def test_what_we_owe_the_payer_pays_for_a_purchase(net: Network) -> None:
    line = await make_line(net)
    command = cash(line.shop, 3_000, line.lower, method=CollectionType.CREDIT_AGAINST_PURCHASE)
    assert (await net.refused(command)).code == "atc.not_covered"
    await net.owe(line.shop, 3_500)
    assert (await net.recorded(command)).collection.funded_at == NOW
    assert await net.payable(line.shop) == 500


async def test_what_is_owed_to_who_has_others_collect_pays_for_nothing(net: Network) -> None:
    """Cash in a collector's hand is owed to the grantor already; spent for a purchase, it would be paid out twice."""
    line, other = await make_line(net), await make_line(net)
    await net.recorded(cash(line.shop, 50_000, line.lower))
    assert await net.payable(line.maker) >= 3_000
    before = await net.state()
    command = cash(line.maker, 3_000, other.lower, method=CollectionType.CREDIT_AGAINST_PURCHASE)
    assert (await net.refused(command)).code == "atc.wrong_payer"
    assert await net.state() == before
    await net.recorded(replace(command, method=CollectionType.CASH))


async def test_a_reversal_takes_everything_back(net: Network) -> None:
    line = await make_line(net, cumulative_limit_minor=100_000)
    recorded = await net.recorded(cash(line.shop, 100_000, line.lower, method=CollectionType.CHEQUE))
    above = recorded.levels[1]
    levels = await net.reverse(above.collection_id, "the cheque bounced")
    assert [one.settlement_status for one in levels] == [SettlementStatus.FAILED] * 2
    assert {(one.reversed_by, one.reversal_reason, one.reversed_at) for one in levels} == {
        ("usr_clerk", "the cheque bounced", NOW)
    }
    for balance in (
        net.in_hand(line.van),
        net.commission(line.van),
        net.payable(line.maker),
        net.collected(line.upper),
    ):
        assert await balance == 0
    before = await net.state()
    with refuses("atc.collection_reversed"):
        await net.reverse(above.collection_id)
    with refuses("atc.collection_not_found"):
        await net.reverse(uuid7())
    with refuses("atc.malformed"):
        await net.reverse(above.collection_id, " ")
    assert await net.state() == before
    await net.recorded(cash(line.shop, 100_000, line.lower))  # The limit is free again.


async def test_grants_that_are_not_in_force_cover_nothing(net: Network) -> None:
    line = await make_line(net)
    command = cash(line.shop, 100, line.lower)
    async with net.db.tx(net.org.id) as tx:
        await atc.suspend_grant(tx, line.upper.grant_id, reason="audit", now=NOW, meta=META)
    refusal = await net.refused(command)
    assert (refusal.code, refusal.facts) == ("atc.not_in_force", {"grant": line.upper.reference, "status": "suspended"})
    early = await make_line(net, effective_from=NOW + DAY)
    refusal = await net.refused(cash(early.shop, 100, early.lower))
    assert refusal.facts["status"] == "not_yet_effective"
    assert (await net.refused(cash(line.shop, 100, grant_id=uuid7()))).code == "atc.not_found"


async def test_a_grant_covers_its_scope_and_means_only(net: Network) -> None:
    line = await make_line(net)
    agent = await net.partner("agent-1", PartnerKind.WORKER)
    scopes = (
        ScopeConfig(ScopeType.CUSTOMER_ID, (str(line.shop),)),
        ScopeConfig(ScopeType.PRODUCT_ID, ("milk", "tea")),
    )
    grant = await net.grant(
        line.maker, agent, scope=ScopeKind.SPECIFIC_CUSTOMERS, scopes=scopes, collection_type=CollectionType.CASH
    )
    good = cash(line.shop, 100, grant, facts=((ScopeType.PRODUCT_ID, ("milk",)),))
    for wrong, reason in (
        (replace(good, facts=()), "PRODUCT_ID"),
        (replace(good, facts=((ScopeType.PRODUCT_ID, ("milk", "soap")),)), "PRODUCT_ID"),
        (replace(good, collected_from_id=line.depot), "CUSTOMER_ID"),
        (replace(good, method=CollectionType.CHEQUE), "method"),
        (replace(good, currency="KES"), "currency"),
    ):
        refusal = await net.refused(wrong)
        assert (refusal.code, refusal.facts["reason"]) == ("atc.outside_scope", reason)
    for payer in (line.van, line.maker):
        assert (await net.refused(cash(payer, 100, line.lower))).code == "atc.wrong_payer"
    await net.recorded(good)
    found = await net.recorded(replace(good, reference="found-1", grant_id=None, grantee_id=agent))
    assert found.collection.grant_id == grant.grant_id
    lost = replace(good, reference="lost-1", grant_id=None, grantee_id=agent, facts=())
    assert (await net.refused(lost)).code == "atc.no_authority"


async def test_the_grant_is_found_when_only_one_fits(net: Network) -> None:
    line = await make_line(net)
    command = cash(line.shop, 100, None, collected_by=line.van)
    assert (await net.recorded(command)).collection.grant_id == line.lower.grant_id
    of_depot = replace(command, reference="of-depot", collected_by=None, grantee_id=line.depot)
    assert (await net.recorded(of_depot)).collection.grant_id == line.upper.grant_id
    mobile = await net.grant(
        line.maker, line.van, collection_type=CollectionType.MOBILE_MONEY, scope=ScopeKind.ALL_PRODUCTS
    )
    unclear = replace(command, reference="unclear", method=CollectionType.MOBILE_MONEY)
    refusal = await net.refused(unclear)
    assert refusal.code == "atc.authority_unclear"
    assert refusal.facts["candidates"] == [line.lower.reference, mobile.reference]
    assert (await net.refused(replace(unclear, collected_by=None))).code == "atc.authority_unclear"


async def test_what_happened_never_changes(net: Network) -> None:
    line = await make_line(net)
    recorded = await net.recorded(cash(line.shop, 100, line.lower))
    for change in ("gross_minor = 1", "net_minor = 5", "funded_at = now()", "settlement_status = 'settled'"):
        with pytest.raises((pg.InsufficientPrivilege, pg.CheckViolation)):
            async with net.db.tx(net.org.id) as tx:
                await tx.connection.execute(f"UPDATE atc_collection SET {change}".encode())
    with pytest.raises(pg.InsufficientPrivilege):
        async with net.db.tx(net.org.id) as tx:
            await tx.connection.execute(b"DELETE FROM atc_collection")
    with pytest.raises(pg.CheckViolation):  # Nothing is settled that is not with us, even by the owner.
        await net.rows(
            "UPDATE atc_collection SET settlement_status = 'processing' WHERE tenant_id = %(tenant)s RETURNING 1"
        )
    await net.reverse(recorded.collection.collection_id)
    with pytest.raises(pg.IntegrityError, match="stays as it is"):
        await net.rows(
            """UPDATE atc_collection SET settlement_status = 'pending' WHERE tenant_id = %(tenant)s
                  AND collection_id = %(id)s RETURNING 1""",
            id=recorded.collection.collection_id,
        )


async def test_other_organisations_see_nothing(net: Network, app_db: Database, owner_db: Database) -> None:
    line = await make_line(net)
    recorded = await net.recorded(cash(line.shop, 100, line.lower))
    stranger = await make_network(app_db, owner_db)
    with refuses("atc.collection_not_found"):
        await stranger.reverse(recorded.collection.collection_id)
    outcomes = await stranger.record(cash(line.shop, 100, line.lower))
    assert [one.refusal.code for one in outcomes if isinstance(one, NotRecorded)] == ["partners.not_found"]
