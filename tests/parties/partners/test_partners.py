"""Partners: made, found, changed, closed when nothing is owed; their accounts on the ledger."""

from dataclasses import replace
from uuid import UUID

import pytest
from psycopg import errors as pg

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.ledger import AccountType, Leg, OpenAccount, Side
from omniroute.parties import partners
from omniroute.parties.partners import CreatePartner, Partner, PartnerKind, PartnerStatus, ReplacePartner
from omniroute.ports.rails import Party, PartyKind
from tests.parties.makers import META, NOW, Org, make_organisation, refuses, topics

BANK = Party(PartyKind.BANK_ACCOUNT, "0123456785", "000013", "Kano Mills", "NG")
MILL = CreatePartner(
    "kano-mill", PartnerKind.MANUFACTURER, "Kano Mills", "+234 802 234 5678", "ap@mill.example", BANK, {"erp": "C-7"}
)
LATER = NOW.replace(hour=13)


async def made(org: Org, command: CreatePartner = MILL) -> Partner:
    async with org.db.tx(org.id) as tx:
        return await partners.create_partner(tx, command, now=NOW, meta=META)


async def changed(org: Org, partner: Partner, command: ReplacePartner) -> Partner:
    async with org.db.tx(org.id) as tx:
        return await partners.update_partner(
            tx, partner.partner_id, command, version=partner.version, now=LATER, meta=META
        )


async def closed(org: Org, partner: Partner) -> Partner:
    async with org.db.tx(org.id) as tx:
        return await partners.close_partner(tx, partner.partner_id, version=partner.version, now=LATER, meta=META)


async def found(org: Org, partner_id: UUID) -> Partner:
    async with org.db.tx(org.id, readonly=True) as tx:
        return await partners.find_partner(tx, partner_id)


async def owe(org: Org, partner: Partner, amount_minor: int, reference: str) -> None:
    """The organisation owes the partner so much more (less, when negative)."""
    async with org.db.tx(org.id) as tx:
        await ledger.open_account(tx, OpenAccount("cash", "Cash", AccountType.ASSET, "NGN"), now=NOW, meta=META)
        await partners.open_accounts(tx, [partner.partner_id], "NGN", now=NOW, meta=META)
        there, here = (
            ledger.account_id(tx.tenant, code) for code in ("cash", partners.payable(partner.partner_id, "NGN"))
        )
        debit, credit = (there, here) if amount_minor > 0 else (here, there)
        amount = Money(abs(amount_minor), "NGN")
        command = ledger.post_transaction(
            [Leg(debit, Side.DEBIT, amount), Leg(credit, Side.CREDIT, amount)], reference=reference, meta=META
        )
        await ledger.post_one(tx, command, today=NOW.date())


@pytest.fixture
async def org(app_db: Database) -> Org:
    return await make_organisation(app_db, country="NG", currency="NGN", time_zone="Africa/Lagos")


async def test_a_partner_is_made_and_found(org: Org, owner_db: Database) -> None:
    partner = await made(org)
    assert (partner.code, partner.kind, partner.account) == ("kano-mill", PartnerKind.MANUFACTURER, BANK)
    assert partner.external_refs == {"erp": "C-7"}
    assert partner == await found(org, partner.partner_id)
    async with org.db.tx(org.id, readonly=True) as tx:
        assert await partners.find_partner_by_code(tx, "kano-mill") == partner
        assert await partners.find_partners(tx, []) == {}
    assert "partner.created" in await topics(owner_db, org.id)


@pytest.mark.parametrize(
    "change",
    [
        {"code": "kano mill"}, {"code": ""}, {"name": "  "}, {"name": "a\nb"}, {"phone": "call me"},
        {"email": "nobody"}, {"external_refs": {"": "1"}}, {"external_refs": {str(n): "1" for n in range(33)}},
    ],
)  # fmt: skip
async def test_what_no_partner_looks_like_is_refused(org: Org, owner_db: Database, change: dict[str, object]) -> None:
    with refuses("partners.malformed"):
        await made(org, replace(MILL, **change))  # type: ignore[arg-type]  # Wrong on purpose.
    assert "partner.created" not in await topics(owner_db, org.id)


