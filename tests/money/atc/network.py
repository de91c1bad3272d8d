"""Makers of a small network: partners, grants between them, credits on virtual accounts, and what was collected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import AccountType, Leg, OpenAccount, Side
from omniroute.money import atc, collections
from omniroute.money.atc import (
    CollectionRequest,
    CollectionType,
    Commission,
    CommissionType,
    CreateGrant,
    Frequency,
    Grant,
    NotRecorded,
    RecordCollection,
    Recorded,
    RecordOutcome,
    ScopeKind,
    SettlementTerms,
)
from omniroute.parties import partners
from omniroute.parties.partners import CreatePartner, PartnerKind
from omniroute.ports.rails import Party, PartyKind
from tests.parties.makers import META, NOW, Org, make_organisation

TODAY = date(2026, 3, 10)
BANK = Party(PartyKind.BANK_ACCOUNT, "0123456785", "000013", "Kano Mills", "NG")
PERCENT = Commission(CommissionType.PERCENTAGE, rate_ppm=50_000)
CASH = CollectionType.CASH


@dataclass(frozen=True)
class Network:
    """One organisation's partners and grants, and short words for what tests do with them."""

    db: Database
    owner_db: Database
    org: Org

    async def partner(self, code: str, kind: PartnerKind = PartnerKind.DISTRIBUTOR) -> UUID:
        """A partner that can be paid."""
        command = CreatePartner(code, kind, code.title(), account=BANK)
        async with self.db.tx(self.org.id) as tx:
            return (await partners.create_partner(tx, command, now=NOW, meta=META)).partner_id

    async def grant(self, grantor: UUID, grantee: UUID, commission: Commission = PERCENT, **terms: Any) -> Grant:
        """A grant, approved."""
        command = CreateGrant(
            grantor,
            grantee,
            ScopeKind.ALL_PRODUCTS,
            CollectionType.ALL_METHODS,
            "NGN",
            commission,
            SettlementTerms(Frequency.DAILY, delay_days=2),
        )
        wanted = replace(command, **terms)
        async with self.db.tx(self.org.id) as tx:
            written = await atc.create_grant(tx, wanted, actor="usr_author", now=NOW, meta=META)
            return await atc.approve_grant(tx, written.grant_id, actor="usr_checker", now=NOW, meta=META)

    async def record(self, *commands: RecordCollection) -> list[RecordOutcome]:
        """Record in one transaction."""
        requests = [CollectionRequest(one, "usr_collector", META) for one in commands]

        async def work(tx: Any) -> list[RecordOutcome]:
            return await atc.record_collections(tx, requests, now=NOW, today=TODAY)

        return await self.db.run(work, tenant_id=self.org.id, idempotent=True)

    async def recorded(self, command: RecordCollection) -> Recorded:
        """Record what must be recorded."""
        (outcome,) = await self.record(command)
        assert isinstance(outcome, Recorded), outcome
        return outcome

    async def refused(self, command: RecordCollection) -> Refusal:
        """Record what must be refused, and prove that nothing moved."""
        before = await self.state()
        (outcome,) = await self.record(command)
        assert isinstance(outcome, NotRecorded), outcome
        assert await self.state() == before
        return outcome.refusal

    async def reverse(self, collection_id: UUID, reason: str = "a mistake") -> tuple[atc.Collection, ...]:
        """Take a collection back."""
        async with self.db.tx(self.org.id) as tx:
            return await atc.reverse_collection(
                tx, collection_id, reason=reason, actor="usr_clerk", now=NOW, today=TODAY, meta=META
            )

    async def balance(self, code: str) -> int:
        """What an account has; nothing when it was never opened."""
        account_id = ledger.account_id(self.org.id, code)
        async with self.db.tx(self.org.id, readonly=True) as tx:
            found = (await ledger.find_balances(tx, [account_id])).get(account_id)
        return 0 if found is None else found.posted_minor

    async def in_hand(self, partner_id: UUID) -> int:
        return await self.balance(partners.in_hand(partner_id, "NGN"))

    async def commission(self, partner_id: UUID) -> int:
        return await self.balance(partners.commission(partner_id, "NGN"))

    async def payable(self, partner_id: UUID) -> int:
        return await self.balance(partners.payable(partner_id, "NGN"))

    async def collected(self, grant: Grant) -> int:
        return await self.balance(atc.collected_code(grant.grant_id))

    async def rows(self, statement: str, **given: Any) -> Sequence[Any]:
        """What the owner of the tables sees of this organisation."""
        async with self.owner_db.tx(self.org.id) as tx:
            cursor = await tx.connection.execute(statement.encode(), {"tenant": self.org.id, **given})
            return await cursor.fetchall()

    async def state(self) -> Mapping[str, Any]:
        """All that a collection may move."""
        return {
            name: await self.rows(statement)
            for name, statement in (
                ("entries", "SELECT count(*), sum(amount_minor) FROM ledger_entry WHERE tenant_id = %(tenant)s"),
                ("collections", "SELECT * FROM atc_collection WHERE tenant_id = %(tenant)s ORDER BY collection_id"),
                (
                    "credits",
                    """SELECT credit_id, used_minor, state FROM virtual_account_credit
                        WHERE tenant_id = %(tenant)s ORDER BY credit_id""",
                ),
                (
                    "events",
                    "SELECT count(*) FROM event_log WHERE tenant_id = %(tenant)s AND type LIKE 'atc.collection.%%'",
                ),
            )
        }

    async def owe(self, partner_id: UUID, amount_minor: int) -> None:
        """The organisation owes a partner so much more."""
        await self._put(partners.payable(partner_id, "NGN"), amount_minor, partner_id)

    async def _put(self, code: str, amount_minor: int, partner_id: UUID | None = None) -> None:
        async with self.db.tx(self.org.id) as tx:
            await ledger.open_account(tx, OpenAccount("cash", "Cash", AccountType.ASSET, "NGN"), now=NOW, meta=META)
            if partner_id is not None:
                await partners.open_accounts(tx, [partner_id], "NGN", now=NOW, meta=META)
            cash, account = (ledger.account_id(tx.tenant, one) for one in ("cash", code))
            amount = Money(amount_minor, "NGN")
            legs = [Leg(cash, Side.DEBIT, amount), Leg(account, Side.CREDIT, amount)]
            await ledger.post_one(tx, ledger.post_transaction(legs, meta=META), today=TODAY)

    async def credit(self, owner_id: UUID, amount_minor: int, session: str) -> UUID:
        """A credit on a virtual account of a partner's, as if a provider had told us."""
        account_id, credit_id, connection_id = uuid7(), uuid7(), uuid7()
        code = f"collections:va:{account_id}:NGN"
        account = OpenAccount(code, "Virtual account", AccountType.LIABILITY, "NGN", floor_minor=0)
        async with self.db.tx(self.org.id) as tx:
            await ledger.open_account(tx, account, now=NOW, meta=META)
        await self._put(code, amount_minor)
        given = {
            "tenant": self.org.id,
            "connection": connection_id,
            "account": account_id,
            "credit": credit_id,
            "ledger": ledger.account_id(self.org.id, code),
            "owner": owner_id,
            "amount": amount_minor,
            "session": session,
            "name": str(account_id),
            "number": str(account_id.int)[-10:],
            "now": NOW,
            "empty": Jsonb({}),
        }
        async with self.owner_db.tx(self.org.id) as tx:
            for statement in _CREDIT:
                await tx.connection.execute(statement, given)
        return credit_id

    async def left(self, credit_id: UUID) -> int:
        """What is left of a credit."""
        async with self.db.tx(self.org.id, readonly=True) as tx:
            return (await collections.find_credit(tx, credit_id)).left_minor


