"""Grants on real tables: written by one, approved by another, passed on, taken back. What is refused moves nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from psycopg import errors as pg

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.clock import FixedClock
from omniroute.kit.ids import show, uuid7
from omniroute.money import atc
from omniroute.money.atc import (
    CollectionType,
    Commission,
    CommissionTier,
    CommissionType,
    Frequency,
    Grant,
    GrantExpirer,
    GrantStatus,
    ScopeConfig,
    ScopeKind,
    ScopeType,
    SettlementTerms,
)
from omniroute.money.atc.errors import BeyondParent, GrantConflict, ParentNotActive
from omniroute.parties import partners
from omniroute.parties.partners import PartnerKind
from tests.money.atc.granting import (
    BANK,
    CHECKER,
    DEPOT,
    MAKER,
    META,
    MILL,
    NOW,
    STALL,
    VAN,
    YEAR,
    Network,
    network,
    rows,
)
from tests.parties.makers import refuses, topics

FLOUR = ScopeConfig(ScopeType.PRODUCT_CATEGORY, ("flour",))
TIERS = (CommissionTier(1, 0, 1_000, 30_000), CommissionTier(2, 1_001, None, 20_000))


@pytest.fixture
async def net(app_db: Database) -> Network:
    return await network(app_db)


@asynccontextmanager
async def refused(owner_db: Database, code: str) -> AsyncIterator[None]:
    """What stands inside is refused, and no row has changed."""
    before = await rows(owner_db)
    with refuses(code):
        yield
    assert await rows(owner_db) == before


async def test_a_grant_is_written_by_one_and_approved_by_another(net: Network, owner_db: Database) -> None:
    wanted = net.wanted(
        scope=ScopeKind.PRODUCT_CATEGORY,
        scopes=(ScopeConfig(ScopeType.PRODUCT_CATEGORY, (" rice", "flour", "rice")),),
        commission=Commission(CommissionType.TIERED_PERCENTAGE, min_minor=5, tiers=(TIERS[1], TIERS[0])),
        settlement=SettlementTerms(Frequency.MONTHLY, delay_days=2),
        max_amount_minor=50_000,
        cumulative_limit_minor=90_000,
        effective_to=NOW + YEAR,
        terms_document_url="https://mill.example/terms.pdf",
    )
    written = await net.write(wanted)
    assert written.status is GrantStatus.PENDING_APPROVAL
    assert written.scopes == (ScopeConfig(ScopeType.PRODUCT_CATEGORY, ("flour", "rice")),)
    assert written.commission.tiers == TIERS
    assert written.settlement == SettlementTerms(Frequency.MONTHLY, 1, 2, BANK)
    assert (written.effective_from, written.depth, written.version) == (NOW, 0, 1)
    assert written.reference.startswith("ATC-")
    async with refused(owner_db, "atc.approver_is_author"):
        await net.approve(written, actor=MAKER)

    approved = await net.approve(written)

    assert (approved.status, approved.approved_by, approved.approved_at) == (GrantStatus.ACTIVE, CHECKER, NOW)
    assert approved.is_in_force(NOW)
    assert not approved.is_in_force(NOW + YEAR)
    assert await net.find(written) == approved
    async with net.db.tx(net.org.id) as tx:
        account = await ledger.find_account(tx, approved.collected_account_id)
        assert await atc.find_collected(tx, [approved]) == {approved.grant_id: 0}
    assert (account.code, account.ceiling_minor) == (f"atc:{approved.grant_id}:collected", 90_000)
    told = await topics(owner_db, net.org.id)
    assert [one for one in told if one.startswith("atc.")] == ["atc.grant.created", "atc.grant.approved"]


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("atc.malformed", {"scope": ScopeKind.SPECIFIC_PRODUCTS}),
        ("atc.malformed", {"scopes": (FLOUR,)}),
        ("atc.malformed", {"commission": Commission(CommissionType.FLAT_FEE, rate_ppm=1)}),
        ("atc.malformed", {"commission": Commission(CommissionType.TIERED_PERCENTAGE)}),
        ("atc.malformed", {"commission": Commission(CommissionType.PERCENTAGE, tiers=TIERS)}),
        ("atc.malformed", {"commission": Commission(CommissionType.PERCENTAGE, rate_ppm=1_000_001)}),
        ("atc.malformed", {"commission": Commission(CommissionType.PERCENTAGE, min_minor=2, max_minor=1)}),
        ("atc.malformed", {"settlement": SettlementTerms(Frequency.DAILY, 1)}),
        ("atc.malformed", {"settlement": SettlementTerms(Frequency.WEEKLY, 8)}),
        ("atc.malformed", {"settlement": SettlementTerms(Frequency.WEEKLY, 0)}),
        ("atc.malformed", {"settlement": SettlementTerms(Frequency.DAILY, delay_days=366)}),
        ("atc.malformed", {"max_amount_minor": 0}),
        ("atc.malformed", {"effective_to": NOW}),
        ("atc.malformed", {"reference": "no blanks"}),
        ("atc.malformed", {"terms_document_url": "javascript:alert(1)"}),
        ("kit.unknown_currency", {"currency": "XXX"}),
        ("partners.not_found", {"grantee_id": uuid7()}),
        ("atc.not_found", {"parent_id": uuid7()}),
        (
            "partners.not_found",
            {
                "scope": ScopeKind.SPECIFIC_CUSTOMERS,
                "scopes": (ScopeConfig(ScopeType.CUSTOMER_ID, (str(uuid7()),)),),
            },
        ),
    ],
)
async def test_what_does_not_hold_together_is_refused(
    net: Network, owner_db: Database, code: str, changes: dict[str, Any]
) -> None:
    async with refused(owner_db, code):
        await net.write(net.wanted(**changes))


async def test_parties_are_two_active_partners_of_the_trade(net: Network, owner_db: Database) -> None:
    await net.partner("shopper", PartnerKind.CUSTOMER)
    await net.partner("nowhere", PartnerKind.DISTRIBUTOR, account=None)
    gone = await net.partner("gone", PartnerKind.RETAILER)
    waiting = await net.write(net.wanted(MILL, "gone"))
    async with net.db.tx(net.org.id) as tx:
        await partners.close_partner(tx, gone.partner_id, version=1, now=NOW, meta=META)
    for code, grantor, grantee in (
        ("atc.malformed", MILL, MILL),
        ("atc.malformed", "nowhere", MILL),
        ("atc.wrong_party", MILL, "shopper"),
        ("partners.closed", "gone", MILL),
    ):
        async with refused(owner_db, code):
            await net.write(net.wanted(grantor, grantee))
    async with refused(owner_db, "partners.closed"):
        await net.approve(waiting)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("currency", {"currency": "KES"}),
        ("collection_type", {"collection_type": CollectionType.ALL_METHODS}),
        ("collection_type", {"collection_type": CollectionType.CHEQUE}),
        ("scope_config", {"scope": ScopeKind.ALL_PRODUCTS, "scopes": ()}),
        ("scope_config", {"scopes": (ScopeConfig(ScopeType.PRODUCT_CATEGORY, ("flour", "salt")),)}),
        ("effective_from", {"effective_from": NOW - timedelta(days=1)}),
        ("effective_to", {"effective_to": None}),
        ("effective_to", {"effective_to": NOW + 2 * YEAR}),
        ("max_amount", {"max_amount_minor": None}),
        ("max_amount", {"max_amount_minor": 5_001}),
        ("cumulative_limit", {"cumulative_limit_minor": 9_001}),
    ],
)
async def test_nobody_passes_on_more_than_they_were_given(
    net: Network, owner_db: Database, field: str, changes: dict[str, Any]
) -> None:
    same: dict[str, Any] = {
        "scope": ScopeKind.PRODUCT_CATEGORY,
        "scopes": (FLOUR,),
        "collection_type": CollectionType.CASH,
        "effective_to": NOW + YEAR,
        "max_amount_minor": 5_000,
        "cumulative_limit_minor": 9_000,
    }
    parent = await net.active(**same)
    before = await rows(owner_db)
    with pytest.raises(BeyondParent) as beyond:
        await net.write(net.wanted(DEPOT, STALL, **{**same, "parent_id": parent.grant_id, **changes}))
    assert beyond.value.facts == {"field": field}
    assert await rows(owner_db) == before
    child = await net.write(net.wanted(DEPOT, STALL, **{**same, "parent_id": parent.grant_id}))
    assert child.depth == 1


async def test_a_line_is_passed_on_by_who_has_it_never_back_and_not_for_ever(net: Network, owner_db: Database) -> None:
    for number in range(8):
        await net.partner(f"p{number}", PartnerKind.DISTRIBUTOR)
    codes = [MILL, *(f"p{number}" for number in range(8))]
    line = await net.line(codes)
    assert [one.depth for one in line] == list(range(8))
    last = line[-1].grant_id
    for grantor, grantee, parent_id in ((DEPOT, STALL, line[0].grant_id), ("p1", "p0", line[1].grant_id)):
        async with refused(owner_db, "atc.beyond_parent"):
            await net.write(net.wanted(grantor, grantee, parent_id=parent_id))
    async with refused(owner_db, "atc.beyond_parent"):
        await net.write(net.wanted("p7", VAN, parent_id=last))
    async with net.db.tx(net.org.id) as tx:
        assert await atc.find_line(tx, last) == list(reversed(line))
        assert await atc.find_tree(tx, line[0].grant_id) == line


async def test_two_live_grants_never_cover_the_same(net: Network, owner_db: Database) -> None:
    cash = await net.write(net.wanted(collection_type=CollectionType.CASH, effective_to=NOW + YEAR))
    for changes in (
        {},
        {"collection_type": CollectionType.CASH},
        {"scope": ScopeKind.PRODUCT_CATEGORY, "scopes": (FLOUR,)},
        {"effective_from": NOW + YEAR - timedelta(seconds=1)},
    ):
        before = await rows(owner_db)
        with pytest.raises(GrantConflict) as conflict:
            await net.write(net.wanted(**changes))
        assert conflict.value.facts == {"reference": cash.reference}
        assert await rows(owner_db) == before
    await net.write(net.wanted(collection_type=CollectionType.CHEQUE))
    await net.write(net.wanted(currency="KES"))
    await net.write(net.wanted(collection_type=CollectionType.CASH, effective_from=NOW + YEAR))
    draft = await net.write(net.wanted(is_draft=True))
    async with refused(owner_db, "atc.conflict"), net.db.tx(net.org.id) as tx:
        await atc.submit_grant(tx, draft.grant_id, now=NOW, meta=META)


async def test_of_two_that_are_written_at_once_one_is(net: Network) -> None:
    found = await asyncio.gather(*(net.write() for _ in range(4)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Grant", "GrantConflict", "GrantConflict", "GrantConflict"]


async def test_references_are_unique(net: Network, owner_db: Database) -> None:
    await net.write(net.wanted(reference="ATC-7"))
    async with refused(owner_db, "atc.reference_taken"):
        await net.write(net.wanted(MILL, STALL, reference="ATC-7"))


async def test_a_bookkeeper_may_describe_the_account_that_grants_share(net: Network) -> None:
    await net.active()
    contra = ledger.account_id(net.org.id, "atc:collected:NGN")
    async with net.db.tx(net.org.id) as tx:
        await ledger.describe_account(tx, contra, name="Collected, not ours", meta=META)
    assert (await net.active(STALL, VAN)).status is GrantStatus.ACTIVE
    async with net.db.tx(net.org.id) as tx:
        assert (await ledger.find_account(tx, contra)).name == "Collected, not ours"


async def test_a_draft_is_sent_to_approval(net: Network, owner_db: Database) -> None:
    draft = await net.write(net.wanted(is_draft=True))
    async with refused(owner_db, "atc.wrong_status"):
        await net.approve(draft)
    async with net.db.tx(net.org.id) as tx:
        sent = await atc.submit_grant(tx, draft.grant_id, now=NOW, meta=META)
    assert sent.status is GrantStatus.PENDING_APPROVAL
    assert (await net.approve(sent)).status is GrantStatus.ACTIVE


async def test_a_no_ends_it_before_it_began(net: Network, owner_db: Database) -> None:
    written = await net.write()
    async with refused(owner_db, "atc.approver_is_author"), net.db.tx(net.org.id) as tx:
        await atc.reject_grant(tx, written.grant_id, actor=MAKER, reason="no", now=NOW, meta=META)
    async with net.db.tx(net.org.id) as tx:
        ended = await atc.reject_grant(tx, written.grant_id, actor=CHECKER, reason=" too much ", now=NOW, meta=META)
    assert (ended.status, ended.status_reason, ended.approved_at) == (GrantStatus.REVOKED, "too much", None)
    await net.write()


async def key_of(owner_db: Database, net: Network, person: str) -> str:
    """A key that this person made."""
    key_id = uuid7()
    async with owner_db.tx(net.org.id) as tx:
        await tx.connection.execute(
            "INSERT INTO credential (tenant_id, id, kind, name, mode, permissions, created_by, created_at, updated_at)"
            " VALUES (%s, %s, 'api_key', 'till', 'live', '{atc.approve}', %s, %s, %s)",
            [net.org.id, key_id, person, NOW, NOW],
        )
    return show("key", key_id)


async def test_a_key_is_the_person_who_made_it(net: Network, owner_db: Database) -> None:
    ada = show("usr", uuid7())
    key = await key_of(owner_db, net, ada)
    written = await net.write(actor=ada)
    async with refused(owner_db, "atc.approver_is_author"):
        await net.approve(written, actor=key)
    other = await net.write(net.wanted(MILL, STALL), actor=key)
    async with refused(owner_db, "atc.approver_is_author"):
        await net.approve(other, actor=ada)


async def test_nothing_is_collected_while_it_is_suspended(net: Network, owner_db: Database) -> None:
    grant = await net.active(effective_to=NOW + YEAR)
    async with refused(owner_db, "atc.wrong_status"):
        await resume(net, grant)
    async with net.db.tx(net.org.id) as tx:
        held = await atc.suspend_grant(tx, grant.grant_id, reason="short of cash twice", now=NOW, meta=META)
    assert (held.status, held.status_reason) == (GrantStatus.SUSPENDED, "short of cash twice")
    assert not held.is_in_force(NOW)
    async with refused(owner_db, "atc.parent_not_active"):
        await net.write(net.wanted(DEPOT, STALL, parent_id=grant.grant_id, effective_to=NOW + YEAR))
    async with refused(owner_db, "atc.over"):
        await resume(net, grant, days=365)
    again = await resume(net, grant)
    assert (again.status, again.approved_by, again.status_reason) == (GrantStatus.ACTIVE, CHECKER, None)


async def resume(net: Network, grant: Grant, *, days: int = 0) -> Grant:
    async with net.db.tx(net.org.id) as tx:
        return await atc.resume_grant(tx, grant.grant_id, now=NOW + timedelta(days=days), meta=META)


async def revoke(net: Network, grant: Grant) -> list[Grant]:
    async with net.db.tx(net.org.id) as tx:
        return await atc.revoke_grant(tx, grant.grant_id, reason="moved away", now=NOW, meta=META)


async def test_who_loses_a_grant_loses_what_it_passed_on(net: Network, owner_db: Database) -> None:
    root, child = await net.line()
    beside = await net.active(MILL, VAN)
    leaf = await net.write(net.wanted(STALL, VAN, parent_id=child.grant_id))
    already = await net.write(net.wanted(DEPOT, VAN, parent_id=root.grant_id))
    assert [one.grant_id for one in await revoke(net, already)] == [already.grant_id]
    revoked = await revoke(net, root)
    assert [one.grant_id for one in revoked] == [root.grant_id, child.grant_id, leaf.grant_id]
    assert {(one.status, one.status_reason, one.ended_at) for one in revoked} == {
        (GrantStatus.REVOKED, "moved away", NOW)
    }
    assert (await net.find(beside)).status is GrantStatus.ACTIVE
    told = await topics(owner_db, net.org.id)
    assert told.count("atc.grant.revoked") == 4
    async with refused(owner_db, "atc.wrong_status"):
        await revoke(net, root)
    async with refused(owner_db, "atc.malformed"), net.db.tx(net.org.id) as tx:
        await atc.revoke_grant(tx, beside.grant_id, reason=" ", now=NOW, meta=META)


async def test_under_a_grant_that_is_being_revoked_nothing_grows(net: Network) -> None:
    root = await net.active()
    tries = [net.wanted(DEPOT, grantee, parent_id=root.grant_id) for grantee in (STALL, VAN)]
    found = await asyncio.gather(revoke(net, root), *(net.write(one) for one in tries), return_exceptions=True)
    assert isinstance(found[0], list)
    for one in found[1:]:
        assert isinstance(one, ParentNotActive | Grant)
        assert isinstance(one, ParentNotActive) or (await net.find(one)).status is GrantStatus.REVOKED


async def test_their_time_is_over_by_itself(net: Network, worker_db: Database, owner_db: Database) -> None:
    over = [
        await net.active(effective_to=NOW + timedelta(days=1)),
        await net.write(net.wanted(MILL, STALL, effective_to=NOW + timedelta(days=1), is_draft=True)),
        await net.write(net.wanted(MILL, VAN, effective_to=NOW + timedelta(days=1))),
    ]
    stays = await net.active(DEPOT, STALL, effective_to=NOW + YEAR)
    at = NOW + timedelta(days=1)
    async with refused(owner_db, "atc.over"):
        await net.approve(over[2], now=at)
    assert await GrantExpirer(worker_db, clock=FixedClock(at - timedelta(microseconds=1))).round() == 0
    rounds = [GrantExpirer(worker_db, clock=FixedClock(at)).round() for _ in range(2)]
    await asyncio.gather(*rounds)
    assert {(one.status, one.ended_at) for one in [await net.find(one) for one in over]} == {(GrantStatus.EXPIRED, at)}
    assert (await net.find(stays)).status is GrantStatus.ACTIVE
    assert (await topics(owner_db, net.org.id)).count("atc.grant.expired") == 3
    assert await GrantExpirer(worker_db, clock=FixedClock(at)).round() == 0


async def test_lists_know_who_and_how_they_stand(net: Network) -> None:
    root, child = await net.line()
    async with net.db.tx(net.org.id) as tx:
        assert (await atc.list_grants(tx)).items == [child, root]
        assert (await atc.list_grants(tx, grantor_id=root.grantor_id)).items == [root]
        assert (await atc.list_grants(tx, grantee_id=child.grantee_id)).items == [child]
        assert (await atc.list_grants(tx, parent_id=root.grant_id)).items == [child]
        assert (await atc.list_grants(tx, status=GrantStatus.REVOKED)).items == []
        assert await atc.find_grants(tx, [root.grant_id, uuid7()]) == {root.grant_id: root}


SPOILED = [
    ("atc_grant_way", "UPDATE atc_grant SET status = 'pending_approval', approved_by = NULL, approved_at = NULL"),
    ("atc_grant_four_eyes", "UPDATE atc_grant SET approved_by = 'usr_other'"),
    ("atc_grant_ended", "UPDATE atc_grant SET status = 'revoked'"),
    (
        "atc_grant_terms_stand",
        "INSERT INTO atc_scope (tenant_id, scope_id, grant_id, scope_type, scope_values, created_at)"
        " SELECT tenant_id, gen_random_uuid(), grant_id, 'ORDER_TYPE', '{cash}', created_at FROM atc_grant",
    ),
]


@pytest.mark.parametrize(("constraint", "statement"), SPOILED)
async def test_the_database_is_the_last_guard(net: Network, constraint: str, statement: str) -> None:
    await net.active()
    with pytest.raises(pg.IntegrityError) as broken:
        async with net.db.tx(net.org.id) as tx:
            await tx.connection.execute(statement.encode())
    assert broken.value.diag.constraint_name == constraint


async def test_the_doors_have_no_right_to_change_terms(net: Network) -> None:
    await net.active()
    for column in (
        "commission_rate_ppm = 1",
        "max_amount_minor = 1",
        "grantee_id = grantor_id",
        "effective_to = now()",
    ):
        with pytest.raises(pg.InsufficientPrivilege):
            async with net.db.tx(net.org.id) as tx:
                await tx.connection.execute(f"UPDATE atc_grant SET {column}".encode())


@pytest.mark.parametrize(
    ("constraint", "changes"),
    [
        ("atc_grant_begins_unapproved", "status = 'active', approved_by = 'usr_x', approved_at = created_at"),
        ("atc_grant_within_parent", "parent_id = grant_id, depth = 1"),
        ("atc_commission_tiers_touch", "commission_type = 'TIERED_PERCENTAGE', commission_rate_ppm = NULL"),
    ],
)
async def test_no_grant_is_born_wrong(net: Network, constraint: str, changes: str) -> None:
    await net.active()
    spoiled = f"""
        CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT * FROM atc_grant;
        UPDATE copied SET status = 'pending_approval', approved_by = NULL, approved_at = NULL;
        UPDATE copied SET {changes};
        UPDATE copied SET grant_id = gen_random_uuid(), reference = 'copy';
        INSERT INTO atc_grant SELECT * FROM copied;
        SET CONSTRAINTS ALL IMMEDIATE"""
    with pytest.raises(pg.IntegrityError) as broken:
        async with net.db.tx(net.org.id) as tx:
            await tx.connection.execute(f"DO $$ BEGIN {spoiled}; END $$".encode())
    assert broken.value.diag.constraint_name == constraint