async def test_a_code_is_given_once(org: Org, owner_db: Database) -> None:
    await made(org)
    with refuses("partners.code_taken"):
        await made(org, replace(MILL, name="Another"))
    assert (await topics(owner_db, org.id)).count("partner.created") == 1


async def test_a_change_needs_the_version_it_was_read_at(org: Org) -> None:
    partner = await made(org)
    after = await changed(org, partner, ReplacePartner("Kano Mills Ltd", account=BANK))
    assert (after.name, after.phone, after.external_refs, after.version) == ("Kano Mills Ltd", None, {}, 2)
    with refuses("partners.changed"):
        await changed(org, partner, ReplacePartner("Somebody else"))
    assert await found(org, partner.partner_id) == after


async def test_nobody_is_closed_who_is_owed_something(org: Org) -> None:
    partner = await made(org)
    await owe(org, partner, 500, "sale")
    with refuses("partners.has_money"):
        await closed(org, partner)
    assert (await found(org, partner.partner_id)).is_active
    await owe(org, partner, -500, "paid out")
    after = await closed(org, partner)
    assert after.status is PartnerStatus.CLOSED
    with refuses("partners.closed"):
        await changed(org, after, ReplacePartner("Back again"))
    with refuses("partners.closed"):
        await closed(org, after)
    assert await found(org, partner.partner_id) == after


async def test_its_accounts_never_go_below_zero(org: Org) -> None:
    partner = await made(org)
    await owe(org, partner, 500, "sale")
    with refuses("ledger.insufficient_funds"):
        await owe(org, partner, -501, "too much")
    async with org.db.tx(org.id, readonly=True) as tx:
        accounts = partners.accounts(partner.partner_id, "NGN")
        balances = await ledger.find_balances(tx, [ledger.account_id(tx.tenant, one.code) for one in accounts])
    assert sorted(one.posted_minor for one in balances.values()) == [0, 0, 500]


async def test_accounts_that_are_open_stay_as_they_are(org: Org) -> None:
    partner = await made(org)
    async with org.db.tx(org.id) as tx:
        await partners.open_accounts(tx, [partner.partner_id] * 2, "NGN", now=NOW, meta=META)
        account = ledger.account_id(tx.tenant, partners.in_hand(partner.partner_id, "NGN"))
        await ledger.set_limits(tx, account, floor_minor=0, ceiling_minor=1000, meta=META)
    async with org.db.tx(org.id) as tx:
        await partners.open_accounts(tx, [partner.partner_id], "NGN", now=LATER, meta=META)
        assert (await ledger.find_account(tx, account)).ceiling_minor == 1000


async def test_lists_go_by_name_and_kind(org: Org) -> None:
    for code, name in (("b", "Bauchi Stores"), ("a", "Zaria Stores")):
        await made(org, CreatePartner(code, PartnerKind.RETAILER, name))
    await made(org)
    async with org.db.tx(org.id, readonly=True) as tx:
        page = await partners.list_partners(tx, kind=PartnerKind.RETAILER)
        assert [one.code for one in page.items] == ["b", "a"]
        assert [one.code for one in (await partners.list_partners(tx, sort="code")).items] == ["a", "b", "kano-mill"]
        assert (await partners.list_partners(tx, status=PartnerStatus.CLOSED)).items == []


async def test_another_organisation_sees_nothing(org: Org, app_db: Database) -> None:
    partner, other = await made(org), await make_organisation(app_db)
    with refuses("partners.not_found"):
        await found(other, partner.partner_id)
    async with app_db.tx(other.id, readonly=True) as tx:
        assert (await partners.list_partners(tx)).items == []
    with refuses("partners.not_found"):
        await found(org, uuid7())


async def test_the_database_knows_the_kinds(org: Org) -> None:
    async with org.db.tx(org.id) as tx:
        with pytest.raises(pg.CheckViolation):
            async with tx.savepoint():
                await tx.connection.execute(
                    "INSERT INTO partner (tenant_id, partner_id, code, kind, name, created_at, updated_at)"
                    " VALUES (%s, %s, 'x', 'BAKER', 'x', now(), now())",
                    [org.id, uuid7()],
                )