async def make_network(db: Database, owner_db: Database) -> Network:
    """A network without partners."""
    return Network(db, owner_db, await make_organisation(db))


def cash(payer: UUID, amount_minor: int, grant: Grant | None = None, **terms: Any) -> RecordCollection:
    """Cash that was collected."""
    grant_id = None if grant is None else grant.grant_id
    return replace(RecordCollection(f"c-{uuid7()}", amount_minor, payer, CASH, grant_id), **terms)


DAY = timedelta(days=1)
_CREDIT = (
    """INSERT INTO bank_connection (tenant_id, connection_id, code, name, rail, bank_code, currency, endpoint, public,
                                    sealed, operations, float_account_id, created_at, updated_at)
       VALUES (%(tenant)s, %(connection)s, 'c' || right(%(name)s, 12), 'Provider', 'monnify', '000013', 'NGN',
               'https://bank.example', %(empty)s, 'sealed', '{virtual_accounts}', %(ledger)s, %(now)s, %(now)s)""",
    """INSERT INTO virtual_account (tenant_id, virtual_account_id, reference, our_ref, connection_id, status, owner_id,
                                    owner_type, currency, wanted_name, customer_name, customer_email, account_number,
                                    bank_code, bank_name, account_name, ledger_account_id, requested_by, created_at,
                                    updated_at, opened_at)
       VALUES (%(tenant)s, %(account)s, %(name)s, %(name)s, %(connection)s, 'active', %(owner)s, 'CUSTOMER', 'NGN',
               'Shop', 'Shop', 'a@shop.example', %(number)s, '000013', 'Bank', 'Shop', %(ledger)s, 'usr_test', %(now)s,
               %(now)s, %(now)s)""",
    """INSERT INTO virtual_account_credit (tenant_id, credit_id, connection_id, provider_credit_id, our_ref,
                                           virtual_account_id, amount_minor, fee_minor, currency, session_id, paid_at,
                                           received_at, transaction_id, credited_transaction_id, state, updated_at)
       VALUES (%(tenant)s, %(credit)s, %(connection)s, %(name)s, %(name)s, %(account)s, %(amount)s, 0, 'NGN',
               %(session)s, %(now)s, %(now)s, %(credit)s, %(credit)s, 'booked', %(now)s)""",
)
